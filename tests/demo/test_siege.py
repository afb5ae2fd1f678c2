"""An attack on the exchange, live: the weak design falls, the real one holds, both are counted and judged."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from e2ecall.audit.attacks import CASES
from e2ecall.cli.demo import ATTACKS, ON_EXCHANGE, ON_FRAMES
from e2ecall.demo import siege_html
from e2ecall.demo.report import DesignRow, Report
from e2ecall.demo.settings import Attack, Settings
from e2ecall.demo.siege import siege_checks
from e2ecall.demo.siege_screen import LiveSiege, PlainSiege

FOUR = ["🍍", "🔨", "🐨", "🚔"], ["pineapple", "claw hammer", "koala", "police car"]
OTHERS = ["🎳", "💻", "🔟", "😏"], ["bowling", "laptop", "number ten", "smirk"]
LINE = "see you at eight"


def run(tmp_path, *arguments, env=None, **kw):
    """(exit status, report or None, standard output, standard error)"""
    done = subprocess.run(
        [sys.executable, "-m", "e2ecall", "demo", "--out", str(tmp_path / "out"), *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=300, cwd=tmp_path,
        env=os.environ | {"LANG": "C.UTF-8"} | (env or {}), **kw,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    path = tmp_path / "out" / "report.json"
    return done.returncode, json.loads(path.read_text()) if path.exists() else None, done.stdout, done.stderr


@pytest.mark.clause("kex.3-1", "kex.6-3")
def test_four_emoji_are_found_live_and_the_real_exchange_holds(tmp_path):
    status, report, out, err = run(tmp_path, "--attack", "no-commit")
    assert (status, err) == (0, ""), out
    assert report["schema"] == "e2ecall/report/1"
    assert (report["exit"], report["attack"], report["streams"]) == (0, "no-commit", [])
    weak, real = report["designs"]
    assert (weak["design"], real["design"]) == ("weak", "real")
    assert weak["matches"] == 1
    assert weak["compared"] == real["compared"] == 4
    assert weak["alice"] == weak["bob"]
    assert len(weak["alice"]) == 4
    assert weak["read"] in out
    assert weak["tries"] > 5000
    assert real["matches"] == 0
    assert real["tries"] > 20
    assert real["seconds"] >= max(2.9, weak["seconds"] - 0.3)
    assert set(real["refused"]) == {"VerificationFailed kex.6-3"}
    assert abs(real["refused"]["VerificationFailed kex.6-3"] - real["tries"] / 2) <= 1
    assert real["alice"] != real["bob"]
    assert {check["id"]: check["ok"] for check in report["checks"]} == {
        "weak.falls": True, "weak.read": True, "real.holds": True, "real.refuses": True
    }  # fmt: skip
    assert "kex.3-1" in out
    assert "The real exchange holds: " in out
    assert (tmp_path / "out" / "report.html").stat().st_size > 3000


@pytest.mark.parametrize("attack", ["copied-commitment", "reflected-identity", "two-openings", "half-open"])
def test_the_other_attacks(tmp_path, attack):
    status, report, out, err = run(tmp_path, "--attack", attack, "--duration", "1", "--json")
    assert (status, err) == (0, ""), out
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "report"
    assert {event["event"] for event in events} >= {"attacking", "result", "done", "report"}
    assert events[-1]["designs"] == report["designs"]
    weak, real = report["designs"]
    assert weak["matches"] > 0
    assert set(real["refused"]) <= CASES[attack].refusals
    assert report["sas"]["equal"] is False
    assert report["verified"] is False


@pytest.mark.skipif(not os.environ.get("E2ECALL_SLOW"), reason="half a minute; make test-all runs it")
def test_the_ciphertext_that_comes_too_late(tmp_path):
    status, report, out, err = run(tmp_path, "--attack", "late-ciphertext")
    assert (status, err) == (0, ""), out
    assert report["designs"][0]["compared"] == 2
    assert "The weak design's people compared 2 emoji here" in out
    assert report["designs"][1]["seconds"] >= report["designs"][0]["seconds"] - 0.3


class Started:
    """An attack under way; `pids` of its two processes."""

    def __init__(self, tmp_path, attack):
        arguments = ["--out", "out", "--attack", attack, "--duration", "60", "--json"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "e2ecall", "demo", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
        self.pids = {}
        while len(self.pids) < 2:
            event = json.loads(self.process.stdout.readline())
            self.pids |= {event["who"]: event["pid"]} if event["event"] == "attacking" else {}

    def end(self):
        """(exit status, standard error), with nobody left behind"""
        _, err = self.process.communicate(timeout=60)
        for pid in self.pids.values():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        return self.process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, number):
    started = Started(tmp_path, "no-commit")
    started.process.send_signal(number)
    status, err = started.end()
    assert status == 130, err
    assert json.loads((tmp_path / "out" / "report.json").read_text())["exit"] == 130


def test_a_process_is_killed(tmp_path):
    started = Started(tmp_path, "two-openings")
    os.kill(started.pids["real"], signal.SIGKILL)
    status, err = started.end()
    assert status == 3, err
    assert err.startswith("error: real: real ended without a word")


def test_without_a_locale_for_emoji(tmp_path):
    status, report, out, err = run(tmp_path, "--attack", "reflected-identity", "--duration", "1", env={"LC_ALL": "C"})
    assert (status, err) == (0, "")
    assert out.isascii()
    assert report["designs"][0]["names"]["alice"][0] in out


def test_no_reader(tmp_path):
    command = f"{sys.executable} -m e2ecall demo --attack no-commit --out out > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")


# Judging


def design(name, **changes):
    weak = name == "weak"
    row, names = FOUR
    values = {
        "design": name, "rule": "a rule", "clauses": ("kex.3-1",), "tries": 1000, "matches": int(weak), "seconds": 1.0,
        "compared": 4, "alice": row, "alice_names": names, "bob": row if weak else OTHERS[0],
        "bob_names": names if weak else OTHERS[1], "read": LINE if weak else None,
        "refused": {} if weak else {"VerificationFailed kex.6-3": 500},
    }  # fmt: skip
    return DesignRow(**(values | changes))


FAILING = {
    "weak.falls": [design("weak", matches=0, bob=OTHERS[0], read=LINE), design("real")],
    "weak.read": [design("weak", read=None), design("real")],
    "real.holds": [design("weak"), design("real", matches=1)],
    "real.refuses": [design("weak"), design("real", refused={"VerificationFailed kex.7-5": 500})],
}


def test_both_as_they_must_be():
    checks = siege_checks("no-commit", [design("weak"), design("real")])
    assert [check.id for check in checks] == ["weak.falls", "weak.read", "real.holds", "real.refuses"]
    assert all(check.ok for check in checks)
    assert "1 in 12 billion" in checks[2].detail


@pytest.mark.parametrize("failing", FAILING)
def test_each_check_fails_for_its_fault(failing):
    checks = siege_checks("no-commit", FAILING[failing])
    assert [check.id for check in checks if not check.ok] == [failing]


def test_a_real_exchange_that_refused_nothing_was_not_attacked():
    checks = siege_checks("no-commit", [design("weak"), design("real", refused={})])
    assert [check.id for check in checks if not check.ok] == ["real.refuses"]
    checks = siege_checks("no-commit", [design("weak"), design("real", tries=0)])
    assert [check.id for check in checks if not check.ok] == ["real.holds"]


def test_who_connects_the_wrong_two_reads_nothing():
    ids = [check.id for check in siege_checks("reflected-identity", [design("weak", read=None)])]
    assert ids == ["weak.falls"]


# Names


def test_the_names_are_the_same_everywhere():
    assert tuple(Attack) == ATTACKS
    assert {attack.value for attack in Attack if attack.on_exchange} == ON_EXCHANGE == set(CASES)
    assert {attack.value for attack in Attack if attack.on_frames} == ON_FRAMES


# What people see


def happenings():
    row, other = [list(pair) for pair in zip(*FOUR, strict=True)], [list(pair) for pair in zip(*OTHERS, strict=True)]
    base = {"matches": 0, "compared": 4, "alice": row, "bob": other, "refused": {}, "read": None}
    yield {"event": "attacking", "who": "weak"}
    yield {"event": "attacking", "who": "real"}
    yield {"event": "trying", "who": "weak", "tries": 4096, "elapsed": 1.2, **base}
    yield {"event": "trying", "who": "real", "tries": 500, "elapsed": 1.3, **base,
           "refused": {"VerificationFailed kex.6-3": 250}}  # fmt: skip
    yield {"event": "result", "who": "weak", "tries": 146152, "elapsed": 1.6, **base,
           "bob": row, "matches": 1, "read": LINE}  # fmt: skip
    yield {"event": "result", "who": "real", "tries": 900, "elapsed": 3.0, **base,
           "refused": {"VerificationFailed kex.6-3": 450}}  # fmt: skip
    yield {"event": "done", "who": "weak"}


def drawn(monkeypatch, *, width, locale="C.UTF-8", until=99):
    monkeypatch.setenv("LC_ALL", locale)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console = Console(file=stream, width=width, height=60, force_terminal=False)
    screen = LiveSiege(Settings(out="x", attack=Attack.NO_COMMIT), console)
    for happening in list(happenings())[:until]:
        screen.tell(happening)
    console.print(screen.draw())
    stream.seek(0)
    return stream.read()


@pytest.mark.parametrize("width", [70, 80, 120])
def test_the_live_screen(monkeypatch, width):
    text = drawn(monkeypatch, width=width)
    for wanted in ("has fallen", "holds", "146,152 tries", "900 tries", "🍍", "🎳", LINE, "450 VerificationFailed"):
        assert wanted in text
    assert text.count("pineapple") == 3
    assert max(map(len, text.splitlines())) <= width
    beside = any("146,152 tries" in line and "900 tries" in line for line in text.splitlines())
    assert beside == (width >= 100)


def test_the_live_screen_in_between_and_in_ascii(monkeypatch):
    text = drawn(monkeypatch, width=120, until=4, locale="C")
    assert text.isascii()
    assert text.count("under attack") == 2
    assert "nothing matches" in text
    assert "reads" not in text
    assert "0 tries" in drawn(monkeypatch, width=120, until=0)


def test_plain_lines(monkeypatch, capsys):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    screen = PlainSiege(Settings(out="x", attack=Attack.NO_COMMIT))
    with screen:
        for happening in happenings():
            screen.tell(happening)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1.2 s: a weak design: 4,096 tries, 0 match"
    assert lines[1] == "1.3 s: the real exchange: 500 tries, 0 match, 250 refused"
    assert "falls after 1.60 s, 146,152 tries: both show pineapple, claw hammer, koala, police car" in lines[2]
    assert LINE in lines[2]
    assert lines[3].endswith("900 tries in 3.0 s, none matches; refused: 450 VerificationFailed kex.6-3")
    assert len(lines) == 4


def test_a_process_that_fails_is_told(monkeypatch, capsys):
    screen = PlainSiege(Settings(out="x", attack=Attack.NO_COMMIT))
    screen.tell({"event": "error", "who": "weak", "message": "weak ended without a word"})
    assert capsys.readouterr().out == "A weak design failed: weak ended without a word\n"


# The report


def report(**changes):
    rows = changes.pop("designs", (design("weak"), design("real")))
    values = {
        "exit": 0, "reason": "as it should be", "version": "0", "path": "relayed", "attack": "no-commit",
        "codec": "none", "size": None, "duration": 3.0, "checks": siege_checks("no-commit", rows), "designs": rows,
    }  # fmt: skip
    return Report(**(values | changes))


def test_the_page():
    page = siege_html.render(report())
    for wanted in ("A weak design falls", "The real exchange holds", "🍍", "🎳", LINE, "kex.3-1", "All 4 self-checks"):
        assert wanted in page
    assert "verified" not in page.lower()
    assert "<script" not in page
    assert "http" not in page
    rows = design("weak"), design("real", matches=1)
    bad = siege_html.render(report(exit=5, reason="the real exchange fell", designs=rows))
    assert "The demonstration did not go as it should: the real exchange fell" in bad
    assert "The real exchange falls" in bad


def test_the_page_escapes_what_it_shows():
    page = siege_html.render(report(designs=(design("weak", read="<b>x</b>"), design("real", rule="<i>"))))
    assert "<b>x" not in page
    assert "<i>" not in page


def test_the_document():
    document = json.loads(json.dumps(report().to_dict()))
    weak = document["designs"][0]
    assert set(weak) == {
        "design", "rule", "clauses", "tries", "matches", "seconds", "compared", "alice", "bob", "names", "refused",
        "read"
    }  # fmt: skip
    assert weak["names"] == {"alice": FOUR[1], "bob": FOUR[1]}
    assert document["faults"] == []
