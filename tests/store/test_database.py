"""identity.5: the SQLite file on a real disk: processes, kill -9, a full disk, damage, foreign files, versions."""

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt
from e2ecall.store import SqliteCounters
from e2ecall.store.database import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION, Database

ADD = "INSERT INTO ledger VALUES (?, ?, zeroblob(32), zeroblob(64))"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contacts.db"


def files(folder):
    """Every file of a folder, but SQLite's empty journal and its index, which a reader may leave."""
    return {
        each.name: each.read_bytes()
        for each in folder.iterdir()
        if not (each.name.endswith("-shm") or (each.name.endswith("-wal") and each.stat().st_size == 0))
    }


def numbers(path):
    with Database(path, create=False).reading() as connection:
        return [number for (number,) in connection.execute("SELECT number FROM ledger ORDER BY number")]


def program(code, *arguments):
    """A process of its own that runs `code`."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def raw(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def old(path, version):
    """A store as an earlier version made it."""
    statements = [each for number in range(1, version + 1) for each in MIGRATIONS[number]]
    pragmas = f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {version}"
    raw(path, "PRAGMA journal_mode = WAL", *pragmas, *statements)


# -- transactions -----------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.5-2", "identity.5-3")
def test_a_transaction_is_kept_whole_or_not_at_all(path):
    database = Database(path)
    with database.transaction() as connection:
        connection.execute(ADD, (0, b"a"))
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for error in (ZeroDivisionError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), database.transaction() as connection:
            stop(connection, error)
    assert numbers(path) == [0]


def stop(connection, error):
    connection.execute(ADD, (1, b"b"))
    raise error


@pytest.mark.clause("identity.5-2")
def test_nothing_is_written_while_reading(path):
    database = Database(path)
    with pytest.raises(OutputFailed), database.reading() as connection:
        connection.execute(ADD, (0, b"a"))
    assert numbers(path) == []


@pytest.mark.clause("identity.5-2")
def test_a_reader_sees_one_moment(path):
    database = Database(path)
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
        with database.transaction() as writing:
            writing.execute(ADD, (0, b"a"))
        assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
    assert numbers(path) == [0]


@pytest.mark.clause("identity.5-2")
def test_a_file_that_others_hold_for_too_long_is_told(path):
    Database(path)
    database = Database(path, timeout=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutputFailed, match="locked"), database.transaction():
            pytest.fail("somebody else holds it")
    with database.transaction():
        pass


HAMMER = """
import sys
from e2ecall.store.database import Database
path, each, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for n in range(count):
    with Database(path, timeout=60).transaction() as connection:
        (last,) = connection.execute("SELECT coalesce(max(number), -1) FROM ledger").fetchone()
        row = last + 1, b"%d %d" % (each, n)
        connection.execute("INSERT INTO ledger VALUES (?, ?, zeroblob(32), zeroblob(64))", row)
"""


@pytest.mark.clause("identity.5-2")
def test_processes_that_write_at_once_lose_nothing(path):
    """Also where all of them make the file."""
    processes = [program(HAMMER, path, each, 40) for each in range(4)]
    for process in processes:
        finished(process)
    assert numbers(path) == list(range(160))
    with Database(path).reading() as connection:
        entries = {bytes(entry) for (entry,) in connection.execute("SELECT entry FROM ledger")}
    assert entries == {b"%d %d" % (each, n) for each in range(4) for n in range(40)}


PAIRS = """
import os, sys
from e2ecall.store.database import Database
database = Database(sys.argv[1])
while True:
    with database.transaction() as connection:
        (last,) = connection.execute("SELECT coalesce(max(number), -1) FROM ledger").fetchone()
        for number in (last + 1, last + 2):
            connection.execute("INSERT INTO ledger VALUES (?, x'', zeroblob(32), zeroblob(64))", (number,))
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.clause("identity.5-2", "identity.5-3")
def test_kill_9_leaves_every_transaction_whole(path):
    """Whenever it strikes, two rows of one transaction are both there or both missing, and what was told is there."""
    chance = random.Random(3)
    for _ in range(8):
        process = program(PAIRS, path)
        for _ in range(chance.randrange(1, 25)):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        found = numbers(path)
        assert found == list(range(len(found)))
        assert len(found) % 2 == 0
        assert told < len(found)


@pytest.mark.clause("identity.5-2")
def test_a_process_that_is_killed_with_pages_in_the_journal_has_written_nothing(path):
    Database(path)
    code = (
        "import os, sys\n"
        "from e2ecall.store.database import Database\n"
        "with Database(sys.argv[1]).transaction() as connection:\n"
        "    connection.execute('PRAGMA cache_size = 1')\n"
        "    for n in range(500):\n"
        "        connection.execute('INSERT INTO ledger VALUES (?, zeroblob(900), zeroblob(32), zeroblob(64))', (n,))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    process = program(code, path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert path.with_name("contacts.db-wal").stat().st_size > 100_000
    assert numbers(path) == []
    with Database(path).transaction() as connection:
        connection.execute(ADD, (0, b""))
    assert numbers(path) == [0]


@pytest.mark.clause("identity.5-1")
def test_the_file_and_its_journal_are_for_their_owner_alone(path):
    umask = os.umask(0)
    try:
        with Database(path).transaction() as connection:
            connection.execute(ADD, (0, b"a"))
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("contacts.db", "contacts.db-wal", "contacts.db-shm"), 0o600)
        path.chmod(0o644)
        numbers(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(umask)


@pytest.mark.clause("identity.5-1")
def test_nothing_unfinished_is_left_beside_the_file(path):
    with Database(path).transaction() as connection:
        connection.execute(ADD, (0, b"a"))
    assert [each.name for each in path.parent.iterdir()] == ["contacts.db"]


# -- nothing to write on ----------------------------------------------------------------------------------------------

FULL = """
import resource, sys
from e2ecall.errors import OutputFailed
from e2ecall.store.database import Database
database = Database(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
done = 0
try:
    while done < 300:
        with database.transaction() as connection:
            for number in (2 * done, 2 * done + 1):
                row = number, bytes(3000), bytes(32), bytes(64)
                connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?)", row)
        done += 1
except OutputFailed as error:
    print(done, error)
"""


@pytest.mark.clause("identity.5-7")
@pytest.mark.parametrize("limit", [0, 20_000, 100_000])
def test_a_full_disk_leaves_nothing_half_done(path, limit):
    Database(path)
    done, _, message = finished(program(FULL, path, limit)).partition(" ")
    assert "contacts.db cannot be used: " in message
    assert (int(done) > 0) is (limit == 100_000)
    assert numbers(path) == list(range(2 * int(done)))


@pytest.mark.clause("identity.5-7")
def test_a_file_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    code = (
        "import resource, sys\n"
        "from e2ecall.errors import OutputFailed\n"
        "from e2ecall.store.database import Database\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    Database(sys.argv[1])\n"
        "except OutputFailed:\n"
        "    print('refused')\n"
    )
    assert finished(program(code, tmp_path / "contacts.db")) == "refused\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("identity.5-7")
def test_a_folder_that_is_missing_or_a_file(tmp_path, path):
    path.write_bytes(b"")
    for bad in (tmp_path / "no" / "contacts.db", path / "contacts.db"):
        with pytest.raises((OutputFailed, StoreCorrupt)):
            Database(bad)
    with pytest.raises(OutputFailed):
        Database(tmp_path)
    with pytest.raises(ApiMisuse):
        Database("a\0b")


@pytest.mark.clause("identity.5-7")
def test_a_file_that_cannot_be_written_is_read_and_told(path):
    """As for a user who may only read it; the one who runs these tests may be root."""
    with Database(path).transaction() as connection:
        connection.execute(ADD, (0, b"a"))
    before = path.read_bytes()
    code = (
        "import sqlite3, sys\n"
        "from e2ecall.errors import OutputFailed\n"
        "from e2ecall.store import database as module\n"
        "database = module.Database(sys.argv[1])\n"
        "connect = sqlite3.connect\n"  # whatever is asked for: this user may only read
        "def only_reading(address, *rest, **more):\n"
        "    return connect(address.replace('mode=rw', 'mode=ro'), *rest, **more)\n"
        "sqlite3.connect = only_reading\n"
        "try:\n"
        "    with database.transaction() as connection:\n"
        "        connection.execute('DELETE FROM ledger')\n"
        "except OutputFailed as error:\n"
        "    print('readonly' in str(error))\n"
    )
    assert finished(program(code, path)) == "True\n"
    assert path.read_bytes() == before
    assert numbers(path) == [0]


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
