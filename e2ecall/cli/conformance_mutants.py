"""`e2ecall conformance mutants`: whether the vectors tell broken implementations from good ones."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from e2ecall.cli.help_page import epilog
from e2ecall.cli.telling import Misused, say
from e2ecall.conformance.cases import load_cases
from e2ecall.conformance.mutants import MUTANTS, Hunted, hunt
from e2ecall.errors import ExitStatus

__all__ = ["mutants"]


@click.command(
    epilog=epilog(
        """
  The mistakes are made in this process and taken back. What is proved is that
  the vectors see these mistakes, not that they see every one.
""",
        "spec/protocol.md for the clauses, spec/peer.md for the operations.",
        """
  e2ecall conformance mutants
  e2ecall conformance mutants --only opening-not-compared
""",
    )
)
@click.option("--only", multiple=True, metavar="NAME", help="This mutant alone; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def mutants(*, only: tuple[str, ...], as_json: bool) -> int:
    """Break this implementation in every way that is listed, and see the vectors notice each."""
    chosen = [mutant for mutant in MUTANTS if not only or mutant.name in only]
    if unknown := set(only) - {mutant.name for mutant in MUTANTS}:
        raise Misused(f"there is no mutant {min(unknown)}", "without --only, all are shown")
    cases = load_cases()
    hunted = [hunt(mutant, cases) for mutant in chosen]
    survivors = [each.mutant.name for each in hunted if each.case is None]
    if as_json:
        for each in hunted:
            click.echo(json.dumps(_as_object(each), ensure_ascii=False))
    else:
        _show(hunted)
        verdict = f"survived: {', '.join(survivors)}" if survivors else "none survived"
        say(f"{len(hunted)} mutants, {verdict}")
    return ExitStatus.SELF_CHECK if survivors else ExitStatus.OK


def _as_object(hunted: Hunted) -> dict[str, object]:
    mutant = hunted.mutant
    found: dict[str, object] = {"name": mutant.name, "what": mutant.what, "forbidden_by": list(mutant.clauses)}
    if hunted.case is None or hunted.finding is None:
        return found | {"killed_by": None}
    return found | {"killed_by": hunted.case.id, "clause": hunted.clause, "outcome": str(hunted.finding.outcome)}


def _show(hunted: list[Hunted]) -> None:
    table = Table()
    for heading in ("mutant", "mistake", "killed by the case", "clause"):
        table.add_column(heading, overflow="fold")
    for each in hunted:
        case = "SURVIVED" if each.case is None else each.case.id.partition("::")[2]
        table.add_row(each.mutant.name, each.mutant.what, case, each.clause)
    Console().print(table)
