"""identity.5: contacts, their keys and links in the SQLite file; the rules are those of `identity.contacts`.

    with store.transaction() as contacts:      all of it, and alone: others wait
        contacts.met(slot, key, …)             kept when the block ends, undone when it raises

SQLite does not see a changed bit in a row, so each row has a checksum. It is none against a person: whoever can write
to the file can change it.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeAlias

from e2ecall.identity.contacts import Change, Contact, Contacts, KeyRecord, Link, Mismatch
from e2ecall.identity.continuity import Method, Trust, Why
from e2ecall.store.database import Database

__all__ = ["ContactStore", "Recorder"]

_Row: TypeAlias = tuple[Any, ...]
"""What SQLite gives; the schema says which types, and holds to them."""

_CONTACTS: Final = "SELECT * FROM contacts ORDER BY name, id"
_KEYS: Final = "SELECT * FROM keys ORDER BY contact, first_at, key"
_MISMATCHES: Final = "SELECT * FROM mismatches ORDER BY contact, at, key, call"
_LINKS: Final = "SELECT * FROM links"


class Recorder(Protocol):
    """Who keeps what happened: the ledger."""

    def record(self, connection: sqlite3.Connection, change: Change) -> None:
        """Write it down in the transaction that makes it so. What this raises undoes the transaction."""
        ...

    def settle(self) -> None:
        """The transaction with what was recorded is committed."""
        ...


class ContactStore:
    """identity.5-2: the contacts in a database. `recorder` is told every `Change`, in the same transaction."""

    def __init__(self, database: Database, recorder: Recorder | None = None) -> None:
        self._database = database
        self._recorder = recorder

    @contextmanager
    def transaction(self) -> Iterator[Contacts]:
        """identity.5-2: the contacts, to be changed by whoever has the block; all of its changes are kept, or none.

        StoreCorrupt for a damaged file; OutputFailed for a full disk, a read-only file, and where others hold it for
        longer than the timeout.
        """
        with self._database.transaction() as connection:
            contacts = self._load(connection)
            yield contacts
            _save(connection, contacts)
            if self._recorder is not None:
                for change in contacts.changes:
                    self._recorder.record(connection, change)
        if self._recorder is not None and contacts.changes:
            self._recorder.settle()

    def read(self) -> Contacts:
        """The contacts of this moment; what is changed in them is not kept."""
        with self._database.reading() as connection:
            return self._load(connection)

    def _load(self, connection: sqlite3.Connection) -> Contacts:
        try:
            keys, mismatches = self._grouped(connection, _KEYS), self._grouped(connection, _MISMATCHES)
            contacts = [
                Contact(
                    id=id_.hex(),
                    name=name,
                    added_at=added_at,
                    post_quantum=bool(post_quantum),
                    keys=tuple(map(_key_record, keys.get(id_, ()))),
                    mismatches=tuple(Mismatch(*row) for row in mismatches.get(id_, ())),
                )
                for id_, name, added_at, post_quantum in self._rows(connection, _CONTACTS)
            ]
            links = [
                Link(room, None if contact is None else contact.hex(), used_at)
                for room, contact, used_at in self._rows(connection, _LINKS)
            ]
        except (ValueError, TypeError, AttributeError):  # a state that there is not, text where bytes should be
            self._database.corrupt("is damaged (a contact)")
        return Contacts(contacts, links)

    def _grouped(self, connection: sqlite3.Connection, query: str) -> dict[bytes, list[_Row]]:
        """The rows of each contact, without its id."""
        grouped: dict[bytes, list[_Row]] = {}
        for contact, *row in self._rows(connection, query):
            grouped.setdefault(contact, []).append(tuple(row))
        return grouped

    def _rows(self, connection: sqlite3.Connection, query: str) -> Iterator[_Row]:
        """Rows without their checksum, which is the last column and holds."""
        for *row, crc in connection.execute(query):
            if crc != _crc(row):
                self._database.corrupt("is damaged (a row)")
            yield tuple(row)


def _save(connection: sqlite3.Connection, contacts: Contacts) -> None:
    for contact in (contacts.all[each] for each in sorted(contacts.dirty)):
        id_ = bytes.fromhex(contact.id)
        connection.execute("DELETE FROM keys WHERE contact = ?", (id_,))
        _insert(connection, "contacts", (id_, contact.name, float(contact.added_at), int(contact.post_quantum)))
        for record in contact.keys:
            _insert(connection, "keys", (id_, *_key_row(record)))
        for each in contact.mismatches:
            _insert(connection, "mismatches", (id_, each.key, each.call, float(each.at)))
    for link in (contacts.link(room) for room in sorted(contacts.dirty_links)):
        if link is not None:
            contact_id = None if link.contact is None else bytes.fromhex(link.contact)
            _insert(connection, "links", (link.room, contact_id, link.used_at))


def _insert(connection: sqlite3.Connection, table: str, row: _Row) -> None:
    """The row in the place of the one with its id; `table` is one of ours, in the order of its columns."""
    places = ", ".join("?" * (len(row) + 1))
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", (*row, _crc(row)))  # noqa: S608 - our names


def _key_row(record: KeyRecord) -> _Row:
    return (
        record.key,
        str(record.trust),
        int(record.held),
        None if record.why is None else str(record.why),
        int(record.by_link),
        None if record.method is None else str(record.method),
        float(record.first_at),
        float(record.last_at),
        None if record.verified_at is None else float(record.verified_at),
        record.introduced_by,
    )


def _key_record(row: _Row) -> KeyRecord:
    key, trust, held, why, by_link, method, first_at, last_at, verified_at, introduced_by = row
    return KeyRecord(
        key=key,
        trust=Trust(trust),
        held=bool(held),
        first_at=first_at,
        last_at=last_at,
        why=None if why is None else Why(why),
        by_link=bool(by_link),
        method=None if method is None else Method(method),
        verified_at=verified_at,
        introduced_by=introduced_by,
    )


def _crc(row: Sequence[Any]) -> int:
    values = [["hex", each.hex()] if isinstance(each, bytes) else each for each in row]
    return zlib.crc32(json.dumps(values).encode())
