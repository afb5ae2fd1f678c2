"""Telegram's signalling messages, from the chapter alone: a reader of JSON and one table of what each object holds."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from e2ecall.audit.oracle.refused import Refused

__all__ = ["digest", "read_signal"]

_Read = Callable[[Any], Any]
_LENGTHS = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
_STRING = r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*)"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(
    rf"[ \t\r\n]*(?:(?P<mark>[\[\]{{}},:])|(?P<word>true|false|null|NaN|-?Infinity)|(?P<number>{_NUMBER})|{_STRING})"
)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|(["\\/bfnrt]))')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


def _no(clause: str, detail: str) -> NoReturn:
    raise Refused("malformed", f"telegram.{clause}", detail)


class _Reader:
    """telegram.5-1, telegram.5-3: one value of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def token(self) -> tuple[str, str]:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            _no("5-1", "not JSON")
        self.at = found.end()
        for kind in ("mark", "word", "number"):
            if found[kind] is not None:
                return kind, found[kind]
        return "string", found[4]

    def value(self, level: int, token: tuple[str, str]) -> Any:
        kind, text = token
        if kind == "string":
            return _unescaped(text)
        if kind == "number":
            return _number(text)
        if kind == "word":
            return _WORDS[text] if text in _WORDS else _no("5-3", text)
        if text not in "[{":
            _no("5-1", text)
        if level > 16:
            _no("5-3", "levels")
        return self.listed(level) if text == "[" else self.members(level)

    def listed(self, level: int) -> list[Any]:
        found: list[Any] = []
        token = self.token()
        while token != ("mark", "]"):
            found.append(self.value(level + 1, token))
            token = self.after("]")
        return found

    def members(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        token = self.token()
        while token != ("mark", "}"):
            kind, text = token
            if kind != "string" or self.token() != ("mark", ":"):
                _no("5-1", "no member")
            name = _unescaped(text)
            if name in found:
                _no("5-3", "twice")
            found[name] = self.value(level + 1, self.token())
            token = self.after("}")
        return found

    def after(self, end: str) -> tuple[str, str]:
        """The token behind a comma, or the end."""
        token = self.token()
        if token == ("mark", end):
            return token
        if token != ("mark", ","):
            _no("5-1", "no comma")
        token = self.token()
        if token == ("mark", end):
            _no("5-1", "a comma before the end")
        return token


def _unescaped(text: str) -> str:
    def char(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else _SHORT.get(found[2], found[2])

    try:
        return _ESCAPE.sub(char, text).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        _no("5-3", "half a pair")


def _number(text: str) -> int | float:
    if not re.search(r"[.eE]", text):
        if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
            _no("5-3", "64 bits")
        return int(text)
    if not math.isfinite(float(text)):
        _no("5-3", "a double")
    return float(text)


def _json(data: bytes) -> Any:
    if len(data) > 2**20:
        _no("5-1", "length")
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        _no("5-1", "UTF-8")
    if len(re.findall(r"[\[{,]", text)) > 16384:
        _no("5-3", "marks")
    reader = _Reader(text)
    value = reader.value(1, reader.token())
    if text[reader.at :].strip(" \t\r\n"):
        _no("5-1", "a rest")
    return value


def _unpacked(data: bytes) -> bytes:
    """telegram.5-2."""
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(data, 2**21 + 1)
    except zlib.error:
        _no("5-2", "not gzip")
    if len(text) > 2**21 or not stream.eof or stream.unused_data:
        _no("5-2", "length, no end or a rest")
    return text


class _Member(NamedTuple):
    """How a member is read, whether it may be absent and what it is then, and whether it is written when empty."""

    read: _Read
    absent: Any = ...
    written: bool = True


def _object(table: dict[str, _Member]) -> _Read:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            _no("5-6", "no object")
        found = {name: value[name] for name in value if name not in table}
        for name, member in table.items():
            if name not in value and member.absent is ...:
                _no("5-6", "absent")
            got = member.read(value[name]) if name in value else member.absent
            if member.written or got:
                found[name] = got
        return found

    return read


def _list(read: _Read, least: int = 0) -> _Read:
    def read_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            _no("5-6", "no list")
        if len(value) > 64 or len(value) < least:
            _no("5-7", "entries")
        return [read(each) for each in value]

    return read_all


def _text_of(least: int) -> _Read:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            _no("5-6", "no text")
        if not least <= len(value.encode()) <= 4096 or any(ord(each) < 32 or ord(each) == 127 for each in value):
            _no("5-7", "text")
        return value

    return read


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        _no("5-6", "no object")
    if len(value) > 64:
        _no("5-7", "entries")
    return {_text_of(0)(name): _text_of(0)(text) for name, text in value.items()}


def _whole(allowed: range) -> _Read:
    def read(value: Any) -> int:
        if type(value) is not int:
            _no("5-6", "no whole number")
        if value not in allowed:
            _no("5-8", "range")
        return value

    return read


def _digits(allowed: range) -> _Read:
    def read(value: Any) -> str:
        if isinstance(value, str):
            if not value.isascii() or not value.isdigit() or (value[0] == "0" and value != "0") or len(value) > 10:
                _no("5-8", "digits")
            value = int(value)
        return str(_whole(allowed)(value))

    return read


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else _no("5-6", "no flag")


def _word(*words: str) -> _Read:
    def read(value: Any) -> str:
        return value if isinstance(value, str) and value in words else _no("5-6", "no such word")

    return read


_TEXT = _Member(_text_of(1))
_FLAG = _Member(_flag, absent=False)
_SSRC = _digits(range(1, 2**32))
_SENT = _Member(_word("inactive", "suspended", "active"), absent="inactive")
_FINGERPRINT = _object({"hash": _TEXT, "setup": _TEXT, "fingerprint": _TEXT})
_CANDIDATE = _object({"sdpString": _TEXT})
_GROUP = _object({"semantics": _TEXT, "ssrcs": _Member(_list(_SSRC))})
_FEEDBACK = _object({"type": _TEXT, "subtype": _Member(_text_of(0))})
_EXTENSION = _object({"id": _Member(_whole(range(1, 256))), "uri": _TEXT})
_PAYLOAD = _object(
    {
        "id": _Member(_whole(range(128))),
        "name": _TEXT,
        "clockrate": _Member(_whole(range(1, 2**31))),
        "channels": _Member(_whole(range(256)), absent=0),
        "feedbackTypes": _Member(_list(_FEEDBACK), absent=[]),
        "parameters": _Member(_texts, absent={}),
    }
)
_CONTENT = _object(
    {
        "type": _Member(_word("audio", "video")),
        "ssrc": _Member(_SSRC),
        "ssrcGroups": _Member(_list(_GROUP), absent=[], written=False),
        "payloadTypes": _Member(_list(_PAYLOAD), absent=[], written=False),
        "rtpExtensions": _Member(_list(_EXTENSION), absent=[]),
    }
)
_MESSAGES: dict[str, dict[str, _Member]] = {
    "InitialSetup": {
        "ufrag": _TEXT,
        "pwd": _TEXT,
        "renomination": _FLAG,
        "fingerprints": _Member(_list(_FINGERPRINT, least=1)),
    },
    "Candidates": {"candidates": _Member(_list(_CANDIDATE))},
    "NegotiateChannels": {"exchangeId": _Member(_digits(range(2**32))), "contents": _Member(_list(_CONTENT))},
    "MediaState": {
        "muted": _FLAG,
        "lowBattery": _FLAG,
        "videoState": _SENT,
        "videoRotation": _Member(_whole(range(0, 271, 90)), absent=0),
        "screencastState": _SENT,
    },
}


def read_signal(data: bytes) -> dict[str, Any]:
    """telegram.5-1 to telegram.5-8: the message as it is written again."""
    value = _json(data)
    if not isinstance(value, dict):
        _no("5-1", "no object")
    name = _object({"@type": _TEXT})(value)["@type"]
    found: dict[str, Any] = _object(_MESSAGES.get(name, {}))(value)
    return found


def digest(name: str, text: str) -> bytes:
    """telegram.5-9."""
    pairs = text.split(":")
    if name.lower() not in _LENGTHS or not all(re.fullmatch("[0-9A-Fa-f]{2}", pair) for pair in pairs):
        _no("5-9", "hash or hex")
    if len(pairs) != _LENGTHS[name.lower()]:
        _no("5-9", "length")
    return bytes(int(pair, 16) for pair in pairs)
