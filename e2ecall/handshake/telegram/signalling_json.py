"""telegram.5: the JSON under Telegram's signalling messages: from bytes that nobody vouches for to checked members.

`read_json` gives the value of a text, and `Members` reads one object of it. The limits stand here: how long, how deep,
how many, how large. What breaks one of them is a MalformedMessage with the path of the member, never its value.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NoReturn, TypeAlias, TypeVar

from e2ecall.errors import MalformedMessage
from e2ecall.wire.declared import has_utf8

__all__ = [
    "DEEPEST",
    "LONGEST_LIST",
    "LONGEST_TEXT",
    "MAX_INFLATED",
    "MAX_MESSAGE",
    "Json",
    "Members",
    "number_or_digits",
    "read_json",
    "refuse",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a member may hold: whole numbers of 64 bits, finite others, text that has a UTF-8 form."""

MAX_MESSAGE: Final = 1 << 20
"""telegram.5-1: bytes of a message as it arrives, packed or not."""
MAX_INFLATED: Final = 2 << 20
"""telegram.5-2: bytes of a packed message when it is unpacked."""
DEEPEST: Final = 16
"""telegram.5-3: how deep lists and objects may stand in each other."""
LONGEST_LIST: Final = 64
"""telegram.5-7: entries of a list, or of the parameters of a payload type."""
LONGEST_TEXT: Final = 4096
"""telegram.5-7: bytes in UTF-8 of a text that this chapter names."""

_MOST_MARKS: Final = 1 << 14  # of the marks that begin or part values: bounds the memory before anything is built
_GZIP: Final = b"\x1f\x8b"
_LARGEST: Final = (-(1 << 63), (1 << 64) - 1)
_SHOWN: Final = re.compile(r"@?[A-Za-z][A-Za-z0-9_-]{0,31}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)
_Pairs: TypeAlias = "tuple[tuple[str, object], ...]"


def refuse(why: str, path: str, clause: str) -> NoReturn:
    """MalformedMessage: `why`, at `path`."""
    raise MalformedMessage(f"the signalling message {why}", path=path, clause=f"telegram.{clause}")


def read_json(data: bytes) -> dict[str, Json]:
    """telegram.5-1 to telegram.5-3: the object that `data` is, packed by gzip or not.

    MalformedMessage for what is too long, no gzip to its end, not UTF-8, not JSON, or holds what JSON readers disagree
    about: a name that stands twice, NaN, numbers beyond 64 bits, half a surrogate pair.
    """
    if len(data) > MAX_MESSAGE:
        refuse(f"has {len(data)} bytes, more than {MAX_MESSAGE}", "signal", "5-1")
    value = _parse(_inflate(data) if data.startswith(_GZIP) else data)
    if not isinstance(value, tuple):
        refuse("is no object", "signal", "5-1")
    return _object(value, _root(value), DEEPEST)


def _inflate(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)  # 31: the gzip header and its checksum, nothing else
    try:
        text = unpacker.decompress(data, MAX_INFLATED + 1)
    except zlib.error:
        refuse("is no gzip stream", "signal", "5-2")
    if len(text) > MAX_INFLATED:
        refuse(f"unpacks to more than {MAX_INFLATED} bytes", "signal", "5-2")
    if not unpacker.eof:
        refuse("is a gzip stream without its end", "signal", "5-2")
    if unpacker.unused_data:
        refuse("has bytes behind its gzip stream", "signal", "5-2")
    return text


def _parse(data: bytes) -> object:
    """The value, each object still as its pairs: which name stands twice is seen where the path is known."""
    try:
        text = data.decode("utf-8")
        if sum(text.count(mark) for mark in "[{,") > _MOST_MARKS:
            refuse("holds too many values", "signal", "5-3")
        value: object = json.loads(
            text, object_pairs_hook=tuple, parse_int=_whole, parse_float=_real, parse_constant=_constant
        )
    except UnicodeDecodeError as error:
        raise MalformedMessage("the message is not UTF-8", offset=error.start, clause="telegram.5-1") from None
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise MalformedMessage("the message is not JSON", offset=offset, clause="telegram.5-1") from None
    except RecursionError:
        refuse("is nested too deeply", "signal", "5-3")
    return value


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else None
    if number is None or not _LARGEST[0] <= number <= _LARGEST[1]:
        refuse("holds a whole number beyond 64 bits", "signal", "5-3")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        refuse("holds a number beyond what a double holds", "signal", "5-3")
    return number


def _constant(_: str) -> NoReturn:
    refuse("holds NaN or Infinity", "signal", "5-3")


def _root(pairs: _Pairs) -> str:
    """What paths begin with: the type, if it is a plain word."""
    name = next((value for key, value in pairs if key == "@type"), None)
    return name if isinstance(name, str) and _SHOWN.fullmatch(name) else "signal"


def _plain(value: object, path: str, depth: int) -> Json:
    if isinstance(value, str):
        if not has_utf8(value):
            refuse("holds half a surrogate pair", path, "5-3")
        return value
    if isinstance(value, (list, tuple)) and not depth:
        refuse(f"is nested deeper than {DEEPEST}", path, "5-3")
    if isinstance(value, tuple):
        return _object(value, path, depth)
    if isinstance(value, list):
        return [_plain(item, f"{path}[{index}]", depth - 1) for index, item in enumerate(value)]
    assert value is None or isinstance(value, (bool, int, float))
    return value


def _object(pairs: _Pairs, path: str, depth: int) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for name, value in pairs:
        if not has_utf8(name):
            refuse("has a name with half a surrogate pair", path, "5-3")
        # A name of the other side's own making reaches the path of an error only where it is a plain word.
        inner = f"{path}.{name if _SHOWN.fullmatch(name) else '?'}"
        if name in members:
            refuse("has a name twice", inner, "5-3")
        members[name] = _plain(value, inner, depth - 1)
    return members


class Members:
    """One object while it is read: each known member is taken once, and `rest` is what nobody asked for."""

    def __init__(self, value: Json, path: str) -> None:
        """telegram.5-6: MalformedMessage when `value` is no object."""
        if not isinstance(value, dict):
            refuse("needs an object", path, "5-6")
        self._left = dict(value)
        self._path = path

    def text(self, name: str, *, least: int = 1) -> str:
        """telegram.5-6, telegram.5-7: a text of `least` to 4096 bytes, without control characters."""
        return _text(self._take(name), self._at(name), least)

    def flag(self, name: str) -> bool:
        """telegram.5-6: true or false; false when it is absent."""
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            refuse("needs true or false", self._at(name), "5-6")
        return value

    def whole(self, name: str, low: int, high: int, *, default: int | None = None) -> int:
        """telegram.5-6, telegram.5-8: a whole number from `low` to `high`; must be there if it has no default."""
        if default is not None and name not in self._left:
            return default
        return _number(self._take(name), self._at(name), low, high)

    def digits(self, name: str, low: int, high: int) -> int:
        """telegram.5-8: a number from `low` to `high` in decimal digits, or as a number."""
        return number_or_digits(self._take(name), self._at(name), low, high)

    def choice(self, name: str, kinds: type[_E], *, default: _E | None = None) -> _E:
        """telegram.5-6: one of the words of `kinds`; must be there if it has no default."""
        if default is not None and name not in self._left:
            return default
        value = self._take(name)
        if not isinstance(value, str) or value not in list(kinds):
            refuse(f"needs one of {', '.join(kinds)}", self._at(name), "5-6")
        return kinds(value)

    def items(
        self, name: str, read: Callable[[Json, str], _T], *, least: int = 0, required: bool = False
    ) -> tuple[_T, ...]:
        """telegram.5-6, telegram.5-7: the entries of a list of `least` to 64; none when it may be absent and is."""
        value = self._take(name) if required else self._left.pop(name, [])
        path = self._at(name)
        if not isinstance(value, list):
            refuse("needs a list", path, "5-6")
        if not least <= len(value) <= LONGEST_LIST:
            refuse(f"has {len(value)} entries where {least} to {LONGEST_LIST} may be", path, "5-7")
        return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))

    def texts(self, name: str) -> Mapping[str, str]:
        """telegram.5-6, telegram.5-7: an object of at most 64 texts; empty when it is absent."""
        value = self._left.pop(name, {})
        path = self._at(name)
        if not isinstance(value, dict):
            refuse("needs an object", path, "5-6")
        if len(value) > LONGEST_LIST:
            refuse(f"has {len(value)} entries where 0 to {LONGEST_LIST} may be", path, "5-7")
        return {_text(key, path, 0): _text(text, path, 0) for key, text in value.items()}

    def rest(self) -> Mapping[str, Json]:
        """telegram.5-5: the members that were not taken."""
        return self._left

    def _take(self, name: str) -> Json:
        if name not in self._left:
            refuse("lacks a member", self._at(name), "5-6")
        return self._left.pop(name)

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}"


def number_or_digits(value: Json, path: str, low: int, high: int) -> int:
    """telegram.5-8: the number of decimal digits without a leading zero, or a number; `low` to `high`."""
    if not isinstance(value, str):
        return _number(value, path, low, high)
    if not _DECIMAL.fullmatch(value):
        refuse("needs a number in decimal digits", path, "5-8")
    return _number(int(value), path, low, high)


def _number(value: Json, path: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        refuse("needs a whole number", path, "5-6")
    if not low <= value <= high:
        refuse(f"needs a number from {low} to {high}", path, "5-8")
    return value


def _text(value: Json, path: str, least: int) -> str:
    if not isinstance(value, str):
        refuse("needs a text", path, "5-6")
    if not least <= len(value.encode()) <= LONGEST_TEXT:
        refuse(f"needs a text of {least} to {LONGEST_TEXT} bytes", path, "5-7")
    if _CONTROL.search(value):  # a line end here would be a line of its own in the session description it goes into
        refuse("has a text with a control character", path, "5-7")
    return value
