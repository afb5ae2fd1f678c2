"""The self-checks about who was there: who was met, what was compared, what was kept, and that the keys changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from e2ecall.call.shown import Shown
from e2ecall.demo.checks import Check
from e2ecall.demo.conductor import OTHER, PEOPLE, Conductor
from e2ecall.demo.report import PersonRow
from e2ecall.sframe import ONE_TO_ONE

__all__ = [
    "caught",
    "ledgers_whole",
    "moved_to_the_data_channel",
    "nothing_compared",
    "nothing_went_out",
    "person_row",
    "rekeyed",
    "verified",
]

_VERIFIED = frozenset({Shown.VERIFIED_NOW, Shown.VERIFIED_BEFORE})
_CAUGHT = frozenset({Shown.MISMATCH, Shown.CHANGED, Shown.REVOKED})


def person_row(conductor: Conductor, who: str) -> PersonRow | None:
    """What `who` said of the other side; None where it did not come to that."""
    met = conductor.said(who, "met")
    if met is None:
        return None
    last = conductor.said(who, "met", "compared") or met
    picks = conductor.said(who, "picks") or {"rows": [], "heard": None, "picked": None}
    reads = conductor.all_said(who, "reads")
    receipt, kept = conductor.said(who, "receipt"), conductor.said(who, "kept") or {"entries": None, "contacts": None}
    return PersonRow(
        side=who,
        met=met["shown"],
        let_in=met["let_in"],
        shown=last["shown"],
        symbol=last["symbol"],
        word=last["word"],
        sentence=last["sentence"],
        stopped=last["stopped"],
        compared=conductor.said(who, "compared") is not None and last["shown"] in {Shown.VERIFIED_NOW, Shown.MISMATCH},
        read=next((each["row"] for each in reads if each["row"] is not None), None),
        rows=picks["rows"],
        heard=picks["heard"],
        picked=picks["picked"],
        odds=last.get("odds", ()),
        receipt=None if receipt is None else receipt["matched"],
        ledger_entries=kept["entries"],
        contacts=kept["contacts"],
        epochs=1 + len(conductor.all_said(who, "rekeyed")),
    )


def verified(people: Sequence[PersonRow]) -> Check:
    """Both sides are verified at the end: just now, or in an earlier call, and then nothing was asked."""
    ok = len(people) == len(PEOPLE) and all(row.shown in _VERIFIED for row in people)
    return Check("verified", ok, _said(people))


def caught(people: Sequence[PersonRow]) -> Check:
    """Somebody in the middle was caught: each side that let media flow found it different, or none did flow."""
    stopped = [row for row in people if row.shown in _CAUGHT]
    at_once = any(row.shown != Shown.MISMATCH and row.stopped for row in stopped)
    ok = bool(stopped) and (at_once or len(stopped) == len(PEOPLE))
    return Check("caught", ok, _said(people))


def nothing_compared(people: Sequence[PersonRow]) -> Check:
    """Where nothing can be heard, nothing is compared, and nobody is called verified."""
    ok = len(people) == len(PEOPLE) and not any(row.compared or row.shown in _VERIFIED for row in people)
    return Check("not-compared", ok, _said(people))


def nothing_went_out(frames: Mapping[str, int], opened: int) -> Check:
    """A key that must not be used is given nothing: Alice sealed no frame, and opened none."""
    mine = sum(count for stream, count in frames.items() if stream.startswith("alice "))
    return Check("held-back", not mine and not opened, f"{mine} frames of Alice reached the relay, she opened {opened}")


def ledgers_whole(people: Sequence[PersonRow]) -> Check:
    """Each person's ledger was checked at the end, and what this call changed is in it."""
    told = {row.side: row.ledger_entries for row in people}
    ok = len(told) == len(PEOPLE) and all(told.values())
    return Check(
        "ledgers", ok, ", ".join(f"{who.capitalize()}: {count or 'no'} entries" for who, count in told.items())
    )


def rekeyed(people: Sequence[PersonRow], opened: Mapping[str, Sequence[int | None]]) -> Check:
    """Both sides changed their keys in the call, equally often, and every stream was last opened under the newest.

    `opened` are, by receiver, the key ids of the last opened frame of each stream.
    """
    epochs = {row.side: row.epochs - 1 for row in people}
    last = {who: {ONE_TO_ONE.decode(kid).epoch for kid in kids if kid is not None} for who, kids in opened.items()}
    agreed = len(set(epochs.values())) == 1 and len(epochs) == len(PEOPLE) and all(epochs.values())
    ok = agreed and all(last.get(who) == {epoch} for who, epoch in epochs.items())
    detail = ", ".join(
        f"{who.capitalize()} opens {OTHER[who].capitalize()}'s frames of epoch {_list(last.get(who, set()))}"
        for who in epochs
    )
    return Check("rekeyed", ok, detail or "nobody came so far")


def moved_to_the_data_channel(conductor: Conductor) -> Check:
    """Without a relay between them, the call's own messages took the direct way as well."""
    ways = {who: [event["to"] for event in conductor.all_said(who, "moved")] for who in PEOPLE}
    ok = all(way[:1] == ["data channel"] for way in ways.values())
    return Check("control", ok, "; ".join(f"{who.capitalize()}: {', '.join(way) or '-'}" for who, way in ways.items()))


def _said(people: Sequence[PersonRow]) -> str:
    return "; ".join(f"{row.side.capitalize()}: {row.word}" for row in people) or "nobody was met"


def _list(epochs: set[int]) -> str:
    return ", ".join(map(str, sorted(epochs))) or "none"
