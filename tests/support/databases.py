"""SQLite stores for tests: their files, their rows, processes that use them, and what earlier versions made."""

import sqlite3
import subprocess
import sys
from contextlib import closing

from e2ecall.store.database import APPLICATION_ID, MIGRATIONS, Database

ADD = "INSERT INTO ledger VALUES (?, ?, zeroblob(32), zeroblob(64))"

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
