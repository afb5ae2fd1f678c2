"""The same events without aiortc: one StreamHealth beside the OpenStream of each incoming track."""

import time
from collections.abc import Callable

from e2ecall import FrameKeys, FrameRejected
from e2ecall.call.track import Track
from e2ecall.media.events import MediaEvent, StopReason
from e2ecall.media.health import StreamHealth
from e2ecall.media.transform import OpenStream


class IncomingVideo:
    def __init__(self, keys: FrameKeys, tell: Callable[[MediaEvent], None], ask_key_frame: Callable[[], None]) -> None:
        self.track = Track("video", keys)
        self.stream = OpenStream("vp8", self.track, who=keys.who)
        self.health = StreamHealth("video", who=keys.who, codec="vp8")
        self.tell = tell
        self.ask_key_frame = ask_key_frame

    def frame_for_decoder(self, sealed: bytes) -> bytes | None:
        frame = None
        try:
            frame = self.stream.open(sealed)
            events = self.health.opened(self.track)
        except FrameRejected as rejected:
            events = self.health.refused(rejected, sealed, self.stream, time.monotonic())
        for event in events:
            self.tell(event)
        if self.health.wants_key_frame():
            self.ask_key_frame()
        return frame

    def close(self) -> None:
        for event in self.health.ended(StopReason.CLOSED, ""):
            self.tell(event)
