"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from configmaptocrs.failure import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULT_NAME = "resources.yaml"
_MODE = 0o644
_SECRET_MODE = 0o600


def write_file(path: Path, texts: Iterable[str], *, secret: bool = False) -> None:
    """Replace a file's content at once by texts, one after the other; on failure it is as it was.

    Raises `ConversionError`.

    A file with passwords is for its owner alone.
    """
    name = ""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            name = file.name
            file.writelines(texts)
            file.flush()
            os.fchmod(file.fileno(), _SECRET_MODE if secret else _MODE)
            if os.geteuid() == 0:  # in a container, for a directory of somebody who is to read the result
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
        raise ConversionError(f"{path}: {error.strerror}") from None
