"""The command line around the commands: statuses, `error:` and `hint:`, help, and a base install without extras."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from e2ecall.cli.main import cli, run
from e2ecall.errors import (
    AddressUnavailable,
    ApiMisuse,
    E2ECallError,
    ExitStatus,
    MediaUnavailable,
    OutputFailed,
    TransportFailed,
    VerificationFailed,
    exit_status,
)

HERE = Path(__file__).parents[2]


def e2ecall(*arguments, **kw):
    return subprocess.run(
        [sys.executable, "-m", "e2ecall", *arguments], capture_output=True, text=True, timeout=60, **kw
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MediaUnavailable("x"), 1),
        (OutputFailed("x"), 1),
        (AddressUnavailable("x"), 1),
        (TransportFailed("x"), 3),
        (VerificationFailed("x"), 4),
        (ApiMisuse("x"), 5),
        (E2ECallError("x"), 5),
    ],
)
def test_statuses(error, status):
    assert exit_status(error) == status


def test_help_says_statuses_and_limits():
    for arguments in (["--help"], ["demo", "--help"], ["conformance", "peer", "--help"], ["spec", "check", "-h"]):
        done = e2ecall(*arguments)
        assert done.returncode == 0
        assert "Usage: e2ecall" in done.stdout
    text = e2ecall("demo", "--help").stdout
    for words in ("Exit status:", "Security considerations:", "Standards:", "Examples:", "--attack", "--port"):
        assert words in text


def test_version():
    assert e2ecall("--version").stdout == "e2ecall, version 0.1.0\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "--nonsense"], ["conformance", "peer", "extra"]])
def test_usage(arguments):
    done = e2ecall(*arguments)
    assert done.returncode == ExitStatus.USAGE
    assert done.stderr.startswith("error: ")
    assert "\nhint: e2ecall" in done.stderr
    assert done.stdout == ""


def test_a_command_without_its_extra_says_which(tmp_path):
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text("import sys\nsys.modules['click'] = None\n")
    done = e2ecall("--version", env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}, cwd=HERE)
    assert done.returncode == 1
    assert done.stderr == "error: this needs click\nhint: pip install 'e2ecall[all]'\n"


def test_the_demo_without_its_extra_says_which(tmp_path):
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text("import sys\nsys.modules['aiortc'] = None\n")
    done = e2ecall("demo", env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}, cwd=HERE)
    assert done.returncode == 1
    assert done.stderr.startswith("error: this needs aiortc\n")
    assert "hint: pip install 'e2ecall[all]'" in done.stderr


def test_spec_check_here_and_elsewhere(tmp_path, capsys):
    assert run(["spec", "check", "--root", str(HERE)]) == 0
    assert run(["spec", "check", "--root", str(tmp_path)]) != 0
    assert "error: no specification" in capsys.readouterr().err


def test_debug_adds_the_traceback_and_keeps_the_status(tmp_path):
    done = e2ecall("demo", "--video", "missing.mp4", cwd=tmp_path, env=os.environ | {"E2ECALL_DEBUG": "1"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: no such file")
    assert "Traceback" in done.stderr


def test_a_closed_pipe_is_no_traceback():
    command = f'yes \'{{"id": 1, "op": "hello"}}\' | {sys.executable} -m e2ecall conformance peer | head -n 1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert '"name":"e2ecall"' in done.stdout
    assert "Traceback" not in done.stderr


OURS = click.Group(commands={name: cli.commands[name] for name in ("identity", "contacts", "ledger")})


def _commands(group, *before):
    for name, command in group.commands.items():
        yield (*before, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *before, name)


@pytest.mark.parametrize("command", [(), *_commands(OURS)], ids=" ".join)
def test_help_pages_are_lines_of_80_columns_without_marks(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert [line for line in out.splitlines() if len(line) > 80] == []
