"""Parsing, building and describing construct declarations: the whole input or MalformedMessage with offset and path.

A declaration is the single source: the codec, and through `describe` the byte tables of `spec/`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import construct

from e2ecall.errors import ApiMisuse, MalformedMessage

__all__ = ["Declaration", "FieldRow", "build_bytes", "describe", "has_utf8", "length_prefixed", "lv", "parse_exact"]

Declaration: TypeAlias = Any
"""A construct `Struct` whose fields carry their meaning as `docs`; construct itself is untyped."""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One row of a byte table: the field's name, its size in bytes as text, its meaning."""

    name: str
    size: str
    meaning: str


def lv(data: bytes | memoryview) -> bytes:
    """kex.1: u32 big-endian length || data, the form in which every variable input is hashed."""
    return len(data).to_bytes(4, "big") + bytes(data)


def has_utf8(text: str) -> bool:
    """Whether the text has a UTF-8 form: a Python or JSON string may hold half a surrogate pair."""
    return all(not 0xD800 <= ord(each) <= 0xDFFF for each in text)


def length_prefixed(length_field: Declaration) -> Declaration:
    """A byte string behind its own length."""
    return construct.Prefixed(length_field, construct.GreedyBytes)


def parse_exact(declaration: Declaration, data: bytes, what: str, *, clause: str = "kex.2-2") -> Any:
    """The container that `declaration` reads from all of `data`.

    Raises MalformedMessage with the offset where reading stopped and the path of the field; trailing bytes are refused.
    """
    stream = io.BytesIO(data)
    try:
        parsed = declaration.parse_stream(stream)
    except construct.ConstructError as error:
        path = f"{what}{_field_of(error)}"
        raise MalformedMessage(f"{what} cannot be read", offset=stream.tell(), path=path, clause=clause) from None
    if stream.tell() != len(data):
        raise MalformedMessage(f"{what} has trailing bytes", offset=stream.tell(), path=what, clause=clause)
    return parsed


def build_bytes(declaration: Declaration, values: Mapping[str, object], what: str) -> bytes:
    """The bytes of `values` under `declaration`; a value that does not fit is this program's mistake: ApiMisuse."""
    try:
        return bytes(declaration.build(values))
    except construct.ConstructError as error:
        raise ApiMisuse(f"{what}{_field_of(error)} does not fit the message") from None


def describe(declaration: Declaration) -> list[FieldRow]:
    """The byte table of a `Struct`, in order."""
    return [
        FieldRow(str(field.name), _size_of(field.subcon), str(field.docs or "").strip())
        for field in declaration.subcons
    ]


def _field_of(error: construct.ConstructError) -> str:
    names = [name for name in str(error.path or "").split(" -> ") if name and not name.startswith("(")]
    return "".join(f".{name}" for name in dict.fromkeys(names))


def _size_of(subcon: Declaration) -> str:
    while isinstance(subcon, construct.Renamed):
        subcon = subcon.subcon
    if subcon is construct.GreedyBytes:
        return "to the end"
    if isinstance(subcon, construct.Prefixed):
        return f"{subcon.lengthfield.sizeof()} + n"
    if isinstance(subcon, construct.IfThenElse):
        return f"0 or {_size_of(subcon.thensubcon)}"
    if isinstance(subcon, construct.FocusedSeq):  # what PrefixedArray makes
        count, items = subcon.subcons
        item = _size_of(items.subcon.subcon)
        return f"{count.sizeof()} + {item} n" if item.isdigit() else f"{count.sizeof()} + ({item}) each"
    return str(subcon.sizeof())
