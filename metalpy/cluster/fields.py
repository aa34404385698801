"""Typed reading of the few fields metalpy needs from a Kubernetes object, with errors that name the place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metalpy.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_VALUE_LENGTH = 60


class Fields:
    """One mapping inside an object, and the path that leads to it.

    A field that is absent and a field that is null are the same, as they are to Kubernetes. Every method
    raises `ManifestError` where the field is there with another type; the message is
    `OBJECT: PATH: VALUE: what it must be`.
    """

    __slots__ = ("_steps", "_values", "_where")

    def __init__(self, where: str, values: object, *steps: str | int) -> None:
        """`steps` lead to the mapping: names, and indices of lists. They become a path only when one is needed."""
        self._where = where
        self._steps = steps
        if type(values) is not dict and not isinstance(values, Mapping):  # the first is far quicker, and usual
            raise _wrong(where, _path(steps), values, "must be a mapping")
        self._values: Mapping[Any, Any] = values

    def path(self, name: str) -> str:
        """Give the path of a field of this mapping; names that are not plain words stand in brackets."""
        return _path((*self._steps, name))

    def wrong(self, name: str, wanted: str) -> ManifestError:
        """Give the error which says that the field's value is not `wanted`, to be raised by the caller."""
        return _wrong(self._where, self.path(name), self._values.get(name), wanted)

    def has(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """Read a text; absent means `default`."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(name, "must be a text, in quotes if it looks like something else")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Read one of a few words; absent or empty means `default`."""
        value = self.text(name) or default
        if value not in choices:
            raise self.wrong(name, f"must be {', '.join(choices[:-1])} or {choices[-1]}")
        return value

    def number(self, name: str, lowest: int, highest: int) -> int:
        """Read a whole number that has to be there, both ends included."""
        value = self._values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise self.wrong(name, f"must be a number from {lowest} to {highest}")
        return value

    def truth(self, name: str, *, default: bool) -> bool:
        """Read true or false."""
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def inner(self, name: str) -> Fields:
        """Enter a mapping; an absent one is empty."""
        value = self._values.get(name)
        return Fields(self._where, {} if value is None else value, *self._steps, name)

    def inners(self, name: str) -> Iterator[Fields]:
        """Enter the mappings of a list, one after the other."""
        for index, value in enumerate(self._list(name)):
            yield Fields(self._where, value, *self._steps, name, index)

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts; an absent one is empty."""
        values = tuple(self._list(name))
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise _wrong(self._where, _path((*self._steps, name, index)), value, "must be a text")
        return values

    def text_pairs(self, name: str) -> dict[str, str]:
        """Read a mapping of texts to texts, as labels, selectors and ConfigMaps are."""
        return self.inner(name)._pairs() if self._values.get(name) else {}  # noqa: SLF001 - of its own kind

    def rest(self, *names: str) -> dict[str, Any]:
        """Give every field but these, as they are."""
        return {key: value for key, value in self._values.items() if key not in names}

    def _pairs(self) -> dict[str, str]:
        return {key: self.text(key) for key in self._values}

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "must be a list")
        return value


def _path(steps: tuple[str | int, ...]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int) or not step.isalnum():
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path


def _wrong(where: str, path: str, value: object, wanted: str) -> ManifestError:
    shown = json.dumps(value, default=str)
    if len(shown) > SHOWN_VALUE_LENGTH:
        shown = f"{shown[:SHOWN_VALUE_LENGTH]}..."
    parts = (where, path, "" if value is None else shown, wanted)
    return ManifestError(": ".join(part for part in parts if part))
