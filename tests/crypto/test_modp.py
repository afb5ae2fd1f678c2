"""Exponentiation modulo a prime: the same numbers as Python's own, whatever the blinding is; and what is a prime."""

import random

import pytest

from e2ecall.crypto.modp import ModpKey, is_probable_prime
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, PeerMisbehaved
from e2ecall.handshake.telegram.params import KNOWN_PRIME

RNG = SystemRng()
SAFE = 1019  # 2 * 509 + 1, and 509 is prime


class Recorded:
    """Draws from the system, and keeps the names."""

    def __init__(self):
        self.names = []

    def draw(self, name, length):
        self.names.append(name)
        return RNG.draw(name, length)


class Fixed:
    """The same byte again and again."""

    def __init__(self, byte):
        self.byte = byte

    def draw(self, name, length):
        del name
        return bytes([self.byte]) * length


@pytest.mark.parametrize("p", [SAFE, KNOWN_PRIME])
def test_the_same_number_as_pow(p):
    source = random.Random(5)
    for _ in range(3):
        secret = source.randbytes(256)
        x = int.from_bytes(secret, "big")
        peer = source.randrange(2, p - 1)
        key = ModpKey(p, 2, secret, RNG)
        assert key.public == pow(2, x, p)
        assert key.exchange(peer, RNG) == pow(peer, x, p)


@pytest.mark.parametrize("secret", [bytes(256), bytes(255) + b"\x01", b"\xff" * 256])
@pytest.mark.parametrize("blinding", [Fixed(0), Fixed(255), RNG])
def test_the_edges_of_exponents_and_of_blinding(secret, blinding):
    x = int.from_bytes(secret, "big")
    key = ModpKey(KNOWN_PRIME, 3, secret, blinding)
    assert key.public == pow(3, x, KNOWN_PRIME)
    assert key.exchange(KNOWN_PRIME - 7, blinding) == pow(KNOWN_PRIME - 7, x, KNOWN_PRIME)


def test_every_exponentiation_draws_its_own_blinding():
    rng = Recorded()
    key = ModpKey(SAFE, 2, b"\x07", rng)
    key.exchange(5, rng)
    exponent, base = "telegram exponent blinding", "telegram base blinding"
    assert rng.names == [exponent, base, exponent]


@pytest.mark.parametrize("peer", [0, SAFE, 3 * SAFE])
def test_a_multiple_of_p_has_no_inverse(peer):
    with pytest.raises(PeerMisbehaved):
        ModpKey(SAFE, 2, b"\x07", RNG).exchange(peer, RNG)


def test_a_wiped_key_is_not_used_again():
    key = ModpKey(SAFE, 2, b"\x07", RNG)
    key.wipe()
    with pytest.raises(ApiMisuse):
        key.exchange(5, RNG)


def test_primes_up_to_a_thousand():
    primes = [n for n in range(1000) if n > 1 and all(n % d for d in range(2, n))]
    assert [n for n in range(1000) if is_probable_prime(n, RNG)] == primes


@pytest.mark.parametrize("n", [2**61 - 1, 2**127 - 1, KNOWN_PRIME])
def test_large_primes(n):
    assert is_probable_prime(n, RNG)


@pytest.mark.parametrize(
    "n",
    [
        -7,
        3215031751,  # a strong pseudoprime to the bases 2, 3, 5 and 7
        3825123056546413051,  # … to the first nine primes
        318665857834031151167461,  # … to the first twelve primes
        (2**61 - 1) * (2**89 - 1),
        (2**61 - 1) ** 2,
        1590231231043178376951698401,  # a Carmichael number without small factors
    ],
)
def test_composites_that_pass_weaker_tests(n):
    assert not is_probable_prime(n, RNG)
