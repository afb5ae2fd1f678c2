"""Whole frames of every suite, and the AEADs alone: RFC 9605's and the draft's own, then lengths and edges."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.aead import split_ctr_hmac_key
from e2ecall.audit.oracle.suites import suite_of
from generator.cases import EDGES, OURS, SUITE_NUMBERS, Case, Draw, VectorFile, frame_case, refusal

__all__ = ["FILES", "RFC_BASE_KEY", "RFC_CTR", "RFC_KID", "RFC_METADATA", "RFC_PLAINTEXT", "source_of"]

# The inputs of RFC 9605, Appendix C.2 and C.3, and of the draft.
RFC_KID, RFC_CTR = 0x123, 0x4567
RFC_BASE_KEY = bytes(range(16))
RFC_METADATA = b"IETF SFrame WG"
RFC_PLAINTEXT = b"draft-ietf-sframe-enc"
_RFC_NONCE = bytes(range(16, 28))

_DRAFT = "draft-barnes-sframe-iana-256"
_GCM = (4, 5)
_CTR_HMAC = (1, 2, 3)
_CTR_HMAC_256 = (6, 7, 8)
_FRAME = "frame.3-3"


def source_of(suite: int) -> str:
    """Whose vector the good frame of a suite is."""
    return _DRAFT if suite in _CTR_HMAC_256 else "RFC 9605"


def _official(suites: tuple[int, ...]) -> tuple[Case, ...]:
    return tuple(
        frame_case(
            f"{source_of(suite)}, suite {suite}",
            _FRAME,
            suite,
            RFC_KID,
            RFC_CTR,
            RFC_BASE_KEY,
            RFC_PLAINTEXT,
            RFC_METADATA,
        )
        for suite in suites
    )


_EDGE_FRAMES = (
    (0, 0, b"", b""),
    (0, 0, b"", b"meta"),
    (7, 7, b"a", b""),
    (8, 8, b"ab", b""),
    (16, 255, b"abc", b"\0"),
    (255, 256, b"x" * 100, b""),
    (2**32, 2**32, b"y" * 33, b"m" * 20),
    (2**64 - 1, 2**64 - 1, b"last", b""),
)


def _edges(suites: tuple[int, ...]) -> Iterator[Case]:
    for suite in suites:
        for kid, ctr, plaintext, metadata in _EDGE_FRAMES:
            name = f"suite {suite}, kid {kid}, ctr {ctr}, {len(plaintext)} + {len(metadata)} bytes"
            yield frame_case(name, _FRAME, suite, kid, ctr, bytes(range(32)), plaintext, metadata)


def _lengths() -> Iterator[Case]:
    """Around the blocks of AES (16), SHA-256 (64) and SHA-512 (128); keys from the least length on."""
    draw = Draw("lengths")
    pairs = ((15, 0), (16, 15), (17, 16), (31, 17), (32, 64), (48, 1), (127, 13), (129, 33))
    for suite in (1, 4, 5, 6):
        for (length, metadata), key_length in zip(pairs, (16, 17, 31, 32, 33, 64, 128, 129), strict=True):
            name = f"suite {suite}, {length} + {metadata} bytes, a base_key of {key_length}"
            key, kid, ctr = draw.bytes(key_length), draw.below(2**16), draw.below(2**20)
            yield frame_case(name, _FRAME, suite, kid, ctr, key, draw.bytes(length), draw.bytes(metadata))


def _counters() -> Iterator[Case]:
    base_key = Draw("counters").bytes(32)
    for suite in (1, 5):
        for ctr in EDGES:
            yield frame_case(f"suite {suite}, ctr {ctr}", "frame.2-1", suite, 16, ctr, base_key, b"edge", b"")
        for kid in EDGES:
            yield frame_case(f"suite {suite}, kid {kid}", "frame.3-2", suite, kid, 9, base_key, b"edge", b"")


def _aead() -> Iterator[Case]:
    for suite in (*_CTR_HMAC, *_CTR_HMAC_256):
        key = bytes(range(suite_of(suite).nk))
        enc_key, auth_key = split_ctr_hmac_key(key, suite_of(suite).nka)
        ciphertext = suite_of(suite).encrypt(key, _RFC_NONCE, RFC_METADATA, RFC_PLAINTEXT)
        case = {"name": f"{source_of(suite)}, suite {suite}", "clause": _FRAME, "suite": suite, "key": key.hex()}
        case |= {"enc_key": enc_key.hex(), "auth_key": auth_key.hex(), "nonce": _RFC_NONCE.hex()}
        case |= {"aad": RFC_METADATA.hex(), "plaintext": RFC_PLAINTEXT.hex(), "ciphertext": ciphertext.hex()}
        yield case | {"result": "ok"}


def _aead_spoilt(suite: int) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """(what was done, nonce, aad, ciphertext) of one good ciphertext."""
    nonce, aad = _RFC_NONCE, RFC_METADATA
    row = suite_of(suite)
    good = row.encrypt(bytes(range(row.nk)), nonce, aad, RFC_PLAINTEXT)
    body, tag = good[: -row.nt], good[-row.nt :]
    yield "the last byte of the tag is missing", nonce, aad, good[:-1]
    yield "the tag alone, one byte short", nonce, aad, tag[:-1]
    yield "no byte at all", nonce, aad, b""
    yield "the tag alone", nonce, aad, tag
    yield "a byte behind the tag", nonce, aad, good + b"\0"
    yield "another nonce", bytes([nonce[0] ^ 1]) + nonce[1:], aad, good
    yield "the last byte of the AAD moved into the ciphertext", nonce, aad[:-1], aad[-1:] + good
    yield "the first byte of the ciphertext moved into the AAD", nonce, aad + good[:1], good[1:]
    for other in (*_CTR_HMAC, *_CTR_HMAC_256):
        longer = suite_of(other)
        if longer.nk == row.nk and longer.nt > row.nt:
            tag = longer.encrypt(bytes(range(row.nk)), nonce, aad, RFC_PLAINTEXT)[-longer.nt :]
            yield f"the first {row.nt} bytes of the tag of suite {other}", nonce, aad, body + tag[: row.nt]


def _aead_refused() -> Iterator[Case]:
    for suite in (*_CTR_HMAC, *_CTR_HMAC_256):
        row = suite_of(suite)
        key = bytes(range(row.nk))
        for name, nonce, aad, ciphertext in _aead_spoilt(suite):
            found = refusal(lambda row=row, key=key, n=nonce, a=aad, c=ciphertext: row.decrypt(key, n, a, c))  # type: ignore[misc]
            case = {"name": f"suite {suite}: {name}", "clause": found["clause"], "suite": suite, "key": key.hex()}
            case |= {"nonce": nonce.hex(), "aad": aad.hex(), "ciphertext": ciphertext.hex()}
            yield case | {"result": found["result"]}


def _frames(name: str, title: str, source: str, cases: Iterator[Case] | tuple[Case, ...]) -> VectorFile:
    return VectorFile(name, "sframe.frame", title, source, tuple(cases))


_WHOLE = "with every intermediate value"
_AROUND = "empty plaintexts, and KID and CTR around every length of the header"

FILES = (
    _frames("gcm.json", f"whole frames of the two AES-GCM suites, {_WHOLE}", "RFC 9605, Appendix C.3", _official(_GCM)),
    _frames(
        "ctr-hmac.json",
        f"whole frames of the three AES-128-CTR suites, {_WHOLE}",
        "RFC 9605, Appendix C.3",
        _official(_CTR_HMAC),
    ),
    _frames(
        "ctr-hmac-256.json",
        f"whole frames of the three AES-256-CTR suites, {_WHOLE}",
        _DRAFT,
        _official(_CTR_HMAC_256),
    ),
    _frames("gcm-edges.json", _AROUND, OURS, _edges(_GCM)),
    _frames("ctr-hmac-edges.json", _AROUND, OURS, _edges((*_CTR_HMAC, *_CTR_HMAC_256))),
    _frames("lengths.json", "plaintexts, metadata and base keys around the blocks of AES and SHA", OURS, _lengths()),
    _frames("counters.json", "one frame for each edge of the counter, and of the key id", OURS, _counters()),
    VectorFile(
        "aead.json",
        "sframe.aead",
        "AES-CTR with HMAC alone, with both subkeys",
        f"RFC 9605, Appendix C.2 (suites 1 to 3), and {_DRAFT} (suites 6 to 8)",
        tuple(_aead()),
    ),
    VectorFile(
        "aead-refused.json",
        "sframe.aead",
        "AES-CTR with HMAC: short tags, moved boundaries, another nonce",
        "e2ecall, after those of aead.json",
        tuple(_aead_refused()),
    ),
)
assert {*_GCM, *_CTR_HMAC, *_CTR_HMAC_256} == set(SUITE_NUMBERS)
