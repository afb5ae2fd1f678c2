"""What an attack on the exchange reports while it runs and when it is over. No clock: who runs it takes the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from e2ecall.crypto.rng import Rng
from e2ecall.errors import E2ECallError
from e2ecall.sas import Emoji

__all__ = ["FOUR", "Attack", "Numbered", "Progress", "Result", "Row", "Target", "Watch"]

FOUR = 4
"""How many emoji people compare."""

Row = tuple[Emoji, ...]


class Target(StrEnum):
    """What is attacked: a design that leaves one rule out, or the exchange of kex.1."""

    WEAK = "weak"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Result:
    """How far an attack is. `tries` counts what the middle tried, `matches` the tries that both people would accept.

    `alice` and `bob` are the emoji of the last try that came so far, `compared` of them each; on a match they are what
    the two devices show. `refused` counts the tries that a device refused, by error and clause. `read` is the line that
    one device sealed for the other and that the middle opened, after a match.
    """

    target: Target
    compared: int
    tries: int = 0
    matches: int = 0
    alice: Row = ()
    bob: Row = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    read: str | None = None

    @property
    def fell(self) -> bool:
        """Whether the attack succeeded."""
        return self.matches > 0


Progress = Callable[[Result], bool]
"""Told how far it is, every so often; False ends the attack."""

Attack = Callable[["Watch", Rng], Result]
"""Runs until it succeeds, or until the watch ends it."""


class Watch:
    """Counts one attack's tries, at most `most`, and asks `progress` every `every` tries whether to go on."""

    def __init__(
        self, target: Target, progress: Progress, *, most: int, compared: int = FOUR, every: int = 1 << 12
    ) -> None:
        self.compared = compared
        self.tries = 0
        self.matches = 0
        self.alice: Row = ()
        self.bob: Row = ()
        self.refused: Counter[str] = Counter()
        self.read: str | None = None
        self._target = target
        self._progress = progress
        self._most = most
        self._every = every
        self._asked = 0

    def more(self, tried: int = 0) -> bool:
        """Count `tried` more tries; whether another one may follow."""
        self.tries += tried
        if self.tries >= self._most:
            return False
        if self.tries - self._asked >= self._every:
            self._asked = self.tries
            return self._progress(self.result())
        return True

    def show(self, alice: Iterable[Emoji], bob: Iterable[Emoji]) -> None:
        """The two rows that a try leads to, cut to what is compared."""
        self.alice, self.bob = tuple(alice)[: self.compared], tuple(bob)[: self.compared]

    def judge(self, alice: Iterable[Emoji], bob: Iterable[Emoji]) -> bool:
        """The rows that the two devices show, and whether two people would accept them: a match, and counted."""
        self.show(alice, bob)
        self.matches += self.alice == self.bob
        return self.alice == self.bob

    def refusal(self, error: E2ECallError) -> None:
        """A device refused a try."""
        self.refused[f"{type(error).__name__} {error.clause}"] += 1

    def result(self) -> Result:
        """How far it is now."""
        return Result(
            self._target,
            self.compared,
            self.tries,
            self.matches,
            self.alice,
            self.bob,
            dict(self.refused),
            self.read,
        )


class Numbered:
    """One party's randomness: each draw has a name of its own, so that a source that repeats by name never repeats."""

    def __init__(self, rng: Rng, who: str) -> None:
        self._rng = rng
        self._who = who
        self._drawn = 0

    def draw(self, name: str, length: int) -> bytes:
        """`length` bytes for `name`, never the same twice."""
        self._drawn += 1
        return self._rng.draw(f"{self._who} {self._drawn} {name}", length)
