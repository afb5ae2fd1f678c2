"""kex.4, kex.7-3 to kex.7-5: what one side says of itself in m3 and m4, signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.key_schedule import labelled, lv
from e2ecall.audit.oracle.messages import read_fields, write_fields
from e2ecall.audit.oracle.refused import Refused

__all__ = ["CALLEE", "CALLER", "DEFAULT_SUITES", "Payload", "payload_body", "read_payload", "signed"]

IDENTITY, ENCRYPTION_KEY, MODE, FINGERPRINTS, SDP, FRAME_SUITES, NAME, SIGNATURE = 1, 2, 3, 4, 5, 6, 7, 0x7FFF
KNOWN = (IDENTITY, ENCRYPTION_KEY, MODE, FINGERPRINTS, SDP, FRAME_SUITES, NAME, SIGNATURE)
CALLER, CALLEE = "sig caller", "sig callee"
DEFAULT_SUITES = (5,)
"""kex.4: what a payload without field 6 means."""


@dataclass(frozen=True, slots=True)
class Payload:
    """kex.4; what is None or empty is not there. The identity is the reader's find; a writer has its own."""

    mode: int | None = None
    fingerprints: tuple[bytes, ...] = ()
    sdp: str | None = None
    frame_suites: tuple[int, ...] = ()
    name: str | None = None
    encryption_key: bytes = b""
    identity: bytes = b""

    @property
    def suites(self) -> tuple[int, ...]:
        """The SFrame suites, named or meant."""
        return self.frame_suites or DEFAULT_SUITES


def payload_body(payload: Payload, identity: bytes, frame_suites: Sequence[int]) -> bytes:
    """kex.4: the fields before the signature."""
    fields = [(IDENTITY, identity)]
    if payload.encryption_key:
        fields.append((ENCRYPTION_KEY, payload.encryption_key))
    if payload.mode is not None:
        fields.append((MODE, bytes([payload.mode])))
    if payload.fingerprints:
        fields.append((FINGERPRINTS, b"".join(payload.fingerprints)))
    if payload.sdp is not None:
        fields.append((SDP, payload.sdp.encode()))
    if frame_suites:
        fields.append((FRAME_SUITES, b"".join(suite.to_bytes(2, "big") for suite in frame_suites)))
    if payload.name is not None:
        fields.append((NAME, payload.name.encode()))
    return write_fields(fields)


def to_sign(label: str, context: bytes, body: bytes) -> bytes:
    """kex.4-11: `context` is th of A, th || lv(m3) of B."""
    return labelled(label) + context + lv(body)


def signed(seed: bytes, label: str, context: bytes, body: bytes) -> bytes:
    """kex.4-11: the payload with its signature."""
    return body + write_fields([(SIGNATURE, ed25519.sign(seed, to_sign(label, context, body)))])


def read_payload(data: bytes, label: str, context: bytes, own_identity: bytes) -> Payload:
    """kex.4 and kex.7-3 to kex.7-5: the payload of the other side."""
    fields = read_fields(data, KNOWN)
    identity, signature = fields.get(IDENTITY, b""), fields.get(SIGNATURE, b"")
    if len(identity) != 32 or len(signature) != 64:
        raise Refused("malformed", "kex.4-4", f"identity of {len(identity)} bytes, signature of {len(signature)}")
    ed25519.check_public_key(identity, "kex.7-3")
    if identity == own_identity:
        raise Refused("misbehaved", "kex.7-4", "the other side has this side's own identity key")
    body = data[: len(data) - 4 - 64]
    ed25519.verify(identity, to_sign(label, context, body), signature, "kex.7-5")
    mode = _mode(fields)
    fingerprints = _pieces(fields, FINGERPRINTS, 32, "kex.4-6")
    if mode == 0 and not fingerprints:
        raise Refused("misbehaved", "kex.4-6", "direct mode without a fingerprint")
    if len(fields.get(ENCRYPTION_KEY, bytes(1216))) != 1216:
        raise Refused("malformed", "kex.4-7", "an encryption key of another length")
    suites = tuple(int.from_bytes(piece, "big") for piece in _pieces(fields, FRAME_SUITES, 2, "kex.4-9"))
    if len(set(suites)) < len(suites):
        raise Refused("malformed", "kex.4-9", "an SFrame suite twice")
    return Payload(mode, fingerprints, _sdp(fields), suites, _name(fields), fields.get(ENCRYPTION_KEY, b""), identity)


def _mode(fields: dict[int, bytes]) -> int | None:
    if MODE not in fields:
        return None
    if fields[MODE] not in (b"\0", b"\1"):
        raise Refused("malformed", "kex.4-5", f"mode {fields[MODE].hex()}")
    return fields[MODE][0]


def _pieces(fields: dict[int, bytes], number: int, size: int, clause: str) -> tuple[bytes, ...]:
    if number not in fields:
        return ()
    value = fields[number]
    if not value or len(value) % size:
        raise Refused("malformed", clause, f"{len(value)} bytes in pieces of {size}")
    return tuple(value[start : start + size] for start in range(0, len(value), size))


def _text(fields: dict[int, bytes], number: int) -> str | None:
    if number not in fields:
        return None
    try:
        return fields[number].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("malformed", "kex.4-8", "not UTF-8") from None


def _name(fields: dict[int, bytes]) -> str | None:
    if len(fields.get(NAME, b"")) > 64:
        raise Refused("malformed", "kex.4-8", "a name of more than 64 bytes")
    return _text(fields, NAME)


def _sdp(fields: dict[int, bytes]) -> str | None:
    sdp = _text(fields, SDP)
    if sdp is not None and "a=candidate:" in sdp:
        raise Refused("misbehaved", "kex.4-10", "candidates in the SDP")
    return sdp
