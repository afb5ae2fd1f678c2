"""relay.5: uvicorn in the current event loop, without its signal handlers, its logs and its sys.exit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from e2ecall.errors import AddressUnavailable, TransportFailed
from e2ecall.relay.mailbox import Limits

__all__ = ["RunningServer", "serve"]

_GRACE_SECONDS = 2.0
_OVERSIZE_TOLD = 4096  # so much over the limit is answered with a reason; more is cut off by the WebSocket layer


class _Protocol(WebSocketsSansIOProtocol):
    """uvicorn waits without end for a peer that stops reading; after the app is done, this one does not."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(_GRACE_SECONDS, self.transport.abort)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and its sys.exit, and with a way to know when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise TransportFailed("the relay could not start") from None
        self.up.set()


class RunningServer:
    """A relay that answers on `host`:`port` until `stop()`. Made by `serve`; also an async context manager."""

    def __init__(self, server: _Server, task: asyncio.Task[None], host: str, port: int) -> None:
        self._server = server
        self._task = task
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """What a client is given: `ws://host:port`."""
        return f"ws://[{self.host}]:{self.port}" if ":" in self.host else f"ws://{self.host}:{self.port}"

    async def stop(self) -> None:
        """Close every connection (WebSocket code 1012) and the port. A second stop is harmless."""
        self._server.should_exit = True
        await self._task

    async def __aenter__(self) -> RunningServer:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()


async def serve(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> RunningServer:
    """relay.5: run `app` in the current event loop; returns when it answers. Port 0 takes any free one.

    Raises AddressUnavailable when the address cannot be had.
    """
    limits: Limits = getattr(app.state, "limits", None) or Limits()
    listener = await _listen(host, port)
    config = uvicorn.Config(
        app,
        ws=_Protocol,
        ws_max_size=limits.message_bytes + _OVERSIZE_TOLD,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
    if not server.up.is_set():
        up.cancel()
        listener.close()
        await task
    address = listener.getsockname()
    return RunningServer(server, task, address[0], address[1])


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    hint = "take another port, or 0 for any free one; perhaps another relay runs already"
    if not 0 <= port <= 65535:
        raise AddressUnavailable(f"there is no port {port}", hint=hint)
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0])
    except (OSError, UnicodeError) as error:
        code = error.errno or 0 if isinstance(error, OSError) else 0
        why = os.strerror(code) if code > 0 else str(error)
        raise AddressUnavailable(f"the relay cannot listen on {host} port {port}: {why}", hint=hint) from None
