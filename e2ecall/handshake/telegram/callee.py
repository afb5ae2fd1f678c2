"""telegram.2: the callee, B. It shows its public value before it knows the caller's, and holds that to its hash."""

from __future__ import annotations

from e2ecall.crypto.kdf import constant_time_equal
from e2ecall.crypto.modp import ModpKey
from e2ecall.crypto.rng import Rng
from e2ecall.errors import MalformedMessage, VerificationFailed
from e2ecall.handshake.keys import Role
from e2ecall.handshake.state import SingleUse
from e2ecall.handshake.telegram.params import Group
from e2ecall.handshake.telegram.result import TelegramEstablished, commitment, draw_key, shared_key

__all__ = ["HASH_LENGTH", "CallAccepted", "accept_call"]

HASH_LENGTH = 32


def accept_call(g_a_hash: bytes, group: Group, rng: Rng, *, server_random: bytes = b"") -> CallAccepted:
    """telegram.2-2: take a call whose caller committed to `g_a_hash`, 32 bytes or MalformedMessage."""
    if len(g_a_hash) != HASH_LENGTH:
        length = len(g_a_hash)
        raise MalformedMessage(f"g_a_hash has {length} bytes", offset=0, path="g_a_hash", clause="telegram.2-1")
    key, g_b = draw_key(group, rng, server_random)
    return CallAccepted(bytes(g_a_hash), group, key, g_b, rng)


class CallAccepted(SingleUse):
    """Waits for g_a. `g_b` is what the caller gets, 256 bytes."""

    __slots__ = ("_g_a_hash", "_group", "_key", "_rng", "g_b")

    def __init__(self, g_a_hash: bytes, group: Group, key: ModpKey, g_b: bytes, rng: Rng) -> None:
        super().__init__()
        self._g_a_hash = g_a_hash
        self._group = group
        self._key = key
        self._rng = rng
        self.g_b = g_b

    def receive_confirm(self, g_a: bytes, key_fingerprint: int) -> TelegramEstablished:
        """telegram.2-4: the opening. The state is spent whether it holds or not: one opening, one guess.

        VerificationFailed for another value than the committed one or another key's fingerprint; MalformedMessage and
        PeerMisbehaved as for every public value.
        """
        self._spend()
        try:
            if not constant_time_equal(commitment(g_a), self._g_a_hash):
                raise VerificationFailed("g_a is not what the caller committed to", clause="telegram.2-4")
            key = shared_key(self._key, self.g_b, g_a, self._group, self._rng, what="g_a")
        finally:
            self._key.wipe()
        result = TelegramEstablished.of(Role.CALLEE, key, g_a)
        if result.key_fingerprint != key_fingerprint:
            key.wipe()
            raise VerificationFailed("the caller has another key: its fingerprint differs", clause="telegram.2-5")
        return result

    def abandon(self) -> None:
        """End this attempt: the secret is wiped."""
        self._spent = True
        self._key.wipe()
