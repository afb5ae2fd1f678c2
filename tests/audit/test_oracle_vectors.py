"""vectors/generate.py: the files that are checked in are what it writes, and it says so when they are not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors"


def generate(folder, *arguments):
    """(status, output, errors) of one run."""
    command = [sys.executable, "-B", "-W", "error", str(folder / "generate.py"), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(VECTORS, tmp_path / "vectors", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_checked_in_vectors_are_what_the_generator_writes_and_a_difference_is_named_and_mended(copy):
    spoilt, lost = copy / "sframe/gcm.json", copy / "sframe/replay.json"
    spoilt.write_text(spoilt.read_text("utf-8").replace("9901234567", "9901234568", 1), "utf-8")
    lost.unlink()
    untouched = (copy / "sframe/codec.json").stat().st_mtime_ns
    status, output, errors = generate(copy, "--check")
    assert (status, output) == (1, "")
    assert [line.split()[0] for line in errors.splitlines()] == ["sframe/gcm.json", "sframe/replay.json"]
    status, output, errors = generate(copy)
    assert (status, errors) == (0, "")
    assert [line.split()[1] for line in output.splitlines()] == ["sframe/gcm.json", "sframe/replay.json"]
    for name in ("gcm.json", "replay.json"):
        assert (copy / "sframe" / name).read_bytes() == (VECTORS / "sframe" / name).read_bytes()
    assert (copy / "sframe/codec.json").stat().st_mtime_ns == untouched


def test_other_arguments_are_refused(copy):
    status, output, errors = generate(copy, "--chek")
    assert (status, output, errors) == (2, "", "usage: generate.py [--check | --zip FILE]\n")


def test_the_files_are_small_enough_to_read():
    sizes = {path.name: path.stat().st_size for path in (VECTORS / "sframe").glob("*.json")}
    assert max(sizes.values()) <= 200_000, sizes
    assert sum(sizes.values()) <= 1_500_000


def test_each_file_of_the_frames_names_clauses_of_the_frames():
    for path in sorted((VECTORS / "sframe").glob("*.json")):
        text = path.read_text("utf-8")
        data = json.loads(text)
        for case in data["cases"]:
            for step in case["steps"] if isinstance(case.get("steps"), list) else [case]:
                assert step["clause"].startswith("frame."), (path.name, case["name"])
                assert step["result"] in LAYERS, (path.name, case["name"])
                assert step.get("reason", "too-old") == "too-old"


LAYERS = {"ok", "malformed", "unknown-key", "own-frame", "wrong-stream", "replay", "authentication", "misuse"}
