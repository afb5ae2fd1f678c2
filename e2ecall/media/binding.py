"""kex.7-6: an SDP and the exchange that vouches for it: candidates out, fingerprints checked. Text in, text out."""

from __future__ import annotations

from e2ecall.errors import MalformedMessage, VerificationFailed
from e2ecall.handshake import Profile, check_fingerprint

__all__ = ["bind", "fingerprints", "without_candidates"]

_FINGERPRINT = "a=fingerprint:"
_CANDIDATE = "a=candidate:"
_CANDIDATES = (_CANDIDATE, "a=end-of-candidates")


def without_candidates(sdp: str) -> tuple[str, tuple[str, ...]]:
    """RFC 8839 §5.1: the SDP as it may travel in m3 or m4, and the candidates of its first media section."""
    lines = sdp.splitlines()
    kept = [line for line in lines if not line.startswith(_CANDIDATES)]
    sections = "\n".join(lines).split("\nm=")
    first = sections[1].splitlines() if len(sections) > 1 else []
    candidates = tuple(line.removeprefix("a=") for line in first if line.startswith(_CANDIDATE))
    return "".join(f"{line}\r\n" for line in kept), candidates


def fingerprints(sdp: str) -> tuple[bytes, ...]:
    """RFC 8122 §5: the SHA-256 fingerprints that an SDP names, 32 bytes each, without repetition."""
    found = [_digest(line) for line in sdp.splitlines() if _is_sha256(line)]
    return tuple(dict.fromkeys(found))


def bind(profile: Profile) -> str:
    """The SDP of a peer's payload, with no other fingerprints in it than those that the payload named.

    Fingerprints of other hashes are dropped, so that DTLS has only the vouched ones to check the certificate against.
    VerificationFailed where the SDP names another SHA-256 fingerprint or none; MalformedMessage without an SDP.
    """
    if profile.sdp is None:
        raise MalformedMessage("direct mode without an SDP", path="payload.5", clause="kex.7-6")
    if "\nm=" not in profile.sdp:
        raise MalformedMessage("the SDP has no media section", path="payload.5", clause="kex.7-6")
    named = fingerprints(profile.sdp)
    if not named:
        raise VerificationFailed("the SDP names no SHA-256 fingerprint", clause="kex.7-6")
    for digest in named:
        check_fingerprint(digest, profile)
    lines = profile.sdp.splitlines()
    return "".join(f"{line}\r\n" for line in lines if not line.startswith(_FINGERPRINT) or _is_sha256(line))


def _is_sha256(line: str) -> bool:
    return line.lower().startswith(_FINGERPRINT + "sha-256 ")


def _digest(line: str) -> bytes:
    text = line.partition(" ")[2].replace(":", "").strip()
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise MalformedMessage("a SHA-256 fingerprint in the SDP is not 32 bytes", path="payload.5", clause="kex.7-6")
    return digest
