"""The exchange benchmark runs, and measures every line for both sides. How fast anything is, no test says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import ROOT, tables


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One tiny run: (its output, its JSON)."""
    out = tmp_path_factory.mktemp("exchange") / "out.json"
    command = [sys.executable, "-W", "error", "benchmarks/exchange.py", "--quick", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text())


def test_both_operations_both_suites_and_both_sides_are_measured(quick):
    output, result = quick
    (rows,) = tables(output)
    assert len(rows) == 10
    assert all(re.fullmatch(r"\d+\.\d+", cell) for row in rows for cell in row[3:])
    assert result["schema"] == "e2ecall/exchange/1"
    lines = {(row["what"], row["suite"], row["side"]) for row in result["figures"]}
    assert lines == {
        (what, suite, side)
        for suite in ("X25519 + ML-KEM-768", "X25519")
        for what, sides in (("exchange", ("caller", "callee")), ("rekey", ("starter", "answerer")))
        for side in sides
    } | {("exchange", "Telegram, 2048 bits", side) for side in ("caller", "callee")}
    assert all(row[name] > 0 for row in result["figures"] for name in ("ms", "bare_ms", "to_bare", "to_x25519"))
    assert [row["to_x25519"] for row in result["figures"] if row["suite"] == "X25519"] == [1.0] * 4


def test_the_target_is_that_of_the_project_and_is_judged(quick):
    output, result = quick
    assert result["target_ms"] == 2.0
    measured = max(
        row["ms"] for row in result["figures"] if (row["what"], row["suite"]) == ("exchange", "X25519 + ML-KEM-768")
    )
    assert f"{measured:.2f} ms: {'met' if measured <= 2 else 'missed'}." in output


def test_nothing_in_the_output_names_this_machine(quick):
    output, result = quick
    for secret in {str(ROOT), str(Path.home()), os.uname().nodename, sys.prefix} - {"/"}:
        assert secret not in output + json.dumps(result)
