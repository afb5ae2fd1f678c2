"""The callee, B: answers, checks the opening before anything else, rings, and accepts.

Rules, in the order in which they bind:
  1. One m2 per offer: the same m1 again gets the byte-identical m2 (`AnswerSent.answer`), never a fresh one.
  2. The opening is compared with the commitment before the caller's payload is looked at.
  3. Nothing is sent or played before m3 has been checked; m4 goes out when the person accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from e2ecall.crypto import mlkem
from e2ecall.crypto.aead import TAG_LENGTH
from e2ecall.crypto.kdf import constant_time_equal, sha256
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import PeerIncompatible, VerificationFailed
from e2ecall.handshake.keys import HandshakeKeys, commitment, transcript
from e2ecall.handshake.link import LinkSecret
from e2ecall.handshake.messages import (
    COMMITMENT_LENGTH,
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
from e2ecall.handshake.payload import LABEL_CALLEE, LABEL_CALLER, Profile, SignedPayload
from e2ecall.handshake.state import Established, KeyedState
from e2ecall.wire.declared import lv

__all__ = ["AnswerSent", "Ringing", "receive_offer"]


def receive_offer(
    data: bytes,
    identity: Signer,
    rng: Rng,
    *,
    suites: Sequence[Suite] = DEFAULT_SUITES,
    secret: LinkSecret | None = None,
    kem: mlkem.Kem | None = None,
) -> AnswerSent:
    """kex.6-2, kex.8-1: m1 to m2. Whether a link `secret` is required is decided here, never by m1.

    Raises MalformedMessage, PeerIncompatible (version, no common suite), PeerMisbehaved (bad keys) or
    VerificationFailed (the link secret is missing, unexpected or another one).
    """
    offer = Offer.parse(data)
    suite = _choose(offer.suites, suites)
    _check_secret(offer, secret)
    x25519 = X25519Key(rng.draw("x25519", 32))
    nonce = rng.draw("nonce", NONCE_LENGTH)
    shared = x25519.exchange(offer.x25519, clause="kex.7-1")
    ct, kem_shared = (kem or mlkem.MlKem768()).encapsulate(offer.ek) if suite.post_quantum else (b"", None)
    answer = Answer.build(offer.call_id, suite, x25519.public, ct, nonce)
    return AnswerSent(identity, offer, suite, HandshakeKeys(secret, shared, kem_shared), answer)


def _choose(offered: Sequence[int], supported: Sequence[Suite]) -> Suite:
    for number in offered:
        if number in supported:
            return Suite(number)
    raise PeerIncompatible("no suite in common", clause="kex.6-2")


def _check_secret(offer: Offer, secret: LinkSecret | None) -> None:
    expected = None if secret is None else secret.psk_id(offer.call_id)
    if expected is None and offer.psk_id is None:
        return
    if expected is None or offer.psk_id is None or not constant_time_equal(expected, offer.psk_id):
        raise VerificationFailed("the link secrets do not match", clause="kex.8-1")


class AnswerSent(KeyedState):
    """Waits for m3. `answer` is m2, and the answer to every repetition of the same m1."""

    __slots__ = ("_identity", "_offer", "answer")

    def __init__(self, identity: Signer, offer: Offer, suite: Suite, keys: HandshakeKeys, answer: bytes) -> None:
        super().__init__(offer.call_id, suite, keys)
        self._identity = identity
        self._offer = offer
        self.answer = answer

    @property
    def offer_hash(self) -> bytes:
        """H(m1): tells a repeated offer from another one."""
        return sha256(self._offer.raw)

    def receive_reveal(self, data: bytes) -> Ringing:
        """kex.6-3: m3 to ringing. The opening is compared first; the state is spent either way.

        Raises MalformedMessage, PeerMisbehaved or VerificationFailed.
        """
        self._spend()
        try:
            return self._receive_reveal(data)
        except BaseException:
            self._keys.wipe()
            raise

    def _receive_reveal(self, data: bytes) -> Ringing:
        reveal = Reveal.parse(data)
        opened = commitment(self._offer.raw[:-COMMITMENT_LENGTH], reveal.nonce)
        if not constant_time_equal(opened, self._offer.commitment):
            raise VerificationFailed("the opening is not what was committed to", clause="kex.6-3")
        check_call_id(reveal.call_id, self.call_id)
        th = transcript(self._offer.raw, self.answer, reveal.nonce)
        aad = th + sealed_prefix(data, reveal.sealed)
        plain = self._keys.open("m3", th, reveal.sealed, aad, what="the caller's proof")
        payload = SignedPayload.verify(plain, self._identity.public, LABEL_CALLER, th)
        return Ringing(self._identity, self.call_id, self.suite, self._keys, th, data, payload)


class Ringing(KeyedState):
    """m3 is good: `peer_identity` and `peer_profile` say who calls; the person decides."""

    __slots__ = ("_identity", "_payload", "_reveal", "_th")

    def __init__(
        self,
        identity: Signer,
        call_id: bytes,
        suite: Suite,
        keys: HandshakeKeys,
        th: bytes,
        reveal: bytes,
        payload: SignedPayload,
    ) -> None:
        super().__init__(call_id, suite, keys)
        self._identity = identity
        self._th = th
        self._reveal = reveal
        self._payload = payload

    @property
    def peer_identity(self) -> bytes:
        """The caller's Ed25519 key, 32 bytes."""
        return self._payload.identity

    @property
    def peer_profile(self) -> Profile:
        """What the caller says of itself and its media."""
        return self._payload.profile

    def accept(self, profile: Profile) -> tuple[bytes, Established]:
        """kex.6-6: m4, which is the acceptance, and the result.

        Of `profile.frame_suites`, the suites this side supports, the first that the caller offered is taken;
        none in common raises PeerIncompatible, a profile that does not fit ApiMisuse, and both spend nothing.
        """
        self._check_unspent()
        profile.encode()
        suite = _choose_frame_suite(self.peer_profile, profile)
        chosen = replace(profile, frame_suites=(suite,) if self.peer_profile.frame_suites else ())
        self._spend()
        try:
            payload = SignedPayload.sign(self._identity, chosen, LABEL_CALLEE, self._th + lv(self._reveal))
            prefix = Finish.prefix(self.call_id, len(payload) + TAG_LENGTH)
            aad = self._th + sha256(self._reveal) + prefix
            finish = prefix + self._keys.seal("m4", self._th, payload, aad)
            return finish, self._establish(self._th, self._reveal, finish, self._payload, chosen)
        finally:
            self._keys.wipe()


def _choose_frame_suite(caller: Profile, callee: Profile) -> int:
    for suite in caller.suites:
        if suite in callee.suites:
            return suite
    raise PeerIncompatible("no SFrame suite in common", clause="kex.6-4")
