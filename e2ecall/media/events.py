"""What an application is told of its streams: frozen events. `health` has the rules of when.

    StreamStarted      a local stream has its keys and its number
    FirstFrame         the first frame was sealed (send), or the first one of a stream was opened (receive)
    FrameDropped       frames were not sent or not taken, with the reason: the first of each reason at once, after that
                       at most one event a second for each reason, carrying the number of frames
    StreamUnreadable   nothing could be opened for a while; `cause` and `advice` say what to do about it
    StreamReadable     it can be opened again; never held back
    StreamStopped      the stream ended, with the reason; no stream ends without this

Every event names the other side (`who`), the direction, kind and codec of the stream, its `mid` in the session
description, what the other side said of it (`stream`), and the key id and epoch as far as they are known. None carries
key bytes or media.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from e2ecall.call.streams import RemoteStream
from e2ecall.errors import FrameReason, StreamMismatch

__all__ = [
    "Cause",
    "Direction",
    "FirstFrame",
    "FrameDropped",
    "MediaEvent",
    "StopReason",
    "StreamEvent",
    "StreamReadable",
    "StreamStarted",
    "StreamStopped",
    "StreamUnreadable",
    "log_event",
]

_log = logging.getLogger("e2ecall.media")


class Direction(StrEnum):
    """Which way a stream runs, seen from here."""

    SEND = "send"
    RECEIVE = "receive"


class StopReason(StrEnum):
    """Why a stream will carry nothing more."""

    CODEC = "codec cannot be sealed"
    EXHAUSTED = "counter exhausted"
    REFUSED = "the keys cannot be used"
    INTERNAL = "internal error"
    TRACK_ENDED = "track ended"
    DISCONNECTED = "disconnected"
    CLOSED = "closed"


class Cause(StrEnum):
    """Why a stream cannot be read, as far as its rejected frames tell."""

    NO_KEY = "no key is installed yet"
    WRONG_KEY = "the other side seals with another key"
    UNKNOWN_KEY = "the frames name a key that is not known here"
    NOT_SEALED = "the other side does not seal its media"
    REPLAYED = "old frames are sent again"
    REFLECTED = "our own frames come back"
    WRONG_STREAM = "frames of another stream arrive here"
    DAMAGED = "the frames arrive damaged"
    CODEC = "the codec cannot be sealed"
    STOPPED = "the call was stopped on this side"

    @property
    def advice(self) -> str:
        """What a person can do about it."""
        return _ADVICE[self]


_ADVICE = {
    Cause.NO_KEY: "finish the key exchange and install its keys; until then nothing is played",
    Cause.WRONG_KEY: "compare the emoji: the two sides do not hold the same key, or someone stands between them",
    Cause.UNKNOWN_KEY: "the other side is in another epoch, or this stream was not announced; nothing is played",
    Cause.NOT_SEALED: "the other side has no end-to-end encryption, or belongs to another call; nothing is played",
    Cause.REPLAYED: "whoever forwards the media repeats old frames; they are dropped",
    Cause.REFLECTED: "whoever forwards the media sends our frames back to us; they are dropped",
    Cause.WRONG_STREAM: "whoever forwards the media mixes streams up; the frames are dropped",
    Cause.DAMAGED: "the connection loses parts of frames, or whoever forwards the media changes them; they are dropped",
    Cause.STOPPED: "what was compared is different, or the key must not be used; hang up, nothing is played",
    Cause.CODEC: "offer Opus, VP8 or H.264 only; nothing else is played",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """What all events say: where it happened. `who` is the other side's name as given to `protect`.

    `stream` is what the other side said of the stream on this track, once a frame of it was opened; take from it what
    you show. Of a dropped frame, `key_id` and `epoch` are what its header says, which nobody vouches for.
    """

    who: str | None
    direction: Direction
    kind: str
    codec: str | None
    mid: str | None
    stream: RemoteStream | None = None
    key_id: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted(StreamEvent):
    """A local stream was given context number `context` and seals from now on."""

    context: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFrame(StreamEvent):
    """The first frame of this stream was sealed or opened. Told again when a track goes over to another stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDropped(StreamEvent):
    """`count` frames were dropped for `reason` since the last event of that reason; `detail` tells about the last.

    `mismatch` says what does not fit a wrong stream's frames, and divides that reason: each has events of its own.
    """

    reason: FrameReason
    count: int
    detail: str
    mismatch: StreamMismatch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamUnreadable(StreamEvent):
    """No frame could be opened for a while: the commonest `reason`, what it means, and what to do."""

    reason: FrameReason
    cause: Cause
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReadable(StreamEvent):
    """Frames can be opened again after StreamUnreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStopped(StreamEvent):
    """The stream ended for good. `detail` adds to the reason, and is empty for an ordinary end."""

    reason: StopReason
    detail: str


MediaEvent = StreamStarted | FirstFrame | FrameDropped | StreamUnreadable | StreamReadable | StreamStopped

_ORDINARY_ENDS = frozenset({StopReason.TRACK_ENDED, StopReason.DISCONNECTED, StopReason.CLOSED})


def log_event(event: MediaEvent) -> None:
    """Where events go without an `on_event`: the log `e2ecall.media`, trouble as warnings."""
    trouble = isinstance(event, StreamUnreadable) or (
        isinstance(event, StreamStopped) and event.reason not in _ORDINARY_ENDS
    )
    _log.log(logging.WARNING if trouble else logging.DEBUG, "%s", event)
