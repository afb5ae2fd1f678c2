"""frame.5: sealing (RFC 9605 §4.4.3). One Sender is one KID's only user, and no counter leaves it twice."""

from __future__ import annotations

from itertools import count

from e2ecall.crypto.aead import aes_gcm
from e2ecall.errors import ApiMisuse, CounterExhausted
from e2ecall.secret import SecretBytes
from e2ecall.sframe.header import MAX_CTR, encode_header
from e2ecall.sframe.owned import Owned, refuse_after_fork
from e2ecall.sframe.suites import NONCE_LENGTH, cipher_suite, derive

__all__ = ["Sender"]


class Sender(Owned):
    """frame.5 (RFC 9605 §4.4.3, §9.1): seals frames under one (base_key, KID).

    `protect` may run in several threads at once. The object cannot be copied, pickled, or used after os.fork().
    Whoever makes a Sender answers for it that no other exists, or existed, for this base_key and KID.
    """

    __slots__ = ("_encrypt", "_last", "_long", "_next", "_salt", "_short", "kid", "suite")

    def __init__(
        self, suite: int, kid: int, base_key: SecretBytes, *, first_ctr: int = 0, last_ctr: int = MAX_CTR
    ) -> None:
        """`first_ctr` is the first counter to be used, `last_ctr` the last one (both 0..2^64-1)."""
        if not (0 <= first_ctr <= MAX_CTR and 0 <= last_ctr <= MAX_CTR):
            raise ApiMisuse("a counter is in 0..2^64-1", clause="frame.2-1")
        key, salt = derive(suite, kid, base_key)
        self.suite = cipher_suite(suite)
        self.kid = kid
        self._encrypt = aes_gcm(key).encrypt
        self._salt = int.from_bytes(salt.expose(), "big")
        key.wipe()
        salt.wipe()
        # A header is the KID's part, the same for all counters of one length, and then the counter.
        self._short = tuple(encode_header(kid, ctr) for ctr in range(8))
        self._long = (b"", *(encode_header(kid, max(8, 1 << 8 * (n - 1)))[:-n] for n in range(1, 9)))
        self._last = last_ctr
        self._next = count(first_ctr).__next__  # one C call: threads never get the same number
        super().__init__()

    def protect(self, plaintext: bytes, metadata: bytes = b"") -> bytes:
        """frame.5-1, frame.3-3 (RFC 9605 §4.4.3): header || ciphertext || tag, 17 to 33 bytes longer than `plaintext`.

        `metadata` is authenticated and not carried. An empty plaintext is sealed like any other.
        CounterExhausted after the last counter; ApiMisuse in a forked child and from 2 GiB on. The counter is spent
        in every case.
        """
        ctr = self._next()
        if ctr > self._last:
            raise CounterExhausted("this send key has no counter left", key_id=self.kid, clause="frame.5-2")
        if ctr > 7:
            length = (ctr.bit_length() + 7) >> 3
            header = self._long[length] + ctr.to_bytes(length, "big")
        else:
            header = self._short[ctr]
        try:
            return header + self._encrypt(
                (self._salt ^ ctr).to_bytes(NONCE_LENGTH, "big"), plaintext, header + metadata
            )
        except OverflowError:
            raise ApiMisuse("a frame has less than 2 GiB", key_id=self.kid, clause="frame.5-5") from None

    def disable_after_fork(self) -> None:
        """frame.5-4: in the child, no counter is to be had."""
        self._next = refuse_after_fork

    def __repr__(self) -> str:
        return f"<Sender of KID {self.kid}, {self.suite.name}>"
