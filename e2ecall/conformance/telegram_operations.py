"""peer.10: Telegram's exchange, packets and signalling. Groups and values are checked as in a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from e2ecall.conformance.request import Request
from e2ecall.crypto.modp import ModpKey
from e2ecall.crypto.rng import SystemRng
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Group, Kind, PacketKeys
from e2ecall.handshake.telegram.channel import read_messages
from e2ecall.handshake.telegram.params import PUBLIC_LENGTH
from e2ecall.handshake.telegram.result import commitment, fingerprint, shared_key, visual_hash
from e2ecall.handshake.telegram.signalling import DtlsFingerprint, build_signal, parse_signal
from e2ecall.sas import emoji
from e2ecall.secret import SecretBytes

__all__ = ["table"]


def table() -> dict[str, Callable[[Request], dict[str, Any]]]:
    """{operation name: function}."""
    return {
        "telegram.public": _public,
        "telegram.key": _key,
        "telegram.commit": _commit,
        "telegram.emoji": _emoji,
        "telegram.encrypt": _encrypt,
        "telegram.decrypt": _decrypt,
        "telegram.messages": _messages,
        "telegram.signal": _signal,
        "telegram.digest": _digest,
    }


def _public(request: Request) -> dict[str, Any]:
    return {"public": _own(request)[1].hex()}


def _key(request: Request) -> dict[str, Any]:
    own, public = _own(request)
    key = shared_key(own, public, request.hex("peer_public"), _group(request), SystemRng(), what="peer_public")
    return {"key": bytes(key.expose()).hex(), "fingerprint": str(fingerprint(key))}


def _commit(request: Request) -> dict[str, Any]:
    return {"hash": commitment(request.hex("public")).hex()}


def _emoji(request: Request) -> dict[str, Any]:
    four = emoji(visual_hash(_call_key(request), request.hex("g_a")))
    return {"emoji": [each.char for each in four], "indexes": [each.index for each in four]}


def _encrypt(request: Request) -> dict[str, Any]:
    return {"packet": _packet_keys(request, Role.CALLER).seal(request.hex("body")).hex()}


def _decrypt(request: Request) -> dict[str, Any]:
    return {"body": _packet_keys(request, Role.CALLEE).open(request.hex("packet")).hex()}


def _messages(request: Request) -> dict[str, Any]:
    found = read_messages(request.hex("body"))
    return {"messages": [{"seq": each.seq, "type": each.kind, "payload": each.payload.hex()} for each in found]}


def _signal(request: Request) -> dict[str, Any]:
    return {"signal": json.loads(build_signal(parse_signal(request.hex("message"))))}


def _digest(request: Request) -> dict[str, Any]:
    given = DtlsFingerprint(request.text("hash"), "", request.text("fingerprint"))
    return {"digest": given.digest().hex()}


def _own(request: Request) -> tuple[ModpKey, bytes]:
    group = _group(request)
    key = ModpKey(group.p, group.g, request.hex("secret", length=PUBLIC_LENGTH), SystemRng())
    return key, key.public.to_bytes(PUBLIC_LENGTH, "big")


def _group(request: Request) -> Group:
    return _checked(request.hex("p"), request.number("g", bits=8))


@lru_cache(maxsize=16)
def _checked(p: bytes, g: int) -> Group:
    return Group.check(p, g, SystemRng())


def _call_key(request: Request) -> SecretBytes:
    return SecretBytes(request.hex("key", length=PUBLIC_LENGTH))


def _packet_keys(request: Request, outgoing: Role) -> PacketKeys:
    """Of the side that is `outgoing` where the packet is one of the caller."""
    role = outgoing if request.flag("outgoing") else outgoing.other
    return PacketKeys(_call_key(request), role, Kind.SIGNALLING if request.flag("signaling") else Kind.TRANSPORT)
