"""kex.4: the TLV lists of ext and payload: u16 type (bit 15 = critical) || u16 length || value.

The number of a field is its type without bit 15: numbers ascend strictly, so none is there twice and the signature
(0x7fff) is always last. A field that this version does not know is ignored, or refused when it is marked critical.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import construct

from e2ecall.errors import MalformedMessage
from e2ecall.wire.declared import build_bytes, length_prefixed, parse_exact

__all__ = ["CRITICAL", "FIELD", "FIELDS", "decode_tlv", "encode_tlv"]

CRITICAL = 0x8000

FIELD = construct.Struct(
    "type" / construct.Int16ub * "bit 15: critical; the other bits: the field's number",
    "value" / length_prefixed(construct.Int16ub) * "u16 length || value",
)
FIELDS = construct.GreedyRange(FIELD)


def decode_tlv(data: bytes, known: Collection[int], what: str) -> dict[int, bytes]:
    """kex.4-1 to kex.4-3: {number: value} of the known fields of a list, or MalformedMessage with the field's path."""
    fields: dict[int, bytes] = {}
    last = -1
    for kind, value in _split(data, what):
        number = kind & ~CRITICAL
        path = f"{what}.{number}"
        if number == last:
            raise MalformedMessage(f"{what} has a field twice", path=path, clause="kex.4-1")
        if number < last:
            raise MalformedMessage(f"{what} has its fields out of order", path=path, clause="kex.4-1")
        last = number
        if number in known:
            fields[number] = value
        elif kind & CRITICAL:
            raise MalformedMessage(f"{what} has a critical field that is not known here", path=path, clause="kex.4-2")
    return fields


def _split(data: bytes, what: str) -> list[tuple[int, bytes]]:
    """What `FIELDS` says, in a tenth of its time: nobody has vouched for a list yet, and it may have 16,000 fields."""
    fields, place = [], 0
    while place < len(data):
        start = place + 4
        end = start + int.from_bytes(data[place + 2 : start])
        if end > len(data):
            return [
                (field.type, bytes(field.value)) for field in parse_exact(FIELDS, data, what)
            ]  # says what is missing
        fields.append((int.from_bytes(data[place : place + 2]), data[start:end]))
        place = end
    return fields


def encode_tlv(fields: Mapping[int, bytes], what: str) -> bytes:
    """The list of `fields` in ascending order of their numbers, none marked critical."""
    return b"".join(
        build_bytes(FIELD, {"type": number, "value": fields[number]}, f"{what}.{number}") for number in sorted(fields)
    )
