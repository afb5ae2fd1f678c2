"""`report.html` of an attack on the exchange: both designs beside each other, and what stopped the attack."""

from __future__ import annotations

from html import escape
from pathlib import Path

from e2ecall.audit.attacks import CASES
from e2ecall.demo.checks import Check
from e2ecall.demo.output import write_whole
from e2ecall.demo.page import checks_section, columns, emoji_card, items, page, section, table
from e2ecall.demo.report import DesignRow, Report

__all__ = ["render", "write_html"]

_TITLES = {"weak": "A weak design", "real": "The real exchange"}
_CHECKS = {
    "weak.falls": "The weak design falls",
    "weak.read": "Its people's line is read",
    "real.holds": "The real exchange holds",
    "real.refuses": "It refuses for the known reasons",
}


def render(report: Report) -> str:
    """The page."""
    good = report.exit == 0
    news = (
        "The weak design fell, and the real exchange held."
        if good
        else f"The demonstration did not go as it should: {report.reason}"
    )
    parts = [
        f'<header class="state{"" if good else " bad"}"><p>e2ecall demonstration · attack: {escape(report.attack)}</p>'
        f"<h1>{escape(news)}</h1><p>{escape(report.reason)} · exit status {report.exit}</p></header>",
        *(_design_section(row, CASES[report.attack].sides) for row in report.designs),
        checks_section(report.checks, _check_name),
        columns(_meaning(report)),
        f"<footer>e2ecall {escape(report.version)}. Not externally audited. The same for programs: "
        f"<code>report.json</code>, schema <code>e2ecall/report/1</code>.</footer>",
    ]
    return page(news, parts)


def _check_name(check: Check) -> str:
    return _CHECKS.get(check.id, check.id)


def _design_section(row: DesignRow, sides: tuple[str, str]) -> str:
    one, other = sides
    fell = row.matches > 0
    rows = [
        f"<tr><td>Tries</td><td>{row.tries:,}</td></tr>",
        f"<tr><td>Matches</td><td>{row.matches:,}</td></tr>",
        f"<tr><td>Seconds</td><td>{row.seconds:.2f}</td></tr>",
        f"<tr><td>Emoji that people compare</td><td>{row.compared}</td></tr>",
        *(f"<tr><td>Refused: {escape(why)}</td><td>{count:,}</td></tr>" for why, count in sorted(row.refused.items())),
    ]
    body = f"<p>{escape(row.rule[:1].upper() + row.rule[1:])}.</p>"
    if row.alice and row.bob:
        sign = (
            '<div class="sign bad" title="the same">=</div>'
            if fell
            else '<div class="sign good" title="different">≠</div>'
        )
        cards = emoji_card(one, row.alice, row.alice_names) + sign + emoji_card(other, row.bob, row.bob_names)
        body += f'<div class="emoji">{cards}</div>'
    if row.alice and row.bob and not fell:
        body += '<p class="after">The last try: they differ, so the two hang up before anything is said.</p>'
    if row.read:
        body += f'<p class="after bad-note" style="margin-bottom: 1rem">The relay reads: “{escape(row.read)}”.</p>'
    verdict = "falls" if fell else "holds"
    return section(f"{_TITLES[row.design]} {verdict}", body + table(rows))


def _meaning(report: Report) -> str:
    clauses = next((", ".join(row.clauses) for row in report.designs), "")
    shows = [
        f"The rule matters: without it the attack succeeds. In the specification it is {clauses}.",
        "The real exchange was attacked through the same states that every call uses, for as long as the weak one "
        "withstood and longer.",
    ]
    does_not = [
        "That an attack fails for some seconds proves nothing; that it has to fail is for the specification to argue.",
        "The weak design is a small model with real primitives, not a protocol that anybody ships.",
        "In the real exchange people answer and redial a few times at most; here they do so without end.",
    ]
    return section("What this shows", f"<ul>{items(shows)}</ul>", css="plain") + section(
        "What it does not show", f"<ul>{items(does_not)}</ul>", css="plain"
    )


def write_html(path: Path, report: Report) -> None:
    """Write `report.html`. Raises OutputFailed where it cannot be written."""
    write_whole(path, render(report).encode())
