"""`e2ecall ledger`: statuses, lines, JSON, a terminal, and a check without a passphrase."""

import json
import os
import pty
import subprocess
import sys

import pytest

from e2ecall.cli.ledger import ledger
from e2ecall.cli.main import cli, run
from e2ecall.crypto.rng import SystemRng
from e2ecall.identity.continuity import Method, Trust
from e2ecall.identity.device import fresh_seeds
from e2ecall.identity.keyfile import encode_key_file
from e2ecall.identity.ledger_fact import Act, Fact
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore
from e2ecall.store.ledger import LedgerStore

NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("E2ECALL_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(cli.commands, "ledger", ledger)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def owner(home):
    with fresh_seeds(SystemRng()) as seeds:
        KeyStore(home.identity).create(
            encode_key_file(seeds, name=None, created_at=NOW, passphrase=None, rng=SystemRng())
        )
        return seeds.device().signer


@pytest.fixture
def store(home, owner):
    store = LedgerStore(Database(home.contacts), home.ledger_head)
    for number in range(4):
        name = f"Zoë \x1b[2J{number}"
        store.append(
            Fact(Act.VERIFIED, b"\x11" * 32, Trust.VERIFIED, contact="ab", name=name, method=Method.EMOJI,
                 shown=f"[red]🐶[/red] :smile: {number}"),
            owner,
            NOW + number,
        )  # fmt: skip
    return store


@pytest.fixture
def told(capfd):
    def told(*arguments):
        status = run(["ledger", *arguments])
        output = capfd.readouterr()
        return status, output.out, output.err

    return told


@pytest.mark.clause("identity.6-6")
def test_show_the_newest_last_without_control_characters(store, told):
    status, out, err = told("show")
    assert (status, err) == (0, "")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["0", "1", "2", "3"]
    expected = "3  2023-11-14 22:13:23  verified  Zoë [2J3  emoji  [red]🐶[/red] :smile: 3  verified"
    assert out.splitlines()[-1] == expected


def test_show_some_and_say_that_there_are_more(store, told):
    status, out, _ = told("show", "--limit", "2")
    assert status == 0
    assert [line[:2] for line in out.splitlines()] == ["(2", "2 ", "3 "]
    assert told("show", "--limit", "0")[0] == 2


def test_show_as_json_is_ascii_and_whole(store, told):
    status, out, _ = told("show", "--json", "--limit", "3")
    assert status == 0
    assert out.isascii()
    assert "\x1b" not in out
    entries = [json.loads(line) for line in out.splitlines()]
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    assert entries[0]["name"] == "Zoë \x1b[2J1"
    assert entries[2]["previous"] == entries[1]["hash"]


def test_show_an_entry_that_is_none(store, home, told):
    with Database(home.contacts).transaction() as connection:
        connection.execute("UPDATE ledger SET entry = zeroblob(5) WHERE number = 2")
    status, out, _ = told("show")
    assert (status, out.splitlines()[2]) == (0, "2  cannot be read: see e2ecall ledger check")
    objects = [json.loads(line) for line in told("show", "--json")[1].splitlines()]
    assert (objects[2]["number"], objects[3]["number"]) == (2, 3)
    assert "error" in objects[2]


def test_show_and_check_a_ledger_without_entries(home, owner, told):
    assert told("show") == (0, "The ledger has no entries.\n", "")
    assert told("show", "--json") == (0, "", "")
    status, out, _ = told("check")
    assert status == 0
    assert "cannot tell which" in out
    assert not home.contacts.exists()


@pytest.mark.clause("identity.6-11")
def test_check_needs_no_passphrase_and_says_what_it_cannot_find(store, told):
    status, out, err = told("check")
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == ["ledger: nothing found", "  entries: 4"]
    assert "restored backup" in out
    said = json.loads(told("check", "--json")[1])
    assert (said["ok"], said["length"]) == (True, 4)


@pytest.mark.clause("identity.6-11")
@pytest.mark.parametrize(
    ("statement", "entry", "fault"),
    [
        ("DELETE FROM ledger WHERE number = 3", 3, "truncated"),
        ("DELETE FROM ledger WHERE number = 1", 1, "number"),
        ("DELETE FROM ledger", 0, "truncated"),
    ],
)
def test_tampering_is_status_4(store, home, told, statement, entry, fault):
    with Database(home.contacts).transaction() as connection:
        connection.execute(statement)
    status, out, err = told("check")
    assert (status, err) == (4, "")
    assert out.splitlines()[:2] == ["ledger: TAMPERED", f"  first bad entry: {entry}"]
    status, out, _ = told("check", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["entry"], said["fault"]) == (4, False, entry, fault)


def test_a_database_that_was_removed_is_found_by_the_head(store, home, told):
    for path in home.folder.glob("contacts.db*"):
        path.unlink()
    status, out, _ = told("check")
    assert (status, out.splitlines()[1]) == (4, "  first bad entry: 0")


def test_what_cannot_be_read_is_status_1(store, home, told, tmp_path):
    home.contacts.write_bytes(b"x" * 100)
    for command in ("check", "show"):
        status, out, err = told(command)
        assert (status, out) == (1, "")
        assert err.startswith("error: ")
    for path in home.folder.glob("contacts.db*"):
        path.unlink()
    home.identity.unlink()
    assert told("check")[0] == 1
    assert told("check", "--home", str(tmp_path / "nowhere"))[0] == 1


def test_another_home(store, home, told, monkeypatch, tmp_path):
    monkeypatch.setenv("E2ECALL_HOME", str(tmp_path / "nowhere"))
    for command in (["show"], ["check"], ["set-aside", str(tmp_path / "old.jsonl")]):
        assert told(*command) == (
            1,
            "",
            f"error: there is no ledger yet in {tmp_path / 'nowhere'}\nhint: e2ecall identity new begins one\n",
        )
    assert told("show", "--home", str(home.folder))[0] == 0
    assert told("check", "--home", str(home.folder))[0] == 0


@pytest.mark.clause("identity.6-12")
def test_after_a_change_of_identity_the_old_ledger_is_set_aside(store, home, told, tmp_path):
    home.identity.unlink()
    with fresh_seeds(SystemRng()) as seeds:
        KeyStore(home.identity).create(
            encode_key_file(seeds, name=None, created_at=NOW, passphrase=None, rng=SystemRng())
        )
    status, out, _ = told("check")
    assert status == 4
    assert "set-aside" in out
    status, out, _ = told("set-aside", str(tmp_path / "old.jsonl"))
    assert (status, len((tmp_path / "old.jsonl").read_text().splitlines())) == (0, 5)
    assert out.startswith("4 entries are kept in ")
    assert told("check")[0] == 0
    assert told("set-aside", str(tmp_path / "old.jsonl"))[0] == 1


def test_nothing_to_set_aside_is_said(home, owner, told, tmp_path):
    status, _, err = told("set-aside", str(tmp_path / "old.jsonl"))
    assert status == 1
    assert err.startswith("error: there is no ledger")
    assert not home.contacts.exists()


def test_a_head_without_a_database_is_set_aside(store, home, told, tmp_path):
    for path in home.folder.glob("contacts.db*"):
        path.unlink()
    assert told("check")[0] == 4
    assert told("set-aside", str(tmp_path / "old.jsonl"))[0] == 0
    assert json.loads((tmp_path / "old.jsonl").read_text())["head"]
    assert told("check")[0] == 0


@pytest.mark.parametrize("command", ["show", "check", "set-aside"])
def test_help_ends_with_what_to_consider(told, command):
    status, out, _ = told(command, "--help")
    assert status == 0
    assert out.index("Security considerations:") < out.index("Standards:") < out.index("Example")


SHOW = """
import sys
from e2ecall.cli.ledger import ledger
from e2ecall.cli.main import cli, run
cli.commands["ledger"] = ledger
sys.exit(run(["ledger", "show"]))
"""


def test_a_terminal_gets_a_table_in_which_nothing_is_markup(store, home):
    parent, child = pty.openpty()
    environment = os.environ | {"E2ECALL_HOME": str(home.folder), "TERM": "xterm", "COLUMNS": "140"}
    environment |= {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.Popen([sys.executable, "-c", SHOW], stdout=child, stderr=child, env=environment)
    os.close(child)
    output = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(parent)
    assert done.wait(60) == 0
    text = output.decode()
    assert "time (UTC)" in text
    assert "[red]🐶[/red] :smile: 3" in text
    assert "Zoë [2J3" in text
    assert "\x1b[2J" not in text


def test_any_locale(store, home):
    environment = os.environ | {"E2ECALL_HOME": str(home.folder), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0
    assert b"Zo\\xeb" in done.stdout
