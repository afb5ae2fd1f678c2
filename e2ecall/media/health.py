"""media.5: the rules between the frames of one stream and the events that tell of them. No aiortc, no clock, no thread.

    try:
        frame = stream.open(sealed)                               # an OpenStream, on a Track
    except FrameRejected as rejected:
        events = health.refused(rejected, sealed, stream, now)    # now: seconds of a clock that never goes back
    else:
        events = health.opened(track)                             # for every frame; costs nothing while all is well
        if health.torn:
            health.shown(now, key=stream.is_key(frame))
    if health.wants_key_frame():
        ...                                                       # ask the other side for one

Edges are never held back: the first dropped frame of a reason, unreadable, readable, stopped. Counts are exact: what
was dropped and not told yet is told before a stream becomes readable again, and before it has stopped.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Generic, TypeVar

from e2ecall.call.streams import Kind, RemoteStream
from e2ecall.call.track import Track
from e2ecall.errors import FrameReason, FrameRejected, StreamMismatch
from e2ecall.media.events import (
    Cause,
    Direction,
    FirstFrame,
    FrameDropped,
    MediaEvent,
    StopReason,
    StreamReadable,
    StreamStopped,
    StreamUnreadable,
)
from e2ecall.media.transform import OpenStream
from e2ecall.sframe import ONE_TO_ONE

__all__ = ["DIAGNOSE_AGAIN_AFTER", "UNREADABLE_AFTER", "DropLog", "Pace", "StreamHealth", "diagnose"]

UNREADABLE_AFTER = 8  # frames in a row
DIAGNOSE_AGAIN_AFTER = 256
# Causes that are known at once, without a look at several frames.
_PROVISIONAL = frozenset({None, Cause.NO_KEY, Cause.CODEC})
# Frames that the picture does not miss: they were there before, or never belonged to it.
_NOT_MISSED = frozenset({FrameReason.REPLAY, FrameReason.OWN_FRAME, FrameReason.WRONG_STREAM, FrameReason.STOPPED})

_K = TypeVar("_K")
_Drop = tuple[FrameReason, StreamMismatch | None]


class StreamHealth:
    """media.5: how one stream is doing. Its methods return the events to tell, in order; one call at a time.

    `who`, `codec` and `mid` are only passed on to the events, and may be set when they become known.
    """

    __slots__ = (
        "_begun",
        "_cause",
        "_drops",
        "_key_frame",
        "_last",
        "_missed",
        "_pace",
        "_refused",
        "_steady",
        "_unsealed",
        "_window",
        "codec",
        "direction",
        "kid",
        "kind",
        "mid",
        "stream",
        "torn",
        "who",
    )

    def __init__(
        self,
        kind: Kind,
        *,
        who: str | None = None,
        direction: Direction = Direction.RECEIVE,
        codec: str | None = None,
        mid: str | None = None,
    ) -> None:
        self.who = who
        self.direction = direction
        self.kind: Kind = kind
        self.codec = codec
        self.mid = mid
        self.kid: int | None = None  # in use: of the last opened frame, or of the sender
        self.stream: RemoteStream | None = None
        self.torn = False  # frames of the picture never came, and no key frame was opened since
        self._missed = 0  # what the track had missed by the last opened frame
        self._begun = False
        self._steady = False  # the last frame was opened
        self._cause: Cause | None = None  # what was told last; None while the stream can be read
        self._window: Counter[FrameReason] = Counter()  # frames refused in a row, since the last diagnosis
        self._refused = 0  # how many those are
        self._unsealed = 0  # of the second to the eighth of them, those that look unsealed
        self._drops: DropLog[_Drop] = DropLog()
        self._last: dict[_Drop, tuple[int | None, str]] = {}  # key id and detail of the last frame
        self._pace = Pace()
        self._key_frame = False

    def opened(self, track: Track) -> list[MediaEvent]:
        """A frame of `track` was opened; if the stream is `torn` now, `shown` is next."""
        if track.missed != self._missed:
            self._missed = track.missed
            self.torn = self.kind == "video"
        if self._steady and track.kid == self.kid:
            return []
        self._steady = True
        self.kid = track.kid
        self._pace.succeeded()
        self._forget_window()
        events: list[MediaEvent] = []
        if self._cause is not None:
            self._cause = None
            events += self._rest()
            events.append(StreamReadable(**self.where(self.kid)))
            self._key_frame = True  # what was missed in between may be what the picture rests on
        stream = track.stream
        if not self._begun or (stream is not None and stream != self.stream):
            self._key_frame |= self._begun
            self._begun = True
            self.stream = stream
            events.append(FirstFrame(**self.where(self.kid)))
        return events

    def shown(self, now: float, *, key: bool) -> None:
        """media.4-7: a frame of a torn picture was opened, at `now`; `key` says whether a decoder can start at it.

        A request or its answer may get lost too, so one is due until a key frame is there.
        """
        if key:
            self.torn = False
            self._pace.succeeded()
        elif self._pace.due(now):
            self._key_frame = True

    def refused(self, rejected: FrameRejected, sealed: bytes, stream: OpenStream, now: float) -> list[MediaEvent]:
        """media.5-2, media.5-3: `stream` did not open `sealed`, at `now`."""
        reason = rejected.reason
        self._steady = False
        events = self.dropped(rejected, now)
        if reason not in _NOT_MISSED and self._pace.due(now):
            self._key_frame = True
        self._window[reason] = self._window.get(reason, 0) + 1
        self._refused += 1
        if 1 < self._refused <= UNREADABLE_AFTER:  # single ones are a matter of the network
            self._unsealed += stream.looks_unsealed(sealed)
        if self._refused >= (UNREADABLE_AFTER if self._cause in _PROVISIONAL else DIAGNOSE_AGAIN_AFTER):
            common = self._window.most_common(1)[0][0]
            cause = diagnose(self._window, looks_unsealed=2 * self._unsealed >= UNREADABLE_AFTER)
            self._forget_window()
            events += self._unreadable(common, cause, rejected.key_id)
        return events

    def unopenable(self, reason: FrameReason, cause: Cause, now: float) -> list[MediaEvent]:
        """media.5-3: nothing can be opened, for a cause that does not lie in the frame: no key, or no layout."""
        self._steady = False
        return self.dropped(FrameRejected(reason, cause.value), now) + self._unreadable(reason, cause, None)

    def dropped(self, rejected: FrameRejected, now: float) -> list[MediaEvent]:
        """media.5-2: one frame was not sent, or not taken; that and no more."""
        drop = rejected.reason, rejected.mismatch
        self._last[drop] = rejected.key_id, rejected.message
        count = self._drops.add(drop, now)
        return [self._dropped(drop, count)] if count else []

    def ended(self, reason: StopReason, detail: str) -> list[MediaEvent]:
        """media.5-1: the stream will carry nothing more."""
        return [*self._rest(), StreamStopped(**self.where(self.kid), reason=reason, detail=detail)]

    def wants_key_frame(self) -> bool:
        """media.4-3: whether to ask the other side for a key frame now; says so once for each request."""
        wants = self._key_frame and self.kind == "video"
        self._key_frame = False
        return wants

    def where(self, key_id: int | None) -> dict[str, Any]:
        """The fields of a StreamEvent about a frame, or about the stream, of that key id."""
        return {
            "who": self.who,
            "direction": self.direction,
            "kind": self.kind,
            "codec": self.codec,
            "mid": self.mid,
            "stream": self.stream,
            "key_id": key_id,
            "epoch": None if key_id is None else ONE_TO_ONE.decode(key_id).epoch,
        }

    def _dropped(self, drop: _Drop, count: int) -> FrameDropped:
        reason, mismatch = drop
        key_id, detail = self._last[drop]
        return FrameDropped(**self.where(key_id), reason=reason, count=count, detail=detail, mismatch=mismatch)

    def _rest(self) -> list[MediaEvent]:
        return [self._dropped(drop, count) for drop, count in self._drops.rest().items()]

    def _unreadable(self, reason: FrameReason, cause: Cause, key_id: int | None) -> list[MediaEvent]:
        """Told once, and again only if the cause has become another one."""
        if cause is self._cause:
            return []
        self._cause = cause
        return [StreamUnreadable(**self.where(key_id), reason=reason, cause=cause, advice=cause.advice)]

    def _forget_window(self) -> None:
        self._window.clear()
        self._refused = self._unsealed = 0


class DropLog(Generic[_K]):
    """How many frames to report now: the first of each kind at once, then no more than once in `interval` seconds."""

    __slots__ = ("_interval", "_last", "_pending")

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._last: dict[_K, float] = {}
        self._pending: dict[_K, int] = {}

    def add(self, kind: _K, now: float) -> int:
        """Count one frame; the number to put in an event now, or 0 for none."""
        count = self._pending.get(kind, 0) + 1
        if kind in self._last and now - self._last[kind] < self._interval:
            self._pending[kind] = count
            return 0
        self._last[kind] = now
        self._pending.pop(kind, None)
        return count

    def rest(self) -> dict[_K, int]:
        """What was counted and not reported yet; counts as reported."""
        rest, self._pending = self._pending, {}
        return rest


class Pace:
    """When a key frame may be asked for: every `interval` seconds at most, every `slow` once `patience` asks failed.

    A wrong key makes every frame fail; asking each time would make the other side send key frames only. Asking never
    stops altogether, for the right key or a readable frame may come at any time.
    """

    __slots__ = ("_asked", "_interval", "_last", "_patience", "_slow")

    def __init__(self, interval: float = 0.5, slow: float = 5.0, patience: int = 10) -> None:
        self._interval = interval
        self._slow = slow
        self._patience = patience
        self._last: float | None = None
        self._asked = 0

    def due(self, now: float) -> bool:
        """Whether to ask now; counts as asked if so."""
        gap = self._interval if self._asked < self._patience else self._slow
        if self._last is not None and now - self._last < gap:
            return False
        self._last = now
        self._asked += 1
        return True

    def succeeded(self) -> None:
        """A frame was opened: later trouble is new trouble."""
        self._asked = 0


def diagnose(reasons: Counter[FrameReason], *, looks_unsealed: bool) -> Cause:
    """What rejected frames mean; `looks_unsealed` says that most of them look like an encoder's own.

    A wrong key gives failed tags under a known key id. Media that is not sealed is read as a header of random bits:
    malformed frames, and unknown keys, half of them with our own sender index.
    """
    reason, _ = reasons.most_common(1)[0]
    if looks_unsealed and reason in _READS_AS_NOISE:
        return Cause.NOT_SEALED
    return _CAUSES.get(reason, Cause.DAMAGED)


_READS_AS_NOISE = frozenset(
    {
        FrameReason.MALFORMED,
        FrameReason.UNKNOWN_KEY,
        FrameReason.OWN_FRAME,
        FrameReason.WRONG_STREAM,
        FrameReason.AUTHENTICATION,
    }
)
_CAUSES = {
    FrameReason.AUTHENTICATION: Cause.WRONG_KEY,
    FrameReason.UNKNOWN_KEY: Cause.UNKNOWN_KEY,
    FrameReason.REPLAY: Cause.REPLAYED,
    FrameReason.TOO_OLD: Cause.REPLAYED,
    FrameReason.OWN_FRAME: Cause.REFLECTED,
    FrameReason.WRONG_STREAM: Cause.WRONG_STREAM,
    FrameReason.STOPPED: Cause.STOPPED,
}
