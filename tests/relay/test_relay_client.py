"""relay.5, relay.6: the client, against a real relay and against things that are none."""

from __future__ import annotations

import asyncio
import logging

import pytest
import websockets.asyncio.client
import websockets.asyncio.server

from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.relay.client import RelayRefused, connect
from e2ecall.relay.mailbox import Delivery, Limits, Mailbox
from e2ecall.relay.messages import (
    MESSAGE_LIMIT,
    Delivered,
    Joined,
    MediaAnswer,
    Refused,
    RefusedReason,
    Welcome,
    encode,
)
from e2ecall.relay.server import create_app, serve
from support.relays import OTHER_ROOM, ROOM, Forwarder, health, last_words, live, post_for_ever, raw, until


@pytest.mark.clause("relay.6-2")
def test_the_relay_stops():
    async def main():
        server = await serve(create_app())
        async with connect(server.url, ROOM) as first, connect(server.url, ROOM) as second:
            await second.post(b"before")
            await asyncio.sleep(0.05)
            waiting = asyncio.create_task(second.receive())
            await server.stop()
            await server.stop()
            assert [await first.receive(10), await first.receive(10)] == [Joined(1), Delivered(1, b"before")]
            with pytest.raises(TransportFailed, match="lost") as caught:
                await waiting
            assert caught.value.hint
            for member in (first, second):
                for call in (member.receive(10), member.receive(10), member.post(b"x"), member.media("x")):
                    with pytest.raises(TransportFailed, match="lost"):
                        await call
        with pytest.raises(TransportFailed, match="Connection refused"):
            async with connect(server.url, ROOM):
                pass

    asyncio.run(main())


@pytest.mark.clause("relay.6-2")
def test_a_closed_client_says_so():
    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            waiting = asyncio.create_task(member.receive())
            await asyncio.sleep(0)
            await member.close()
            await member.close()
            for call in (waiting, member.receive(10), member.receive(10), member.post(b"x"), member.media("x")):
                with pytest.raises(TransportFailed, match="closed here"):
                    await call

    live(scenario)


def test_nothing_came():
    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            with pytest.raises(TransportFailed, match=r"0\.05 s"):
                await member.receive(0.05)

    live(scenario)


def test_port_in_use_and_ports_that_are_none():
    async def scenario(server):
        for port, why in ((server.port, "Address already in use"), (65536, "no port 65536"), (-1, "no port -1")):
            with pytest.raises(TransportFailed, match=why) as caught:
                await serve(create_app(), port=port)
            assert caught.value.hint
        for host in ("no-such-host.invalid", "a..b", "192.0.2.1"):
            with pytest.raises(TransportFailed, match=host):
                await serve(create_app(), host)

    live(scenario)


@pytest.mark.clause("relay.6-1")
def test_loopback_never_goes_through_a_proxy(monkeypatch):
    asked = []

    async def proxy(reader, writer):
        asked.append(await reader.readline())
        writer.close()

    async def scenario(server):
        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listener:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
            for host in ("127.0.0.1", "localhost"):
                async with connect(f"ws://{host}:{server.port}", ROOM) as member:
                    assert member.seat == 0
            assert asked == []
            with pytest.raises(TransportFailed, match="cannot be reached"):
                async with connect("ws://relay.invalid:9", ROOM):
                    pass
            assert asked == [b"CONNECT relay.invalid:9 HTTP/1.1\r\n"]

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    live(scenario)


@pytest.mark.parametrize("url", ["", "foo", "ws://", "ftp://host", "ws://[::1", "ws://host:99999", "ws://user@host"])
def test_addresses_that_are_none(url):
    async def main():
        with pytest.raises(TransportFailed, match="not the address of a relay"):
            async with connect(url, ROOM):
                pass

    asyncio.run(main())


@pytest.mark.clause("relay.1-2")
def test_the_client_refuses_names_of_rooms_that_are_none():
    async def main():
        with pytest.raises(ApiMisuse):
            async with connect("ws://127.0.0.1:1", ROOM + "/.."):
                pass

    asyncio.run(main())


def test_not_a_relay():
    async def scenario(server):
        with pytest.raises(TransportFailed, match="no relay: HTTP status 403"):
            async with connect(server.url + "/elsewhere", ROOM):
                pass

    live(scenario)


@pytest.mark.clause("relay.1-1", "relay.2-2", "relay.6-2")
@pytest.mark.parametrize(
    ("said", "error"),
    [
        ([], TransportFailed),
        ([b"\x10\x00"], MalformedMessage),
        ([encode(Joined(0))], PeerMisbehaved),
        ([encode(Welcome(0, 1)), encode(Welcome(0, 1))], PeerMisbehaved),
        ([encode(Welcome(0, 1)), b"\xff"], MalformedMessage),
        ([encode(Welcome(0, 1)), "text"], MalformedMessage),
        ([encode(Welcome(0, 1)), encode(Refused(RefusedReason.IDLE, "x"))], RelayRefused),
        ([encode(Welcome(0, 1)), encode(Delivered(1, bytes(2 * MESSAGE_LIMIT)))], TransportFailed),
        ([encode(Welcome(0, 1)), encode(MediaAnswer("unasked"))], PeerMisbehaved),
        ([encode(Welcome(0, 1)), encode(Refused(RefusedReason.OFFER_REFUSED, "unasked"))], PeerMisbehaved),
        ([encode(Welcome(0, 1))], TransportFailed),
    ],
)
def test_a_relay_that_misbehaves(said, error):
    async def answer(connection):
        for message in said:
            await connection.send(message)
        await asyncio.sleep(0.1)

    async def main():
        async with websockets.asyncio.server.serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(error):
                async with connect(f"ws://127.0.0.1:{port}", ROOM) as member:
                    await member.receive(10)

    asyncio.run(main())


@pytest.mark.clause("relay.6-2")
def test_a_relay_that_says_nothing():
    async def silent(connection):
        await connection.wait_closed()

    async def welcoming(connection):
        await connection.send(encode(Welcome(0, 1)))
        await connection.wait_closed()

    async def main():
        async with websockets.asyncio.server.serve(silent, "127.0.0.1", 0) as server:
            with pytest.raises(TransportFailed, match="does not answer"):
                async with connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", ROOM, timeout=0.1):
                    pass
        async with websockets.asyncio.server.serve(welcoming, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with connect(url, ROOM, timeout=0.1) as member:
                with pytest.raises(TransportFailed, match="did not answer the media offer"):
                    await member.media("v=0")

    asyncio.run(main())


@pytest.mark.clause("relay.6-2")
def test_events_that_nobody_takes_stay_bounded():
    async def scenario(server):
        async with connect(server.url, ROOM) as lazy, connect(server.url, ROOM) as sender:
            for number in range(100):
                await sender.post(bytes([number]))
            await until(lambda: lazy._inbox.qsize() >= 64)
            await asyncio.sleep(0.1)
            assert lazy._inbox.qsize() == 64
            assert await lazy.receive(10) == Joined(1)
            assert [(await lazy.receive(10)).data[0] for _ in range(100)] == list(range(100))

    live(scenario)


@pytest.mark.clause("relay.6-2")
def test_posting_with_a_full_inbox_to_a_relay_that_stopped():
    async def main():
        server = await serve(create_app())
        async with connect(server.url, ROOM) as lazy, connect(server.url, ROOM) as sender:
            for _ in range(70):
                await sender.post(b"")
            await until(lambda: lazy._inbox.full())
            await server.stop()
            with pytest.raises(TransportFailed, match="lost"):
                await post_for_ever(lazy)

    asyncio.run(main())


def test_a_mailbox_of_another_kind():
    class Echo(Mailbox):
        """Hands every post back, and to the first member that ever was."""

        first = None

        def post(self, member, data, now):
            self.first = self.first or member
            return [Delivery(self.first, Delivered(1, data)), Delivery(member, Delivered(0, data))]

    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            await member.post(b"one")
            assert [await member.receive(10), await member.receive(10)] == [Delivered(1, b"one"), Delivered(0, b"one")]
        async with connect(server.url, OTHER_ROOM) as member:
            await member.post(b"two")
            assert await member.receive(10) == Delivered(0, b"two")

    live(scenario, mailbox=Echo(Limits(rooms=2)))


@pytest.mark.clause("relay.6-2")
def test_a_full_inbox_can_be_closed():
    async def scenario(server):
        async with connect(server.url, ROOM) as lazy, connect(server.url, ROOM) as sender:
            for _ in range(90):
                await sender.post(b"")
            await until(lambda: lazy._inbox.full())
            async with asyncio.timeout(1):
                await lazy.close()
            for _ in range(63):
                await lazy.receive(10)
            with pytest.raises(TransportFailed, match="closed here"):
                await lazy.receive(10)

    live(scenario)


@pytest.mark.clause("relay.6-2")
def test_a_relay_that_does_not_read():
    async def asleep(connection):
        await connection.send(encode(Welcome(0, 1)))
        await asyncio.sleep(1)

    async def main():
        async with websockets.asyncio.server.serve(asleep, "127.0.0.1", 0, max_queue=1, close_timeout=0.1) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with connect(url, ROOM, timeout=0.2) as member:
                with pytest.raises(TransportFailed, match="takes no more data"):
                    await post_for_ever(member)

    asyncio.run(main())


@pytest.mark.clause("relay.6-2")
def test_a_server_of_another_kind():
    async def answer(reader, writer):
        await reader.readline()
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    async def main():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            with pytest.raises(TransportFailed, match="cannot be reached"):
                async with connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", ROOM):
                    pass

    asyncio.run(main())


@pytest.mark.clause("relay.3-2")
def test_a_forwarder_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("e2ecall.relay.server._OFFER_SECONDS", 0.05)

    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            with pytest.raises(RelayRefused, match="it took too long"):
                await member.media("slow")

    Forwarder.made = []
    live(scenario, hop_factory=Forwarder)


@pytest.mark.clause("relay.5-3")
def test_a_stopping_relay_closes_its_forwarders():
    async def main():
        server = await serve(create_app(hop_factory=Forwarder))
        async with connect(server.url, ROOM) as member:
            await member.media("v=0")
            await server.stop()
            assert [hop.closed for hop in Forwarder.made] == [1]

    Forwarder.made = []
    asyncio.run(main())


@pytest.mark.clause("relay.5-4")
def test_health_counts_and_names_nobody():
    async def scenario(server):
        async with connect(server.url, ROOM), connect(server.url, OTHER_ROOM), connect(server.url, ROOM):
            assert await asyncio.to_thread(health, server) == (200, {"status": "ok", "rooms": 2, "members": 3})

    live(scenario)


@pytest.mark.clause("relay.5-2")
def test_logs_name_no_room_no_address_no_content(caplog, capfd):
    caplog.set_level(logging.DEBUG)

    async def scenario(server):
        async with connect(server.url, ROOM) as first, connect(server.url, ROOM) as second:
            await first.post(b"CONTENT")
            with pytest.raises(TransportFailed):
                await second.media("bug")
            with pytest.raises(TransportFailed):
                await second.media("CONTENT")
        async with raw(server, "NOROOM") as connection:
            await last_words(connection)

    Forwarder.made = []
    live(scenario, hop_factory=Forwarder)
    out, err = capfd.readouterr()
    everything = caplog.text + out + err
    assert "seat 1 taken" in everything
    assert "KeyError in accept" in everything
    for word in (ROOM, "NOROOM", "CONTENT", "127.0.0.1:", "uvicorn"):
        ours = "\n".join(line for line in everything.splitlines() if "asyncio" not in line)
        assert word not in ours


def test_a_relay_that_cannot_start():
    def broken(app):
        raise RuntimeError("no")

    async def main():
        app = create_app()
        app.router.lifespan_context = broken
        with pytest.raises(TransportFailed, match="could not start"):
            await serve(app)

    asyncio.run(main())
