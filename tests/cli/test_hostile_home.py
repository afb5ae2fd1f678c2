"""The commands where the home folder, its files, the terminal or the output are not what they should be."""

import json
import os
import socket
import subprocess
import sys

import pytest

from e2ecall.cli import telling
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import OutputFailed, StoreCorrupt
from e2ecall.identity.continuity import Trust
from e2ecall.identity.ledger import HEAD_LIMIT
from e2ecall.identity.ledger_fact import Act, Fact
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore
from e2ecall.store.ledger import LedgerStore
from e2ecall.store.trust import TrustBook

NEW = ("identity", "new", "--no-passphrase")
READS = [("contacts", "list"), ("contacts", "show", "Bob"), ("ledger", "show"), ("ledger", "check")]


@pytest.fixture
def used(home, told):
    """A home with an identity, a contact and an entry."""
    assert told(*NEW)[0] == 0
    device = KeyStore(home.identity).unlock(None)
    with ContactStore(Database(home.contacts)).transaction() as book:
        book.add("Bob", now=1, rng=SystemRng())
    ledger = LedgerStore(Database(home.contacts), home.ledger_head)
    ledger.append(Fact(Act.SEEN, b"k" * 32, Trust.SEEN), device.signer, 5)
    return device


def e2ecall(home, command, **more):
    environment = {**os.environ, "E2ECALL_HOME": str(home.folder)}
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m e2ecall {command}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        **more,
    )


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def folder(path):
    path.unlink()
    path.mkdir()


def listener(path):
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def nowhere(path):
    path.unlink()
    path.symlink_to(path.with_name("gone"))


def itself(path):
    path.unlink()
    path.symlink_to(path)


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.clause("identity.5-4")
@pytest.mark.parametrize("make", [pipe, folder, listener, nowhere, itself])
@pytest.mark.parametrize("command", READS)
def test_contacts_that_are_no_file_are_told_and_nobody_waits(used, home, told, make, command):
    make(home.contacts)
    status, out, err = told(*command)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {home.contacts}")


@pytest.mark.clause("identity.6-9")
@pytest.mark.parametrize("make", [pipe, folder, listener, itself])
@pytest.mark.parametrize("command", READS[2:])
def test_a_head_that_is_no_file_is_told_and_nobody_waits(used, home, told, make, command):
    make(home.ledger_head)
    status, out, err = told(*command)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {home.ledger_head} cannot be used: ")


@pytest.mark.clause("identity.5-4")
def test_contacts_that_are_gone_are_not_taken_for_a_fresh_start(used, home, told):
    home.contacts.unlink()
    for command in READS[:2]:
        status, out, err = told(*command)
        assert (status, out) == (1, "")
        assert f"{home.contacts} is not there" in err
    with pytest.raises(StoreCorrupt, match="is not there"):
        TrustBook(home, used.signer)
    assert not home.contacts.exists()
    assert told("ledger", "check")[0] == 4


@pytest.mark.clause("identity.5-7")
@pytest.mark.parametrize("command", [("contacts", "list", "--json"), ("ledger", "show"), ("ledger", "check", "--json")])
@pytest.mark.parametrize("place", ["file", "file/under", "n" * 300, "n" * 5000])
def test_a_home_that_can_be_none_is_told(told, tmp_path, command, place):
    (tmp_path / "file").touch()
    status, out, err = told(*command, "--home", str(tmp_path / place))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")


@pytest.mark.clause("identity.5-7")
@pytest.mark.parametrize("command", [("contacts", "list"), ("ledger", "check"), ("identity", "show"), NEW])
def test_a_home_beside_a_folder_that_is_gone_is_told(told, tmp_path, monkeypatch, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, out, err = told(*command, "--home", "me")
    assert (status, out) == (1, "")
    assert err == "error: the current folder cannot be used: No such file or directory\nhint: go to another\n"


@pytest.mark.clause("identity.2-8")
@pytest.mark.parametrize("mode", [0o755, 0o701, 0o777])
def test_a_key_file_in_a_folder_of_others_is_not_used(used, home, told, mode):
    home.folder.chmod(mode)
    for command in (("identity", "show"), ("identity", "export"), ("ledger", "check"), (*NEW, "--replace")):
        status, out, err = told(*command)
        assert (status, out) == (1, "")
        assert f"others have access to the folder {home.folder} (mode {mode:04o})" in err
    home.folder.chmod(0o700)
    assert told("identity", "show")[0] == 0


@pytest.mark.clause("identity.2-12")
@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o644, True), (0o440, True)])
def test_a_passphrase_that_others_can_read_is_taken_with_a_warning(told, tmp_path, monkeypatch, mode, warns):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a long one\n")
    passphrase.chmod(mode)
    monkeypatch.setenv("E2ECALL_PASSPHRASE_FILE", str(passphrase))
    status, out, err = told("identity", "new", "--json")
    assert status == 0
    assert json.loads(out)["at_rest"] == "passphrase"
    assert err == (f"warning: others can read the passphrase in {passphrase}\n" if warns else "")


# -- a ledger that is in the way --------------------------------------------------------------------------------------


@pytest.mark.clause("identity.6-12")
def test_no_identity_is_made_over_the_ledger_of_a_former_one(used, home, told, tmp_path):
    home.identity.rename(tmp_path / "former.json")
    status, out, err = told(*NEW)
    assert (status, out) == (1, "")
    assert "the ledger of a former identity is in" in err
    assert "set-aside" in err
    assert not home.identity.exists()
    assert told("ledger", "set-aside", str(tmp_path / "aside"))[0] == 0
    assert told(*NEW)[0] == 0
    assert told("ledger", "check")[0] == 0


@pytest.mark.clause("identity.6-12")
@pytest.mark.parametrize("damage", ["contacts", "head"])
def test_an_identity_is_replaced_only_where_its_ledger_can_be_put_aside(used, home, told, damage):
    path = home.contacts if damage == "contacts" else home.ledger_head
    path.write_bytes(b"a diary") if damage == "contacts" else folder(path)
    before = home.identity.read_bytes()
    status, out, err = told(*NEW, "--replace")
    assert (status, out) == (1, "")
    assert str(path) in err
    assert home.identity.read_bytes() == before
    assert [each for each in os.listdir(home.folder) if each.startswith("identity-")] == []


@pytest.mark.clause("identity.6-12")
def test_entries_without_their_head_are_put_aside_with_the_identity(used, home, told):
    home.ledger_head.unlink()
    assert told(*NEW, "--replace")[0] == 0
    (aside,) = home.folder.glob("identity-*.ledger.jsonl")
    assert [list(json.loads(line)) for line in aside.read_text().splitlines()] == [["entry", "signature"], ["head"]]
    assert told("ledger", "check")[0] == 0


@pytest.mark.clause("identity.6-12")
def test_what_cannot_be_a_head_is_not_removed(used, home, told, tmp_path):
    home.ledger_head.write_bytes(diary := b"x" * (HEAD_LIMIT + 1))
    status, _, err = told("ledger", "set-aside", str(tmp_path / "aside"))
    assert status == 1
    assert "is longer than any head" in err
    assert home.ledger_head.read_bytes() == diary
    assert not (tmp_path / "aside").exists()


@pytest.mark.clause("identity.6-12")
def test_a_full_disk_leaves_no_half_of_a_ledger_in_the_way(used, home, tmp_path, monkeypatch):
    target = tmp_path / "aside"
    ledger = LedgerStore(Database(home.contacts), home.ledger_head)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputFailed, match="No space left"):
            ledger.set_aside(target)
    assert not target.exists()
    assert ledger.set_aside(target) == 1
    with pytest.raises(OutputFailed, match="File exists"):
        ledger.set_aside(target)
    assert target.read_bytes().count(b"\n") == 2


# -- the terminal and the output --------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
@pytest.mark.parametrize("command", ["identity show", "contacts list --json", "ledger check", "contacts show --help"])
def test_an_output_that_is_full_is_an_error_and_no_traceback(used, home, command):
    done = e2ecall(home, f"{command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
def test_an_error_that_nobody_hears_keeps_its_status(used, home):
    home.ledger_head.unlink()
    assert e2ecall(home, "ledger show --limit 0 2> /dev/full").returncode == 2
    home.identity.write_bytes(b"")
    assert e2ecall(home, "identity show 2> /dev/full").returncode == 1


@pytest.mark.clause("identity.2-12")
def test_nobody_is_asked_where_standard_input_is_closed(used, home, tmp_path):
    done = e2ecall(home, "contacts revoke Bob <&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    other = Home(tmp_path / "other")
    done = e2ecall(other, "identity new --json <&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["at_rest"] == "none"


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u202eb", "\udcff", "a\x07"])
def test_what_a_terminal_would_act_on_is_spelled_out(used, told, name):
    for command in (
        ("contacts", "list", name),
        ("contacts", "show", name),
        ("contacts", "show", "Bob", "--home", f"/{name}/gone"),
        ("identity", "export", "--out", f"/nowhere/{name}"),
    ):
        _, out, err = told(*command)
        assert out.replace("\n", "").isprintable()
        assert err.replace("\n", "").isprintable()


@pytest.mark.parametrize("width", [80, 40])
def test_long_lines_are_broken_between_words_and_hang(width, monkeypatch, capsys):
    monkeypatch.setattr(telling.shutil, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    line = "  🐶 dog " + "compared and different, " * 8
    telling.say(f"{line}\n\nshort  line\n{'f' * 100}")
    *first, empty, short, long = capsys.readouterr().out.splitlines()
    assert " ".join(each.strip() for each in first) == line.strip()
    assert all(each.startswith("  ") and len(each) + each.count("🐶") <= width for each in first)
    assert (empty, short, long) == ("", "short  line", "f" * 100)
