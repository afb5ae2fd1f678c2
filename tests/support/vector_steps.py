"""Files of kind peer.steps, and a peer in this process to put their steps to."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from e2ecall.conformance.peer import Peer

VECTORS = Path(__file__).parents[2] / "vectors"
OWN = {"op", "result", "returns", "clause", "also"}
LAYERS = {"ok", "malformed", "incompatible", "misbehaved", "verification", "exhausted", "misuse"}


def load(folder, name, kind="peer.steps"):
    """The cases of a file."""
    data = json.loads((VECTORS / folder / f"{name}.json").read_text(encoding="utf-8"))
    assert (data["schema"], data["kind"], data["licence"]) == ("e2ecall/vectors/1", kind, "CC0-1.0")
    return data["cases"]


read = defaultdict(set)
"""The files of each folder that tests have asked for."""


def params(folder, *names):
    """The cases as parameters."""
    read[folder].update(names)
    return [pytest.param(case, id=f"{name}: {case['name']}") for name in names for case in load(folder, name)]


def clauses_of(folder, *names, kind="peer.steps"):
    """Every clause that the files name."""
    cases = [case for name in names for case in load(folder, name, kind)]
    return {each["clause"] for case in cases for each in (case, *case.get("steps", ())) if "clause" in each}


def marked(test):
    """The clauses of a test's own marks."""
    return {clause for mark in test.pytestmark if mark.name == "clause" for clause in mark.args}


def found_by(answer, step):
    """An answer in the words of the step; of two clauses that the bytes break, either may be named."""
    if "ok" in answer:
        return {"result": "ok", "returns": answer["ok"]}
    assert "error" in answer, answer
    layer, clause = answer["error"]["layer"], answer["error"].get("clause")
    return {"result": layer, "clause": step["clause"] if clause == step.get("also", "") else clause}


def expected(step):
    """What the peer must have found."""
    if step["result"] == "ok":
        return {"result": "ok", "returns": step["returns"]}
    return {"result": step["result"], "clause": step["clause"]}


def take(case):
    """Every step of the case, in order, on a peer of its own."""
    peer = Peer("0")
    for number, step in enumerate(case["steps"]):
        request = {name: value for name, value in step.items() if name not in OWN}
        answer = peer.answer(json.dumps({"id": number, "op": step["op"], **request}))
        assert found_by(answer, step) == expected(step), f"step {number}: {step['op']}"
    assert case["result"] == next((step["result"] for step in case["steps"] if step["result"] != "ok"), "ok")
    assert {step["result"] for step in case["steps"]} <= LAYERS
