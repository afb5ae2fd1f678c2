"""frame.8, frame.9: encoded frames in, sealed frames out, and back. No aiortc here: bytes, keys, counts.

Each object serves one track, one frame at a time, from any thread. There is no way through without sealing: a frame
comes out sealed (or opened), or an error comes out that says who, which stream, which key and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, cycle
from time import thread_time
from typing import Final

from e2ecall.call.epochs import LocalStream
from e2ecall.call.track import Track
from e2ecall.codecs import layout_for
from e2ecall.errors import CounterExhausted, FrameReason, FrameRejected
from e2ecall.sframe import decode_header

__all__ = ["OpenStream", "SealStream", "StreamStats"]

# Frames from one measured frame to the next. They add up to a prime, 89: only with key frames at a multiple of it are
# measured frames all key frames, or none.
_GAPS: Final = (11, 17, 23, 15, 23)
_SKIPS: Final = tuple(skips for gap in _GAPS for skips in (False, *[True] * (gap - 1)))


@dataclass(slots=True)
class StreamStats:
    """frame.9-2: what became of one stream's frames, so far.

    `frames` and `bytes` count encoded frames that were sealed or opened, in clear size; `seconds` is an estimate of the
    CPU time that this took, refused frames included; `kid` is the key id in use (None before the first opened frame).
    """

    kind: str
    codec: str
    kid: int | None = None
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    rejected: Counter[FrameReason] = field(default_factory=Counter)


class _Clock:
    """frame.9-2: estimates `StreamStats.seconds` from a few frames; asking for a thread's CPU time is a system call.

    A measured frame stands for itself and for those since the last measured one, so that a slow first frame counts
    once.
    """

    __slots__ = ("_frames", "_stats", "skips")

    def __init__(self, stats: StreamStats) -> None:
        self._stats = stats
        self._frames = chain([1], cycle(_GAPS)).__next__  # that the next measured one stands for
        self.skips: Callable[[], bool] = cycle(_SKIPS).__next__

    def measured(self, work: Callable[[bytes], bytes], frame: bytes) -> bytes:
        """What `work` returns or raises, with its time counted."""
        started = thread_time()
        try:
            return work(frame)
        finally:
            self._stats.seconds += self._frames() * (thread_time() - started)


class SealStream:
    """frame.8: seals the frames of one local stream in its codec's layout. `who` is whom the stream is for."""

    __slots__ = ("_clock", "_layout", "_stream", "_who", "stats")

    def __init__(self, codec: str, stream: LocalStream, *, who: str | None) -> None:
        """MediaUnavailable for a codec without a layout."""
        self._layout = layout_for(codec)
        self._stream = stream
        self._who = who
        self.stats = StreamStats(stream.kind, self._layout.name, stream.sender.kid)
        self._clock = _Clock(self.stats)

    def seal(self, frame: bytes) -> bytes:
        """frame.8-1: the sealed frame, for the codec's packetizer.

        FrameRejected(MALFORMED) for an empty frame, which is not to be sent; CounterExhausted when the key is used up
        and ApiMisuse after a fork, both of which end the stream.
        """
        return self._seal(frame) if self._clock.skips() else self._clock.measured(self._seal, frame)

    def _seal(self, frame: bytes) -> bytes:
        try:
            sealed = self._layout.seal(frame, self._stream.protect)
        except (FrameRejected, CounterExhausted) as error:
            reason = error.reason if isinstance(error, FrameRejected) else FrameReason.EXHAUSTED
            self.stats.rejected[reason] += 1
            error.who, error.stream, error.key_id = self._who, self.stats.kind, self._stream.sender.kid
            raise
        self.stats.kid = self._stream.sender.kid
        self.stats.frames += 1
        self.stats.bytes += len(frame)
        return sealed

    def is_key(self, frame: bytes) -> bool:
        """Whether a decoder can start at this encoded frame."""
        return self._layout.is_key(frame)


class OpenStream:
    """frame.8: opens the frames of one codec that arrive on one remote track. `who` is whose frames they are.

    A sender may change between the negotiated codecs of a track: an OpenStream for each, and one `Track` for all.
    """

    __slots__ = ("_clock", "_layout", "_track", "_who", "stats")

    def __init__(self, codec: str, track: Track, *, who: str | None) -> None:
        """MediaUnavailable for a codec without a layout."""
        self._layout = layout_for(codec)
        self._track = track
        self._who = who
        self.stats = StreamStats(track.kind, self._layout.name)
        self._clock = _Clock(self.stats)

    def open(self, sealed: bytes) -> bytes:
        """frame.8-1, frame.9-1: the encoded frame, bit for bit.

        FrameRejected otherwise, with who, stream, key id, epoch and reason as far as the frame tells them.
        """
        return self._open(sealed) if self._clock.skips() else self._clock.measured(self._open, sealed)

    def _open(self, sealed: bytes) -> bytes:
        try:
            frame = self._layout.open(sealed, self._track.unprotect)
        except FrameRejected as rejected:
            self.stats.rejected[rejected.reason] += 1
            rejected.who, rejected.stream = self._who, self._track.name
            raise
        self.stats.kid = self._track.kid
        self.stats.frames += 1
        self.stats.bytes += len(frame)
        return frame

    def looks_unsealed(self, sealed: bytes) -> bool:
        """frame.8-12: whether a refused frame looks like an encoder's own, from a side that does not seal.

        A hint for the message to a person, after MALFORMED or UNKNOWN_KEY; encoders hit our constants by chance, so ask
        for several frames. Never a reason to pass a frame on.
        """
        if not self._layout.has_prefix(sealed):
            return True
        try:
            kid, _, _ = decode_header(self._layout.open(sealed, _bare))
        except FrameRejected:
            return True
        return not self._track.could_be(kid)

    def is_key(self, frame: bytes) -> bool:
        """Whether a decoder can start at this opened frame."""
        return self._layout.is_key(frame)


def _bare(ciphertext: bytes, metadata: bytes) -> bytes:
    del metadata
    return ciphertext
