"""Writes files: whole or not at all, and so that nobody else reads what people's mail says."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path


def must_be_a_file(state: os.stat_result) -> None:
    """Raise OSError for what is no regular file: whoever opens a pipe may wait for ever, and a device has no end."""
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, and no file")


def write_whole(path: Path, text: str, *, mode: int) -> None:
    """Write text as UTF-8 to a new file of these permissions, which then takes the place of `path`. Raises OSError.

    Who reads it meanwhile, or after a power cut, finds the old one or the new one.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner alone, at first
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def write_for_owner(path: Path, content: bytes) -> None:
    """Write a file that only this user can read; one that is there already keeps its mode. Raises OSError.

    `path` may be a device or a pipe.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
