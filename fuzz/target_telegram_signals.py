"""Any bytes are a signal of Telegram's calls or malformed, and a signal is written as what reads as the same signal.

An input is one message. Where it reads, an independent JSON reader has found an object with the same members, and what
is written has all of them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from random import Random

from e2ecall.errors import MalformedMessage
from e2ecall.handshake.telegram.signalling import build_signal, parse_signal
from fuzz.mutation import below, choice, mutate_bytes
from fuzz.target import Escape

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]

MAX_LENGTH = 2000
_SHA256 = ":".join(["AB"] * 32)
_SEEDS: tuple[dict[str, object], ...] = (
    {
        "@type": "InitialSetup",
        "ufrag": "abcd",
        "pwd": "p" * 24,
        "renomination": False,
        "fingerprints": [{"hash": "sha-256", "setup": "actpass", "fingerprint": _SHA256}],
    },
    {"@type": "Candidates", "candidates": [{"sdpString": "candidate:1 1 udp 1 192.0.2.1 5000 typ host"}]},
    {
        "@type": "MediaState",
        "muted": True,
        "lowBattery": False,
        "videoState": "active",
        "videoRotation": 90,
        "screencastState": "inactive",
    },
    {
        "@type": "NegotiateChannels",
        "exchangeId": "7",
        "contents": [
            {
                "type": "video",
                "ssrc": "4294967295",
                "ssrcGroups": [{"semantics": "FID", "ssrcs": ["1", "2"]}],
                "payloadTypes": [
                    {
                        "id": 100,
                        "name": "VP8",
                        "clockrate": 90000,
                        "channels": 0,
                        "feedbackTypes": [{"type": "nack", "subtype": "pli"}],
                        "parameters": {"apt": "96"},
                    }
                ],
                "rtpExtensions": [{"id": 3, "uri": "urn:x"}],
            }
        ],
    },
    {"@type": "Other", "x": [1, -2.5, None, {"y": "\u00e9\U0001f600"}]},
)
_TOKENS = tuple(
    each.encode()
    for each in (
        '"@type":',
        '"Candidates"',
        "[]",
        "{}",
        "[[[[[[[[[[[[[[[[[[",
        "NaN",
        "1e999",
        "18446744073709551616",
        "-0",
        "1.0",
        "null",
        "true",
        '"\\ud800"',
        '"\\u0000"',
        ',"ssrc":"01"',
        ',"x":1',
        "\ufeff",
    )
)
_VALUES: tuple[object, ...] = (
    *(0, 1, -1, 127, 128, 2**32, 1.5, None, True, [], {}),
    *("7", "", "x" * 70, "sha-1", "sha-512", "active"),
)


def run(data: bytes) -> object:
    """The target."""
    try:
        signal = parse_signal(data)
    except MalformedMessage as refused:
        return f"refused by {refused.clause}"
    written = build_signal(signal)
    if parse_signal(written) != signal or build_signal(parse_signal(written)) != written:
        raise Escape(f"{written!r} reads as another signal than {data!r}")
    lost = _names(_plain(data)) - _names(written)
    if lost:
        raise Escape(f"{sorted(lost)} of {data!r} are not in {written!r}")
    return type(signal).__name__


def _plain(data: bytes) -> bytes:
    return zlib.decompress(data, wbits=31) if data[:2] == b"\x1f\x8b" else data


def _names(data: bytes) -> frozenset[str]:
    """Every name that stands in the text, by the standard library's reader."""
    names: set[str] = set()
    json.loads(data, object_pairs_hook=lambda pairs: names.update(name for name, _ in pairs))
    return frozenset(names)


def seeds() -> Iterator[bytes]:
    """A message of each type, and packed ones."""
    for each in _SEEDS:
        yield json.dumps(each, separators=(",", ":"), ensure_ascii=False).encode()
    yield gzip.compress(json.dumps(_SEEDS[1]).encode(), mtime=0)
    yield json.dumps(_SEEDS[2], indent=1).encode()


def mutate(data: bytes, rng: Random) -> bytes:
    """Of the bytes, or of the JSON in them; sometimes packed."""
    if rng.random() < 0.5:
        try:
            data = json.dumps(_changed(json.loads(_plain(data)), rng)).encode()
        except (ValueError, zlib.error, RecursionError):
            data = mutate_bytes(data, rng, _TOKENS)
    else:
        data = mutate_bytes(data, rng, _TOKENS)
    return gzip.compress(data, mtime=0) if rng.random() < 0.05 else data


def _changed(value: object, rng: Random) -> object:
    """Another value somewhere inside."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = choice(rng, list(value))
        if rng.random() < 0.1:
            return {each: value[each] for each in value if each != name}
        return {**value, name: _changed(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = below(rng, len(value))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :], *(value[at:] if rng.random() < 0.1 else [])]
    return choice(
        rng, (0, 1, -1, 127, 128, 2**32, "7", "", "x" * 70, "sha-1", "sha-512", None, True, [], {}, 1.5, "active")
    )
