"""spec/claims.toml: every name in it exists, and every mutant and every adversary has its place."""

import re
import tomllib

import pytest

from e2ecall.conformance.clauses import load_clauses
from e2ecall.conformance.mutants import MUTANTS
from support.pages import ROOT

CLAIMS = tomllib.loads((ROOT / "spec/claims.toml").read_text("utf-8"))["claim"]
MEMBERS = {"id", "says", "adversary", "assumptions", "clauses", "vectors", "mutants", "tests", "models", "not_claimed"}
THREATS = (ROOT / "spec/threat-model.md").read_text("utf-8")
ASSUMPTIONS = (ROOT / "spec/assumptions.md").read_text("utf-8")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_what_a_claim_names_exists(claim):
    assert claim.keys() == MEMBERS
    assert f"| **{claim['adversary']}** |" in THREATS
    assert all(f"## Of the {each}\n" in ASSUMPTIONS for each in claim["assumptions"])
    assert claim["assumptions"]
    assert set(claim["clauses"]) <= load_clauses().keys()
    assert all((ROOT / f"vectors/{name}.json").is_file() for name in claim["vectors"])
    assert all((ROOT / path).is_file() for path in (*claim["tests"], *claim["models"]))
    assert claim["vectors"]
    assert all(re.fullmatch(r"[A-Z].*\.", claim[name]) for name in ("says", "not_claimed"))


def test_ids_are_unique_and_every_mutant_but_of_views_and_links_belongs_to_a_claim():
    assert len({claim["id"] for claim in CLAIMS}) == len(CLAIMS) >= 9
    claimed = [name for claim in CLAIMS for name in claim["mutants"]]
    assert len(claimed) == len(set(claimed))
    unclaimed = {mutant.name for mutant in MUTANTS} ^ set(claimed)
    assert unclaimed == {"link-damage-ignored", "code-of-the-other-half"}


def test_a_claim_rests_on_every_clause_that_its_mutants_break():
    clauses = {mutant.name: mutant.clauses for mutant in MUTANTS}
    for claim in CLAIMS:
        broken = {clause for name in claim["mutants"] for clause in clauses[name]}
        assert broken <= set(claim["clauses"]), claim["id"]
