"""identity.5: the SQLite file with contacts and ledger: how it is opened, checked, brought up to date and written.

Any number of processes and threads may use one file. Each transaction opens the file, checks it, and closes it again:
nothing is open across os.fork() or between threads. A file that is damaged, empty, somebody else's or of a newer
version is never taken for a fresh one and never written to: whoever was known would be unknown again.

What nothing here can see: a restored backup, or a file that was removed with its journal and made anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt
from e2ecall.store.files import open_file
from e2ecall.store.sqlite_file import create_once, is_damage

__all__ = ["APPLICATION_ID", "MIGRATIONS", "SCHEMA_VERSION", "Database"]

APPLICATION_ID: Final = 0x65326573  # "e2es"
SCHEMA_VERSION: Final = 2

MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        1: (
            """CREATE TABLE contacts (
  id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
  name TEXT NOT NULL,
  added_at REAL NOT NULL,
  post_quantum INTEGER NOT NULL CHECK (post_quantum IN (0, 1)),
  crc INTEGER NOT NULL
) WITHOUT ROWID""",
            """CREATE TABLE keys (
  contact BLOB NOT NULL REFERENCES contacts (id) DEFERRABLE INITIALLY DEFERRED,
  key BLOB NOT NULL CHECK (length(key) = 32),
  trust TEXT NOT NULL CHECK (trust IN ('seen', 'verified', 'changed', 'revoked')),
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  why TEXT,
  by_link INTEGER NOT NULL CHECK (by_link IN (0, 1)),
  method TEXT,
  first_at REAL NOT NULL,
  last_at REAL NOT NULL,
  verified_at REAL,
  introduced_by BLOB CHECK (length(introduced_by) = 32),
  crc INTEGER NOT NULL,
  PRIMARY KEY (contact, key)
) WITHOUT ROWID""",
            """CREATE TABLE links (
  room BLOB PRIMARY KEY NOT NULL CHECK (length(room) = 16),
  contact BLOB REFERENCES contacts (id) DEFERRABLE INITIALLY DEFERRED,
  used_at REAL,
  crc INTEGER NOT NULL
) WITHOUT ROWID""",
            """CREATE TABLE ledger (
  number INTEGER PRIMARY KEY NOT NULL,
  entry BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  signature BLOB NOT NULL CHECK (length(signature) = 64)
)""",
        ),
        2: (
            """CREATE TABLE mismatches (
  contact BLOB NOT NULL REFERENCES contacts (id) DEFERRABLE INITIALLY DEFERRED,
  key BLOB NOT NULL CHECK (length(key) = 32),
  call BLOB NOT NULL CHECK (length(call) = 16),
  at REAL NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (contact, key, call)
) WITHOUT ROWID""",
        ),
    }
)
"""The statements that lead to each version from the one before it."""

_TABLES: Final = {1: {"contacts", "keys", "ledger", "links"}, 2: {"contacts", "keys", "ledger", "links", "mismatches"}}
_HEADER_LENGTH: Final = 100
_MAGIC: Final = b"SQLite format 3\0"
_DURABLE: Final = "PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA foreign_keys = 1;"


class Database:
    """identity.5-1: `with Database(path).transaction() as connection:` commits at the end, or does nothing at all."""

    def __init__(self, path: Path | str, *, create: bool = True, timeout: float = 10.0) -> None:
        """Check the file, make it where there is none, and bring an older version up to date.

        `timeout` in seconds is how long a transaction waits for others. With `create=False` a missing file is
        StoreCorrupt. StoreCorrupt also for a file that is damaged, of another program or of a newer version;
        OutputFailed where it cannot be made, opened or written.
        """
        if "\0" in str(path):
            raise ApiMisuse("a path has no zero byte")
        self.path = Path(path).absolute()
        self._timeout = timeout
        if create and not self._is_there():
            self._create()
        with self._errors():
            self._inspect()
            with self._open("ro") as connection:
                version = self._check(connection)
            if version < SCHEMA_VERSION:
                self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """identity.5-2: a connection that alone may write. An error inside undoes all of it and goes on unchanged.

        SQLite's errors become StoreCorrupt or OutputFailed.
        """
        with self._errors():
            self._inspect()
            with self._open("ro") as connection:  # before one that may write
                self._check(connection)
        with self._errors(), self._open("rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._require_current(self._check(connection))
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has undone it by itself, after a full disk say
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the file and writes nothing."""
        with self._errors():
            self._inspect()
        with self._errors(), self._open("ro") as connection:
            connection.execute("BEGIN")
            self._require_current(self._check(connection))
            yield connection

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Never in a mode that makes a file. Mode "ro" does not move the journal's pages into the file either."""
        address = f"{self.path.as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, self._timeout, isolation_level=None, uri=True)) as connection:
            connection.executescript(_DURABLE)
            yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged name in SQLite's message
            if is_damage(error):
                self.corrupt(f"is damaged ({error})")
            raise self._failed(error) from error

    def _is_there(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            raise self._failed(error) from error

    def _inspect(self) -> None:
        """What can be told before SQLite touches the file: it would write to a file that is not ours, too."""
        if not self._is_there():
            self.corrupt("is not there")
        try:
            with open_file(self.path) as file:
                header = file.read(_HEADER_LENGTH)
                if self._is_ours(header) and os.fstat(file.fileno()).st_mode & 0o077:
                    os.fchmod(file.fileno(), 0o600)
        except OSError as error:
            raise self._failed(error) from error
        if not self._is_ours(header):
            self.corrupt("is not a store of contacts")
        version = int.from_bytes(header[60:64])
        if version > SCHEMA_VERSION:
            self._newer(version)

    @staticmethod
    def _is_ours(header: bytes) -> bool:
        return header.startswith(_MAGIC) and header[68:72] == APPLICATION_ID.to_bytes(4)

    def _create(self) -> None:
        """With a journal left over from a file that is gone, SQLite would write that one's pages into the new file."""
        journal = self.path.with_name(f"{self.path.name}-wal")
        try:
            if journal.exists() and journal.stat().st_size > 0:
                self.corrupt("is gone, and its journal is still there")
            schema = ";".join(statement for number in sorted(MIGRATIONS) for statement in MIGRATIONS[number])
            pragmas = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
            create_once(self.path, f"{_DURABLE} PRAGMA journal_mode = WAL; {schema}; {pragmas}")
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def _check(self, connection: sqlite3.Connection) -> int:
        """The version of a file that is ours and whole. SQLite holds rows to the schema only where it may write."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            self.corrupt("is not a store of contacts")
        if version > SCHEMA_VERSION:
            self._newer(version)
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok" or connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            self.corrupt(f"is damaged ({found.splitlines()[-1]})")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not _TABLES.get(version, tables) <= tables:
            self.corrupt("is damaged (a table is missing)")
        return int(version)

    def _require_current(self, version: int) -> None:
        if version != SCHEMA_VERSION:
            self.corrupt(f"went back to version {version} while it was in use")

    def _migrate(self) -> None:
        """identity.5-6: step by step in one transaction; whoever comes second finds it done."""
        with self._open("rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version < 1:
                self.corrupt(f"has version {version}, which never was")
            for number in range(version + 1, SCHEMA_VERSION + 1):
                for statement in MIGRATIONS[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
            self._check(connection)
            connection.execute("COMMIT")

    def _newer(self, version: int) -> NoReturn:
        hint = "use the newer e2ecall that wrote it"
        what = f"{self.path} has version {version}, and this program knows versions 1 to {SCHEMA_VERSION}"
        raise StoreCorrupt(what, clause="identity.5-5", hint=hint)

    def corrupt(self, what: str) -> NoReturn:
        """identity.5-4: StoreCorrupt for this file, which `what` says."""
        hint = (
            "it was left as it is; restore it, or move it away with its -wal and -shm: then every key is unknown again"
        )
        raise StoreCorrupt(f"{self.path} {what}", clause="identity.5-4", hint=hint)

    def _failed(self, error: Exception) -> OutputFailed:
        return OutputFailed(f"{self.path} cannot be used: {error}", clause="identity.5-7")
