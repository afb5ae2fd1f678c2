"""What the weak designs have in common: keys by X25519, emoji out of those keys and a transcript, lines under AES-GCM.

The designs keep to what their rule is about and leave the rest of the exchange away: no signatures, no link secret, and
ML-KEM only where the ciphertext is the point. Their primitives are the real ones, so that tries per second are real.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from copy import copy

from e2ecall.crypto import aead
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.sas import Emoji, emoji
from e2ecall.sas.emoji import EMOJI_COUNT
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import lv

__all__ = ["LINE", "Leg", "code_of", "fresh_key", "hand_over", "nonce_at", "transcript"]

LINE = "see you at eight, at the usual place"
"""What Alice's device sends to Bob's once the two have compared their emoji."""

_CLAUSE = "kex.7-1"
_WORDS = struct.Struct(">4Q")
_MASK = 0x7FFF_FFFF_FFFF_FFFF


def fresh_key(rng: Rng) -> X25519Key:
    """An ephemeral key."""
    return X25519Key(rng.draw("x25519", 32))


def transcript(*fields: bytes) -> bytes:
    """What the emoji of a weak design cover: its fields, each with its length."""
    return b"".join(map(lv, fields))


def nonce_at(start: bytes, n: int) -> bytes:
    """The middle's nonce number `n`; it is free to count."""
    return start[:24] + n.to_bytes(8, "big")


class Leg:
    """The keys of one connection: between two devices, or between a device and the middle."""

    def __init__(self, own: X25519Key, peer: bytes) -> None:
        self._shared = bytes(own.exchange(peer, clause=_CLAUSE).expose())
        self._prk = hmac.digest(bytes(32), self._shared, "sha256")

    def also(self, secret: bytes) -> Leg:
        """The leg with a further shared secret in its keys, a KEM's say."""
        leg = copy(self)
        leg._prk = hmac.digest(bytes(32), self._shared + secret, "sha256")
        return leg

    def sas(self, covered: bytes) -> bytes:
        """32 bytes for the emoji, over the transcript `covered`."""
        return self.expand(b"weak sas" + sha256(covered))

    def emoji(self, covered: bytes) -> tuple[Emoji, ...]:
        """The four emoji that a device shows."""
        return emoji(self.sas(covered))

    def grinder(self, before: bytes, after: bytes, positions: int) -> Callable[[bytes], int]:
        """`code_of(sas(before || lv(nonce) || after))` as a function of the nonce, as fast as this language goes."""
        start, prk, digest, code = hashlib.sha256(before), self._prk, hmac.digest, code_of

        def grind(nonce: bytes) -> int:
            state = start.copy()
            state.update(lv(nonce) + after)
            return code(digest(prk, b"weak sas" + state.digest() + b"\1", "sha256"), positions)

        return grind

    def seal(self, line: str) -> bytes:
        """One line under this leg's key. Each leg seals one."""
        return aead.seal(SecretBytes(self.expand(b"weak line")), SecretBytes(bytes(12)), line.encode(), b"")

    def open(self, sealed: bytes) -> str:
        """The line, or VerificationFailed under another leg's key."""
        key = SecretBytes(self.expand(b"weak line"))
        return aead.open_sealed(key, SecretBytes(bytes(12)), sealed, b"", what="the line", clause=_CLAUSE).decode()

    def expand(self, info: bytes) -> bytes:
        """HKDF-Expand to 32 bytes."""
        return hmac.digest(self._prk, info + b"\1", "sha256")


def code_of(sas: bytes, positions: int) -> int:
    """The first `positions` emoji of a 32-byte string as one number below 333^positions."""
    code = 0
    for word in _WORDS.unpack(sas)[:positions]:
        code = code * EMOJI_COUNT + (word & _MASK) % EMOJI_COUNT
    return code


def hand_over(alice: Leg, to_alice: Leg, to_bob: Leg, bob: Leg) -> str:
    """Alice seals a line, the middle opens it and seals it anew, Bob opens it: what the middle read.

    The legs are the four ends' own. VerificationFailed if the middle does not hold the keys.
    """
    read = to_alice.open(alice.seal(LINE))
    bob.open(to_bob.seal(read))
    return read
