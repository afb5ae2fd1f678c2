"""kex.3 and kex.8: the commitment, the transcripts, and every key, each as one line of the text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from e2ecall.audit.oracle.hashes import hkdf_expand, hkdf_extract

__all__ = [
    "Early",
    "Late",
    "Link",
    "commitment",
    "early",
    "expand",
    "extract",
    "h",
    "labelled",
    "late",
    "link",
    "lv",
    "transcript",
    "transcript2",
]


def h(data: bytes) -> bytes:
    """kex.1: SHA-256."""
    return hashlib.sha256(data).digest()


def lv(data: bytes) -> bytes:
    """kex.1: u32 length || data."""
    return len(data).to_bytes(4, "big") + data


def labelled(text: str) -> bytes:
    """The lv of a label of version 1."""
    return lv(b"e2ecall/1 " + text.encode("ascii"))


def extract(salt: bytes, ikm: bytes) -> bytes:
    """RFC 5869 with SHA-256."""
    return hkdf_extract("sha256", salt, ikm)


def expand(prk: bytes, label: str, context: bytes, length: int) -> bytes:
    """kex.3-4, kex.3-5: HKDF-Expand(prk, "e2ecall/1 " || label || context, length)."""
    return hkdf_expand("sha256", prk, b"e2ecall/1 " + label.encode("ascii") + context, length)


@dataclass(frozen=True, slots=True)
class Link:
    """kex.8.1: what comes of a link secret, for one call; without one, psk is zeros and the rest is empty."""

    prk: bytes
    psk: bytes
    psk_id: bytes
    room: bytes


def link(secret: bytes | None, call_id: bytes) -> Link:
    """kex.8.1, and the 32 zero bytes of kex.3-3."""
    if secret is None:
        return Link(b"", bytes(32), b"", b"")
    prk = extract(b"e2ecall/1 link", secret)
    psk, psk_id = expand(prk, "psk", b"", 32), expand(prk, "psk id", call_id, 16)
    return Link(prk, psk, psk_id, expand(prk, "room", b"", 16))


def commitment(m1: bytes, nonce_a: bytes) -> bytes:
    """kex.3-1; of m1 the last 32 bytes are not looked at."""
    return h(labelled("commit caller") + lv(m1[:-32]) + lv(nonce_a))


def transcript(m1: bytes, m2: bytes, nonce_a: bytes) -> bytes:
    """kex.3-2: th."""
    return h(labelled("th") + lv(m1) + lv(m2) + lv(nonce_a))


def transcript2(th: bytes, m3: bytes, m4: bytes) -> bytes:
    """kex.3-2: th2."""
    return h(labelled("th2") + th + lv(m3) + lv(m4))


@dataclass(frozen=True, slots=True)
class Early:
    """kex.3-3, kex.3-4: what comes of th."""

    hs: bytes
    th: bytes
    m3_key: bytes
    m3_iv: bytes
    m4_key: bytes
    m4_iv: bytes
    sas: bytes


def early(psk: bytes, ss_x25519: bytes, ss_mlkem: bytes, th: bytes) -> Early:
    """kex.3-3 and kex.3-4; ss_mlkem is empty in suite 2."""
    hs = extract(psk, ss_x25519 + ss_mlkem)
    m3_key, m3_iv = expand(hs, "m3 key", th, 32), expand(hs, "m3 iv", th, 12)
    m4_key, m4_iv = expand(hs, "m4 key", th, 32), expand(hs, "m4 iv", th, 12)
    return Early(hs, th, m3_key, m3_iv, m4_key, m4_iv, expand(hs, "sas", th, 32))


@dataclass(frozen=True, slots=True)
class Late:
    """kex.3-5: what comes of th2, the epoch's keys; after a rekey the same of th2'."""

    hs: bytes
    th2: bytes
    base_key: bytes
    caller_key: bytes
    caller_iv: bytes
    callee_key: bytes
    callee_iv: bytes
    chain: bytes


def late(hs: bytes, th2: bytes) -> Late:
    """kex.3-5."""
    base_key, chain = expand(hs, "frames", th2, 32), expand(hs, "chain", th2, 32)
    caller_key, caller_iv = expand(hs, "control caller key", th2, 32), expand(hs, "control caller iv", th2, 12)
    callee_key, callee_iv = expand(hs, "control callee key", th2, 32), expand(hs, "control callee iv", th2, 12)
    return Late(hs, th2, base_key, caller_key, caller_iv, callee_key, callee_iv, chain)
