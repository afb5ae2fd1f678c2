"""Telegram's signalling messages: what they say, and what of them is refused."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from e2ecall.audit.oracle.signals import digest, read_signal
from generator.cases import OURS, Case, Draw, VectorFile
from generator.script import Script

__all__ = ["FILES"]

_SHA256 = ":".join(f"{byte:02X}" for byte in Draw("telegram certificate").bytes(32))
_FINGERPRINT: Case = {"hash": "sha-256", "setup": "actpass", "fingerprint": _SHA256}
_SETUP: Case = {"@type": "InitialSetup", "ufrag": "abcd", "pwd": "p" * 24, "fingerprints": [_FINGERPRINT]}
_CANDIDATE: Case = {"sdpString": "candidate:1 1 udp 1 192.0.2.1 5000 typ host"}
_VP8: Case = {
    "id": 100,
    "name": "VP8",
    "clockrate": 90000,
    "channels": 0,
    "feedbackTypes": [{"type": "nack", "subtype": ""}, {"type": "nack", "subtype": "pli"}],
    "parameters": {"x-google-max-bitrate": "2000", "": ""},
}
_VIDEO: Case = {
    "type": "video",
    "ssrc": "4294967295",
    "ssrcGroups": [{"semantics": "FID", "ssrcs": ["4294967295", "1"]}],
    "payloadTypes": [_VP8],
    "rtpExtensions": [{"id": 3, "uri": "urn:3gpp:video-orientation"}],
}
_CHANNELS: Case = {"@type": "NegotiateChannels", "exchangeId": "7", "contents": [_VIDEO]}
_STATE: Case = {
    "@type": "MediaState",
    "muted": True,
    "lowBattery": True,
    "videoState": "suspended",
    "videoRotation": 270,
    "screencastState": "active",
}


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _with(message: Case, *path: Any, value: object) -> bytes:
    """The message with another value at `path`; without the member where the value is `...`."""
    changed = json.loads(_text(message))
    inner = changed
    for each in path[:-1]:
        inner = inner[each]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return _text(changed)


def _video(*path: Any, value: object) -> bytes:
    return _with(_CHANNELS, "contents", 0, *path, value=value)


def _packed(text: bytes) -> bytes:
    """A gzip stream of one stored block: the same bytes with every zlib."""
    length = len(text)
    block = b"\x01" + length.to_bytes(2, "little") + (length ^ 0xFFFF).to_bytes(2, "little") + text
    end = zlib.crc32(text).to_bytes(4, "little") + length.to_bytes(4, "little")
    return bytes.fromhex("1f8b08000000000000ff") + block + end


def _signals() -> Iterator[tuple[str, str, bytes]]:
    yield "an InitialSetup", "5-6", _text(_SETUP)
    yield "an InitialSetup with renomination", "5-6", _text(_SETUP | {"renomination": True})
    yield "two fingerprints", "5-6", _with(_SETUP, "fingerprints", value=[_FINGERPRINT, _FINGERPRINT | {"hash": "x"}])
    yield "Candidates", "5-6", _text({"@type": "Candidates", "candidates": [_CANDIDATE, _CANDIDATE]})
    yield "no candidate", "5-6", _text({"@type": "Candidates", "candidates": []})
    yield "NegotiateChannels", "5-6", _text(_CHANNELS)
    yield "no content", "5-6", _with(_CHANNELS, "contents", value=[])
    yield "a content of the fewest members", "5-6", _with(_CHANNELS, "contents", value=[{"type": "audio", "ssrc": "1"}])
    yield "numbers instead of digits", "5-8", _with(_CHANNELS, "exchangeId", value=4294967295)
    yield "a source as a number", "5-8", _video("ssrc", value=1)
    yield "a source of a group as a number", "5-8", _video("ssrcGroups", 0, "ssrcs", value=[1, "2"])
    yield "exchange 0", "5-8", _with(_CHANNELS, "exchangeId", value="0")
    for name, low, high in (("id", 0, 127), ("clockrate", 1, 2**31 - 1), ("channels", 0, 255)):
        for edge in (low, high):
            yield f"{name} {edge}", "5-8", _video("payloadTypes", 0, name, value=edge)
    for edge in (1, 255):
        yield f"extension {edge}", "5-8", _video("rtpExtensions", 0, "id", value=edge)
    for name in ("channels", "feedbackTypes", "parameters"):
        yield f"a payload type without {name}", "5-6", _video("payloadTypes", 0, name, value=...)
    yield "a MediaState", "5-6", _text(_STATE)
    yield "a MediaState of nothing", "5-6", b'{"@type":"MediaState"}'
    yield "a type that is not named", "5-4", _text({"@type": "Later", "x": [1, {"y": None, "@type": "z"}], "é": "😀"})
    yield "members that are not named", "5-5", _text(_SETUP | {"x": [1, -1, 0.5, True, None, {"y": {}}]})
    yield "a member that is not named, inside", "5-5", _video("payloadTypes", 0, "feedbackTypes", 0, "@type", value=[])
    yield "64 entries", "5-7", _video("rtpExtensions", value=[{"id": 1, "uri": "urn:x"}] * 64)
    yield "4096 bytes", "5-7", _with(_SETUP, "ufrag", value="é" * 2048)
    yield "16 levels", "5-3", b'{"@type":"Later","x":' + b"[" * 15 + b"]" * 15 + b"}"
    yield "a pair of surrogates", "5-3", b'{"@type":"Later","x":"\\ud83d\\ude00"}'
    yield "spaces and escapes", "5-1", b' {\t"\\u0040type" :\r\n"Candidates", "candidates" : [ ] } '
    yield "packed", "5-2", _packed(_text(_STATE))


def _refused() -> Iterator[tuple[str, str, bytes]]:
    yield from _no_json()
    yield from _wrong_members()
    yield from _too_much()


def _no_json() -> Iterator[tuple[str, str, bytes]]:
    packed = _packed(_text(_STATE))
    for name, data in {
        "nothing": b"",
        "a list": b"[]",
        "a text": b'"InitialSetup"',
        "no end": _text(_STATE)[:-1],
        "a rest": _text(_STATE) + b"{}",
        "a comma before the end": b'{"@type":"MediaState",}',
        "another quote": b"{'@type':'MediaState'}",
        "a line end in a text": b'{"@type":"Later","x":"\n"}',
        "a number that begins with 0": b'{"@type":"Later","x":01}',
        "Latin-1": b'{"@type":"Later","x":"\xe9"}',
        "a byte order mark": b"\xef\xbb\xbf" + _text(_STATE),
    }.items():
        yield name, "5-1", data
    for name, data in {
        "packed twice": _packed(packed),
        "packed, cut": packed[:-1],
        "packed, another checksum": packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        "packed, with a rest": packed + b"\0",
        "packed, two streams": packed + packed,
        "the first two bytes of a stream": b"\x1f\x8b",
    }.items():
        yield name, "5-1" if name == "packed twice" else "5-2", data
    for name, value in {
        "NaN": b"NaN",
        "Infinity": b"Infinity",
        "-Infinity": b"-Infinity",
        "2^64": b"18446744073709551616",
        "-2^63 - 1": b"-9223372036854775809",
        "a number beyond a double": b"1e309",
        "the first half of a pair": b'"\\ud83d"',
        "the second half of a pair": b'"\\ude00"',
        "a pair the wrong way round": b'"\\ude00\\ud83d"',
        "17 levels": b"[" * 16 + b"]" * 16,
        "a name twice inside": b'{"y":1,"y":1}',
    }.items():
        yield name, "5-3", b'{"@type":"Later","x":' + value + b"}"
    yield "the type twice", "5-3", b'{"@type":"MediaState","@type":"MediaState"}'
    yield "a name twice, once with an escape", "5-3", b'{"@type":"MediaState","muted":true,"m\\u0075ted":false}'


def _wrong_members() -> Iterator[tuple[str, str, bytes]]:
    yield "no type", "5-6", b'{"muted":true}'
    yield "a type that is a number", "5-6", b'{"@type":1}'
    for message, names in (
        (_SETUP, ("ufrag", "pwd", "fingerprints")),
        (_CHANNELS, ("exchangeId", "contents")),
        ({"@type": "Candidates", "candidates": [_CANDIDATE]}, ("candidates",)),
    ):
        for name in names:
            yield f"no {name}", "5-6", _with(message, name, value=...)
            yield f"null as {name}", "5-6", _with(message, name, value=None)
    for place, names in {
        (): ("type", "ssrc"),
        ("ssrcGroups", 0): ("semantics", "ssrcs"),
        ("payloadTypes", 0): ("id", "name", "clockrate"),
        ("payloadTypes", 0, "feedbackTypes", 0): ("type", "subtype"),
        ("rtpExtensions", 0): ("id", "uri"),
    }.items():
        for name in names:
            yield f"a content: no {name} at {[*place]}", "5-6", _video(*place, name, value=...)
            yield f"a content: {name} is a list of lists at {[*place]}", "5-6", _video(*place, name, value={"x": [[]]})
    for name in ("hash", "setup", "fingerprint"):
        yield f"a fingerprint without {name}", "5-6", _with(_SETUP, "fingerprints", 0, name, value=...)
    yield "a candidate that is a text", "5-6", b'{"@type":"Candidates","candidates":["candidate:1"]}'
    yield "1 as a flag", "5-6", _with(_STATE, "muted", value=1)
    yield "true as a number", "5-6", _with(_STATE, "videoRotation", value=True)
    yield "a number with a fraction", "5-6", b'{"@type":"MediaState","videoRotation":90.0}'
    for name in ("videoState", "screencastState"):
        yield f"an unknown {name}", "5-6", _with(_STATE, name, value="paused")
    yield "an unknown kind of content", "5-6", _video("type", value="data")
    yield "a parameter that is a number", "5-6", _video("payloadTypes", 0, "parameters", value={"apt": 1})


def _too_much() -> Iterator[tuple[str, str, bytes]]:
    yield "an InitialSetup without a fingerprint", "5-7", _with(_SETUP, "fingerprints", value=[])
    yield "65 fingerprints", "5-7", _with(_SETUP, "fingerprints", value=[_FINGERPRINT] * 65)
    yield "65 parameters", "5-7", _video("payloadTypes", 0, "parameters", value={str(i): "" for i in range(65)})
    yield "an empty text", "5-7", _with(_SETUP, "pwd", value="")
    yield "4097 bytes", "5-7", _with(_SETUP, "ufrag", value="é" * 2048 + "e")
    for code in (0, 10, 13, 31, 127):
        yield f"character {code}", "5-7", _with(_SETUP, "ufrag", value=f"ab{chr(code)}d")
    yield "a line end in a parameter", "5-7", _video("payloadTypes", 0, "parameters", value={"apt": "96\r\na=x"})
    for value in ("0", 0, "4294967296", 4294967296, -1, "01", "+1", " 1", "1 ", "0x1", "1.0", "", "\u0661"):
        yield f"source {json.dumps(value)}", "5-8", _video("ssrc", value=value)
    for value in ("4294967296", -1, "-1", "00"):
        yield f"exchange {json.dumps(value)}", "5-8", _with(_CHANNELS, "exchangeId", value=value)
    for name, values in {"id": (-1, 128), "clockrate": (0, 2**31), "channels": (-1, 256)}.items():
        for edge in values:
            yield f"{name} {edge}", "5-8", _video("payloadTypes", 0, name, value=edge)
    for edge in (0, 256):
        yield f"extension {edge}", "5-8", _video("rtpExtensions", 0, "id", value=edge)
    for degrees in (-90, 1, 89, 360):
        yield f"a rotation by {degrees}", "5-8", _with(_STATE, "videoRotation", value=degrees)


def _read(name: str, clause: str, data: bytes, layer: str | None) -> Case:
    script = Script(name, f"telegram.{clause}")
    expect = None if layer is None else (layer, f"telegram.{clause}")
    request = {"message": data.hex()}
    script.step("telegram.signal", request, partial(read_signal, data), lambda read: {"signal": read}, expect)
    return script.case()


_DIGESTS = {"sha-1": 20, "SHA-224": 28, "Sha-256": 32, "sha-384": 48, "sha-512": 64}


def _fingerprint(name: str, kind: str, text: str, layer: str | None) -> Case:
    script = Script(name, "telegram.5-9")
    expect = None if layer is None else (layer, "telegram.5-9")
    request = {"hash": kind, "fingerprint": text}
    script.step("telegram.digest", request, partial(digest, kind, text), lambda found: {"digest": found.hex()}, expect)
    return script.case()


def _digests() -> Iterator[Case]:
    for kind, length in _DIGESTS.items():
        text = Draw(f"telegram {kind}").bytes(length).hex(":")
        yield _fingerprint(f"a fingerprint of {kind}", kind, text, None)
        yield _fingerprint(f"a fingerprint of {kind} in capitals", kind, text.upper(), None)


def _refused_digests() -> Iterator[Case]:
    for name, kind, text in (
        ("an unknown hash", "md5", Draw("telegram md5").bytes(16).hex(":")),
        ("no hash", "", _SHA256),
        ("a hash with a space", "sha-256 ", _SHA256),
        ("a byte too few", "sha-256", _SHA256[:-3]),
        ("a byte too many", "sha-256", _SHA256 + ":00"),
        ("another hash", "sha-512", _SHA256),
        ("no colons", "sha-256", _SHA256.replace(":", "")),
        ("a colon at the end", "sha-256", _SHA256 + ":"),
        ("half a byte", "sha-256", _SHA256[:-1]),
        ("no hex", "sha-256", _SHA256[:-2] + "0g"),
        ("spaces", "sha-256", _SHA256.replace(":", " ")),
        ("nothing", "sha-256", ""),
        ("other digits", "sha-256", _SHA256[:-2] + "\u0661\u0661"),
    ):
        yield _fingerprint(f"a fingerprint: {name}", kind, text, "malformed")


def _file(name: str, title: str, *cases: Case) -> VectorFile:
    return VectorFile(f"{name}.json", "peer.steps", title, OURS, cases, "telegram")


FILES = (
    _file("signals", "signalling messages", *(_read(*each, None) for each in _signals()), *_digests()),
    _file(
        "signals-refused",
        "signalling messages that are refused",
        *(_read(*each, "malformed") for each in _refused()),
        *_refused_digests(),
    ),
)
