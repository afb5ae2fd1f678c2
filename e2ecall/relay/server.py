"""relay.5: the mailbox behind Starlette; `serve` runs it.

One session per WebSocket: a reader that asks the mailbox, a writer that empties a bounded outbox, and one word of
farewell. Logs name seats, counts and reasons; never rooms, addresses or contents.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from e2ecall.errors import E2ECallError, MalformedMessage
from e2ecall.relay.mailbox import Delivery, Limits, Mailbox, Member, refused
from e2ecall.relay.messages import (
    FromRelay,
    MediaAnswer,
    MediaOffer,
    Refused,
    RefusedReason,
    decode_from_member,
    encode,
)
from e2ecall.relay.running import RunningServer, serve

__all__ = ["MediaHop", "RunningServer", "create_app", "serve"]

_LOG = logging.getLogger("e2ecall.relay")
_SWEEP_SECONDS = 5.0
_OFFER_SECONDS = 15.0
_GRACE_SECONDS = 2.0


class MediaHop(Protocol):
    """The forwarder of one room, which has no keys. Calls for its two members may overlap."""

    async def accept(self, member: int, offer_sdp: str) -> str:
        """The SDP answer to the offer of the member at seat `member`. Raises only E2ECallError on a bad offer."""
        ...

    async def close(self) -> None:
        """End both legs. Raises nothing."""
        ...


class _Session:
    """One member's connection: what it is owed, and how it ends."""

    def __init__(self, socket: WebSocket, limits: Limits) -> None:
        self.socket = socket
        self.ended: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        self._limits = limits
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._filled = asyncio.Event()

    def offer(self, message: FromRelay) -> None:
        """relay.4-3: owe one more message; who does not read in time is sent away instead."""
        data = encode(message)
        full = len(self._outbox) >= self._limits.outbox_messages
        if isinstance(message, Refused) and message.reason.ends:
            self.end(message)
        elif full or self._outbox_bytes + len(data) > self._limits.outbox_bytes:
            self.end(refused(RefusedReason.TOO_SLOW))
        else:
            self._outbox.append(data)
            self._outbox_bytes += len(data)
            self._filled.set()

    def end(self, farewell: Refused | None) -> None:
        if not self.ended.done():
            self.ended.set_result(farewell)

    async def write(self) -> None:
        """Send what is owed, for as long as the connection takes it."""
        while await self._filled.wait():
            while self._outbox:
                data = self._outbox.popleft()
                self._outbox_bytes -= len(data)
                try:
                    await self.socket.send_bytes(data)
                except (WebSocketDisconnect, RuntimeError):  # RuntimeError: uvicorn closed it first
                    return
            self._filled.clear()

    async def farewell(self) -> None:
        """relay.3-1: say why and close; who does not even read that is cut off after a moment."""
        last = self.ended.result() if self.ended.done() else None
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # as in `write`
            async with asyncio.timeout(_GRACE_SECONDS):
                if last is not None:
                    await self.socket.send_bytes(encode(last))
                    await self.socket.close(4000 + last.reason, last.reason.name.lower().replace("_", "-"))


class _Relay:
    """The mailbox with its sessions and forwarders."""

    def __init__(
        self, mailbox: Mailbox, hop_factory: Callable[[str], MediaHop] | None, clock: Callable[[], float]
    ) -> None:
        self.limits = mailbox.limits
        self.mailbox = mailbox
        self._clock = clock
        self._hop_factory = hop_factory
        self._hops: dict[str, MediaHop] = {}
        self._sessions: dict[Member, _Session] = {}

    async def room(self, socket: WebSocket) -> None:
        """relay.5-1: one connection from its first byte to its last."""
        await socket.accept()
        session = _Session(socket, self.limits)
        joined = self.mailbox.join(socket.path_params["room"], self._clock())
        if isinstance(joined, Refused):
            _LOG.info("refused a connection: %s", joined.reason.name)
            session.end(joined)
            await session.farewell()
            return
        member, owed = joined
        self._sessions[member] = session
        self._route(owed)
        _LOG.info("seat %d taken, %d rooms", member.seat, self.mailbox.rooms)
        try:
            await self._run(member, session)
        finally:
            del self._sessions[member]
            self._route(self.mailbox.leave(member))
            orphan = None if member.room in self.mailbox else self._hops.pop(member.room, None)
            _LOG.info("seat %d free, %d rooms", member.seat, self.mailbox.rooms)
            try:
                await session.farewell()
            finally:
                if orphan is not None:
                    await orphan.close()

    async def _run(self, member: Member, session: _Session) -> None:
        tasks = [asyncio.create_task(self._read(member, session)), asyncio.create_task(session.write())]
        ends: list[asyncio.Future[Any]] = [*tasks, session.ended]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    _log_bug(result)

    async def _read(self, member: Member, session: _Session) -> None:
        while (event := await session.socket.receive())["type"] != "websocket.disconnect":
            data: bytes = event.get("bytes") or b""
            try:
                message = decode_from_member(data)
            except MalformedMessage as error:
                session.end(refused(RefusedReason.MALFORMED, error.message))
                return
            if isinstance(message, MediaOffer):
                session.offer(await self._media(member, message.sdp, len(data)))
            else:
                self._route(self.mailbox.post(member, message.data, self._clock()))
            await asyncio.sleep(0)  # messages that came in one piece must not keep the writers waiting

    async def _media(self, member: Member, offer_sdp: str, size: int) -> FromRelay:
        """relay.5-3: the forwarder's answer, or why there is none; bounded in time."""
        refusal = self.mailbox.admit(member, size, self._clock())
        if refusal is not None:
            return refusal if refusal.reason.ends else refused(RefusedReason.OFFER_REFUSED, refusal.text)
        if self._hop_factory is None:
            return refused(RefusedReason.NO_FORWARDER)
        try:
            if member.room not in self._hops:
                self._hops[member.room] = self._hop_factory(member.room)
            async with asyncio.timeout(_OFFER_SECONDS):
                return MediaAnswer(await self._hops[member.room].accept(member.seat, offer_sdp))
        except TimeoutError:
            return refused(RefusedReason.OFFER_REFUSED, "it took too long")
        except E2ECallError as error:
            return refused(RefusedReason.OFFER_REFUSED, error.message)

    def _route(self, owed: list[Delivery]) -> None:
        for delivery in owed:
            if (session := self._sessions.get(delivery.to)) is not None:  # a mailbox of another kind may be behind
                session.offer(delivery.message)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """relay.4-4: look for idle rooms while the app lives."""
        sweeper = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self.limits.alone_seconds, self.limits.idle_seconds))
            self._route(self.mailbox.expire(self._clock()))

    async def health(self, request: Request) -> JSONResponse:
        """relay.5-4: that it runs, and how full it is."""
        return JSONResponse({"status": "ok", "rooms": self.mailbox.rooms, "members": self.mailbox.members})


def _log_bug(error: Exception) -> None:
    """The kind and the place of it; its message might hold what a member sent."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error("a session ended by a mistake: %s in %s, line %s", type(error).__name__, place.name, place.lineno)


def create_app(
    *,
    limits: Limits | None = None,
    mailbox: Mailbox | None = None,
    hop_factory: Callable[[str], MediaHop] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """relay.5: the relay as an ASGI app: `/v1/rooms/{room}` and `/v1/health`.

    `mailbox`, with limits of its own, stands in for the plain one. `hop_factory` makes the forwarder of a room when
    its first media offer comes; it is closed with the room.
    """
    relay = _Relay(mailbox or Mailbox(limits), hop_factory, clock)
    routes = [WebSocketRoute("/v1/rooms/{room}", relay.room), Route("/v1/health", relay.health)]
    app = Starlette(routes=routes, lifespan=relay.lifespan)
    app.state.limits = relay.limits
    return app
