"""The receiving side: every frame of one RTCRtpReceiver is opened before its decoder can see it.

aiortc puts whole encoded frames into a queue, which a decoder thread reads. The hook is that queue: its `get` opens a
frame in the decoder's thread, and keeps to itself what cannot be opened. It has to be in place before `receive()`
hands the queue to the thread.

A frame that cannot be opened is dropped and counted; if it may have been part of the picture, a key frame is asked
for, at most every 500 ms, and every 5 s when ten requests changed nothing. So it is when frames never came, until a
key frame does. Empty frames are dropped and counted, never opened. Anything unexpected is told as an event, ends the
track, and propagates.
"""

from __future__ import annotations

import queue
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from aiortc import RTCRtpTransceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from e2ecall.call.track import Track
from e2ecall.errors import E2ECallError, FrameReason, FrameRejected
from e2ecall.media import aiortc_names as names
from e2ecall.media.aiortc_stream import Session, StreamHook
from e2ecall.media.events import Cause, Direction, MediaEvent, StopReason
from e2ecall.media.jitter import Burst
from e2ecall.media.transform import OpenStream, StreamStats

__all__ = ["OpeningQueue", "ReceiveHook"]


class OpeningQueue(queue.Queue[Any]):
    """aiortc's decoder queue, out of which only opened frames come."""

    def __init__(self, hook: ReceiveHook) -> None:
        super().__init__()
        self._hook = hook

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002 - queue.Queue's own signature
        """On the event loop: one (codec, frame), or None at the end. After the end nothing is kept."""
        if item is not None and self._hook.finished:
            return
        if item is not None and isinstance(item[1], Burst):
            for frame in item[1].frames():
                super().put((item[0], frame), block, timeout)
        else:
            super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - queue.Queue's own signature
        """In the decoder's thread: the next frame that could be opened, or None at the end."""
        hook = self._hook
        expected = False
        try:
            while (item := super().get(block, timeout)) is not None:
                if hook.finished:
                    item = None
                    break
                if hook.opened(*item):
                    break
            expected = True
        finally:
            if not expected:
                hook.break_off(sys.exception())
        if item is None:
            hook.stopped()
        return item


class ReceiveHook(StreamHook):
    """Opens what one receiver gets, and tells how it goes."""

    direction = Direction.RECEIVE

    def __init__(self, session: Session, transceiver: RTCRtpTransceiver) -> None:
        super().__init__(session, transceiver)
        self.empty = 0
        self.finished = False
        self._receiver = transceiver.receiver
        self._decoder_error = getattr(self._receiver, names.DECODER_ERROR)
        self._queue = OpeningQueue(self)
        self._codec: RTCRtpCodecParameters | None = None  # what `_stream` opens
        self._track: Track | None = None
        self._stream: OpenStream | None = None
        self._streams: dict[str, OpenStream] = {}  # a sender may change between the negotiated codecs
        setattr(self._receiver, names.DECODER_QUEUE, self._queue)

    def opened(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> bool:
        """Open one frame in place; False if it is not for the decoder."""
        if not frame.data:
            self.empty += 1
            return False
        if codec is not self._codec:
            self._change(codec)
        stream, track = self._stream, self._track
        if stream is None or track is None:
            return False
        sealed = frame.data
        try:
            frame.data = stream.open(sealed)
        except FrameRejected as rejected:
            self._after(self.health.refused(rejected, sealed, stream, time.monotonic()))
            return False
        if events := self._health.opened(track):  # whose place is known since `_change`
            self._after(events)
        if self._health.torn:
            self._health.shown(time.monotonic(), key=stream.is_key(frame.data))
            self._after([])
        if self.session.on_opened is not None:
            self.session.on_opened(self.kind, frame.data, frame.timestamp)
        return True

    def ask_key_frame(self) -> None:
        """Have aiortc ask for a key frame with the next packet that comes."""
        if self.kind == "video":
            self._decoder_error.set()

    def close(self) -> None:
        """Open nothing more, and end the track."""
        self.finished = True
        self._queue.put(None)

    def break_off(self, error: BaseException | None) -> None:
        """The decoder's thread is dying of `error`: end the track, whose reader would wait for ever."""
        self.finished = True
        self.ending(StopReason.INTERNAL, error)
        self.stopped()
        track = self._receiver.track
        if track is not None:
            self.session.call_soon(track._queue.put_nowait, None)  # type: ignore[attr-defined]

    def stopped(self) -> None:
        """Tell that the stream has ended, if there was one."""
        if self._health.codec is not None or self._stop_reason is not None:
            super().stopped()

    def stats(self) -> list[StreamStats]:
        """Copies of the counts, one for each codec, with the frames that came before there was a key."""
        counted = [
            replace(stream.stats, rejected=Counter(stream.stats.rejected)) for stream in list(self._streams.values())
        ]
        if not counted:
            return [stats for stats in (self.without_transform(),) if stats is not None]
        counted[0].rejected.update(self._dropped)
        return counted

    def _change(self, codec: RTCRtpCodecParameters) -> None:
        """Find the stream that opens frames of this codec; count the frame if there is none."""
        name = self.health.codec = codec.name.lower()
        self._codec = self._stream = None
        keys = self.session.keys
        if keys is None:
            self._unopenable(FrameReason.UNKNOWN_KEY, Cause.NO_KEY)
            return
        stream = self._streams.get(name)
        if stream is None:
            self._track = self._track or Track(self.kind, keys)
            try:
                stream = OpenStream(name, self._track, who=self.session.who)
            except E2ECallError:
                self._unopenable(FrameReason.MALFORMED, Cause.CODEC)
                return
            self._streams[name] = stream
        self._codec, self._stream = codec, stream

    def _unopenable(self, reason: FrameReason, cause: Cause) -> None:
        self._dropped[reason] += 1
        self._after(self.health.unopenable(reason, cause, time.monotonic()))

    def _after(self, events: list[MediaEvent]) -> None:
        """What follows from a frame: something to tell, and perhaps a key frame to ask for."""
        if self._health.wants_key_frame():
            self.ask_key_frame()
        self.tell(events)
