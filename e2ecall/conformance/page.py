"""A run as one HTML page that needs nothing beside it: no script, no picture, no address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from e2ecall.conformance.judge import BAD, Outcome
from e2ecall.conformance.report import Report
from e2ecall.conformance.runner import Result

__all__ = ["html_page"]

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --bad: #b3261e; --good: #1a7f37; --rest: #7a5b00; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #6fdd8b; --rest: #e6c15c; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: right; padding: .25rem .75rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th[scope="row"] { font-weight: normal; }
@media (max-width: 40rem) { th, td { padding: .2rem .4rem; font-size: .85rem; } }
.verdict { font-size: 1.25rem; font-weight: 600; } .bad { color: var(--bad); } .good { color: var(--good); }
.rest { color: var(--rest); }
article { border-left: .25rem solid var(--bad); padding: .1rem 1rem; margin: 1rem 0; }
article h3 { font-size: 1rem; margin: .5rem 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .5rem 0; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; font-size: .9rem; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
"""


def html_page(report: Report, clauses: Mapping[str, str]) -> str:
    """The page: the verdict, a table of the files, and every case that failed with its clause."""
    peer = escape(f"{report.peer.name} {report.peer.version}".strip() or "a peer without a name")
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{peer}: conformance</title>\n<style>{_STYLE}</style>\n<main>\n<h1>{peer}</h1>\n",
            _verdict(report),
            _table(report),
            *_failures(report, clauses),
            *_not_held_to(report),
            "</main>\n</html>\n",
        )
    )


def _verdict(report: Report) -> str:
    word = f"{len(report.bad)} of {len(report.results)} cases failed" if report.bad else "No case failed"
    counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items())
    known = f" {len(report.bad) - len(report.new)} of them were known." if report.known and report.bad else ""
    return (
        f'<p class="verdict {"bad" if report.bad else "good"}">{word}.{known}</p>\n'
        f"<p>Profile {escape(report.profile)}: {counts}, in {report.seconds:.1f} s.</p>\n"
    )


def _table(report: Report) -> str:
    outcomes = list(report.counts)
    head = "".join(f'<th scope="col">{outcome}</th>' for outcome in outcomes)
    rows = [f'<tr><th scope="col">vectors</th>{head}</tr>\n']
    for file, counts in report.by_file().items():
        cells = "".join(f'<td class="{_class(each)}">{counts[each] or ""}</td>' for each in outcomes)
        rows.append(f'<tr><th scope="row">{escape(file)}</th>{cells}</tr>\n')
    return f'<div class="scroll" tabindex="0"><table>\n{"".join(rows)}</table></div>\n'


def _class(outcome: Outcome) -> str:
    if outcome in BAD:
        return "bad"
    return "good" if outcome is Outcome.PASS else "rest"


def _failures(report: Report, clauses: Mapping[str, str]) -> Iterator[str]:
    if report.bad:
        yield "<h2>What failed</h2>\n"
    for result in report.bad:
        finding = result.finding
        step = result.case.steps[finding.step]
        clause = step.clause or result.case.clause
        rows = {
            "outcome": str(finding.outcome) + (" (known)" if result.case.id in report.known else ""),
            f"clause {clause}": clauses.get(clause, ""),
            f"step {finding.step}": step.op,
            "expected": finding.expected,
            "found": finding.actual,
        }
        listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
        yield f"<article><h3>{escape(result.case.id)}</h3>\n<dl>{listed}</dl></article>\n"


def _not_held_to(report: Report) -> Iterator[str]:
    reasons: dict[str, list[Result]] = {}
    for result in report.results:
        if result.finding.outcome in (Outcome.NOT_IMPLEMENTED, Outcome.SKIP):
            reasons.setdefault(f"{result.finding.outcome}: {result.finding.actual}", []).append(result)
    if reasons:
        yield "<h2>What it was not held to</h2>\n<ul>\n"
        for reason, results in sorted(reasons.items()):
            yield f"<li>{len(results)} cases, {escape(reason)}</li>\n"
        yield "</ul>\n"
