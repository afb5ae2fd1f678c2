"""Attacks on the exchange that run: on a design that leaves one rule out, where they succeed, and on the real one.

    no-commit            no commitment: two lists of nonces until the same four emoji show on both sides
    copied-commitment    a commitment that belongs to nobody, and emoji over the nonces alone
    late-ciphertext      the KEM ciphertext comes after the opening
    reflected-identity   two sessions of one device finish with each other
    two-openings         a state that is used twice
    half-open            an answer for everybody who asks, again and again

Each module has `weak` and `real`: functions of a `Watch`, which counts and says when to stop, and of the attacker's and
the devices' randomness. `real` attacks the states of `e2ecall.handshake` and `e2ecall.call` themselves.
"""

from e2ecall.audit.attacks.cases import CASES, MOST, Case
from e2ecall.audit.attacks.result import FOUR, Progress, Result, Target

__all__ = ["CASES", "FOUR", "MOST", "Case", "Progress", "Result", "Target"]
