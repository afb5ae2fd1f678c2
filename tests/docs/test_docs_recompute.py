"""The emoji by hand: the script imports nothing of e2ecall, is short, and finds what the vectors say, or stops."""

import ast
import json
import runpy
import subprocess
import sys

import pytest

from e2ecall.sas import emoji
from support.pages import EXAMPLES, ROOT, fences

SCRIPT = EXAMPLES / "recompute.py"
EXCHANGES = ROOT / "vectors/exchange/exchange.json"
TABLE = ROOT / "e2ecall/sas/emoji333.json"
CASES = json.loads(EXCHANGES.read_text("utf-8"))["cases"]


def run(exchanges, number):
    command = [sys.executable, "-I", str(SCRIPT), str(exchanges), str(TABLE), str(number)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_it_is_short_and_stands_alone():
    source = SCRIPT.read_text("utf-8")
    assert len(source.splitlines()) <= 60
    imported = {each for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for each in node.names}
    assert {each.name for each in imported} == {"hashlib", "hmac", "json", "sys"}


def test_it_says_what_the_page_says():
    page = (ROOT / "docs/how-to/recompute-the-emoji.md").read_text("utf-8")
    (output,) = [fence.text for fence in fences(page) if fence.comment == "output of docs_src/recompute.py"]
    assert run(EXCHANGES, 0).stdout == output


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_it_finds_the_emoji_and_the_transcript_of_every_exchange(number, capsys):
    runpy.run_path(str(SCRIPT))["main"](EXCHANGES, TABLE, number)
    values = CASES[number]["values"]
    shown = " ".join(each.char for each in emoji(bytes.fromhex(values["sas"])))
    assert capsys.readouterr().out == f"transcript {values['th2']}\nemoji      {shown}\n"


@pytest.mark.parametrize(("message", "at"), [("offer", 40), ("offer", -1), ("reveal", 20)])
def test_another_opening_ends_it(tmp_path, message, at):
    case = json.loads(json.dumps(CASES[0]))
    for step in case["steps"]:
        if message in step.get("returns", {}):
            data = bytearray.fromhex(step["returns"][message])
            data[at] ^= 1
            step["returns"][message] = data.hex()
    (tmp_path / "changed.json").write_text(json.dumps({"cases": [case]}))
    ran = run(tmp_path / "changed.json", 0)
    assert ran.returncode == 1
    assert "does not hold" in ran.stderr
    assert ran.stdout == ""


def test_one_bit_of_the_answer_gives_other_emoji(tmp_path):
    text = EXCHANGES.read_text("utf-8")
    answer = next(step["returns"]["answer"] for step in CASES[0]["steps"] if "answer" in step.get("returns", {}))
    (tmp_path / "changed.json").write_text(text.replace(answer, answer[:-1] + format(int(answer[-1], 16) ^ 1, "x")))
    ran = run(tmp_path / "changed.json", 0)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1] != run(EXCHANGES, 0).stdout.splitlines()[1]
