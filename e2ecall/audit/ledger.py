"""identity.6-11: the report of a check of the ledger: what was looked at, what was found, what no check can find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from e2ecall.identity.ledger import Entry, SignedEntry, entry_hash, read_entry
from e2ecall.identity.ledger_check import Checked, LedgerBroken
from e2ecall.identity.ledger_fact import Act
from e2ecall.store.ledger import LedgerStore

__all__ = ["CANNOT_FIND", "HEADINGS", "LOOKED_AT", "LedgerReport", "as_object", "examine", "plain", "row"]

LOOKED_AT: Final = (
    "every entry is in its canonical form, in its place, and signed by this identity",
    "every entry holds the hash of the one before it",
    "the signed head counts these entries, and no others",
)
CANNOT_FIND: Final = (
    "a restored backup: entries and head put back together to an earlier moment look whole",
    "a ledger that was removed together with its head: it looks like one that was never begun",
    "a stolen key: whoever has this identity's key can write another ledger that holds",
    "what was never written: an entry that no program made",
    "a wrong clock: times are what this device believed",
)

_WORDS: Final = {
    Act.SEEN: "let in",
    Act.VERIFIED: "verified",
    Act.MISMATCH: "MISMATCH",
    Act.CHANGED: "KEY CHANGED",
    Act.ACCEPTED: "changed key accepted",
    Act.INTRODUCED: "introduced by a known key",
    Act.REVOKED: "revoked",
    Act.RECEIPT_MATCH: "the other side says: match",
    Act.RECEIPT_MISMATCH: "the other side says: MISMATCH",
    Act.CALL: "call held",
}


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What one check says. `broken` is None where nothing was found, and `checked` is None where something was."""

    checked: Checked | None
    broken: LedgerBroken | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object, of the schema e2ecall/ledger-check/1."""
        checked, broken = self.checked, self.broken
        return {
            "schema": "e2ecall/ledger-check/1",
            "ok": broken is None,
            "length": None if checked is None else checked.tip.length,
            "hash": None if checked is None else checked.tip.hash.hex(),
            "not_yet_in_the_head": None if checked is None else checked.pending,
            "fault": None if broken is None else broken.fault.value,
            "entry": None if broken is None else broken.entry,
            "detail": None if broken is None else broken.message,
            "notes": list(self.notes),
            "looked_at": list(LOOKED_AT),
            "cannot_find": list(CANNOT_FIND),
        }

    def lines(self) -> list[str]:
        """The report for people, a line each."""
        found = "TAMPERED" if self.broken else "nothing found"
        said = [f"ledger: {found}"]
        if self.broken is not None:
            said += [f"  first bad entry: {self.broken.entry}", f"  {self.broken.message} ({self.broken.fault})"]
            said += [f"  hint: {self.broken.hint}"]
        elif self.checked is not None:
            said += [f"  entries: {self.checked.tip.length}", f"  hash: {self.checked.tip.hash.hex()}"]
        said += [f"  note: {note}" for note in self.notes]
        said += ["looked at:", *(f"  {each}" for each in LOOKED_AT)]
        return [*said, "no check can find:", *(f"  {each}" for each in CANNOT_FIND)]


def examine(store: LedgerStore, identity: bytes, now: float) -> LedgerReport:
    """identity.6-11: check all of it. `identity` is 32 bytes, `now` in seconds since 1970.

    StoreCorrupt and OutputFailed where it cannot be read.
    """
    try:
        checked = store.check(identity)
    except LedgerBroken as broken:
        return LedgerReport(None, broken, ())
    return LedgerReport(checked, None, tuple(_notes(checked, now)))


def plain(text: str) -> str:
    """kex.4-12: a text without control and formatting characters, which could rewrite what stands beside it."""
    return "".join(each for each in text if each.isprintable()).strip()


HEADINGS: Final = ("no", "time (UTC)", "what", "who", "how", "shown", "key is")
"""What the cells of a `row` are."""


def row(entry: Entry) -> tuple[str, ...]:
    """An entry for people: number, time, what happened, to whom, how, what was shown, and the state that followed."""
    fact = entry.fact
    who = plain(fact.name or "") or f"key {fact.peer.hex()[:16]}"
    how = "" if fact.method is None else fact.method.value
    return str(entry.number), _instant(entry.time), _WORDS[fact.act], who, how, plain(fact.shown), fact.outcome.value


def as_object(signed: SignedEntry) -> dict[str, Any]:
    """An entry as a JSON object: its own members, its hash and its signature. MalformedMessage for what is none."""
    read_entry(signed.text)
    members: dict[str, Any] = json.loads(signed.text)
    return members | {"hash": entry_hash(signed.text).hex(), "signature": signed.signature.hex()}


def _notes(checked: Checked, now: float) -> list[str]:
    notes = []
    if checked.head is None:
        notes.append("there is no ledger here yet, or all of it was removed: a check cannot tell which")
    if checked.pending:
        notes.append(f"entry {checked.tip.length - 1} is not yet in the head: a crash came between; the next mends it")
    notes += [f"the clock went back before entry {number}" for number in checked.clock_back]
    notes += [f"entry {entry.number} is from the future" for entry in checked.entries if entry.time > now * 1000 + 1000]
    return notes


def _instant(milliseconds: int) -> str:
    """A time of an entry, UTC, to the second; a number that no calendar has as it is."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
