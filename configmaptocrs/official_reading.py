"""YAML as the official converter reads it: by way of JSON, with the meaning that a scalar seems to have.

Unknown keys are dropped, keys match in any case, the last of two equal keys counts, and a number or a truth where
there should be text becomes the text that Go prints for it: that is how `0755` turned into `493`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from configmaptocrs.failure import ConversionError
from metalpy.config.decoding import Fields, Place
from metalpy.config.document import List, Mapping, Scalar
from metalpy.config.nodes import dealiased
from metalpy.config.scalars import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metalpy.config.document import Node
    from metalpy.config.hints import Section
    from metalpy.config.scalars import Resolved

_LEAST_EXPONENT, _MOST_EXPONENT = -4, 6
"""Between them Go's %g with the fewest digits writes no exponent."""
_SINGLE_DIGITS = 9


class OfficialReader:
    """Reads nodes leniently. Raises `ConversionError` for a value of a wrong type, as the official converter ends."""

    def fields(self, node: Node, path: str, section: Section) -> Fields | None:
        """Read a mapping, dropping keys that are not known."""
        target = dealiased(node)
        if target is None or (_value(target) is None and isinstance(target, Scalar)):
            return Fields(target or node, path)
        if not isinstance(target, Mapping):
            raise ConversionError(f"{path or 'the configuration'} must be a mapping")
        known = {key.lower(): key for key in section.keys}
        fields = Fields(target, path)
        for name, value in _entries(target):
            if name.lower() in known:
                fields.values[known[name.lower()]] = value
        return fields

    def items(self, fields: Fields, key: str, of: str) -> list[Node] | None:
        """Read a list; `of` is what it is made of."""
        target = dealiased(fields.get(key))
        if self.is_null_field(fields, key) or target is None:
            return []
        if not isinstance(target, List):
            raise ConversionError(f"{fields.path_of(key)} must be a list {of}".rstrip())
        return target.items

    def is_null_field(self, fields: Fields, key: str) -> bool:
        """Tell whether a field is absent or null."""
        target = dealiased(fields.get(key))
        return target is None or (isinstance(target, Scalar) and _value(target) is None)

    def text_pairs(self, fields: Fields, key: str) -> list[tuple[Place, str, str | None]]:
        """Read a mapping of texts; the last of two equal keys counts."""
        if self.is_null_field(fields, key):
            return []
        target = dealiased(fields.get(key))
        if not isinstance(target, Mapping):
            raise ConversionError(f"{fields.path_of(key)} must be a mapping")
        return [(Place(value, key), name, self.text(value, key)) for name, value in dict(_entries(target)).items()]

    def text(self, node: Node | None, path: str) -> str | None:
        """Read a text, of whatever seems to be something else as well."""
        target = dealiased(node)
        if target is not None and not isinstance(target, Scalar):
            raise ConversionError(f"{path} must be text")
        value = None if target is None else _value(target)
        return "" if value is None else _printed(value)

    def text_field(self, fields: Fields, key: str) -> str | None:
        """Read a field of text."""
        return self.text(fields.get(key), fields.path_of(key))

    def flag(self, fields: Fields, key: str, *, default: bool) -> bool:
        """Read a truth."""
        if self.is_null_field(fields, key):
            return default
        target = dealiased(fields.get(key))
        value = _value(target) if isinstance(target, Scalar) else target
        if not isinstance(value, bool):
            raise ConversionError(f"{fields.path_of(key)} must be true or false")
        return value

    def number(self, fields: Fields, key: str, low: int, high: int) -> int | None:
        """Read a whole number."""
        if self.is_null_field(fields, key):
            return None
        target = dealiased(fields.get(key))
        value = _value(target) if isinstance(target, Scalar) else None
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(whole, bool) or not isinstance(whole, int) or not low <= whole <= high:
            raise ConversionError(f"{fields.path_of(key)} must be a whole number from {low} to {high}")
        return whole


def _entries(mapping: Mapping) -> Iterator[tuple[str, Node]]:
    """Give keys, printed, and values: what is merged first, so that what is written covers it."""
    written = []
    for key, value in mapping.pairs:
        name = dealiased(key)
        if not isinstance(name, Scalar):
            raise ConversionError("a key must be a text")
        if name.text == "<<" and name.plain:
            target = dealiased(value)
            for part in reversed(target.items) if isinstance(target, List) else [target]:
                merged = dealiased(part)
                if isinstance(merged, Mapping):
                    yield from _entries(merged)
        else:
            written.append((_printed(_value(name)), value))
    yield from written


def _value(scalar: Node) -> Resolved:
    if not isinstance(scalar, Scalar):
        return None
    try:
        return resolve(scalar)
    except ValueError as error:
        raise ConversionError(str(error)) from None


def _printed(value: Resolved) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return single_precision(value)
    return "null" if value is None else str(value)


def single_precision(value: float) -> str:
    """Print a number as Go does with the fewest digits that tell it from others in 32 bits."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return "+Inf" if value > 0 else "-Inf"
    digits = next(
        text
        for precision in range(_SINGLE_DIGITS)
        if struct.unpack("f", struct.pack("f", float(text := f"{single:.{precision}e}")))[0] == single
        or precision == _SINGLE_DIGITS - 1
    )
    mantissa, _, exponent_text = digits.partition("e")
    exponent = int(exponent_text)
    if not _LEAST_EXPONENT <= exponent < _MOST_EXPONENT:
        sign = "-" if exponent < 0 else "+"
        return f"{mantissa}e{sign}{abs(exponent):02d}"
    return f"{float(digits):.{max(len(mantissa.lstrip('-').replace('.', '')) - 1 - exponent, 0)}f}"
