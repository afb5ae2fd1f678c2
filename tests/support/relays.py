"""A real relay on the loopback interface, and connections that say what a RelayClient never would."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed

from e2ecall.errors import MediaUnavailable
from e2ecall.relay.messages import (
    Post,
    decode_from_relay,
    encode,
)
from e2ecall.relay.server import create_app, serve

ROOM, OTHER_ROOM = "5e" * 16, "6f" * 16

QUIET = logging.getLogger("raw")
QUIET.setLevel(logging.WARNING)
HANDSHAKE = (
    f"GET /v1/rooms/{ROOM} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


def live(scenario, **app):
    """Run `scenario(server)` against a relay of its own."""

    async def main():
        async with await serve(create_app(**app)) as server:
            await scenario(server)

    asyncio.run(asyncio.wait_for(main(), 60))


def raw(server, room=ROOM, **options):
    """A connection that can say what a RelayClient never would."""
    return websockets.asyncio.client.connect(
        f"{server.url}/v1/rooms/{room}", proxy=None, compression=None, close_timeout=1, logger=QUIET, **options
    )


async def hear(connection):
    return decode_from_relay(await asyncio.wait_for(connection.recv(), 10))


async def last_words(connection):
    """What the relay still said, and the code it closed with."""
    heard = []
    try:
        while True:
            heard.append(await hear(connection))
    except ConnectionClosed as closed:
        return heard, closed.rcvd.code if closed.rcvd else None


async def flood(connection):
    """Post until the other end has had enough."""
    with contextlib.suppress(ConnectionClosed):
        for number in range(100_000):
            await connection.send(encode(Post(b"flood")))
            if number % 50 == 0:
                await asyncio.sleep(0)
        pytest.fail("the relay took it all")


async def post_for_ever(member):
    while True:
        await member.post(bytes(60_000))


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def health(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/health")
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def open_connections(server):
    return len(server._server.server_state.connections)


class Forwarder:
    """A hop that says what it was asked."""

    made: list[Forwarder] = []

    def __init__(self, room):
        self.room = room
        self.closed = 0
        self.made.append(self)

    async def accept(self, member, offer_sdp):
        if offer_sdp == "bad":
            raise MediaUnavailable("no codec in \x1b[31mcommon")
        if offer_sdp == "slow":
            await asyncio.sleep(0.1)
        if offer_sdp == "bug":
            raise KeyError(offer_sdp)
        return f"answer to {member}: {offer_sdp}"

    async def close(self):
        self.closed += 1
