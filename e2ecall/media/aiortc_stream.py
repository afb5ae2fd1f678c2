"""What the hooks of one connection share, and what every hook can say about its stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from aiortc import RTCPeerConnection, RTCRtpTransceiver

from e2ecall.call.epochs import FrameKeys
from e2ecall.errors import E2ECallError, FrameReason, FrameRejected
from e2ecall.media.events import Direction, DropLog, FrameDropped, MediaEvent, StopReason, StreamStopped
from e2ecall.media.transform import StreamStats
from e2ecall.sframe import ONE_TO_ONE

__all__ = ["OnOpened", "OnSealed", "Session", "StreamHook", "epoch_of"]

OnSealed = Callable[[str, bytes, bytes], None]
OnOpened = Callable[[str, bytes, int], None]


def epoch_of(kid: int | None) -> int | None:
    """frame.4-1: the epoch that a key id of a call between two names."""
    return None if kid is None else ONE_TO_ONE.decode(kid).epoch


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
        self.codec: str | None = None
        self.kid: int | None = None
        self._transceiver = transceiver
        self._drops = DropLog()
        self._dropped: Counter[FrameReason] = Counter()  # those that never reached a transform
        self._stop_reason: StopReason | None = None
        self._stop_detail = ""
        self._stopped = threading.Event()

    def where(self, key_id: int | None = None) -> dict[str, Any]:
        """The fields of a StreamEvent."""
        kid = self.kid if key_id is None else key_id
        return {
            "who": self.session.who,
            "direction": self.direction,
            "kind": self.kind,
            "codec": self.codec,
            "mid": self._transceiver.mid,
            "key_id": kid,
            "epoch": epoch_of(kid),
        }

    def drop(self, reason: FrameReason, detail: str, key_id: int | None = None) -> None:
        """Report one dropped frame, as often as the DropLog allows."""
        if count := self._drops.add(reason, time.monotonic()):
            self.session.tell(FrameDropped(**self.where(key_id), reason=reason, count=count, detail=detail))

    def drop_uncounted(self, reason: FrameReason, detail: str) -> None:
        """Report and count a dropped frame that no transform has counted."""
        self._dropped[reason] += 1
        self.drop(reason, detail)

    def drop_for(self, rejected: FrameRejected) -> None:
        """Report a frame that a transform refused and counted."""
        self.drop(rejected.reason, rejected.message, rejected.key_id)

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
        self.session.tell(StreamStopped(**self.where(), reason=reason, detail=self._stop_detail))

    def without_transform(self) -> StreamStats | None:
        """The frames that were dropped before a transform existed, as stats of their own."""
        if not self._dropped:
            return None
        return StreamStats(self.kind, self.codec or "", None, rejected=Counter(self._dropped))
