"""`report.json`, schema `e2ecall/report/1`: what a demonstration did, for programs.

    schema      "e2ecall/report/1"
    exit        the exit status, and `reason`, one sentence about it
    version, path, attack, codec, size, duration   what was asked for, and of which version of e2ecall
    suite, post_quantum    what the exchange agreed on
    verified    whether people compared; false here, where a program plays them
    forwarded   {stream: frames} that the relay passed on
    files       {what: path}, relative to the report
    sas         {alice, bob, equal}: the four emoji of each side; `names` says them in words
    streams     [{side, kind, codec, kid, sealed, opened, bytes, rejected {reason: n}}], one for each side and kind:
                what it sealed (`kid`, `sealed`, `bytes`) and what it made of the other's (`opened`, `rejected`)
    timing_ms   {name: milliseconds}, null where it did not come to that
    cpu         {name: seconds, or share of a process's CPU time where the name ends in `_share`}
    checks      [{id, ok, detail}]
    designs     of an attack on the exchange, where there are no streams: [{design, rule, clauses, tries, matches,
                seconds, compared, alice, bob, names, refused {reason: n}, read}], "weak" and "real"
    people      {alice, bob}: whom each met: {met, let_in, shown, symbol, word, sentence, stopped, compared, read, rows,
                heard, picked, odds, receipt, ledger_entries, contacts, epochs}; `met` and `shown` are what the screen
                says before and after, `rows` the eight to pick from, `picked` its place or null for none of these
    faults      of an attack on frames: [{side, kind, fault, injected, caught, reasons {reason: n}}], by the receiver

Readers ignore members that they do not know. A member named here keeps its name and meaning within schema 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2ecall.demo.checks import Check
from e2ecall.demo.output import write_whole

__all__ = [
    "SCHEMA",
    "DesignRow",
    "FaultRow",
    "PersonRow",
    "Report",
    "Sas",
    "StreamRow",
    "held_back",
    "stream_rows",
    "write_report",
]

SCHEMA = "e2ecall/report/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sas:
    """What each side showed: four emoji and their names; nothing where the exchange did not come to it."""

    alice: Sequence[str] = ()
    bob: Sequence[str] = ()
    alice_names: Sequence[str] = ()
    bob_names: Sequence[str] = ()

    @property
    def equal(self) -> bool:
        """Whether both sides have emoji, and the same ones."""
        return bool(self.alice) and list(self.alice) == list(self.bob)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """One side's streams of one kind: what it sealed under `kid`, and what it opened of the other side's."""

    side: str
    kind: str
    codec: str
    kid: int | None
    sealed: int
    opened: int
    bytes: int
    rejected: Mapping[str, int]
    bytes_opened: int = 0
    sealing_seconds: float = 0.0
    opening_seconds: float = 0.0

    @property
    def rejected_total(self) -> int:
        """Frames that were not opened, whatever the reason."""
        return sum(self.rejected.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignRow:
    """How one design withstood: `rule` says what it leaves out or does, `alice` and `bob` are the last try's emoji."""

    design: str
    rule: str
    clauses: Sequence[str]
    tries: int
    matches: int
    seconds: float
    compared: int
    alice: Sequence[str]
    bob: Sequence[str]
    alice_names: Sequence[str]
    bob_names: Sequence[str]
    refused: Mapping[str, int]
    read: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """What the relay did to the frames of one kind on their way to `side`, and what became of it there.

    `caught` counts the faults that were noticed: frames rejected for one of `reasons`, or, of dropped ones, gaps.
    """

    side: str
    kind: str
    fault: str
    injected: int
    caught: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """Whom one side met, and what it made of that: `met` at once and `shown` at the end, as of `call.shown.Shown`.

    `stopped` says why no media may flow; `read` is the row read aloud, `rows`, `heard` and `picked` are about the
    other side's; `receipt` what the other side says of its comparison; `epochs` how many sets of keys there were.
    """

    side: str
    met: str
    let_in: bool
    shown: str
    symbol: str
    word: str
    sentence: str
    stopped: str | None
    compared: bool
    read: str | None
    rows: Sequence[str]
    heard: str | None
    picked: int | None
    odds: Sequence[str]
    receipt: bool | None
    ledger_entries: int | None
    contacts: int | None
    epochs: int


def held_back(people: Sequence[PersonRow]) -> bool:
    """Whether a side knew at once that media must not flow, without anybody comparing anything."""
    return any(row.stopped is not None and not row.compared for row in people)


def stream_rows(side: str, sent: Sequence[Mapping[str, Any]], received: Sequence[Mapping[str, Any]]) -> list[StreamRow]:
    """A side's rows, audio first, from the `StreamStats` of its two directions as plain mappings."""
    rows = []
    for kind in sorted({str(stats["kind"]) for stats in (*sent, *received)}):
        out = [stats for stats in sent if stats["kind"] == kind]
        back = [stats for stats in received if stats["kind"] == kind]
        rejected: dict[str, int] = {}
        for stats in back:
            for reason, count in stats["rejected"].items():
                rejected[str(reason)] = rejected.get(str(reason), 0) + count
        row = StreamRow(
            side=side,
            kind=kind,
            codec=str((out or back)[0]["codec"]).lower(),
            kid=out[0]["kid"] if out else None,
            sealed=sum(stats["frames"] for stats in out),
            opened=sum(stats["frames"] for stats in back),
            bytes=sum(stats["bytes"] for stats in out),
            rejected=dict(sorted(rejected.items())),
            bytes_opened=sum(stats["bytes"] for stats in back),
            sealing_seconds=sum(stats["seconds"] for stats in out),
            opening_seconds=sum(stats["seconds"] for stats in back),
        )
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that `report.json` and `report.html` say. `attack` is a value of `Attack`.

    `forwarded` counts the frames that the relay passed on; `files` are paths relative to the report, by what they are.
    """

    exit: int
    reason: str
    version: str
    path: str
    attack: str
    codec: str
    size: tuple[int, int] | None
    duration: float
    suite: str = ""
    post_quantum: bool = False
    verified: bool = False
    sas: Sas = Sas()
    streams: Sequence[StreamRow] = ()
    timing_ms: Mapping[str, float | None] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    forwarded: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    designs: Sequence[DesignRow] = ()
    faults: Sequence[FaultRow] = ()
    people: Sequence[PersonRow] = ()

    @property
    def passed(self) -> bool:
        """Whether there were self-checks and all of them hold."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The document, as schema 1 says."""
        return {
            "schema": SCHEMA,
            "exit": self.exit,
            "reason": self.reason,
            "version": self.version,
            "path": self.path,
            "attack": self.attack,
            "codec": self.codec,
            "size": list(self.size) if self.size else None,
            "duration": self.duration,
            "suite": self.suite,
            "post_quantum": self.post_quantum,
            "verified": self.verified,
            "sas": {
                "alice": list(self.sas.alice),
                "bob": list(self.sas.bob),
                "equal": self.sas.equal,
                "names": {"alice": list(self.sas.alice_names), "bob": list(self.sas.bob_names)},
            },
            "streams": [_stream(row) for row in self.streams],
            "timing_ms": {name: None if value is None else round(value, 3) for name, value in self.timing_ms.items()},
            "cpu": {name: round(value, 6) for name, value in self.cpu.items()},
            "checks": [{"id": check.id, "ok": check.ok, "detail": check.detail} for check in self.checks],
            "forwarded": dict(self.forwarded),
            "files": dict(self.files),
            "designs": [_design(row) for row in self.designs],
            "people": {row.side: _person(row) for row in self.people},
            "faults": [asdict(row) | {"reasons": dict(row.reasons)} for row in self.faults],
        }


def _stream(row: StreamRow) -> dict[str, Any]:
    return {
        "side": row.side,
        "kind": row.kind,
        "codec": row.codec,
        "kid": row.kid,
        "sealed": row.sealed,
        "opened": row.opened,
        "bytes": row.bytes,
        "rejected": dict(row.rejected),
        "bytes_opened": row.bytes_opened,
        "sealing_seconds": round(row.sealing_seconds, 6),
        "opening_seconds": round(row.opening_seconds, 6),
    }


def _design(row: DesignRow) -> dict[str, Any]:
    names = {"alice": list(row.alice_names), "bob": list(row.bob_names)}
    members = {name: value for name, value in asdict(row).items() if not name.endswith("_names")}
    return members | {"clauses": list(row.clauses), "seconds": round(row.seconds, 3), "names": names}


def _person(row: PersonRow) -> dict[str, Any]:
    members = asdict(row) | {"rows": list(row.rows), "odds": list(row.odds)}
    del members["side"]
    return members


def write_report(path: Path, report: Report) -> None:
    """Write `report.json`. Raises OutputFailed where it cannot be written."""
    text = json.dumps(report.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write_whole(path, text.encode())
