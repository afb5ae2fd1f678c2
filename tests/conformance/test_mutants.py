"""Every broken implementation is told from the good one, and the good one is whole again afterwards."""

import json

import pytest

from e2ecall.cli.main import run
from e2ecall.conformance import mutants
from e2ecall.conformance.cases import load_cases
from e2ecall.conformance.clauses import load_clauses
from e2ecall.conformance.judge import Outcome
from e2ecall.conformance.mutants import MUTANTS, Mutant, hunt
from e2ecall.conformance.mutants.hunt import play
from e2ecall.conformance.mutants.mutation import instead, left_out
from e2ecall.conformance.selection import narrowed
from e2ecall.errors import ApiMisuse, PeerMisbehaved
from e2ecall.handshake.messages import check_call_id
from support.pages import ROOT, tables

CASES = load_cases()
ALL = [hunt(mutant, CASES) for mutant in MUTANTS]
HARMLESS = Mutant("harmless", "nothing is wrong", (), ("sas.emoji",), ())


@pytest.mark.parametrize("hunted", ALL, ids=lambda hunted: hunted.mutant.name)
def test_a_mutant_is_killed_and_leaves_nothing_behind(hunted):
    assert hunted.case is not None, f"{hunted.mutant.name} survived"
    assert hunted.clause in load_clauses()
    assert play(hunted.case).outcome is Outcome.PASS


def test_there_are_enough_and_each_is_described():
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert {clause for mutant in MUTANTS for clause in mutant.clauses} <= load_clauses().keys()
    for mutant in MUTANTS:
        assert mutant.clauses, mutant.name
        assert any(narrowed(case, mutant.operations) for case in CASES), mutant.name


def test_the_page_has_the_table():
    (rows,) = tables((ROOT / "docs/reference/mutants.md").read_text("utf-8"))
    shown = [[each.mutant.name, each.mutant.what, ", ".join(each.mutant.clauses), f"`{each.case.id}`"] for each in ALL]
    assert rows == shown


def test_what_is_not_there_cannot_be_broken():
    for breakage in (
        left_out("e2ecall.handshake.messages:check_call_id", "kex.9-9"),
        left_out("e2ecall.handshake.messages:no_such_name", "kex.2-3"),
        left_out("e2ecall.handshake.messages:Suite", "kex.2-3"),
        instead("e2ecall.handshake.messages:no_such_name", lambda before: before),
    ):
        with pytest.raises(ApiMisuse), breakage():
            pass


def test_a_refusal_is_left_out_for_everyone_who_imported_it_and_comes_back():
    with left_out("e2ecall.handshake.messages:check_call_id", "kex.2-3")():
        check_call_id(bytes(16), b"\x01" * 16)
    with pytest.raises(PeerMisbehaved):
        check_call_id(bytes(16), b"\x01" * 16)


def test_it_comes_back_after_an_error_too():
    with pytest.raises(KeyError), left_out("e2ecall.handshake.messages:check_call_id", "kex.2-3")():
        raise KeyError
    with pytest.raises(PeerMisbehaved):
        check_call_id(bytes(16), b"\x01" * 16)


def test_the_command_names_who_killed_whom(capsys):
    assert run(["conformance", "mutants", "--json", "--only", "opening-not-compared"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["clause"] == "kex.6-3"
    assert run(["conformance", "mutants"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{len(MUTANTS)} mutants, none survived"
    assert run(["conformance", "mutants", "--only", "nobody"]) == 2


def test_a_survivor_fails_the_command(capsys, monkeypatch):
    monkeypatch.setattr("e2ecall.cli.conformance_mutants.MUTANTS", (*mutants.MUTANTS[:1], HARMLESS))
    assert run(["conformance", "mutants"]) == 5
    assert capsys.readouterr().out.splitlines()[-1] == "2 mutants, survived: harmless"
