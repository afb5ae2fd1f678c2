"""relay.3 to relay.6: the real server and real clients on the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import socket

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed

from e2ecall.errors import ApiMisuse, MalformedMessage, MediaUnavailable, PeerMisbehaved, TransportFailed
from e2ecall.relay.client import RelayRefused, connect
from e2ecall.relay.mailbox import Delivery, Limits, Mailbox
from e2ecall.relay.messages import (
    MESSAGE_LIMIT,
    Delivered,
    Joined,
    Left,
    MediaAnswer,
    Post,
    Refused,
    RefusedReason,
    Welcome,
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


@pytest.mark.clause("relay.1-1", "relay.1-3", "relay.1-4", "relay.1-5")
def test_two_meet_in_a_room():
    async def scenario(server):
        async with connect(server.url, ROOM) as first:
            assert (first.seat, first.waits) == (0, True)
            await first.post(b"early")
            async with connect(server.url.replace("ws:", "http:") + "/", ROOM) as second:
                assert (second.seat, second.waits) == (1, False)
                assert await second.receive(10) == Delivered(0, b"early")
                assert await first.receive(10) == Joined(1)
                for number in range(30):
                    await second.post(bytes([number]))
                    await first.post(bytes([100 + number]))
                assert [await first.receive(10) for _ in range(30)] == [Delivered(1, bytes([n])) for n in range(30)]
                assert [await second.receive(10) for _ in range(30)] == [
                    Delivered(0, bytes([100 + n])) for n in range(30)
                ]
            async for event in first.events():
                assert event == Left(1)
                break

    live(scenario)


@pytest.mark.clause("relay.1-2", "relay.3-1")
def test_a_third_is_refused_and_the_two_go_on():
    async def scenario(server):
        async with connect(server.url, ROOM) as first, connect(server.url, ROOM) as second:
            with pytest.raises(RelayRefused) as caught:
                async with connect(server.url, ROOM):
                    pass
            assert caught.value.reason is RefusedReason.ROOM_FULL
            assert caught.value.hint
            async with raw(server) as third:
                assert await last_words(third) == (
                    [Refused(RefusedReason.ROOM_FULL, "two are in this room already")],
                    4065,
                )
            await first.post(b"still here")
            assert await second.receive(10) == Delivered(0, b"still here")

    live(scenario)


@pytest.mark.clause("relay.1-2", "relay.3-1", "relay.4-5")
def test_rooms_that_are_not_to_be_had():
    async def scenario(server):
        async with raw(server, "NOROOM") as connection:
            heard, code = await last_words(connection)
            assert ([message.reason for message in heard], code) == ([RefusedReason.BAD_ROOM], 4064)
        async with connect(server.url, ROOM):
            with pytest.raises(RelayRefused) as caught:
                async with connect(server.url, OTHER_ROOM):
                    pass
            assert caught.value.reason is RefusedReason.RELAY_FULL

    live(scenario, limits=Limits(rooms=1))


@pytest.mark.clause("relay.4-2", "relay.3-1")
def test_a_little_too_large_is_refused_and_much_too_large_is_cut_off():
    async def scenario(server):
        async with raw(server) as connection, connect(server.url, ROOM) as other:
            assert [await hear(connection), await hear(connection)] == [Welcome(0, 1), Joined(1)]
            await connection.send(encode(Post(bytes(1000))))
            assert (await hear(connection)).reason is RefusedReason.TOO_LARGE
            await connection.send(encode(Post(bytes(999))))
            assert await other.receive(10) == Delivered(0, bytes(999))
            await connection.send(bytes(1_000_000))
            heard, code = await last_words(connection)
            assert (heard, code) == ([], 1009)
            assert await other.receive(10) == Left(0)

    live(scenario, limits=Limits(message_bytes=1000))


@pytest.mark.clause("relay.4-2")
def test_the_client_does_not_even_try():
    async def scenario(server):
        async with connect(server.url, ROOM) as first, connect(server.url, ROOM) as second:
            with pytest.raises(ApiMisuse):
                await first.post(bytes(MESSAGE_LIMIT))
            await first.post(bytes(MESSAGE_LIMIT - 1))
            assert await second.receive(10) == Delivered(0, bytes(MESSAGE_LIMIT - 1))

    live(scenario)


@pytest.mark.clause("relay.2-2", "relay.3-1", "relay.5-1")
@pytest.mark.parametrize("bad", ["text", b"", b"\x03", b"\x10\x00\x01", b"\x02\xff"])
def test_malformed_ends_that_connection_only(bad):
    async def scenario(server):
        async with connect(server.url, ROOM) as other, raw(server) as connection:
            assert await hear(connection) == Welcome(1, 2)
            await connection.send(bad)
            heard, code = await last_words(connection)
            assert ([message.reason for message in heard], code) == ([RefusedReason.MALFORMED], 4067)
            assert [await other.receive(10), await other.receive(10)] == [Joined(1), Left(1)]

    live(scenario)


@pytest.mark.clause("relay.4-1", "relay.5-1")
def test_a_flood_is_dropped_then_ended_and_others_do_not_notice():
    async def scenario(server):
        async with connect(server.url, ROOM) as victim, raw(server, max_queue=None) as flooder:
            async with connect(server.url, OTHER_ROOM) as third, connect(server.url, OTHER_ROOM) as fourth:
                await flood(flooder)
                await third.post(b"hello")
                assert await fourth.receive(10) == Delivered(0, b"hello")
            heard, code = await last_words(flooder)
            assert (heard[0], heard[-1].reason, code) == (Welcome(1, 2), RefusedReason.FLOODING, 4068)
            assert {message.reason for message in heard[1:-1]} == {RefusedReason.TOO_FAST}
            assert await victim.receive(10) == Joined(1)
            taken = 0
            while (event := await victim.receive(10)) != Left(1):
                assert event == Delivered(1, b"flood")
                taken += 1
            assert 10 <= taken < 40

    live(scenario, limits=Limits(rate=1.0, burst=10, debt=20))


@pytest.mark.clause("relay.4-3", "relay.1-3")
def test_a_burst_in_one_piece_is_not_held_against_who_reads():
    async def scenario(server):
        async with raw(server) as sender, connect(server.url, ROOM) as reader:
            sender.transport.write(b"".join(b"\x82\x82" + bytes(4) + b"\x01" + bytes([n]) for n in range(200)))
            assert [await reader.receive(10) for _ in range(200)] == [Delivered(0, bytes([n])) for n in range(200)]

    live(scenario, limits=Limits(burst=200, held_messages=1, outbox_messages=5))


@pytest.mark.clause("relay.4-3", "relay.5-1")
def test_who_does_not_read_is_sent_away():
    async def scenario(server):
        with socket.create_connection(("127.0.0.1", server.port)) as sleeper:
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sleeper.sendall(HANDSHAKE)
            await until(lambda: open_connections(server) == 1)
            async with connect(server.url, ROOM) as sender:
                assert not sender.waits
                sent, gone = 0, asyncio.create_task(sender.receive(30))
                while not gone.done():
                    await sender.post(bytes(60_000))
                    sent += 1
                assert await gone == Left(0)
                assert sent < 1000
            await until(lambda: open_connections(server) == 0)

    live(scenario, limits=Limits(rate=1e6, burst=10_000))


@pytest.mark.clause("relay.4-3", "relay.3-1")
def test_who_reads_too_late_hears_why():
    async def scenario(server):
        async with raw(server, max_queue=1) as late, connect(server.url, ROOM) as sender:
            gone = asyncio.create_task(sender.receive(30))
            while not gone.done():
                await sender.post(bytes(60_000))
            heard, code = await last_words(late)
            assert (heard[0], heard[-1].reason, code) == (Welcome(0, 1), RefusedReason.TOO_SLOW, 4069)
            assert {type(message) for message in heard[2:-1]} == {Delivered}

    live(scenario, limits=Limits(rate=1e6, burst=10_000))


@pytest.mark.clause("relay.4-4", "relay.3-1", "relay.5-3")
def test_an_idle_room_is_ended():
    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            await member.media("offer")
            with pytest.raises(RelayRefused) as caught:
                await member.receive(10)
            assert caught.value.reason is RefusedReason.IDLE
            with pytest.raises(RelayRefused, match="nothing happened"):
                await member.post(b"too late")
        assert [hop.closed for hop in Forwarder.made] == [1]

    Forwarder.made = []
    live(scenario, limits=Limits(alone_seconds=0.1), hop_factory=Forwarder)


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


@pytest.mark.clause("relay.5-3", "relay.3-2")
def test_one_forwarder_a_room_from_the_first_offer_to_the_last_member():
    async def scenario(server):
        async with connect(server.url, ROOM) as first:
            assert Forwarder.made == []
            async with connect(server.url, ROOM) as second:
                answers = await asyncio.gather(first.media("a"), second.media("b"))
                assert answers == ["answer to 0: a", "answer to 1: b"]
                assert [hop.room for hop in Forwarder.made] == [ROOM]
            assert await first.receive(10) == Joined(1)
            assert await first.receive(10) == Left(1)
            assert Forwarder.made[0].closed == 0
        await until(lambda: Forwarder.made[0].closed == 1)
        async with connect(server.url, OTHER_ROOM) as other:
            await other.media("c")
        async with connect(server.url, ROOM) as first:
            assert await first.media("again") == "answer to 0: again"
        await until(lambda: [hop.closed for hop in Forwarder.made] == [1, 1, 1])

    Forwarder.made = []
    live(scenario, hop_factory=Forwarder)


@pytest.mark.clause("relay.3-2", "relay.5-1")
def test_offers_that_are_refused():
    async def scenario(server):
        async with connect(server.url, ROOM) as first, connect(server.url, ROOM) as second:
            with pytest.raises(RelayRefused, match=r"no codec in  \[31mcommon") as caught:
                await first.media("bad")
            assert caught.value.reason is RefusedReason.OFFER_REFUSED
            with pytest.raises(RelayRefused, match="too large") as caught:
                await first.media("x" * 1000)
            assert caught.value.reason is RefusedReason.OFFER_REFUSED
            with pytest.raises(TransportFailed, match="lost"):
                await first.media("bug")
            assert await second.media("fine") == "answer to 1: fine"

    Forwarder.made = []
    live(scenario, hop_factory=Forwarder, limits=Limits(message_bytes=1000))


@pytest.mark.clause("relay.3-2")
def test_answers_find_their_offers():
    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            given_up = asyncio.create_task(member.media("slow"))
            await until(lambda: Forwarder.made)
            given_up.cancel()
            with pytest.raises(ApiMisuse):
                await member.media("x" * MESSAGE_LIMIT)
            outcomes = await asyncio.gather(*map(member.media, ["one", "bad", "two"]), return_exceptions=True)
            assert outcomes[::2] == ["answer to 0: one", "answer to 0: two"]
            assert isinstance(outcomes[1], RelayRefused)

    Forwarder.made = []
    live(scenario, hop_factory=Forwarder)


@pytest.mark.clause("relay.3-2")
def test_no_forwarder():
    async def scenario(server):
        async with connect(server.url, ROOM) as member:
            with pytest.raises(RelayRefused) as caught:
                await member.media("v=0")
            assert caught.value.reason is RefusedReason.NO_FORWARDER
            await member.post(b"the connection is as it was")

    live(scenario)


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
