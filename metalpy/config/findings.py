"""What is wrong or doubtful in a text, collected so that an operator sees all of it at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metalpy.config.document import Scalar
from metalpy.errors import Problem

if TYPE_CHECKING:
    from metalpy.config.document import Node

_LONGEST_SHOWN = 80
_SECRET = re.compile(r"passw(or)?[dt]s?", re.IGNORECASE)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.<-]+")


class Findings:
    """The errors and warnings of one text, each with its place, its path and the value as written."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, at: Node, path: str, text: str, *, value: str = "") -> None:
        """Note what refuses the text. `value` is shown as it stands: see `shown`."""
        self.errors.append(Problem(at.line, at.column, path, value, text))

    def warn(self, at: Node, path: str, text: str, *, value: str = "") -> None:
        """Note what is accepted but doubtful."""
        self.warnings.append(Problem(at.line, at.column, path, value, text))


def shown(text: str) -> str:
    """Quote source text for a message: one line, of bounded length, nothing that follows `password`.

    A password can end up inside other text by a slip, such as a blank missing behind `password:`.
    """
    secret = _SECRET.search(text)
    if secret and secret.end() < len(text):
        text = text[: secret.end()] + "…"
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 1] + "…"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def shown_scalar(node: Node) -> str:
    """Give a number or flag as it stands, with quotes only where it has them; nothing for collections."""
    if not isinstance(node, Scalar):
        return ""
    quoted = shown(node.text)
    return quoted[1:-1] if node.plain and not node.tag else quoted


def step(path: str, key: str) -> str:
    """Give the path of a key below a path; odd keys are quoted."""
    name = key if _PLAIN_PATH.fullmatch(key) and len(key) <= _LONGEST_SHOWN else shown(key)
    if _SECRET.search(key) and key != "password":
        name = shown(key)
    return f"{path}.{name}" if path else name


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return "\\" + character
    if character.isprintable():
        return character
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\u{ord(character):04x}")
