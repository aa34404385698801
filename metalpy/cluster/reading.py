"""Objects, as JSON or YAML gives them, to the shapes that say what is read of them, with errors that name the place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from metalpy.cluster.shapes import CHOICES, HIGHEST_PORT, Name, NamedObject
from metalpy.errors import ManifestError
from metalpy.model import ObjectKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_NAMESPACE = "default"
SHOWN_VALUE_LENGTH = 60

LONGEST_LABEL = 63
LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

A_TEXT = "must be a text, in quotes if it looks like something else"
_WANTED = {
    "object": "must be a mapping",
    "array": "must be a list",
    "str": A_TEXT,
    "bool": "must be true or false",
    "int": f"must be a number from 1 to {HIGHEST_PORT}",  # no other numbers are read than ports
}
"""What must be where msgspec says that it expected this."""
_PLACE = re.compile(r".* - at (?P<key>`key` in )?`\$(?P<path>.*)`$", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(?P<kind>\w+)")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_ANY_KEY = "[...]"
_INDEX = re.compile(r"\[(\d+)\]")

Read = TypeVar("Read")
Step = str | int


def is_label(text: str) -> bool:
    """Tell whether this is a DNS-1123 label, as namespaces and Services are named by."""
    return len(text) <= LONGEST_LABEL and _LABEL.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether this is a DNS-1123 subdomain, as most objects are named by."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None


def read(kind: str, obj: object, shape: type[Read]) -> Read:
    """Read an object: JSON that nobody looked at yet (`msgspec.Raw`), or what JSON or YAML became.

    Raises `ManifestError` where a field is there with another type than Kubernetes gives it: the object, the path of
    the field, its value, and what it must be. And for what is no JSON.
    """
    try:
        if isinstance(obj, msgspec.Raw):
            return msgspec.json.decode(obj, type=shape)
        return msgspec.convert(obj, shape)
    except msgspec.ValidationError as error:
        found = json_value(obj)
        raise _explained(_title(kind, found), found, error) from None
    except msgspec.DecodeError as error:
        raise ManifestError(f"{kind}: {error}") from None


def read_part(where: str, obj: object, shape: type[Read]) -> Read:
    """Read what is part of an object, or a file; `where` names that in errors. Raises `ManifestError`."""
    try:
        return msgspec.convert(obj, shape)
    except msgspec.ValidationError as error:
        raise _explained(where, obj, error) from None


def key_from(kind: str, obj: object) -> ObjectKey:
    """Read namespace and name; without a namespace it is `default`, a Node's or Namespace's is always empty.

    Both are checked against the syntax of Kubernetes names, hence are safe parts of a file path. Raises
    `ManifestError`.
    """
    return key_of(kind, read_part(kind, obj, NamedObject).metadata)


def key_of(kind: str, metadata: Name | None) -> ObjectKey:
    """Give namespace and name, likewise. Raises likewise."""
    name = (metadata and metadata.name) or ""
    if kind == "Service" and not is_label(name):
        raise _wrong_name(kind, "name", metadata and metadata.name, LONGEST_LABEL, "a-z, 0-9 and -")
    if not is_name(name):
        raise _wrong_name(kind, "name", metadata and metadata.name, LONGEST_NAME, "a-z, 0-9, - and .")
    if kind in {"Node", "Namespace"}:
        return ObjectKey("", name)
    namespace = (metadata and metadata.namespace) or DEFAULT_NAMESPACE
    if not is_label(namespace):
        raise _wrong_name(kind, "namespace", namespace, LONGEST_LABEL, "a-z, 0-9 and -")
    return ObjectKey(namespace, name)


def json_value(obj: object) -> Any:
    """Give what JSON is that nobody looked at yet; other values as they are. Raises `ManifestError` for no JSON."""
    try:
        return msgspec.json.decode(obj) if isinstance(obj, msgspec.Raw) else obj
    except msgspec.DecodeError as error:
        raise ManifestError(str(error)) from None


def wrong(where: str, path: str, value: object, wanted: str) -> ManifestError:
    """Give the error which says that the value at a path is not `wanted`, to be raised by the caller."""
    shown = json.dumps(value, default=str)
    if len(shown) > SHOWN_VALUE_LENGTH:
        shown = f"{shown[:SHOWN_VALUE_LENGTH]}..."
    parts = (where, path, "" if value is None else shown, wanted)
    return ManifestError(": ".join(part for part in parts if part))


def _title(kind: str, obj: object) -> str:
    """Name an object in an error, as far as it has a name."""
    try:
        key = key_from(kind, obj)
    except ManifestError:
        return kind
    return f"{kind} {key if key.namespace else key.name}"


def _wrong_name(kind: str, field: str, value: object, longest: int, characters: str) -> ManifestError:
    return wrong(kind, f"metadata.{field}", value, f"must be a name of at most {longest} of {characters}")


def _explained(where: str, obj: object, error: msgspec.ValidationError) -> ManifestError:
    """Say what msgspec found wrong with a value in our words, with the value itself."""
    place = _PLACE.match(str(error))
    steps: list[Step] = []
    value = obj
    try:
        for step, value in _walk(obj, place["path"] if place else ""):  # noqa: B007 - the last one counts
            steps.append(step)
        if missing := _MISSING.match(str(error)):
            steps.append(missing["name"])
            value = None
        wanted = _wanted(str(error), steps, is_key=bool(place and place["key"]))
    except (LookupError, TypeError, ValueError, AttributeError):  # another version may say it otherwise
        return ManifestError(f"{where}: {error}")
    return wrong(where, _path(steps), value, wanted)


def _wanted(error: str, steps: Sequence[Step], *, is_key: bool) -> str:
    if is_key:
        return "must have texts as names, in quotes if they look like something else"
    if expected := _EXPECTED.match(error):
        return _WANTED[expected["kind"]]
    if _MISSING.match(error):
        return _WANTED["int"]  # no other fields have to be there
    *words, last = CHOICES[str(steps[-1])]
    return f"must be {', '.join(words)} or {last}"


def _walk(value: Any, path: str) -> Iterator[tuple[Step, Any]]:
    """Follow a path as msgspec writes it, in which dots may be part of a name, and a pair's name is missing."""
    while path:
        if index := _INDEX.match(path):
            step: Step = int(index[1])
            path = path[index.end() :]
            value = value[step]
        elif path.startswith(_ANY_KEY):
            path = path[len(_ANY_KEY) :]
            step = next((name for name, each in value.items() if not isinstance(each, str | None)), "")
            value = value[step]
        else:
            step = _next_name(value, path)
            path = path[len(step) + 1 :]
            value = value[step]
        yield step, value


def _next_name(value: Mapping[Any, Any], path: str) -> str:
    """Find which of a mapping's names comes next in a path, which begins with a dot."""
    names = [str(name) for name in value]
    return max((name for name in names if path.startswith(f".{name}") and path[len(name) + 1 :][:1] in "[."), key=len)


def _path(steps: Sequence[Step]) -> str:
    """Write a path; names that are not plain words stand in brackets."""
    path = ""
    for step in steps:
        if isinstance(step, int) or not step.isalnum():
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path
