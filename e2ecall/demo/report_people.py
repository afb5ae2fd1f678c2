"""The part of `report.html` about who was there: what each side was shown, heard, picked, and keeps."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from e2ecall.call.shown import Shown
from e2ecall.demo.page import items, section
from e2ecall.demo.report import PersonRow

__all__ = ["people_section"]

_BAD = frozenset({Shown.CHANGED, Shown.MISMATCH, Shown.REVOKED})
_GOOD = frozenset({Shown.VERIFIED_BEFORE, Shown.VERIFIED_NOW})


def people_section(people: Sequence[PersonRow]) -> str:
    """A card for each side; nothing where nobody was met."""
    if not people:
        return ""
    body = "".join(_card(row) for row in people)
    return section("Who was there", f'<div class="players">{body}</div>')


def _card(row: PersonRow) -> str:
    name, other = row.side.capitalize(), "Bob" if row.side == "alice" else "Alice"
    mood = "bad" if row.shown in _BAD else "good" if row.shown in _GOOD else "open"
    sign = f'<p class="{mood}-note"><b>{escape(row.symbol)} {escape(row.word)}</b><br>{escape(row.sentence)}</p>'
    parts = [
        f"<h3>What {name} is told of {other}</h3>",
        sign,
        f'<ol class="story">{items(_steps(row, other))}</ol>',
        _rows(row),
        f'<p class="after">{escape(" ".join(row.odds))}</p>' if row.compared and row.odds else "",
    ]
    return f"<div>{''.join(part for part in parts if part)}</div>"


def _steps(row: PersonRow, other: str) -> list[str]:
    steps = [f"Somebody who says to be {other} is let in." if row.let_in else f"{other} is somebody who is known here."]
    if row.met == Shown.CHANGED:
        steps[0] = f"The key is not {other}'s: media are held before one frame is sealed."
    if row.read is not None:
        steps.append(f"Reads aloud: {row.read}.")
    if row.heard is not None:
        picked = "none of them" if row.picked is None else f"number {row.picked + 1}"
        steps.append(f"Hears: {row.heard}; and picks {picked} of the {len(row.rows)} rows below.")
    elif row.rows:
        steps.append("Hears that the other side sees something else, and picks none of the rows below.")
    elif row.met == Shown.VERIFIED_BEFORE:
        steps.append("Nothing is asked: the two compared in an earlier call.")
    if row.receipt is not None:
        found = "the same" if row.receipt else "a difference"
        steps.append(f"Is told that {other} found {found}. That is shown, and changes nothing.")
    if row.epochs > 1:
        steps.append("The keys were changed in the middle of the call; what was compared holds for the new ones too.")
    if row.ledger_entries is not None:
        steps.append(f"Keeps it in the ledger: {row.ledger_entries} entries, signed and checked.")
    return steps


def _rows(row: PersonRow) -> str:
    """The eight rows as they stood on the screen, the one that was picked marked."""
    if not row.rows:
        return ""
    cells = "".join(
        f"<li{' class=picked' if place == row.picked else ''}>{escape(text)}</li>"
        for place, text in enumerate(row.rows)
    )
    none = '<li class="picked">none of these</li>' if row.picked is None else ""
    return f'<ol class="rows">{cells}{none}</ol>'
