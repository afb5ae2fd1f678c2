"""Headers: RFC 9605's, those around its edges, and what a receiver must refuse."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.header import decode_header, encode_header
from generator.cases import EDGES, OURS, Case, VectorFile, refusal

__all__ = ["FILES"]

# RFC 9605, Appendix C.1: every pair of these.
_RFC = (0, 1, *(2**bits - less for bits in (8, 16, 24, 32, 40, 48, 56) for less in (1, 0)), 2**64 - 1)
_SMALL = (6, 7, 8, 9)


def _good(kid: int, ctr: int) -> Case:
    return {
        "name": f"kid {kid}, ctr {ctr}",
        "clause": "frame.2-1",
        "kid": str(kid),
        "ctr": str(ctr),
        "header": encode_header(kid, ctr).hex(),
        "result": "ok",
    }


def _edges() -> Iterator[Case]:
    values = sorted({*_SMALL, *EDGES})
    for kid in values:
        yield from (_good(kid, ctr) for ctr in values if kid in _SMALL or ctr in _SMALL)


def _refused(name: str, data: bytes) -> Case:
    found = refusal(lambda: decode_header(data))
    return {"name": name, "clause": found["clause"], "data": data.hex(), "result": found["result"]}


_NAMED = (
    ("no byte at all", ""),
    ("KID of one byte, missing", "80"),
    ("CTR of one byte, missing", "08"),
    ("KID of two bytes, one there", "90ff"),
    ("CTR of two bytes, one there", "99012345"),
    ("KID of eight bytes, seven there", "f7ffffffffffffff"),
    ("KID and CTR of eight bytes, the last one missing", "ffffffffffffffffffffffffffffffff"),
    ("CTR of eight bytes, seven there", "0fffffffffffffff"),
    ("KID 5 in a byte of its own", "8005"),
    ("KID 0 in a byte of its own", "8000"),
    ("KID 7 in a byte of its own", "8007"),
    ("CTR 3 in a byte of its own", "0803"),
    ("CTR 0 in a byte of its own", "0800"),
    ("CTR 7 in a byte of its own", "0807"),
    ("KID 8 in two bytes", "900008"),
    ("KID 255 in two bytes", "9000ff"),
    ("CTR 8 in two bytes", "090008"),
    ("CTR 255 in two bytes", "0900ff"),
    ("KID 65535 in three bytes", "a000ffff"),
    ("CTR 65535 in three bytes", "0a00ffff"),
    ("KID 2^56-1 in eight bytes", "f000ffffffffffffff"),
    ("CTR 2^56-1 in eight bytes", "0f00ffffffffffffff"),
    ("KID fine, CTR 7 in a byte of its own", "88ff07"),
    ("CTR fine, KID 7 in a byte of its own", "8807ff"),
    ("both in bytes of their own", "880707"),
)


def _too_long() -> Iterator[tuple[str, bytes]]:
    """Each length of a field with the least and the greatest value of each shorter form."""
    for length in range(1, 9):
        for shorter in range(length):
            least = 0 if shorter == 0 else 8 if shorter == 1 else 256 ** (shorter - 1)
            greatest = 7 if shorter == 0 else 256**shorter - 1
            for value in (least, greatest):
                field = value.to_bytes(length, "big")
                size = "a byte" if length == 1 else f"{length} bytes"
                yield f"KID {value} in {size}", bytes([(7 + length) << 4]) + field
                yield f"CTR {value} in {size}", bytes([7 + length]) + field


def _cut() -> Iterator[tuple[str, bytes]]:
    """Each pair of lengths with the last byte missing, and the longest header at every length."""
    for kid_length in range(9):
        for ctr_length in range(9):
            if kid_length or ctr_length:
                header = encode_header(2 ** (8 * kid_length) - 1, 2 ** (8 * ctr_length) - 1)
                yield f"KID of {kid_length} bytes behind, CTR of {ctr_length}, the last byte missing", header[:-1]
    longest = encode_header(2**64 - 1, 2**64 - 1)
    for length in range(1, len(longest) - 1):
        yield f"the longest header, cut to {length} bytes", longest[:length]


def _refusals() -> Iterator[Case]:
    seen = {data for _, data in _NAMED}
    yield from (_refused(name, bytes.fromhex(data)) for name, data in _NAMED)
    for name, data in (*_too_long(), *_cut()):
        if data.hex() not in seen:
            seen.add(data.hex())
            yield _refused(name, data)
    for kid, ctr in ((2**64, 0), (0, 2**64), (-1, 0), (0, -1)):
        found = refusal(lambda kid=kid, ctr=ctr: encode_header(kid, ctr))  # type: ignore[misc]
        yield {"name": f"kid {kid}, ctr {ctr}", "clause": found["clause"], "kid": str(kid), "ctr": str(ctr)} | {
            "result": found["result"]
        }


FILES = (
    VectorFile(
        "header.json",
        "sframe.header",
        "SFrame header, both directions",
        "RFC 9605, Appendix C.1",
        tuple(_good(kid, ctr) for kid in _RFC for ctr in _RFC),
    ),
    VectorFile(
        "header-edges.json",
        "sframe.header",
        "SFrame header around 7 and 8, where a value leaves the first byte",
        OURS,
        tuple(_edges()),
    ),
    VectorFile(
        "header-refused.json",
        "sframe.header",
        "SFrame headers that are cut short or not in their shortest form",
        OURS,
        tuple(_refusals()),
    ),
)
