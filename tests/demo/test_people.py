"""People who are kept from call to call: known, forgotten, revoked, damaged; and new ones, of whom nothing stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.demos import SMALL, Running, demo, failed


def command(folder, who, *arguments):
    """A command of `who`, on what was kept of the calls."""
    return subprocess.run(
        [sys.executable, "-m", "e2ecall", *arguments],
        env=os.environ | {"E2ECALL_HOME": str(folder / who)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of two who have compared."""
    folder = tmp_path_factory.mktemp("compared")
    assert demo(folder, *SMALL, "--people", str(folder / "people"))[0] == 0
    return folder / "people"


@pytest.fixture
def known(compared, tmp_path):
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(compared, tmp_path / "people"))


def test_two_who_know_each_other_are_asked_nothing_and_another_key_gets_nothing(tmp_path, known):
    people = ("--people", str(known))
    status, report, out, err = demo(tmp_path, *SMALL, *people)
    assert (status, failed(report)) == (0, {}), (out, err)
    for person in report["people"].values():
        assert (person["met"], person["shown"], person["compared"]) == ("verified-before", "verified-before", False)
        assert (person["contacts"], person["ledger_entries"]) == (1, 3)
    assert "reads aloud" not in out
    status, report, out, err = demo(tmp_path, *SMALL, *people, "--attack", "mitm")
    assert status == 4, (out, err)
    assert set(failed(report)) == {"emoji"}
    assert report["people"]["alice"]["stopped"] == "changed"
    assert all(row["opened"] == 0 for row in report["streams"])
    assert report["people"]["bob"]["contacts"] == 2
    assert err.startswith("error: another key answered in the place of one that is known")
    assert "the key was not the one that is known" in (tmp_path / "out" / "report.html").read_text()
    for who in ("alice", "bob"):
        checked = command(known, who, "ledger", "check")
        assert checked.returncode == 0, checked.stderr
    assert demo(tmp_path, *SMALL, *people)[0] == 0  # what the thief did is past


def test_new_people_leave_nothing_behind(tmp_path):
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    status, report, *_ = demo(tmp_path, *SMALL, env={"TMPDIR": str(scratch)})
    assert (status, failed(report)) == (0, {})
    assert list(scratch.iterdir()) == []
    assert not list((tmp_path / "out").rglob("identity.json"))


def test_a_folder_of_people_that_cannot_be_used(tmp_path):
    folder = tmp_path / "people"
    (folder / "bob").mkdir(parents=True, mode=0o755)
    (folder / "bob").chmod(0o755)
    status, _, _, err = demo(tmp_path, *SMALL, "--people", str(folder))
    assert status == 1
    assert err.startswith("error: bob: others have access to the folder ")
    assert "hint: chmod 700 " in err


def test_who_lost_the_memory_is_compared_with_again(tmp_path, known):
    for path in (known / "bob").glob("contacts.db*"):
        path.unlink()
    (known / "bob" / "ledger.head").unlink()
    status, report, out, err = demo(tmp_path, *SMALL, "--people", str(known))
    assert (status, failed(report)) == (0, {}), (out, err)
    assert [report["people"][who]["met"] for who in ("alice", "bob")] == ["verified-before", "unverified"]
    assert [report["people"][who]["shown"] for who in ("alice", "bob")] == ["verified-now", "verified-now"]


def test_a_revoked_key_gets_nothing_and_it_is_no_fault_of_the_program(tmp_path, known):
    revoked = command(known, "alice", "contacts", "revoke", "--yes", "Bob")
    assert revoked.returncode == 0, revoked.stderr
    status, report, out, err = demo(tmp_path, *SMALL, "--people", str(known))
    assert (status, failed(report)) == (4, {}), (out, err)
    assert err.startswith("error: no media went out: Alice: REVOKED, refused")
    assert report["people"]["alice"]["stopped"] == "revoked"


DAMAGED = {
    "identity.json": ("{}", 1, "is damaged"),
    "contacts.db": ("SQLite format 3", 1, "hint: "),
    "ledger.head": ("spoilt", 4, "ledger"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_told_and_left(tmp_path, known, name):
    content, expected, words = DAMAGED[name]
    (known / "bob" / name).write_text(content)
    status, _, out, err = demo(tmp_path, *SMALL, "--people", str(known))
    assert status == expected, (out, err)
    assert err.startswith("error: bob: ")
    assert words in err
    assert (known / "bob" / name).read_text() == content


def test_an_identity_under_a_passphrase_is_not_guessed_at(tmp_path):
    folder, passphrase = tmp_path / "people", tmp_path / "passphrase"
    passphrase.write_text("a long passphrase\n")
    passphrase.chmod(0o600)
    (folder / "alice").mkdir(parents=True, mode=0o700)
    environment = {"E2ECALL_HOME": str(folder / "alice"), "E2ECALL_PASSPHRASE_FILE": str(passphrase)}
    made = subprocess.run(
        [sys.executable, "-m", "e2ecall", "identity", "new"],
        env=os.environ | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    status, _, out, err = demo(tmp_path, *SMALL, "--people", str(folder))
    assert status == 1, (out, err)
    assert "is encrypted, and nobody here has its passphrase" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_it_is_judged(tmp_path, number):
    """What there is is written all the same, and the folder of the two people is gone."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    running = Running(tmp_path, *SMALL, env=os.environ | {"TMPDIR": str(scratch)})
    for line in running.process.stdout:
        if json.loads(line)["event"] == "looked":
            break
    running.process.send_signal(number)
    status, report, err = running.end()
    assert status == report["exit"] == 130, err
    assert list(scratch.iterdir()) == []
