"""Frames under a counter of the test's choice, send keys whose counters end, and what a receiver says."""

from itertools import count

import pytest

from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import encode_header
from e2ecall.sframe.cipher import FrameCipher

_NUMBERS = count(1 << 128)


def sealed(suite, kid, base_key, ctr, plaintext, metadata=b""):
    """One frame as RFC 9605 §4.4.3 makes it; `base_key` is SecretBytes or bytes."""
    base_key = base_key if isinstance(base_key, SecretBytes) else SecretBytes(base_key)
    return FrameCipher(suite, kid, base_key).seal(encode_header(kid, ctr), ctr, plaintext, metadata)


class Leases:
    """Counter leases from a list of first counters; past its end, beyond the last counter there is."""

    def __init__(self, *firsts):
        self.firsts = list(firsts)
        self.asked = []

    def lease(self, key_name, size):
        self.asked.append((key_name, size))
        return self.firsts.pop(0) if self.firsts else 1 << 64


def fresh_base():
    """A base_key that nothing else in this process has."""
    return SecretBytes(next(_NUMBERS).to_bytes(32))


def forged(frame):
    """The frame with its last bit turned: of the tag, or of the ciphertext if the tag is not there."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


def refused(receiver, frame, metadata=b"", **streams):
    """The FrameRejected for a frame that must not be opened."""
    with pytest.raises(FrameRejected) as caught:
        receiver.unprotect(frame, metadata, **streams)
    return caught.value


def reason(receiver, frame, metadata=b"", **streams):
    """None for a frame that is opened, and otherwise the FrameReason."""
    try:
        receiver.unprotect(frame, metadata, **streams)
    except FrameRejected as rejected:
        return rejected.reason
    return None
