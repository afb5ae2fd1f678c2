"""Agree on keys over your own signalling: anything that carries whole messages of bytes both ways."""

import asyncio
from collections.abc import Awaitable, Callable

from e2ecall import (
    CallEnded,
    CallEstablished,
    IncomingCall,
    MessageRefused,
    OneToOne,
    Profile,
    SystemRng,
    emoji,
    fresh_identity,
)
from e2ecall.call.one_to_one import Event
from e2ecall.errors import TransportFailed
from e2ecall.relay.driver import CallDriver
from e2ecall.sas import describe


class Call:
    """One side of one call; `name` is what the other side is shown, a claim until somebody compared the emoji."""

    def __init__(self, name: str, send: Callable[[bytes], Awaitable[None]]) -> None:
        rng = SystemRng()
        call = OneToOne(fresh_identity(rng), rng, Profile(name=name))
        self.rings = asyncio.Event()
        self.established: asyncio.Future[CallEstablished] = asyncio.get_running_loop().create_future()
        self.driver = CallDriver(call, send, self._on_event)  # dial() calls, accept() takes a call that rings

    async def run(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        """Listen and keep time, for as long as the call lasts; run it in a task of its own."""
        timers = asyncio.create_task(self.driver.run())
        try:
            while not self.driver.call.ended:
                await self.driver.receive(await receive())
        finally:
            timers.cancel()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, IncomingCall):
            self.rings.set()  # your application rings, and its person decides: driver.accept() or driver.call.end()
        elif isinstance(event, CallEstablished):
            self.established.set_result(event)
        elif isinstance(event, MessageRefused):
            print("refused:", event.error)
        elif isinstance(event, CallEnded) and not self.established.done():
            self.established.set_exception(TransportFailed(event.message))


def to_compare(established: CallEstablished) -> str:
    """What both people read to each other: four emoji with their names."""
    return describe(emoji(established.result.sas))
