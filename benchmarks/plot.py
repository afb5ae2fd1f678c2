"""A dot plot as SVG, drawn by hand: groups of rows on one logarithmic axis, the figures beside the dots.

It has its own light ground, so that it reads the same on a light and on a dark page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, MARGIN = 760, 28
AXIS_LEFT, AXIS_RIGHT = 232, 596  # where the axis begins and ends
ROW, HEADING, GAP = 26, 34, 12
TOP, BOTTOM = 132, 52
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"
INK, QUIET, GRID, GROUND, BORDER = "#1d2733", "#52606d", "#dcd9cf", "#fbfaf6", "#c9c5b8"
OURS, OTHERS, BAND = "#b4502f", "#33526e", "#fbe9e2"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: two figures in nanoseconds, a filled dot and a ring; `ours` is set off."""

    title: str
    filled: float
    ring: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    heading: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Words:
    """What stands around the dots."""

    title: str
    subtitle: str
    filled: str
    ring: str
    description: str


class Axis:
    """A logarithmic axis over whole powers of ten microseconds, or a half of one at its left."""

    def __init__(self, values: Iterable[float]) -> None:
        logs = [math.log10(value / 1000) for value in values]
        self.low = math.floor(min(logs) * 2) / 2
        self.high = max(math.ceil(max(logs)), self.low + 1)

    def at(self, nanoseconds: float) -> float:
        share = (math.log10(nanoseconds / 1000) - self.low) / (self.high - self.low)
        return round(AXIS_LEFT + share * (AXIS_RIGHT - AXIS_LEFT), 1)

    def ticks(self) -> list[int]:
        """Nanoseconds at the powers of ten."""
        return [1000 * 10**power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]


def digits(nanoseconds: float) -> str:
    value = nanoseconds / 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def text(x: float, y: float, content: str, *, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{escape(content)}</text>'


def picture(groups: Sequence[Group], words: Words) -> str:
    """The whole file; ValueError without a figure, or for one that is not positive (log10)."""
    axis = Axis(value for group in groups for row in group.rows for value in (row.filled, row.ring))
    height = TOP + sum(HEADING + ROW * len(group.rows) + GAP for group in groups) - GAP + BOTTOM
    parts = [_frame(height, words), _legend(words), _axis(axis, height)]
    y = TOP
    for group in groups:
        parts.append(text(MARGIN, y + 23, group.heading, more=' font-weight="700"'))
        y += HEADING
        for row in group.rows:
            parts.append(_row(row, axis, y + ROW / 2))
            y += ROW
        y += GAP
    return "\n".join([*parts, "</svg>", ""])


def _frame(height: int, words: Words) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="title desc" font-family="{FONT}" font-size="17" fill="{INK}">',
            f'<title id="title">{escape(words.title)}</title>',
            f'<desc id="desc">{escape(words.description)}</desc>',
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="18" fill="{GROUND}" '
            f'stroke="{BORDER}" stroke-width="2"/>',
            text(MARGIN, 46, words.title, more=' font-size="24" font-weight="700"'),
            text(MARGIN, 74, words.subtitle, more=f' fill="{QUIET}"'),
        ]
    )


def _legend(words: Words) -> str:
    y = 106
    return "\n".join(
        [
            f'<circle cx="{MARGIN + 8}" cy="{y - 6}" r="5" fill="{OTHERS}"/>',
            text(MARGIN + 24, y, words.filled),
            f'<circle cx="{MARGIN + 118}" cy="{y - 6}" r="7" fill="none" stroke="{OTHERS}" stroke-width="2"/>',
            text(MARGIN + 134, y, words.ring),
            text(WIDTH - MARGIN, y, f"{words.filled} / {words.ring}, µs", anchor="end", more=f' fill="{QUIET}"'),
        ]
    )


def _axis(axis: Axis, height: int) -> str:
    parts = []
    for tick in axis.ticks():
        x = axis.at(tick)
        parts.append(f'<path d="M{x:g} {TOP + 8}V{height - BOTTOM + 6}" stroke="{GRID}" stroke-width="1.5"/>')
        label = f"{tick / 1000:g} µs" if tick < 1_000_000 else f"{tick / 1_000_000:g} ms"
        parts.append(text(x, height - BOTTOM + 28, label, anchor="middle", more=f' fill="{QUIET}"'))
    return "\n".join(parts)


def _row(row: Row, axis: Axis, y: float) -> str:
    colour, ground = (OURS, BAND) if row.ours else (OTHERS, GROUND)
    weight = ' font-weight="700"' if row.ours else ""
    filled, ring = axis.at(row.filled), axis.at(row.ring)
    band = f'<rect x="12" y="{y - ROW / 2:g}" width="{WIDTH - 24}" height="{ROW}" rx="6" fill="{BAND}"/>'
    return "\n".join(
        [
            *([band] if row.ours else []),
            text(MARGIN, y + 6, row.title, more=weight),
            f'<path d="M{filled:g} {y:g}H{ring:g}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{ring:g}" cy="{y:g}" r="7" fill="{ground}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{filled:g}" cy="{y:g}" r="5" fill="{colour}"/>',
            text(WIDTH - MARGIN, y + 6, f"{digits(row.filled)} / {digits(row.ring)}", anchor="end", more=weight),
        ]
    )
