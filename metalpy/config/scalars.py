"""What a YAML scalar means once the type of its field is known, as go-yaml 2 decodes it (YAML 1.1).

PyYAML's own resolver differs on almost every odd value: it takes `64512:1` for a base-60 number, `08` for text
and `y` for text. A field of text keeps the source text whatever it looks like; a number may be written as a
float, which was then cut.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metalpy.config.document import Scalar

Resolved = bool | int | float | str | None

_YAML = "tag:yaml.org,2002:"
_STR, _BINARY, _NULL = f"{_YAML}str", f"{_YAML}binary", f"{_YAML}null"
_BOOL, _INT, _FLOAT = f"{_YAML}bool", f"{_YAML}int", f"{_YAML}float"
_TIMESTAMP, MERGE = f"{_YAML}timestamp", f"{_YAML}merge"
_RESOLVED = frozenset({_NULL, _BOOL, _INT, _FLOAT, _TIMESTAMP})

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNSET_NULLS = frozenset({"", "~", "null"})

_FLAGS = {
    text: value
    for value, texts in (
        (True, "y Y yes Yes YES true True TRUE on On ON"),
        (False, "n N no No NO false False FALSE off Off OFF"),
    )
    for text in texts.split()
}

_SPECIAL_FLOATS = {
    sign + text: float(sign + text.lower().removeprefix("."))
    for sign, texts in (("", ".nan .NaN .NAN .inf .Inf .INF"), ("+", ".inf .Inf .INF"), ("-", ".inf .Inf .INF"))
    for text in texts.split()
}

_INTEGERS = (
    (re.compile(r"([+-]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([+-]?)0[bB]([01]+)"), 2),
    (re.compile(r"([+-]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([+-]?)(0|[1-9][0-9]*)"), 10),
)
_DECIMAL_FLOAT = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_LONGEST_NUMBER = 400
"""No number of more digits fits any field, and Python limits how many it converts."""


def resolve(scalar: Scalar) -> Resolved:
    """Give the value that the scalar has by its own looks and tag.

    Raises `ValueError` where an explicit tag does not fit the text.
    """
    tag = scalar.tag
    if tag == _BINARY:
        return _binary(scalar.text)
    if (not tag and not scalar.plain) or (tag and tag not in _RESOLVED):
        return scalar.text
    value = _looks(scalar.text)
    if tag:
        return _tagged(scalar.text, tag, value)
    return value


def read_text(scalar: Scalar) -> str:
    """Give a field of text its value: the source text, empty for null. Raises `ValueError`.

    A value of decoded JSON, which has no place in a text, is of the type that it has: a number is no text.
    """
    if scalar.plain and not scalar.line and scalar.text not in NULLS:
        raise ValueError("must be a text: put it in quotes")
    if not scalar.tag:
        return "" if scalar.plain and scalar.text in NULLS else scalar.text
    value = resolve(scalar)
    if scalar.tag == _BINARY:
        return str(value)
    return "" if value is None else scalar.text


def is_unset(scalar: Scalar) -> bool:
    """Tell whether the scalar leaves an optional number or flag alone.

    `Null` and `NULL` do not, by a quirk of go-yaml 2: they set zero or false.
    """
    if scalar.tag:
        return scalar.tag == _NULL
    return scalar.plain and scalar.text in _UNSET_NULLS


def reads_differently(text: str, value: int) -> bool:
    """Tell whether digits with a leading zero stand for another number than they seem to.

    True as well for those that are a number only by way of a float, such as `08`.
    """
    digits = text.replace("_", "").lstrip("+-")
    if not digits.isdecimal() or not digits.startswith("0") or digits.strip("0") == "":
        return False
    return int(digits) != value or not set(digits) <= set("01234567")


def _looks(text: str) -> Resolved:
    if text in NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text]
    if text[0] in "+-0123456789":
        number = _number(text.replace("_", ""))
    else:
        number = _float(text) if _POINT_FLOAT.fullmatch(text) else None
    return text if number is None else number


def _number(text: str) -> int | float | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    for pattern, base in _INTEGERS:
        found = pattern.fullmatch(text)
        if found:
            value = int(found[1] + found[2], base)
            return value if -(2**63) <= value < 2**64 else float(value) if base == 10 else None  # noqa: PLR2004
    return _float(text) if _DECIMAL_FLOAT.fullmatch(text) else None


def _float(text: str) -> float | None:
    value = float(text)
    return None if value in {float("inf"), float("-inf")} else value


def _tagged(text: str, tag: str, value: Resolved) -> Resolved:
    if tag == _FLOAT and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = {
        _NULL: value is None,
        _BOOL: isinstance(value, bool),
        _INT: isinstance(value, int) and not isinstance(value, bool),
        _FLOAT: isinstance(value, float),
        _TIMESTAMP: _DATE.fullmatch(text) is not None,
    }
    if not fits[tag]:
        raise ValueError(f"is not what its tag !!{tag.removeprefix(_YAML)} says")
    return value


def _binary(text: str) -> str:
    try:
        data = base64.b64decode("".join(text.splitlines()), validate=True)
        return data.decode()
    except (binascii.Error, ValueError):
        raise ValueError("!!binary must be base64 of UTF-8 text") from None
