"""identity.5: contacts in the SQLite file: the same before and after, a block whole or not at all, damaged rows."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt, VerificationFailed
from e2ecall.identity.continuity import Happening, Method, Mode, Trust, Why
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import APPLICATION_ID, MIGRATIONS, Database

K1, K2, K3, K4 = (bytes([each]) * 32 for each in range(1, 5))
CALL, ROOM, SPENT = b"c" * 16, b"r" * 16, b"s" * 16
RNG = SystemRng()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contacts.db"


@pytest.fixture
def store(path):
    return ContactStore(Database(path))


def slot_of(contacts, name="Bob"):
    return contacts.slot(contacts.find(name).id)


def fill(store):
    """Something in every column."""
    with store.transaction() as contacts:
        for name in ("Bob", "Zoë 🐈"):
            contacts.add(name, now=1.25, rng=RNG)
        slot = slot_of(contacts)
        contacts.met(slot, K1, post_quantum=True, mode=Mode.ASK, now=2.5, rng=RNG, by_link=True)
        contacts.verified(slot, K1, method=Method.EMOJI, call=b"x" * 16, post_quantum=True, now=3)
        contacts.met(slot, K2, post_quantum=True, mode=Mode.ASK, now=4, rng=RNG)
        contacts.mismatch(slot, K3, method=Method.QR, call=CALL, now=5)
        contacts.revoke(slot, K4, now=6)
        contacts.keep_link(ROOM, slot.contact)
        contacts.use_link(SPENT, now=7.5)


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def change(path, statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount == 1


@pytest.mark.clause("identity.5-2")
def test_what_was_kept_is_what_is_read(store, path):
    with store.transaction():
        pass
    fill(store)
    with store.transaction() as kept:
        before = dict(kept.all)
    for again in (store.read(), ContactStore(Database(path, create=False)).read()):
        assert dict(again.all) == before
        assert list(again.all) == sorted(before, key=lambda id_: before[id_].name)
        bob = again.find("Bob")
        assert [(each.key, each.trust, each.held, each.why) for each in bob.keys] == [
            (K1, Trust.VERIFIED, True, None),
            (K2, Trust.CHANGED, False, Why.OTHER_KEY),
            (K3, Trust.CHANGED, False, Why.MISMATCH),
            (K4, Trust.REVOKED, False, Why.REVOKED),
        ]
        one = bob.keys[0]
        assert (one.by_link, one.method, one.first_at, one.last_at, one.verified_at) == (True, Method.EMOJI, 2.5, 3, 3)
        assert (bob.added_at, bob.post_quantum, [each.call for each in bob.mismatches]) == (1.25, True, [CALL])
        assert again.find("Zoë 🐈").keys == ()
        assert again.slot_of_link(ROOM).contact == bob.id
        assert again.link(SPENT).used_at == 7.5
        with pytest.raises(VerificationFailed):
            again.use_link(SPENT, now=8)
        assert (again.dirty, again.changes) == (set(), [])


@pytest.mark.clause("identity.5-2")
def test_a_block_that_raises_keeps_nothing(store):
    fill(store)
    before = dict(store.read().all)
    with pytest.raises(ApiMisuse), store.transaction() as contacts:
        halfway(contacts)
    assert dict(store.read().all) == before
    reading = store.read()
    reading.accept_key(slot_of(reading), K2, now=9)
    assert dict(store.read().all) == before


def halfway(contacts):
    contacts.accept_key(slot_of(contacts), K2, now=9)
    contacts.keep_link(SPENT, slot_of(contacts).contact)
    contacts.accept_key(slot_of(contacts), K1, now=9)


@pytest.mark.clause("identity.5-2")
def test_contacts_can_change_their_names_in_one_block(store):
    fill(store)
    with store.transaction() as contacts:
        bob, zoe = slot_of(contacts).contact, contacts.find("Zoë 🐈").id
        contacts.rename(bob, "tmp")
        contacts.rename(zoe, "Bob")
        contacts.rename(bob, "Zoë 🐈")
    assert (store.read().all[bob].name, store.read().all[zoe].name) == ("Zoë 🐈", "Bob")
    assert len(store.read().all[bob].keys) == 4


@pytest.mark.clause("identity.3-15")
def test_refused_keys_that_are_dropped_leave_the_file_too(store, path):
    fill(store)
    for number in range(20, 40):
        with store.transaction() as contacts:
            key = bytes([number]) * 32
            contacts.met(slot_of(contacts), key, post_quantum=True, mode=Mode.ASK, now=number, rng=RNG)
    assert rows(path, "SELECT count(*) FROM keys") == [(3 + 8,)]
    assert len(store.read().find("Bob").keys) == 3 + 8


class Notes:
    """A recorder that writes to the ledger's table, and may fail."""

    def __init__(self, path, fail=False):
        self.path, self.fail, self.settled = path, fail, []

    def record(self, connection, change):
        (number,) = connection.execute("SELECT count(*) FROM ledger").fetchone()
        entry = f"{change.happening} {change.name} {change.trust}".encode()
        connection.execute("INSERT INTO ledger VALUES (?, ?, zeroblob(32), zeroblob(64))", (number, entry))
        if self.fail:
            raise OutputFailed("no")

    def settle(self):
        self.settled.append(len(rows(self.path, "SELECT * FROM ledger")))


@pytest.mark.clause("identity.5-2")
def test_contacts_and_ledger_are_written_in_one_piece(path):
    notes = Notes(path)
    store = ContactStore(Database(path), notes)
    fill(store)
    entries = [entry.decode() for (entry,) in rows(path, "SELECT entry FROM ledger ORDER BY number")]
    assert entries == [
        f"{Happening.BY_LINK} Bob seen",
        f"{Happening.COMPARED} Bob verified",
        f"{Happening.OTHER_KEY} Bob changed",
        f"{Happening.MISMATCHED} Bob changed",
        f"{Happening.REVOKED} Bob revoked",
    ]
    assert notes.settled == [5]
    with store.transaction() as contacts:
        contacts.add("Carol", now=8, rng=RNG)
    assert notes.settled == [5]  # nothing for the ledger
    failing = ContactStore(Database(path), Notes(path, fail=True))
    with pytest.raises(OutputFailed), failing.transaction() as contacts:
        contacts.accept_key(slot_of(contacts), K2, now=9)
    assert store.read().find("Bob").record(K2).trust is Trust.CHANGED
    assert len(rows(path, "SELECT * FROM ledger")) == 5


MEETING = """
import sys
from e2ecall.crypto.rng import SystemRng
from e2ecall.identity.continuity import Method, Mode
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
store, own = ContactStore(Database(sys.argv[1], timeout=60)), int(sys.argv[2])
for n in range(25):
    with store.transaction() as contacts:
        slot = contacts.slot(contacts.find("Bob").id)
        contacts.met(slot, bytes([7]) * 32, post_quantum=True, mode=Mode.ACCEPT_NEW, now=n, rng=SystemRng())
        contacts.mismatch(slot, bytes([7]) * 32, method=Method.QR, call=bytes([own, n]) * 8, now=n)
        contacts.add(f"{own} {n}", now=n, rng=SystemRng())
"""


@pytest.mark.clause("identity.5-2", "identity.3-12")
def test_processes_that_change_one_contact_at_once_lose_nothing(store, path):
    with store.transaction() as contacts:
        contacts.add("Bob", now=0, rng=RNG)
    command = [sys.executable, "-c", MEETING, str(path)]
    processes = [subprocess.Popen([*command, str(each)]) for each in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    contacts = store.read()
    assert len(contacts.find("Bob").mismatches) == 100
    assert len(contacts.all) == 101


DAMAGE = [
    ("UPDATE contacts SET post_quantum = 0 WHERE name = 'Bob'", ()),
    ("UPDATE contacts SET name = 'Rob' WHERE name = 'Bob'", ()),
    ("UPDATE keys SET trust = 'verified' WHERE key = ?", (K2,)),
    ("UPDATE keys SET trust = 'seen' WHERE key = ?", (K4,)),
    ("UPDATE keys SET key = ? WHERE key = ?", (b"m" * 32, K1)),
    ("UPDATE keys SET verified_at = 9 WHERE key = ?", (K1,)),
    ("UPDATE keys SET crc = crc + 1 WHERE key = ?", (K1,)),
    ("UPDATE mismatches SET call = zeroblob(16)", ()),
    ("UPDATE links SET contact = NULL WHERE room = ?", (ROOM,)),
    ("UPDATE links SET used_at = NULL WHERE room = ?", (SPENT,)),
]


@pytest.mark.clause("identity.5-4")
@pytest.mark.parametrize(("statement", "values"), DAMAGE)
def test_a_changed_value_in_any_row_is_found_and_left(store, path, statement, values):
    fill(store)
    change(path, statement, *values)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="damaged"):
        store.read()
    with pytest.raises(StoreCorrupt, match="damaged"), store.transaction():
        pytest.fail("it is damaged")
    assert path.read_bytes() == before


@pytest.mark.clause("identity.5-4")
def test_a_row_with_its_checksum_and_a_reason_that_there_is_not(store, path):
    from e2ecall.store.contacts import _crc

    fill(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        *row, _ = connection.execute("SELECT * FROM keys WHERE key = ?", (K2,)).fetchone()
        assert row[4] == "other-key"
        row[4] = "no-reason"
        connection.execute("UPDATE keys SET why = ?, crc = ? WHERE key = ?", (row[4], _crc(row), K2))
    with pytest.raises(StoreCorrupt, match="damaged"):
        store.read()


@pytest.mark.clause("identity.5-6")
def test_contacts_of_version_1_are_read_and_can_fail_a_comparison(path, tmp_path):
    fill(ContactStore(Database(path)))
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        for statement in MIGRATIONS[1]:
            connection.execute(statement)
        connection.execute("ATTACH ? AS newer", (str(path),))
        for table in ("contacts", "keys", "links"):
            connection.execute(f"INSERT INTO {table} SELECT * FROM newer.{table}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    store = ContactStore(Database(older))
    assert store.read().find("Bob").mismatches == ()
    assert len(store.read().find("Bob").keys) == 4
    with store.transaction() as contacts:
        contacts.mismatch(slot_of(contacts), K1, method=Method.EMOJI, call=CALL, now=9)
    assert len(store.read().find("Bob").mismatches) == 1


@pytest.mark.clause("identity.3-8")
def test_no_secret_of_a_link_is_in_the_file(store, path):
    """The table of links has a room, a contact and a time, and nothing else."""
    fill(store)
    assert [name for _, name, *_ in rows(path, "PRAGMA table_info(links)")] == ["room", "contact", "used_at", "crc"]
