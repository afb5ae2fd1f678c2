"""kex.4: what the sealed half of m3 and m4 says: identity, transport mode, fingerprints, SDP, SFrame suites, name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from e2ecall.crypto import sign
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.wire.declared import has_utf8, lv
from e2ecall.wire.tlv import decode_tlv, encode_tlv

__all__ = [
    "DEFAULT_FRAME_SUITES",
    "LABEL_CALLEE",
    "LABEL_CALLER",
    "Field",
    "Profile",
    "SignedPayload",
    "TransportMode",
    "check_fingerprint",
    "check_frame_suite",
]

LABEL_CALLER = "e2ecall/1 sig caller"
LABEL_CALLEE = "e2ecall/1 sig callee"

FINGERPRINT_LENGTH = 32
NAME_LIMIT = 64
XWING_KEY_LENGTH = 1216
PROFILE_LIMIT = 65000  # with identity, signature and tag it still fits the u16 length of what is sealed
DEFAULT_FRAME_SUITES = (5,)
"""AES_256_GCM_SHA512_128: what a payload without field 6 means."""


class Field(IntEnum):
    """kex.4: the fields of a payload."""

    IDENTITY = 1
    ENCRYPTION_KEY = 2
    MODE = 3
    FINGERPRINTS = 4
    SDP = 5
    FRAME_SUITES = 6
    NAME = 7
    SIGNATURE = 0x7FFF


class TransportMode(IntEnum):
    """kex.4-5: who ends DTLS. DIRECT binds its fingerprints; RELAYED claims nothing of DTLS."""

    DIRECT = 0
    RELAYED = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """What one side says about itself and its media in m3 or m4; everything but the identity key.

    `fingerprints` are SHA-256 DTLS fingerprints of 32 bytes; `sdp` is without candidates; `frame_suites` are RFC 9605
    suite numbers (the caller's offer, best first, or the callee's one choice); `name` is at most 64 bytes of UTF-8;
    `encryption_key` the device's X-Wing key for video messages, 1216 bytes.
    What is None or empty is not sent: no mode means relayed, no suites mean AES_256_GCM_SHA512_128.
    """

    mode: TransportMode | None = None
    fingerprints: tuple[bytes, ...] = ()
    sdp: str | None = None
    frame_suites: tuple[int, ...] = ()
    name: str | None = None
    encryption_key: bytes | None = None

    @property
    def transport(self) -> TransportMode:
        """The mode that holds, named or not."""
        return TransportMode.RELAYED if self.mode is None else self.mode

    @property
    def suites(self) -> tuple[int, ...]:
        """The SFrame suites that hold, named or not."""
        return self.frame_suites or DEFAULT_FRAME_SUITES

    @property
    def shown_name(self) -> str:
        """kex.4-12: the name as a screen may show it: no control, formatting or private characters; "" without one."""
        return "".join(each for each in self.name or "" if each.isprintable()).strip()

    def encode(self) -> dict[int, bytes]:
        """{field: value}; what does not fit the page raises ApiMisuse."""
        _require(self.mode is None or isinstance(self.mode, TransportMode), "a mode is a TransportMode")
        _require(all(len(f) == FINGERPRINT_LENGTH for f in self.fingerprints), "a fingerprint has 32 bytes")
        _require(all(0 <= suite < 1 << 16 for suite in self.frame_suites), "a suite number has 16 bits")
        _require(len(set(self.frame_suites)) == len(self.frame_suites), "each SFrame suite once")
        _require(all(has_utf8(text or "") for text in (self.name, self.sdp)), "a name and an SDP have a UTF-8 form")
        _require(self.mode is not TransportMode.DIRECT or self.fingerprints, "direct mode needs a fingerprint")
        _require(self.name is None or len(self.name.encode()) <= NAME_LIMIT, "a name has at most 64 bytes of UTF-8")
        _require(
            len(self.encryption_key or bytes(XWING_KEY_LENGTH)) == XWING_KEY_LENGTH, "an X-Wing key has 1216 bytes"
        )
        _require(self.sdp is None or "a=candidate:" not in self.sdp, "candidates go through the control channel")
        fields: dict[int, bytes] = {}
        if self.mode is not None:
            fields[Field.MODE] = bytes([self.mode])
        if self.frame_suites:
            fields[Field.FRAME_SUITES] = b"".join(suite.to_bytes(2, "big") for suite in self.frame_suites)
        if self.fingerprints:
            fields[Field.FINGERPRINTS] = b"".join(self.fingerprints)
        if self.sdp is not None:
            fields[Field.SDP] = self.sdp.encode()
        if self.encryption_key is not None:
            fields[Field.ENCRYPTION_KEY] = self.encryption_key
        if self.name is not None:
            fields[Field.NAME] = self.name.encode()
        _require(sum(map(len, fields.values())) <= PROFILE_LIMIT, "a profile has at most 65,000 bytes")
        return fields

    @classmethod
    def decode(cls, fields: Mapping[int, bytes]) -> Profile:
        """kex.4-5 to kex.4-9: MalformedMessage with the field's path, or PeerMisbehaved (direct, no fingerprint)."""
        mode = fields.get(Field.MODE)
        if mode not in (None, b"\0", b"\1"):
            raise _malformed(Field.MODE, "the transport mode is neither 0 nor 1", "kex.4-5")
        fingerprints = _split(fields, Field.FINGERPRINTS, FINGERPRINT_LENGTH, "kex.4-6")
        if mode == b"\0" and not fingerprints:
            raise PeerMisbehaved("direct mode without a DTLS fingerprint", clause="kex.4-6")
        if len(fields.get(Field.ENCRYPTION_KEY, bytes(XWING_KEY_LENGTH))) != XWING_KEY_LENGTH:
            raise _malformed(Field.ENCRYPTION_KEY, "an X-Wing key has 1216 bytes", "kex.4-7")
        if len(fields.get(Field.NAME, b"")) > NAME_LIMIT:
            raise _malformed(Field.NAME, "the name is longer than 64 bytes", "kex.4-8")
        suites = tuple(int.from_bytes(s, "big") for s in _split(fields, Field.FRAME_SUITES, 2, "kex.4-9"))
        if len(set(suites)) != len(suites):
            raise _malformed(Field.FRAME_SUITES, "an SFrame suite is there twice", "kex.4-9")
        sdp = _text(fields, Field.SDP)
        if sdp is not None and "a=candidate:" in sdp:
            raise PeerMisbehaved("the SDP has candidates in it", clause="kex.4-10")
        named = None if mode is None else TransportMode(mode[0])
        return cls(named, fingerprints, sdp, suites, _text(fields, Field.NAME), fields.get(Field.ENCRYPTION_KEY))


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """kex.4-11: identity, profile and the signature over label, context and everything before the signature."""

    identity: bytes
    profile: Profile

    @staticmethod
    def sign(signer: sign.Signer, profile: Profile, label: str, context: bytes) -> bytes:
        """The payload's bytes; `context` is th for the caller and th || lv(m3) for the callee."""
        body = encode_tlv(profile.encode() | {Field.IDENTITY: signer.public}, "payload")
        signature = signer.sign(_to_sign(label, context, body))
        return body + encode_tlv({Field.SIGNATURE: signature}, "payload")

    @classmethod
    def verify(cls, data: bytes, own_identity: bytes, label: str, context: bytes) -> SignedPayload:
        """kex.7-3 to kex.7-5: MalformedMessage, PeerMisbehaved (bad or own key) or VerificationFailed (signature)."""
        fields = decode_tlv(data, frozenset(Field), "payload")
        identity = _exactly(fields, Field.IDENTITY, sign.KEY_LENGTH)
        signature = _exactly(fields, Field.SIGNATURE, sign.SIGNATURE_LENGTH)
        sign.check_public_key(identity, clause="kex.7-3")
        if identity == own_identity:
            raise PeerMisbehaved("the other side has this device's own identity key", clause="kex.7-4")
        body = data[: len(data) - len(encode_tlv({Field.SIGNATURE: signature}, "payload"))]
        sign.verify(identity, _to_sign(label, context, body), signature, what="the payload", clause="kex.7-5")
        return cls(identity, Profile.decode(fields))


def check_frame_suite(chosen: Profile, offered: Profile) -> None:
    """kex.5-4: the callee returns one SFrame suite out of the caller's offer, or PeerMisbehaved."""
    unasked = chosen.frame_suites and not offered.frame_suites
    if unasked or len(chosen.suites) != 1 or chosen.suites[0] not in offered.suites:
        raise PeerMisbehaved("the callee's SFrame suite is not one of those offered", clause="kex.5-4")


def check_fingerprint(actual: bytes, profile: Profile) -> None:
    """kex.7-6: in direct mode the DTLS certificate in use must be one that the payload named: VerificationFailed."""
    if actual not in profile.fingerprints:
        raise VerificationFailed("the DTLS certificate is not the one named in the exchange", clause="kex.7-6")


def _to_sign(label: str, context: bytes, body: bytes) -> bytes:
    return lv(label.encode()) + context + lv(body)


def _exactly(fields: Mapping[int, bytes], field: Field, length: int) -> bytes:
    value = fields.get(field, b"")
    if len(value) != length:
        raise _malformed(field, f"{field.name.lower()} is missing or has not {length} bytes", "kex.4-4")
    return value


def _split(fields: Mapping[int, bytes], field: Field, size: int, clause: str) -> tuple[bytes, ...]:
    value = fields.get(field)
    if value is None:
        return ()
    if not value or len(value) % size:
        raise _malformed(field, f"{field.name.lower()} is not a list of {size}-byte values", clause)
    return tuple(value[i : i + size] for i in range(0, len(value), size))


def _text(fields: Mapping[int, bytes], field: Field) -> str | None:
    value = fields.get(field)
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise _malformed(field, f"{field.name.lower()} is not UTF-8", "kex.4-8") from None


def _malformed(field: Field, message: str, clause: str) -> MalformedMessage:
    return MalformedMessage(message, path=f"payload.{field.value}", clause=clause)


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ApiMisuse(message)
