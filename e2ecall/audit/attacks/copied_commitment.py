"""copied-commitment. Weak: the commitment is the hash of the nonce alone, and the emoji cover the two nonces alone.

Such a commitment belongs to nobody. The middle copies it into an offer with keys of its own and opens it later with the
opening that Alice gives; or it holds a mirror up, and each side gets its own commitment and opening back. Both times
the two sides compute their emoji from the same nonces and hold keys with the middle: every try matches.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import ALICE, Callee, Caller
from e2ecall.audit.attacks.weak import Leg, fresh_key, hand_over
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.errors import E2ECallError, VerificationFailed
from e2ecall.handshake import make_offer, receive_offer
from e2ecall.handshake.messages import Reveal
from e2ecall.identity import fresh_identity
from e2ecall.sas import FourEmoji, emoji

__all__ = ["real", "weak"]

ROUNDS = 100
"""Of the weak design: enough to see that it is not luck."""


def weak(watch: Watch, rng: Rng) -> Result:
    """Copies in one call, holds the mirror up in the next."""
    parties = [Numbered(rng, who) for who in ("alice", "bob", "middle")]
    for _ in range(ROUNDS):
        alice, bob, middle = (_Device(party) for party in parties)
        if watch.tries % 2:
            rows = alice.finish(alice.commitment, alice.nonce), bob.finish(bob.commitment, bob.nonce)
        else:
            rows = alice.finish(bob.commitment, bob.nonce), bob.finish(alice.commitment, alice.nonce)
        if watch.judge(*rows):
            legs = [Leg(one.key, other.key.public) for one, other in _ends(alice, middle, bob)]
            watch.read = hand_over(legs[0], legs[1], legs[2], legs[3])
        if not watch.more(1):
            break
    return watch.result()


class _Device:
    """Sends `commitment` and its key first, and `nonce` once it has the other side's commitment."""

    def __init__(self, rng: Rng) -> None:
        self.key, self.nonce = fresh_key(rng), rng.draw("nonce", 32)
        self.commitment = sha256(self.nonce)

    def finish(self, commitment: bytes, opening: bytes) -> FourEmoji:
        """The emoji: the xor of the two nonces, which is evenly spread as long as one of them is."""
        if sha256(opening) != commitment:
            raise VerificationFailed("the opening is not what was committed to")
        return emoji(sha256(bytes(a ^ b for a, b in zip(self.nonce, opening, strict=True))))


def _ends(alice: _Device, middle: _Device, bob: _Device) -> tuple[tuple[_Device, _Device], ...]:
    return (alice, middle), (middle, alice), (middle, bob), (bob, middle)


def real(watch: Watch, rng: Rng) -> Result:
    """kex.3-1: the commitment binds role, call and keys, so that in another offer it opens to nothing (kex.6-3)."""
    alice, bob, middle = (Numbered(rng, who) for who in ("alice", "bob", "middle"))
    while True:
        offered = make_offer(fresh_identity(alice), alice.draw("call id", 16), alice)
        try:
            if watch.tries % 2:
                offered.receive_answer(offered.offer, ALICE)  # the mirror: one's own offer comes back
            else:
                to_bob = Caller(middle, copied=offered.offer[-32:])
                answered = receive_offer(to_bob.offer, fresh_identity(bob), bob)
                to_bob.take(answered.answer)
                to_alice = Callee(middle, offered.offer)
                opened = offered.receive_answer(to_alice.answer(middle.draw("nonce", 32)), ALICE)
                watch.show(to_alice.emoji(opened.reveal), ())
                answered.receive_reveal(to_bob.reveal(Reveal.parse(opened.reveal).nonce))
            watch.matches += 1
        except E2ECallError as error:
            watch.refusal(error)
        if not watch.more(1) or watch.matches:
            return watch.result()
