"""Frames that are spoilt in every way: one good frame for each suite."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.suites import protect, suite_of, unprotect
from generator.cases import SUITE_NUMBERS, Case, Draw, VectorFile, outcome, refusal
from generator.frames import RFC_BASE_KEY, RFC_CTR, RFC_KID, RFC_METADATA, RFC_PLAINTEXT, source_of

__all__ = ["FILES", "flip"]


def flip(data: bytes, index: int, bit: int = 0) -> bytes:
    """The data with one bit turned over."""
    index %= len(data)
    return data[:index] + bytes([data[index] ^ 1 << bit]) + data[index + 1 :]


def _refused(name: str, suite: int, kid: int, base_key: bytes, metadata: bytes, frame: bytes) -> Case:
    found = refusal(lambda: unprotect(suite, kid, base_key, frame, metadata))
    case = {"name": name, "clause": found["clause"], "suite": suite, "kid": str(kid), "base_key": base_key.hex()}
    return case | {"metadata": metadata.hex(), "ciphertext": frame.hex(), "result": found["result"]}


def _good(suite: int) -> bytes:
    return protect(suite, RFC_KID, RFC_CTR, RFC_BASE_KEY, RFC_PLAINTEXT, RFC_METADATA).ciphertext


def _spoilt(suite: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(what was done, frame, metadata), for RFC 9605's or the draft's frame of a suite."""
    good, metadata = _good(suite), RFC_METADATA
    for length in range(len(good)):
        yield f"cut to {length} bytes", good[:length], metadata
    yield "one byte more", good + b"\0", metadata
    yield "last bit of the tag", flip(good, -1), metadata
    yield "first byte of the ciphertext", flip(good, 5), metadata
    yield "another CTR", flip(good, 4), metadata
    yield "another KID", flip(good, 2), metadata
    yield "no metadata", good, b""
    yield "other metadata", good, flip(metadata, 0)
    yield "metadata moved into the frame", good + metadata, b""
    yield "KID 291 in three bytes", b"\xa9\0\1\x23\x45\x67" + good[5:], metadata
    yield "CTR 17767 in three bytes", b"\x9a\1\x23\0\x45\x67" + good[5:], metadata


def _spoilt_more(suite: int) -> Iterator[tuple[str, bytes, bytes]]:
    """The same for the metadata's length, and for the frames of the other suites."""
    good, metadata, own = _good(suite), RFC_METADATA, suite_of(suite)
    yield "metadata one byte longer", good, metadata + b"\0"
    yield "metadata one byte shorter", good, metadata[:-1]
    yield "metadata in front of the frame", metadata + good, b""
    for other in SUITE_NUMBERS:
        if other != suite:
            yield f"the frame of suite {other}", _good(other), metadata
            if suite_of(other).nt > own.nt:
                yield f"the frame of suite {other}, its tag cut to {own.nt} bytes", _cut_tag(other, own.nt), metadata


def _cut_tag(suite: int, length: int) -> bytes:
    frame = _good(suite)
    return frame[: len(frame) - suite_of(suite).nt + length]


def _gcm() -> Iterator[Case]:
    for name, frame, metadata in _spoilt(5):
        yield _refused(name, 5, RFC_KID, RFC_BASE_KEY, metadata, frame)


def _others() -> Iterator[Case]:
    for suite in SUITE_NUMBERS:
        for name, frame, metadata in (*(_spoilt(suite) if suite != 5 else ()), *_spoilt_more(suite)):
            yield _refused(f"suite {suite}: {name}", suite, RFC_KID, RFC_BASE_KEY, metadata, frame)


def _tag_bits() -> Iterator[Case]:
    base_key = Draw("tag bits").bytes(16)
    for suite in SUITE_NUMBERS:
        good = protect(suite, 1, 2, base_key, b"\xf8").ciphertext
        if outcome(lambda suite=suite, good=good: unprotect(suite, 1, base_key, good))[0] != (b"\xf8", 2):  # type: ignore[misc]
            raise ValueError(f"suite {suite} does not open its own frame")
        tag = suite_of(suite).nt
        for number in range(8 * tag):
            spoilt = flip(good, len(good) - tag + number // 8, 7 - number % 8)
            yield _refused(f"suite {suite}: bit {number} of the tag", suite, 1, base_key, b"", spoilt)


FILES = (
    VectorFile(
        "gcm-refused.json",
        "sframe.frame",
        "one good frame of RFC 9605 (suite 5), spoilt in every way",
        "e2ecall; the good frame is RFC 9605's, Appendix C.3",
        tuple(_gcm()),
    ),
    VectorFile(
        "frame-refused.json",
        "sframe.frame",
        "one good frame of every suite, spoilt in every way: cut at every byte, other metadata, frames of other suites",
        f"e2ecall; the good frames are those of RFC 9605, Appendix C.3, and of {source_of(6)}",
        tuple(_others()),
    ),
    VectorFile(
        "tag-bits.json",
        "sframe.frame",
        "one good frame of every suite with each bit of its tag turned over",
        "e2ecall; computed with a second implementation",
        tuple(_tag_bits()),
    ),
)
