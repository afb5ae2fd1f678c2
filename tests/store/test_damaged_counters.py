"""Damaged, foreign and missing files of counters: refused, and never replaced."""

import sqlite3

import pytest

from e2ecall.errors import OutputFailed, StoreCorrupt
from e2ecall.secret import SecretBytes
from e2ecall.sframe.counters import LEASE
from e2ecall.store import SqliteCounters
from e2ecall.store.counters import APPLICATION_ID, SCHEMA_VERSION

BASE = SecretBytes(bytes(range(32)))
NAME, OTHER = b"name of a key   ", b"of another one  "

pytestmark = pytest.mark.clause("frame.5-7")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counters.db"


# ------------------------------------------------------------------------------------------------ damage, other files


def refused_and_untouched(path):
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt) as caught:
        SqliteCounters(path)
    assert caught.value.clause == "frame.5-8"
    assert str(path) in caught.value.message
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    return caught.value.message


@pytest.mark.clause("frame.5-8")
def test_a_changed_byte_never_takes_a_counter_back(path):
    """Of each byte that says anything; a byte that changes nothing may pass."""
    store = SqliteCounters(path)
    names = [bytes([n]) * 16 for n in (1, 100, 200)]
    for name in names * 2:
        store.lease(name, LEASE)
    good = path.read_bytes()
    caught = 0
    for position in [n for n, byte in enumerate(good) if byte or n < 100]:
        for mask in (0x01, 0x80) if position > 4096 else (0xFF,):
            path.write_bytes(good[:position] + bytes([good[position] ^ mask]) + good[position + 1 :])
            try:
                opened = SqliteCounters(path)
                assert [opened.lease(name, 1) for name in names] == [2 * LEASE] * 3
            except (StoreCorrupt, OutputFailed):
                caught += 1
    assert caught > 200


@pytest.mark.clause("frame.5-8")
@pytest.mark.parametrize("length", [0, 1, 99, 100, 512, 4095, 4096, 4097, 8000, 8191])
def test_a_file_that_was_cut_off_is_damaged_and_not_new(path, length):
    store = SqliteCounters(path)
    store.lease(NAME, 10)
    good = path.read_bytes()
    assert len(good) == 8192
    path.write_bytes(good[:length])
    refused_and_untouched(path)
    with pytest.raises(StoreCorrupt):
        store.lease(NAME, 10)


def test_a_counter_that_somebody_wrote_is_damage(path):
    store = SqliteCounters(path)
    store.lease(NAME, 10)
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE counters SET next = ?", ((5).to_bytes(9),))
    database.close()
    with pytest.raises(StoreCorrupt, match="a counter"):
        store.lease(NAME, 10)
    assert "a counter" in refused_and_untouched(path)


@pytest.mark.clause("frame.5-8")
def test_text_is_not_a_store(path):
    path.write_text("These are my notes, and nobody else's.\n" * 100)
    assert "not a database" in refused_and_untouched(path)


@pytest.mark.parametrize(
    ("application", "version", "message"),
    [
        (0, 0, "is not a store of counters"),
        (0, SCHEMA_VERSION, "is not a store of counters"),
        (APPLICATION_ID + 1, SCHEMA_VERSION, "is not a store of counters"),
        (APPLICATION_ID, SCHEMA_VERSION + 1, "has version 2, and this program knows version 1"),
        (APPLICATION_ID, 0, "has version 0, and this program knows version 1"),
        (APPLICATION_ID, SCHEMA_VERSION, "no such table"),
    ],
)
@pytest.mark.clause("frame.5-8")
def test_somebody_else_s_database_is_left_alone(path, application, version, message):
    database = sqlite3.connect(path)
    database.executescript(
        f"CREATE TABLE songs (name); PRAGMA application_id = {application}; PRAGMA user_version = {version};"
    )
    database.close()
    assert message in refused_and_untouched(path)


@pytest.mark.clause("frame.5-8")
def test_a_file_that_is_gone_is_not_made_anew(path):
    with pytest.raises(StoreCorrupt, match="is not there"):
        SqliteCounters(path, create=False)
    store = SqliteCounters(path)
    assert store.lease(NAME, 10) == 0
    path.unlink()
    with pytest.raises(StoreCorrupt, match="is not there"):
        store.lease(NAME, 10)
    assert list(path.parent.iterdir()) == []


def test_a_file_that_goes_at_the_last_moment_is_not_made_anew_either(path, monkeypatch):
    store = SqliteCounters(path)
    path.unlink()
    monkeypatch.setattr(store, "_is_there", lambda: True)
    with pytest.raises(OutputFailed):
        store.lease(NAME, 10)
    assert list(path.parent.iterdir()) == []


def test_a_commit_outlasts_a_power_failure_as_far_as_sqlite_can_tell(path):
    """3 is EXTRA: the folder is synced after the journal is gone, or the journal could come back and undo a lease."""
    with SqliteCounters(path)._open() as database:
        values = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    assert values == [3, "delete"]


def test_a_link_that_leads_nowhere_is_not_followed(path):
    path.symlink_to(path.parent / "elsewhere.db")
    with pytest.raises(StoreCorrupt, match="is not there"):
        SqliteCounters(path)
    assert [each.name for each in path.parent.iterdir()] == ["counters.db"]
