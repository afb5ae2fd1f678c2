"""Telegram's exchange and packets, and what of them is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import e2ecall
from e2ecall.audit.oracle import telegram
from generator.cases import OURS, Case, Draw, VectorFile
from generator.script import Script

__all__ = ["FILES"]

P = bytes.fromhex(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa33"
    "6f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96"
    "bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b"
    "2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0"
    "f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119c"
    "d8e3b92fcc5b"
)
_P = int.from_bytes(P, "big")
_EDGE = 2**1984
_TABLE = Path(e2ecall.__file__).parent / "sas" / "emoji333.json"
EMOJI = [row[0] for row in json.loads(_TABLE.read_text("utf-8"))["emoji"]]


def _secret(draw: Draw, g: int) -> bytes:
    """One whose public value needs 256 bytes."""
    while True:
        secret = draw.bytes(256)
        if telegram.public_value(P, g, secret)[0]:
            return secret


def _group(g: int) -> Case:
    return {"p": P.hex(), "g": g}


def _exchange(name: str, g: int) -> Case:
    draw = Draw(f"telegram {name}")
    a, b = _secret(draw, g), _secret(draw, g)
    script = Script(name, "telegram.2-6")
    publics = []
    for secret in (a, b):
        step = partial(telegram.public_value, P, g, secret)
        request = _group(g) | {"secret": secret.hex()}
        publics.append(script.step("telegram.public", request, step, lambda value: {"public": value.hex()}) or b"")
    g_a, g_b = publics
    script.step("telegram.commit", {"public": g_a.hex()}, lambda: telegram.commitment(g_a), lambda h: {"hash": h.hex()})
    key = b""
    for secret, peer in ((a, g_b), (b, g_a)):
        request = _group(g) | {"secret": secret.hex(), "peer_public": peer.hex()}
        key = script.step("telegram.key", request, partial(telegram.shared_key, P, g, secret, peer), _key) or b""
    hashed = telegram.emoji_hash(key, g_a)
    script.step("telegram.emoji", {"key": key.hex(), "g_a": g_a.hex()}, lambda: hashed, _emoji)
    script.values = {"emoji_hash": hashed.hex()}
    return script.case()


def _key(key: bytes) -> Case:
    return {"key": key.hex(), "fingerprint": str(telegram.fingerprint(key))}


def _emoji(hashed: bytes) -> Case:
    words = (int.from_bytes(hashed[8 * i : 8 * i + 8], "big") & 0x7FFFFFFFFFFFFFFF for i in range(4))
    indexes = [word % len(EMOJI) for word in words]
    return {"emoji": [EMOJI[index] for index in indexes], "indexes": indexes}


def _exchanges() -> Iterator[Case]:
    for g in (3, 4, 7):
        yield _exchange(f"g = {g}", g)
    for number in (1, 2):
        yield _exchange(f"g = 3, drawn {number}", 3)
    secret = _secret(Draw("telegram edges"), 3)
    for name, value in {
        "the smallest value": _EDGE,
        "the largest value": _P - _EDGE,
        "a value with a leading zero byte": 2**2040 - 3,
    }.items():
        script = Script(name, "telegram.1-4")
        peer = value.to_bytes(256, "big")
        for sent in sorted({peer, peer.lstrip(b"\x00")}):
            request = _group(3) | {"secret": secret.hex(), "peer_public": sent.hex()}
            script.step("telegram.key", request, partial(telegram.shared_key, P, 3, secret, sent), _key)
        yield script.case()


def _refused_values() -> Iterator[Case]:
    secret = _secret(Draw("telegram refused"), 3)
    own = telegram.public_value(P, 3, secret)
    values = {
        "nothing": (b"", "malformed"),
        "257 bytes": (bytes(1) + own, "malformed"),
        "zero": (bytes(256), "misbehaved"),
        "one": (b"\x01", "misbehaved"),
        "below the smallest value": ((_EDGE - 1).to_bytes(256, "big"), "misbehaved"),
        "above the largest value": ((_P - _EDGE + 1).to_bytes(256, "big"), "misbehaved"),
        "p - 1": ((_P - 1).to_bytes(256, "big"), "misbehaved"),
        "p": (P, "misbehaved"),
        "all one": (b"\xff" * 256, "misbehaved"),
    }
    for name, (value, layer) in values.items():
        script = Script(name, "telegram.1-4")
        request = _group(3) | {"secret": secret.hex(), "peer_public": value.hex()}
        do = partial(telegram.shared_key, P, 3, secret, value)
        script.step("telegram.key", request, do, _key, (layer, "telegram.1-4"))
        yield script.case()
    script = Script("its own value", "telegram.2-7")
    request = _group(3) | {"secret": secret.hex(), "peer_public": own.hex()}
    do = partial(telegram.shared_key, P, 3, secret, own)
    script.step("telegram.key", request, do, _key, ("misbehaved", "telegram.2-7"))
    yield script.case()


def _refused_groups() -> Iterator[Case]:
    secret = bytes(255) + b"\x07"
    groups = {f"g = {g}": (P, g, "telegram.1-2") for g in (0, 1, 2, 5, 6, 8, 255)} | {
        "no modulus": (b"", 4, "telegram.1-1"),
        "2047 bits": ((_P // 2).to_bytes(256, "big"), 4, "telegram.1-1"),
        "2056 bits": (P + b"\x01", 4, "telegram.1-1"),
        "an even modulus": ((_P - 1).to_bytes(256, "big"), 4, "telegram.1-1"),
        "a composite": (((2**521 - 1) * (2**1279 - 1) << 248 | 1).to_bytes(256, "big"), 4, "telegram.1-1"),
        "a prime that is no safe one": ((2**2047 + 1919).to_bytes(256, "big"), 4, "telegram.1-1"),
        "all one": (b"\xff" * 256, 4, "telegram.1-1"),
    }
    for name, (p, g, clause) in groups.items():
        script = Script(name, clause)
        request = {"p": p.hex(), "g": g, "secret": secret.hex()}
        do = partial(telegram.check_group, p, g)
        script.step("telegram.public", request, do, lambda _: {}, ("misbehaved", clause))
        yield script.case()


_SIDES = {
    "the caller's signalling": (True, True),
    "the callee's signalling": (False, True),
    "the caller's transport": (True, False),
    "the callee's transport": (False, False),
}


def _packet(script: Script, key: bytes, body: bytes, *, outgoing: bool, signalling: bool) -> bytes:
    request = {"key": key.hex(), "outgoing": outgoing, "signaling": signalling}
    seal = partial(telegram.seal_packet, key, body, outgoing=outgoing, signalling=signalling)
    packet = script.step("telegram.encrypt", request | {"body": body.hex()}, seal, lambda p: {"packet": p.hex()}) or b""
    _opened(script, key, packet, None, outgoing=outgoing, signalling=signalling)
    return packet


def _opened(script: Script, key: bytes, packet: bytes, layer: str | None, *, outgoing: bool, signalling: bool) -> None:
    request = {"key": key.hex(), "outgoing": outgoing, "signaling": signalling, "packet": packet.hex()}
    do = partial(telegram.open_packet, key, packet, outgoing=outgoing, signalling=signalling)
    expect = None if layer is None else (layer, "telegram.4-3")
    script.step("telegram.decrypt", request, do, lambda body: {"body": body.hex()}, expect)


def _packets() -> Iterator[Case]:
    draw = Draw("telegram packets")
    for length in (5, 6, 15, 16, 17, 31, 32, 33, 200, 1436):
        script = Script(f"{length} bytes", "telegram.4-1")
        key, body = draw.bytes(256), draw.bytes(length)
        for outgoing, signalling in _SIDES.values():
            _packet(script, key, body, outgoing=outgoing, signalling=signalling)
        yield script.case()


def _refused_packets() -> Iterator[Case]:
    draw = Draw("telegram refused packets")
    key, body = draw.bytes(256), b"\x80\x00\x00\x01\x7f\x00\x00\x00\x05hello"
    for name, (outgoing, signalling) in _SIDES.items():
        script = Script(f"{name}, read as everything else", "telegram.4-2")
        packet = _packet(script, key, body, outgoing=outgoing, signalling=signalling)
        for other in _SIDES.values():
            if other != (outgoing, signalling):
                _opened(script, key, packet, "verification", outgoing=other[0], signalling=other[1])
        yield script.case()
    sealed = telegram.seal_packet(key, body, outgoing=True, signalling=True)
    changed = {f"bit {bit} turned over": _flipped(sealed, bit) for bit in (0, 7, 127, 128, 159, 8 * len(sealed) - 1)}
    changed |= {"cut by a byte": sealed[:-1], "a byte too many": sealed + b"\x00", "another key": sealed}
    for name, packet in changed.items():
        script = Script(name, "telegram.4-3")
        used = draw.bytes(256) if name == "another key" else key
        _opened(script, used, packet, "verification", outgoing=True, signalling=True)
        yield script.case()
    for length in (0, 16, 20):
        script = Script(f"{length} bytes", "telegram.4-3")
        _opened(script, key, sealed[:length], "malformed", outgoing=True, signalling=True)
        yield script.case()


_BODIES = {
    "an empty message alone": "00000001 fe",
    "an empty message and two acknowledgements": "00000002 fe 00000007 ff 40000008 ff",
    "a message": "00000003 7f 00000002 6869",
    "a message of nothing": "00000003 7f 00000000",
    "a single message": "80000004 7f 00000001 78",
    "a single message that wants an acknowledgement": "c0000005 7f 00000001 78",
    "one after the other": "40000006 7f 00000001 61 40000007 7f 00000002 6262 00000005 ff",
    "the largest counter": "7fffffff fe",
}
_REFUSED_BODIES = {
    "four bytes": "00000001",
    "an unknown type": "00000001 00",
    "an unknown type behind a message": "00000001 fe 00000002 7e",
    "an acknowledgement first": "00000001 ff",
    "an empty message behind another": "00000001 fe 00000002 fe",
    "a length that is cut short": "00000001 7f 000000",
    "a message longer than its packet": "00000001 7f 00000002 61",
    "a length of 2^32 - 1": "00000001 7f ffffffff 61",
    "a rest of four bytes": "00000001 fe 00000002",
    "a single message with another behind it": "80000001 fe 00000002 ff",
    "a single message behind another": "00000001 fe 80000002 7f 00000000",
}


def _bodies() -> Iterator[Case]:
    for name, text in _BODIES.items():
        yield _read(name, bytes.fromhex(text), None)


def _refused_bodies() -> Iterator[Case]:
    for name, text in _REFUSED_BODIES.items():
        yield _read(name, bytes.fromhex(text), ("malformed", "telegram.4-7"))


def _read(name: str, body: bytes, expect: tuple[str, str] | None) -> Case:
    script = Script(name, "telegram.4-7")
    script.step("telegram.messages", {"body": body.hex()}, partial(telegram.messages, body), _listed, expect)
    return script.case()


def _listed(found: list[tuple[int, int, bytes]]) -> Case:
    return {"messages": [{"seq": seq, "type": kind, "payload": payload.hex()} for seq, kind, payload in found]}


def _flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def _file(name: str, title: str, cases: Iterator[Case]) -> VectorFile:
    return VectorFile(f"{name}.json", "peer.steps", title, OURS, tuple(cases), "telegram")


FILES = (
    _file("exchange", "Telegram's exchange between two: values, key, fingerprint and emoji", _exchanges()),
    _file("values-refused", "public values that are no good", _refused_values()),
    _file("groups-refused", "groups that a server must not get away with", _refused_groups()),
    _file("packets", "packets of both sides and kinds", _packets()),
    _file("packets-refused", "packets that do not open", _refused_packets()),
    _file("bodies", "messages in the body of a packet", _bodies()),
    _file("bodies-refused", "bodies that are refused whole", _refused_bodies()),
)
