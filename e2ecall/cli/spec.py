"""`e2ecall spec …`: the specification's tables against the code, and its clauses against the tests."""

from __future__ import annotations

from pathlib import Path

import click

from e2ecall.audit.spec import check_clauses, check_tables, rewrite_tables
from e2ecall.errors import ExitStatus

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
