"""The benchmark of the conformance runner runs, and measures every line. How fast anything is, no test says."""

import json
import shutil
import subprocess
import sys

from support.pages import ROOT


def test_every_line_is_measured_in_every_round(tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, "-W", "error", "benchmarks/conformance.py"]
    command += ["--cases", "40", "--rounds", "2", "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    rounds = json.loads(out.read_text())
    peers = ["node", "Python"] if shutil.which("node") else ["Python"]
    lines = [f"{peer}, {how}" for peer in peers for how in ("pipelined", "in lock step")]
    assert list(rounds) == ["the pipe alone", *lines]
    assert all(len(each) == 2 for each in rounds.values())
    assert all(f"{name} " in done.stdout for name in rounds)
