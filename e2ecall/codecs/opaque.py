"""frame.8.1: the opaque layout. The sealed frame is the SFrame ciphertext and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from e2ecall.codecs.layout import Seal, Unseal, require_frame

__all__ = ["OPUS", "OpaqueLayout"]


@dataclass(frozen=True, slots=True)
class OpaqueLayout:
    """frame.8.1: for codecs whose RTP payload format reads no byte of the frame: Opus (RFC 7587), VP9 (RFC 9628)."""

    name: str

    def is_key(self, frame: bytes) -> bool:
        """True for every frame: an audio frame needs none before it."""
        del frame
        return True

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """frame.8-3: SFrame(frame), with empty metadata."""
        return protect(require_frame(frame, "an empty frame is not sealed"), b"")

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """frame.8-3: the frame of an SFrame ciphertext."""
        frame = unprotect(require_frame(sealed, "the sealed frame is empty"), b"")
        return require_frame(frame, "the frame is empty")

    def has_prefix(self, sealed: bytes) -> bool:
        """True: there is no prefix to miss."""
        del sealed
        return True


OPUS = OpaqueLayout("opus")
