"""half-open. Weak: the callee answers every offer anew, the same one too, as often as it comes.

Each answer is a guess: the middle has Alice's row and asks Bob for one answer after the other until his nonce happens
to lead to that row. Only that answer it opens; Bob has heard of a single call.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import BOB, Caller, Splice
from e2ecall.audit.attacks.weak import Leg, fresh_key, hand_over, transcript
from e2ecall.call.attempt import Attempt
from e2ecall.call.events import MessageRefused
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.rng import Rng
from e2ecall.identity import fresh_identity
from e2ecall.sas import FourEmoji

__all__ = ["real", "weak"]


def weak(watch: Watch, rng: Rng) -> Result:
    """m1: key, H(key, nonce); m2: key, nonce, fresh for every m1 that comes; m3: nonce. One answer is one try."""
    alice, bob, middle = (Numbered(rng, who) for who in ("alice", "bob", "middle"))
    key_a, nonce_a = fresh_key(alice), alice.draw("nonce", 32)
    key_b, key_m = fresh_key(bob), fresh_key(middle)
    nonce_m = middle.draw("nonce", 32)

    def before(caller: bytes, opening: bytes, callee: bytes) -> bytes:
        return transcript(caller, sha256(transcript(caller, opening)), opening, callee)

    # Alice has opened her nonce to the middle's answer: her row stands.
    at_alice, with_alice = Leg(key_a, key_m.public), Leg(key_m, key_a.public)
    covered_a = before(key_a.public, nonce_a, key_m.public) + transcript(nonce_m)
    row_a, covered_b = at_alice.emoji(covered_a), before(key_m.public, nonce_m, key_b.public)
    at_bob, with_bob = Leg(key_b, key_m.public), Leg(key_m, key_b.public)
    target = with_alice.grinder(before(key_a.public, nonce_a, key_m.public), b"", watch.compared)(nonce_m)
    code = with_bob.grinder(covered_b, b"", watch.compared)
    while code(answer := bob.draw("answer", 32)) != target:
        if watch.tries % 4096 == 0:
            watch.show(row_a, with_bob.emoji(covered_b + transcript(answer)))
        if not watch.more(1):
            return watch.result()
    watch.more(1)
    if watch.judge(row_a, at_bob.emoji(covered_b + transcript(answer))):
        watch.read = hand_over(at_alice, with_alice, with_bob, at_bob)
    return watch.result()


def real(watch: Watch, rng: Rng) -> Result:
    """kex.6-5, kex.9-1: the same offer gets the same answer, and one ring answers three offers; the rest is refused."""
    alice, bob, middle = (Numbered(rng, who) for who in ("alice", "bob", "middle"))
    call = Splice(alice, Numbered(rng, "somebody"), middle)  # Alice's row stands; her Bob is the one below
    row_a = call.to_alice.emoji(call.opened.reveal)
    ring = _Ring(Attempt(fresh_identity(bob), bob, BOB))
    guesses = dict[bytes, FourEmoji]()
    leg: Caller | None = None
    while True:
        again = leg is not None and watch.tries % 4 != 0  # three of four times the same offer once more
        if leg is None or not again:
            leg = Caller(middle)
        answer = ring.post(leg.offer, watch)
        if answer is not None and answer not in guesses:
            leg.take(answer)
            guesses[answer] = leg.emoji(leg.nonce)
        if answer is not None and watch.tries % 4 == 3:  # not the row: give it up, so that Bob waits again
            ring.post(leg.reveal(bytes(32)), watch)
        if guesses:
            watch.alice, watch.bob = row_a[: watch.compared], [*guesses.values()][-1][: watch.compared]
        watch.matches = sum(row[: watch.compared] == row_a[: watch.compared] for row in guesses.values())
        if not watch.more(1) or watch.matches:
            return watch.result()


class _Ring:
    """Bob's device while it rings, seen from the relay."""

    def __init__(self, device: Attempt) -> None:
        self._device = device

    def post(self, message: bytes, watch: Watch) -> bytes | None:
        """Deliver a message of the exchange; what comes back, or None where it was refused."""
        for event in self._device.receive(message, now=0.0):
            if isinstance(event, MessageRefused):
                watch.refusal(event.error)
        replies, self._device.outgoing = self._device.outgoing, []
        return replies[-1] if replies else None
