"""relay.3 to relay.5: the real server on the loopback interface."""

from __future__ import annotations

import asyncio
import socket

import pytest

from e2ecall.errors import ApiMisuse, TransportFailed
from e2ecall.relay.client import RelayRefused, connect
from e2ecall.relay.mailbox import Limits
from e2ecall.relay.messages import (
    MESSAGE_LIMIT,
    Delivered,
    Joined,
    Left,
    Post,
    Refused,
    RefusedReason,
    Welcome,
    encode,
)
from support.relays import (
    HANDSHAKE,
    OTHER_ROOM,
    ROOM,
    Forwarder,
    flood,
    hear,
    last_words,
    live,
    open_connections,
    raw,
    until,
)


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
