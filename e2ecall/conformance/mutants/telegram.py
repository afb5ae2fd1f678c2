"""Mistakes in Telegram's exchange, packets and signalling."""

from __future__ import annotations

from typing import Any, Final

from e2ecall.conformance.mutants.mutation import Breakage, Mutant, instead, left_out
from e2ecall.handshake.telegram import signalling_json

__all__ = ["TELEGRAM"]

_PARAMS: Final = "e2ecall.handshake.telegram.params"
_JSON: Final = "e2ecall.handshake.telegram.signalling_json"
_UNCACHED: Final[Breakage] = instead(
    "e2ecall.conformance.telegram_operations:_checked", lambda checked: checked.__wrapped__
)


def _one_way(make: Any) -> Any:
    """Both sides read and write at the caller's place of the key."""

    def begin(self: Any, key: Any, role: Any, kind: Any) -> None:
        make(self, key, type(role)("caller"), kind)
        self._receive_at = self._send_at

    return begin


def _last_wins(pairs: Any, path: str, depth: int) -> Any:
    return {name: signalling_json._plain(value, path, depth - 1) for name, value in pairs}


TELEGRAM: Final = (
    Mutant(
        "composite-modulus",
        "the modulus that the server names need not be a safe prime",
        ("telegram.1-1",),
        ("telegram.*",),
        (left_out(f"{_PARAMS}:Group.check", "telegram.1-1"), _UNCACHED),
    ),
    Mutant(
        "any-generator",
        "g need not generate the subgroup of prime order",
        ("telegram.1-2",),
        ("telegram.*",),
        (left_out(f"{_PARAMS}:_check_generator", "telegram.1-2"), _UNCACHED),
    ),
    Mutant(
        "values-at-the-edge",
        "a public value may be 1 or p - 1",
        ("telegram.1-4",),
        ("telegram.key",),
        (left_out(f"{_PARAMS}:Group.element", "telegram.1-4"),),
    ),
    Mutant(
        "packet-not-authenticated",
        "the msg_key of a packet is not compared",
        ("telegram.4-3",),
        ("telegram.decrypt",),
        (instead("e2ecall.handshake.telegram.packets:constant_time_equal", lambda _: lambda a, b: True),),
    ),
    Mutant(
        "one-direction",
        "both sides use the caller's part of the key: packets can be sent back",
        ("telegram.4-2",),
        ("telegram.encrypt", "telegram.decrypt"),
        (instead("e2ecall.handshake.telegram.packets:PacketKeys.__init__", _one_way),),
    ),
    Mutant(
        "name-twice",
        "of two members of one name the last is taken",
        ("telegram.5-3",),
        ("telegram.signal",),
        (instead(f"{_JSON}:_object", lambda _: _last_wins),),
    ),
)
