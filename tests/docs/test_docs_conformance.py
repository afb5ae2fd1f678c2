"""The page about testing an implementation: its peer is a file, and a run of it says what the page says."""

import re
import shutil
import subprocess
import sys

import pytest

from e2ecall.conformance.judge import Outcome
from e2ecall.conformance.selection import Profile
from support.pages import EXAMPLES, ROOT, fences

PAGE = (ROOT / "docs/how-to/test-my-implementation.md").read_text("utf-8")
PEER = EXAMPLES / "peer.mjs"
NODE = shutil.which("node")


def run(*arguments):
    command = [sys.executable, "-m", "e2ecall", "conformance", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def said(output):
    """The last lines of a run, without the time that it took."""
    return re.sub(r", in [0-9.]+ s", "", output)


def test_the_peer_on_the_page_is_the_file_and_short():
    (shown,) = [fence.text for fence in fences(PAGE) if fence.language == "js"]
    assert shown == PEER.read_text("utf-8")
    assert len(shown.splitlines()) <= 61


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
def test_the_peer_conforms_as_the_page_says():
    ran = run("--profile", "frames-receiver", "--", NODE, str(PEER))
    assert ran.returncode == 0, ran.stderr
    assert said(ran.stdout.splitlines()[-1]) in said(PAGE)


@pytest.mark.skipif(NODE is None, reason="there is no node on this machine")
def test_the_mistake_is_found_as_the_page_says(tmp_path):
    source = PEER.read_text("utf-8")
    assert "value < 8n || " in source
    weak = tmp_path / "peer.mjs"
    weak.write_text(source.replace("value < 8n || ", ""), "utf-8")
    ran = run("--profile", "frames-receiver", "--", NODE, str(weak))
    assert ran.returncode == 5
    assert said("\n".join(ran.stdout.splitlines()[-5:])) in said(PAGE)


def test_every_profile_and_outcome_is_on_the_page():
    assert all(f"`{profile}`" in PAGE for profile in Profile)
    assert all(str(outcome) in PAGE for outcome in Outcome)
