"""The ledger on a disk: several processes at once, kill -9 at every line, full disks, and tampered files."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import sys
from contextlib import closing

import pytest

from e2ecall.crypto.sign import Signer
from e2ecall.errors import E2ECallError, OutputFailed, StoreCorrupt
from e2ecall.identity.continuity import Method, Trust
from e2ecall.identity.ledger import EMPTY, SignedEntry, read_head
from e2ecall.identity.ledger_check import Fault, LedgerBroken, check
from e2ecall.identity.ledger_fact import Act, Fact
from e2ecall.secret import SecretBytes
from e2ecall.store import database as database_module
from e2ecall.store import ledger as ledger_module
from e2ecall.store.database import Database
from e2ecall.store.ledger import LedgerStore

OWNER, OTHER = (Signer(SecretBytes(bytes([number]) * 32)) for number in (1, 2))
FACT = Fact(Act.VERIFIED, b"\x11" * 32, Trust.VERIFIED, contact="ab", name="Zoë", method=Method.EMOJI, shown="🐶")
NOW = 1_800_000_000.0


class Folder:
    def __init__(self, path):
        self.path, self.database, self.head = path, path / "contacts.db", path / "ledger.head"

    def store(self):
        return LedgerStore(Database(self.database), self.head)

    def sql(self, *statements):
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def broken(self):
        with pytest.raises(LedgerBroken) as broken:
            self.store().check(OWNER.public)
        return broken.value.fault, broken.value.entry


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def five(folder):
    store = folder.store()
    assert [store.append(FACT, OWNER, NOW + number) for number in range(5)] == [0, 1, 2, 3, 4]
    return folder


@pytest.mark.clause("identity.6-7", "identity.6-10")
def test_entries_are_kept_and_the_head_counts_each(five):
    checked = five.store().check(OWNER.public)
    assert [(entry.number, entry.time) for entry in checked.entries] == [
        (n, 1_800_000_000_000 + 1000 * n) for n in range(5)
    ]
    assert checked.pending == 0
    assert read_head(five.head.read_bytes()).tip == checked.tip
    assert read_head(five.head.read_bytes()).time == 1_800_000_004_000
    assert stat.S_IMODE(five.head.stat().st_mode) == 0o600
    assert sorted(path.name for path in five.path.glob(".*")) == []


def test_a_ledger_never_begun_and_one_that_was(folder):
    assert LedgerStore(None, folder.head).check(OWNER.public).tip == EMPTY
    store = folder.store()
    assert store.check(OWNER.public).head is None
    store.begin(OWNER, NOW)
    store.begin(OWNER, NOW + 1)
    checked = store.check(OWNER.public)
    assert (checked.tip, checked.head.time) == (EMPTY, 1_800_000_000_000)
    folder.head.unlink()
    store.append(FACT, OWNER, NOW)
    assert store.check(OWNER.public).tip.length == 1
    with pytest.raises(OutputFailed):
        LedgerStore(None, folder.head).append(FACT, OWNER, NOW)


@pytest.mark.clause("identity.6-8")
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM ledger WHERE number = 2", (Fault.NUMBER, 2)),
        ("DELETE FROM ledger WHERE number = 4", (Fault.TRUNCATED, 4)),
        ("DELETE FROM ledger", (Fault.TRUNCATED, 0)),
        ("UPDATE ledger SET entry = CAST(replace(entry, '🐶', '🐱') AS BLOB) WHERE number = 3", (Fault.SIGNATURE, 3)),
        ("UPDATE ledger SET entry = CAST(entry AS TEXT) WHERE number = 3", (Fault.MALFORMED, 3)),
        ("UPDATE ledger SET signature = zeroblob(64) WHERE number = 0", (Fault.SIGNATURE, 0)),
        ("UPDATE ledger SET hash = zeroblob(32) WHERE number = 1", (Fault.CHAIN, 1)),
        ("UPDATE ledger SET number = 9 WHERE number = 4", (Fault.NUMBER, 4)),
        ("UPDATE ledger SET number = -number", (Fault.NUMBER, 0)),
        ("INSERT INTO ledger SELECT 5, entry, hash, signature FROM ledger WHERE number = 4", (Fault.NUMBER, 5)),
    ],
)
def test_tampering_with_the_rows_is_found(five, statement, found):
    five.sql(statement)
    assert five.broken() == found


@pytest.mark.clause("identity.6-9", "identity.6-10")
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM ledger WHERE number = 4", Fault.TRUNCATED),
        ("DELETE FROM ledger", Fault.TRUNCATED),
        ("UPDATE ledger SET number = 9 WHERE number = 4", Fault.NUMBER),
        ("UPDATE ledger SET entry = zeroblob(9) WHERE number = 4", Fault.REWRITTEN),
        ("INSERT INTO ledger SELECT 5, entry, hash, signature FROM ledger WHERE number = 4", Fault.NUMBER),
    ],
)
def test_nothing_is_added_to_a_ledger_whose_end_was_tampered_with(five, statement, found):
    five.sql(statement)
    before = five.store().signed()
    with pytest.raises(LedgerBroken) as broken:
        five.store().append(FACT, OWNER, NOW)
    assert broken.value.fault is found
    assert five.store().signed() == before


@pytest.mark.clause("identity.6-9", "identity.6-10")
def test_heads_that_were_tampered_with(five):
    head = five.head.read_bytes()
    other = LedgerStore(Database(five.path / "other.db"), five.path / "other.head")
    other.begin(OTHER, NOW)
    for data, found in (
        (None, Fault.HEAD_MISSING),
        (b"", Fault.HEAD_MALFORMED),
        (b"x" * 5000, Fault.HEAD_MALFORMED),
        (head.replace(b'"length":5', b'"length":4'), Fault.HEAD_SIGNATURE),
        ((five.path / "other.head").read_bytes(), Fault.HEAD_IDENTITY),
    ):
        five.head.unlink()
        if data is not None:
            five.head.write_bytes(data)
        else:
            assert not five.head.exists()
        assert five.broken() == (found, 0)
        with pytest.raises(LedgerBroken) as broken:
            five.store().append(FACT, OWNER, NOW)
        assert broken.value.fault is found
        five.head.write_bytes(head)
    assert five.store().check(OWNER.public).tip.length == 5


def test_an_old_head_that_was_put_back(folder):
    store = folder.store()
    store.append(FACT, OWNER, NOW)
    old = folder.head.read_bytes()
    store.append(FACT, OWNER, NOW)
    store.append(FACT, OWNER, NOW)
    folder.head.write_bytes(old)
    assert folder.broken() == (Fault.HEAD_OLD, 1)
    with pytest.raises(LedgerBroken):
        store.append(FACT, OWNER, NOW)


@pytest.mark.clause("identity.6-10")
def test_a_head_one_behind_is_mended_by_the_next_entry(five):
    behind = five.head.read_bytes()
    five.store().append(FACT, OWNER, NOW)
    five.head.write_bytes(behind)
    assert five.store().check(OWNER.public).pending == 1
    with pytest.raises(LedgerBroken):
        five.store().append(FACT, OTHER, NOW)
    assert five.head.read_bytes() == behind
    assert five.store().append(FACT, OWNER, NOW) == 6
    assert five.store().check(OWNER.public).pending == 0


def test_an_entry_goes_with_what_else_the_transaction_does(five):
    database, store = Database(five.database), five.store()

    def undone():
        with database.transaction() as connection:
            assert store.insert(connection, FACT, OWNER, NOW) == 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert store.check(OWNER.public).tip.length == 5
    with database.transaction() as connection:
        store.insert(connection, FACT, OWNER, NOW)
    assert store.check(OWNER.public).pending == 1
    store.settle(OWNER, NOW)
    head = five.head.read_bytes()
    store.settle(OWNER, NOW + 1)
    assert store.check(OWNER.public).pending == 0
    assert five.head.read_bytes() == head


def _add(path, count, barrier):
    store = Folder(path).store()
    barrier.wait(60)
    for number in range(count):
        store.append(FACT, OWNER, NOW + number)


@pytest.mark.clause("identity.6-10")
def test_several_processes_keep_one_chain(folder):
    folder.store()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    children = [context.Process(target=_add, args=(folder.path, 8, barrier)) for _ in range(3)]
    for child in children:
        child.start()
    barrier.wait(60)
    seen = [folder.store().check(OWNER.public).tip.length for _ in range(12)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    checked = folder.store().check(OWNER.public)
    assert (checked.tip.length, checked.pending) == (24, 0)
    assert seen == sorted(seen)


def _killed_at(folder, line):
    """Add an entry in a child that is killed before the `line`-th line of our code; whether that came about."""
    files = {ledger_module.__file__, database_module.__file__}
    child = os.fork()
    if child == 0:
        left = [line]

        def step(frame, event, argument):
            if frame.f_code.co_filename not in files:
                return None
            if event == "line":
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
            return step

        try:
            store = folder.store()
            sys.settrace(step)
            store.append(FACT, OWNER, NOW)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.clause("identity.6-10")
@pytest.mark.parametrize("before", [0, 2])
def test_a_kill_at_any_line_leaves_a_ledger_that_holds(tmp_path, before):
    """The whole of append, each line of store/ledger.py and store/database.py once."""
    start = Folder(tmp_path / "start")
    start.path.mkdir()
    for _ in range(before):
        start.store().append(FACT, OWNER, NOW)
    start.store()
    outcomes, line = set(), 1
    while True:
        folder = Folder(tmp_path / "run")
        shutil.copytree(start.path, folder.path)
        killed = _killed_at(folder, line)
        checked = folder.store().check(OWNER.public)
        assert checked.tip.length in (before, before + 1), line
        outcomes.add((checked.tip.length - before, checked.pending))
        assert folder.store().append(FACT, OWNER, NOW) == checked.tip.length, line
        again = folder.store().check(OWNER.public)
        assert (again.tip.length, again.pending) == (checked.tip.length + 1, 0), line
        shutil.rmtree(folder.path)
        if not killed:
            break
        line += 1
    assert line > 60
    assert outcomes == {(0, 0), (1, 1), (1, 0)}


def _failure_of(act):
    try:
        act()
    except OutputFailed as error:
        return error
    return None


@pytest.mark.clause("identity.6-10")
@pytest.mark.parametrize("call", ["fsync", "open", "fchmod", "replace"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_full_disk_or_a_read_only_one(five, monkeypatch, call, number):
    """The `number`-th such call for the head or its folder fails, once; the database is SQLite's own affair."""
    store, count, real = five.store(), 0, getattr(os, call)

    def failing(*arguments, **more):
        nonlocal count
        count += 1
        if count == number:
            raise OSError(errno.ENOSPC if call != "open" else errno.EROFS, "no more")
        return real(*arguments, **more)

    five.head.write_bytes(behind := five.head.read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        failed = _failure_of(lambda: store.append(FACT, OWNER, NOW))
    assert (failed is not None) == (count == number)
    assert failed is None or "the next entry mends that" in failed.hint
    checked = store.check(OWNER.public)
    assert checked.tip.length == 6
    assert checked.pending == (1 if five.head.read_bytes() == behind else 0)
    assert store.append(FACT, OWNER, NOW) == 6
    assert store.check(OWNER.public).pending == 0


@pytest.mark.clause("identity.6-10")
def test_no_entry_is_added_while_the_head_cannot_be_mended(five, monkeypatch):
    store = five.store()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no more")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(3):
            with pytest.raises(OutputFailed):
                store.append(FACT, OWNER, NOW)
            checked = store.check(OWNER.public)
            assert (checked.tip.length, checked.pending) == (6, 1)
    assert store.append(FACT, OWNER, NOW) == 6


def test_a_database_that_is_full(five, monkeypatch):
    store = five.store()
    monkeypatch.setattr(database_module, "_DURABLE", database_module._DURABLE + "PRAGMA max_page_count = 1;")
    assert any(_failure_of(lambda: store.append(FACT, OWNER, NOW)) for _ in range(100))
    assert store.check(OWNER.public).pending == 0


def test_a_folder_in_the_heads_place_and_one_that_is_gone(folder):
    store = folder.store()
    folder.head.mkdir()
    for act in (lambda: store.check(OWNER.public), lambda: store.append(FACT, OWNER, NOW)):
        with pytest.raises(OutputFailed):
            act()
    lost = LedgerStore(Database(folder.database), folder.path / "gone" / "ledger.head")
    with pytest.raises(OutputFailed):
        lost.append(FACT, OWNER, NOW)
    folder.head.rmdir()
    assert store.check(OWNER.public).tip.length == 0


def test_an_unfinished_head_is_in_nobodys_way(five):
    unfinished = five.path / ".ledger.head.new"
    unfinished.write_bytes(b"x" * 4000)
    unfinished.chmod(0o644)
    five.store().append(FACT, OWNER, NOW)
    assert not unfinished.exists()
    assert stat.S_IMODE(five.head.stat().st_mode) == 0o600
    unfinished.symlink_to(five.path / "elsewhere")
    with pytest.raises(OutputFailed):
        five.store().append(FACT, OWNER, NOW)
    assert not (five.path / "elsewhere").exists()


def test_a_damaged_database_is_no_tampering(five):
    five.database.write_bytes(b"x" * 4096)
    with pytest.raises(StoreCorrupt):
        five.store()


def test_readers_give_up_where_the_head_never_rests(five, monkeypatch):
    store = five.store()
    heads = iter(range(10_000))
    monkeypatch.setattr(store, "_read_head", lambda: str(next(heads)).encode())
    with pytest.raises(OutputFailed, match="all the time"):
        store.check(OWNER.public)


@pytest.mark.clause("identity.6-12")
def test_a_ledger_that_is_set_aside(five):
    five.sql("DELETE FROM ledger WHERE number = 2")
    (entries, head), target = five.store().signed(), five.path / "old.jsonl"
    assert five.store().set_aside(target) == 4
    *lines, last = [json.loads(line) for line in target.read_text().splitlines()]
    kept = [SignedEntry(bytes.fromhex(line["entry"]), bytes.fromhex(line["signature"])) for line in lines]
    assert (kept, bytes.fromhex(last["head"])) == (entries, head)
    with pytest.raises(LedgerBroken):
        check(kept, head, OWNER.public)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert five.store().check(OTHER.public).head is None
    assert five.store().append(FACT, OTHER, NOW) == 0
    written = target.read_bytes()
    with pytest.raises(E2ECallError):
        five.store().set_aside(target)
    assert target.read_bytes() == written
    assert five.store().check(OTHER.public).tip.length == 1


def test_nothing_is_set_aside_into_a_folder_that_is_not_there(five):
    with pytest.raises(OutputFailed):
        five.store().set_aside(five.path / "gone" / "old.jsonl")
    assert five.store().check(OWNER.public).tip.length == 5
