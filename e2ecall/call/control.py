"""The control channel's records (control.2): sealed, numbered once per direction, each taken once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from e2ecall.call.epochs import Role
from e2ecall.crypto.aead import InvalidTag, aes_gcm
from e2ecall.errors import CounterExhausted, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import ControlKeys
from e2ecall.wire.control import BODY, RECORD, ControlType
from e2ecall.wire.declared import build_bytes, parse_exact
from e2ecall.wire.tlv import decode_tlv, encode_tlv

__all__ = ["WINDOW", "ControlChannel", "ControlMessage"]

WINDOW = 64
EPOCH_ZERO = 0
_AAD_LENGTH = 9
_ALL_FIELDS = range(0x8000)


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """One authenticated message; `type` may be one that this version does not know. `fields`: {number: value}."""

    type: int
    message_id: int
    fields: Mapping[int, bytes]


class ControlChannel:
    """Both directions of one epoch. The library keeps the keys inside its AEAD objects until this object is gone."""

    def __init__(self, keys: ControlKeys, role: Role) -> None:
        caller = aes_gcm(keys.caller_key), int.from_bytes(keys.caller_iv.expose(), "big")
        callee = aes_gcm(keys.callee_key), int.from_bytes(keys.callee_iv.expose(), "big")
        self._send, self._receive = (caller, callee) if role is Role.CALLER else (callee, caller)
        self._next = 0
        self._highest = -1
        self._seen = 0

    def seal(self, kind: ControlType, fields: Mapping[int, bytes]) -> bytes:
        """control.2-1: the next record; its message id is its number. CounterExhausted at 2^32 messages."""
        seq = self._next
        if seq >= 1 << 32:
            raise CounterExhausted("the control channel has no message id left", clause="control.2-1")
        self._next += 1
        body = {"type": kind, "message_id": seq, "fields": encode_tlv(fields, "control")}
        aad = bytes([EPOCH_ZERO]) + seq.to_bytes(8, "big")
        aead, iv = self._send
        return aad + aead.encrypt(_nonce(iv, seq), build_bytes(BODY, body, "control"), aad)

    def open(self, data: bytes) -> ControlMessage:
        """control.2-2 to control.2-4: the message of one record, once.

        Raises MalformedMessage, VerificationFailed (does not authenticate) or PeerMisbehaved (repeated, too old,
        of another epoch). The window moves only after the record has authenticated.
        """
        record = parse_exact(RECORD, data, "record", clause="control.2-2")
        if record.epoch != EPOCH_ZERO:
            raise PeerMisbehaved("the record is of an epoch without keys", epoch=record.epoch, clause="control.2-4")
        age = self._highest - record.seq
        if age >= WINDOW or (age >= 0 and self._seen >> age & 1):
            raise PeerMisbehaved("the record was taken before, or is too old", clause="control.2-3")
        aead, iv = self._receive
        try:
            plain = aead.decrypt(_nonce(iv, record.seq), record.sealed, data[:_AAD_LENGTH])
        except InvalidTag:
            raise VerificationFailed("the control record does not authenticate", clause="control.2-2") from None
        self._commit(record.seq)
        body = parse_exact(BODY, plain, "control")
        return ControlMessage(body.type, body.message_id, decode_tlv(body.fields, _ALL_FIELDS, "control"))

    def _commit(self, seq: int) -> None:
        ahead = seq - self._highest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, WINDOW) | 1) & (1 << WINDOW) - 1
            self._highest = seq
        else:
            self._seen |= 1 << -ahead


def _nonce(iv: int, seq: int) -> bytes:
    return (iv ^ seq).to_bytes(12, "big")
