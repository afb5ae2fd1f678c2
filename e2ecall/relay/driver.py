"""Runs a `OneToOne` on an event loop: it gets what comes and the time, and what it has to say is posted.

driver = CallDriver(call, client.post, on_event)
task = asyncio.create_task(driver.run())       timers, until the call is over
await driver.receive(message)                  whatever a transport brings
await driver.move_to(channel_post)             another transport from now on; what was lost is sent again
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from e2ecall.call.one_to_one import Event, OneToOne
from e2ecall.handshake import Profile

__all__ = ["CallDriver", "Post"]

Post = Callable[[bytes], Awaitable[None]]
LONGEST_SLEEP: Final = 0.25  # what other parts of the program queue meanwhile leaves after it


class CallDriver:
    """The loop around one call. Its methods belong on one event loop; what `post` raises comes out of them."""

    def __init__(
        self,
        call: OneToOne,
        post: Post,
        on_event: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.call = call
        self._post = post
        self._on_event = on_event
        self._clock = clock
        self._sending = asyncio.Lock()

    @property
    def now(self) -> float:
        """The time that the call is told."""
        return self._clock()

    async def run(self) -> None:
        """Everything that time brings, until the call is over. Cancel it to stop."""
        while (due := self.call.next_timer(self.now)) is not None or not self.call.ended:
            await asyncio.sleep(max(0.0, min(LONGEST_SLEEP, LONGEST_SLEEP if due is None else due - self.now)))
            await self._tell(self.call.handle_timer(self.now))

    async def receive(self, data: bytes) -> None:
        """One message of the other side, whichever transport brought it."""
        await self._tell(self.call.receive(data, self.now))

    async def dial(self) -> None:
        """kex.9-2: call the other side."""
        self.call.call(self.now)
        await self.flush()

    async def accept(self, profile: Profile | None = None) -> None:
        """kex.6-6: take the call that rings; errors as of `OneToOne.accept`."""
        await self._tell(self.call.accept(self.now, profile))

    async def move_to(self, post: Post) -> None:
        """control.2-7: from now on messages leave by `post`; those that nobody acknowledged leave once more."""
        self._post = post
        if self.call.established:
            self.call.transport_changed(self.now)
        await self.flush()

    async def flush(self) -> None:
        """Post what there is to say, in order."""
        async with self._sending:
            for message in self.call.messages_to_send(self.now):
                await self._post(message)

    async def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self._on_event(event)
        await self.flush()
