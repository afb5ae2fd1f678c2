"""`e2ecall identity`: what a person sees and gets back, with and without a terminal."""

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time

import pytest

from e2ecall.cli import identity as module
from e2ecall.cli.identity import identity, own_device
from e2ecall.cli.main import cli, run
from e2ecall.crypto.password import Cost
from e2ecall.errors import OutputFailed, VerificationFailed
from e2ecall.identity import keyfile
from e2ecall.identity.keyfile import parse_key_file, parse_record
from e2ecall.secret import SecretBytes
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore
from e2ecall.store.ledger import LedgerStore
from support.keyrings import FakeKeyring


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """A home of its own, no terminal, no passphrase, and a passphrase that costs nothing."""
    monkeypatch.setenv("E2ECALL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("E2ECALL_PASSPHRASE_FILE", raising=False)
    monkeypatch.setitem(cli.commands, "identity", identity)
    monkeypatch.setattr(module, "on_terminal", lambda: False)
    monkeypatch.setitem(keyfile.encode_key_file.__kwdefaults__, "cost", Cost(64, 1, 1))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def told(capfd):
    def told(*arguments):
        status = run(["identity", *arguments])
        output = capfd.readouterr()
        return status, output.out, output.err

    return told


@pytest.fixture
def passphrase(tmp_path, monkeypatch):
    def set_to(text):
        (tmp_path / "passphrase").write_text(text + "\n")
        (tmp_path / "passphrase").chmod(0o600)
        monkeypatch.setenv("E2ECALL_PASSPHRASE_FILE", str(tmp_path / "passphrase"))

    return set_to


def seeds_hex(home, secret=None):
    found = KeyStore(home.identity).read()
    with found.open(secret) as seeds:
        return [bytes(each.expose()).hex() for each in (seeds.identity, seeds.encryption)]


# ------------------------------------------------------------------------------------------------ new, show


@pytest.mark.clause("identity.2-3", "identity.2-8")
def test_without_a_passphrase_it_is_made_and_says_so(told, home):
    status, out, err = told("new", "--name", "Zoë")
    found = KeyStore(home.identity).read()
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"identity: {found.record.identity.hex(' ', 2)}",
        "name: Zoë",
        out.splitlines()[2],
        "at rest: not encrypted at rest",
        f"encryption key, SHA-256: {found.record.encryption_key_hash.hex(' ', 2)}",
        f"file: {home.identity}",
    ]
    assert out.splitlines()[2] == f"created: {time.strftime('%Y-%m-%d %H:%M', time.gmtime(found.created_at))} UTC"
    assert abs(found.created_at - time.time()) < 60
    assert told("show") == (0, out, "")
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.identity.stat().st_mode) == 0o600
    for seed in seeds_hex(home):
        assert seed not in out


@pytest.mark.clause("identity.2-3")
def test_json(told, home):
    status, out, err = told("new", "--json", "--name", "Ada")
    found = KeyStore(home.identity).read()
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "identity": found.record.identity.hex(),
        "encryption_key_sha256": found.record.encryption_key_hash.hex(),
        "name": "Ada",
        "created_at": found.created_at,
        "at_rest": "none",
        "file": str(home.identity),
    }
    assert told("show", "--json") == (0, out, "")


@pytest.mark.clause("identity.2-2", "identity.2-12")
def test_with_a_passphrase_from_a_file(told, home, passphrase):
    passphrase("correct horse")
    status, out, _ = told("new")
    assert status == 0
    assert "at rest: encrypted under a passphrase\n" in out
    assert own_device(home).identity == KeyStore(home.identity).read().record.identity
    passphrase("wrong")
    assert told("show")[0] == 0
    with pytest.raises(VerificationFailed):
        own_device(home)


def test_every_secret_is_wiped_when_the_device_is_open(told, home, passphrase, monkeypatch):
    passphrase("correct horse")
    told("new")
    made, real = [], SecretBytes.__init__

    def init(self, data):
        made.append(self)
        real(self, data)

    monkeypatch.setattr(SecretBytes, "__init__", init)
    device = own_device(home)
    assert len(made) >= 8  # passphrase, sealed seeds, key with iv, key, iv, both seeds together, each
    assert [len(each) for each in made if not each.wiped] == []
    device.record().verify()


@pytest.mark.clause("identity.2-12")
def test_without_a_terminal_nobody_is_asked(told, home, passphrase, monkeypatch):
    monkeypatch.setattr("click.prompt", lambda *_, **__: pytest.fail("asked"))
    passphrase("correct horse")
    told("new")
    monkeypatch.delenv("E2ECALL_PASSPHRASE_FILE")
    status, out, err = told("export", "--secret")
    assert (status, out) == (1, "")
    assert "is encrypted, and no passphrase is at hand" in err
    assert "hint: set E2ECALL_PASSPHRASE_FILE, or run this on a terminal\n" in err
    with pytest.raises(OutputFailed):
        own_device(home)


@pytest.mark.clause("identity.2-12")
def test_a_passphrase_file_that_is_not_there(told, home, monkeypatch):
    monkeypatch.setenv("E2ECALL_PASSPHRASE_FILE", "/nowhere")
    status, out, err = told("new")
    assert (status, out) == (1, "")
    assert err.startswith("error: no passphrase in /nowhere: No such file")
    assert not home.identity.exists()
    assert told("new", "--no-passphrase")[0] == 0


@pytest.mark.clause("identity.2-7")
def test_a_file_in_clear_under_a_passphrase_is_refused(told, home, passphrase):
    told("new")
    assert own_device(home).identity == KeyStore(home.identity).read().record.identity
    passphrase("correct horse")
    with pytest.raises(VerificationFailed):
        own_device(home)


def test_show_without_an_identity(told, home):
    status, out, err = told("show")
    assert (status, out) == (1, "")
    assert err == (
        f"error: there is no identity: {home.identity} is not there (clause identity.2-5)\nhint: e2ecall identity new\n"
    )
    assert not home.folder.exists()


@pytest.mark.clause("identity.2-5")
@pytest.mark.parametrize("command", [["show"], ["export"], ["new", "--replace"], ["new"]])
def test_a_damaged_file_is_told_and_left(told, home, command):
    told("new")
    damaged = home.identity.read_bytes()[:-9]
    home.identity.write_bytes(damaged)
    status, out, err = told(*command)
    assert (status, out) == (1, "")
    assert str(home.identity) in err
    assert "hint: " in err
    assert home.identity.read_bytes() == damaged
    assert set(home.folder.iterdir()) == {home.identity, home.contacts, home.ledger_head}


@pytest.mark.clause("identity.2-8")
def test_modes_that_are_too_open(told, home):
    told("new")
    home.identity.chmod(0o644)
    status, out, err = told("show")
    assert (status, out) == (1, "")
    assert f"hint: chmod 600 {home.identity}" in err
    for each in (home.identity, home.contacts, home.ledger_head):
        each.unlink()
    home.folder.chmod(0o755)
    status, _, err = told("new")
    assert status == 1
    assert f"hint: chmod 700 {home.folder}" in err
    assert list(home.folder.iterdir()) == []


@pytest.mark.clause("identity.2-9")
def test_a_second_new_is_an_error_and_replace_keeps_the_old(told, home):
    told("new", "--name", "old")
    old = home.identity.read_bytes()
    status, out, err = told("new", "--name", "new")
    assert (status, out) == (1, "")
    assert "hint: e2ecall identity show; or e2ecall identity new --replace, which keeps the old file\n" in err
    assert home.identity.read_bytes() == old
    status, out, err = told("new", "--name", "new", "--replace")
    assert status == 0
    assert "name: new\n" in out
    (backup,) = home.folder.glob("identity-*.json")
    assert backup.read_bytes() == old
    aside = backup.with_suffix(".ledger.jsonl")
    assert '"head": "' in aside.read_text()
    identity = KeyStore(home.identity).read().record.identity
    assert LedgerStore(Database(home.contacts), home.ledger_head).check(identity).entries == ()
    assert err == (
        f"The old identity is kept in {backup}\n"
        f"The ledger that the old identity signed is kept in {aside}\n"
        "Whoever verified the old one is warned at your next call, and has to compare again.\n"
    )
    status, out, _ = told("new", "--replace", "--json")
    assert json.loads(out)["backup"].startswith(str(home.folder / "identity-2"))


def test_home_is_an_option_too(told, tmp_path):
    """Each of the commands, and nothing of it in the folder of E2ECALL_HOME."""
    other = Home(tmp_path / "other")
    at = "--home", str(other.folder)
    assert told("new", "--name", "old", *at)[0] == 0
    status, out, _ = told("new", "--name", "new", "--replace", "--json", *at)
    assert (status, json.loads(out)["file"]) == (0, str(other.identity))
    assert (
        told("show", "--json", *at)[1] == json.dumps({k: v for k, v in json.loads(out).items() if k != "backup"}) + "\n"
    )
    record = KeyStore(other.identity).read().record
    assert parse_record(told("export", *at)[1].encode()) == record
    assert LedgerStore(Database(other.contacts), other.ledger_head).check(record.identity).entries == ()
    assert told("show")[0] == 1
    assert not (tmp_path / "home").exists()


def test_replace_without_an_identity(told, home):
    status, _, err = told("new", "--replace")
    assert status == 1
    assert "there is no identity" in err
    assert not home.identity.exists()


@pytest.mark.parametrize("arguments", [["new", "--name", ""], ["new", "--name", "x" * 65], ["new", "extra"],
                                       ["new", "--keyring", "--no-passphrase"], ["nonsense"]])  # fmt: skip
def test_usage(told, home, arguments):
    status, out, err = told(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert not home.identity.exists()


def test_a_name_cannot_move_the_cursor(told):
    _, out, _ = told("new", "--name", "\x1b[2JAda\u202e")
    assert "name: [2JAda\n" in out
    assert "\x1b" not in out


# ------------------------------------------------------------------------------------------------ the keyring


@pytest.mark.clause("identity.2-10")
def test_in_the_keyring(told, home, monkeypatch):
    backend = FakeKeyring()
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)
    status, out, _ = told("new", "--keyring")
    found = KeyStore(home.identity).read()
    assert status == 0
    assert "at rest: encrypted, its passphrase in the keyring\n" in out
    assert list(backend.kept) == [("e2ecall", found.record.identity.hex())]
    assert own_device(home).identity == found.record.identity
    backend.kept.clear()
    status, _, err = told("export", "--secret")
    assert status == 1
    assert "the keyring has no passphrase for this identity" in err


@pytest.mark.clause("identity.2-10")
def test_a_file_that_cannot_be_written_leaves_nothing_in_the_keyring(told, home, monkeypatch):
    backend = FakeKeyring()
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)

    def fail(*_):
        raise OutputFailed("full")

    monkeypatch.setattr(KeyStore, "create", fail)
    assert told("new", "--keyring")[0] == 1
    assert backend.kept == {}


@pytest.mark.clause("identity.2-10")
def test_without_the_extra(told, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    status, _, err = told("new", "--keyring")
    assert status == 1
    assert "hint: pip install 'e2ecall[keyring]', or use a passphrase\n" in err
    assert not home.identity.exists()


# ------------------------------------------------------------------------------------------------ export


@pytest.mark.clause("identity.1-5")
def test_export_is_public(told, home, passphrase, tmp_path):
    passphrase("correct horse")
    told("new", "--name", "Ada")
    status, out, err = told("export")
    assert (status, err) == (0, "")
    assert parse_record(out.encode()) == KeyStore(home.identity).read().record
    assert told("export", "--out", str(tmp_path / "me.json")) == (0, "", "")
    assert (tmp_path / "me.json").read_text() == out
    status, _, err = told("export", "--out", str(tmp_path / "me.json"))
    assert status == 1
    assert "exists, and is not overwritten" in err
    assert told("export", "--out", str(home.identity))[0] == 1
    assert told("export", "--out", str(tmp_path / "gone" / "me.json"))[0] == 1
    KeyStore(home.identity).read()


@pytest.mark.clause("identity.2-11")
def test_a_backup_of_a_file_in_clear_is_refused_without_a_passphrase(told, home, tmp_path, passphrase):
    told("new")
    status, out, err = told("export", "--secret", "--out", str(tmp_path / "backup"))
    assert (status, out) == (1, "")
    assert "a backup of the secret keys needs a passphrase" in err
    assert not (tmp_path / "backup").exists()
    passphrase("correct horse")
    status, out, _ = told("export", "--secret")
    assert status == 0
    assert parse_key_file(out.encode()).at_rest is keyfile.AtRest.PASSPHRASE
    for seed in seeds_hex(home):
        assert seed not in out


@pytest.mark.clause("identity.2-11")
@pytest.mark.parametrize("kept", ["none", "passphrase", "keyring"])
def test_a_backup_restores_the_device(told, home, tmp_path, passphrase, monkeypatch, kept):
    backend = FakeKeyring()
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)
    passphrase("correct horse")
    flags = {"none": ["--no-passphrase"], "passphrase": [], "keyring": ["--keyring"]}[kept]
    told("new", "--name", "Ada", *flags)
    before = KeyStore(home.identity).read()
    assert told("export", "--secret", "--out", str(tmp_path / "backup")) == (0, "", "")
    backend.kept.clear()
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert (tmp_path / "backup").read_bytes() != home.identity.read_bytes()
    (tmp_path / "backup").replace(home.identity)
    after = KeyStore(home.identity).read()
    assert (after.record, after.created_at, after.at_rest.value) == (before.record, before.created_at, "passphrase")
    assert own_device(home).identity == before.record.identity


@pytest.mark.clause("identity.2-6", "identity.2-11")
def test_no_backup_under_a_wrong_passphrase(told, home, tmp_path, passphrase):
    passphrase("correct horse")
    told("new")
    passphrase("wrong")
    status, out, err = told("export", "--secret", "--out", str(tmp_path / "backup"))
    assert (status, out) == (4, "")
    assert err.startswith(f"error: this passphrase does not open {home.identity}")
    assert not (tmp_path / "backup").exists()


# ------------------------------------------------------------------------------------------------ help, a terminal


@pytest.mark.parametrize("command", ["new", "show", "export"])
def test_help_ends_with_what_matters(told, command):
    status, out, _ = told(command, "--help")
    assert status == 0
    places = [out.index(words) for words in ("Options:", "Security considerations:", "Standards:", "Example")]
    assert places == sorted(places)
    assert f"e2ecall identity {command}" in out[places[-1] :]
    assert max(map(len, out.splitlines())) <= 80
    assert "\b" not in out


PROGRAM = """
import sys
from e2ecall.cli.identity import identity
from e2ecall.cli.main import cli, run
from e2ecall.crypto.password import Cost
from e2ecall.identity import keyfile
keyfile.encode_key_file.__kwdefaults__["cost"] = Cost(64, 1, 1)
cli.add_command(identity)
sys.exit(run(sys.argv[1:]))
"""


def on_a_terminal(*arguments, answers=()):
    """Run it on a terminal of its own and type an answer at each question; (status, what the screen got)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, "identity", *arguments])
    screen, waiting = b"", list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                got = os.read(terminal, 4096)
            except OSError:
                break
            if not got:
                break
            screen += got
        if waiting and screen.rstrip(b" ").endswith(b":"):
            screen += b"<" + str(len(waiting)).encode() + b">"
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode()


@pytest.mark.clause("identity.2-12")
def test_on_a_terminal_a_person_is_asked_and_nothing_is_echoed(home, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    status, screen = on_a_terminal("new", answers=["correct horse", "correct horse"])
    assert status == 0
    assert "Passphrase (empty for none)" in screen
    assert "encrypted under a passphrase" in screen
    assert "correct horse" not in screen
    status, screen = on_a_terminal("export", "--secret", answers=["wrong"])
    assert status == 4
    status, screen = on_a_terminal("export", "--secret", answers=["correct horse"])
    assert status == 0
    assert '"schema":"e2ecall/identity/1"' in screen
    assert "correct horse" not in screen


@pytest.mark.clause("identity.2-3", "identity.2-12")
def test_on_a_terminal_an_empty_answer_is_no_passphrase(home, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    status, screen = on_a_terminal("new", answers=["", ""])
    assert status == 0
    assert "not encrypted at rest" in screen
    status, screen = on_a_terminal("show")
    assert status == 0
    groups = KeyStore(home.identity).read().record.identity.hex(" ", 2)
    assert groups[:39] in screen
    assert groups[40:] in screen
    assert groups not in screen  # eight to a line
    status, screen = on_a_terminal("export", "--secret", answers=["", ""])
    assert status == 1
    assert "a backup of the secret keys needs a passphrase" in screen


def test_in_any_locale(home):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "identity", "new", "--no-passphrase", "--name", "Zoë"],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "name: Zo\\xeb\n" in done.stdout
