"""FIPS 203, ML-KEM-768 over lists of whole numbers: 256 coefficients modulo 3329, k = 3.

Section and algorithm numbers are those of FIPS 203. Nothing here takes the same time for different secrets.
"""

from __future__ import annotations

import hashlib

from e2ecall.audit.oracle.refused import Refused

__all__ = ["CT_LENGTH", "EK_LENGTH", "check_encapsulation_key", "decapsulate", "encapsulate", "key_pair"]

Q = 3329
K = 3
DU, DV = 10, 4
EK_LENGTH = 384 * K + 32
CT_LENGTH = 32 * (DU * K + DV)

Poly = list[int]
Vector = list[Poly]


def _reverse7(number: int) -> int:
    """§4.3: the seven bits of a number in the other order."""
    return int(f"{number:07b}"[::-1], 2)


ZETAS = [pow(17, _reverse7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reverse7(i) + 1, Q) for i in range(128)]


def _g(data: bytes) -> tuple[bytes, bytes]:
    digest = hashlib.sha3_512(data).digest()
    return digest[:32], digest[32:]


def _h(data: bytes) -> bytes:
    return hashlib.sha3_256(data).digest()


def _j(data: bytes) -> bytes:
    return hashlib.shake_256(data).digest(32)


def _bits(data: bytes) -> list[int]:
    """Algorithm 4, BytesToBits."""
    return [byte >> bit & 1 for byte in data for bit in range(8)]


def _encode(poly: Poly, width: int) -> bytes:
    """Algorithm 5, ByteEncode."""
    number = sum(value << (width * i) for i, value in enumerate(poly))
    return number.to_bytes(32 * width, "little")


def _decode(data: bytes, width: int) -> Poly:
    """Algorithm 6, ByteDecode, without the reduction modulo q for 12 bits."""
    number = int.from_bytes(data, "little")
    return [number >> (width * i) & ((1 << width) - 1) for i in range(256)]


def _compress(poly: Poly, width: int) -> Poly:
    """§4.2.1: 2^d / q times the value, rounded (half upwards), modulo 2^d."""
    return [(2 * value * 2**width + Q) // (2 * Q) % 2**width for value in poly]


def _decompress(poly: Poly, width: int) -> Poly:
    """§4.2.1: q / 2^d times the value, rounded."""
    return [(2 * value * Q + 2**width) // 2 ** (width + 1) for value in poly]


def _sample_ntt(seed: bytes) -> Poly:
    """Algorithm 7, SampleNTT: 12-bit pieces of SHAKE-128 that are below q."""
    length = 840
    while True:
        stream = hashlib.shake_128(seed).digest(length)
        pieces: list[int] = []
        for one, two, three in zip(stream[::3], stream[1::3], stream[2::3], strict=True):
            pieces += [one + 256 * (two % 16), two // 16 + 16 * three]
        found = [piece for piece in pieces if piece < Q]
        if len(found) >= 256:
            return found[:256]
        length += 168 * 3


def _sample_cbd(secret: bytes, number: int) -> Poly:
    """Algorithm 8, SamplePolyCBD, of PRF (4.3) with η = 2."""
    bits = _bits(hashlib.shake_256(secret + bytes([number])).digest(128))
    return [(sum(bits[4 * i : 4 * i + 2]) - sum(bits[4 * i + 2 : 4 * i + 4])) % Q for i in range(256)]


def _ntt(poly: Poly) -> Poly:
    """Algorithm 9."""
    f, i, length = list(poly), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length], f[j] = (f[j] - t) % Q, (f[j] + t) % Q
        length //= 2
    return f


def _inverse_ntt(poly: Poly) -> Poly:
    """Algorithm 10; 3303 is the inverse of 128."""
    f, i, length = list(poly), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, zeta * (f[j + length] - t) % Q
        length *= 2
    return [value * 3303 % Q for value in f]


def _times(f: Poly, g: Poly) -> Poly:
    """Algorithm 11, MultiplyNTTs."""
    product: Poly = []
    for i, gamma in enumerate(GAMMAS):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        product += [(a0 * b0 + a1 * b1 * gamma) % Q, (a0 * b1 + a1 * b0) % Q]
    return product


def _sum(*polys: Poly) -> Poly:
    return [sum(values) % Q for values in zip(*polys, strict=True)]


def _dot(f: Vector, g: Vector) -> Poly:
    """§2.4.7: the product of a row and a column, in the NTT's form."""
    return _sum(*(_times(one, other) for one, other in zip(f, g, strict=True)))


def _matrix(rho: bytes) -> list[Vector]:
    """Algorithm 13, lines 3 to 7: row i, column j is SampleNTT(ρ || j || i)."""
    return [[_sample_ntt(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


def _columns(matrix: list[Vector]) -> list[Vector]:
    return [list(column) for column in zip(*matrix, strict=True)]


def _vector(data: bytes, width: int) -> Vector:
    return [_decode(data[32 * width * i : 32 * width * (i + 1)], width) for i in range(K)]


def key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Algorithm 16, KeyGen_internal, of d || z (64 bytes): (ek, dk)."""
    d, z = seed[:32], seed[32:]
    rho, sigma = _g(d + bytes([K]))
    s = [_ntt(_sample_cbd(sigma, i)) for i in range(K)]
    e = [_ntt(_sample_cbd(sigma, K + i)) for i in range(K)]
    t = [_sum(_dot(row, s), error) for row, error in zip(_matrix(rho), e, strict=True)]
    ek = b"".join(_encode(poly, 12) for poly in t) + rho
    dk_pke = b"".join(_encode(poly, 12) for poly in s)
    return ek, dk_pke + ek + _h(ek) + z


def check_encapsulation_key(ek: bytes) -> None:
    """§7.2, modulus check, and kex.7-2: Refused (misbehaved) where a coefficient is 3329 or more."""
    if any(value >= Q for poly in _vector(ek[: 384 * K], 12) for value in poly):
        raise Refused("misbehaved", "kex.7-2", "a coefficient of the encapsulation key is not below q")


def _encrypt(ek: bytes, message: bytes, randomness: bytes) -> bytes:
    """Algorithm 14, K-PKE.Encrypt."""
    t, rho = _vector(ek[: 384 * K], 12), ek[384 * K :]
    y = [_ntt(_sample_cbd(randomness, i)) for i in range(K)]
    e1 = [_sample_cbd(randomness, K + i) for i in range(K)]
    e2 = _sample_cbd(randomness, 2 * K)
    columns = _columns(_matrix(rho))
    u = [_sum(_inverse_ntt(_dot(column, y)), error) for column, error in zip(columns, e1, strict=True)]
    v = _sum(_inverse_ntt(_dot(t, y)), e2, _decompress(_bits(message), 1))
    return b"".join(_encode(_compress(poly, DU), DU) for poly in u) + _encode(_compress(v, DV), DV)


def _decrypt(dk_pke: bytes, ct: bytes) -> bytes:
    """Algorithm 15, K-PKE.Decrypt."""
    u = [_decompress(poly, DU) for poly in _vector(ct[: 32 * DU * K], DU)]
    v = _decompress(_decode(ct[32 * DU * K :], DV), DV)
    masked = _inverse_ntt(_dot(_vector(dk_pke, 12), [_ntt(poly) for poly in u]))
    return _encode(_compress([(a - b) % Q for a, b in zip(v, masked, strict=True)], 1), 1)


def encapsulate(ek: bytes, m: bytes) -> tuple[bytes, bytes]:
    """Algorithm 17, Encaps_internal, with the 32 bytes m given: (ct, ss)."""
    check_encapsulation_key(ek)
    shared, randomness = _g(m + _h(ek))
    return _encrypt(ek, m, randomness), shared


def decapsulate(dk: bytes, ct: bytes) -> bytes:
    """Algorithm 18, Decaps_internal: the shared secret, or what implicit rejection puts in its place."""
    dk_pke, ek, h, z = dk[: 384 * K], dk[384 * K : 768 * K + 32], dk[768 * K + 32 : 768 * K + 64], dk[768 * K + 64 :]
    m = _decrypt(dk_pke, ct)
    shared, randomness = _g(m + h)
    return shared if _encrypt(ek, m, randomness) == ct else _j(z + ct)
