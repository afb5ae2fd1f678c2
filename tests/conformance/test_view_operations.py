"""peer.5: the further views, driven as another implementation would be, with the vectors."""

import hashlib
import json
from pathlib import Path

import pytest

from e2ecall.conformance.request import Request, layer_of
from e2ecall.conformance.view_operations import table
from e2ecall.errors import E2ECallError

VECTORS = Path(__file__).resolve().parents[2] / "vectors/sas"
FILES = {"picture.json": "sas.svg", "qr.json": None, "typed.json": "sas.typed"}


def cases():
    for name, op in FILES.items():
        for case in json.loads((VECTORS / name).read_text("utf-8"))["cases"]:
            yield pytest.param(op or case["op"], case, id=f"{name}: {case['name']}")


def expected(op, case):
    if op == "sas.qr.check":
        return {}
    if op == "sas.svg":
        return case["svg_sha256"]
    return {"text": case["text"]} if op == "sas.qr" else {"digits": case["digits"]}


@pytest.mark.parametrize(("op", "case"), list(cases()))
def test_vectors(op, case):
    if case["result"] != "ok":
        with pytest.raises(E2ECallError) as caught:
            table()[op](Request(case))
        assert layer_of(caught.value) == case["result"]
        return
    got = table()[op](Request(case))
    assert (hashlib.sha256(got["svg"].encode()).hexdigest() if op == "sas.svg" else got) == expected(op, case)


def test_the_operations_are_these():
    assert set(table()) == {"sas.svg", "sas.qr", "sas.qr.check", "sas.typed"}


@pytest.mark.parametrize("op", table())
@pytest.mark.parametrize("fields", [{}, {"sas": "00" * 32}, {"sas": "00", "role": "caller", "text": ""}])
def test_a_request_that_is_none_is_misuse(op, fields):
    if op == "sas.svg" and fields.get("sas") == "00" * 32:
        return
    with pytest.raises(E2ECallError) as caught:
        table()[op](Request(fields))
    assert layer_of(caught.value) == "misuse"
