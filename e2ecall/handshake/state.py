"""What the states of both sides share: being spent by their one method, and the result both sides end with."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.errors import ApiMisuse
from e2ecall.handshake.keys import HandshakeKeys, SessionKeys, transcript2
from e2ecall.handshake.messages import Suite
from e2ecall.handshake.payload import Profile, SignedPayload
from e2ecall.sframe.owned import Owned

__all__ = ["Established", "KeyedState", "SingleUse"]


class SingleUse(Owned):
    """kex.6-1: a state that one call spends; `_spend` comes before anything that a second call could repeat.

    A copy would be a second use: it is refused, and a forked child finds the state spent.
    """

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent = False
        super().__init__()

    @property
    def spent(self) -> bool:
        """Whether this state has been used."""
        return self._spent

    def disable_after_fork(self) -> None:
        """kex.6-1: parent and child would each use it, on two openings under one commitment say."""
        self._spent = True

    def _check_unspent(self) -> None:
        if self._spent:
            raise ApiMisuse(f"this {type(self).__name__} state has been used", clause="kex.6-1")

    def _spend(self) -> None:
        self._check_unspent()
        self._spent = True


class KeyedState(SingleUse):
    """A state with handshake keys, which end with it: by its one method, or by `abandon`."""

    __slots__ = ("_keys", "call_id", "suite")

    def __init__(self, call_id: bytes, suite: Suite, keys: HandshakeKeys) -> None:
        super().__init__()
        self.call_id = call_id
        self.suite = suite
        self._keys = keys

    def abandon(self) -> None:
        """End this attempt: its keys are wiped, and nothing is sent."""
        self._spent = True
        self._keys.wipe()

    def _establish(self, th: bytes, m3: bytes, m4: bytes, peer: SignedPayload, own: Profile) -> Established:
        th2 = transcript2(th, m3, m4)
        return Established(
            call_id=self.call_id,
            suite=self.suite,
            sas=self._keys.sas(th),
            th2=th2,
            keys=self._keys.session(th2),
            peer_identity=peer.identity,
            own_profile=own,
            peer_profile=peer.profile,
        )


@dataclass(frozen=True, slots=True, repr=False)
class Established:
    """kex.3-5, kex.5-3: both sides' result. The four emoji follow from `sas`; nobody has compared them yet.

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
