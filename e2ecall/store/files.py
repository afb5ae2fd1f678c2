"""What the stores have in common where they touch plain files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_file", "sync_directory"]


def open_file(path: Path) -> BinaryIO:
    """identity.5-4: what is at `path`, for reading. OSError also where it is no file: a pipe would keep us waiting."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.ENODEV
        raise OSError(number, "Is a directory" if stat.S_ISDIR(mode) else "Is not a file", str(path))
    return path.open("rb")


def sync_directory(path: Path) -> None:
    """That a name was given or taken away has to outlive a power failure too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
