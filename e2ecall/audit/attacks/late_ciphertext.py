"""late-ciphertext. Weak: the KEM ciphertext comes last, after the opening, and the emoji cover it.

Whoever encapsulates speaks last. The middle finishes with Bob, knows his row, and encapsulates to Alice's key again and
again until the ciphertext leads to that row. Neither X25519 nor ML-KEM has to be broken for it. If the emoji leave the
ciphertext out instead, they say nothing about it, and the two may end with different keys.
"""

from __future__ import annotations

from e2ecall.audit.attacks.result import Numbered, Result, Watch
from e2ecall.audit.attacks.splice import Splice, besiege
from e2ecall.audit.attacks.weak import Leg, fresh_key, hand_over, transcript
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.mlkem import SEED_LENGTH, MlKem768, MlKemKey
from e2ecall.crypto.rng import Rng

__all__ = ["real", "weak"]


def weak(watch: Watch, rng: Rng) -> Result:
    """m1: key, ek, H(key, ek, nonce); m2: key, nonce; m3: nonce; m4: ciphertext. One ciphertext is one try."""
    alice, bob, middle = (Numbered(rng, who) for who in ("alice", "bob", "middle"))
    caller, to_bob = _Caller(alice), _Caller(middle)
    key_b, nonce_b = fresh_key(bob), bob.draw("nonce", 32)
    # With Bob to the end: he has his commitment, his opening, and sends his ciphertext. His row stands.
    ct_b, shared_b = MlKem768().encapsulate(to_bob.kem.ek)
    at_bob = Leg(key_b, to_bob.key.public).also(bytes(shared_b.expose()))
    with_bob = to_bob.leg(key_b.public, ct_b)
    row_b = at_bob.emoji(to_bob.covered(key_b.public, nonce_b) + transcript(ct_b))
    target = row_b[: watch.compared]
    # With Alice up to the ciphertext: she has opened her nonce, and only the middle has something to add.
    key_m, nonce_m = fresh_key(middle), middle.draw("nonce", 32)
    agreed, before = Leg(key_m, caller.key.public), caller.covered(key_m.public, nonce_m)
    kem = MlKem768()
    while True:
        ct, shared = kem.encapsulate(caller.kem.ek)
        with_alice = agreed.also(bytes(shared.expose()))
        row_a = with_alice.emoji(before + transcript(ct))
        if row_a[: watch.compared] == target:
            break
        if watch.tries % 512 == 0:
            watch.show(row_a, row_b)
        if not watch.more(1):
            return watch.result()
    watch.more(1)
    at_alice = caller.leg(key_m.public, ct)
    if watch.judge(at_alice.emoji(before + transcript(ct)), row_b):
        watch.read = hand_over(at_alice, with_alice, with_bob, at_bob)
    return watch.result()


class _Caller:
    """The calling side of the weak design."""

    def __init__(self, rng: Rng) -> None:
        self.key, self.kem = fresh_key(rng), MlKemKey(rng.draw("mlkem", SEED_LENGTH))
        self.nonce = rng.draw("nonce", 32)
        self.commitment = sha256(transcript(self.key.public, self.kem.ek, self.nonce))

    def leg(self, peer: bytes, ct: bytes) -> Leg:
        """The keys, once the ciphertext is there."""
        return Leg(self.key, peer).also(bytes(self.kem.decapsulate(ct).expose()))

    def covered(self, peer: bytes, peer_nonce: bytes) -> bytes:
        """Everything that was sent before the ciphertext; the emoji cover that and the ciphertext."""
        return transcript(self.key.public, self.kem.ek, self.commitment, peer, peer_nonce, self.nonce)


def real(watch: Watch, rng: Rng) -> Result:
    """kex.3-2, kex.2-6: the ciphertext is in m2, before the opening; after it, Alice waits for m4 and nothing else."""

    def encapsulate_again(call: Splice) -> None:
        call.opened.receive_finish(call.to_alice.answer(call.middle.draw("nonce", 32)))

    return besiege(watch, rng, encapsulate_again)
