"""Two seeded parties for the exchange's tests."""

import hashlib

from e2ecall.crypto.sign import Signer
from e2ecall.handshake import LinkSecret, Profile, TransportMode, make_offer, receive_offer
from e2ecall.secret import SecretBytes

CALL_ID = bytes(range(16))


class SeededRng:
    """Draws that a second run repeats: SHA-512 in counter mode over (seed, name)."""

    def __init__(self, seed):
        self.seed = seed if isinstance(seed, bytes) else str(seed).encode()

    def draw(self, name, length):
        out = b""
        while len(out) < length:
            out += hashlib.sha512(self.seed + name.encode() + len(out).to_bytes(4, "big")).digest()
        return out[:length]


def signer(name):
    return Signer(SecretBytes(SeededRng(name).draw("identity", 32)))


def link_secret(byte=7):
    return LinkSecret(SecretBytes(bytes([byte]) * 16))


ALICE = Profile(name="Alice")
BOB = Profile(name="Bob")
DIRECT_ALICE = Profile(TransportMode.DIRECT, (b"\1" * 32, b"\2" * 32), "v=0\r\n", (5, 4), "Alice")
DIRECT_BOB = Profile(TransportMode.DIRECT, (b"\3" * 32,), "v=0\r\n", (4, 5), "Bob")


def offer(seed="a", identity="alice", **kw):
    return make_offer(signer(identity), kw.pop("call_id", CALL_ID), SeededRng(seed), **kw)


def answer(m1, seed="b", identity="bob", **kw):
    return receive_offer(m1, signer(identity), SeededRng(seed), **kw)


def run(alice=ALICE, bob=BOB, caller=None, callee=None):
    """A whole honest exchange: (m1..m4, caller's result, callee's result)."""
    a1 = offer(**(caller or {}))
    b1 = answer(a1.offer, **(callee or {}))
    a2 = a1.receive_answer(b1.answer, alice)
    b2 = b1.receive_reveal(a2.reveal)
    m4, bob_result = b2.accept(bob)
    alice_result = a2.receive_finish(m4)
    return (a1.offer, b1.answer, a2.reveal, m4), alice_result, bob_result
