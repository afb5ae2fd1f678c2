"""frame.8: what every media layout can do, and the rules that are the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from e2ecall.errors import FrameReason, FrameRejected

__all__ = ["Layout", "Profile", "Seal", "Unseal", "malformed", "require_frame"]

Seal = Callable[[bytes, bytes], bytes]  # (encoded frame, metadata) -> SFrame ciphertext
Unseal = Callable[[bytes, bytes], bytes]  # (SFrame ciphertext, metadata) -> encoded frame, or FrameRejected


class Profile(StrEnum):
    """frame.8: how much of an encoded frame is sealed. Never negotiated: both sides are told by their applications."""

    WHOLE = "whole"
    """All of it. The default, and the only one that a call of this project uses."""

    CLEAR_HEADER = "clear-header"
    """frame.8.5: VP8 alone, for machines on the way that want to read its real header.

    Authenticated, but in clear: key or delta, version, whether the frame is shown, the size of its first partition
    (so how much of the frame is modes and motion, and how much picture), and in key frames width, height and scaling.
    `WHOLE` shows key or delta alone.
    """


class Layout(Protocol):
    """frame.8: one codec's sealed frames.

    `seal` and `open` raise FrameRejected(MALFORMED), and what their callback raises.
    """

    @property
    def name(self) -> str:
        """The codec's name in lower case."""
        ...

    def is_key(self, frame: bytes) -> bool:
        """Whether a decoder can start at this encoded frame."""
        ...

    def seal(self, frame: bytes, protect: Seal) -> bytes:
        """The sealed frame, in the shape that the codec's packetizer expects."""
        ...

    def open(self, sealed: bytes, unprotect: Unseal) -> bytes:
        """The encoded frame, bit for bit."""
        ...

    def has_prefix(self, sealed: bytes) -> bool:
        """Whether the constant in front is ours: a hint for a message to people, never a decision about the frame."""
        ...


def require_frame(frame: bytes, message: str) -> bytes:
    """frame.8-2: `frame` itself, or FrameRejected(MALFORMED) if it is empty."""
    if not frame:
        raise malformed(message, "frame.8-2")
    return frame


def malformed(message: str, clause: str) -> FrameRejected:
    """The FrameRejected(MALFORMED) to raise."""
    return FrameRejected(FrameReason.MALFORMED, message, clause=clause)
