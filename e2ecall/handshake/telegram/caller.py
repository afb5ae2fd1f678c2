"""telegram.2: the caller, A. It commits to its public value, and shows it once, after a good one of the callee."""

from __future__ import annotations

from dataclasses import dataclass, field

from e2ecall.crypto.modp import ModpKey
from e2ecall.crypto.rng import Rng
from e2ecall.handshake.keys import Role
from e2ecall.handshake.state import SingleUse
from e2ecall.handshake.telegram.params import Group
from e2ecall.handshake.telegram.result import TelegramEstablished, commitment, draw_key, shared_key

__all__ = ["CallRequested", "Confirmation", "request_call"]


def request_call(group: Group, rng: Rng, *, server_random: bytes = b"") -> CallRequested:
    """telegram.2-1: begin a call. `server_random` is what a server sent with the group, 256 bytes, if one did."""
    key, g_a = draw_key(group, rng, server_random)
    return CallRequested(group, key, g_a, rng)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """telegram.2-3: what the caller sends last (`g_a`, 256 bytes, and `key_fingerprint`), and its own result."""

    g_a: bytes
    key_fingerprint: int
    result: TelegramEstablished = field(repr=False)


class CallRequested(SingleUse):
    """Waits for g_b. `g_a_hash` is what the callee gets first, 32 bytes."""

    __slots__ = ("_g_a", "_group", "_key", "_rng", "g_a_hash")

    def __init__(self, group: Group, key: ModpKey, g_a: bytes, rng: Rng) -> None:
        super().__init__()
        self._group = group
        self._key = key
        self._g_a = g_a
        self._rng = rng
        self.g_a_hash = commitment(g_a)

    def receive_accept(self, g_b: bytes) -> Confirmation:
        """telegram.2-3: the callee's public value, as it was sent.

        A refused one raises MalformedMessage or PeerMisbehaved and spends nothing: g_a has not been shown.
        """
        self._check_unspent()
        key = shared_key(self._key, self._g_a, g_b, self._group, self._rng, what="g_b")
        self._spend()
        self._key.wipe()
        result = TelegramEstablished.of(Role.CALLER, key, self._g_a)
        return Confirmation(self._g_a, result.key_fingerprint, result)

    def abandon(self) -> None:
        """End this attempt: the secret is wiped, and g_a can no longer be shown."""
        self._spent = True
        self._key.wipe()
