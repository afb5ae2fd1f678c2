"""peer.7: records and one side's control channel, on the real classes of `call/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.call.control import ControlChannel
from e2ecall.call.messages import decode
from e2ecall.call.records import Body, EpochRecords
from e2ecall.conformance.request import Request
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import ControlKeys, Role
from e2ecall.secret import SecretBytes
from e2ecall.wire.tlv import decode_tlv

__all__ = ["ControlOperations", "role_of"]

_KEY_LENGTH = 32
_IV_LENGTH = 12
_ALL_FIELDS = range(0x8000)
_EXACT = 1 << 53


class ControlOperations:
    """The channels of one peer process."""

    def __init__(self) -> None:
        self._channels: dict[str, ControlChannel] = {}

    def table(self) -> dict[str, Callable[[Request], dict[str, Any]]]:
        """{operation name: function}."""
        return {
            "control.seal": _seal,
            "control.open": _open,
            "control.channel.new": self._new,
            "control.channel.install": self._install,
            "control.channel.send_in": self._send_in,
            "control.channel.forget": self._forget,
            "control.channel.receive": self._receive,
            "control.channel.send": self._send,
            "control.channel.records": self._records,
            "control.channel.moved": self._moved,
        }

    def _new(self, request: Request) -> dict[str, Any]:
        self._channels[request.handle("channel")] = ControlChannel(_keys(request), role_of(request))
        return {}

    def _install(self, request: Request) -> dict[str, Any]:
        self._channel(request).install(request.number("epoch", bits=32), _keys(request))
        return {}

    def _send_in(self, request: Request) -> dict[str, Any]:
        self._channel(request).send_in(request.number("epoch", bits=32))
        return {}

    def _forget(self, request: Request) -> dict[str, Any]:
        self._channel(request).forget(request.number("epoch", bits=32))
        return {}

    def _receive(self, request: Request) -> dict[str, Any]:
        message = self._channel(request).receive(request.hex("record"))
        if message is None:
            return {"taken": False}
        decode(message)  # control.3-2: the fields of a type that is not known are handed on
        found = {"type": message.type, "message_id": message.message_id, "fields": message.raw.hex()}
        return found | {"taken": True}

    def _send(self, request: Request) -> dict[str, Any]:
        confirmed = not request.has("confirmed") or request.number("confirmed", bits=1) == 1
        fields = decode_tlv(request.hex("fields"), _ALL_FIELDS, "control")
        self._channel(request).send(request.number("type", bits=8), fields, confirmed=confirmed)
        return {}

    def _records(self, request: Request) -> dict[str, Any]:
        records = self._channel(request).records_to_send(float(request.number("now")))
        return {"records": [record.hex() for record in records]}

    def _moved(self, request: Request) -> dict[str, Any]:
        self._channel(request).transport_changed(float(request.number("now")))
        return {}

    def _channel(self, request: Request) -> ControlChannel:
        try:
            return self._channels[request.handle("channel")]
        except KeyError:
            raise ApiMisuse("there is no such channel") from None


class _RecordsFrom(EpochRecords):
    """Records from any number on: a peer is asked for one of them, never for two under one key."""

    __slots__ = ()

    def __init__(self, request: Request, epoch: int, seq: int) -> None:
        one = (request.hex("key", length=_KEY_LENGTH), request.hex("iv", length=_IV_LENGTH)) * 2
        super().__init__(epoch, ControlKeys(*(SecretBytes(each) for each in one)), Role.CALLER)
        self._next = seq


def _seal(request: Request) -> dict[str, Any]:
    records = _RecordsFrom(request, request.number("epoch", bits=32), request.number("seq", bits=65))
    kind, number = request.number("type", bits=8), request.number("message_id", bits=32)
    return {"record": records.seal(Body(kind, number, request.hex("fields"))).hex()}


def _open(request: Request) -> dict[str, Any]:
    record = request.hex("record")
    body = _RecordsFrom(request, record[0] if record else 0, 0).open(record)
    seq = int.from_bytes(record[1:9], "big")
    found: dict[str, Any] = {"epoch": record[0], "seq": str(seq) if seq > _EXACT else seq}
    return found | {"type": body.type, "message_id": body.message_id, "fields": body.fields.hex()}


def role_of(request: Request) -> Role:
    """The member `role`: caller or callee."""
    try:
        return Role(request.text("role"))
    except ValueError:
        raise ApiMisuse("a role is caller or callee") from None


def _keys(request: Request) -> ControlKeys:
    part = request.part("keys")
    names = (
        ("caller_key", _KEY_LENGTH),
        ("caller_iv", _IV_LENGTH),
        ("callee_key", _KEY_LENGTH),
        ("callee_iv", _IV_LENGTH),
    )
    return ControlKeys(*(SecretBytes(part.hex(name, length=length)) for name, length in names))
