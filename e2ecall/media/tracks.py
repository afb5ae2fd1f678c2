"""aiortc tracks around anything that yields frames: paced in real time, made in a thread, never queued.

A track asks its iterator for one frame at a time, in a thread of its own, and hands it out when it is due. A picture
whose time has passed is skipped as long as that helps to catch up; sound is never skipped. When the iterator ends or
fails the track stops, and `error` says why.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from e2ecall.errors import E2ECallError
from e2ecall.media.testcard import Look, TestCard, Tone

__all__ = ["AudioTrack", "BuiltInClip", "Source", "VideoTrack", "tracks_of"]

_LATE = 0.04  # seconds after which a picture is not worth sending


class Source(Protocol):
    """What can be played into a call: `files.Clip` and `BuiltInClip`."""

    @property
    def has_video(self) -> bool:
        """Whether there are pictures."""
        ...

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        ...

    def video_frames(self) -> Iterator[av.VideoFrame]:
        """Fresh frames with rising pts, the first of them 0."""
        ...

    def audio_frames(self) -> Iterator[av.AudioFrame]:
        """Fresh frames with rising pts, the first of them 0."""
        ...


class BuiltInClip:
    """The test card and the tone of one person, without end."""

    def __init__(self, look: Look, size: tuple[int, int] | None = (640, 480), *, fps: int = 30) -> None:
        self.size = size
        self.fps = fps
        self._tone = Tone(look)
        self._card = TestCard(look, *size, fps=fps) if size else None

    @property
    def has_video(self) -> bool:
        """Whether there are pictures: not where `size` is None, in a voice call."""
        return self._card is not None

    @property
    def has_audio(self) -> bool:
        """There is always sound."""
        return True

    def video_frames(self) -> Iterator[av.VideoFrame]:
        """Pictures 0, 1, 2 … of the card."""
        return (self._card.picture(n) for n in itertools.count() if self._card)

    def audio_frames(self) -> Iterator[av.AudioFrame]:
        """Sound frames 0, 1, 2 … of the tone."""
        return (self._tone.frame(n) for n in itertools.count())


FrameT = TypeVar("FrameT", bound=av.VideoFrame | av.AudioFrame)


class _PacedTrack(MediaStreamTrack, Generic[FrameT]):
    """One frame at a time from `frames`, when it is due; `on_sent(index, frame)` just before it is handed out.

    `index` is the frame's number in the iterator, skipped ones counted. The callback must not keep the frame: an
    encoder rewrites it. `error` is what ended the iterator, None where it simply ended.
    """

    _may_skip = False

    def __init__(self, frames: Iterable[FrameT], *, on_sent: Callable[[int, FrameT], None] | None = None) -> None:
        super().__init__()
        self.error: E2ECallError | None = None
        self.skipped = 0
        self._frames: Iterator[FrameT] = iter(frames)
        self._on_sent = on_sent
        self._index = -1
        self._began: float | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"e2ecall-{self.kind}-source")

    async def recv(self) -> FrameT:
        """The next frame, at its time. Raises aiortc's MediaStreamError once the track has ended."""
        loop = asyncio.get_running_loop()
        frame = await self._make(loop)
        wait = self._wait(frame, loop.time())
        while self._may_skip and wait < -_LATE:
            self.skipped += 1
            frame, before = await self._make(loop), wait
            wait = self._wait(frame, loop.time())
            if wait <= before:  # the source is slower than its own clock: skipping would never catch up
                self._began = None
                wait = self._wait(frame, loop.time())
        if wait > 0:
            await asyncio.sleep(wait)
        if self.readyState != "live":
            raise MediaStreamError
        if self._on_sent is not None:
            self._on_sent(self._index, frame)
        return frame

    def _wait(self, frame: FrameT, now: float) -> float:
        """Seconds until the frame is due, negative if it is late; the clock starts with the first frame."""
        due = frame.time or 0.0
        if self._began is None:
            self._began = now - due
        return self._began + due - now

    async def _make(self, loop: asyncio.AbstractEventLoop) -> FrameT:
        if self.readyState != "live":
            raise MediaStreamError
        try:
            frame = await loop.run_in_executor(self._thread, next, self._frames, None)
        except E2ECallError as error:
            self.error = error
            self.stop()
            raise MediaStreamError from error
        if frame is None:
            self.stop()
            raise MediaStreamError
        self._index += 1
        return frame

    def stop(self) -> None:
        """End the track and let go of its file; harmless when repeated."""
        if self.readyState == "live":
            super().stop()
            if isinstance(self._frames, Generator):
                self._thread.submit(self._frames.close)
            self._thread.shutdown(wait=False)


class VideoTrack(_PacedTrack[av.VideoFrame]):
    """Pictures; one that is more than 40 ms late is skipped and counted in `skipped`."""

    kind = "video"
    _may_skip = True


class AudioTrack(_PacedTrack[av.AudioFrame]):
    """Sound, complete."""

    kind = "audio"


def tracks_of(
    source: Source, *, on_picture: Callable[[int, av.VideoFrame], None] | None = None
) -> tuple[AudioTrack | None, VideoTrack | None]:
    """The sound track and the picture track of `source`, each None where it has none."""
    audio = AudioTrack(source.audio_frames()) if source.has_audio else None
    video = VideoTrack(source.video_frames(), on_sent=on_picture) if source.has_video else None
    return audio, video
