"""What the screen knows of the call: a fold over the happenings, without any drawing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2ecall.demo.conductor import PEOPLE, Happening
from e2ecall.demo.settings import Settings

__all__ = ["CallState", "PersonState", "StreamLine", "describe"]


@dataclass(frozen=True, slots=True)
class StreamLine:
    """One stream of one side: frames and clear bytes, and what was rejected."""

    kind: str
    codec: str
    frames: int
    bytes: int
    rejected: dict[str, int]


@dataclass(slots=True)
class PersonState:
    """One side, as far as it has told."""

    state: str = "not started"
    emoji: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    post_quantum: bool = False
    first: dict[str, float] = field(default_factory=dict)
    sent: tuple[StreamLine, ...] = ()
    received: tuple[StreamLine, ...] = ()
    symbol: str = ""
    ascii: str = ""
    word: str = ""
    stopped: bool = False
    epoch: int = 0
    trouble: str = ""
    elapsed: float = 0.0
    cpu: float = 0.0
    sealing: float = 0.0
    opening: float = 0.0

    @property
    def rejected(self) -> Counter[str]:
        """Rejected frames by reason, over all received streams."""
        total: Counter[str] = Counter()
        for stream in self.received:
            total.update(stream.rejected)
        return total

    @property
    def share(self) -> float:
        """Frame encryption's part of this process's CPU time since the exchange, 0 to 1."""
        return (self.sealing + self.opening) / self.cpu if self.cpu else 0.0


class CallState:
    """Everything the screen shows."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.people = {who: PersonState() for who in PEOPLE}
        self.relay = "not started"
        self.relay_holds = ""
        self.forwarded: dict[str, int] = {}
        self.injected: Counter[str] = Counter()

    def take(self, happening: Happening) -> None:
        """Fold one happening in."""
        if happening["who"] == "relay":
            self._take_relay(happening)
        else:
            self._take_person(self.people[happening["who"]], happening)

    @property
    def spoilt(self) -> str:
        """What the relay did to frames, as one line; nothing where it forwards honestly."""
        return ", ".join(f"{count} {fault}" for fault, count in self.injected.items())

    @property
    def progress(self) -> float:
        """How much of the call's time is over, 0 to 1."""
        elapsed = max(person.elapsed for person in self.people.values())
        return min(1.0, elapsed / self.settings.duration)

    def _take_relay(self, happening: Happening) -> None:
        event = happening["event"]
        if event == "listening":
            self.relay, self.relay_holds = "listening", happening["holds"]
        elif event in {"forwarding", "summary"}:
            frames = happening["frames" if event == "forwarding" else "forwarded"]
            self.forwarded = frames
            self.relay = f"forwards {sum(frames.values())} frames" if frames else self.relay
            self.injected = Counter()
            for each in happening["injected"]:
                self.injected[each["fault"]] += each["count"]
        elif event == "error":
            self.relay = f"failed: {happening['message']}"

    def _take_person(self, person: PersonState, happening: Happening) -> None:
        event = happening["event"]
        if event in _STATES:
            person.state = _STATES[event]
        elif event == "established":
            person.state = "keys agreed"
            person.emoji, person.names = tuple(happening["shown"]), tuple(happening["names"])
            person.post_quantum = happening["post_quantum"]
        elif event in {"met", "compared"}:
            person.symbol, person.ascii, person.word = happening["symbol"], happening["ascii"], happening["word"]
            person.stopped = happening["stopped"] is not None
            person.state = "in the call" if event == "compared" else person.state
        elif event == "reads":
            person.state = "reads its emoji aloud" if happening["row"] is not None else "hears something else"
        elif event == "picks":
            person.state = "in the call"
        elif event == "rekeyed":
            person.epoch = happening["epoch"]
        elif event == "halted":
            person.state, person.trouble = "stopped the call", happening["reason"]
        elif event == "first":
            person.first[happening["kind"]] = happening["ms"]
            person.state = "in the call"
        elif event in {"stats", "final"}:
            person.sent = tuple(map(_line, happening["sent"]))
            person.received = tuple(map(_line, happening["received"]))
            person.elapsed, person.cpu = happening["elapsed"], happening["cpu"]
            person.sealing, person.opening = happening["sealing"], happening["opening"]
        elif event == "unreadable" and not person.stopped:  # else it is told already
            person.trouble = f"{happening['kind']}: {happening['cause']}"
        elif event == "error":
            person.state, person.trouble = "failed", happening["message"]


_STATES = {"waiting": "waits in the room", "calling": "calls", "ringing": "it rings", "done": "hung up"}


def _line(stream: dict[str, Any]) -> StreamLine:
    return StreamLine(stream["kind"], stream["codec"], stream["frames"], stream["bytes"], stream["rejected"])


def describe(happening: Happening) -> str | None:
    """One plain line for a happening worth one, None for the rest."""
    who, event = str(happening["who"]).capitalize(), happening["event"]
    match event:
        case "listening":
            return f"{who}: listening on port {happening['port']}; it forwards the media and {happening['holds']}"
        case "waiting" | "calling":
            return f"{who}: {_STATES[event]} (process {happening['pid']})"
        case "ringing":
            return f"{who}: a call from somebody who says to be {happening['name']}; accepted"
        case "established":
            quantum = "post-quantum" if happening["post_quantum"] else "not post-quantum"
            return f"{who}: keys agreed ({quantum}); sees: {', '.join(happening['names'])}"
        case "first":
            what = "picture" if happening["kind"] == "video" else "sound"
            return f"{who}: first {what} {happening['ms']:.0f} ms after the exchange"
        case "unreadable":
            return f"{who}: {happening['kind']} cannot be read: {happening['cause']} ({happening['reason']})"
        case "refused":
            return f"{who}: refused a message: {happening['reason']}"
        case "error":
            return f"{who}: {happening['message']}"
        case _:
            return _of_trust(who, happening)


def _of_trust(who: str, happening: Happening) -> str | None:
    """The same, for who was met and what was made of it."""
    match happening["event"]:
        case "met" | "compared":
            return f"{who}: {happening['word']}. {happening['sentence']}"
        case "reads" if happening["row"] is not None:
            return f"{who} reads aloud: {', '.join(happening['names'])}"
        case "picks":
            rows, picked = len(happening["rows"]), happening["picked"]
            return f"{who} hears it and picks {'none' if picked is None else f'number {picked + 1}'} of {rows} rows"
        case "rekeyed":
            return f"{who}: new keys, epoch {happening['epoch']}"
        case "moved":
            return f"{who}: the call's own messages go by {happening['to']} now"
        case "halted":
            return f"{who}: stopped the call: {happening['reason']}"
        case _:
            return None
