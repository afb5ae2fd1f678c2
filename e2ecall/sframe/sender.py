"""frame.5: sealing (RFC 9605 §4.4.3). One Sender is one (base_key, KID)'s only user, and no counter leaves it twice."""

from __future__ import annotations

from functools import partial
from itertools import count
from threading import Lock

from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.counters import Block, CounterLeases, Counters
from e2ecall.sframe.owned import Owned, refuse_after_fork
from e2ecall.sframe.send_keys import send_keys
from e2ecall.sframe.suites import CipherSuite, derive_key_name

__all__ = ["Sender"]


class Sender(Owned):
    """frame.5 (RFC 9605 §4.4.3, §9.1): seals frames under one (base_key, KID).

    `protect` may run in several threads at once. The object cannot be copied, pickled, or used after os.fork(), and
    there is no second one for its key: neither beside it nor after it, unless the counters come from `counters`.
    """

    __slots__ = ("_block", "_counters", "_forked", "_lock", "_seal", "kid", "suite")

    def __init__(self, suite: int, kid: int, base_key: SecretBytes, *, counters: CounterLeases | None = None) -> None:
        """`counters` lets this key outlive the process; without it, they begin at 0.

        ApiMisuse for an unknown suite, a KID outside 0..2^64-1, a base_key below 16 bytes, and for a (base_key, KID)
        that a Sender of this process has, or had without leased counters.
        """
        if hasattr(self, "kid"):
            raise ApiMisuse("a Sender is made once", key_id=kid, clause="frame.5-6")
        cipher = FrameCipher(suite, kid, base_key)
        self.suite: CipherSuite = cipher.suite
        self.kid = kid
        self._seal = cipher.seal
        self._forked = False
        self._block = Block(count().__next__, -1, b"", 0)  # ended before it began
        self._lock = Lock()
        super().__init__()
        name = derive_key_name(kid, base_key)
        first = send_keys.claim(name, self, kid=kid, leased=counters is not None)
        self._counters = Counters(kid, name, counters, first=first, leased=partial(send_keys.lease_ends, name))

    def protect(self, plaintext: bytes, metadata: bytes = b"") -> bytes:
        """frame.5-1, frame.3-3 (RFC 9605 §4.4.3): header || ciphertext || tag, 5 to 33 bytes longer than `plaintext`.

        `metadata` is authenticated and not carried. An empty plaintext is sealed like any other.
        CounterExhausted after the last counter; ApiMisuse in a forked child and from 2 GiB on; what a lease of counters
        raises. A counter is spent in every case.
        """
        take, last, front, length = self._block
        ctr = take()
        while ctr > last:
            take, last, front, length = self._next_block(last)
            ctr = take()
        return self._seal(front + ctr.to_bytes(length) if length else front, ctr, plaintext, metadata)

    def _next_block(self, ended: int) -> Block:
        """The block after the one that ended there; another thread may have moved on to it already."""
        with self._lock:
            if self._block.last == ended:
                block = self._counters.next_block()
                if self._forked:
                    refuse_after_fork()
                self._block = block
            return self._block

    def disable_after_fork(self) -> None:
        """frame.5-4: in the child, no counter is to be had."""
        self._forked = True
        self._block = Block(refuse_after_fork, 0, b"", 0)

    def __repr__(self) -> str:
        return f"<Sender of KID {self.kid}, {self.suite.name}>"
