"""RFC 8032 §5.1, Ed25519 over Python's whole numbers, double and add; a few milliseconds for a signature.

Keys are held to more than RFC 8032 asks for: a canonical point of the prime-order subgroup.
"""

from __future__ import annotations

import hashlib
from functools import cache

from e2ecall.audit.oracle.refused import Refused

__all__ = ["check_public_key", "public_key", "sign", "verify"]

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]
"""(X, Y, Z, T) with x = X/Z, y = Y/Z and x y = T/Z."""

NEUTRAL: Point = (0, 1, 1, 0)


def add(one: Point, other: Point) -> Point:
    """RFC 8032 §5.1.4, which holds for any two points, equal ones too."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    """The point added to itself `scalar` times."""
    result = NEUTRAL
    while scalar:
        if scalar % 2:
            result = add(result, point)
        point = add(point, point)
        scalar //= 2
    return result


def encode_point(point: Point) -> bytes:
    """RFC 8032 §5.1.2: y, little-endian, and the lowest bit of x in the highest bit."""
    x, y = (part * pow(point[2], -1, P) % P for part in point[:2])
    return (y + (x % 2 << 255)).to_bytes(32, "little")


def decode_point(data: bytes) -> Point:
    """RFC 8032 §5.1.3; ValueError where there is no such point, or where it has another encoding."""
    if len(data) != 32:
        raise ValueError("a point has 32 bytes")
    number = int.from_bytes(data, "little")
    sign_of_x, y = divmod(number, 2**255)
    if y >= P:
        raise ValueError("y is not below p")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if x * x % P != square:
        raise ValueError("no x belongs to this y")
    if x == 0 and sign_of_x:
        raise ValueError("the zero has no sign")
    if x % 2 != sign_of_x:
        x = P - x
    return x, y, 1, x * y % P


BASE = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def _number(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def _expand(seed: bytes) -> tuple[int, bytes]:
    """RFC 8032 §5.1.5: the secret scalar and the prefix."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar % 2**254 // 8 * 8 + 2**254, digest[32:]


@cache
def public_key(seed: bytes) -> bytes:
    """RFC 8032 §5.1.5: the 32-byte key of a 32-byte seed."""
    return encode_point(multiply(_expand(seed)[0], BASE))


def sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032 §5.1.6: R || S, 64 bytes."""
    scalar, prefix = _expand(seed)
    r = _number(prefix, message) % L
    big_r = encode_point(multiply(r, BASE))
    k = _number(big_r, public_key(seed), message) % L
    return big_r + ((r + k * scalar) % L).to_bytes(32, "little")


@cache
def check_public_key(key: bytes, clause: str = "kex.7-3") -> Point:
    """The point of a key of full order; Refused (misbehaved) for any other bytes."""
    try:
        point = decode_point(key)
    except ValueError as error:
        raise Refused("misbehaved", clause, str(error)) from None
    neutral = encode_point(NEUTRAL)
    if key == neutral or encode_point(multiply(L, point)) != neutral:
        raise Refused("misbehaved", clause, "the point is not of the prime order")
    return point


def verify(key: bytes, message: bytes, signature: bytes, clause: str) -> None:
    """RFC 8032 §5.1.7: Refused (verification), unless S is below L, R exactly [S]B - [k]A, and not of small order."""
    point = check_public_key(key)
    big_r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        raise Refused("verification", clause, "the signature is no pair of a point and a number below L")
    k = _number(big_r, key, message) % L
    minus_a = -point[0], point[1], point[2], -point[3]
    if encode_point(add(multiply(s, BASE), multiply(k, minus_a))) != big_r:
        raise Refused("verification", clause, "the signature does not hold")
    if encode_point(multiply(8, decode_point(big_r))) == encode_point(multiply(0, BASE)):
        raise Refused("verification", clause, "R is of small order")
