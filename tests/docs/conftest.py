"""A camera of 160 x 120, a screen that counts, and a call on the loopback interface that is closed whatever happens."""

import asyncio
from contextlib import suppress

import av
import numpy as np
import pytest
from aiortc import VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from e2ecall.media import rtc


class Camera(VideoStreamTrack):
    """Stripes that wander, around one brightness."""

    def __init__(self, luma):
        super().__init__()
        self.luma = luma

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        planes = np.full((180, 160), 128, np.uint8)
        planes[:120] = self.luma + (np.arange(160) // 8 + pts // 3000) % 20
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Screen:
    """((width, height), mean brightness) of every picture that a connection decodes."""

    def __init__(self, pc):
        self.pictures = []
        self.readers = []
        pc.on("track", lambda track: self.readers.append(asyncio.ensure_future(self._read(track))))

    async def _read(self, track):
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self.pictures.append(((frame.width, frame.height), float(frame.to_ndarray(format="gray").mean())))


@pytest.fixture
def camera():
    return Camera


@pytest.fixture
def screen():
    made = []

    def make(pc):
        made.append(Screen(pc))
        return made[-1]

    make.made = made
    return make


@pytest.fixture
def loopback(screen):
    """`await loopback((caller, callee), course)`: connect, run the course, close both."""

    async def call(pcs, course):
        with rtc.loopback_only():
            try:
                await rtc.connect(*pcs)
                await course()
            finally:
                for pc in pcs:
                    await pc.close()
                await asyncio.gather(*(reader for each in screen.made for reader in each.readers))

    return call
