"""What the SQLite files of this package have in common: how one is made, and which errors mean damage."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from e2ecall.store.files import sync_directory

__all__ = ["create_once", "is_damage"]

# SQLite's primary result codes. All others, a full disk or a locked file, say that nothing could be written.
_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_NOTADB,
    }
)


def is_damage(error: Exception) -> bool:
    """Whether this error of SQLite says that the file is damaged, rather than that it cannot be used just now."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGE


def create_once(path: Path, script: str) -> None:
    """Make the database that `script` builds, for this user alone; leave what is there by then.

    A finished file appears under its name in one step, and it was never open under that name. So nobody sees half a
    file, and an empty one is always damage. Raises OSError and sqlite3.Error; nothing is left behind then.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    os.close(descriptor)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as database:
            database.executescript(script)
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        for rest in (name, f"{name}-wal", f"{name}-shm"):
            Path(rest).unlink(missing_ok=True)
    sync_directory(path.parent)
