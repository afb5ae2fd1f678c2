"""reflected-identity. Weak: a device takes any well-signed identity in m3 and m4, its own too.

Alice has two sessions open, two tabs say: one calls Bob, one waits for him. The relay connects the two with each other.
Keys, signatures and emoji are all in order, and both tabs show the same row: a call "with Bob" without Bob in it, under
an identity that this device trusts more than any other.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import ALICE, BOB
from e2ecall.audit.attacks.weak import Leg, fresh_key, transcript
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import KEY_LENGTH, Signer, verify
from e2ecall.errors import E2ECallError
from e2ecall.handshake import make_offer, receive_offer
from e2ecall.identity import fresh_identity
from e2ecall.sas import Emoji, emoji

__all__ = ["real", "weak"]

ROUNDS = 100
"""Of the weak design: enough to see that it is not luck."""


def weak(watch: Watch, rng: Rng) -> Result:
    """m1, m2: key, nonce; m3, m4: identity and its signature over everything. The relay only delivers."""
    alice = Numbered(rng, "alice")
    identity = fresh_identity(alice)
    for _ in range(ROUNDS):
        caller, callee = _Tab(alice, identity), _Tab(alice, identity)
        covered = transcript(caller.key.public, caller.nonce, callee.key.public, callee.nonce)
        rows = (
            caller.finish(callee.key.public, covered, callee.proof(covered)),
            callee.finish(caller.key.public, covered, caller.proof(covered)),
        )
        watch.judge(*rows)
        if not watch.more(1):
            break
    return watch.result()


class _Tab:
    """One session of the device."""

    def __init__(self, rng: Rng, identity: Signer) -> None:
        self.key, self.nonce = fresh_key(rng), rng.draw("nonce", 32)
        self._identity = identity

    def proof(self, covered: bytes) -> bytes:
        """The identity, and its signature."""
        return self._identity.public + self._identity.sign(covered)

    def finish(self, peer: bytes, covered: bytes, proof: bytes) -> tuple[Emoji, ...]:
        """The row, once the other side's proof has been checked; whose it is, nobody asks."""
        verify(proof[:KEY_LENGTH], covered, proof[KEY_LENGTH:], what="the proof", clause="kex.7-5")
        return Leg(self.key, peer).emoji(covered)


def real(watch: Watch, rng: Rng) -> Result:
    """kex.7-4: a side refuses its own identity key, in m3 already, so that m4 never exists."""
    alice = Numbered(rng, "alice")
    identity = fresh_identity(alice)
    while True:
        offered = make_offer(identity, alice.draw("call id", 16), alice)
        answered = receive_offer(offered.offer, identity, alice)
        opened = offered.receive_answer(answered.answer, ALICE)
        try:
            finish, at_callee = answered.receive_reveal(opened.reveal).accept(BOB)
            watch.judge(emoji(opened.receive_finish(finish).sas), emoji(at_callee.sas))
        except E2ECallError as error:
            watch.refusal(error)
        if not watch.more(1) or watch.matches:
            return watch.result()
