"""The caller, A: offers, commits, and opens once.

Rules, in the order in which they bind:
  1. The nonce is committed in m1 and opened in m3, once: the state is spent before the first byte of m3 exists.
  2. An m2 that is refused spends nothing; the caller goes on waiting for a good one.
  3. Nothing of the visual hash is visible before m4 has been checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from e2ecall.crypto import mlkem
from e2ecall.crypto.aead import TAG_LENGTH
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import ApiMisuse
from e2ecall.handshake.keys import HandshakeKeys, commitment, transcript
from e2ecall.handshake.link import LinkSecret
from e2ecall.handshake.messages import (
    DEFAULT_SUITES,
    NONCE_LENGTH,
    Answer,
    Finish,
    Offer,
    Reveal,
    Suite,
    check_call_id,
    sealed_prefix,
)
from e2ecall.handshake.payload import LABEL_CALLEE, LABEL_CALLER, Profile, SignedPayload, check_frame_suite
from e2ecall.handshake.state import Established, KeyedState, SingleUse
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import lv

__all__ = ["OfferSent", "RevealSent", "make_offer"]


def make_offer(
    identity: Signer,
    call_id: bytes,
    rng: Rng,
    *,
    suites: Sequence[Suite] = DEFAULT_SUITES,
    secret: LinkSecret | None = None,
) -> OfferSent:
    """kex.3-1: m1 for one call. `call_id` is 16 random bytes; `suites` best first; `secret` if a link was used."""
    if not suites or len(set(suites)) != len(suites) or not all(isinstance(suite, Suite) for suite in suites):
        raise ApiMisuse("suites are one or more, each once")
    x25519 = X25519Key(rng.draw("x25519", 32))
    kem = mlkem.MlKemKey(rng.draw("mlkem", mlkem.SEED_LENGTH)) if Suite.X25519_MLKEM768 in suites else None
    nonce = SecretBytes(rng.draw("nonce", NONCE_LENGTH))
    psk_id = None if secret is None else secret.psk_id(call_id)
    body = Offer.build(call_id, suites, x25519.public, b"" if kem is None else kem.ek, psk_id)
    offer = body + commitment(body, bytes(nonce.expose()))
    return OfferSent(identity, call_id, tuple(suites), secret, x25519, kem, nonce, offer)


class OfferSent(SingleUse):
    """Waits for m2. `offer` is m1."""

    __slots__ = ("_identity", "_kem", "_nonce", "_secret", "_suites", "_x25519", "call_id", "offer")

    def __init__(
        self,
        identity: Signer,
        call_id: bytes,
        suites: tuple[Suite, ...],
        secret: LinkSecret | None,
        x25519: X25519Key,
        kem: mlkem.MlKemKey | None,
        nonce: SecretBytes,
        offer: bytes,
    ) -> None:
        super().__init__()
        self._identity = identity
        self.call_id = call_id
        self._suites = suites
        self._secret = secret
        self._x25519 = x25519
        self._kem = kem
        self._nonce = nonce
        self.offer = offer

    def receive_answer(self, data: bytes, profile: Profile) -> RevealSent:
        """kex.5-1, kex.5-2: m2 to m3. `profile` is what the caller says of itself and its media.

        A refused m2 raises MalformedMessage, PeerMisbehaved or PeerIncompatible and spends nothing.
        """
        self._check_unspent()
        profile.encode()  # this side's own mistakes show before the nonce is opened
        answer = Answer.parse(data, self._suites)
        check_call_id(answer.call_id, self.call_id)
        shared = self._x25519.exchange(answer.x25519, clause="kex.7-1")
        kem_shared = self._kem.decapsulate(answer.ct) if self._kem and answer.suite.post_quantum else None
        keys = HandshakeKeys(self._secret, shared, kem_shared)
        self._spend()
        nonce = bytes(self._nonce.expose())
        self._nonce.wipe()
        th = transcript(self.offer, data, nonce)
        payload = SignedPayload.sign(self._identity, profile, LABEL_CALLER, th)
        prefix = Reveal.prefix(self.call_id, nonce, len(payload) + TAG_LENGTH)
        reveal = prefix + keys.seal("m3", th, payload, th + prefix)
        return RevealSent(self._identity, self.call_id, answer.suite, keys, th, profile, reveal)

    def abandon(self) -> None:
        """End this attempt: the nonce is wiped and can no longer be opened."""
        self._spent = True
        self._nonce.wipe()


class RevealSent(KeyedState):
    """Waits for m4, the callee's acceptance. `reveal` is m3."""

    __slots__ = ("_identity", "_profile", "_th", "reveal")

    def __init__(
        self,
        identity: Signer,
        call_id: bytes,
        suite: Suite,
        keys: HandshakeKeys,
        th: bytes,
        profile: Profile,
        reveal: bytes,
    ) -> None:
        super().__init__(call_id, suite, keys)
        self._identity = identity
        self._th = th
        self._profile = profile
        self.reveal = reveal

    def receive_finish(self, data: bytes) -> Established:
        """kex.5-3: m4 to the result. Raises as the checks of kex.7; the state is spent either way."""
        self._spend()
        try:
            finish = Finish.parse(data)
            check_call_id(finish.call_id, self.call_id)
            aad = self._th + sha256(self.reveal) + sealed_prefix(data, finish.sealed)
            plain = self._keys.open("m4", self._th, finish.sealed, aad, what="the callee's proof")
            context = self._th + lv(self.reveal)
            payload = SignedPayload.verify(plain, self._identity.public, LABEL_CALLEE, context)
            check_frame_suite(payload.profile, self._profile)
            return self._establish(self._th, self.reveal, data, payload, self._profile)
        finally:
            self._keys.wipe()
