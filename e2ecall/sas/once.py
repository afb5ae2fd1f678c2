"""sas.8 and sas.9: what a typed and a scanned comparison share: one answer, compared in constant time, never a second.

What is not in the form of an answer at all is MalformedMessage and spends nothing; an answer in the right form is
final, whatever it was.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.sas.rows import PickState

__all__ = ["OneAnswer", "equals_any"]

_HINT: Final = "end the call and reach the other person another way: someone may be between you"


class OneAnswer:
    """A comparison that is open, then a match or a mismatch, and stays that."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = PickState.OPEN

    @property
    def state(self) -> PickState:
        """Open, match or mismatch."""
        return self._state

    def _require_open(self, clause: str) -> None:
        if self._state is not PickState.OPEN:
            raise ApiMisuse("the one answer of this comparison has been given", clause=clause)

    def _settle(self, reason: str | None, clause: str) -> None:
        """Spend the comparison: a match without a `reason` against it, else VerificationFailed for that reason."""
        if reason is not None:
            self._state = PickState.MISMATCH
            raise VerificationFailed(reason, clause=clause, hint=_HINT)
        self._state = PickState.MATCH

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self._state}>"


def equals_any(given: str, wanted: Iterable[str]) -> bool:
    """Whether `given` is one of `wanted`; how long it takes depends on the lengths alone."""
    data = given.encode()
    found = [hmac.compare_digest(data, each.encode()) for each in wanted]
    return any(found)
