"""The encryption of Telegram's group calls: published inputs with a zero padding, drawn ones, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle import ed25519, tde2e
from generator.cases import OURS, Case, Draw, VectorFile
from generator.script import Script

__all__ = ["FILES"]

_SOURCE = (
    "inputs of the cases that are named so: TDLib, tde2e/test (BSL-1.0); else e2ecall, with a second implementation"
)
_SECRET = bytes.fromhex("f9fb473b9887e50ea38eef7380c82361432cd4b22c5f9b3700809990d8ed344c")
_HEADER = bytes.fromhex("bd29703cf44551710ca14d091a6c98ee347931b2b8140faaaef2dbb40719df12")
_PUBLISHED = {
    "empty_message": b"",
    "simple_message": b"Hello, World!",
    "long_message": b"x" * 200,
    "message_with_special_chars": bytes(range(0x21, 0x40)),
    "message_with_unicode": "Hello, \u4e16\u754c!".encode(),
}
_RANDOM = bytes.fromhex(
    "fed306c137017ab008c22d1f74bc104e5138d3c19b42fb303c768b083912a110"
    "2d06ac1e0f4440e3b32b9144a50e6fc0f190273bd4dec7ef847bf7d46680bb67"
)
_SEEDS = {
    "alice": bytes.fromhex("f0d64658a7d10897e292cef8446f7fc47998c9d6ab2e246ca2af1570918f8258"),
    "bob": bytes.fromhex("60c1a8a30b6767df6ba14336cb9251c2242bc0668d27e6511396e8cbe9786878"),
}


def _both_ways(name: str, secret: bytes, header: bytes, data: bytes, extra: bytes, padding: bytes) -> Case:
    script = Script(name, "telegram.8-1")
    keys = {"secret": secret.hex()}
    request = keys | {"data": data.hex(), "extra": extra.hex(), "padding": padding.hex()}
    sealed = script.step(
        "telegram.group.encrypt",
        request,
        lambda: tde2e.encrypt(secret, data, extra, padding),
        lambda two: _pair(two, "message"),
    )
    message = sealed[0] if sealed else b""
    request = keys | {"message": message.hex(), "extra": extra.hex()}
    script.step(
        "telegram.group.decrypt", request, lambda: tde2e.decrypt(secret, message, extra), lambda two: _pair(two, "data")
    )
    request = keys | {"header": header.hex(), "message": message.hex()}
    encrypted = script.step(
        "telegram.group.encrypt_header",
        request,
        lambda: tde2e.encrypt_header(secret, header, message),
        lambda value: {"encrypted": value.hex()},
    )
    request = keys | {"encrypted": (encrypted or b"").hex(), "message": message.hex()}
    script.step(
        "telegram.group.decrypt_header",
        request,
        lambda: tde2e.decrypt_header(secret, encrypted or b"", message),
        lambda value: {"header": value.hex()},
    )
    return script.case()


def _pair(two: tuple[bytes, bytes], name: str) -> Case:
    return {name: two[0].hex(), "large_id": two[1].hex()}


def _encrypted() -> Iterator[Case]:
    for name, data in _PUBLISHED.items():
        yield _both_ways(name, _SECRET, _HEADER, data, b"", bytes(tde2e.padding_length(len(data)) - 1))
    yield _both_ways("random_message", _SECRET, _HEADER, _RANDOM, b"small extra", bytes(tde2e.padding_length(64) - 1))
    for length in (1, 15, 16, 17, 100):
        draw = Draw(f"tde2e {length}")
        data, padding = draw.bytes(length), draw.bytes(tde2e.padding_length(length) - 1)
        yield _both_ways(f"{length} bytes", draw.bytes(32), draw.bytes(32), data, draw.bytes(length % 19), padding)
    for own, other in (("alice", "bob"), ("bob", "alice")):
        yield _shared(f"the keys of {own} and {other}", _SEEDS[own], ed25519.public_key(_SEEDS[other]), None)


def _shared(name: str, seed: bytes, peer: bytes, expect: tuple[str, str] | None) -> Case:
    script = Script(name, "telegram.8-4")
    request = {"seed": seed.hex(), "peer_public": peer.hex()}
    script.step(
        "telegram.group.shared_secret",
        request,
        lambda: tde2e.shared_secret(seed, peer),
        lambda value: {"secret": value.hex()},
        expect,
    )
    return script.case()


def _refused() -> Iterator[Case]:
    extra = b"extra"
    message, _ = tde2e.encrypt(_SECRET, b"data", extra, bytes(tde2e.padding_length(4) - 1))
    verification, malformed = ("verification", "telegram.8-2"), ("malformed", "telegram.8-2")
    for bit in (0, 127, 128, 8 * len(message) - 1):
        changed = (int.from_bytes(message, "big") ^ 1 << bit).to_bytes(len(message), "big")
        yield _opened(f"bit {bit} turned over", _SECRET, changed, extra, verification)
    yield _opened("another secret", bytes(32), message, extra, verification)
    yield _opened("another extra", _SECRET, message, b"extrb", verification)
    yield _opened("no extra", _SECRET, message, b"", verification)
    for length in (0, 16, 31, 33):
        yield _opened(f"{length} bytes", _SECRET, (message + bytes(16))[:length], extra, malformed)
    for first, length in ((0, 32), (15, 32), (32, 32), (255, 32), (17, 16)):
        padded, _ = tde2e.seal_padded(_SECRET, bytes([first]) + bytes(length - 1), extra)
        yield _opened(f"a padding of {first} in {length} bytes", _SECRET, padded, extra, malformed)
    for length in (0, 31, 33):
        script = Script(f"a header of {length} bytes", "telegram.8-3")
        encrypted = bytes(length)
        request = {"secret": _SECRET.hex(), "encrypted": encrypted.hex(), "message": message.hex()}
        script.step(
            "telegram.group.decrypt_header",
            request,
            lambda encrypted=encrypted: tde2e.decrypt_header(_SECRET, encrypted, message),
            lambda value: {"header": value.hex()},
            ("malformed", "telegram.8-3"),
        )
        yield script.case()
    for name, y in {"y = 0": 0, "y = 1": 1, "y = -1": 2**255 - 20, "y = p": 2**255 - 19, "no point": 2}.items():
        yield _shared(name, _SEEDS["alice"], y.to_bytes(32, "little"), ("misbehaved", "telegram.8-4"))
    for name, torsion in _small_order().items():
        yield _shared(name, _SEEDS["alice"], ed25519.encode_point(torsion), ("misbehaved", "telegram.8-4"))
        mixed = ed25519.add(ed25519.decode_point(ed25519.public_key(_SEEDS["bob"])), torsion)
        yield _shared(f"{name} and bob's", _SEEDS["alice"], ed25519.encode_point(mixed), ("misbehaved", "telegram.8-4"))
    yield _shared("a key of 31 bytes", _SEEDS["alice"], bytes(31), ("malformed", "telegram.8-4"))


def _small_order() -> dict[str, ed25519.Point]:
    """A point of each order that divides the cofactor: what is left of any point when the prime is multiplied away."""
    y = 2
    while True:
        try:
            eighth = ed25519.multiply(ed25519.L, ed25519.decode_point(y.to_bytes(32, "little")))
        except ValueError:
            pass
        else:
            if ed25519.encode_point(ed25519.multiply(4, eighth)) != ed25519.encode_point(ed25519.NEUTRAL):
                return {f"a key of order {8 // times}": ed25519.multiply(times, eighth) for times in (1, 2, 4)}
        y += 1


def _opened(name: str, secret: bytes, message: bytes, extra: bytes, expect: tuple[str, str]) -> Case:
    script = Script(name, "telegram.8-2")
    request = {"secret": secret.hex(), "message": message.hex(), "extra": extra.hex()}
    script.step(
        "telegram.group.decrypt",
        request,
        lambda: tde2e.decrypt(secret, message, extra),
        lambda two: _pair(two, "data"),
        expect,
    )
    return script.case()


FILES = (
    VectorFile(
        "group.json",
        "peer.steps",
        "data, headers and secrets of Telegram's group calls",
        _SOURCE,
        tuple(_encrypted()),
        "telegram",
    ),
    VectorFile("group-refused.json", "peer.steps", "what of them is refused", OURS, tuple(_refused()), "telegram"),
)
