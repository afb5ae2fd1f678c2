"""What the states of both sides share: being spent by their one method, and the result both sides end with."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.errors import ApiMisuse
from e2ecall.handshake.keys import SessionKeys
from e2ecall.handshake.messages import Suite
from e2ecall.handshake.payload import Profile

__all__ = ["Established", "SingleUse"]


class SingleUse:
    """kex.6-1: a state that one call spends; `_spend` comes before anything that a second call could repeat."""

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent = False

    @property
    def spent(self) -> bool:
        """Whether this state has been used."""
        return self._spent

    def _check_unspent(self) -> None:
        if self._spent:
            raise ApiMisuse(f"this {type(self).__name__} state has been used", clause="kex.6-1")

    def _spend(self) -> None:
        self._check_unspent()
        self._spent = True


@dataclass(frozen=True, slots=True, repr=False)
class Established:
    """kex.6.5: both sides' result. The four emoji are a function of `sas`; nothing here says that anybody compared it.

    `call_id` 16 bytes, `sas` 32, `th2` 32, `peer_identity` an Ed25519 key of 32.
    """

    call_id: bytes
    suite: Suite
    sas: bytes
    th2: bytes
    keys: SessionKeys
    peer_identity: bytes
    own_profile: Profile
    peer_profile: Profile

    @property
    def frame_suite(self) -> int:
        """The RFC 9605 suite number that the callee chose."""
        ours, theirs = self.own_profile.suites, self.peer_profile.suites
        return (ours if len(ours) == 1 else theirs)[0]

    def __repr__(self) -> str:
        return f"<Established call {self.call_id.hex()} with {self.peer_identity.hex()[:16]}…, {self.suite.name}>"
