"""verification.3: the one comparison of a call, whatever is compared: the order of its steps, and its one result.

    caller    OWN (the own code is shown alone, and read aloud)  ->  LISTEN  ->  DONE
    callee    LISTEN  ->  OWN (only after a match)  ->  DONE
    a mismatch ends it at once, on either side

The callee listens first. Whoever listens first has not seen the own code yet, and so can not tap it without
listening; and of the two the callee is the one at whom an attacker may aim several answers in one ring. The caller
chose to call and reads first; its eight rows come only after its own row has gone.

A QR code needs no order: what a side shows is never what it has to scan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.identity.continuity import COMPARISONS, Method
from e2ecall.sas import (
    FourEmoji,
    PickState,
    QrScan,
    RowPick,
    TypedDigits,
    TypedWords,
    digits,
    eight_rows,
    emoji,
    group,
    words,
)

__all__ = ["ORDER", "Comparison", "Step"]


class Step(StrEnum):
    """verification.3: what the person is to do now."""

    CHOOSE = "choose"
    OWN = "own"
    LISTEN = "listen"
    DONE = "done"


ORDER: Final[Mapping[Role, tuple[Step, ...]]] = MappingProxyType(
    {
        Role.CALLER: (Step.OWN, Step.LISTEN, Step.DONE),
        Role.CALLEE: (Step.LISTEN, Step.OWN, Step.DONE),
    }
)
"""The steps of a comparison by voice, for each side."""


class Comparison:
    """verification.3: all four ways to compare under one handshake, and at most one result for all of them."""

    __slots__ = (
        "_check",
        "_digits",
        "_method",
        "_place",
        "_qr",
        "_role",
        "_rows",
        "_sas",
        "_state",
        "_words",
        "answer",
    )

    def __init__(self, sas: bytes, role: Role, rng: Rng, *, check: Callable[[Method], None] = lambda _: None) -> None:
        """Of `sas` (32 bytes). `check` is asked before each `begin`, and raises where that is not allowed now."""
        self._check = check
        self._sas = sas
        self._role = role
        # Once for the call: the true row is the one that a second drawing of the others would leave where it is.
        self._rows = RowPick(eight_rows(sas, rng))
        self._digits = TypedDigits(sas)
        self._words = TypedWords(sas)
        self._qr = QrScan(sas, role)
        self._method: Method | None = None
        self._place = 0
        self._state = PickState.OPEN
        self.answer = ""

    @property
    def state(self) -> PickState:
        """Open, match or mismatch: of every method together."""
        return self._state

    @property
    def method(self) -> Method | None:
        """What is being compared, or was."""
        return self._method

    @property
    def step(self) -> Step:
        """What the person is to do now."""
        if self._state is PickState.MISMATCH:
            return Step.DONE
        if self._method is None:
            return Step.CHOOSE
        if self._method is Method.QR:
            return Step.LISTEN if self._state is PickState.OPEN else Step.DONE
        return ORDER[self._role][self._place]

    def begin(self, method: Method) -> None:
        """verification.3: compare by `method`, from its first step; another one may be chosen until there is a result.

        ApiMisuse for what is no comparison, and after a result.
        """
        if method not in COMPARISONS:
            raise ApiMisuse(f"{method} compares nothing", clause="verification.3-1")
        self._require_open()
        self._check(method)
        self._method, self._place = method, 0

    # -- the own code ---------------------------------------------------------------------------------------------

    def own_row(self) -> FourEmoji:
        """verification.3: the own row, to be shown alone and read aloud. ApiMisuse at any other step."""
        self._require(Step.OWN, Method.EMOJI)
        return emoji(self._sas)

    def own_digits(self) -> str:
        """verification.3: the own ten digits, five and five. ApiMisuse at any other step."""
        self._require(Step.OWN, Method.DIGITS)
        return group(digits(self._sas))

    def own_words(self, lang: str = "en") -> tuple[str, ...]:
        """verification.3: the own four words in `lang`. ApiMisuse at any other step."""
        self._require(Step.OWN, Method.WORDS)
        return words(self._sas, lang)

    def own_qr(self) -> str:
        """verification.3: the text of the own QR code; also after a match, so that the other side can scan it."""
        if self._method is not Method.QR or self._state is PickState.MISMATCH:
            raise ApiMisuse("there is no code to show now", clause="verification.3-2")
        return self._qr.own

    def own_read(self) -> None:
        """verification.3: the person has read the own code aloud: it is taken away. ApiMisuse at any other step."""
        self._require(Step.OWN)
        self._place += 1

    # -- the other side's -----------------------------------------------------------------------------------------

    def rows(self) -> tuple[FourEmoji, ...]:
        """verification.3: the eight rows, the same ones for the whole call. ApiMisuse at any other step."""
        self._require(Step.LISTEN, Method.EMOJI)
        return self._rows.rows

    def pick(self, index: int) -> None:
        """verification.3: row `index` was heard. VerificationFailed when it is not the true one.

        ApiMisuse at any other step, and for a row that does not exist; that spends nothing.
        """
        self._require(Step.LISTEN, Method.EMOJI)
        heard = "".join(each.char for each in self._rows.rows[index]) if 0 <= index < len(self._rows.rows) else ""
        try:
            self._rows.pick(index)
        finally:
            self._settle(self._rows.state, heard)

    def none_of_these(self) -> None:
        """verification.3: no row was heard. Always VerificationFailed; ApiMisuse at any other step."""
        self._require(Step.LISTEN, Method.EMOJI)
        try:
            self._rows.none_of_these()
        finally:
            self._settle(self._rows.state, "none of these")

    def type(self, text: str) -> None:
        """verification.3: `text` was heard and typed. VerificationFailed when it is not the code of this side.

        MalformedMessage for what is no whole code; that spends nothing. ApiMisuse at any other step.
        """
        self._require(Step.LISTEN, Method.DIGITS, Method.WORDS)
        typed = self._digits if self._method is Method.DIGITS else self._words
        try:
            typed.answer(text)
        finally:
            self._settle(typed.state, text.strip())

    def scan(self, text: str) -> None:
        """verification.3: the camera read `text`. VerificationFailed when it is not the other side's code.

        MalformedMessage for what is no code of a call; that spends nothing. ApiMisuse at any other step.
        """
        self._require(Step.LISTEN, Method.QR)
        try:
            self._qr.scan(text)
        finally:
            self._settle(self._qr.state, text)

    def sounds_different(self) -> None:
        """verification.3: what the other side reads or shows is plainly something else. Always VerificationFailed."""
        self._require(Step.LISTEN)
        self._settle(PickState.MISMATCH, "something else")
        raise VerificationFailed("the person says that it is different", clause="verification.3-5")

    # -- inside ---------------------------------------------------------------------------------------------------

    def shown(self) -> tuple[str, ...]:
        """What the person had on the screen to answer with: the eight rows, or the own code."""
        if self._method is Method.EMOJI:
            return tuple("".join(each.char for each in row) for row in self._rows.rows)
        if self._method is Method.DIGITS:
            return (digits(self._sas),)
        if self._method is Method.WORDS:
            return (" ".join(words(self._sas, "en")),)
        return (self._qr.own,)

    def _settle(self, state: PickState, answer: str) -> None:
        if state is PickState.OPEN:
            return  # refused, and not counted
        self._state, self.answer = state, answer
        if self._method is not Method.QR:
            self._place += 1

    def _require_open(self) -> None:
        if self._state is not PickState.OPEN:
            raise ApiMisuse("the one comparison of this call has been made", clause="verification.3-4")

    def _require(self, step: Step, *methods: Method) -> None:
        if step is Step.LISTEN:
            self._require_open()
        if self.step is not step or (methods and self._method not in methods):
            raise ApiMisuse(f"this belongs to another step than {self.step}", clause="verification.3-2")

    def __repr__(self) -> str:
        return f"<Comparison of the {self._role}, {self.step}, {self._state}>"
