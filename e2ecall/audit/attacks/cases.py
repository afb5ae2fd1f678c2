"""The attacks by name: what the weak design leaves out, what the real one does about it, how many emoji it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from e2ecall.audit.attacks import (
    copied_commitment,
    half_open,
    late_ciphertext,
    no_commit,
    reflected_identity,
    two_openings,
)
from e2ecall.audit.attacks.result import FOUR, Attack, Progress, Result, Target, Watch
from e2ecall.crypto.rng import Rng

__all__ = ["CASES", "MOST", "Case"]

MOST = 1 << 62
"""As many tries as one likes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One attack on both designs.

    `compared` is how many emoji the weak design's people compare in a demonstration: four where that takes seconds,
    two where it takes 333^2 tries to get there and 333^4 would take hours. The real one's people always compare four.
    `refusals` are all the ways in which a real device may refuse a try, and `clauses` what stops the attack. `reads` is
    whether the middle ends up with the keys of the weak design's people; if not, it has connected the wrong two, as
    `sides` says.
    """

    name: str
    weakness: str
    defence: str
    clauses: tuple[str, ...]
    refusals: frozenset[str]
    compared: int
    weak: Attack
    real: Attack
    reads: bool = True
    sides: tuple[str, str] = ("Alice", "Bob")

    def run(
        self, target: Target, rng: Rng, progress: Progress, *, tries: int = MOST, compared: int | None = None
    ) -> Result:
        """Attack one of the two until the attack succeeds, `tries` are spent or `progress` says False."""
        if target is Target.WEAK:
            return self.weak(Watch(target, progress, most=tries, compared=compared or self.compared), rng)
        return self.real(Watch(target, progress, most=tries, compared=compared or FOUR, every=1), rng)


_CASES = (
    Case(
        "no-commit",
        "each side posts its key and its nonce, and nothing is committed to",
        "the caller's nonce is committed to in m1, and opened when the middle is bound to its answer",
        ("kex.3-1", "kex.6-3"),
        frozenset({"VerificationFailed kex.6-3"}),
        FOUR,
        no_commit.weak,
        no_commit.real,
    ),
    Case(
        "copied-commitment",
        "the commitment is the hash of the nonce alone, and the emoji cover the nonces alone",
        "the commitment covers role, call and keys, so that in another offer it opens to nothing",
        ("kex.3-1", "kex.6-3", "kex.2-6"),
        frozenset({"VerificationFailed kex.6-3", "PeerMisbehaved kex.2-6"}),
        FOUR,
        copied_commitment.weak,
        copied_commitment.real,
    ),
    Case(
        "late-ciphertext",
        "the KEM ciphertext is sent after the opening, and the emoji cover it",
        "the ciphertext is in m2, before the opening; afterwards nothing changes the emoji",
        ("kex.3-2", "kex.2-6"),
        frozenset({"PeerMisbehaved kex.2-6"}),
        2,
        late_ciphertext.weak,
        late_ciphertext.real,
    ),
    Case(
        "reflected-identity",
        "a device takes its own identity for somebody else's",
        "a side refuses its own identity key",
        ("kex.7-4",),
        frozenset({"PeerMisbehaved kex.7-4"}),
        FOUR,
        reflected_identity.weak,
        reflected_identity.real,
        reads=False,
        sides=("Alice's one tab", "Alice's other tab"),
    ),
    Case(
        "two-openings",
        "a caller that has opened its nonce still takes another answer",
        "the caller's state is spent before the first byte of the opening exists",
        ("kex.5-1", "kex.6-1"),
        frozenset({"ApiMisuse kex.6-1"}),
        2,
        two_openings.weak,
        two_openings.real,
    ),
    Case(
        "half-open",
        "a callee answers the same offer anew, as often as it comes",
        "the same offer gets the same answer, and one ring answers three offers at most",
        ("kex.6-5", "kex.9-1"),
        frozenset({"PeerMisbehaved kex.9-1", "PeerMisbehaved kex.6-5", "VerificationFailed kex.6-3"}),
        2,
        half_open.weak,
        half_open.real,
    ),
)

CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _CASES})
