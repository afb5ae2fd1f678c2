"""Judging, choosing and reporting: what counts as right, which cases are meant, and what a report says of a run."""

import json
from xml.etree import ElementTree as ET

import pytest

from e2ecall.conformance.cases import UNDRIVEN, Case, Sha256, Step, load_cases, vector_files, vectors_folder
from e2ecall.conformance.clauses import load_clauses
from e2ecall.conformance.judge import LAYERS, Finding, Outcome, judge
from e2ecall.conformance.offline import REQUESTS, RESPONSES, judge_responses, write_requests
from e2ecall.conformance.page import html_page
from e2ecall.conformance.peer import Peer
from e2ecall.conformance.report import Report, known_bad
from e2ecall.conformance.runner import Greeting, Result
from e2ecall.conformance.selection import Profile, narrowed, select
from e2ecall.errors import MalformedMessage

CASES = load_cases()
HELLO = Sha256("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")


def step(**returns):
    return Step("op", {}, "ok", returns, "")


@pytest.mark.parametrize(
    ("expected", "answer", "outcome"),
    [
        (step(a="00"), {"ok": {"a": "00", "more": 1}}, Outcome.PASS),
        (step(a="00"), {"ok": {"a": "01"}}, Outcome.FAIL),
        (step(a="00"), {"ok": {}}, Outcome.FAIL),
        (step(a="7"), {"ok": {"a": 7}}, Outcome.PASS),
        (step(a=2**60), {"ok": {"a": str(2**60)}}, Outcome.PASS),
        (step(a=[1, {"b": "2"}]), {"ok": {"a": ["1", {"b": 2}]}}, Outcome.PASS),
        (step(a=[1]), {"ok": {"a": [1, 1]}}, Outcome.FAIL),
        (step(a={"b": 1}), {"ok": {"a": {"b": 1, "c": 2}}}, Outcome.FAIL),
        (step(a=None), {"ok": {"a": 0}}, Outcome.FAIL),
        (step(a=HELLO), {"ok": {"a": "hello"}}, Outcome.PASS),
        (step(a=HELLO), {"ok": {"a": "hell"}}, Outcome.FAIL),
        (step(a=HELLO), {"ok": {"a": HELLO.digest}}, Outcome.FAIL),
        (step(), {"ok": {}}, Outcome.PASS),
        (step(), {"error": {"layer": "malformed"}}, Outcome.FAIL),
        (step(), {"unsupported": True}, Outcome.NOT_IMPLEMENTED),
        (step(), {"unsupported": False}, Outcome.FAIL),
        (step(), {"ok": {}, "error": {"layer": "malformed"}}, Outcome.FAIL),
        (step(), {}, Outcome.FAIL),
        (step(), {"ok": None}, Outcome.FAIL),
        (Step("op", {}, "replay", {}, ""), {"error": {"layer": "replay"}}, Outcome.PASS),
        (Step("op", {}, "replay", {}, ""), {"error": {"layer": "authentication"}}, Outcome.WRONG_LAYER),
        (Step("op", {}, "replay", {}, ""), {"error": {"layer": ["replay"]}}, Outcome.FAIL),
        (Step("op", {}, "replay", {}, ""), {"error": "replay"}, Outcome.FAIL),
        (Step("op", {}, "replay", {}, ""), {"ok": {}}, Outcome.FAIL),
    ],
)
def test_an_answer_is_judged(expected, answer, outcome):
    assert judge(expected, answer, 3).outcome == outcome


def test_a_finding_says_what_was_right_and_what_came():
    found = judge(Step("op", {}, "replay", {}, ""), {"error": {"layer": "malformed", "reason": "too short"}}, 3)
    assert found == Finding(Outcome.WRONG_LAYER, 3, "refused as replay", "refused as malformed: too short")
    assert len(judge(step(a="0"), {"ok": {"a": "f" * 10**6}}, 0).actual) < 3000


def test_every_case_of_every_file_is_driven_but_for_the_kinds_without_an_operation():
    without = {"sframe/ratchet-receiver"}  # counts its own steps: no operation
    files = {}
    for path in vector_files(vectors_folder()):
        files[f"{path.parent.name}/{path.stem}"] = json.loads(path.read_text("utf-8"))
    driven = {case.file for case in CASES}
    assert {name for name, data in files.items() if data["kind"] in UNDRIVEN} | without == files.keys() - driven
    left_out = [case["name"] for case in files["sframe/ratchet"]["cases"] if case["result"] != "ok"]
    assert len(CASES) + len(left_out) == sum(len(data["cases"]) for name, data in files.items() if name in driven)


def test_our_own_peer_answers_every_case_rightly():
    peer = Peer("0")
    operations = set(peer.answer('{"op": "hello"}')["ok"]["ops"]) - {"hello"}
    assert operations == {each.op for case in CASES for each in case.steps}
    for case in CASES:
        for number, each in enumerate(case.steps):
            answer = peer.answer(json.dumps({"id": number, "op": each.op, **each.request}))
            assert judge(each, answer, number) == Finding(Outcome.PASS), case.id


def test_ids_are_of_one_case_each_and_begin_with_a_clause():
    clauses = load_clauses()
    assert len({case.id for case in CASES}) == len(CASES)
    assert {case.clause for case in CASES} <= clauses.keys()
    assert all(case.id.startswith(f"{case.clause}::{case.file}/") for case in CASES)
    assert {each.layer for case in CASES for each in case.steps} <= {"ok", *LAYERS}


def test_profiles():
    sizes = {profile: len(select(CASES, profile)) for profile in Profile}
    assert sizes[Profile.ALL] == len(CASES) > sizes[Profile.FRAMES] > sizes[Profile.FRAMES_RECEIVER] > 500
    receiving = {each.op for case in select(CASES, Profile.FRAMES_RECEIVER) for each in case.steps}
    assert receiving.isdisjoint({"sframe.protect", "sframe.header.encode", "codec.seal"})
    assert receiving >= {"sframe.unprotect", "sframe.receiver.unprotect", "codec.open"}
    assert {each.op.split(".")[0] for case in select(CASES, Profile.TELEGRAM) for each in case.steps} == {
        "telegram",
        "sas",
    }


def test_only_some():
    assert {case.file for case in select(CASES, only=["exchange/offer-refused"])} == {"exchange/offer-refused"}
    assert {case.clause for case in select(CASES, only=["kex.2-1"])} == {"kex.2-1"}
    (one,) = select(CASES, only=[CASES[5].id])
    assert one.id == CASES[5].id
    assert select(CASES, only=["nothing"]) == []


def test_a_story_is_told_whole_or_not_at_all():
    story = Case("i", "n", "c", "f", "peer.steps", (step(), Step("other", {}, "ok", {}, "")))
    assert narrowed(story, ["op"]) is None
    assert narrowed(story, ["*"]) == story
    values = Case("i", "n", "c", "f", "sframe.frame", story.steps)
    assert [each.op for each in narrowed(values, ["op"]).steps] == ["op"]
    assert narrowed(values, ["none"]) is None


BAD = Case("kex.2-1::f/bad", "bad <b>", "kex.2-1", "f", "peer.steps", (Step("op", {}, "ok", {}, "kex.2-1"),))
GOOD = Case("kex.2-1::f/good", "good", "kex.2-1", "f", "peer.steps", BAD.steps)
NOT = Case("kex.2-1::g/not", "not", "kex.2-1", "g", "peer.steps", BAD.steps)
FINDINGS = [
    Result(BAD, Finding(Outcome.WRONG_LAYER, 0, "refused as replay", "\x1b[31m<script>\x00")),
    Result(GOOD, Finding(Outcome.PASS)),
    Result(NOT, Finding(Outcome.NOT_IMPLEMENTED, 0, actual="op is not in its hello")),
]


def report(known=()):
    return Report(Greeting("<i>mine", "1", frozenset()), "all", FINDINGS, 1.25, frozenset(known))


def test_a_report_counts():
    assert dict(report().counts) == {Outcome.PASS: 1, Outcome.WRONG_LAYER: 1, Outcome.NOT_IMPLEMENTED: 1}
    assert [each.case.id for each in report().new] == [BAD.id]
    assert (len(report([BAD.id]).bad), len(report([BAD.id]).new)) == (1, 0)


def test_a_report_as_json_is_a_baseline():
    data = json.loads(report().json())
    assert data["conforms"] is False
    assert data["counts"] == {"pass": 1, "wrong layer": 1, "not implemented": 1}
    assert known_bad(report().json()) == {BAD.id}
    for text in ("", "[]", "{}", '{"schema": "other", "cases": []}', report().json().replace('"cases"', '"other"')):
        with pytest.raises(MalformedMessage):
            known_bad(text)


def test_a_report_as_junit():
    root = ET.fromstring(report().junit())
    assert [(each.get("name"), each.get("failures"), each.get("skipped")) for each in root] == [
        ("f", "1", "0"),
        ("g", "0", "1"),
    ]
    assert root.find("testsuite/testcase/failure").get("type") == "kex.2-1"
    assert root.find("testsuite[2]/testcase/skipped").get("message") == "not implemented: op is not in its hello"


def test_a_report_as_a_page_shows_what_a_peer_said_and_does_none_of_it():
    page = html_page(report(), {"kex.2-1": "Both MUST agree."})
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page
    assert "Both MUST agree." in page
    assert "http" not in page
    assert "1 cases, not implemented: op is not in its hello" in page


def test_offline(tmp_path):
    cases = select(CASES, only=["sas/*"])
    number = write_requests(tmp_path / "new", cases)
    requests = (tmp_path / "new" / REQUESTS).read_text("utf-8").splitlines()
    assert number == len(requests) == sum(len(case.steps) for case in cases)
    answers = [*Peer("0").run(requests)]
    answers[1] = answers[0]
    (tmp_path / "new" / RESPONSES).write_text("\n".join(answers[:-1]), "utf-8")
    results = [*judge_responses(tmp_path / "new", cases)]
    assert [each.case for each in results] == cases
    bad = [at for at, each in enumerate(results) if each.finding.outcome != Outcome.PASS]
    assert (bad[0], bad[-1]) == (1, len(cases) - 1)
    assert {results[at].finding.outcome for at in bad} == {Outcome.FAIL}
    assert len(bad) == 2
