"""Drawing a QR code (ISO/IEC 18004) of a text: for a terminal, and as SVG. Which text, others decide (sas.9, links).

The symbol comes from segno, an extra; its size and bits are fixed by the text, so the drawing is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from e2ecall.errors import ApiMisuse, MediaUnavailable

__all__ = ["QUIET_ZONE", "svg_qr", "terminal_qr"]

QUIET_ZONE: Final = 4  # light modules around the symbol, without which a camera does not find it
_BLOCKS: Final = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}  # (upper, lower), 1 is dark; light is drawn
_COLOUR: Final = "\x1b[38;5;231;48;5;16m"  # white on black, whatever the colours of the terminal
_RESET: Final = "\x1b[0m"

Modules = Sequence[Sequence[int]]


def terminal_qr(
    text: str, *, colour: bool = True, ascii_only: bool = False, light_terminal: bool = False
) -> tuple[str, ...]:
    """The QR code of `text` as lines of a terminal: two modules a character, or two characters a module in ASCII.

    Light modules are drawn and dark ones left empty, which is right on a dark terminal. `colour` sets both colours
    and is right on any; without it, `light_terminal` turns the drawing round. MediaUnavailable without segno.
    """
    modules = _with_quiet_zone(_modules(text))
    if light_terminal and not colour:
        modules = [[1 - module for module in row] for row in modules]
    lines = _ascii_lines(modules) if ascii_only else _block_lines(modules)
    return tuple(f"{_COLOUR}{line}{_RESET}" if colour else line for line in lines)


def svg_qr(text: str) -> str:
    """The QR code of `text` as a whole SVG document, one unit a module. MediaUnavailable without segno."""
    modules = _with_quiet_zone(_modules(text))
    size = len(modules)
    path = "".join(
        f"M{column} {row}h1v1h-1z" for row, line in enumerate(modules) for column, module in enumerate(line) if module
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img">\n'
        f'<rect width="{size}" height="{size}" fill="#ffffff"/>\n'
        f'<path fill="#000000" shape-rendering="crispEdges" d="{path}"/>\n'
        "</svg>\n"
    )


def _modules(text: str) -> Modules:
    try:
        import segno
    except ImportError:
        raise MediaUnavailable("QR codes need segno", hint="pip install 'e2ecall[cli]'") from None
    try:
        return [list(row) for row in segno.make_qr(text, error="m", boost_error=False).matrix]
    except ValueError:  # segno's DataOverflowError is one
        raise ApiMisuse(f"no QR code holds a text of {len(text)} characters") from None


def _with_quiet_zone(modules: Modules) -> list[list[int]]:
    side = [0] * QUIET_ZONE
    empty = [[0] * (len(modules) + 2 * QUIET_ZONE) for _ in range(QUIET_ZONE)]
    return [*empty, *([*side, *(int(module) for module in row), *side] for row in modules), *empty]


def _block_lines(modules: list[list[int]]) -> list[str]:
    below = [*modules[1:], [0] * len(modules)]
    pairs = zip(modules[::2], below[::2], strict=True)
    return ["".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs]


def _ascii_lines(modules: list[list[int]]) -> list[str]:
    return ["".join("  " if module else "##" for module in row) for row in modules]
