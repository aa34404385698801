"""The generated stubs are what the messages say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.wire import PACKAGE, ROOT, generate

if TYPE_CHECKING:
    from pathlib import Path


def test_stubs_are_those_that_make_wire_would_write(tmp_path: Path) -> None:
    made = generate(tmp_path)

    assert [file.name for file in made] == sorted(file.name for file in (ROOT / PACKAGE).glob("gobgp*"))
    for file in made:
        assert file.read_bytes() == (ROOT / PACKAGE / file.name).read_bytes(), f"{file.name}: run make wire"
