"""A call by Telegram's protocol: its exchange, then audio or video once both sides have the key."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from aiortc import MediaStreamTrack

from e2ecall import CallEnded, MessageRefused, SystemRng
from e2ecall.call.telegram import (
    IncomingTelegramCall,
    PeerSignal,
    TelegramCall,
    TelegramCallEstablished,
    TelegramEvent,
)
from e2ecall.errors import TransportFailed
from e2ecall.handshake.telegram.signalling import Signal
from e2ecall.media.telegram_connection import TelegramConnection
from e2ecall.relay.driver import TelegramDriver


class TelegramSide:
    """One side. `send` carries messages of bytes to the other side, whose `driver.receive` takes them."""

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        tracks: Iterable[MediaStreamTrack] = (),
        on_track: Callable[[MediaStreamTrack], object] = print,
        addresses: Sequence[str] | None = None,
    ) -> None:
        self.call = TelegramCall(SystemRng())
        self.driver = TelegramDriver(self.call, send, self.on_event)
        self._media = {"tracks": list(tracks), "on_track": on_track, "addresses": addresses}
        self._signals: asyncio.Queue[Signal] = asyncio.Queue()
        self.established: asyncio.Future[TelegramCallEstablished] = asyncio.get_running_loop().create_future()
        self.refused: list[MessageRefused] = []

    def on_event(self, event: TelegramEvent) -> None:
        if isinstance(event, IncomingTelegramCall):
            self._accepting = asyncio.create_task(self.driver.accept())  # ask the person: nothing says who calls
        elif isinstance(event, TelegramCallEstablished):
            self.established.set_result(event)
        elif isinstance(event, PeerSignal):
            self._signals.put_nowait(event.signal)
        elif isinstance(event, CallEnded) and not self.established.done():
            self.established.set_exception(TransportFailed(event.message))
        elif isinstance(event, MessageRefused):
            self.refused.append(event)

    async def run(self) -> None:
        """Media, from when there is a key. Cancel it to stop."""
        established = await self.established
        connection = TelegramConnection(established.role, **self._media)
        try:
            await connection.start()
            while True:
                for signal in connection.signals():
                    await self.driver.act(lambda call, signal=signal: call.send(signal))
                await connection.receive(await self._signals.get())
        finally:
            await connection.close()
