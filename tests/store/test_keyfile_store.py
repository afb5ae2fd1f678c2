"""The key file on a real disk: modes, two processes, a full disk, damage, backups; and the folder around it."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2ecall.crypto.password import Cost, passphrase_bytes
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import OutputFailed, StoreCorrupt, VerificationFailed
from e2ecall.identity.device import fresh_seeds
from e2ecall.identity.keyfile import encode_key_file
from e2ecall.store import home as home_module
from e2ecall.store.home import Home, find_home
from e2ecall.store.keyfile import KeyStore, read_passphrase_file, write_new

CHEAP = Cost(memory=64, passes=1, lanes=1)
SECRET = passphrase_bytes("correct horse")
NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@pytest.fixture
def path(tmp_path):
    return tmp_path / "identity.json"


def contents(passphrase=None):
    with fresh_seeds(SystemRng()) as seeds:
        return encode_key_file(seeds, SystemRng(), name="Ada", created_at=NOW, passphrase=passphrase, cost=CHEAP)


def identity_in(data):
    return bytes.fromhex(json.loads(data)["device"]["identity"])


def only(path, *names):
    assert sorted(each.name for each in path.parent.iterdir()) == sorted(names)


@pytest.mark.clause("identity.2-8", "identity.2-9")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_made_for_its_owner_alone_and_opened(path, umask):
    data = contents(SECRET)
    before = os.umask(umask)
    try:
        KeyStore(path).create(data)
    finally:
        os.umask(before)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) & 0o177 == 0
    assert KeyStore(path).unlock(SECRET).identity == identity_in(data)
    with pytest.raises(VerificationFailed):
        KeyStore(path).unlock(passphrase_bytes("wrong"))
    only(path, "identity.json")


@pytest.mark.clause("identity.2-8")
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o601, 0o644, 0o777])
def test_a_file_that_others_have_access_to_is_not_used(path, mode):
    KeyStore(path).create(contents())
    path.chmod(mode)
    for use in (KeyStore(path).read, lambda: KeyStore(path).unlock(None), lambda: KeyStore(path).replace(b"", NOW)):
        with pytest.raises(OutputFailed) as caught:
            use()
        assert caught.value.clause == "identity.2-8"
        assert f"mode {mode:04o}" in caught.value.message
        assert f"chmod 600 {path}" in caught.value.hint
    path.chmod(0o400)
    KeyStore(path).read()


# ------------------------------------------------------------------------------------------------ never overwritten


@pytest.mark.clause("identity.2-9")
@pytest.mark.parametrize("there", ["identity", "empty", "foreign", "folder", "dangling link"])
def test_a_first_identity_never_takes_the_place_of_anything(path, there):
    if there == "folder":
        path.mkdir()
    elif there == "dangling link":
        path.symlink_to("nowhere")
    else:
        path.write_bytes({"identity": contents(), "empty": b"", "foreign": b"mine"}[there])
        path.chmod(0o600)
    before = path.read_bytes() if path.is_file() else None
    assert KeyStore(path).exists()
    with pytest.raises(OutputFailed) as caught:
        KeyStore(path).create(contents())
    assert "there is an identity already" in caught.value.message
    assert "--replace" in caught.value.hint
    assert before is None or path.read_bytes() == before
    only(path, "identity.json")


@pytest.mark.clause("identity.2-9")
def test_replacing_keeps_the_old_file_under_a_dated_name(path):
    store, old, new, third = KeyStore(path), contents(SECRET), contents(), contents()
    store.create(old)
    assert store.replace(new, NOW) == path.with_name("identity-20231114-221320.json")
    assert store.replace(third, NOW + 0.5) == path.with_name("identity-20231114-221320-2.json")
    assert path.read_bytes() == third
    assert path.with_name("identity-20231114-221320.json").read_bytes() == old
    assert path.with_name("identity-20231114-221320-2.json").read_bytes() == new
    only(path, "identity.json", "identity-20231114-221320.json", "identity-20231114-221320-2.json")
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    assert KeyStore(path.with_name("identity-20231114-221320.json")).unlock(SECRET).identity == identity_in(old)


@pytest.mark.clause("identity.2-5", "identity.2-9")
@pytest.mark.parametrize("data", [b"", b"mine", b"{}\n", None, "cut", "newer"])
def test_what_is_no_identity_is_neither_read_nor_replaced(path, data):
    good = contents()
    data = {"cut": good[:-100], "newer": good.replace(b"identity/1", b"identity/2")}.get(data, data)
    if data is not None:
        path.write_bytes(data)
        path.chmod(0o600)
    for use in (
        KeyStore(path).read,
        lambda: KeyStore(path).unlock(None),
        lambda: KeyStore(path).replace(contents(), NOW),
    ):
        with pytest.raises(StoreCorrupt) as caught:
            use()
        assert caught.value.clause == "identity.2-5"
        assert str(path) in caught.value.message
    if data is None:
        only(path)
    else:
        only(path, "identity.json")
        assert path.read_bytes() == data


@pytest.mark.clause("identity.2-5")
def test_a_pipe_or_a_folder_in_its_place_is_no_identity_and_nobody_waits(path):
    os.mkfifo(path, 0o600)
    with pytest.raises(StoreCorrupt):
        KeyStore(path).read()
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises((StoreCorrupt, OutputFailed)):
        KeyStore(path).read()
    path.rmdir()
    path.write_bytes(b"x" * 1_000_000)
    path.chmod(0o600)
    with pytest.raises(StoreCorrupt, match="longer than"):
        KeyStore(path).read()


# ------------------------------------------------------------------------------------------------ two at once


MAKER = """
import sys, time
from pathlib import Path
from e2ecall.errors import OutputFailed
from e2ecall.store.keyfile import KeyStore
data = Path(sys.argv[2]).read_bytes()
while time.time() < float(sys.argv[3]):
    pass
try:
    {act}
    print("made")
except OutputFailed as error:
    print(error.message)
"""


def at_once(act, path, inputs):
    start = str(time.time() + 1.0)
    command = [sys.executable, "-c", MAKER.format(act=act), str(path)]
    running = [subprocess.Popen([*command, str(each), start], stdout=subprocess.PIPE, text=True) for each in inputs]
    return [each.communicate(timeout=60)[0].strip() for each in running]


@pytest.mark.clause("identity.2-9")
def test_of_processes_that_make_one_at_once_one_wins(path, tmp_path_factory):
    inputs = []
    for number in range(4):
        inputs.append(tmp_path_factory.mktemp("in") / str(number))
        inputs[-1].write_bytes(contents())
    said = at_once("KeyStore(Path(sys.argv[1])).create(data)", path, inputs)
    assert sorted(said)[:1] == ["made"]
    assert sum(each.startswith("there is an identity already") for each in said) == 3
    assert path.read_bytes() == inputs[said.index("made")].read_bytes()
    only(path, "identity.json")


@pytest.mark.clause("identity.2-9")
def test_of_processes_that_replace_it_at_once_no_identity_is_lost(path, tmp_path_factory):
    first = contents()
    KeyStore(path).create(first)
    inputs = []
    for number in range(4):
        inputs.append(tmp_path_factory.mktemp("in") / str(number))
        inputs[-1].write_bytes(contents())
    assert at_once("KeyStore(Path(sys.argv[1])).replace(data, 1e9)", path, inputs) == ["made"] * 4
    kept = {each.read_bytes() for each in path.parent.iterdir()}
    assert kept == {first, *(each.read_bytes() for each in inputs)}


@pytest.mark.clause("identity.2-9")
def test_a_second_writer_waits_for_the_first(path, monkeypatch):
    """Between the backup and the replacement nobody else gets in."""
    KeyStore(path).create(contents())
    seen = []
    real = KeyStore._keep

    def keep(self, now):
        program = (
            "import fcntl, os, sys\n"
            "try:\n"
            "    fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except BlockingIOError:\n"
            "    print('busy')\n"
        )
        done = subprocess.run([sys.executable, "-c", program, path.parent], capture_output=True, text=True)
        seen.append(done.stdout.strip())
        return real(self, now)

    monkeypatch.setattr(KeyStore, "_keep", keep)
    KeyStore(path).replace(contents(), NOW)
    assert seen == ["busy"]


# ------------------------------------------------------------------------------------------------ the disk


@pytest.mark.clause("identity.2-9")
@pytest.mark.parametrize("act", ["create(data)", "replace(data, 1e9)"])
def test_a_full_disk_leaves_what_was_there(path, tmp_path_factory, act):
    old, new = contents(), tmp_path_factory.mktemp("in") / "new"
    new.write_bytes(contents())
    if act.startswith("replace"):
        KeyStore(path).create(old)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from e2ecall.errors import OutputFailed\n"
        "from e2ecall.store.keyfile import KeyStore\n"
        "data = Path(sys.argv[2]).read_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"try:\n    KeyStore(Path(sys.argv[1])).{act}\n"
        "except OutputFailed as error:\n    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path, new], capture_output=True, text=True, timeout=60)
    assert "File too large" in done.stdout
    assert str(path) in done.stdout
    if act.startswith("replace"):
        only(path, "identity.json")
        assert path.read_bytes() == old
    else:
        only(path)


@pytest.mark.clause("identity.2-9")
@pytest.mark.parametrize("call", ["write", "fsync", "link", "replace", "mkstemp", "flock"])
def test_every_failing_call_is_output_failed_and_leaves_what_was_there(path, monkeypatch, call):
    old = contents()
    KeyStore(path).create(old)

    def fail(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    where = {
        "write": "e2ecall.store.keyfile.os.fdopen",
        "fsync": "e2ecall.store.keyfile.os.fsync",
        "link": "e2ecall.store.keyfile.os.link",
        "replace": "pathlib.Path.replace",
        "mkstemp": "e2ecall.store.keyfile.tempfile.mkstemp",
        "flock": "e2ecall.store.keyfile.fcntl.flock",
    }[call]
    with monkeypatch.context() as patch:
        patch.setattr(where, fail)
        with pytest.raises(OutputFailed, match="Read-only"):
            KeyStore(path).replace(contents(), NOW)
        if call != "replace":
            with pytest.raises(OutputFailed):
                KeyStore(path.with_name("second.json")).create(contents())
    assert path.read_bytes() == old
    assert not path.with_name("second.json").exists()
    assert not list(path.parent.glob(".identity*"))


@pytest.mark.clause("identity.2-9")
def test_an_interrupt_leaves_what_was_there(path, monkeypatch):
    old = contents()
    KeyStore(path).create(old)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("e2ecall.store.keyfile.os.fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            KeyStore(path).replace(contents(), NOW)
    assert path.read_bytes() == old
    only(path, "identity.json")


@pytest.mark.clause("identity.2-9")
def test_killed_at_any_moment_the_file_is_whole(path, tmp_path_factory):
    inputs = tmp_path_factory.mktemp("in") / "new"
    inputs.write_bytes(contents())
    KeyStore(path).create(contents())
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from e2ecall.store.keyfile import KeyStore\n"
        "data = Path(sys.argv[2]).read_bytes()\n"
        "print('go', flush=True)\n"
        "for second in range(100000):\n"
        "    KeyStore(Path(sys.argv[1])).replace(data, second)\n"
    )
    for number in range(6):
        running = subprocess.Popen(
            [sys.executable, "-c", program, path, inputs], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert running.stdout.readline() == b"go\n"
        time.sleep(0.02 + 0.013 * number)
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
        KeyStore(path).unlock(None)
        for each in path.parent.glob("identity-*.json"):
            each.unlink()


def test_a_folder_that_is_gone(tmp_path):
    store = KeyStore(tmp_path / "gone" / "identity.json")
    assert not store.exists()
    with pytest.raises(StoreCorrupt):
        store.read()
    for act in (lambda: store.create(contents()), lambda: store.replace(contents(), NOW)):
        with pytest.raises(OutputFailed):
            act()
    below_a_file = tmp_path / "file"
    below_a_file.write_text("x")
    with pytest.raises(OutputFailed):
        KeyStore(below_a_file / "identity.json").exists()


def test_write_new_is_whole_or_nothing(tmp_path):
    write_new(tmp_path / "out", b"data")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "out", b"other")
    with pytest.raises(OutputFailed):
        write_new(tmp_path / "gone" / "out", b"data")
    assert (tmp_path / "out").read_bytes() == b"data"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


# ------------------------------------------------------------------------------------------------ the passphrase's file


@pytest.mark.clause("identity.2-12")
@pytest.mark.parametrize("data", [b"correct horse", b"correct horse\n", b"correct horse\r\n"])
def test_a_passphrase_is_one_line(tmp_path, data):
    (tmp_path / "p").write_bytes(data)
    assert read_passphrase_file(tmp_path / "p") == SECRET


@pytest.mark.clause("identity.2-12")
@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"a\nb", b"a\n\n", b"\xff", b"x" * 4097, None])
def test_files_without_a_passphrase(tmp_path, data):
    if data is not None:
        (tmp_path / "p").write_bytes(data)
    with pytest.raises(OutputFailed) as caught:
        read_passphrase_file(tmp_path / "p")
    assert caught.value.clause == "identity.2-12"
    assert "E2ECALL_PASSPHRASE_FILE" in caught.value.hint


@pytest.mark.clause("identity.2-12")
def test_a_passphrase_from_a_pipe():
    read, write = os.pipe()
    os.write(write, b"correct horse\n")
    os.close(write)
    try:
        assert read_passphrase_file(Path(f"/dev/fd/{read}")) == SECRET
    finally:
        os.close(read)


# ------------------------------------------------------------------------------------------------ the folder


@pytest.mark.clause("identity.2-8")
def test_the_folder_is_made_for_its_owner_alone(tmp_path):
    home = find_home({"E2ECALL_HOME": str(tmp_path / "a" / "b")})
    home.prepare()
    home.prepare()
    assert stat.S_IMODE(home.folder.stat().st_mode) == 0o700
    names = [each.relative_to(home.folder).name for each in (home.identity, home.contacts, home.ledger_head)]
    assert names == ["identity.json", "contacts.db", "ledger.head"]


@pytest.mark.clause("identity.2-8")
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o1777, 0o701])
def test_a_folder_that_others_have_access_to_is_not_used(tmp_path, mode):
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(mode)
    with pytest.raises(OutputFailed) as caught:
        Home(tmp_path / "home").prepare()
    assert caught.value.clause == "identity.2-8"
    assert "chmod 700" in caught.value.hint
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == mode


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputFailed, match="cannot be used"):
            Home(folder).prepare()


def test_where_the_folder_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_home({"E2ECALL_HOME": "here"}).folder == tmp_path / "here"
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "/data/e2ecall")
    assert find_home({}).folder == find_home({"E2ECALL_HOME": ""}).folder == Path("/data/e2ecall")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/.local/share/e2ecall")
    with pytest.raises(OutputFailed, match="no home directory"):
        find_home({})
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(OutputFailed) as caught:
        find_home({})
    assert "e2ecall[cli]" in caught.value.hint
    assert home_module.VARIABLE == "E2ECALL_HOME"


def test_a_current_folder_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(OutputFailed, match="current folder"):
        find_home({"E2ECALL_HOME": "here"})
