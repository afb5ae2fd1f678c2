"""Runs a `OneToOne` on an event loop: it gets what comes and the time, and what it has to say is posted.

driver = CallDriver(call, client.post, on_event)
task = asyncio.create_task(driver.run())       timers, until the call is over
await driver.receive(message)                  whatever a transport brings
await driver.move_to(channel_post)             another transport from now on; what was lost is sent again

`TelegramDriver` runs a `TelegramCall` in the same way, and lets a thread of its own do the work.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, Protocol, TypeVar

from e2ecall.call.one_to_one import Event, OneToOne
from e2ecall.call.telegram import TelegramCall, TelegramEvent
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Profile

__all__ = ["CallDriver", "Post", "TelegramDriver"]

Post = Callable[[bytes], Awaitable[None]]
_E = TypeVar("_E")
_T = TypeVar("_T")
LONGEST_SLEEP: Final = 0.25  # what other parts of the program queue meanwhile leaves after it


class _Call(Protocol[_E]):
    """What is driven: `OneToOne`, `TelegramCall`."""

    @property
    def ended(self) -> bool: ...

    def call(self, now: float) -> None: ...

    def receive(self, data: bytes, now: float) -> list[_E]: ...

    def messages_to_send(self, now: float) -> list[bytes]: ...

    def next_timer(self, now: float) -> float | None: ...

    def handle_timer(self, now: float) -> list[_E]: ...


class _Driver(Generic[_E]):
    """The loop around one call. Its methods belong on one event loop; what `post` raises comes out of them."""

    def __init__(
        self, driven: _Call[_E], post: Post, on_event: Callable[[_E], None], clock: Callable[[], float]
    ) -> None:
        self._driven = driven
        self._post = post
        self._on_event = on_event
        self._clock = clock
        self._sending = asyncio.Lock()
        self._untold: deque[_E] = deque()  # what a cancelled step found is told by the next one

    @property
    def now(self) -> float:
        """The time that the call is told."""
        return self._clock()

    async def run(self) -> None:
        """Everything that time brings, until the call is over. Cancel it to stop."""
        while (due := await self._act(self._driven.next_timer)) is not None or not self._driven.ended:
            await asyncio.sleep(max(0.0, min(LONGEST_SLEEP, LONGEST_SLEEP if due is None else due - self.now)))
            await self._take(self._driven.handle_timer)

    async def receive(self, data: bytes) -> None:
        """One message of the other side, whichever transport brought it."""
        await self._take(lambda now: self._driven.receive(data, now))

    async def dial(self) -> None:
        """kex.9-2: call the other side."""
        await self._act(self._driven.call)
        await self.flush()

    async def flush(self) -> None:
        """Post what there is to say, in order."""
        async with self._sending:
            for message in await self._act(self._driven.messages_to_send):
                await self._post(message)

    async def _act(self, act: Callable[[float], _T]) -> _T:
        """What `act` gives at this time."""
        return act(self.now)

    async def _take(self, act: Callable[[float], Iterable[_E]]) -> None:
        """Tell the events that `act` gives, in order, and post what there is to say."""
        await self._act(lambda now: self._untold.extend(act(now)))
        while self._untold:
            self._on_event(self._untold.popleft())
        await self.flush()


class CallDriver(_Driver[Event]):
    """The loop around one `OneToOne`. Its methods belong on one event loop; what `post` raises comes out of them."""

    def __init__(
        self,
        call: OneToOne,
        post: Post,
        on_event: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(call, post, on_event, clock)
        self.call = call

    async def accept(self, profile: Profile | None = None) -> None:
        """kex.6-6: take the call that rings; errors as of `OneToOne.accept`."""
        await self._take(lambda now: self.call.accept(now, profile))

    async def move_to(self, post: Post) -> None:
        """control.2-7: from now on messages leave by `post`; those that nobody acknowledged leave once more."""
        self._post = post
        if self.call.established:
            self.call.transport_changed(self.now)
        await self.flush()


class TelegramDriver(_Driver[TelegramEvent]):
    """The loop around one `TelegramCall`, whose exponentiations take 20 ms each.

    Everything that touches the call runs in one thread of this driver, in the order in which it was asked for; so the
    event loop goes on, and `act` is the way to the call's other methods. Events are told on the event loop. `close`
    ends the thread.
    """

    def __init__(
        self,
        call: TelegramCall,
        post: Post,
        on_event: Callable[[TelegramEvent], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(call, post, on_event, clock)
        self._call = call
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="telegram call")
        self._closed = False

    async def accept(self) -> None:
        """telegram.6-4: take the call that rings; errors as of `TelegramCall.accept`."""
        await self._take(self._call.accept)

    async def act(self, act: Callable[[TelegramCall], _T]) -> _T:
        """What `act` gives of the call: `driver.act(lambda call: call.send(signal))`, or its end; then posts."""
        done = await self._act(lambda _: act(self._call))
        await self.flush()
        return done

    def close(self) -> None:
        """Let the thread end, once it has done what it was asked for. The call is not ended by it."""
        self._closed = True
        self._worker.shutdown(wait=False)

    async def _act(self, act: Callable[[float], _T]) -> _T:
        if self._closed:
            raise ApiMisuse("the driver is closed")
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: act(self.now))
