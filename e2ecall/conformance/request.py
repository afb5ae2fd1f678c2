"""peer.1: one request's fields, read strictly: hex, numbers (also as decimal strings), names; and the error answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2ecall.errors import (
    ApiMisuse,
    CounterExhausted,
    E2ECallError,
    FrameReason,
    FrameRejected,
    MalformedMessage,
    PeerIncompatible,
    PeerMisbehaved,
    VerificationFailed,
)
from e2ecall.wire.declared import has_utf8

__all__ = ["Request", "Unsupported", "layer_of"]

_MISSING = object()


class Unsupported(E2ECallError):
    """The request asks for something that this peer does not have."""


class Request:
    """The members of one request object; a member that is absent or of the wrong kind raises ApiMisuse."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._fields.get(name) is not None

    def hex(self, name: str, *, length: int | None = None) -> bytes:
        """Binary, lower-case hex; `length` in bytes where it is fixed."""
        return _hex(self._member(name), name, length)

    def hex_list(self, name: str) -> tuple[bytes, ...]:
        """A list of binary members, or one that is all of them together in 32-byte pieces."""
        value = self._member(name)
        if isinstance(value, str):
            joined = _hex(value, name, None)
            return tuple(joined[i : i + 32] for i in range(0, len(joined), 32))
        return tuple(_hex(item, name, None) for item in _list(value, name))

    def number(self, name: str, *, bits: int = 64) -> int:
        """A non-negative integer below 2^bits, as a JSON number or a decimal string."""
        return _number(self._member(name), name, bits)

    def numbers(self, name: str, *, bits: int = 16) -> tuple[int, ...]:
        """A list of such numbers."""
        return tuple(_number(item, name, bits) for item in _list(self._member(name), name))

    def flag(self, name: str) -> bool:
        """True or false, or 1 or 0."""
        value = self._member(name)
        return value if isinstance(value, bool) else bool(_number(value, name, 1))

    def text(self, name: str) -> str:
        """A JSON string."""
        value = self._member(name)
        if not isinstance(value, str) or not has_utf8(value):
            raise ApiMisuse(f"{name} is not a string")
        return value

    def handle(self, name: str) -> str:
        """The name of a session or receiver: a string or a number."""
        value = self._member(name)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ApiMisuse(f"{name} is neither a string nor a number")
        if not has_utf8(str(value)):
            raise ApiMisuse(f"{name} is not a string")
        return str(value)

    def part(self, name: str) -> Request:
        """A member that is an object; absent reads as an empty one."""
        value = self._fields.get(name) or {}
        if not isinstance(value, dict):
            raise ApiMisuse(f"{name} is not an object")
        return Request(value)

    def _member(self, name: str) -> Any:
        value = self._fields.get(name, _MISSING)
        if value is _MISSING or value is None:
            raise ApiMisuse(f"{name} is missing")
        return value


def _hex(value: object, name: str, length: int | None) -> bytes:
    if not isinstance(value, str) or set(value) - set("0123456789abcdef") or len(value) % 2:
        raise ApiMisuse(f"{name} is not lower-case hex")
    data = bytes.fromhex(value)
    if length is not None and len(data) != length:
        raise ApiMisuse(f"{name} has {len(data)} bytes, not {length}")
    return data


def _number(value: object, name: str, bits: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise ApiMisuse(f"{name} is not a number of {bits} bits")
    return value


def _list(value: object, name: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise ApiMisuse(f"{name} is not a list")
    return value


_LAYERS: Mapping[type, str] = {
    MalformedMessage: "malformed",
    PeerIncompatible: "incompatible",
    PeerMisbehaved: "misbehaved",
    VerificationFailed: "verification",
    CounterExhausted: "exhausted",
    ApiMisuse: "misuse",
}


def layer_of(error: E2ECallError) -> str:
    """peer.3: the layer under which an error is reported: that of its class, or of the nearest one above it."""
    if isinstance(error, FrameRejected):
        return "replay" if error.reason is FrameReason.TOO_OLD else error.reason.value
    return next((_LAYERS[kind] for kind in type(error).__mro__ if kind in _LAYERS), "misuse")
