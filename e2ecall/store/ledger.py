"""identity.6-10: the ledger on a disk: entries in the SQLite file of the contacts, the head in a file of its own.

An entry is added in this order, and each step is on the disk before the next one begins:
  1. under SQLite's write lock: the end of the ledger is checked against the head, and a head that a crash left one
     entry behind is mended
  2. the entry is committed
  3. under the lock again: the head that counts it takes the place of the old one

So a crash leaves a head that is right, or one entry behind, and whoever adds the next entry mends it. Nothing is added
to a ledger that was cut or changed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from e2ecall.crypto.sign import Signer
from e2ecall.errors import OutputFailed
from e2ecall.identity.ledger import HEAD_LIMIT, SignedEntry, Tip, entry_hash, next_entry, signed_head
from e2ecall.identity.ledger_check import Checked, Fault, LedgerBroken, check, check_end
from e2ecall.identity.ledger_fact import Fact
from e2ecall.store.database import Database
from e2ecall.store.files import open_file, sync_directory

__all__ = ["LedgerStore"]

_TRIES: Final = 100
_Row = tuple[object, object, object, object]


class LedgerStore:
    """identity.6-10: the ledger whose entries are in `database` (None: there is none yet) and whose head is at `head`.

    Any number of processes may add to it at once. Nothing is open between calls.
    """

    def __init__(self, database: Database | None, head: Path) -> None:
        self._database = database
        self._head = head

    def begin(self, signer: Signer, now: float) -> None:
        """Sign that the ledger is empty, unless it was begun: from then on even the loss of all of it is found."""
        with self._writable().transaction() as connection:
            self._catch_up(connection, signer, now)

    def append(self, fact: Fact, signer: Signer, now: float) -> int:
        """identity.6-10: add an entry and let the head count it; its number. `now` in seconds since 1970.

        LedgerBroken, and nothing is added, where the end of the ledger is not as its owner left it. OutputFailed for a
        full disk, a read-only file and a lock that others hold for too long; nothing is added then either, unless the
        hint says that only the head is behind. StoreCorrupt for a database that is damaged.
        """
        with self._writable().transaction() as connection:
            number = self.insert(connection, fact, signer, now)
        self.settle(signer, now)
        return number

    def insert(self, connection: sqlite3.Connection, fact: Fact, signer: Signer, now: float) -> int:
        """Steps 1 and 2 within a transaction of the same database that does something else too, as one piece.

        Whoever calls this calls `settle` as soon as the transaction is over.
        """
        tip = self._catch_up(connection, signer, now)
        signed, after = next_entry(fact, tip, signer, now)
        row = tip.length, signed.text, after.hash, signed.signature
        connection.execute("INSERT INTO ledger (number, entry, hash, signature) VALUES (?, ?, ?, ?)", row)
        return tip.length

    def settle(self, signer: Signer, now: float) -> None:
        """Step 3: let the head count what was committed; nothing where it does already."""
        try:
            with self._writable().transaction() as connection:
                self._catch_up(connection, signer, now)
        except OutputFailed as error:
            hint = "the entry is in the ledger, and its head is one behind: the next entry mends that"
            raise OutputFailed(error.message, clause=error.clause, hint=hint) from error

    def signed(self) -> tuple[list[SignedEntry], bytes | None]:
        """The entries and the head as they are stored, of one moment, unchecked; rows that are none count as empty."""
        rows, head = self._read()
        return [_signed(row) for row in rows], head

    def check(self, identity: bytes) -> Checked:
        """identity.6-8, 6-9: all of it, as the ledger of `identity` (32 bytes); LedgerBroken with the first fault.

        StoreCorrupt and OutputFailed where it cannot be read. Nothing is written.
        """
        rows, head = self._read()
        entries = [_signed(row) for row in rows]
        checked = check(entries, head, identity)
        for place, ((number, _, kept, _), signed) in enumerate(zip(rows, entries, strict=True)):
            if number != place:
                raise LedgerBroken(Fault.NUMBER, place, f"row {number} stands in its place")
            if kept != entry_hash(signed.text):
                raise LedgerBroken(Fault.CHAIN, place, "the hash beside it is another one")
        return checked

    def set_aside(self, target: Path) -> int:
        """Move all of it, whole or not, into the new file `target`, as JSON lines; the number of entries.

        For an identity that is given up, and for a ledger that was found broken and is kept as evidence: the next one
        begins at entry 0. OutputFailed where `target` exists or cannot be written; the ledger stays as it is then.
        """
        with self._writable().transaction() as connection:
            rows = connection.execute(_ROWS).fetchall()
            head = self._read_head()
            if head is not None and len(head) > HEAD_LIMIT:
                what, hint = f"{self._head} is longer than any head", "move it away yourself: it is of another program"
                raise OutputFailed(what, clause="identity.6-12", hint=hint)
            lines = [{"entry": each.text.hex(), "signature": each.signature.hex()} for each in map(_signed, rows)]
            text = "".join(f"{json.dumps(line)}\n" for line in [*lines, {"head": None if head is None else head.hex()}])
            with _file_errors(target):
                _write(target, text.encode(), os.O_EXCL)
            connection.execute("DELETE FROM ledger")
            # Before the rows are gone for good: rows without a head are found, and a head without rows is too.
            with _file_errors(self._head):
                self._head.unlink(missing_ok=True)
                sync_directory(self._head.parent)
        return len(rows)

    def _catch_up(self, connection: sqlite3.Connection, signer: Signer, now: float) -> Tip:
        """Where the ledger ends, once the head says so too. Only under the lock: a head never goes back."""
        (count,) = connection.execute("SELECT count(*) FROM ledger").fetchone()
        last = connection.execute(f"{_ROWS} DESC LIMIT 1").fetchone()
        if last is not None and last[0] != count - 1:
            raise LedgerBroken(Fault.NUMBER, count - 1, f"row {last[0]} stands in its place")
        end = None if last is None else _signed(last)
        tip, in_head = check_end(count, end, self._read_head(), signer.public)
        if not in_head:
            self._write_head(signed_head(tip, signer, now))
        return tip

    def _read(self) -> tuple[list[_Row], bytes | None]:
        """Rows and head that belong together: the head was the same before and after the rows were read."""
        for _ in range(_TRIES):
            head, rows = self._read_head(), []
            if self._database is not None:
                with self._database.reading() as connection:
                    rows = connection.execute(_ROWS).fetchall()
            if self._read_head() == head:
                return rows, head
        raise OutputFailed("the ledger cannot be read: others add to it all the time", clause="identity.6-10")

    def _read_head(self) -> bytes | None:
        with _file_errors(self._head):
            try:
                with open_file(self._head) as file:
                    return file.read(HEAD_LIMIT + 1)
            except FileNotFoundError:
                return None

    def _write_head(self, data: bytes) -> None:
        """The new head takes the old one's place in one step; the lock leaves the name of the unfinished one to us."""
        unfinished = self._head.with_name(f".{self._head.name}.new")
        with _file_errors(self._head):
            _write(unfinished, data, os.O_TRUNC)
            unfinished.replace(self._head)
            sync_directory(self._head.parent)

    def _writable(self) -> Database:
        if self._database is None:
            raise OutputFailed("there is no database to write the ledger to", clause="identity.6-10")
        return self._database


_ROWS: Final = "SELECT number, entry, hash, signature FROM ledger ORDER BY number"


def _signed(row: _Row) -> SignedEntry:
    _, text, _, signature = row
    return SignedEntry(text if isinstance(text, bytes) else b"", signature if isinstance(signature, bytes) else b"")


def _write(path: Path, data: bytes, how: int) -> None:
    """`data` in a file for this user alone, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)  # half a file, in whose way the next try would be
        raise


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(f"{path} cannot be used: {error.strerror}", clause="identity.6-10") from error
