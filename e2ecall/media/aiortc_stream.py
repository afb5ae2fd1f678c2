"""What the hooks of one connection share, and what every hook can say about its stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

from aiortc import RTCPeerConnection, RTCRtpTransceiver

from e2ecall.call.epochs import FrameKeys
from e2ecall.errors import E2ECallError, FrameReason, FrameRejected
from e2ecall.media.events import Direction, MediaEvent, StopReason
from e2ecall.media.health import StreamHealth
from e2ecall.media.transform import StreamStats

__all__ = ["OnOpened", "OnSealed", "Session", "StreamHook"]

OnSealed = Callable[[str, bytes, bytes], None]
OnOpened = Callable[[str, bytes, int], None]


class Session:
    """One protected connection: its keys, which may come later, and where its events go."""

    def __init__(
        self,
        pc: RTCPeerConnection,
        *,
        keys: FrameKeys | None,
        who: str | None,
        on_event: Callable[[MediaEvent], None],
        on_sealed: OnSealed | None,
        on_opened: OnOpened | None,
    ) -> None:
        self.pc = pc
        self.keys = keys
        self.who = who
        self.on_sealed = on_sealed
        self.on_opened = on_opened
        self.closed = False
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()

    def tell(self, event: MediaEvent) -> None:
        """Hand an event to the application, on the event loop's thread; callable from every thread."""
        self.call_soon(self._on_event, event)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Run `function` on the event loop's thread. After the loop was closed nobody is left to tell."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)

    @property
    def over(self) -> bool:
        """Whether the connection was closed by this side, so that its streams end as they should."""
        return self.closed or self.pc.signalingState == "closed"


class StreamHook:
    """One direction of one transceiver. Its frames pass in one thread at a time."""

    direction: Direction

    def __init__(self, session: Session, transceiver: RTCRtpTransceiver) -> None:
        self.session = session
        self.kind: Literal["audio", "video"] = "video" if transceiver.kind == "video" else "audio"
        self._transceiver = transceiver
        self._health = StreamHealth(self.kind, direction=self.direction)
        self._dropped: Counter[FrameReason] = Counter()  # those that never reached a transform
        self._stop_reason: StopReason | None = None
        self._stop_detail = ""
        self._stopped = threading.Event()

    @property
    def health(self) -> StreamHealth:
        """How the stream is doing, with what is known by now of where that is."""
        self._health.who = self.session.who
        self._health.mid = self._transceiver.mid
        return self._health

    def tell(self, events: Iterable[MediaEvent]) -> None:
        """Hand events to the application, in order."""
        for event in events:
            self.session.tell(event)

    def drop_uncounted(self, reason: FrameReason, detail: str) -> None:
        """Report and count a dropped frame that no transform has counted."""
        self._dropped[reason] += 1
        self.drop_for(FrameRejected(reason, detail))

    def drop_for(self, rejected: FrameRejected) -> None:
        """Report a frame that a transform refused and counted."""
        self.tell(self.health.dropped(rejected, time.monotonic()))

    def ending(self, reason: StopReason, error: BaseException | None = None) -> None:
        """Keep the first reason why the stream ends; of a foreign exception the type alone, its text may hold media."""
        if self._stop_reason is None:
            self._stop_reason = reason
            ours = isinstance(error, E2ECallError)
            self._stop_detail = "" if error is None else str(error) if ours else type(error).__name__

    def stopped(self) -> None:
        """Tell, once, that the stream has ended."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        reason = self._stop_reason or (StopReason.CLOSED if self.session.over else StopReason.DISCONNECTED)
        self.tell(self.health.ended(reason, self._stop_detail))

    def without_transform(self) -> StreamStats | None:
        """The frames that were dropped before a transform existed, as stats of their own."""
        if not self._dropped:
            return None
        return StreamStats(self.kind, self._health.codec or "", None, rejected=Counter(self._dropped))
