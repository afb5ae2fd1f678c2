"""relay.6: one member of a room, over a websockets connection.

    async with connect("ws://127.0.0.1:8460", room) as member:
        await member.post(b"...")
        async for event in member.events():
            ...

Whatever goes wrong with the connection is TransportFailed with a hint, in every call that waits for the relay.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.relay.messages import (
    MESSAGE_LIMIT,
    ROOM_NAME,
    Delivered,
    FromMember,
    FromRelay,
    Joined,
    Left,
    MediaAnswer,
    MediaOffer,
    Post,
    Refused,
    RefusedReason,
    Welcome,
    decode_from_relay,
    encode,
)

__all__ = ["Event", "RelayClient", "RelayRefused", "connect"]

Event = Joined | Left | Delivered | Refused
"""What happens in a room. `Refused` here means that one post was dropped; a refusal that ends it is an exception."""

_HEADER = 16  # the relay's own bytes in front of what was posted, generously
_INBOX = 64
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

_HINTS = {
    RefusedReason.ROOM_FULL: "a call is for two; make a new link",
    RefusedReason.RELAY_FULL: "try again later, or use another relay",
    RefusedReason.NO_FORWARDER: "send the media directly, or use a relay that forwards it",
    RefusedReason.IDLE: "join again",
    RefusedReason.TOO_SLOW: "is the network fast enough?",
}

# The library's debug lines show the address, with the room in it.
_LOG = logging.getLogger("e2ecall.relay.websocket")
_LOG.setLevel(logging.WARNING)


class RelayRefused(TransportFailed):
    """relay.3: the relay said no; `reason` says why."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(f"the relay refused: {refusal.text}", hint=_HINTS.get(refusal.reason))
        self.reason = refusal.reason


class RelayClient:
    """A member of a room. Made by `connect`; one task reads `events()`, any number may post."""

    def __init__(self, socket: websockets.asyncio.client.ClientConnection, welcome: Welcome, seconds: float) -> None:
        self.seat = welcome.seat
        self.waits = welcome.members == 1
        """Whether this member was here first; the other one then speaks first."""
        self._socket = socket
        self._seconds = seconds
        self._inbox: asyncio.Queue[Event | None] = asyncio.Queue(_INBOX)
        self._answers: deque[asyncio.Future[str]] = deque()  # one for each offer; the relay answers them in order
        self._failure: E2ECallError | None = None
        self._reader = asyncio.create_task(self._read())

    async def post(self, data: bytes) -> None:
        """relay.1-3: send `data` to the other member, or leave it with the relay until there is one.

        Returns when it is on its way; says nothing about its arrival. Raises TransportFailed.
        """
        await self._send(_encoded(Post(data)))

    async def receive(self, timeout: float | None = None) -> Event:  # noqa: ASYNC109 - the error is ours
        """The next event. Raises TransportFailed when there will be none, or none came within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                event = await self._inbox.get()
        except TimeoutError:
            raise TransportFailed(
                f"nothing came from the relay for {timeout:g} s", hint="is the other side there?"
            ) from None
        if event is None:
            self._inbox.put_nowait(None)
            raise self._failed()
        return event

    async def events(self) -> AsyncIterator[Event]:
        """Every event from now on; ends by raising TransportFailed, for a mailbox has no last message."""
        while True:
            yield await self.receive()

    async def media(self, offer_sdp: str) -> str:
        """relay.5-3: the SDP answer of the relay's forwarder to `offer_sdp`.

        Raises RelayRefused if there is none. Somebody has to take the events meanwhile, or the answer is not read.
        """
        offer = _encoded(MediaOffer(offer_sdp))
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        try:
            await self._send(offer)
            async with asyncio.timeout(2 * self._seconds):
                return await answer
        except TimeoutError:
            raise TransportFailed("the relay did not answer the media offer", hint="try again") from None
        finally:
            answer.cancel()  # keeps its place in the line: the answer may still come

    async def close(self) -> None:
        """Leave the room. A second close is harmless; `events()` then raises TransportFailed."""
        self._failure = self._failed()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        if self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(None)
        await asyncio.gather(self._socket.close(), self._drain())

    async def _drain(self) -> None:
        """Read on while closing: the relay's close comes behind what was not taken yet."""
        with contextlib.suppress(WebSocketException):
            while True:
                await self._socket.recv()

    async def _send(self, data: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            async with asyncio.timeout(self._seconds):
                await self._socket.send(data)
        except TimeoutError:
            raise TransportFailed("the relay takes no more data", hint="is the network up?") from None
        except ConnectionClosed as error:
            raise _lost(error) from None

    async def _read(self) -> None:
        try:
            while True:
                await self._take(_decoded(await self._socket.recv()))
        except ConnectionClosed as error:
            self._failure = _lost(error)
        except E2ECallError as error:
            self._failure = error
        finally:
            for answer in self._answers:
                if not answer.done():
                    answer.set_exception(self._failed())
        await self._inbox.put(None)

    async def _take(self, message: FromRelay) -> None:
        match message:
            case MediaAnswer():
                self._answered(message)
            case Refused() if message.reason.ends:
                raise RelayRefused(message)
            case Refused() if message.reason.concerns_offer:
                self._answered(message)
            case Welcome():
                raise _broken("the relay sent a second welcome")
            case _:
                await self._inbox.put(message)  # a full inbox stops the reading, and so the relay

    def _answered(self, message: MediaAnswer | Refused) -> None:
        if not self._answers:
            raise _broken("the relay answered an offer that was never made", "relay.3-2")
        answer = self._answers.popleft()
        if answer.done():
            return
        if isinstance(message, Refused):
            answer.set_exception(RelayRefused(message))
        else:
            answer.set_result(message.sdp)

    def _failed(self) -> E2ECallError:
        return self._failure or TransportFailed("the connection to the relay was closed here")


@contextlib.asynccontextmanager
async def connect(url: str, room: str, *, timeout: float = 10.0) -> AsyncIterator[RelayClient]:  # noqa: ASYNC109 - as above
    """relay.6-1: take a seat in `room` (32 hexadecimal digits) at the relay `url` (ws, wss, http or https).

    `timeout` bounds, in seconds, every single wait for the relay except that for the next event. Raises
    TransportFailed: not reachable, not a relay, room full.
    """
    address, loopback = _address(url, room)
    try:
        opening = websockets.asyncio.client.connect(
            address,
            compression=None,
            max_size=MESSAGE_LIMIT + _HEADER,
            max_queue=16,
            open_timeout=timeout,
            close_timeout=2,
            proxy=None if loopback else True,
            logger=_LOG,
        )
        socket = await opening
    except InvalidStatus as error:
        status = error.response.status_code
        raise TransportFailed(f"{url} is no relay: HTTP status {status}", hint="check the relay's address") from None
    except InvalidURI:
        raise _no_address(url) from None
    except OSError as error:
        code = error.errno or 0
        why = os.strerror(code) if code > 0 else error.strerror or str(error)
        raise TransportFailed(f"the relay at {url} cannot be reached: {why}", hint="is the relay running?") from None
    except (WebSocketException, ValueError, ImportError) as error:  # a SOCKS proxy needs one more library
        raise TransportFailed(
            f"the relay at {url} cannot be reached: {error}", hint="check the address and the proxy"
        ) from None
    try:
        client = RelayClient(socket, await _welcome(socket, timeout), timeout)
        try:
            yield client
        finally:
            await client.close()
    finally:
        await socket.close()


async def _welcome(socket: websockets.asyncio.client.ClientConnection, seconds: float) -> Welcome:
    try:
        async with asyncio.timeout(seconds):
            message = _decoded(await socket.recv())
    except TimeoutError:
        raise TransportFailed("the relay does not answer", hint="check the relay's address") from None
    except ConnectionClosed as error:
        raise _lost(error) from None
    if isinstance(message, Refused):
        raise RelayRefused(message)
    if not isinstance(message, Welcome):
        raise _broken("the relay did not begin with a welcome")
    return message


def _encoded(message: FromMember) -> bytes:
    data = encode(message)
    if len(data) > MESSAGE_LIMIT:
        raise ApiMisuse(f"{len(data)} bytes are more than a relay takes in one message ({MESSAGE_LIMIT})")
    return data


def _decoded(data: str | bytes) -> FromRelay:
    if isinstance(data, str):
        raise MalformedMessage("the relay sent text", offset=0, who="relay", clause="relay.2-2")
    return decode_from_relay(data)


def _address(url: str, room: str) -> tuple[str, bool]:
    """The WebSocket address of the room, and whether it is on this machine."""
    if not ROOM_NAME.fullmatch(room):
        raise ApiMisuse("a room is named by 32 lower-case hexadecimal digits")
    try:
        parts = urlsplit(url)
        scheme, host, _ = _SCHEMES[parts.scheme], parts.hostname or "", parts.port  # `port` raises ValueError
    except (KeyError, ValueError):
        raise _no_address(url) from None
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/v1/rooms/{room}", _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_address(url: str) -> TransportFailed:
    return TransportFailed(f"{url} is not the address of a relay", hint="write ws://host:port")


def _broken(what: str, clause: str = "relay.1-1") -> PeerMisbehaved:
    return PeerMisbehaved(what, who="relay", clause=clause)


def _lost(error: ConnectionClosed) -> TransportFailed:
    """relay.6-2: what a lost connection is called, with the WebSocket code if one came."""
    said = f" (code {error.rcvd.code})" if error.rcvd is not None else ""
    return TransportFailed(f"the connection to the relay was lost{said}", hint="is the relay still running?")
