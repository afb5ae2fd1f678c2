"""frame.4: what a KID says (RFC 9605 §5.2): context (which stream), sender index, and the epoch's low bits.

 64-S-E bits   S bits   E bits
+-------------+--------+-------+
| context     | sender | epoch |
+-------------+--------+-------+
"""

from __future__ import annotations

from typing import NamedTuple

from e2ecall.errors import ApiMisuse
from e2ecall.sframe.header import MAX_KID

__all__ = ["ONE_TO_ONE", "KeyId", "KeyIdLayout"]

_KID_BITS = 64


class KeyId(NamedTuple):
    """RFC 9605 §5.2: the three parts of a KID; `epoch` is the epoch modulo 2^E."""

    context: int
    sender: int
    epoch: int


class KeyIdLayout:
    """frame.4-1 (RFC 9605 §5.2): how many bits of a KID carry the epoch (E) and the sender index (S)."""

    __slots__ = ("epoch_bits", "sender_bits")

    def __init__(self, *, epoch_bits: int, sender_bits: int) -> None:
        if epoch_bits < 0 or sender_bits < 0 or epoch_bits + sender_bits > _KID_BITS:
            raise ApiMisuse("a KID has 64 bits for context, sender and epoch", clause="frame.4-1")
        self.epoch_bits = epoch_bits
        self.sender_bits = sender_bits

    def encode(self, *, context: int, sender: int, epoch: int) -> int:
        """frame.4-1, frame.4-2: the KID; `epoch` counts from 0 without end and is taken modulo 2^E.

        ApiMisuse for a context or sender index that has no room.
        """
        if not 0 <= sender < 1 << self.sender_bits:
            raise ApiMisuse(f"sender index {sender} does not fit {self.sender_bits} bits", clause="frame.4-2")
        if not 0 <= context < 1 << _KID_BITS - self.sender_bits - self.epoch_bits:
            raise ApiMisuse(f"context {context} does not fit a KID", clause="frame.4-2")
        if epoch < 0:
            raise ApiMisuse("an epoch is not negative", clause="frame.4-2")
        low = epoch & (1 << self.epoch_bits) - 1
        return (context << self.sender_bits | sender) << self.epoch_bits | low

    def decode(self, kid: int) -> KeyId:
        """frame.4-1: the parts of a KID in 0..2^64-1, or ApiMisuse."""
        if not 0 <= kid <= MAX_KID:
            raise ApiMisuse("KID is not in 0..2^64-1", clause="frame.2-1")
        context = kid >> self.epoch_bits >> self.sender_bits
        return KeyId(context=context, sender=self.sender(kid), epoch=self.epoch(kid))

    def epoch(self, kid: int) -> int:
        """frame.4-1: the epoch's low bits of a KID."""
        return kid & (1 << self.epoch_bits) - 1

    def sender(self, kid: int) -> int:
        """frame.4-1: the sender index of a KID."""
        return kid >> self.epoch_bits & (1 << self.sender_bits) - 1

    def stream(self, kid: int) -> int:
        """frame.4-4: the stream that a KID names: context and sender, whatever the epoch."""
        return kid >> self.epoch_bits

    def stream_of(self, *, context: int, sender: int) -> int:
        """frame.4-4: the stream of that context and sender index, as in `encode`."""
        return self.encode(context=context, sender=sender, epoch=0) >> self.epoch_bits

    def __repr__(self) -> str:
        return f"KeyIdLayout(epoch_bits={self.epoch_bits}, sender_bits={self.sender_bits})"


ONE_TO_ONE = KeyIdLayout(epoch_bits=4, sender_bits=1)
