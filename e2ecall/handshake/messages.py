"""kex.2: the messages as values. Each keeps the bytes it was read from, because hashes cover bytes as received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from e2ecall.crypto import mlkem
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerIncompatible, PeerMisbehaved
from e2ecall.wire.declared import build_bytes, parse_exact
from e2ecall.wire.handshake import MESSAGES, VERSION, MessageType
from e2ecall.wire.tlv import decode_tlv

__all__ = [
    "COMMITMENT_LENGTH",
    "DEFAULT_SUITES",
    "NONCE_LENGTH",
    "Abort",
    "AbortReason",
    "Answer",
    "Finish",
    "Offer",
    "Reveal",
    "Suite",
    "check_call_id",
    "sealed_prefix",
]

COMMITMENT_LENGTH = 32
CALL_ID_LENGTH = 16
NONCE_LENGTH = 32


class Suite(IntEnum):
    """kex.2.6: what the keys are agreed with. No null suite exists."""

    X25519_MLKEM768 = 0x0001
    X25519 = 0x0002

    @property
    def post_quantum(self) -> bool:
        """Whether recorded traffic stays closed to a later quantum computer."""
        return self is Suite.X25519_MLKEM768


DEFAULT_SUITES = (Suite.X25519_MLKEM768, Suite.X25519)


class AbortReason(IntEnum):
    """kex.2.5: hints for the display; nothing is decided by them."""

    UNSPECIFIED = 0
    DECLINED = 1
    BUSY = 2
    NO_ANSWER = 3
    INCOMPATIBLE = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """kex.2.1: m1, caller to callee."""

    raw: bytes
    call_id: bytes
    suites: tuple[int, ...]
    x25519: bytes
    ek: bytes
    psk_id: bytes | None
    commitment: bytes

    @classmethod
    def parse(cls, data: bytes) -> Offer:
        """Raises MalformedMessage, PeerIncompatible (version) or PeerMisbehaved (another message, bad ek)."""
        fields = _read(data, MessageType.OFFER)
        suites = tuple(fields.suites)
        if not suites:
            raise MalformedMessage("the offer has no suite", path="offer.suites", clause="kex.2-4")
        if len(set(suites)) != len(suites):
            raise MalformedMessage("the offer has a suite twice", path="offer.suites", clause="kex.2-4")
        _check_length(fields.ek, mlkem.EK_LENGTH if Suite.X25519_MLKEM768 in suites else 0, "offer.ek")
        if fields.psk_mode not in (0, 1):
            raise MalformedMessage("psk_mode is neither 0 nor 1", path="offer.psk_mode", clause="kex.2-5")
        decode_tlv(fields.ext, (), "offer.ext")
        if fields.ek:
            mlkem.check_encapsulation_key(fields.ek, clause="kex.7-2")
        return cls(data, fields.call_id, suites, fields.x25519, fields.ek, fields.psk_id, fields.commitment)

    @staticmethod
    def build(call_id: bytes, suites: Sequence[Suite], x25519: bytes, ek: bytes, psk_id: bytes | None) -> bytes:
        """m1 without its commitment: what the commitment is computed over."""
        values = {
            "suites": list(suites),
            "x25519": x25519,
            "ek": ek,
            "psk_mode": int(psk_id is not None),
            "psk_id": psk_id,
            "ext": b"",
            "commitment": bytes(COMMITMENT_LENGTH),
        }
        return _write(MessageType.OFFER, call_id, values)[:-COMMITMENT_LENGTH]


@dataclass(frozen=True, slots=True)
class Answer:
    """kex.2.2: m2, callee to caller."""

    raw: bytes
    call_id: bytes
    suite: Suite
    x25519: bytes
    ct: bytes

    @classmethod
    def parse(cls, data: bytes, offered: Sequence[Suite]) -> Answer:
        """kex.5-2: `offered` are this caller's suites; another one raises PeerMisbehaved. The nonce stays in `raw`."""
        fields = _read(data, MessageType.ANSWER)
        if fields.suite not in offered:
            raise PeerMisbehaved("the answer takes a suite that was not offered", clause="kex.5-2")
        suite = Suite(fields.suite)
        _check_length(fields.ct, mlkem.CT_LENGTH if suite.post_quantum else 0, "answer.ct")
        decode_tlv(fields.ext, (), "answer.ext")
        return cls(data, fields.call_id, suite, fields.x25519, fields.ct)

    @staticmethod
    def build(call_id: bytes, suite: Suite, x25519: bytes, ct: bytes, nonce: bytes) -> bytes:
        """m2."""
        values = {"suite": suite, "x25519": x25519, "ct": ct, "nonce": nonce, "ext": b""}
        return _write(MessageType.ANSWER, call_id, values)


@dataclass(frozen=True, slots=True)
class Reveal:
    """kex.2.3: m3, caller to callee."""

    raw: bytes
    call_id: bytes
    nonce: bytes
    sealed: bytes

    @classmethod
    def parse(cls, data: bytes) -> Reveal:
        """Raises as `Offer.parse`."""
        fields = _read(data, MessageType.REVEAL)
        return cls(data, fields.call_id, fields.nonce, fields.sealed)

    @staticmethod
    def prefix(call_id: bytes, nonce: bytes, sealed_length: int) -> bytes:
        """m3 before its sealed bytes, length field included: part of the AAD."""
        values = {"nonce": nonce, "sealed": bytes(sealed_length)}
        return _before_sealed(_write(MessageType.REVEAL, call_id, values), sealed_length)


@dataclass(frozen=True, slots=True)
class Finish:
    """kex.2.4: m4, callee to caller."""

    raw: bytes
    call_id: bytes
    sealed: bytes

    @classmethod
    def parse(cls, data: bytes) -> Finish:
        """Raises as `Offer.parse`."""
        fields = _read(data, MessageType.FINISH)
        return cls(data, fields.call_id, fields.sealed)

    @staticmethod
    def prefix(call_id: bytes, sealed_length: int) -> bytes:
        """m4 before its sealed bytes, length field included: part of the AAD."""
        return _before_sealed(_write(MessageType.FINISH, call_id, {"sealed": bytes(sealed_length)}), sealed_length)


@dataclass(frozen=True, slots=True)
class Abort:
    """kex.2.5: m5, either way, unauthenticated; an unknown reason reads as UNSPECIFIED."""

    call_id: bytes
    reason: AbortReason

    @classmethod
    def parse(cls, data: bytes) -> Abort:
        """Raises as `Offer.parse`."""
        fields = _read(data, MessageType.ABORT)
        known = fields.reason in AbortReason._value2member_map_
        return cls(fields.call_id, AbortReason(fields.reason) if known else AbortReason.UNSPECIFIED)

    def build(self) -> bytes:
        """m5."""
        return _write(MessageType.ABORT, self.call_id, {"reason": self.reason})


def check_call_id(call_id: bytes, expected: bytes) -> None:
    """kex.2-3: a message of another call raises PeerMisbehaved."""
    if call_id != expected:
        raise PeerMisbehaved("the message belongs to another call", clause="kex.2-3")


def sealed_prefix(raw: bytes, sealed: bytes) -> bytes:
    """A received m3 or m4 before its sealed bytes."""
    return _before_sealed(raw, len(sealed))


def _before_sealed(raw: bytes, sealed_length: int) -> bytes:
    return raw[: len(raw) - sealed_length]


def _read(data: bytes, expected: MessageType) -> Any:
    name = expected.name.lower()
    if not isinstance(data, bytes):  # a buffer that is changed afterwards would change what was hashed
        raise ApiMisuse(f"an exchange message is bytes, not {type(data).__name__}", clause="kex.2-2")
    if data[:1] and data[0] != VERSION:
        raise PeerIncompatible(f"version {data[0]} is not spoken here", clause="kex.2-1")
    if len(data) > 1 and data[1] != expected:
        if data[1] in MESSAGES:
            raise PeerMisbehaved(f"expected {name}, received {MessageType(data[1]).name.lower()}", clause="kex.2-6")
        raise MalformedMessage(f"no message has type {data[1]}", offset=1, path=name, clause="kex.2-2")
    return parse_exact(MESSAGES[expected], data, name)


def _write(message: MessageType, call_id: bytes, values: Mapping[str, object]) -> bytes:
    if len(call_id) != CALL_ID_LENGTH:
        raise ApiMisuse("a call id has 16 bytes")
    head = {"version": VERSION, "type": message, "call_id": call_id}
    return build_bytes(MESSAGES[message], {**head, **values}, message.name.lower())


def _check_length(value: bytes, expected: int, path: str) -> None:
    if len(value) != expected:
        raise MalformedMessage(f"{path} has {len(value)} bytes, not {expected}", path=path, clause="kex.2-4")
