"""kex.5 to kex.8: both sides of the exchange, from the seeds of peer.2, with every value in between left readable."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.audit.oracle import ed25519, mlkem, x25519
from e2ecall.audit.oracle.aead import gcm_decrypt, gcm_encrypt
from e2ecall.audit.oracle.hashes import hkdf_expand
from e2ecall.audit.oracle.key_schedule import (
    Early,
    Late,
    Link,
    commitment,
    early,
    h,
    late,
    link,
    lv,
    transcript,
    transcript2,
)
from e2ecall.audit.oracle.messages import (
    FINISH,
    REVEAL,
    Answer,
    Offer,
    read_answer,
    read_offer,
    read_sealed,
    write_answer,
    write_head,
    write_offer,
)
from e2ecall.audit.oracle.payload import CALLEE, CALLER, Payload, payload_body, read_payload, signed
from e2ecall.audit.oracle.refused import Refused

__all__ = ["Callee", "Caller", "Shared", "draw", "open_sealed", "seal_message"]

TAG = 16


def draw(seed: bytes, name: str, length: int) -> bytes:
    """peer.2-1."""
    return hkdf_expand("sha256", seed, b"e2ecall/1 test " + name.encode(), length)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the two agree on by m2: the suite, both secrets, and psk; with th, the early keys."""

    suite: int
    link: Link
    ss_x25519: bytes
    ss_mlkem: bytes

    def early(self, th: bytes) -> Early:
        """kex.3-3, kex.3-4."""
        return early(self.link.psk, self.ss_x25519, self.ss_mlkem, th)


def seal_message(before: bytes, key: bytes, iv: bytes, context: bytes, payload: bytes) -> bytes:
    """kex.3-6: a message whose fixed part is `before`, without the length field; context is th, or th || H(m3)."""
    prefix = before + (len(payload) + TAG).to_bytes(2, "big")
    return prefix + gcm_encrypt(key, iv, context + prefix, payload)


def open_sealed(key: bytes, iv: bytes, aad: bytes, sealed: bytes) -> bytes:
    """kex.3-6, kex.7-5: a payload, or Refused (verification)."""
    try:
        return gcm_decrypt(key, iv, aad, sealed)
    except Refused:
        raise Refused("verification", "kex.7-5", "the sealed part does not authenticate") from None


def _same_call(call_id: bytes, expected: bytes) -> None:
    if call_id != expected:
        raise Refused("misbehaved", "kex.2-3", "a message of another call")


class Caller:
    """kex.5: `offer`, then reveal(m2) gives m3, then finish(m4); what is known stands in the attributes."""

    def __init__(
        self,
        seed: bytes,
        call_id: bytes,
        suites: tuple[int, ...],
        payload: Payload,
        *,
        secret: bytes | None = None,
        identity_seed: bytes | None = None,
    ) -> None:
        self.call_id, self.suites, self.payload = call_id, suites, payload
        self.x25519 = draw(seed, "x25519", 32)
        self.ek, self.dk = mlkem.key_pair(draw(seed, "mlkem", 64)) if 1 in suites else (b"", b"")
        self.nonce = draw(seed, "nonce", 32)
        self.identity_seed = identity_seed or draw(seed, "identity", 32)
        self.identity = ed25519.public_key(self.identity_seed)
        self.link = link(secret, call_id)
        self.offer = self.offer_with()
        self.spent = self.finished = False

    def offer_with(self, ext: bytes = b"") -> bytes:
        """kex.3-1: m1, with this ext."""
        public = x25519.public_key(self.x25519)
        values = Offer(self.call_id, self.suites, public, self.ek, self.link.psk_id or None, bytes(32))
        unsigned = write_offer(values, ext)
        return unsigned[:-32] + commitment(unsigned, self.nonce)

    def take_answer(self, m2: bytes) -> None:
        """kex.5-1, kex.5-2: what m2 says; one that is refused changes nothing."""
        if self.spent:
            raise Refused("misuse", "kex.5-1", "the offer was opened before")
        answer = read_answer(m2, self.suites)
        _same_call(answer.call_id, self.call_id)
        ss_x25519 = x25519.exchange(self.x25519, answer.x25519)
        ss_mlkem = mlkem.decapsulate(self.dk, answer.ct) if answer.suite == 1 else b""
        self.spent = True
        self.shared = Shared(answer.suite, self.link, ss_x25519, ss_mlkem)
        self.early = self.shared.early(transcript(self.offer, m2, self.nonce))

    def body(self) -> bytes:
        """The payload before its signature."""
        return payload_body(self.payload, self.identity, self.payload.frame_suites)

    def signed_payload(self, body: bytes) -> bytes:
        """kex.4-11."""
        return signed(self.identity_seed, CALLER, self.early.th, body)

    def reveal_with(self, payload: bytes) -> bytes:
        """kex.2.3: m3 with these bytes for a payload."""
        before = write_head(REVEAL, self.call_id) + self.nonce
        return seal_message(before, self.early.m3_key, self.early.m3_iv, self.early.th, payload)

    def reveal(self, m2: bytes) -> bytes:
        """m2 to m3."""
        self.take_answer(m2)
        self.m3 = self.reveal_with(self.signed_payload(self.body()))
        return self.m3

    def finish(self, m4: bytes) -> Late:
        """m4 to the keys: kex.5-4, kex.6-1, kex.7; whatever comes of it, there is no second one."""
        if self.finished:
            raise Refused("misuse", "kex.6-1", "an m4 was looked at before")
        self.finished = True
        message, keys = read_sealed(m4, FINISH), self.early
        _same_call(message.call_id, self.call_id)
        plain = open_sealed(keys.m4_key, keys.m4_iv, keys.th + h(self.m3) + message.before, message.sealed)
        self.peer = read_payload(plain, CALLEE, keys.th + lv(self.m3), self.identity)
        if len(self.peer.suites) != 1 or self.peer.suites[0] not in self.payload.suites:
            raise Refused("misbehaved", "kex.5-4", f"SFrame suites {self.peer.suites} of {self.payload.suites}")
        if self.peer.frame_suites and not self.payload.frame_suites:
            raise Refused("misbehaved", "kex.5-4", "an SFrame suite that nobody asked for")
        return late(keys.hs, transcript2(keys.th, self.m3, m4))


class Callee:
    """kex.6: answer(m1) gives m2, reveal(m3) says who calls, accept() gives m4."""

    def __init__(
        self,
        seed: bytes,
        suites: tuple[int, ...],
        payload: Payload,
        *,
        secret: bytes | None = None,
        m: bytes | None = None,
        identity_seed: bytes | None = None,
    ) -> None:
        self.suites, self.payload, self.secret = suites, payload, secret
        self.x25519 = draw(seed, "x25519", 32)
        self.nonce = draw(seed, "nonce", 32)
        self.m = m or draw(seed, "mlkem m", 32)
        self.identity_seed = identity_seed or draw(seed, "identity", 32)
        self.identity = ed25519.public_key(self.identity_seed)
        self.spent = False

    def take_offer(self, m1: bytes) -> None:
        """kex.6-2, kex.8-1: what m1 says."""
        offer = read_offer(m1)
        suite = next((suite for suite in offer.suites if suite in self.suites), None)
        if suite is None:
            raise Refused("incompatible", "kex.6-2", f"{offer.suites} and {self.suites}")
        own = link(self.secret, offer.call_id)
        if (own.psk_id or None) != offer.psk_id:
            raise Refused("verification", "kex.8-1", "the link secrets do not match")
        ss_x25519 = x25519.exchange(self.x25519, offer.x25519)
        self.ct, ss_mlkem = mlkem.encapsulate(offer.ek, self.m) if suite == 1 else (b"", b"")
        self.m1, self.call_id, self.commitment = m1, offer.call_id, offer.commitment
        self.shared = Shared(suite, own, ss_x25519, ss_mlkem)

    def answer(self, m1: bytes, ext: bytes = b"") -> bytes:
        """m1 to m2."""
        self.take_offer(m1)
        public = x25519.public_key(self.x25519)
        self.m2 = write_answer(Answer(self.call_id, self.shared.suite, public, self.ct, self.nonce), ext)
        return self.m2

    def reveal(self, m3: bytes) -> Payload:
        """m3: kex.6-1, kex.6-3, kex.7; whatever comes of it, there is no second one."""
        if self.spent:
            raise Refused("misuse", "kex.6-1", "an m3 was looked at before")
        self.spent = True
        message = read_sealed(m3, REVEAL)
        if commitment(self.m1, message.nonce) != self.commitment:
            raise Refused("verification", "kex.6-3", "the opening is another one")
        _same_call(message.call_id, self.call_id)
        self.early = keys = self.shared.early(transcript(self.m1, self.m2, message.nonce))
        plain = open_sealed(keys.m3_key, keys.m3_iv, keys.th + message.before, message.sealed)
        self.peer = read_payload(plain, CALLER, keys.th, self.identity)
        self.m3 = m3
        return self.peer

    def body(self) -> bytes:
        """The payload before its signature: kex.6-4, with a suite only where the caller named some."""
        chosen = next((suite for suite in self.peer.suites if suite in self.payload.suites), None)
        if chosen is None:
            raise Refused("incompatible", "kex.6-4", f"{self.peer.suites} and {self.payload.suites}")
        return payload_body(self.payload, self.identity, (chosen,) if self.peer.frame_suites else ())

    def signed_payload(self, body: bytes) -> bytes:
        """kex.4-11."""
        return signed(self.identity_seed, CALLEE, self.early.th + lv(self.m3), body)

    def finish_with(self, payload: bytes) -> bytes:
        """kex.2.4: m4 with these bytes for a payload."""
        keys = self.early
        before = write_head(FINISH, self.call_id)
        return seal_message(before, keys.m4_key, keys.m4_iv, keys.th + h(self.m3), payload)

    def accept(self) -> tuple[bytes, Late]:
        """kex.6-6: m4, and the keys."""
        m4 = self.finish_with(self.signed_payload(self.body()))
        return m4, late(self.early.hs, transcript2(self.early.th, self.m3, m4))
