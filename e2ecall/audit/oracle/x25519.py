"""RFC 7748 §5, X25519 over Python's whole numbers: the ladder, a bit at a time."""

from __future__ import annotations

from e2ecall.audit.oracle.refused import Refused

__all__ = ["BASE_POINT", "exchange", "multiply", "public_key"]

P = 2**255 - 19
A24 = 121665
BASE_POINT = (9).to_bytes(32, "little")


def _scalar(data: bytes) -> int:
    """RFC 7748 §5, decodeScalar25519: a multiple of 8 in 2^254..2^255-1."""
    number = int.from_bytes(data, "little")
    return number % 2**254 // 8 * 8 + 2**254


def multiply(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748 §5, X25519(k, u) of 32 bytes each; the highest bit of u is not looked at."""
    k = _scalar(scalar)
    x1 = int.from_bytes(point, "little") % 2**255 % P
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in range(254, -1, -1):
        if k >> bit & 1:
            x3, z3, x2, z2 = _step(x1, x3, z3, x2, z2)
        else:
            x2, z2, x3, z3 = _step(x1, x2, z2, x3, z3)
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def _step(x1: int, x2: int, z2: int, x3: int, z3: int) -> tuple[int, int, int, int]:
    """RFC 7748 §5: the first point doubled, and the sum of the two, whose difference is x1."""
    a, b = x2 + z2, x2 - z2
    aa, bb = a * a % P, b * b % P
    e = aa - bb
    da, cb = (x3 - z3) * a % P, (x3 + z3) * b % P
    return aa * bb % P, e * (aa + A24 * e) % P, (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P


def public_key(private: bytes) -> bytes:
    """RFC 7748 §6.1: X25519(private, 9)."""
    return multiply(private, BASE_POINT)


def exchange(private: bytes, peer: bytes) -> bytes:
    """kex.7-1: the 32 bytes that both sides share; Refused (misbehaved) where they are all zero."""
    shared = multiply(private, peer)
    if not any(shared):
        raise Refused("misbehaved", "kex.7-1", "the shared secret is zero: the point is of small order")
    return shared
