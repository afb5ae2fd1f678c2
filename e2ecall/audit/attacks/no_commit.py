"""no-commit. Weak: each side posts its key and its nonce when it joins, and nothing is committed to beforehand.

The middle holds both posts back until it knows all that the honest sides will ever add. Then every value that it gives
to Alice leads to one row of emoji, every value that it gives to Bob to another, and it looks for a pair: of two lists
of 111,000 each, one pair is equal on average, since 333^4 = 110,889^2.

Where the sides speak one after the other, one of them is bound before the middle knows everything. What remains is one
target, 333^4 tries: an hour in a fast language instead of a second.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import Splice, besiege
from e2ecall.audit.attacks.weak import Leg, fresh_key, hand_over, nonce_at, transcript
from e2ecall.crypto.rng import Rng

__all__ = ["real", "weak"]


def weak(watch: Watch, rng: Rng) -> Result:
    """Two lists, one toward each side, until they have a row in common."""
    alice, bob, middle = (Numbered(rng, who) for who in ("alice", "bob", "middle"))
    key_a, nonce_a = fresh_key(alice), alice.draw("nonce", 32)
    key_b, nonce_b = fresh_key(bob), bob.draw("nonce", 32)
    key_m, start = fresh_key(middle), middle.draw("nonce", 32)

    covered_a = transcript(key_a.public, key_m.public, nonce_a)  # then the nonce "of Bob"
    covered_b = transcript(key_m.public, key_b.public)  # then the nonce "of Alice", then Bob's own
    to_alice, to_bob = Leg(key_m, key_a.public), Leg(key_m, key_b.public)
    as_bob = to_alice.grinder(covered_a, b"", watch.compared)
    as_alice = to_bob.grinder(covered_b, transcript(nonce_b), watch.compared)
    seen_a, seen_b = dict[int, bytes](), dict[int, bytes]()
    n = 0
    while True:
        nonce = nonce_at(start, n)
        code_a, code_b = as_bob(nonce), as_alice(nonce)
        seen_a[code_a] = seen_b[code_b] = nonce
        if code_a in seen_b or code_b in seen_a:
            code = code_a if code_a in seen_b else code_b
            break
        if n % 2048 == 0:
            watch.show(
                to_alice.emoji(covered_a + transcript(nonce)), to_bob.emoji(covered_b + transcript(nonce, nonce_b))
            )
        if not watch.more(2):
            return watch.result()
        n += 1
    watch.more(2)
    # What the middle gives out, and what the two devices make of it.
    at_alice, at_bob = Leg(key_a, key_m.public), Leg(key_b, key_m.public)
    row_a = at_alice.emoji(covered_a + transcript(seen_a[code]))
    row_b = at_bob.emoji(covered_b + transcript(seen_b[code], nonce_b))
    if watch.judge(row_a, row_b):
        watch.read = hand_over(at_alice, to_alice, to_bob, at_bob)
    return watch.result()


def real(watch: Watch, rng: Rng) -> Result:
    """kex.3-1, kex.6-3: Alice opens once the middle is bound to her, and Bob takes the committed opening alone."""

    def open_otherwise(call: Splice) -> None:
        other = call.middle.draw("another nonce", 32)
        call.bob.receive_reveal(call.to_bob.reveal(other))

    return besiege(watch, rng, open_otherwise)
