"""control.3-3: the signature in a heartbeat and a receipt: put in before it is sent, checked in the bytes that came."""

from __future__ import annotations

from typing import Final

from e2ecall.call.control import ControlMessage
from e2ecall.call.messages import SIGNATURE, Heartbeat, Message, Receipt
from e2ecall.crypto import sign
from e2ecall.crypto.sign import Signer
from e2ecall.handshake import Role
from e2ecall.wire.declared import lv
from e2ecall.wire.tlv import encode_tlv

__all__ = ["check_signature", "signed_fields"]

_LABELS: Final = {Heartbeat: b"e2ecall/1 heartbeat", Receipt: b"e2ecall/1 receipt"}


def signed_fields(message: Message, identity: Signer, role: Role) -> dict[int, bytes]:
    """control.3-3: {number: value} as it is sent in that role; of another type there is nothing to sign."""
    fields = message.fields()
    if isinstance(message, Heartbeat | Receipt):
        to_sign = _to_sign(type(message), role, message.th2, encode_tlv(fields, "control"))
        fields[SIGNATURE] = identity.sign(to_sign)
    return fields


def check_signature(
    kind: type[Heartbeat | Receipt], message: ControlMessage, th2: bytes, identity: bytes, role: Role
) -> None:
    """control.3-3: `identity` signed this message of that kind, under that th2, in that role; VerificationFailed."""
    signature = message.fields[SIGNATURE]
    body = message.raw[: len(message.raw) - len(encode_tlv({SIGNATURE: signature}, "control"))]
    signed = _to_sign(kind, role, th2, body)
    sign.verify(identity, signed, signature, what=f"the {kind.__name__.lower()}", clause="control.3-3")


def _to_sign(kind: type[Heartbeat | Receipt], role: Role, th2: bytes, fields: bytes) -> bytes:
    return lv(_LABELS[kind]) + bytes([role.sender_index]) + th2 + lv(fields)
