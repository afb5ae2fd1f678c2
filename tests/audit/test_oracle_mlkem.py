"""ML-KEM-768 of the oracle against the library's: keys, both directions, implicit rejection, keys not taken."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey

from e2ecall.audit.oracle import mlkem
from e2ecall.audit.oracle.refused import Refused
from e2ecall.crypto.mlkem import check_encapsulation_key
from e2ecall.errors import PeerMisbehaved

SEEDS = [bytes(64), b"\xff" * 64, *(random.Random(number).randbytes(64) for number in range(12))]


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_both_directions(seed):
    """FIPS 203 §7: the library's key pair of the same seed, and each opens what the other sealed."""
    private = MLKEM768PrivateKey.from_seed_bytes(seed)
    public = private.public_key()
    ek, dk = mlkem.key_pair(seed)
    assert ek == public.public_bytes_raw()
    assert len(ek) == mlkem.EK_LENGTH
    assert len(dk) == 2400
    mlkem.check_encapsulation_key(ek)
    for m in (bytes(32), b"\xff" * 32, seed[16:48]):
        ct, shared = mlkem.encapsulate(ek, m)
        assert len(ct) == mlkem.CT_LENGTH
        assert private.decapsulate(ct) == shared == mlkem.decapsulate(dk, ct)
    shared, ct = public.encapsulate()
    assert mlkem.decapsulate(dk, ct) == shared


@pytest.mark.parametrize("at", [0, 500, 959, 960, 1087])
def test_implicit_rejection(at):
    """FIPS 203 §6.3: a spoilt ciphertext gives J(z || ct), the same on both sides."""
    seed = SEEDS[3]
    ek, dk = mlkem.key_pair(seed)
    ct, shared = mlkem.encapsulate(ek, bytes(32))
    spoilt = ct[:at] + bytes([ct[at] ^ 1]) + ct[at + 1 :]
    other = mlkem.decapsulate(dk, spoilt)
    assert other == MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(spoilt)
    assert other != shared


def test_any_ciphertext_is_decapsulated_alike():
    draw = random.Random("ciphertexts")
    seed = SEEDS[4]
    _, dk = mlkem.key_pair(seed)
    private = MLKEM768PrivateKey.from_seed_bytes(seed)
    for ct in (bytes(1088), b"\xff" * 1088, *(draw.randbytes(1088) for _ in range(4))):
        assert mlkem.decapsulate(dk, ct) == private.decapsulate(ct)


@pytest.mark.clause("kex.7-2")
def test_keys_that_are_not_canonical():
    """FIPS 203 §7.2, modulus check: both refuse 3329 at any place, and both take 3328."""
    ek, _ = mlkem.key_pair(SEEDS[5])
    for number in (0, 1, 255, 256, 511, 766, 767):
        for value, refused in ((3328, False), (3329, True), (4095, True)):
            at, shift = number // 2 * 3, number % 2 * 12
            pair = int.from_bytes(ek[at : at + 3], "little") & ~(0xFFF << shift) | value << shift
            other = ek[:at] + pair.to_bytes(3, "little") + ek[at + 3 :]
            if not refused:
                mlkem.check_encapsulation_key(other)
                check_encapsulation_key(other, clause="kex.7-2")
                continue
            with pytest.raises(Refused) as slow:
                mlkem.encapsulate(other, bytes(32))
            with pytest.raises(PeerMisbehaved) as fast:
                check_encapsulation_key(other, clause="kex.7-2")
            assert (slow.value.layer, slow.value.clause) == ("misbehaved", fast.value.clause)


def test_the_transform_and_its_inverse():
    """FIPS 203 §4.3: one undoes the other, and products are those of polynomials modulo X^256 + 1."""
    draw = random.Random("polynomials")
    f, g = ([draw.randrange(mlkem.Q) for _ in range(256)] for _ in range(2))
    assert mlkem._inverse_ntt(mlkem._ntt(f)) == f
    product = [0] * 256
    for i, a in enumerate(f):
        for j, b in enumerate(g):
            sign = 1 if i + j < 256 else -1
            product[(i + j) % 256] = (product[(i + j) % 256] + sign * a * b) % mlkem.Q
    assert mlkem._inverse_ntt(mlkem._times(mlkem._ntt(f), mlkem._ntt(g))) == product
