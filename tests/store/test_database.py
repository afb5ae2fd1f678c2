"""identity.5: the SQLite file on a real disk: transactions, processes, kill -9, a full disk."""

import os
import random
import signal
import sqlite3
import stat
from contextlib import closing

import pytest

from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt
from e2ecall.store.database import Database
from support.databases import ADD, HAMMER, finished, numbers, program


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contacts.db"


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
