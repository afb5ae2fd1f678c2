"""telegram.1: the group, as a server names it, and whether it may be used at all.

A group that was made to be weak gives the key to whoever made it, and no emoji show that; the server that hands out
`g` and `p` is the one whom the emoji are to catch. So everything is checked, each time, by the side that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from e2ecall.crypto.modp import is_probable_prime
from e2ecall.crypto.rng import Rng
from e2ecall.errors import MalformedMessage, PeerMisbehaved

__all__ = ["KNOWN_PRIME", "PUBLIC_LENGTH", "Group"]

PUBLIC_LENGTH: Final = 256
"""Bytes of the modulus, of a secret exponent, of a public value at most, and of a key."""
_BITS: Final = 8 * PUBLIC_LENGTH
_MARGIN: Final = 1 << (_BITS - 64)
KNOWN_PRIME: Final = int(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4db"
    "fa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64"
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b41"
    "0dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4"
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf"
    "6f4fadf034b10403119cd8e3b92fcc5b",
    16,
)
"""The safe prime of 2048 bits that Telegram's servers have named so far; its primality needs no second proof."""

_RULES: Final[Mapping[int, tuple[int, frozenset[int]]]] = {  # g: (modulus, the residues of p that it is valid for)
    2: (8, frozenset({7})),
    3: (3, frozenset({2})),
    4: (1, frozenset({0})),
    5: (5, frozenset({1, 4})),
    6: (24, frozenset({19, 23})),
    7: (7, frozenset({3, 5, 6})),
}


@dataclass(frozen=True, slots=True)
class Group:
    """telegram.1-1, telegram.1-2: a checked pair of `p` and `g`. Made by `check` alone."""

    p: int
    g: int

    @classmethod
    def known(cls, g: int = 3) -> Group:
        """The group of today's calls: the known prime, and 3 (4 and 7 are valid for it too)."""
        _check_generator(KNOWN_PRIME, g)
        return cls(KNOWN_PRIME, g)

    @classmethod
    def check(cls, p: bytes, g: int, rng: Rng) -> Group:
        """telegram.1-1, telegram.1-2: the group of a server's `p` (big-endian) and `g`, or PeerMisbehaved.

        Takes 2 s for a good prime that is not the known one: keep the result. `rng` draws the bases of the test.
        """
        modulus = int.from_bytes(p, "big")
        if modulus.bit_length() != _BITS:
            raise PeerMisbehaved(f"the modulus has {modulus.bit_length()} bits, not {_BITS}", clause="telegram.1-1")
        _check_generator(modulus, g)
        if modulus != KNOWN_PRIME and not (
            is_probable_prime(modulus // 2, rng) and modulus & 1 and is_probable_prime(modulus, rng)
        ):
            raise PeerMisbehaved("the modulus is no safe prime", clause="telegram.1-1")
        return cls(modulus, g)

    def element(self, value: bytes, *, what: str) -> int:
        """telegram.1-4: the public value in `value`, big-endian, 1 to 256 bytes.

        MalformedMessage for another length, PeerMisbehaved outside 2^1984 to p - 2^1984.
        """
        if not 1 <= len(value) <= PUBLIC_LENGTH:
            raise MalformedMessage(f"{what} has {len(value)} bytes", offset=0, path=what, clause="telegram.1-4")
        number = int.from_bytes(value, "big")
        if not _MARGIN <= number <= self.p - _MARGIN:
            raise PeerMisbehaved(f"{what} is too near to the edge of the group", clause="telegram.1-4")
        return number


def _check_generator(p: int, g: int) -> None:
    if g not in _RULES or isinstance(g, bool):
        raise PeerMisbehaved("g is none of 2 to 7", clause="telegram.1-2")
    modulus, residues = _RULES[g]
    if p % modulus not in residues:
        raise PeerMisbehaved(f"g = {g} does not generate the right subgroup of this modulus", clause="telegram.1-2")
