"""What a person sees of an attack on the exchange: both designs side by side, with the tries of each counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from e2ecall.audit.attacks import CASES
from e2ecall.demo.processes import Happening
from e2ecall.demo.screen import PlainLines, takes_unicode
from e2ecall.demo.settings import Settings
from e2ecall.demo.siege import DESIGNS

__all__ = ["LiveSiege", "PlainSiege"]

TITLES = {"weak": "a weak design", "real": "the real exchange"}
LINE_EVERY = 1.0
SIDE_BY_SIDE = 100
"""Columns of a terminal from which on two panels stand beside each other."""


@dataclass(slots=True)
class Side:
    """One design, as far as its process has told."""

    state: str = "not started"
    tries: int = 0
    matches: int = 0
    elapsed: float = 0.0
    alice: list[list[str]] = field(default_factory=list)
    bob: list[list[str]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    read: str | None = None
    over: bool = False

    def take(self, happening: Happening) -> None:
        """Fold one happening in."""
        match happening["event"]:
            case "attacking":
                self.state = "under attack"
            case "trying" | "result":
                self.tries, self.matches, self.elapsed = (happening[k] for k in ("tries", "matches", "elapsed"))
                self.alice, self.bob = happening["alice"], happening["bob"]
                self.refused, self.read = happening["refused"], happening["read"]
                self.over = happening["event"] == "result"
                if self.over:
                    self.state = "has fallen" if self.matches else "holds"
            case "error":
                self.state = f"failed: {happening['message']}"

    @property
    def rate(self) -> float:
        """Tries a second."""
        return self.tries / self.elapsed if self.elapsed else 0.0

    @property
    def reasons(self) -> str:
        """What was refused, as one line."""
        return ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.refused.items()))


def describe(who: str, side: Side, *, design: str) -> str:
    """One plain line for a side: at its end, or in between."""
    name = f"{TITLES[who].capitalize()}"
    if not side.over:
        refused = f", {sum(side.refused.values()):,} refused" if side.refused else ""
        return f"{side.elapsed:.1f} s: {name.lower()}: {side.tries:,} tries, {side.matches} match{refused}"
    if not side.matches:
        refused = f"; refused: {side.reasons}" if side.refused else ""
        return f"{name} holds: {side.tries:,} tries in {side.elapsed:.1f} s, none matches{refused}"
    shown = ", ".join(name for _, name in side.alice)
    read = f'; the relay reads: "{side.read}"' if side.read else ""
    many = f"{side.matches} of {side.tries}" if side.matches > 1 else f"{side.tries:,}"
    return f"{name} ({design}) falls after {side.elapsed:.2f} s, {many} tries: both show {shown}{read}"


class PlainSiege(PlainLines):
    """A line when something ends, and one a second for the counters."""

    def __init__(self, settings: Settings) -> None:
        self._design = CASES[settings.attack].weakness
        self._sides = {who: Side() for who in DESIGNS}
        self._told = dict.fromkeys(DESIGNS, 0.0)

    def tell(self, happening: Happening) -> None:
        """A line, if it is worth one."""
        who = happening["who"]
        if (side := self._sides.get(who)) is None or side.over:
            return
        side.take(happening)
        if happening["event"] == "error":
            self.say([f"{TITLES[who].capitalize()} {side.state}"])
        elif side.over or side.elapsed - self._told[who] >= LINE_EVERY:
            self._told[who] = side.elapsed
            self.say([describe(who, side, design=self._design)])


class LiveSiege:
    """The live screen: two panels with a counter each."""

    def __init__(self, settings: Settings, console: Console | None = None) -> None:
        self._console = console or Console()
        self._unicode = takes_unicode(self._console.file)  # type: ignore[arg-type]
        self._case = CASES[settings.attack]
        self._sides = {who: Side() for who in DESIGNS}
        self._live = Live(console=self._console, refresh_per_second=10, get_renderable=self.draw)

    def __enter__(self) -> LiveSiege:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def tell(self, happening: Happening) -> None:
        """Fold it in; the screen refreshes by itself."""
        if (side := self._sides.get(happening["who"])) is not None:
            side.take(happening)

    def say(self, lines: Sequence[str]) -> None:
        """Below the screen."""
        for line in lines:
            self._console.print(line if self._unicode else line.encode("ascii", "ignore").decode(), highlight=False)

    def draw(self) -> RenderableType:
        """The whole screen."""
        shown = box.ROUNDED if self._unicode else box.ASCII
        panels = [self._panel(who, self._sides[who], shown) for who in DESIGNS]
        body: RenderableType = Group(*panels)
        if self._console.width >= SIDE_BY_SIDE:
            body = table = Table.grid(expand=True)
            for _ in DESIGNS:
                table.add_column(ratio=1)
            table.add_row(*panels)
        return Panel(body, title=f"e2ecall demo - attack: {self._case.name}", box=shown, padding=(0, 1))

    def _panel(self, who: str, side: Side, shown: box.Box) -> Panel:
        bad, good = side.matches > 0, side.over and not side.matches
        rule = self._case.weakness if who == "weak" else self._case.defence
        lines = [
            Text(f"{rule}.", style="dim"),
            Text(""),
            Text(f"{side.tries:,} tries", style="bold"),
            Text(f"in {side.elapsed:.1f} s, {side.rate:,.0f} a second", style="dim"),
            *self._row(self._case.sides[0], side.alice, style="bold red" if bad else ""),
            *self._row(self._case.sides[1], side.bob, style="bold red" if bad else ""),
            Text(self._verdict(side), style="bold red" if bad else "green" if good else ""),
        ]
        if side.read:
            lines.append(Text(f'the relay reads: "{side.read}"', style="red"))
        lines += [Text(f"refused: {count:,} {reason}", style="green") for reason, count in sorted(side.refused.items())]
        border = "red" if bad else "green" if good else ""
        return Panel(Group(*lines), title=f"{TITLES[who]}: {side.state}", box=shown, border_style=border)

    def _row(self, name: str, row: Sequence[Sequence[str]], style: str) -> list[Text]:
        if not row:
            return []
        words, label = ", ".join(word for _, word in row), max(map(len, self._case.sides)) + 2
        if not self._unicode:
            return [Text(f"{name.ljust(label)}{words}", style=style)]
        chars = Text(name.ljust(label)).append("  ".join(char for char, _ in row), style=style)
        return [chars, Text(f"{'':{label}}{words}", style=style or "dim")]

    def _verdict(self, side: Side) -> str:
        if side.matches:
            many = f"{side.matches} of {side.tries} tries match" if side.matches > 1 else "the same on both sides"
            return f"{many}: nobody would notice"
        return "nothing matches" if side.tries else ""
