"""RFC 8785, canonical JSON, for the values that this protocol signs: one value has one text, byte for byte.

The values are null, booleans, strings, whole numbers below 2^53 (and above -2^53), lists, and objects whose keys are
ASCII. Among these Python's own encoder already writes what RFC 8785 §3.2 asks for: the floats, whose text is the hard
part of that document, are refused, and so are keys whose order in UTF-16 could differ from Python's.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn, TypeAlias

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.wire.declared import has_utf8

__all__ = ["DEEPEST", "JsonValue", "canonical", "read_canonical"]

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What canonical JSON may hold here."""

DEEPEST: Final = 16
"""How deep lists and objects may stand in each other."""

_NUMBERS: Final = 1 << 53


def canonical(value: JsonValue) -> bytes:
    """RFC 8785 §3.2: the one UTF-8 text of `value`. ApiMisuse for a value that is none of `JsonValue`."""
    try:
        _check(value, "", DEEPEST)
    except MalformedMessage as error:
        raise ApiMisuse(f"not to be written as canonical JSON: {error}", clause=error.clause) from None
    return _written(value)


def read_canonical(data: bytes, *, what: str = "the JSON text", clause: str = "identity.6-1") -> JsonValue:
    """RFC 8785: the value of a text that is canonical already; MalformedMessage with the offset or path for another.

    So a key that stands twice, a space, another order, a number written 1.0 or 1e0, an escape that is not needed, and
    bytes behind the value are all refused: nothing that is read has a second text with the same meaning.
    """
    try:
        text = data.decode("utf-8")
        value: JsonValue = json.loads(text, parse_float=_refuse_float, parse_constant=_refuse_float)
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"{what} is not UTF-8", offset=error.start, clause=clause) from None
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise MalformedMessage(f"{what} is not JSON", offset=offset, clause=clause) from None
    except (ValueError, RecursionError) as error:
        detail = "is too deep" if isinstance(error, RecursionError) else "holds what canonical JSON has not"
        raise MalformedMessage(f"{what} {detail}", clause=clause) from None
    _check(value, "", DEEPEST, what, clause)
    # Whatever the reader passed over, a space or the first of two equal keys, is missing from what is written again.
    if (again := _written(value)) != data:
        first = next((i for i, (a, b) in enumerate(zip(again, data, strict=False)) if a != b), len(again))
        raise MalformedMessage(f"{what} is not in its canonical form", offset=first, clause=clause)
    return value


def _written(value: JsonValue) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check(value: object, path: str, depth: int, what: str = "the value", clause: str = "identity.6-1") -> None:
    """MalformedMessage with the path of the first thing that is no `JsonValue`."""

    def refuse(why: str) -> NoReturn:
        raise MalformedMessage(f"{what} {why}", path=path or None, clause=clause)

    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if not has_utf8(value):
            refuse("holds half a surrogate pair")
    elif isinstance(value, int):
        if abs(value) >= _NUMBERS:
            refuse("holds a number of 2^53 or more")
    elif isinstance(value, list | dict):
        if not depth:
            refuse("is too deep")
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not (isinstance(key, str) and key.isascii()):
                refuse("has a key that is not ASCII text")
            _check(item, f"{path}.{key}".lstrip("."), depth - 1, what, clause)
    else:
        refuse(f"holds a {type(value).__name__}")


def _refuse_float(text: str) -> NoReturn:
    raise ValueError(text)
