"""frame.5-7: counter leases in a SQLite file, for send keys that outlive their process.

Any number of processes and threads may lease from one file. A lease is on the disk before its first counter is used, so
a crash skips counters and never repeats them. A file that is damaged, empty or somebody else's is never taken for a
fresh one: its counters would begin again. The file says nothing of the keys.

What nothing here can see: a restored backup, a snapshot of the machine, a second copy of the file, or a file that was
removed and made anew. After any of these the keys must not be used any more.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NoReturn, Self

from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt
from e2ecall.sframe import MAX_CTR
from e2ecall.store.sqlite_file import create_once, is_damage

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "SqliteCounters"]

APPLICATION_ID: Final = 0x65326563  # "e2ec"
SCHEMA_VERSION: Final = 1
_END = MAX_CTR + 1  # what comes after the last counter
_KEY_NAME_LENGTH = 16  # bytes, `Sender`'s
_NEXT_LENGTH = 9  # bytes of a counter in the file: SQLite's integers end at 2^63 - 1, and _END needs 65 bits

_SCHEMA = f"""
CREATE TABLE counters (
  key_name BLOB PRIMARY KEY NOT NULL,
  next BLOB NOT NULL CHECK (length(next) = {_NEXT_LENGTH}),
  crc INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
# EXTRA: with FULL, a journal that comes back after a power failure would take the lease back.
_DURABLE = "PRAGMA synchronous = EXTRA; PRAGMA fullfsync = 1;"


class SqliteCounters:
    """frame.5-7: `Sender(…, counters=SqliteCounters(path))`; one file holds the counters of many keys.

    Each lease opens the file, checks all of it, and closes it again: nothing is open across os.fork() or between
    threads. That takes about 2 ms where there are few keys, once in 65,536 frames.
    """

    def __init__(self, path: Path | str, *, create: bool = True, timeout: float = 10.0) -> None:
        """Check the file, or make it, for this user alone; `timeout` in seconds is how long a lease waits for others.

        With `create=False` a missing file is StoreCorrupt: right wherever the keys are older than this start.
        StoreCorrupt for a file that is damaged, of another program or of a newer version; OutputFailed where it cannot
        be made or opened.
        """
        if "\0" in str(path):
            raise ApiMisuse("a path has no zero byte")
        self._path = Path(path).absolute()
        self._timeout = timeout
        self._closed = False
        if create and not self._is_there():
            self._create()
        with self._open() as database:
            self._check(database)

    def lease(self, key_name: bytes, size: int) -> int:
        """frame.5-7: the first of `size` counters of that key that nobody was given; 2^64 when there is none left.

        The last lease may be shorter: counters end at 2^64-1. ApiMisuse for a size below 1 and once closed,
        StoreCorrupt for a file that is gone or damaged, OutputFailed for a full disk, a read-only file, and where
        others hold it for longer than the timeout. After an error no counter was given.
        """
        if size < 1:
            raise ApiMisuse("a lease has at least one counter", clause="frame.5-7")
        if not isinstance(key_name, bytes) or len(key_name) != _KEY_NAME_LENGTH:
            raise ApiMisuse(f"the name of a key has {_KEY_NAME_LENGTH} bytes", clause="frame.5-7")
        if self._closed:
            raise ApiMisuse("this store of counters is closed", clause="frame.5-7")
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            self._check(database)
            row = database.execute("SELECT next FROM counters WHERE key_name = ?", (key_name,)).fetchone()
            first = 0 if row is None else int.from_bytes(row[0])
            after = min(first + size, _END).to_bytes(_NEXT_LENGTH)
            values = key_name, after, _crc(key_name, after)
            database.execute("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)", values)
            database.execute("COMMIT")
        return first

    def close(self) -> None:
        """Lease nothing more. What was leased stays good."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one piece of work; SQLite's errors, while it lasts, become ours."""
        if not self._is_there():
            self._corrupt("is not there")
        try:
            address = f"{self._path.as_uri()}?mode=rw"  # never one that makes a file
            with closing(sqlite3.connect(address, self._timeout, isolation_level=None, uri=True)) as database:
                database.executescript(_DURABLE)
                yield database
        except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged name in SQLite's message
            if is_damage(error):
                self._corrupt(f"is damaged ({error})")
            raise self._failed(error) from error

    def _is_there(self) -> bool:
        try:
            return self._path.exists()
        except OSError as error:
            raise self._failed(error) from error

    def _create(self) -> None:
        try:
            create_once(self._path, _DURABLE + _SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def _check(self, database: sqlite3.Connection) -> None:
        """Whether this is a store of counters, in a version that is known here, and whole."""
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            self._corrupt("is not a store of counters")
        if version != SCHEMA_VERSION:
            self._corrupt(f"has version {version}, and this program knows version {SCHEMA_VERSION}")
        (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            self._corrupt(f"is damaged ({found.splitlines()[-1]})")
        # SQLite does not see a changed bit in a row; a lower counter is fatal, and so is another name beside it.
        for key_name, after, crc in database.execute("SELECT key_name, next, crc FROM counters"):
            if not isinstance(key_name, bytes) or not isinstance(after, bytes) or crc != _crc(key_name, after):
                self._corrupt("is damaged (a counter)")

    def _corrupt(self, what: str) -> NoReturn:
        hint = "do not replace it: without it, a fresh base_key is the only safe way on"
        raise StoreCorrupt(f"{self._path} {what}", clause="frame.5-8", hint=hint)

    def _failed(self, error: Exception) -> OutputFailed:
        return OutputFailed(f"no counters can be leased from {self._path}: {error}", clause="frame.5-7")


def _crc(key_name: bytes, after: bytes) -> int:
    return zlib.crc32(key_name + after)
