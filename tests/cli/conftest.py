"""What the tests of commands share: a home of its own without a terminal, and a command with what it said."""

import pytest

from e2ecall.cli import contacts as contacts_module
from e2ecall.cli import identity as identity_module
from e2ecall.cli.main import run
from e2ecall.store.home import Home


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    monkeypatch.setenv("E2ECALL_HOME", str(home.folder))
    monkeypatch.delenv("E2ECALL_PASSPHRASE_FILE", raising=False)
    for module in (contacts_module, identity_module):
        monkeypatch.setattr(module, "on_terminal", lambda: False)
    return home


@pytest.fixture
def told(home, capfd):
    """Run a command; its status, standard output and standard error."""

    def told(*arguments):
        status = run(list(arguments))
        output = capfd.readouterr()
        return status, output.out, output.err

    return told
