"""Leased counters on a real disk: two processes, kill -9, a full disk, damage, other people's files."""

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from e2ecall.errors import ApiMisuse, CounterExhausted, OutputFailed
from e2ecall.secret import SecretBytes
from e2ecall.sframe import MAX_CTR, Sender, decode_header
from e2ecall.sframe.counters import LEASE
from e2ecall.store import SqliteCounters

BASE = SecretBytes(bytes(range(32)))
NAME, OTHER = b"name of a key   ", b"of another one  "

pytestmark = pytest.mark.clause("frame.5-7")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "counters.db"


def program(code, *arguments, **kw):
    """A process of its own that runs `code`."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **kw)


def finished(process):
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output


# ------------------------------------------------------------------------------------------------ leases


def test_leases_of_a_key_follow_each_other_also_when_the_file_is_opened_again(path):
    store = SqliteCounters(path)
    assert [store.lease(NAME, size) for size in (1, 10, LEASE, 5)] == [0, 1, 11, LEASE + 11]
    assert store.lease(OTHER, 7) == 0
    for again in (SqliteCounters(str(path)), SqliteCounters(path, create=False), store):
        first = again.lease(NAME, 3)
        assert again.lease(NAME, 3) == first + 3
    assert (store.lease(NAME, 1), store.lease(OTHER, 1)) == (LEASE + 34, 7)


@pytest.mark.clause("frame.5-2")
def test_counters_reach_2_to_the_64_and_no_further(path):
    store = SqliteCounters(path)
    assert store.lease(NAME, 2**63 - 1) == 0
    assert store.lease(NAME, 2) == 2**63 - 1  # the last integer that SQLite has, and the first that it has not
    assert store.lease(NAME, 2**63 - 2) == 2**63 + 1
    assert SqliteCounters(path).lease(NAME, 1) == MAX_CTR
    assert [store.lease(NAME, size) for size in (1, LEASE, 2**70)] == [2**64] * 3
    assert store.lease(OTHER, 2**70) == 0
    assert store.lease(OTHER, 1) == 2**64


@pytest.mark.parametrize("size", [0, -1, -(2**70)])
def test_a_lease_has_at_least_one_counter(path, size):
    store = SqliteCounters(path)
    with pytest.raises(ApiMisuse):
        store.lease(NAME, size)
    assert store.lease(NAME, 1) == 0


def test_a_closed_store_leases_nothing(path):
    with SqliteCounters(path) as store:
        assert store.lease(NAME, 5) == 0
    with pytest.raises(ApiMisuse):
        store.lease(NAME, 5)
    store.close()
    assert SqliteCounters(path).lease(NAME, 1) == 5


def test_the_file_is_for_its_owner_alone_and_says_nothing_of_the_key(path):
    umask = os.umask(0)
    try:
        store = SqliteCounters(path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sender = Sender(5, 1, BASE, counters=store)
    sender.protect(b"x")
    assert BASE.expose()[:8] not in path.read_bytes()
    assert [each.name for each in path.parent.iterdir()] == ["counters.db"]
    (row,) = rows(path)
    assert len(row[0]) == 16
    assert row[1] == LEASE.to_bytes(9)


def rows(path):
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT key_name, next FROM counters").fetchall()
    finally:
        database.close()


# ------------------------------------------------------------------------------------------------ with a Sender


def first_counter(sender):
    return decode_header(sender.protect(b"x"))[1]


@pytest.mark.clause("frame.5-1", "frame.5-6")
def test_a_sender_goes_on_behind_its_lease_in_this_process_and_in_the_next(path):
    with SqliteCounters(path) as store:
        sender = Sender(5, 1, BASE, counters=store)
        assert [first_counter(sender) for _ in range(10)] == list(range(10))
        with pytest.raises(ApiMisuse):
            Sender(5, 1, BASE, counters=store)  # beside it, there is none
        del sender
        sender = Sender(5, 1, BASE, counters=store)
        assert [first_counter(sender) for _ in range(3)] == [LEASE, LEASE + 1, LEASE + 2]
    code = (
        "import sys\n"
        "from e2ecall import SecretBytes, Sender\n"
        "from e2ecall.store import SqliteCounters\n"
        "sender = Sender(5, 1, SecretBytes(bytes(range(32))), counters=SqliteCounters(sys.argv[1]))\n"
        "print(sender.protect(b'x').hex())\n"
    )
    assert decode_header(bytes.fromhex(finished(program(code, path))))[:2] == (1, 2 * LEASE)
    del sender
    assert first_counter(Sender(5, 1, BASE, counters=SqliteCounters(path))) == 3 * LEASE
    assert first_counter(Sender(5, 2, BASE, counters=SqliteCounters(path))) == 0  # another KID, another key


@pytest.mark.clause("frame.5-2")
def test_a_sender_ends_with_the_last_counter(path):
    store = SqliteCounters(path)
    first_counter(Sender(5, 1, BASE, counters=store))
    ((name, _),) = rows(path)
    assert store.lease(name, MAX_CTR - 1 - LEASE) == LEASE
    sender = Sender(5, 1, BASE, counters=store)
    assert [first_counter(sender) for _ in range(2)] == [MAX_CTR - 1, MAX_CTR]
    for _ in range(2):
        with pytest.raises(CounterExhausted):
            sender.protect(b"x")


# ------------------------------------------------------------------------------------------------ many at once

LEASING = """
import sys, threading
from e2ecall.store import SqliteCounters
store, leases = SqliteCounters(sys.argv[1], timeout=60), []
def work():
    for size in range(1, 51):
        leases.append((store.lease(b"name of a key   ", size), size))
threads = [threading.Thread(target=work) for _ in range(2)]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*(f"{first},{size}" for first, size in leases))
"""


def test_two_processes_with_two_threads_each_lease_disjoint_blocks(path):
    """Both begin with the file's creation, at the same moment."""
    processes = [program(LEASING, path, stdin=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    words = [word for process in processes for word in finished(process).split()]
    leases = sorted(tuple(map(int, word.split(","))) for word in words)
    assert len(leases) == 200
    expected = 0
    for first, size in leases:
        assert first == expected
        expected += size
    assert SqliteCounters(path).lease(NAME, 1) == expected == 4 * sum(range(1, 51))


def test_of_several_creators_all_get_the_same_file(path):
    leases = []

    def create():
        leases.append(SqliteCounters(path, timeout=60).lease(NAME, 1))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leases) == list(range(8))
    assert [each.name for each in path.parent.iterdir()] == ["counters.db"]


def in_a_child(work):
    """What `work` returns, in a forked child of this very process."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 and later: this process may have threads
def test_a_forked_child_leases_behind_its_parent(path):
    store = SqliteCounters(path)
    assert store.lease(NAME, 10) == 0
    assert in_a_child(lambda: store.lease(NAME, 10)) == "10"
    assert store.lease(NAME, 10) == 20


# ------------------------------------------------------------------------------------------------ kill -9

SEALING = """
import os, sys
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Sender, counters
from e2ecall.store import SqliteCounters
counters.LEASE = 3  # so that a lease is under way at most times
sender = Sender(5, 1, SecretBytes(bytes(range(32))), counters=SqliteCounters(sys.argv[1]))
while True:
    os.write(1, sender.protect(b"")[:-16].hex().encode() + b"\\n")
"""


def test_kill_9_repeats_no_counter(path):
    """Whenever it strikes: in a lease, in a commit, between a seal and the next."""
    chance = random.Random(7)
    seen = []
    for _ in range(10):
        process = program(SEALING, path)
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 40))]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        round_ = [decode_header(bytes.fromhex(line))[1] for line in lines]
        assert round_ == sorted(round_)
        assert round_[0] > max(seen, default=-1)
        seen += round_
    assert len(set(seen)) == len(seen) > 100
    assert SqliteCounters(path).lease(NAME, 1) == 0  # the file is whole


def test_a_process_that_is_killed_with_a_lease_half_written_has_not_leased(path):
    """SQLite's journal stands beside the file, and the next one to open it rolls back."""
    store = SqliteCounters(path)
    store.lease(NAME, 100)
    code = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('PRAGMA cache_size = 1')\n"
        "database.execute('BEGIN IMMEDIATE')\n"
        "database.execute('UPDATE counters SET next = zeroblob(9)')\n"
        "for n in range(2000):\n"  # more than the cache: pages go to the file before the commit
        "    database.execute('INSERT INTO counters VALUES (randomblob(16), zeroblob(9), 0)')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    process = program(code, path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (path.parent / "counters.db-journal").exists()
    assert path.stat().st_size > 50_000
    assert store.lease(NAME, 1) == 100
    assert len(rows(path)) == 1


# ------------------------------------------------------------------------------------------------ nothing to write on

FULL = """
import os, resource, sys
from e2ecall.errors import OutputFailed
from e2ecall.store import SqliteCounters
path = sys.argv[1]
store, leased = SqliteCounters(path), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    while leased < 5000:
        assert store.lease(leased.to_bytes(16), 10) == 0
        leased += 1
except OutputFailed as error:
    print(leased, error)
"""


@pytest.mark.parametrize("limit", [0, 6_000, 20_000])
def test_a_full_disk_leases_nothing_and_forgets_nothing(path, limit):
    SqliteCounters(path).lease(NAME, 10)
    leased, _, message = finished(program(FULL, path, limit)).partition(" ")
    assert message.startswith("no counters can be leased from ")
    assert (int(leased) > 50) is (limit == 20_000)
    store = SqliteCounters(path)
    assert store.lease(NAME, 1) == 10
    for number in range(int(leased)):
        if number % 20 == 0:
            assert store.lease(number.to_bytes(16), 1) == 10
    assert store.lease(int(leased).to_bytes(16), 1) == 0  # the one that failed


def test_a_file_that_cannot_be_made_leaves_nothing_behind(tmp_path):
    code = (
        "import resource, sys\n"
        "from e2ecall.errors import OutputFailed\n"
        "from e2ecall.store import SqliteCounters\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    SqliteCounters(sys.argv[1])\n"
        "except OutputFailed:\n"
        "    print('refused')\n"
    )
    assert finished(program(code, tmp_path / "counters.db")) == "refused\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_read_only_file_leases_nothing():
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    try:
        path = folder / "counters.db"
        store = SqliteCounters(path)
        store.lease(NAME, 10)
        path.chmod(0o444)
        folder.chmod(0o555)

        def lease():
            if os.geteuid() == 0:
                os.seteuid(65534)  # to root, nothing is read-only
            try:
                return store.lease(NAME, 10)
            except OutputFailed:
                return "refused"

        assert in_a_child(lease) == "refused"
        folder.chmod(0o755)
        path.chmod(0o600)
        assert store.lease(NAME, 10) == 10
    finally:
        shutil.rmtree(folder)


def test_a_file_that_others_hold_too_long_leases_nothing(path):
    store = SqliteCounters(path, timeout=0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(OutputFailed, match="locked"):
        store.lease(NAME, 10)
    with pytest.raises(OutputFailed, match="locked"):
        SqliteCounters(path, timeout=0.05)
    assert 0.1 <= time.monotonic() - started < 3
    holder.close()
    assert store.lease(NAME, 10) == 0


@pytest.mark.parametrize("name", ["", "missing/counters.db", "x" * 300])
def test_a_place_where_no_file_can_be(tmp_path, name):
    with pytest.raises(OutputFailed):
        SqliteCounters(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_a_zero_byte():
    with pytest.raises(ApiMisuse):
        SqliteCounters("counters\0.db")


@pytest.mark.parametrize("name", [b"", b"x" * 15, b"x" * 17, "x" * 16, None])
def test_the_name_of_a_key_has_16_bytes(path, name):
    with pytest.raises(ApiMisuse):
        SqliteCounters(path).lease(name, 1)
