"""A middle between two real devices: one exchange of kex.1 with Alice, another with Bob, and keys to both.

The devices are the states of `e2ecall.handshake`, as every call uses them. The middle builds its messages itself, so
that it may also send what no honest side would: another opening, another ciphertext, somebody else's commitment.
"""

from __future__ import annotations

from collections.abc import Callable

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.crypto.aead import TAG_LENGTH
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.mlkem import SEED_LENGTH, MlKem768, MlKemKey
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.x25519 import X25519Key
from e2ecall.errors import E2ECallError
from e2ecall.handshake import Profile, Suite, make_offer, receive_offer
from e2ecall.handshake.keys import HandshakeKeys, commitment, transcript
from e2ecall.handshake.messages import DEFAULT_SUITES, Answer, Finish, Offer, Reveal
from e2ecall.handshake.payload import LABEL_CALLEE, LABEL_CALLER, SignedPayload
from e2ecall.identity import fresh_identity
from e2ecall.sas import FourEmoji, emoji
from e2ecall.wire.declared import lv

__all__ = ["ALICE", "BOB", "Callee", "Caller", "Splice", "besiege"]

ALICE, BOB = Profile(name="Alice"), Profile(name="Bob")
_CLAUSE = "kex.7-1"


class Caller:
    """The middle calls Bob. `offer` is its m1, with its own commitment unless it is given another one."""

    def __init__(self, rng: Rng, *, copied: bytes | None = None) -> None:
        self._identity = fresh_identity(rng)
        self._call_id = rng.draw("call id", 16)
        self._x25519 = X25519Key(rng.draw("x25519", 32))
        self._kem = MlKemKey(rng.draw("mlkem", SEED_LENGTH))
        self._keys: HandshakeKeys | None = None
        self._answer = b""
        self.nonce = rng.draw("nonce", 32)
        body = Offer.build(self._call_id, DEFAULT_SUITES, self._x25519.public, self._kem.ek, None)
        self.offer = body + (copied or commitment(body, self.nonce))

    def take(self, answer: bytes) -> None:
        """Bob's m2, which gives the keys of this leg."""
        parsed = Answer.parse(answer, DEFAULT_SUITES)
        shared = self._x25519.exchange(parsed.x25519, clause=_CLAUSE)
        self._keys = HandshakeKeys(None, shared, self._kem.decapsulate(parsed.ct))
        self._answer = answer

    def emoji(self, nonce: bytes) -> FourEmoji:
        """What Bob will show if he takes this opening."""
        assert self._keys is not None
        return emoji(self._keys.sas(transcript(self.offer, self._answer, nonce)))

    def reveal(self, nonce: bytes) -> bytes:
        """An m3 that opens to `nonce`, sealed and signed as if that were what was committed to."""
        assert self._keys is not None
        th = transcript(self.offer, self._answer, nonce)
        payload = SignedPayload.sign(self._identity, ALICE, LABEL_CALLER, th)
        prefix = Reveal.prefix(self._call_id, nonce, len(payload) + TAG_LENGTH)
        return prefix + self._keys.seal("m3", th, payload, th + prefix)


class Callee:
    """The middle answers Alice's `offer`, as often and with whatever nonce it likes; each answer has its own keys."""

    def __init__(self, rng: Rng, offer: bytes) -> None:
        self._identity = fresh_identity(rng)
        self._offer = Offer.parse(offer)
        self._x25519 = X25519Key(rng.draw("x25519", 32))
        self._keys: HandshakeKeys | None = None
        self._answer = b""

    def answer(self, nonce: bytes) -> bytes:
        """An m2 with a fresh ciphertext."""
        ct, kem_shared = MlKem768().encapsulate(self._offer.ek)
        shared = self._x25519.exchange(self._offer.x25519, clause=_CLAUSE)
        self._keys = HandshakeKeys(None, shared, kem_shared)
        suite = Suite.X25519_MLKEM768
        self._answer = Answer.build(self._offer.call_id, suite, self._x25519.public, ct, nonce)
        return self._answer

    def emoji(self, reveal: bytes) -> FourEmoji:
        """What Alice, who sent this m3, will show after m4."""
        assert self._keys is not None
        return emoji(self._keys.sas(transcript(self._offer.raw, self._answer, Reveal.parse(reveal).nonce)))

    def finish(self, reveal: bytes) -> bytes:
        """The m4 that Alice waits for."""
        assert self._keys is not None
        th = transcript(self._offer.raw, self._answer, Reveal.parse(reveal).nonce)
        payload = SignedPayload.sign(self._identity, BOB, LABEL_CALLEE, th + lv(reveal))
        prefix = Finish.prefix(self._offer.call_id, len(payload) + TAG_LENGTH)
        return prefix + self._keys.seal("m4", th, payload, th + sha256(reveal) + prefix)


class Splice:
    """One call of Alice to Bob with the middle in it, up to the point where Alice has opened her nonce.

    `offered` is spent, `opened` waits for m4, `bob` waits for m3. The middle knows Alice's emoji now.
    """

    def __init__(self, alice: Numbered, bob: Numbered, middle: Numbered) -> None:
        self.middle = middle
        self.offered = make_offer(fresh_identity(alice), alice.draw("call id", 16), alice)
        self.to_alice, self.to_bob = Callee(middle, self.offered.offer), Caller(middle)
        self.bob = receive_offer(self.to_bob.offer, fresh_identity(bob), bob)
        self.to_bob.take(self.bob.answer)
        self.opened = self.offered.receive_answer(self.to_alice.answer(middle.draw("nonce", 32)), ALICE)

    def shown(self) -> tuple[FourEmoji, FourEmoji]:
        """Both exchanges to their honest end: what the two devices show. The middle knew both rows before."""
        finish, of_bob = self.bob.receive_reveal(self.to_bob.reveal(self.to_bob.nonce)).accept(BOB)
        del finish  # the middle needs no more of Bob
        of_alice = self.opened.receive_finish(self.to_alice.finish(self.opened.reveal))
        rows = emoji(of_alice.sas), emoji(of_bob.sas)
        assert rows == (self.to_alice.emoji(self.opened.reveal), self.to_bob.emoji(self.to_bob.nonce))
        return rows


def besiege(watch: Watch, rng: Rng, forbidden: Callable[[Splice], None]) -> Result:
    """Call after call: in one the middle waits for luck, in the next it tries what is forbidden and is refused.

    Alice calls and Bob answers as often as the middle likes, which no person does (kex.9-1, kex.9-2).
    """
    parties = [Numbered(rng, who) for who in ("alice", "bob", "middle")]
    while True:
        call = Splice(parties[0], parties[1], parties[2])
        if watch.tries % 2:
            try:
                forbidden(call)
            except E2ECallError as error:
                watch.refusal(error)
            else:
                watch.matches += 1
        else:
            watch.judge(*call.shown())
        if not watch.more(1) or watch.matches:
            return watch.result()
