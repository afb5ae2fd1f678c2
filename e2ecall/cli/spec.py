"""`e2ecall spec …`: the specification's tables against the code, and its clauses against the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from e2ecall.audit.spec import check_clauses, check_tables, rewrite_tables
from e2ecall.audit.trace import Place, read_claims, trace_clause
from e2ecall.cli.telling import Misused, say
from e2ecall.conformance.cases import load_cases
from e2ecall.conformance.mutants import MUTANTS
from e2ecall.errors import ApiMisuse, ExitStatus

__all__ = ["spec"]


@click.group()
def spec() -> None:
    """The specification and what holds it to the code."""


@spec.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A checkout of e2ecall.")
def check(root: Path) -> int:
    """Fail on a byte table that drifted from the code, a clause without a test, or a test of an unknown clause."""
    problems = [*check_tables(root), *check_clauses(root)]
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    return ExitStatus.SELF_CHECK if problems else ExitStatus.OK


@spec.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A checkout of e2ecall.")
def tables(root: Path) -> None:
    """Write the byte tables anew from the code's declarations."""
    rewrite_tables(root)


@spec.command()
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="A checkout of e2ecall.")
@click.argument("clause")
def trace(root: Path, clause: str) -> None:
    """Show a clause, and the code, tests, vectors, mutants and claims that name it."""
    try:
        found = trace_clause(root, clause)
    except ApiMisuse as error:
        raise Misused(error.message, "spec/protocol.md and spec/peer.md have them all") from None
    say(f"{clause}  {found.defined.path}:{found.defined.line}\n  {found.defined.text}")
    _list("code", found.code)
    _list("tests", found.tests)
    held = (case for case in load_cases() if clause in {case.clause, *(step.clause for step in case.steps)})
    files = Counter(case.file for case in held)
    _list("vectors", [f"vectors/{file}.json  {number} cases" for file, number in files.items()])
    _list("mutants", [f"{mutant.name}  {mutant.what}" for mutant in MUTANTS if clause in mutant.clauses])
    _list("claims", [f"{each.id}  {each.says}" for each in read_claims(root) if clause in each.clauses])


def _list(heading: str, places: Sequence[Place | str]) -> None:
    say("\n".join([heading, *(f"  {place}" for place in places or ["(none)"])]))
