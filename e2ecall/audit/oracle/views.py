"""sas.8 to sas.10: digits that were typed, the text of a QR code, and the key picture, from the chapters alone."""

from __future__ import annotations

from e2ecall.audit.oracle.refused import Refused

__all__ = ["check_qr", "check_typed", "qr_text", "svg"]

_DASHES_AND_SPACES = " -\u00a0\u2009\u202f\u2010\u2011\u2012\u2013\u2014"

_SCHEMES = (
    {"paper": "#ffffff", "tint": "#c9e0f2", "mid": "#4a97d2", "ink": "#003b66"},
    {"paper": "#ffffff", "tint": "#f6d9c5", "mid": "#df7f43", "ink": "#642600"},
    {"paper": "#ffffff", "tint": "#bfe7d8", "mid": "#3aa381", "ink": "#00432f"},
    {"paper": "#ffffff", "tint": "#efd8e5", "mid": "#cb7ba6", "ink": "#621f4a"},
)
_TONES = ("paper", "tint", "mid", "ink")
_MARKS = {"paper": "tint", "tint": "mid", "mid": "tint", "ink": "mid"}

Point = tuple[int, int]


def check_typed(sas: bytes, text: str) -> str:
    """sas.8: the ten digits, when they are those of the hash."""
    number = 0
    for byte in sas[:16]:
        number = number * 256 + byte
    wanted = str(number % 10000000000)
    while len(wanted) < 10:
        wanted = "0" + wanted
    typed = ""
    stripped = text.strip()
    for place, character in enumerate(stripped):
        if character in "0123456789":
            typed += character
        elif character not in _DASHES_AND_SPACES or place in (0, len(stripped) - 1):
            raise Refused("malformed", "sas.8-1", "neither a digit nor a space or dash between digits")
    if len(typed) != 10 or len(text) > 256:
        raise Refused("malformed", "sas.8-1", f"{len(typed)} digits")
    if typed != wanted:
        raise Refused("verification", "sas.8-3", "other digits")
    return typed


def qr_text(sas: bytes, role: str) -> str:
    """sas.9: what the caller or the callee shows."""
    letter = {"caller": "A", "callee": "B"}[role]
    return "E2ECALL1:" + letter + "".join(f"{byte:02X}" for byte in sas)


def check_qr(sas: bytes, role: str, text: str) -> None:
    """sas.9: the code that `role` scanned is the other side's."""
    hexadecimal = text[10:]
    if len(text) != 74 or text[:9] != "E2ECALL1:" or text[9] not in "AB":
        raise Refused("malformed", "sas.9-2", "not the form of a code")
    if any(character not in "0123456789ABCDEF" for character in hexadecimal):
        raise Refused("malformed", "sas.9-2", "not upper-case hexadecimal")
    if text == qr_text(sas, role):
        raise Refused("verification", "sas.9-4", "the own code")
    if (text[9] == "A") == (role == "caller") or bytes.fromhex(hexadecimal) != sas:
        raise Refused("verification", "sas.9-3", "another code")


def svg(sas: bytes) -> str:
    """sas.10: the picture."""
    number = 0
    for bit_pair in range(128):
        number ^= int.from_bytes(sas, "big") >> (2 * bit_pair) & 3
    colours = _SCHEMES[number]
    paths = {("ground", tone): "" for tone in _TONES}
    paths |= {(kind, tone): "" for tone in _TONES for kind in ("filled", "outlined")}
    for row in range(8):
        for column in range(8):
            byte = sas[4 * row + (column if column < 4 else 7 - column)]
            bits = f"{byte:08b}"
            tone = _TONES[int(bits[:2], 2)]
            left, top = 24 + 32 * column, 24 + 32 * row
            corners = [(left, top), (left + 32, top), (left + 32, top + 32), (left, top + 32)]
            paths["ground", tone] += _polygon(corners)
            kind = "filled" if bits[5] == "1" else "outlined"
            radius = (6, 8, 10, 12)[int(bits[6:], 2)]
            paths[kind, tone] += _mark(int(bits[2:5], 2), left + 16, top + 16, radius, right=column > 3)
    text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 304 304" role="img">\n'
    text += f'<rect width="304" height="304" fill="{colours["paper"]}"/>\n'
    text += f'<g fill="none" stroke="{colours["ink"]}">{_frame(number)}</g>\n'
    for tone in ("tint", "mid", "ink"):
        text += f'<path fill="{colours[tone]}" d="{paths["ground", tone]}"/>\n'
    for tone in _TONES:
        mark = colours[_MARKS[tone]]
        text += f'<path fill="{mark}" d="{paths["filled", tone]}"/>\n'
        text += f'<path fill="none" stroke="{mark}" stroke-width="2" d="{paths["outlined", tone]}"/>\n'
    return text + "</svg>\n"


def _frame(scheme: int) -> str:
    if scheme == 3:
        outer = _polygon([(5, 5), (299, 5), (299, 299), (5, 299)])
        inner = _polygon([(13, 13), (291, 13), (291, 291), (13, 291)])
        return f'<path d="{outer}{inner}" stroke-width="2"/>'
    dashes = ("", ' stroke-dasharray="48 24"', ' stroke-dasharray="6 6"')[scheme]
    return f'<rect x="8" y="8" width="288" height="288" stroke-width="6"{dashes}/>'


def _mark(shape: int, x: int, y: int, r: int, *, right: bool) -> str:
    """One mark: its corners in order, or two half circles."""
    if shape == 0:
        return f"M{x - r} {y}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 -{2 * r} 0z"
    corners: dict[int, list[Point]] = {
        1: [(-r, -r), (r, -r), (r, r), (-r, r)],
        2: [(0, -r), (r, 0), (0, r), (-r, 0)],
        3: [(0, -r), (r, r), (-r, r)],
        4: [(0, r), (r, -r), (-r, -r)],
        5: [(r, 0), (-r, -r), (-r, r)],
        6: [(-r, 0), (r, -r), (r, r)],
        7: [(-3, -r), (3, -r), (3, -3), (r, -3), (r, 3), (3, 3), (3, r), (-3, r), (-3, 3), (-r, 3), (-r, -3), (-3, -3)],
    }
    turned = -1 if shape in (5, 6) and not right else 1
    return _polygon([(x + turned * dx, y + dy) for dx, dy in corners[shape]])


def _polygon(corners: list[Point]) -> str:
    """A closed path: an absolute first corner, then relative steps, the straight ones by one number."""
    x, y = corners[0]
    text = f"M{x} {y}"
    for next_x, next_y in corners[1:]:
        if next_y == y:
            text += f"h{next_x - x}"
        elif next_x == x:
            text += f"v{next_y - y}"
        else:
            text += f"l{next_x - x} {next_y - y}"
        x, y = next_x, next_y
    return text + "z"
