"""`e2ecall conformance run`: statuses, files, and what is said when there is nothing to drive."""

import json
import sys

import pytest

from e2ecall.cli.main import run
from e2ecall.conformance.peer import Peer

OURS = ("--", sys.executable, "-m", "e2ecall", "conformance", "peer")
FEW = ("conformance", "run", "--only", "sas/digits")


def said(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_ours_conforms(capsys, tmp_path):
    files = {name: tmp_path / f"run.{name}" for name in ("json", "junit", "html")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert run([*FEW, *options, *OURS]) == 0
    out, err = said(capsys)
    assert out.splitlines()[-1].startswith("no failure: 10 pass")
    assert err == ""
    assert json.loads(files["json"].read_text("utf-8"))["counts"] == {"pass": 10}
    assert files["junit"].read_text("utf-8").startswith("<?xml")
    assert files["html"].read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.fixture
def weak(tmp_path):
    """The command of a peer of ours that has one more digit."""
    program = tmp_path / "weak.py"
    program.write_text(
        "import sys\n"
        "from e2ecall.conformance import operations\n"
        "from e2ecall.conformance.peer import Peer\n"
        "right = operations.digits\n"
        "operations.digits = lambda sas: right(sas) + '0'\n"
        "for answer in Peer('weak').run(sys.stdin):\n"
        "    print(answer, flush=True)\n"
    )
    return ("--", sys.executable, str(program))


def test_what_fails_is_named_and_may_be_known(capsys, tmp_path, weak):
    baseline = tmp_path / "known.json"
    assert run([*FEW, "--json", str(baseline), *weak]) == 5
    out, _ = said(capsys)
    assert "::sas/digits/" in out
    assert "expected digits: " in out
    assert out.splitlines()[-1].startswith("does not conform: 3 pass, 7 fail")
    assert run([*FEW, "--baseline", str(baseline), *weak]) == 0
    assert said(capsys)[0].splitlines()[-1].startswith("no new failure: 3 pass, 7 fail (7 known)")


def test_json_on_standard_output_stands_alone(capsys):
    assert run([*FEW, "--json", "-", *OURS]) == 0
    out, err = said(capsys)
    assert json.loads(out)["conforms"] is True
    assert "no failure" in err


def test_offline(capsys, tmp_path):
    assert run([*FEW, "--offline", str(tmp_path)]) == 0
    assert "Wrote 10 requests" in said(capsys)[0]
    requests = (tmp_path / "requests.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "responses.jsonl").write_text("\n".join(Peer("0").run(requests)), "utf-8")
    assert run([*FEW, "--offline", str(tmp_path)]) == 0
    (tmp_path / "responses.jsonl").write_text("", "utf-8")
    assert run([*FEW, "--offline", str(tmp_path)]) == 5


def test_telling_of_cases_drives_nothing(capsys):
    assert run([*FEW, "--list"]) == 0
    ids = said(capsys)[0].splitlines()
    assert len(ids) == 10
    assert run(["conformance", "run", "--explain", ids[0]]) == 0
    explained = said(capsys)[0]
    assert "must give digits" in explained
    assert run(["conformance", "run", "--extract", ids[0]]) == 0
    (line,) = said(capsys)[0].splitlines()
    assert json.loads(line)["op"] == "sas.digits"


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        ([], 2, "no program"),
        (["--offline", "x", *OURS], 2, "no program"),
        (["--only", "nothing", *OURS], 2, "no such case"),
        (["--", "/nowhere/at/all"], 3, "cannot be started"),
        (["--", sys.executable, "-c", "print('hello')"], 3, "not JSON"),
        (["--json", "/nowhere/at/all", "--only", "sas/digits", *OURS], 1, "cannot be written"),
        (["--baseline", "pyproject.toml", *OURS], 3, "baseline"),
    ],
)
def test_what_cannot_be_done_is_said(capsys, arguments, status, word):
    assert run(["conformance", "run", *arguments]) == status
    out, err = said(capsys)
    assert word in err
    assert "Traceback" not in out + err


def test_what_a_peer_says_is_no_command_to_the_terminal(capsys, tmp_path):
    program = tmp_path / "rude.py"
    rude = "import sys; sys.stdin.readline(); print('\\x1b]0;owned\\x07'); sys.exit('\\x1b[2J')"
    program.write_text(rude)
    assert run([*FEW, "--", sys.executable, str(program)]) == 3
    assert "\x1b" not in said(capsys)[1]
