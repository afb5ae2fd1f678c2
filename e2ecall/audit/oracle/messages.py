"""kex.2 and kex.4: the messages of the exchange and TLV lists, written and read a byte after the other."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from e2ecall.audit.oracle.mlkem import CT_LENGTH, EK_LENGTH, check_encapsulation_key
from e2ecall.audit.oracle.refused import Refused

__all__ = [
    "ANSWER",
    "FINISH",
    "OFFER",
    "REVEAL",
    "Answer",
    "Bytes",
    "Offer",
    "Sealed",
    "read_answer",
    "read_fields",
    "read_offer",
    "read_sealed",
    "write_answer",
    "write_fields",
    "write_head",
    "write_offer",
]

OFFER, ANSWER, REVEAL, FINISH, ABORT = 1, 2, 3, 4, 5
CRITICAL = 0x8000


class Bytes:
    """Bytes that are taken from the front; too few of them is Refused (malformed, kex.2-2)."""

    def __init__(self, data: bytes, clause: str = "kex.2-2") -> None:
        self.left = data
        self.clause = clause

    def take(self, length: int) -> bytes:
        """The next bytes."""
        if len(self.left) < length:
            raise Refused("malformed", self.clause, f"{length} bytes wanted, {len(self.left)} left")
        taken, self.left = self.left[:length], self.left[length:]
        return taken

    def number(self, length: int) -> int:
        """The next bytes as a number."""
        return int.from_bytes(self.take(length), "big")

    def prefixed(self) -> bytes:
        """u16 length || that many bytes."""
        return self.take(self.number(2))

    def end(self) -> None:
        """Refused where something is left."""
        if self.left:
            raise Refused("malformed", self.clause, f"{len(self.left)} bytes too many")


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _prefixed(data: bytes) -> bytes:
    return _u16(len(data)) + data


def write_fields(fields: Iterable[tuple[int, bytes]]) -> bytes:
    """kex.4: the fields in the given order, as types (with bit 15) and values."""
    return b"".join(_u16(kind) + _prefixed(value) for kind, value in fields)


def read_fields(data: bytes, known: Container[int]) -> dict[int, bytes]:
    """kex.4-1 to kex.4-3: {number: value} of the fields that are known."""
    found: dict[int, bytes] = {}
    source, last = Bytes(data), -1
    while source.left:
        kind, value = source.number(2), source.prefixed()
        number = kind % CRITICAL
        if number <= last:
            raise Refused("malformed", "kex.4-1", f"field {number} comes after field {last}")
        if number not in known and kind >= CRITICAL:
            raise Refused("malformed", "kex.4-2", f"field {number} is critical and not known")
        if number in known:
            found[number] = value
        last = number
    return found


def write_head(kind: int, call_id: bytes) -> bytes:
    """kex.2: version 1, type, call id."""
    return bytes([1, kind]) + call_id


def _read_head(data: bytes, expected: int) -> tuple[Bytes, bytes]:
    """kex.2-1, kex.2-2, kex.2-6: (what follows, call id)."""
    source = Bytes(data)
    if source.number(1) != 1:
        raise Refused("incompatible", "kex.2-1", f"version {data[0]}")
    kind = source.number(1)
    if kind not in (OFFER, ANSWER, REVEAL, FINISH, ABORT):
        raise Refused("malformed", "kex.2-2", f"type {kind}")
    if kind != expected:
        raise Refused("misbehaved", "kex.2-6", f"type {kind} where {expected} was expected")
    return source, source.take(16)


@dataclass(frozen=True, slots=True)
class Offer:
    """kex.2.1."""

    call_id: bytes
    suites: tuple[int, ...]
    x25519: bytes
    ek: bytes
    psk_id: bytes | None
    commitment: bytes


def write_offer(offer: Offer, ext: bytes = b"") -> bytes:
    """kex.2.1: m1."""
    suites = b"".join(map(_u16, offer.suites))
    psk = b"\0" if offer.psk_id is None else b"\1" + offer.psk_id
    body = bytes([len(offer.suites)]) + suites + offer.x25519 + _prefixed(offer.ek) + psk + _prefixed(ext)
    return write_head(OFFER, offer.call_id) + body + offer.commitment


def read_offer(data: bytes) -> Offer:
    """kex.2.1 and what it is held to: kex.2-4, kex.2-5, kex.4-1 to kex.4-3, kex.7-2."""
    source, call_id = _read_head(data, OFFER)
    suites = tuple(source.number(2) for _ in range(source.number(1)))
    x25519, ek = source.take(32), source.prefixed()
    psk_mode = source.number(1)
    if psk_mode > 1:
        raise Refused("malformed", "kex.2-5", f"psk_mode {psk_mode}")
    psk_id = source.take(16) if psk_mode else None
    ext, commitment = source.prefixed(), source.take(32)
    source.end()
    if not suites or len(set(suites)) < len(suites):
        raise Refused("malformed", "kex.2-4", f"suites {suites}")
    if len(ek) != (EK_LENGTH if 1 in suites else 0):
        raise Refused("malformed", "kex.2-4", f"ek of {len(ek)} bytes")
    read_fields(ext, ())
    if ek:
        check_encapsulation_key(ek)
    return Offer(call_id, suites, x25519, ek, psk_id, commitment)


@dataclass(frozen=True, slots=True)
class Answer:
    """kex.2.2."""

    call_id: bytes
    suite: int
    x25519: bytes
    ct: bytes
    nonce: bytes


def write_answer(answer: Answer, ext: bytes = b"") -> bytes:
    """kex.2.2: m2."""
    body = _u16(answer.suite) + answer.x25519 + _prefixed(answer.ct) + answer.nonce + _prefixed(ext)
    return write_head(ANSWER, answer.call_id) + body


def read_answer(data: bytes, offered: Container[int]) -> Answer:
    """kex.2.2 and what it is held to: kex.2-4, kex.4-1 to kex.4-3, kex.5-2."""
    source, call_id = _read_head(data, ANSWER)
    suite, x25519, ct, nonce = source.number(2), source.take(32), source.prefixed(), source.take(32)
    ext = source.prefixed()
    source.end()
    if suite not in offered:
        raise Refused("misbehaved", "kex.5-2", f"suite {suite} was not offered")
    if len(ct) != (CT_LENGTH if suite == 1 else 0):
        raise Refused("malformed", "kex.2-4", f"ct of {len(ct)} bytes in suite {suite}")
    read_fields(ext, ())
    return Answer(call_id, suite, x25519, ct, nonce)


@dataclass(frozen=True, slots=True)
class Sealed:
    """kex.2.3, kex.2.4: m3 (with the nonce) or m4 (without); `before` is all that stands before the sealed bytes."""

    call_id: bytes
    nonce: bytes
    before: bytes
    sealed: bytes


def read_sealed(data: bytes, kind: int) -> Sealed:
    """kex.2.3 for REVEAL, kex.2.4 for FINISH."""
    source, call_id = _read_head(data, kind)
    nonce = source.take(32) if kind == REVEAL else b""
    sealed = source.prefixed()
    source.end()
    return Sealed(call_id, nonce, data[: len(data) - len(sealed)], sealed)
