"""two-openings. Weak: the caller's state is not spent by its opening, and a second answer is taken as well.

The first answer costs the middle nothing and makes Alice open her nonce. Then it finishes with Bob, whose row stands,
and looks for a second answer that leads Alice to that row, with all of her values known.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import ALICE, Splice, besiege
from e2ecall.audit.attacks.weak import Leg, fresh_key, hand_over, nonce_at, transcript
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.sas import Emoji

__all__ = ["real", "weak"]


def weak(watch: Watch, rng: Rng) -> Result:
    """m1: key, H(key, nonce); m2: key, nonce; m3: nonce, to every m2. One second answer is one try."""
    alice, middle = (_Caller(Numbered(rng, who)) for who in ("alice", "middle"))
    bob, fresh = Numbered(rng, "bob"), Numbered(rng, "middle's answers")
    key_b, nonce_b = fresh_key(bob), bob.draw("nonce", 32)
    with_bob, at_bob = Leg(middle.key, key_b.public), Leg(key_b, middle.key.public)
    row_b = at_bob.emoji(middle.covered(key_b.public, nonce_b))
    key_m, start = fresh_key(fresh), fresh.draw("nonce", 32)
    opening = alice.answered(key_m.public, nonce_at(start, 0))  # the first answer; Alice opens
    with_alice = Leg(key_m, alice.key.public)
    # All the middle has: what Alice sent, her commitment and the opening that she gave away.
    before = transcript(alice.key.public, alice.commitment, opening, key_m.public)
    code = with_alice.grinder(before, b"", watch.compared)
    target = with_bob.grinder(middle.covered_before(key_b.public), b"", watch.compared)(nonce_b)
    n = 1
    while code(nonce_at(start, n)) != target:
        if n % 4096 == 0:
            watch.show(with_alice.emoji(before + transcript(nonce_at(start, n))), row_b)
        if not watch.more(1):
            return watch.result()
        n += 1
    watch.more(1)
    alice.answered(key_m.public, nonce_at(start, n))  # the second answer, under the same commitment
    if watch.judge(alice.row, row_b):
        watch.read = hand_over(Leg(alice.key, key_m.public), with_alice, with_bob, at_bob)
    return watch.result()


class _Caller:
    """The calling side of the weak design: it shows the row of the last answer that it got."""

    def __init__(self, rng: Rng) -> None:
        self.key, self._nonce = fresh_key(rng), rng.draw("nonce", 32)
        self.commitment = sha256(transcript(self.key.public, self._nonce))
        self.row: tuple[Emoji, ...] = ()

    def answered(self, peer: bytes, nonce: bytes) -> bytes:
        """An m2 came: the m3 that opens the nonce."""
        self.row = Leg(self.key, peer).emoji(self.covered(peer, nonce))
        return self._nonce

    def covered(self, peer: bytes, nonce: bytes) -> bytes:
        return self.covered_before(peer) + transcript(nonce)

    def covered_before(self, peer: bytes) -> bytes:
        """Everything that the emoji cover, up to the answer's nonce."""
        return transcript(self.key.public, self.commitment, self._nonce, peer)


def real(watch: Watch, rng: Rng) -> Result:
    """kex.5-1, kex.6-1: the state is spent before the first byte of m3 exists; a second answer is misuse."""

    def answer_again(call: Splice) -> None:
        call.offered.receive_answer(call.to_alice.answer(call.middle.draw("nonce", 32)), ALICE)

    return besiege(watch, rng, answer_again)
