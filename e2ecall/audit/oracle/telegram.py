"""Telegram's exchange and packets, from the chapter alone, with `pow` and single AES blocks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from e2ecall.audit.oracle.aead import aes_block
from e2ecall.audit.oracle.refused import Refused

__all__ = [
    "check_group",
    "check_public",
    "commitment",
    "emoji_hash",
    "fingerprint",
    "messages",
    "open_packet",
    "public_value",
    "seal_packet",
    "shared_key",
]

_FITS: dict[int, Callable[[int], bool]] = {
    2: lambda p: p % 8 == 7,
    3: lambda p: p % 3 == 2,
    4: lambda p: True,
    5: lambda p: p % 5 == 1 or p % 5 == 4,
    6: lambda p: p % 24 == 19 or p % 24 == 23,
    7: lambda p: p % 7 == 3 or p % 7 == 5 or p % 7 == 6,
}


def check_group(p: bytes, g: int) -> None:
    """telegram.1-1, telegram.1-2. Euler's criterion to many bases: fit for p that nobody chose against it."""
    number = int.from_bytes(p, "big")
    if len(bin(number)) - 2 != 2048:
        raise Refused("misbehaved", "telegram.1-1", "not 2048 bits")
    if g not in _FITS or not _FITS[g](number):
        raise Refused("misbehaved", "telegram.1-2", "g does not fit")
    for candidate in (number, (number - 1) // 2):
        for _ in range(8):
            base = random.randrange(2, candidate - 1)
            if candidate % 2 == 0 or pow(base, (candidate - 1) // 2, candidate) not in (1, candidate - 1):
                raise Refused("misbehaved", "telegram.1-1", "not prime")


def check_public(p: bytes, value: bytes) -> None:
    """telegram.1-4."""
    if len(value) == 0 or len(value) > 256:
        raise Refused("malformed", "telegram.1-4", "length")
    number = int.from_bytes(value, "big")
    if number < 2**1984 or number > int.from_bytes(p, "big") - 2**1984:
        raise Refused("misbehaved", "telegram.1-4", "range")


def public_value(p: bytes, g: int, secret: bytes) -> bytes:
    """telegram.1-3, as 256 bytes."""
    return pow(g, int.from_bytes(secret, "big"), int.from_bytes(p, "big")).to_bytes(256, "big")


def shared_key(p: bytes, g: int, secret: bytes, peer: bytes) -> bytes:
    """telegram.2-6."""
    check_public(p, peer)
    if int.from_bytes(peer, "big") == int.from_bytes(public_value(p, g, secret), "big"):
        raise Refused("misbehaved", "telegram.2-7", "the own value")
    return public_value(p, int.from_bytes(peer, "big"), secret)


def fingerprint(key: bytes) -> int:
    """telegram.2-6."""
    unsigned = 0
    for place, byte in enumerate(hashlib.sha1(key, usedforsecurity=False).digest()[12:20]):
        unsigned += byte << (8 * place)
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned


def commitment(g_a: bytes) -> bytes:
    """telegram.2-1."""
    return hashlib.sha256(g_a).digest()


def emoji_hash(key: bytes, g_a: bytes) -> bytes:
    """telegram.3-1."""
    return hashlib.sha256(key + g_a).digest()


def _x(*, outgoing: bool, signalling: bool) -> int:
    return {(True, False): 0, (False, False): 8, (True, True): 128, (False, True): 136}[outgoing, signalling]


def _stream(key: bytes, x: int, msg_key: bytes, data: bytes) -> bytes:
    a = hashlib.sha256(msg_key + key[x : x + 36]).digest()
    b = hashlib.sha256(key[40 + x : 76 + x] + msg_key).digest()
    aes_key = a[0:8] + b[8:24] + a[24:32]
    counter = int.from_bytes(b[0:4] + a[8:16] + b[24:28], "big")
    output = b""
    for at in range(0, len(data), 16):
        block = aes_block(aes_key, (counter % 2**128).to_bytes(16, "big"))
        output += bytes(left ^ right for left, right in zip(data[at : at + 16], block, strict=False))
        counter += 1
    return output


def _msg_key(key: bytes, x: int, body: bytes) -> bytes:
    return hashlib.sha256(key[88 + x : 120 + x] + body).digest()[8:24]


def seal_packet(key: bytes, body: bytes, *, outgoing: bool, signalling: bool) -> bytes:
    """telegram.4-1; `outgoing` for a packet of the caller."""
    if len(body) < 5 or len(body) > 131056:
        raise Refused("misuse", "telegram.4-3", "length")
    x = _x(outgoing=outgoing, signalling=signalling)
    msg_key = _msg_key(key, x, body)
    return msg_key + _stream(key, x, msg_key, body)


def open_packet(key: bytes, packet: bytes, *, outgoing: bool, signalling: bool) -> bytes:
    """telegram.4-3; `outgoing` for a packet of the caller."""
    if len(packet) < 21 or len(packet) > 131072:
        raise Refused("malformed", "telegram.4-3", "length")
    x = _x(outgoing=outgoing, signalling=signalling)
    body = _stream(key, x, packet[:16], packet[16:])
    if _msg_key(key, x, body) != packet[:16]:
        raise Refused("verification", "telegram.4-3", "msg_key")
    return body


def messages(body: bytes) -> list[tuple[int, int, bytes]]:
    """telegram.4-4, telegram.4-7: (sequence number, type, payload) of each message of a body."""
    found: list[tuple[int, int, bytes]] = []
    rest = body
    while rest:
        if len(rest) < 5:
            raise Refused("malformed", "telegram.4-7", "a rest")
        seq, kind, rest = int.from_bytes(rest[:4], "big"), rest[4], rest[5:]
        payload = b""
        if kind == 0x7F:
            length = int.from_bytes(rest[:4], "big")
            if len(rest) < 4 or len(rest) - 4 < length:
                raise Refused("malformed", "telegram.4-7", "too long")
            payload, rest = rest[4 : 4 + length], rest[4 + length :]
        elif kind == 0xFE and found:
            raise Refused("malformed", "telegram.4-7", "empty, and not the first")
        elif kind == 0xFF and not found:
            raise Refused("malformed", "telegram.4-7", "an acknowledgement first")
        elif kind not in (0xFE, 0xFF):
            raise Refused("malformed", "telegram.4-7", "type")
        if seq >= 2**31 and (found or rest):
            raise Refused("malformed", "telegram.4-7", "not single")
        found.append((seq, kind, payload))
    return found
