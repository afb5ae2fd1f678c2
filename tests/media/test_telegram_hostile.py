"""A connection of Telegram's profile under what its other side, its library or its own program may do to it."""

import asyncio
from dataclasses import replace

import pytest

from e2ecall.errors import PeerMisbehaved, TransportFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import Candidates, IceCandidate, MediaState, NegotiateChannels, UnknownSignal
from e2ecall.media.telegram_connection import MAX_EXCHANGES, State
from support.telegram_ends import MICROPHONE, SETUP, End, Tone, close, connect, live, until


@pytest.mark.clause("telegram.7-10")
@pytest.mark.parametrize("after", [0, 1])
@live
async def test_what_the_library_raises_is_a_typed_failure_and_not_silence(monkeypatch, after):
    callee = End(Role.CALLEE)
    await callee.begin()
    steps = [(callee.connection._transport, "connect"), (callee.connection, "_send_agreed")]

    async def fine(_):
        pass

    async def broken(*_):
        raise ValueError("not in its documentation")

    for each, name in steps[:after]:
        monkeypatch.setattr(each, name, fine)
    monkeypatch.setattr(*steps[after], broken)
    await callee.take(SETUP)
    with pytest.raises(TransportFailed, match="should not"):
        await callee.connection.connected()
    assert callee.connection.state is State.FAILED
    await close(callee)


@pytest.mark.clause("telegram.7-7")
@live
async def test_offers_that_come_at_once_are_taken_one_after_the_other():
    callee = End(Role.CALLEE)
    await callee.begin()
    offers = [NegotiateChannels(number, (replace(MICROPHONE, ssrc=number),)) for number in range(1, 9)]
    await asyncio.gather(*(callee.connection.receive(offer) for offer in offers))
    assert [each.exchange_id for each in callee.connection.signals()] == list(range(1, 9))
    assert list(callee.connection._receivers) == [8]


@pytest.mark.clause("telegram.7-8")
@live
async def test_offers_have_an_end():
    callee = End(Role.CALLEE)
    await callee.begin()
    for number in range(1, MAX_EXCHANGES + 1):
        await callee.take(NegotiateChannels(number, ()))
    with pytest.raises(PeerMisbehaved):
        await callee.take(NegotiateChannels(MAX_EXCHANGES + 1, (MICROPHONE,)))
    assert callee.connection._receivers == {}


@pytest.mark.clause("telegram.7-5")
@live
async def test_candidates_that_nobody_should_go_to_are_passed_over():
    callee = End(Role.CALLEE, timeout=0.3)
    await callee.begin()
    for text in (
        "",
        "candidate:",
        "candidate:1 1 udp 1 host.example 9 typ host",
        "candidate:1 1 udp 1 aaaa.local 9 typ host",
        "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
        "candidate:1 1 udp 1 127.0.0.1 99999 typ host",
        "candidate:1 1 udp -1 127.0.0.1 9 typ host",
        "candidate:1 2 udp 1 127.0.0.1 9 typ host",
        "candidate:1 1 udp x 127.0.0.1 9 typ host",
        "candidate:1 1 udp 1 224.0.0.1 9 typ host",
        "a=" * 2000,
    ):
        await callee.take(Candidates((IceCandidate(text),)))
    await callee.take(SETUP)
    with pytest.raises(TransportFailed) as failed:
        await callee.connection.connected()
    assert failed.value.clause == "telegram.7-5"


@pytest.mark.clause("telegram.7-4")
@live
async def test_messages_in_any_order_before_there_is_a_connection():
    callee = End(Role.CALLEE)
    await callee.begin()
    for signal in (UnknownSignal("X"), MediaState(), NegotiateChannels(7, (MICROPHONE,)), NegotiateChannels(7, ())):
        await callee.take(signal)
    assert callee.connection.state is State.CONNECTING
    assert callee.media_states == [MediaState()]


@pytest.mark.clause("telegram.7-10")
@live
async def test_a_second_call_between_the_same_two_works():
    for _ in range(2):
        caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE, Tone(660))
        await connect(caller, callee)
        await until(lambda callee=callee: callee.tracks)
        await close(callee, caller)
