"""peer.5, peer.6: the operations of links and words, by the vectors."""

import json
from pathlib import Path

import pytest

from e2ecall.conformance.link_operations import table
from e2ecall.conformance.request import Request, layer_of
from e2ecall.errors import ApiMisuse, E2ECallError

FOLDER = Path(__file__).resolve().parents[2] / "vectors"
CASES = [
    case
    for name in ("link/parse", "link/words", "sas/words")
    for case in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["cases"]
]


@pytest.mark.clause("kex.8-2", "kex.8-4", "kex.8-6", "sas.7-1")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['op']}: {case['name']}")
def test_vectors(case):
    operation = table()[case["op"]]
    if case["result"] != "ok":
        with pytest.raises(E2ECallError) as refused:
            operation(Request(case))
        assert layer_of(refused.value) == case["result"]
        return
    expected = {"words": case["words"]} if case["op"] == "sas.words" else {"room": case["room"], "psk": case["psk"]}
    assert operation(Request(case)) == expected


@pytest.mark.parametrize("op", table())
def test_members_that_are_missing_are_misuse(op):
    for fields in ({}, {"link": 7, "words": 7, "sas": 7}, {"sas": "00" * 32}):
        with pytest.raises(ApiMisuse):
            table()[op](Request(fields))
