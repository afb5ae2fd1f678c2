"""`e2ecall conformance run`: holds a program to the vectors, and says which clause it breaks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from e2ecall.cli.help_page import epilog
from e2ecall.cli.telling import Misused, say
from e2ecall.conformance.cases import Case, load_cases
from e2ecall.conformance.child import Child, PeerFailed
from e2ecall.conformance.clauses import load_clauses
from e2ecall.conformance.offline import REQUESTS, RESPONSES, judge_responses, write_requests
from e2ecall.conformance.page import html_page
from e2ecall.conformance.report import Report, known_bad
from e2ecall.conformance.runner import Greeting, Result, drive, greet
from e2ecall.conformance.selection import Profile, select
from e2ecall.errors import ExitStatus, OutputFailed, PeerMisbehaved, TransportFailed

__all__ = ["run"]

_SHOWN: Final = 20
_WIDEST: Final = 200
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog=epilog(
        """
  The program is run as you, without a shell. The keys in the cases are
  nobody's: a peer tells its keys, and must never hold any that are in use.
""",
        "spec/peer.md for the contract, spec/protocol.md for the clauses.",
        """
  e2ecall conformance run -- ./my-peer --fast
  e2ecall conformance run --profile frames-receiver --html it.html -- ./my-peer
  e2ecall conformance run --explain 'frame.2-2::*'
  e2ecall conformance run --offline there/
""",
    )
)
@click.option(
    "--profile",
    type=click.Choice([str(each) for each in Profile]),
    default="all",
    help="What the program sets out to be.",
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Cases of this id, clause or file, with * and ?.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=10.0, help="Seconds that one answer may take.")
@click.option("--baseline", type=_FILE, help="JSON of an earlier run: what failed then may fail.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the run as JSON; - for standard output.")
@click.option("--junit", "junit_file", type=_FILE, metavar="FILE", help="Write the run as JUnit's XML.")
@click.option("--html", "html_file", type=_FILE, metavar="FILE", help="Write the run as one HTML page.")
@click.option(
    "--offline",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=f"Run no program: write DIR/{REQUESTS}, or judge DIR/{RESPONSES} where it is.",
)
@click.option("--list", "list_them", is_flag=True, help="Only list the cases.")
@click.option("--explain", metavar="ID", help="Only say what a case asks, what is right, and by which clause.")
@click.option("--extract", metavar="ID", help="Only print the requests of a case, to be put to a peer by hand.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(
    *,
    profile: str,
    only: tuple[str, ...],
    timeout: float,
    baseline: Path | None,
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    offline: Path | None,
    list_them: bool,
    explain: str | None,
    extract: str | None,
    command: tuple[str, ...],
) -> int:
    """Hold a program that speaks spec/peer.md to the vectors: -- COMMAND [ARGS]..."""
    cases = _meant(profile, (*only, *(each for each in (explain, extract) if each)))
    if list_them or explain or extract:
        _tell_of(cases, explain=explain is not None, extract=extract is not None)
        return ExitStatus.OK
    if bool(command) == (offline is not None):
        raise Misused("there is no program to drive", "give it behind --, or --offline DIR")
    known = known_bad(baseline.read_text("utf-8")) if baseline else frozenset()
    if offline is not None and not (offline / RESPONSES).exists():
        number = write_requests(offline, cases)
        say(f"Wrote {number} requests to {offline / REQUESTS}. Put the answers into {offline / RESPONSES}, in order.")
        return ExitStatus.OK
    before = time.monotonic()
    if offline is not None:
        peer, results = Greeting(str(offline), "", frozenset()), list(judge_responses(offline, cases))
    else:
        peer, results = _driven(command, cases, timeout)
    report = Report(peer, profile, _in_order(cases, results), time.monotonic() - before, known)
    _write(json_file, report.json)
    _write(junit_file, report.junit)
    _write(html_file, lambda: html_page(report, load_clauses()))
    _show(report, err=str(json_file) == "-")
    return ExitStatus.SELF_CHECK if report.new else ExitStatus.OK


def _meant(profile: str, only: Sequence[str]) -> list[Case]:
    cases = select(load_cases(), Profile(profile), only)
    if not cases:
        raise Misused("there is no such case", "--list shows them, with the same --profile")
    return cases


def _driven(command: Sequence[str], cases: Sequence[Case], timeout: float) -> tuple[Greeting, list[Result]]:
    """What the program says of itself, and every result; with a bar on a terminal."""

    def start() -> Child:
        return Child(command, timeout=timeout)

    try:
        peer = greet(start)
    except OSError as error:
        raise TransportFailed(f"{command[0]} cannot be started: {error.strerror}") from None
    except PeerFailed as failed:
        raise PeerMisbehaved(f"{command[0]}: {failed.message}", clause="peer.1-1") from None
    results = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(peer.name or command[0], total=len(cases))
        for result in drive(start, peer, cases):
            results.append(result)
            progress.update(task, completed=len(results))
    return peer, results


def _in_order(cases: Iterable[Case], results: Iterable[Result]) -> list[Result]:
    found = {result.case.id: result for result in results}
    return [found[case.id] for case in cases]


def _tell_of(cases: Sequence[Case], *, explain: bool, extract: bool) -> None:
    clauses = load_clauses() if explain else {}
    for case in cases:
        if explain:
            say(_explained(case, clauses))
        elif extract:
            for number, step in enumerate(case.steps):
                say(json.dumps({"id": number, "op": step.op, **step.request}))
        else:
            say(case.id)


def _explained(case: Case, clauses: Mapping[str, str]) -> str:
    lines = [case.id, f"  {case.name} (vectors/{case.file}.json)"]
    for clause in dict.fromkeys(step.clause or case.clause for step in case.steps):
        lines.append(f"  {clause}: {clauses.get(clause, 'RFC 9605')}")
    for number, step in enumerate(case.steps):
        lines.append(f"  step {number}: {step.op}")
        lines += [f"    {name}: {value}" for name, value in step.request.items()]
        if step.layer != "ok":
            lines.append(f"    must be refused as {step.layer}")
        lines += [f"    must give {name}: {value}" for name, value in step.returns.items()]
    return "\n".join(lines)


def _write(file: Path | None, text: Callable[[], str]) -> None:
    if file is None:
        return
    if str(file) == "-":
        sys.stdout.write(text())
        return
    try:
        file.write_text(text(), "utf-8")
    except OSError as error:
        raise OutputFailed(f"{file} cannot be written: {error.strerror}") from None


def _show(report: Report, *, err: bool) -> None:
    """The table, what failed first, and the verdict."""
    say(f"{report.peer.name} {report.peer.version}".strip(), err=err)
    table = Table()
    outcomes = list(report.counts)
    table.add_column("vectors", overflow="fold")
    for outcome in outcomes:
        table.add_column(str(outcome), justify="right")
    for file, counts in report.by_file().items():
        table.add_row(file, *(str(counts[outcome] or "") for outcome in outcomes))
    Console(stderr=err).print(table)
    for result in report.new[:_SHOWN]:
        finding, step = result.finding, result.case.steps[result.finding.step]
        say(f"{finding.outcome}: {result.case.id}\n  step {finding.step}, {step.op}", err=err)
        say(f"  expected {finding.expected[:_WIDEST]}\n  found    {finding.actual[:_WIDEST]}", err=err)
    if len(report.new) > _SHOWN:
        say(f"({len(report.new) - _SHOWN} more: --json, --html)", err=err)
    say(_verdict(report), err=err)


def _verdict(report: Report) -> str:
    counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items())
    known = f" ({len(report.bad) - len(report.new)} known)" if len(report.new) < len(report.bad) else ""
    word = "does not conform" if report.new else "no new failure" if report.bad else "no failure"
    return f"{word}: {counts}{known}, in {report.seconds:.1f} s"
