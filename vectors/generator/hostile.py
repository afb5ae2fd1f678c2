"""What hostile sides send: cut and spoilt messages, points of small order, forged signatures under such points."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.ed25519 import BASE, L, Point, add, decode_point, encode_point, multiply
from e2ecall.audit.oracle.ed25519 import P as FIELD

__all__ = [
    "SMALL_ORDER_ED25519",
    "SMALL_ORDER_X25519",
    "broken_heads",
    "cuts",
    "forged",
    "mixed_order",
    "other_s",
    "patched",
]

ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
"""u of the points of order 8 (RFC 7748 §6.1 speaks of them; the values are Bernstein's)."""

SMALL_ORDER_X25519 = tuple(
    (f"{name}{', last bit set' if bit else ''}", (u + bit * 2**255).to_bytes(32, "little"))
    for bit in (0, 1)
    for name, u in (
        ("0", 0),
        ("1", 1),
        ("order 8, the smaller", ORDER_8[0]),
        ("order 8, the larger", ORDER_8[1]),
        ("p - 1", FIELD - 1),
        ("p", FIELD),
        ("p + 1", FIELD + 1),
    )
)
"""Every encoding of a u whose multiple by 8 is zero."""


def _torsion() -> list[Point]:
    """The eight points of small order, from one of order 8."""
    generator = decode_point(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
    return [multiply(number, generator) for number in range(1, 9)]


def _y(y: int, sign: int) -> bytes:
    return (y + sign * 2**255).to_bytes(32, "little")


SMALL_ORDER_ED25519 = (
    *(
        (f"order {order}", encode_point(point))
        for order, point in zip((8, 4, 8, 2, 8, 4, 8, 1), _torsion(), strict=True)
    ),
    ("order 1, a sign at zero", _y(1, 1)),
    ("order 2, a sign at zero", _y(FIELD - 1, 1)),
    ("order 4, y = p", _y(FIELD, 0)),
    ("order 4, y = p, the other sign", _y(FIELD, 1)),
    ("order 1, y = p + 1", _y(FIELD + 1, 0)),
    ("order 1, y = p + 1, a sign at zero", _y(FIELD + 1, 1)),
)
"""The eight points of small order, and every other encoding that lenient readers take for one of them."""


def mixed_order(seed: bytes) -> bytes:
    """The public key of the seed with a point of order 8 added."""
    return encode_point(add(decode_point(ed25519.public_key(seed)), _torsion()[0]))


def forged(key: bytes, message: bytes, seed: bytes | None = None) -> bytes:
    """A signature that verifies under a key with a part of small order, where nobody looks at the key.

    `seed` gives the part of full order, if there is one. R is [r]B for the first r for which [k] of the small part
    is nothing.
    """
    secret = 0 if seed is None else _secret(seed)
    r = 0
    while True:
        r += 1
        big_r = encode_point(multiply(r, BASE))
        k = ed25519._number(big_r, key, message) % L
        if k % 8 == 0:
            return big_r + ((r + k * secret) % L).to_bytes(32, "little")


def _secret(seed: bytes) -> int:
    return ed25519._expand(seed)[0]


def other_s(signature: bytes) -> bytes:
    """The same signature with L added to S, which a lenient verifier takes."""
    return signature[:32] + (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The data with `new` over what stood there."""
    return data[:at] + new + data[at + len(new) :]


def cuts(data: bytes, *fields: int) -> Iterator[tuple[str, bytes]]:
    """The data cut in the middle and at the end of each of its fields, which have these lengths, and continued."""
    lengths = {0}
    end = 0
    for field in fields:
        lengths |= {end + field // 2, end + field}
        end += field
    for length in sorted(length for length in lengths if length < len(data)):
        yield f"cut to {length} bytes", data[:length]
    yield "one byte more", data + b"\0"
    yield "twice", data + data


def broken_heads(data: bytes, kind: int) -> Iterator[tuple[str, str, str, bytes]]:
    """(name, layer, clause, bytes): other versions, and types that are not known or not expected."""
    for version in (0, 2, 255):
        yield f"version {version}", "incompatible", "kex.2-1", patched(data, 0, bytes([version]))
    yield "version 2 and nothing else", "incompatible", "kex.2-1", b"\2"
    for other in (0, 6, 255):
        yield f"type {other}", "malformed", "kex.2-2", patched(data, 1, bytes([other]))
    for other in (1, 2, 3, 4, 5):
        if other != kind:
            yield f"type {other}", "misbehaved", "kex.2-6", patched(data, 1, bytes([other]))
