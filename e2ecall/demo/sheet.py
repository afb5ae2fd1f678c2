"""The contact sheet: what was sent, what the relay gets when it tries to decode, what was received; one PNG.

Every row holds up to six tiles. A tile shows a picture, a stretch of sound (its wave above, its spectrum below), or why
there is neither, over the bytes themselves drawn as grey dots. A row can also say that its machine is not on the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from e2ecall.errors import ApiMisuse
from e2ecall.media.pictures import GLYPH_WIDTH, Image, draw_text, fit, text_width
from e2ecall.media.testcard import dominant_frequency

__all__ = ["COLUMNS", "WIDTH", "Mood", "Row", "Tile", "contact_sheet", "pick"]

COLUMNS = 6
WIDTH = 1200
Colour = tuple[int, int, int]

_MARGIN, _GAP = 24, 12
_PAPER: Colour = (22, 24, 29)
_PANEL: Colour = (32, 35, 42)
_EDGE: Colour = (52, 57, 68)
_INK: Colour = (236, 239, 244)
_QUIET: Colour = (150, 158, 172)
_WAVE: Colour = (120, 196, 255)
_BARS: Colour = (154, 134, 255)


class Mood(Enum):
    """The colour of a row: plain, as it should be, or not."""

    PLAIN = (126, 170, 226)
    GOOD = (86, 200, 140)
    BAD = (238, 104, 96)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile; the first that is given of `picture` (RGB), `sound` and `reason` is shown, nothing of none.

    `sound` is `float32[samples]` at `rate` Hz. `data` are the bytes that `reason` speaks of. `hard` keeps pixels.
    """

    caption: str = ""
    picture: Image | None = None
    sound: npt.NDArray[np.float32] | None = None
    rate: int = 48000
    reason: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a title in capitals, a few words about it, and its tiles; or `absent`, why there are none."""

    title: str
    about: str
    tiles: Sequence[Tile] = ()
    mood: Mood = Mood.PLAIN
    absent: str = ""


def pick(numbers: Sequence[int], count: int = COLUMNS) -> list[int]:
    """At most `count` of `numbers`, evenly spread, the first and the last among them."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[round(i * (len(numbers) - 1) / (count - 1))] for i in range(count)]


def contact_sheet(title: str, about: str, rows: Sequence[Row], *, aspect: float = 4 / 3) -> Image:
    """The sheet as RGB, 1200 pixels wide. `aspect` is the pictures' width over height.

    Raises ApiMisuse for a row of more than six tiles.
    """
    if any(len(row.tiles) > COLUMNS for row in rows):
        raise ApiMisuse(f"a row of the contact sheet has at most {COLUMNS} tiles")
    columns = max([4, *(len(row.tiles) for row in rows)])
    width = (WIDTH - 2 * _MARGIN - _GAP * (columns - 1)) // columns
    height = round(width / min(max(aspect, 0.75), 2.0))
    head, row_head, foot = 84, 44, 24
    row_height = row_head + height + foot + 14
    sheet = np.empty((head + row_height * len(rows) + _MARGIN // 2, WIDTH, 3), np.uint8)
    sheet[:] = _PAPER
    draw_text(sheet, _MARGIN, 24, _cut(title, 3), _INK, 3)
    draw_text(sheet, _MARGIN, 54, _cut(about, 2), _QUIET, 2)
    for number, row in enumerate(rows):
        _draw_row(sheet, row, head + number * row_height, (width, height), row_head)
    return sheet


def _cut(text: str, size: int, width: int = WIDTH - 2 * _MARGIN) -> str:
    """The text, or its beginning and an ellipsis where it is too long."""
    room = width // (GLYPH_WIDTH * size)
    return text if len(text) <= room else text[: room - 1] + "…"


def _draw_row(sheet: Image, row: Row, top: int, size: tuple[int, int], head: int) -> None:
    width, height = size
    sheet[top : top + head - 16, _MARGIN : _MARGIN + 6] = row.mood.value
    draw_text(sheet, _MARGIN + 18, top + 4, row.title, row.mood.value, 3)
    after = _MARGIN + 18 + text_width(row.title, 3) + 24
    draw_text(sheet, after, top + 9, _cut(row.about, 2, WIDTH - _MARGIN - after), _QUIET, 2)
    top += head - 4
    if row.absent:
        _draw_absent(sheet[top : top + height, _MARGIN : WIDTH - _MARGIN], row.absent)
    for column, tile in enumerate(row.tiles if not row.absent else ()):
        left = _MARGIN + column * (width + _GAP)
        field = sheet[top : top + height, left : left + width]
        field[:] = _EDGE
        _draw_tile(field[1:-1, 1:-1], tile)
        caption = _cut(tile.caption, 2, width)
        draw_text(sheet, left + 2, top + height + 8, caption, _QUIET, 2)


def _draw_absent(field: Image, why: str) -> None:
    """A hatched panel with a few words."""
    y, x = np.mgrid[0 : field.shape[0], 0 : field.shape[1]]
    field[:] = np.where(((x + y) % 16 < 2)[..., None], np.array(_EDGE), np.array(_PANEL)).astype(np.uint8)
    _write_in_the_middle(field, [(_cut(why, 3), 3, _INK)])


def _draw_tile(field: Image, tile: Tile) -> None:
    field[:] = _PANEL
    if tile.picture is not None:
        small = tile.picture.shape[0] * 3 < field.shape[0]
        field[:] = fit(tile.picture, field.shape[1], field.shape[0], _PANEL, hard=small)
    elif tile.sound is not None:
        _draw_sound(field, tile.sound, tile.rate)
    elif tile.reason:
        _draw_reason(field, tile.reason, tile.data)
    else:
        draw_text(field, field.shape[1] // 2 - 6, field.shape[0] // 2 - 7, "–", _QUIET, 2)


def _draw_reason(field: Image, reason: str, data: bytes) -> None:
    """NOTHING DECODES and why, over the bytes as dark dots of three pixels."""
    rows, columns = -(-field.shape[0] // 3), -(-field.shape[1] // 3)
    if data:
        dots = np.resize(np.frombuffer(data, np.uint8), (rows, columns))
        large = np.repeat(np.repeat(dots, 3, axis=0), 3, axis=1)[: field.shape[0], : field.shape[1]]
        field[:] = (np.array(_PANEL) * 0.75 + large[..., None] * 0.28).astype(np.uint8)
    room = (field.shape[1] - 12) // (GLYPH_WIDTH * 2)
    lines = [(line, 2, _INK) for line in _wrapped("NOTHING DECODES:", room)]
    space = max(0, field.shape[0] // 18 - len(lines))
    words = _wrapped(reason, room)
    if len(words) > space:
        words = [*words[: space - 1], _cut(" ".join(words[space - 1 :]), 2, field.shape[1] - 12)]
    lines += [(line, 2, _QUIET) for line in words]
    _write_in_the_middle(field, lines)


def _wrapped(text: str, room: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line if len(line) <= room else line[: room - 1] + "…" for line in lines]


def _write_in_the_middle(field: Image, lines: Sequence[tuple[str, int, Colour]]) -> None:
    """Centred lines, each on a dark ground of its own so that it can be read over anything."""
    y = (field.shape[0] - sum(9 * size for _, size, _ in lines)) // 2
    for text, size, colour in lines:
        width = text_width(text, size)
        x = (field.shape[1] - width) // 2
        ground = field[max(0, y - size) : y + 8 * size, max(0, x - 3 * size) : x + width + 3 * size]
        ground[:] = _PAPER
        draw_text(field, x, y, text, colour, size)
        y += 9 * size


def _draw_sound(field: Image, samples: npt.NDArray[np.float32], rate: int) -> None:
    """The wave in the upper half, the spectrum to 4 kHz below it, and the strongest frequency in words."""
    height, width = field.shape[:2]
    middle, reach = height * 3 // 10, height // 4
    field[middle] = _EDGE
    if not samples.size:
        return
    spans = np.array_split(samples, width) if samples.size >= width else [samples] * width
    for x, span in enumerate(spans):
        low, high = (float(np.clip(value, -1, 1)) for value in (span.min(), span.max()))
        field[middle - round(high * reach) : middle - round(low * reach) + 1, x] = _WAVE
    floor, tall = height - 4, height * 3 // 10
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    useful = power[: max(2, int(4000 * samples.size / rate))]
    groups = np.array_split(useful, min(width // 4, useful.size))
    levels = 20 * np.log10(np.array([group.max() for group in groups]) / max(float(useful.max()), 1e-9) + 1e-6)
    for bar, level in enumerate(levels):
        top = floor - round(max(0.0, 1 + level / 50) * tall)
        field[top:floor, bar * 4 + 2 : bar * 4 + 5] = _BARS
    hertz, share = dominant_frequency(samples, rate)
    words = f"{hertz:.0f} Hz" if share > 0.5 else "no tone"
    x, y = width - text_width(words, 2) - 8, height // 2 + 6
    field[y - 2 : y + 16, x - 4 : width - 4] = _PAPER
    draw_text(field, x, y, words, _INK, 2)
