"""sas.4 and sas.5: eight rows to pick from, and the one pick.

At each of the four positions two emoji are shown: the true one and an alternative. The eight rows are the choices
with an even number of alternatives, so every emoji shown is in four rows and any two rows differ in two positions or
in all four. The true row is not to be told from its neighbours by looking at them, and that is exact, not only
likely: an alternative is the emoji a random number of places further or back on a ring of all 333. Seen from any
other of the eight rows, the same rows are reached by the same distances in the other direction, and both directions
are equally likely.

The ring is sorted by look-alike class and every distance is at least the size of the widest class; so an alternative
never is of the class of the emoji that it replaces. The four distances differ, and no sum of them with any signs
closes the ring; so no two rows show the same four emoji in another order, whatever the true ones are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Final, NoReturn

from e2ecall.crypto.rng import Rng, randbelow
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.sas.emoji import EMOJI_COUNT, Emoji, FourEmoji, emoji, emoji_table

__all__ = ["ROW_COUNT", "PickState", "RowPick", "Rows", "eight_rows"]

ROW_COUNT: Final = 8
_POSITIONS: Final = range(4)
# Which positions show the alternative, as bits; the first choice, with none, is the true row.
_EVEN: Final = tuple(choice for choice in range(16) if choice.bit_count() % 2 == 0)
_HINT: Final = "end the call and reach the other person another way: someone may be between you"


@dataclass(frozen=True, slots=True)
class Rows:
    """sas.4: the `rows` in the order they are shown, and the place of the true one (`answer`, not in the repr)."""

    rows: tuple[FourEmoji, ...]
    answer: int = field(repr=False)


def eight_rows(sas: bytes, rng: Rng, *, own: str = "") -> Rows:
    """sas.4: the eight rows for `sas` (32 bytes), in an order of their own for each device.

    Draws of 16 bytes from `rng`, each under its own name: "sas shift 0" to "sas shift 3", "sas order 0" to
    "sas order 6". With `own`, the order is drawn as "sas order {own} 0" and so on: one replayed seed then gives two
    sides two orders. Raises ApiMisuse for another length of `sas`.
    """
    true = emoji(sas)
    alternatives = tuple(_turn(each, shift) for each, shift in zip(true, _shifts(rng), strict=True))
    choices = _shuffled(_EVEN, rng, f"sas order {own} " if own else "sas order ")
    rows = tuple(_row(choice, true, alternatives) for choice in choices)
    return Rows(rows, choices.index(0))


class PickState(StrEnum):
    """What became of the one pick."""

    OPEN = "open"
    MATCH = "match"
    MISMATCH = "mismatch"


class RowPick:
    """sas.5: one pick among eight rows, then never again.

    `rows` is what to show. `pick` and `none_of_these` spend the object; a second call of either raises ApiMisuse.
    """

    __slots__ = ("_answer", "_state", "rows")

    def __init__(self, rows: Rows) -> None:
        self.rows = rows.rows
        self._answer = rows.answer
        self._state = PickState.OPEN

    @property
    def state(self) -> PickState:
        """Open, match or mismatch."""
        return self._state

    def pick(self, index: int) -> None:
        """sas.5: the person heard row `index` (0 to 7). Returns when it is the true one, else VerificationFailed.

        An index without a row raises ApiMisuse and spends nothing.
        """
        self._require_open()
        if not 0 <= index < len(self.rows):
            raise ApiMisuse(f"there is no row {index}: rows are numbered 0 to {len(self.rows) - 1}", clause="sas.5-4")
        if index != self._answer:
            self._mismatch("the row that was picked is not the one on this side")
        self._state = PickState.MATCH

    def none_of_these(self) -> None:
        """sas.5: the person heard none of the rows. Always raises VerificationFailed."""
        self._require_open()
        self._mismatch("none of the rows is what the other side read out")

    def _require_open(self) -> None:
        if self._state is not PickState.OPEN:
            raise ApiMisuse("the one pick of this exchange has been made", clause="sas.5-3")

    def _mismatch(self, message: str) -> NoReturn:
        self._state = PickState.MISMATCH
        raise VerificationFailed(message, clause="sas.5-2", hint=_HINT)

    def __repr__(self) -> str:
        return f"<RowPick of {len(self.rows)} rows, {self._state}>"


@cache
def _ring() -> tuple[Emoji, ...]:
    """All 333 with each look-alike class in one piece: classes by their lowest index, members by index."""
    first: dict[str, int] = {}
    for each in emoji_table():
        first.setdefault(each.look_alike, each.index)
    return tuple(sorted(emoji_table(), key=lambda each: (first[each.look_alike], each.index)))


@cache
def _places() -> dict[Emoji, int]:
    return {each: place for place, each in enumerate(_ring())}


@cache
def _distances() -> tuple[int, ...]:
    """Every distance, either way, that leads out of the widest class."""
    widest = max(Counter(each.look_alike for each in emoji_table()).values())
    return tuple(range(widest, EMOJI_COUNT // 2 + 1))


def _turn(start: Emoji, shift: int) -> Emoji:
    return _ring()[(_places()[start] + shift) % EMOJI_COUNT]


def _shifts(rng: Rng) -> list[int]:
    """Four signed distances; which distances may be drawn never depends on the signs or on the emoji."""
    shifts: list[int] = []
    for position in _POSITIONS:
        closing = _closing(shifts)
        free = [distance for distance in _distances() if distance not in closing]
        drawn = randbelow(rng, f"sas shift {position}", 2 * len(free))
        distance = free[drawn >> 1]
        shifts.append(-distance if drawn & 1 else distance)
    return shifts


def _closing(shifts: list[int]) -> frozenset[int]:
    """The distances that may not come next: those taken and, for the fourth, those that close the ring."""
    taken = {abs(shift) for shift in shifts}
    if len(shifts) == len(_POSITIONS) - 1:
        a, b, c = shifts
        sums = (a + b + c, a + b - c, a - b + c, a - b - c)
        taken |= {min(total % EMOJI_COUNT, -total % EMOJI_COUNT) for total in sums}
    return frozenset(taken)


def _shuffled(choices: tuple[int, ...], rng: Rng, name: str) -> list[int]:
    left = list(choices)
    drawn = [left.pop(randbelow(rng, f"{name}{step}", len(left))) for step in range(len(choices) - 1)]
    return drawn + left


def _row(choice: int, true: FourEmoji, alternatives: tuple[Emoji, ...]) -> FourEmoji:
    a, b, c, d = (alternatives[i] if choice >> i & 1 else true[i] for i in _POSITIONS)
    return a, b, c, d
