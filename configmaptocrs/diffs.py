"""What applying an object would change, as people read it; passwords stay hidden."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from configmaptocrs.document import mapping_to_text
from configmaptocrs.objects import SECRET, full_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from configmaptocrs.objects import Object

_MEANT = {SECRET: ("type", "data")}
_HIDDEN, _HIDDEN_BEFORE, _HIDDEN_AFTER = "(hidden)", "(hidden, as before)", "(hidden, another one)"


def meaning_of(one: Object, kind: str) -> dict[str, Any]:
    """Give the fields that an object is applied for: of what a server holds, neither status nor metadata."""
    return {field: one[field] for field in _MEANT.get(kind, ("spec",)) if field in one}


def diff_of(held: Object | None, result: Object) -> str:
    """Give the lines that an object loses and gains, below its name; `held` is None where it is new."""
    kind = result["kind"]
    if held is None:
        lines = _text(_without_passwords(meaning_of(result, kind), {}))
        return "\n".join([f"create {full_name(result)}", *(f"+ {line}" for line in lines)]) + "\n"
    before, after = meaning_of(held, kind), meaning_of(result, kind)
    compared = difflib.unified_diff(
        _text(_without_passwords(before, before)), _text(_without_passwords(after, before)), n=2, lineterm=""
    )
    marked = [line for line in compared if not line.startswith(("---", "+++", "@@"))]
    return "\n".join([f"change {full_name(result)}", *(f"{line[0]} {line[1:]}" for line in marked)]) + "\n"


def _text(fields: dict[str, Any]) -> list[str]:
    return mapping_to_text(fields).splitlines()


def _without_passwords(fields: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Hide what nobody should read over a shoulder; only that it differs from `before` is told."""
    return {
        name: _hidden(value, before.get(name) or {}, whole=name == "data") if isinstance(value, dict) else value
        for name, value in fields.items()
    }


def _hidden(values: dict[str, Any], before: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    return {
        key: _mark(value, before.get(key)) if whole or key == "password" else value for key, value in values.items()
    }


def _mark(value: object, before: object) -> str:
    if before is None:
        return _HIDDEN
    return _HIDDEN_BEFORE if value == before else _HIDDEN_AFTER
