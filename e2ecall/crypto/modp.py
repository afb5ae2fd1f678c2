"""Diffie-Hellman modulo a safe prime, on Python's integers: Telegram's group, which no maintained library offers.

What is done about timing: the exponent is walked in windows of five bits, one table entry each, whatever its bits are;
it is blinded by a random multiple of p-1, and the peer's value by a random power of g, so that neither is the number
that the processor sees. What is not: Python's integers take time and memory by their size, and are neither constant in
time nor wiped. An attacker who measures on the same machine is outside of what this can hold off.

An exponentiation takes about as long as `pow`, 20 ms of 2048 bits; it is made of short steps, so that other threads
run meanwhile. Callers with an event loop give it to a thread.
"""

from __future__ import annotations

from typing import Final

from e2ecall.crypto.rng import Rng
from e2ecall.errors import PeerMisbehaved
from e2ecall.secret import SecretBytes

__all__ = ["ModpKey", "is_probable_prime"]

_WINDOW: Final = 5
_BLIND: Final = 8  # bytes: of the multiple of p-1, and of the power of g
_ROUNDS: Final = 40  # of Miller and Rabin
_SMALL_PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


class ModpKey:
    """One secret exponent and its `public` value g^x mod p, a number. `g` generates what `p`, a safe prime, allows."""

    __slots__ = ("_g", "_p", "_secret", "public")

    def __init__(self, p: int, g: int, secret: bytes, rng: Rng) -> None:
        self._p, self._g = p, g
        self._secret = SecretBytes(secret)
        self.public = _power(g, self._blinded(rng), p)

    def exchange(self, peer: int, rng: Rng) -> int:
        """`peer`^x mod p, for 0 < peer < p that the caller has checked; PeerMisbehaved for a multiple of p."""
        p = self._p
        if not peer % p:
            raise PeerMisbehaved("the public value is no element of the group", clause="telegram.1-4")
        blind = int.from_bytes(rng.draw("telegram base blinding", _BLIND), "big")
        blinded = peer * _power(self._g, blind, p) % p
        return _power(blinded, self._blinded(rng), p) * pow(_power(self.public, blind, p), -1, p) % p

    def wipe(self) -> None:
        """Forget the exponent; ApiMisuse for every later exchange."""
        self._secret.wipe()

    def _blinded(self, rng: Rng) -> int:
        blind = int.from_bytes(rng.draw("telegram exponent blinding", _BLIND), "big")
        return int.from_bytes(self._secret.expose(), "big") + blind * (self._p - 1)


def is_probable_prime(n: int, rng: Rng) -> bool:
    """Miller and Rabin with random bases: wrong for a composite with 4^-40 at most, whoever chose it."""
    if n < 2 or any(n % small == 0 for small in _SMALL_PRIMES):
        return n in _SMALL_PRIMES
    twos = ((n - 1) & -(n - 1)).bit_length() - 1
    odd = (n - 1) >> twos
    length = (n.bit_length() + 7) // 8 + 8
    for attempt in range(_ROUNDS):
        base = 2 + int.from_bytes(rng.draw(f"primality base {attempt}", length), "big") % (n - 3)
        value = pow(base, odd, n)
        if value in (1, n - 1):
            continue
        for _ in range(twos - 1):
            value = value * value % n
            if value == n - 1:
                break
        else:
            return False
    return True


def _power(base: int, exponent: int, p: int) -> int:
    """base^exponent mod p, in steps that do not depend on the exponent's bits but on its length."""
    table = [1, base % p]
    for _ in range(2, 1 << _WINDOW):
        table.append(table[-1] * table[1] % p)
    mask = (1 << _WINDOW) - 1
    value = 1
    for place in range((exponent.bit_length() + _WINDOW - 1) // _WINDOW * _WINDOW, 0, -_WINDOW):
        for _ in range(_WINDOW):
            value = value * value % p
        value = value * table[(exponent >> (place - _WINDOW)) & mask] % p
    return value
