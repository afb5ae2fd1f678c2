"""identity.5: SQLite files that are damaged, of others, gone, replaced, or of another version."""

import random
import shutil
import sqlite3
from contextlib import closing

import pytest

from e2ecall.errors import StoreCorrupt
from e2ecall.store import SqliteCounters
from e2ecall.store.database import APPLICATION_ID, SCHEMA_VERSION, Database
from support.databases import ADD, HAMMER, files, finished, numbers, old, program, raw


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contacts.db"


# -- files that are not a store ---------------------------------------------------------------------------------------


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("Bob +44 20 7946 0000\n" * 50)


def foreign(path):
    raw(path, "PRAGMA journal_mode = WAL", "CREATE TABLE contacts (name)", "INSERT INTO contacts VALUES ('Bob')")


def counters(path):
    SqliteCounters(path).lease(b"name of a key   ", 5)


def truncated(path):
    filled(path)
    path.write_bytes(path.read_bytes()[:-5000])


def header_only(path):
    filled(path)
    path.write_bytes(path.read_bytes()[:100])


def overwritten(path):
    filled(path)
    data = bytearray(path.read_bytes())
    data[4096:12288] = random.Random(1).randbytes(8192)
    path.write_bytes(data)


def without_a_table(path):
    filled(path)
    raw(path, "DROP TABLE keys")


def version_0(path):
    filled(path)
    raw(path, "PRAGMA user_version = 0")


def orphaned(path):
    filled(path)
    raw(path, "INSERT INTO keys VALUES (zeroblob(16), zeroblob(32), 'seen', 1, NULL, 0, NULL, 1, 1, NULL, NULL, 0)")


def filled(path):
    with Database(path).transaction() as connection:
        for number in range(100):
            connection.execute(ADD, (number, b"x" * 200))


@pytest.mark.clause("identity.5-4")
def test_a_row_against_the_schema_is_found_before_anything_is_written(path):
    filled(path)
    raw(path, "PRAGMA ignore_check_constraints = 1", "INSERT INTO ledger VALUES (999, x'', x'00', zeroblob(64))")
    before = files(path.parent)
    with pytest.raises(StoreCorrupt, match="CHECK constraint failed in ledger"), Database(path).transaction():
        pytest.fail("it is damaged")
    assert files(path.parent) == before


def our_id_alone(path):
    raw(path, f"PRAGMA application_id = {APPLICATION_ID}")


FOREIGN = [empty, text, foreign, counters]
DAMAGED = [
    our_id_alone,
    empty,
    text,
    foreign,
    counters,
    truncated,
    header_only,
    overwritten,
    without_a_table,
    version_0,
    orphaned,
]


@pytest.mark.clause("identity.5-4")
@pytest.mark.parametrize("make", DAMAGED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_store_is_refused_and_left_byte_for_byte(path, make, create):
    make(path)
    before = files(path.parent)
    for _ in range(2):
        with pytest.raises(StoreCorrupt) as caught:
            Database(path, create=create)
        assert str(path) in caught.value.message
        assert caught.value.hint
        assert files(path.parent) == before


@pytest.mark.clause("identity.5-4")
@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
def test_nothing_appears_beside_a_file_of_others(path, make):
    make(path)
    before = sorted(path.parent.iterdir())
    with pytest.raises(StoreCorrupt):
        Database(path)
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.clause("identity.5-4")
@pytest.mark.parametrize("make", DAMAGED, ids=lambda make: make.__name__)
def test_a_store_that_is_replaced_while_in_use_is_refused_too(path, make, tmp_path_factory):
    database = Database(path)
    other = tmp_path_factory.mktemp("other") / "contacts.db"
    make(other)
    shutil.copyfile(other, path)
    before = path.read_bytes()
    for use in (database.transaction, database.reading):
        with pytest.raises(StoreCorrupt), use():
            pytest.fail("this is no store")
    assert path.read_bytes() == before


@pytest.mark.clause("identity.5-4")
def test_a_file_that_is_gone_is_not_made_anew_while_in_use(path):
    database = Database(path)
    path.unlink()
    for use in (database.transaction, database.reading):
        with pytest.raises(StoreCorrupt, match="is not there"), use():
            pytest.fail("this is no store")
    with pytest.raises(StoreCorrupt, match="is not there"):
        Database(path, create=False)
    assert not path.exists()


@pytest.mark.clause("identity.5-8")
def test_a_journal_without_its_file_is_not_taken_into_a_new_one(path):
    """SQLite itself would: the pages of the file that is gone appear in the fresh one."""
    with Database(path).transaction() as connection:
        connection.execute(ADD, (0, b"a"))
        connection.execute("COMMIT")
        shutil.copyfile(path.with_name("contacts.db-wal"), path.with_name("kept"))
        connection.execute("BEGIN")
    path.unlink()
    path.with_name("kept").rename(path.with_name("contacts.db-wal"))
    before = files(path.parent)
    with pytest.raises(StoreCorrupt, match="journal is still there"):
        Database(path)
    assert files(path.parent) == before


@pytest.mark.clause("identity.5-4")
def test_any_damaged_place_is_refused_or_harmless(path):
    """Nothing but StoreCorrupt, and what can be read is what was written or a changed byte of a row."""
    filled(path)
    good = path.read_bytes()
    chance = random.Random(11)
    refused = 0
    for _ in range(200):
        data = bytearray(good)
        data[chance.choice((chance.randrange(len(data)), chance.randrange(4096)))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            assert numbers(path) is not None
        except StoreCorrupt:
            refused += 1
        assert path.read_bytes() == bytes(data)
        for rest in ("contacts.db-wal", "contacts.db-shm"):
            path.with_name(rest).unlink(missing_ok=True)
    assert refused > 10


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.5-5")
@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 2**31 - 1])
def test_a_newer_version_is_refused_and_left_byte_for_byte(path, version):
    filled(path)
    raw(path, f"PRAGMA user_version = {version}")
    before = files(path.parent)
    with pytest.raises(StoreCorrupt, match=f"has version {version}, and this program knows versions 1 to 2") as caught:
        Database(path)
    assert caught.value.hint == "use the newer e2ecall that wrote it"
    assert files(path.parent) == before


@pytest.mark.clause("identity.5-5")
def test_a_newer_version_that_is_still_in_the_journal_is_refused(path):
    database = Database(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        assert path.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4)
        for use in (database.transaction, database.reading, lambda: Database(path)):
            with pytest.raises(StoreCorrupt, match="has version 3"), use():
                pytest.fail("this is a newer store")


@pytest.mark.clause("identity.5-5")
def test_the_journal_of_a_newer_version_is_left_too(path, tmp_path):
    """Closing the last connection that may write would move its pages into the file."""
    Database(path)
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        for name in ("contacts.db", "contacts.db-wal"):
            shutil.copyfile(tmp_path / name, left / name)
    before = files(left)
    assert len(before["contacts.db-wal"]) > 4096
    with pytest.raises(StoreCorrupt, match="has version 3"):
        Database(left / "contacts.db")
    assert files(left) == before


@pytest.mark.clause("identity.5-6")
def test_version_1_becomes_2_and_keeps_what_it_has(path):
    old(path, 1)
    row = "(zeroblob(16), 'Bob', 1.5, 1, 7)"
    raw(path, f"INSERT INTO contacts VALUES {row}", "INSERT INTO ledger VALUES (0, x'61', zeroblob(32), zeroblob(64))")
    with Database(path).reading() as connection:
        assert connection.execute("SELECT * FROM contacts").fetchall() == [(bytes(16), "Bob", 1.5, 1, 7)]
        assert connection.execute("SELECT entry FROM ledger").fetchall() == [(b"a",)]
        assert connection.execute("SELECT count(*) FROM mismatches").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


@pytest.mark.clause("identity.5-6")
def test_a_migrated_store_has_the_tables_of_a_fresh_one(path, tmp_path):
    old(path, 1)
    fresh = tmp_path / "fresh.db"
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with Database(path).reading() as one, Database(fresh).reading() as other:
        assert one.execute(schema).fetchall() == other.execute(schema).fetchall()


@pytest.mark.clause("identity.5-6")
def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    old(path, 1)
    raw(path, "CREATE TABLE mismatches (in_the_way)")
    before = files(path.parent)
    with pytest.raises(StoreCorrupt, match="mismatches"):
        Database(path)
    assert files(path.parent) == before


@pytest.mark.clause("identity.5-6")
def test_processes_that_migrate_at_once_do_it_once(path):
    old(path, 1)
    processes = [program(HAMMER, path, each, 5) for each in range(4)]
    for process in processes:
        finished(process)
    assert numbers(path) == list(range(20))


@pytest.mark.clause("identity.5-6")
def test_a_store_does_not_go_back_while_in_use(path):
    database = Database(path)
    raw(path, "DROP TABLE mismatches", "PRAGMA user_version = 1")
    with pytest.raises(StoreCorrupt, match="went back to version 1"), database.transaction():
        pytest.fail("this is an older store")
