"""Messages that no honest side sends: payloads and seals made by hand, with the oracle's keys.

`CraftingCaller` and `CraftingCallee` follow the exchange honestly up to the payload and then seal what they are told.
"""

import struct

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.signing import SigningKey

from support import oracle
from support.parties import CALL_ID, SeededRng

FULL_ORDER_RNG = SeededRng("mallory")


def tlv(number, value):
    return struct.pack("!HH", number, len(value)) + value


def signed(seed, label, context, body):
    """`body` with the signature field that belongs behind it."""
    to_sign = oracle.lv(label) + context + oracle.lv(body)
    return body + tlv(0x7FFF, SigningKey(seed).sign(to_sign).signature)


class CraftingCaller:
    """Sends an honest m1, then an m3 with any payload: `reveal(m2, make_payload)`, make_payload(th) -> bytes."""

    def __init__(self):
        self.x = X25519PrivateKey.from_private_bytes(FULL_ORDER_RNG.draw("x25519", 32))
        self.kem = MLKEM768PrivateKey.from_seed_bytes(FULL_ORDER_RNG.draw("mlkem", 64))
        self.nonce = FULL_ORDER_RNG.draw("nonce", 32)
        self.seed = FULL_ORDER_RNG.draw("identity", 32)
        self.public = bytes(SigningKey(self.seed).verify_key)
        ek = self.kem.public_key().public_bytes_raw()
        body = b"\1\1" + CALL_ID + b"\1\0\1" + self.x.public_key().public_bytes_raw()
        body += struct.pack("!H", len(ek)) + ek + b"\0" + b"\0\0"
        self.offer = body + oracle.commitment(body + bytes(32), self.nonce)

    def reveal(self, m2, make_payload):
        ss = self.x.exchange(X25519PublicKey.from_public_bytes(m2[20:52]))
        th = oracle.th(self.offer, m2, self.nonce)
        keys = oracle.schedule(bytes(32), ss, self.kem.decapsulate(m2[54 : 54 + 1088]), th, b"")
        payload = make_payload(th)
        prefix = b"\1\3" + CALL_ID + self.nonce + struct.pack("!H", len(payload) + 16)
        return prefix + AESGCM(keys["m3 key"]).encrypt(keys["m3 iv"], payload, th + prefix)

    def payload(self, *fields, seed=None, label=b"e2ecall/1 sig caller"):
        """A make_payload of the given TLVs, properly signed."""
        return lambda th: signed(seed or self.seed, label, th, b"".join(fields))


class CraftingCallee:
    """Sends an honest m2, then an m4 with any payload: `finish(m3, make_payload)`, make_payload(th, m3) -> bytes."""

    def __init__(self, m1):
        self.m1 = m1
        self.seed = FULL_ORDER_RNG.draw("identity", 32)
        self.public = bytes(SigningKey(self.seed).verify_key)
        x = X25519PrivateKey.from_private_bytes(FULL_ORDER_RNG.draw("x25519", 32))
        count = m1[18]
        at = 19 + 2 * count
        self.ss_x = x.exchange(X25519PublicKey.from_public_bytes(m1[at : at + 32]))
        ek = m1[at + 34 : at + 34 + 1184]
        self.ss_kem, ct = MLKEM768PublicKey.from_public_bytes(ek).encapsulate()
        self.answer = b"\1\2" + CALL_ID + b"\0\1" + x.public_key().public_bytes_raw()
        self.answer += struct.pack("!H", len(ct)) + ct + FULL_ORDER_RNG.draw("nonce", 32) + b"\0\0"

    def finish(self, m3, make_payload):
        th = oracle.th(self.m1, self.answer, m3[18:50])
        keys = oracle.schedule(bytes(32), self.ss_x, self.ss_kem, th, b"")
        payload = make_payload(th, m3)
        prefix = b"\1\4" + CALL_ID + struct.pack("!H", len(payload) + 16)
        return prefix + AESGCM(keys["m4 key"]).encrypt(keys["m4 iv"], payload, th + oracle.h(m3) + prefix)

    def payload(self, *fields, seed=None, label=b"e2ecall/1 sig callee", cover_m3=True):
        """A make_payload of the given TLVs, properly signed."""

        def make(th, m3):
            context = th + (oracle.lv(m3) if cover_m3 else b"")
            return signed(seed or self.seed, label, context, b"".join(fields))

        return make
