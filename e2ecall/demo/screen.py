"""What a person sees while the call runs: one live screen, plain lines without a terminal, or JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, Self, TextIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from e2ecall.demo.conductor import Happening
from e2ecall.demo.settings import Attack, Settings
from e2ecall.demo.state import CallState, PersonState, StreamLine, describe

__all__ = ["JsonScreen", "LiveScreen", "PlainLines", "PlainScreen", "Screen", "make_screen", "takes_unicode"]


class Screen(Protocol):
    """Told every happening as it comes, and at the end a few lines."""

    def __enter__(self) -> Screen: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def tell(self, happening: Happening) -> None:
        """Show one happening."""
        ...

    def say(self, lines: Sequence[str]) -> None:
        """Show closing lines."""
        ...


def takes_unicode(stream: TextIO) -> bool:
    """Whether emoji may be written: UTF-8 by encoding, and by the locale that the person chose."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return "utf" in (stream.encoding or "").lower() and "utf" in locale.lower()


class JsonScreen:
    """Every happening as one JSON line; people read none of it."""

    def __enter__(self) -> JsonScreen:
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.stdout.flush()

    def tell(self, happening: Happening) -> None:
        """One line."""
        sys.stdout.write(json.dumps(happening) + "\n")
        sys.stdout.flush()

    def say(self, lines: Sequence[str]) -> None:
        """Nothing: programs read the report."""


class PlainLines:
    """Lines in what standard output can write."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.stdout.flush()

    def say(self, lines: Sequence[str]) -> None:
        """The lines, in what this output can write."""
        encoding = sys.stdout.encoding or "ascii"
        for line in lines:
            text = line if takes_unicode(sys.stdout) else line.encode("ascii", "ignore").decode()
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()


class PlainScreen(PlainLines):
    """One line a happening, and one a few seconds for the counts."""

    def __init__(self, settings: Settings) -> None:
        self._state = CallState(settings)
        self._told = 0.0

    def tell(self, happening: Happening) -> None:
        """A line, if it is worth one."""
        self._state.take(happening)
        if (line := describe(happening)) is not None:
            self.say([line])
        elif happening["event"] == "stats" and happening["who"] == "bob" and happening["elapsed"] - self._told >= 2:
            self._told = happening["elapsed"]
            bob = self._state.people["bob"]
            sealed, opened = sum(s.frames for s in bob.sent), sum(s.frames for s in bob.received)
            reasons = ", ".join(f"{count} {reason}" for reason, count in bob.rejected.items())
            spoilt = f"; the relay: {self._state.spoilt}" if self._state.spoilt else ""
            rejected = f"rejected {sum(bob.rejected.values())}" + (f" ({reasons})" if reasons else "")
            self.say([f"{self._told:.0f} s: Bob sealed {sealed} frames, opened {opened}, {rejected}{spoilt}"])


class LiveScreen:
    """The live screen: both people, the relay between them, emoji, streams, progress."""

    def __init__(self, settings: Settings, console: Console | None = None) -> None:
        self._console = console or Console()
        self._unicode = takes_unicode(self._console.file)  # type: ignore[arg-type]
        self._state = CallState(settings)
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self.draw)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def tell(self, happening: Happening) -> None:
        """Fold it in; the screen refreshes by itself."""
        self._state.take(happening)

    def say(self, lines: Sequence[str]) -> None:
        """Below the screen."""
        for line in lines:
            self._console.print(line if self._unicode else line.encode("ascii", "ignore").decode(), highlight=False)

    def draw(self) -> RenderableType:
        """The whole screen."""
        settings = self._state.settings
        shown = box.ROUNDED if self._unicode else box.ASCII
        attack = "" if settings.attack is Attack.NONE else f" - attack: {settings.attack.value}"
        title = f"e2ecall demo - {settings.path}{attack}"
        progress = ProgressBar(total=1.0, completed=self._state.progress, width=None)
        body = Group(self._people(shown), self._streams(shown), progress)
        return Panel(body, title=title, box=shown, padding=(0, 1))

    def _people(self, shown: box.Box) -> Table:
        table = Table(box=None, expand=True, show_header=False, padding=(0, 1))
        for _ in range(3):
            table.add_column(justify="center", ratio=1)
        alice, bob = self._state.people["alice"], self._state.people["bob"]
        relay = Group(
            Text("relay", style="bold"),
            Text(f"ends DTLS, {self._state.relay_holds or 'holds no keys'}", style="dim"),
            Text(self._state.relay),
            *([Text(self._state.spoilt, style="bold red")] if self._state.spoilt else []),
        )
        table.add_row(
            Panel(self._person("Alice", alice), box=shown),
            Panel(relay, box=shown, style="yellow"),
            Panel(self._person("Bob", bob), box=shown),
        )
        return table

    def _person(self, name: str, person: PersonState) -> Group:
        lines = [Text(name, style="bold"), Text(person.state, style="red" if person.state == "failed" else "")]
        if person.emoji and self._unicode:
            lines.append(Text("  ".join(person.emoji), style="bold"))
        lines.append(Text(", ".join(person.names) or "no keys yet", style="" if person.names else "dim"))
        if person.word:
            sign = person.symbol if self._unicode else person.ascii
            style = "bold red" if person.stopped else "green" if person.word.startswith("verified") else "yellow"
            lines.append(Text(f"{sign} {person.word}", style=style))
        if person.epoch:
            lines.append(Text(f"keys changed in the call: {person.epoch}", style="dim"))
        if "video" in person.first or "audio" in person.first:
            kind = "video" if "video" in person.first else "audio"
            what = "picture" if kind == "video" else "sound"
            lines.append(Text(f"first {what} after {person.first[kind]:.0f} ms", style="dim"))
        if person.cpu:
            lines.append(Text(f"frame encryption {person.share:.1%} of the CPU", style="dim"))
        if person.trouble:
            lines.append(Text(person.trouble, style="red"))
        return Group(*lines)

    def _streams(self, shown: box.Box) -> Table:
        table = Table(box=shown, expand=True)
        for heading in ("stream", "sealed", "bytes", "opened", "bytes", "rejected"):
            table.add_column(heading, justify="left" if heading in {"stream", "rejected"} else "right")
        for sender, receiver in (("alice", "bob"), ("bob", "alice")):
            received = {line.kind: line for line in self._state.people[receiver].received}
            for sent in self._state.people[sender].sent:
                got = received.get(sent.kind)
                rejected = _reasons(got)
                table.add_row(
                    f"{sender.capitalize()} {sent.kind} ({sent.codec})",
                    f"{sent.frames}",
                    _size(sent.bytes),
                    f"{got.frames if got else 0}",
                    _size(got.bytes if got else 0),
                    Text(rejected, style="green" if rejected == "0" else "red"),
                )
        return table


def _reasons(line: StreamLine | None) -> str:
    if line is None or not line.rejected:
        return "0"
    return ", ".join(f"{count} {reason}" for reason, count in line.rejected.items())


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.2f} MB"


def make_screen(
    settings: Settings,
    *,
    as_json: bool,
    live: Callable[[Settings], Screen] = LiveScreen,
    plain: Callable[[Settings], Screen] = PlainScreen,
) -> Screen:
    """The screen for this standard output: `live` on a terminal, `plain` lines elsewhere, or JSON."""
    if as_json:
        return JsonScreen()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return live(settings)
    return plain(settings)
