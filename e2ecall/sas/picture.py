"""sas.10: 32 bytes to a picture that is remembered at a glance, as SVG and as terminal art.

For recognition only: a picture that looks familiar proves nothing, so nothing here can hold or fail, and no state of
a call depends on it. Each byte is one cell of a grid of four columns and eight rows, mirrored to eight columns:

    bits 7, 6   tone    two of the ground (0, 1), two of the figure (2, 3)
    bits 5-3    shape   of the mark inside
    bit 2       whether the mark is filled
    bits 1, 0   size    of the mark

So all 256 bits are drawn, each twice, and no two inputs have one picture. The scheme, a colour with a frame of its
own, is folded out of all bits: one changed bit changes the frame as well. The tones of a scheme differ in lightness and
the schemes in their frames, so that nothing rests on colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Final

from e2ecall.sas.emoji import check_sas

__all__ = ["COLUMNS", "ROWS", "Cell", "Picture", "picture", "svg", "terminal_art"]

COLUMNS: Final = 8
ROWS: Final = 8
_HALF: Final = COLUMNS // 2
_CELL: Final = 32
_MARGIN: Final = 24
_WIDTH: Final = COLUMNS * _CELL + 2 * _MARGIN
_PLUS: Final = 3  # half the thickness of a plus

# Of each scheme, from light to dark: paper, tint, mid, ink. Lightness L* near 100, 88, 60 and 24 in all four.
_COLOURS: Final = (
    ("#ffffff", "#c9e0f2", "#4a97d2", "#003b66"),
    ("#ffffff", "#f6d9c5", "#df7f43", "#642600"),
    ("#ffffff", "#bfe7d8", "#3aa381", "#00432f"),
    ("#ffffff", "#efd8e5", "#cb7ba6", "#621f4a"),
)
_MARK_TONE: Final = (1, 2, 1, 2)  # which tone a mark has on each tone
_FRAMES: Final = (
    '<rect x="8" y="8" width="288" height="288" stroke-width="6"/>',
    '<rect x="8" y="8" width="288" height="288" stroke-width="6" stroke-dasharray="48 24"/>',
    '<rect x="8" y="8" width="288" height="288" stroke-width="6" stroke-dasharray="6 6"/>',
    '<path d="M5 5h294v294h-294zM13 13h278v278h-278z" stroke-width="2"/>',
)

_UNICODE_FRAMES: Final = ("┏━┓┃┗┛", "┌╌┐╎└┘", "······", "╔═╗║╚╝")
_ASCII_FRAMES: Final = ("+-+|++", "+~+:++", "......", "*=*!**")
# Of each tone, with a small and with a large mark.
_UNICODE_SHADES: Final = (" ˙", "░∶", "▒≡", "█▓")
_ASCII_SHADES: Final = (" .", ":;", "%&", "@#")
# Of each shape, outlined and filled; the fifth and sixth point outwards and inwards, and are mirrored.
_UNICODE_MARKS: Final = ("○●", "□■", "◇◆", "△▲", "▽▼", "◁◀", "▷▶", "┼╋")
_ASCII_MARKS: Final = ("oO", "nH", "xX", "^A", "vV", "<{", ">}", "-+")
_MIRRORED: Final = str.maketrans("◁◀▷▶<{>}", "▷▶◁◀>}<{")


@dataclass(frozen=True, slots=True)
class Cell:
    """sas.10: one byte as it is drawn: `tone` and `size` 0 to 3, `shape` 0 to 7, `filled`."""

    tone: int
    shape: int
    filled: bool
    size: int


@dataclass(frozen=True, slots=True)
class Picture:
    """sas.10: the `scheme` (0 to 3) and the 32 `cells` of the left half, row after row."""

    scheme: int
    cells: tuple[Cell, ...]

    def at(self, row: int, column: int) -> Cell:
        """The cell of the whole grid, its right half mirrored."""
        return self.cells[row * _HALF + min(column, COLUMNS - 1 - column)]


def picture(sas: bytes) -> Picture:
    """sas.10: what is drawn of `sas` (32 bytes). ApiMisuse for another length."""
    check_sas(sas)
    folded = reduce(xor, sas)
    scheme = (folded ^ folded >> 2 ^ folded >> 4 ^ folded >> 6) & 3
    return Picture(scheme, tuple(Cell(byte >> 6, byte >> 3 & 7, bool(byte & 4), byte & 3) for byte in sas))


def svg(sas: bytes) -> str:
    """sas.10: the picture as a whole SVG document, the same text everywhere. ApiMisuse for another length.

    Without ids, styles and scripts: several may stand in one page, under a strict content policy.
    """
    drawn = picture(sas)
    colours = _COLOURS[drawn.scheme]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_WIDTH}" role="img">',
        f'<rect width="{_WIDTH}" height="{_WIDTH}" fill="{colours[0]}"/>',
        f'<g fill="none" stroke="{colours[3]}">{_FRAMES[drawn.scheme]}</g>',
    ]
    lines += [f'<path fill="{colours[tone]}" d="{_ground(drawn, tone)}"/>' for tone in (1, 2, 3)]
    for tone, mark in enumerate(_MARK_TONE):
        lines.append(f'<path fill="{colours[mark]}" d="{_marks(drawn, tone, filled=True)}"/>')
        outlined = _marks(drawn, tone, filled=False)
        lines.append(f'<path fill="none" stroke="{colours[mark]}" stroke-width="2" d="{outlined}"/>')
    return "\n".join([*lines, "</svg>", ""])


def terminal_art(sas: bytes, *, ascii_only: bool = False) -> tuple[str, ...]:
    """sas.10: the picture as ten lines of 26 characters, without colour. ApiMisuse for another length of `sas`.

    A cell is three characters: the mark between its tone twice, of which the outer one tells bit 1 and the inner one
    bit 0.
    """
    drawn = picture(sas)
    shades, marks = (_ASCII_SHADES, _ASCII_MARKS) if ascii_only else (_UNICODE_SHADES, _UNICODE_MARKS)
    frame = (_ASCII_FRAMES if ascii_only else _UNICODE_FRAMES)[drawn.scheme]
    top_left, across, top_right, down, bottom_left, bottom_right = tuple(frame)
    lines = []
    for row in range(ROWS):
        cells = [drawn.at(row, column) for column in range(_HALF)]
        left = "".join(
            shades[cell.tone][cell.size >> 1] + marks[cell.shape][cell.filled] + shades[cell.tone][cell.size & 1]
            for cell in cells
        )
        lines.append(down + left + left[::-1].translate(_MIRRORED) + down)
    bar = across * (3 * COLUMNS)
    return (top_left + bar + top_right, *lines, bottom_left + bar + bottom_right)


def _ground(drawn: Picture, tone: int) -> str:
    """The cells of one tone, as squares."""
    return "".join(
        f"M{_MARGIN + column * _CELL} {_MARGIN + row * _CELL}h{_CELL}v{_CELL}h-{_CELL}z"
        for row in range(ROWS)
        for column in range(COLUMNS)
        if drawn.at(row, column).tone == tone
    )


def _marks(drawn: Picture, tone: int, *, filled: bool) -> str:
    """The marks on one tone, filled or outlined."""
    parts = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            cell = drawn.at(row, column)
            if cell.tone == tone and cell.filled is filled:
                x, y = (_MARGIN + place * _CELL + _CELL // 2 for place in (column, row))
                parts.append(_mark(cell, x, y, outwards=-1 if column < _HALF else 1))
    return "".join(parts)


def _mark(cell: Cell, x: int, y: int, *, outwards: int) -> str:
    """One mark around (x, y), as a closed path of whole numbers; `outwards` is -1 in the left half and 1 in the right.

    In the order of the shapes: circle, square, diamond, triangles up, down, outwards and inwards, plus.
    """
    r = 6 + 2 * cell.size
    d, o, arm = 2 * r, outwards * r, r - _PLUS
    thick = 2 * _PLUS
    return (
        f"M{x - r} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 {-d} 0z",
        f"M{x - r} {y - r}h{d}v{d}h{-d}z",
        f"M{x} {y - r}l{r} {r}l{-r} {r}l{-r} {-r}z",
        f"M{x} {y - r}l{r} {d}h{-d}z",
        f"M{x} {y + r}l{r} {-d}h{-d}z",
        f"M{x + o} {y}l{-2 * o} {-r}v{d}z",
        f"M{x - o} {y}l{2 * o} {-r}v{d}z",
        f"M{x - _PLUS} {y - r}h{thick}v{arm}h{arm}v{thick}h{-arm}v{arm}h{-thick}v{-arm}h{-arm}v{-thick}h{arm}z",
    )[cell.shape]
