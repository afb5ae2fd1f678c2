"""What an end of Telegram's profile takes, refuses and passes over: offers, answers, candidates, other messages."""

from dataclasses import replace

import pytest
from aiortc.mediastreams import MediaStreamError

from e2ecall.errors import AddressUnavailable, ApiMisuse, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import (
    Candidates,
    IceCandidate,
    MediaState,
    NegotiateChannels,
    UnknownSignal,
    build_signal,
)
from e2ecall.media import telegram_connection, telegram_transport
from e2ecall.media.telegram_connection import State, TelegramConnection
from support.telegram_ends import MICROPHONE, OPUS, SETUP, End, Tone, caller_waiting, close, connect, live, of, until


@pytest.mark.clause("telegram.7-6")
@live
async def test_of_two_offers_that_cross_the_callers_counts():
    caller, offer = await caller_waiting()
    assert await caller.take(NegotiateChannels(offer.exchange_id ^ 1, (MICROPHONE,))) == []
    assert caller.tracks == []
    callee = End(Role.CALLEE, Tone(660))
    await callee.begin()
    answer, first = await callee.take(offer)
    assert answer.exchange_id == offer.exchange_id
    again = NegotiateChannels(offer.exchange_id ^ 1, offer.contents)
    answer, second = await callee.take(again)
    assert answer.exchange_id == again.exchange_id
    assert second.exchange_id != first.exchange_id
    assert second.contents == first.contents
    assert await callee.take(first) == []  # the answer to an offer that was given up
    assert callee.connection._sending == {}
    assert await callee.take(second) == []
    assert [*callee.connection._sending] == [second.contents[0].ssrc]
    assert len(callee.tracks) == 1


@pytest.mark.clause("telegram.7-7")
@live
async def test_an_answer_to_something_else_is_refused_and_the_offer_stands():
    caller, offer = await caller_waiting()
    own = offer.contents[0]
    for wrong in ([replace(own, ssrc=own.ssrc ^ 1)], [own, own], [replace(own, payload_types=(OPUS,))]):
        with pytest.raises(PeerMisbehaved) as refused:
            await caller.take(replace(offer, contents=tuple(wrong)))
        assert refused.value.clause == "telegram.7-7"
    assert caller.connection._sending == {}
    assert await caller.take(offer) == []
    assert [*caller.connection._sending] == [own.ssrc]


@pytest.mark.clause("telegram.7-8")
@live
async def test_an_offer_of_this_sides_own_source_is_refused_without_effect():
    caller, offer = await caller_waiting()
    await caller.take(offer)
    wrong = NegotiateChannels(offer.exchange_id ^ 1, (MICROPHONE, replace(MICROPHONE, ssrc=offer.contents[0].ssrc)))
    with pytest.raises(PeerMisbehaved) as refused:
        await caller.take(wrong)
    assert refused.value.clause == "telegram.7-8"
    assert caller.tracks == []


@pytest.mark.clause("telegram.7-8")
@live
async def test_offers_are_counted(monkeypatch):
    monkeypatch.setattr(telegram_connection, "MAX_EXCHANGES", 3)
    callee = End(Role.CALLEE)
    await callee.begin()
    for number in range(3):
        assert len(await callee.take(NegotiateChannels(number, ()))) == 1
    with pytest.raises(PeerMisbehaved) as refused:
        await callee.take(NegotiateChannels(3, ()))
    assert refused.value.clause == "telegram.7-8"


@pytest.mark.clause("telegram.7-6", "telegram.7-7")
@live
async def test_a_later_offer_replaces_the_sources():
    callee = End(Role.CALLEE)
    await callee.begin()
    other = replace(MICROPHONE, ssrc=1235)
    (answer,) = await callee.take(NegotiateChannels(1, (MICROPHONE,)))
    assert [each.ssrc for each in answer.contents] == [1234]
    (answer,) = await callee.take(NegotiateChannels(2, (MICROPHONE, other)))
    assert [each.ssrc for each in answer.contents] == [1234, 1235]
    assert len(callee.tracks) == 2
    await callee.take(NegotiateChannels(3, (other,)))
    with pytest.raises(MediaStreamError):
        await callee.tracks[0].recv()
    (answer,) = await callee.take(NegotiateChannels(4, (replace(other, payload_types=()),)))
    assert answer.contents == ()
    with pytest.raises(MediaStreamError):
        await callee.tracks[1].recv()
    assert len(callee.tracks) == 2


@pytest.mark.clause("telegram.7-5")
@live
async def test_candidates_are_few_and_only_addresses():
    callee = End(Role.CALLEE)
    await callee.begin()
    named = IceCandidate("candidate:1 1 udp 1 printer.local 9 typ host")
    await callee.take(Candidates((named,) * (telegram_transport.MAX_CANDIDATES - 1)))
    await callee.take(Candidates((IceCandidate("candidate:1 1 udp 1 127.0.0.1 9 typ host"),)))
    assert [each.ip for each in callee.connection._transport._ice.getRemoteCandidates()] == ["127.0.0.1"]
    with pytest.raises(PeerMisbehaved) as refused:
        await callee.take(Candidates((named,)))
    assert refused.value.clause == "telegram.7-5"


@pytest.mark.clause("telegram.7-5")
@live
async def test_candidates_that_come_later_are_passed_over():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await connect(caller, callee)
    before = callee.connection._transport._ice.getRemoteCandidates()
    late = IceCandidate("candidate:1 1 udp 1 127.0.0.1 9 typ host")
    await callee.take(Candidates((late,) * (telegram_transport.MAX_CANDIDATES + 1)))
    assert callee.connection._transport._ice.getRemoteCandidates() == before
    assert callee.connection.state is State.CONNECTED


@pytest.mark.clause("telegram.7-5")
@live
async def test_only_the_addresses_that_were_named():
    caller = End(Role.CALLER, addresses=["127.0.0.1"])
    (candidate,) = of(Candidates, await caller.begin()).candidates
    assert candidate.sdp_string.split()[4:8:3] == ["127.0.0.1", "host"]
    await close(caller)
    nowhere = End(Role.CALLER, addresses=["192.0.2.250"])
    with pytest.raises(AddressUnavailable) as refused:
        await nowhere.begin()
    assert refused.value.clause == "telegram.7-5"


@pytest.mark.clause("telegram.5-4", "telegram.7-1")
@live
async def test_other_messages_are_passed_over_and_the_media_state_is_told():
    callee = End(Role.CALLEE)
    await callee.begin()
    state = MediaState(muted=True)
    assert await callee.take(UnknownSignal("Later", extra={"x": 1}), state) == []
    assert callee.media_states == [state]


@pytest.mark.clause("telegram.7-11")
@live
async def test_each_side_says_what_it_sends():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await connect(caller, callee)
    await until(lambda: caller.media_states and callee.media_states)
    assert caller.media_states == [MediaState(muted=True)]
    assert callee.media_states == [MediaState(muted=False)]
    for end in (caller, callee):
        end.connection.announce(MediaState(muted=True, low_battery=True))
    await until(lambda: len(caller.media_states) == len(callee.media_states) == 2)
    assert caller.media_states[1] == callee.media_states[1] == MediaState(muted=True, low_battery=True)


@pytest.mark.clause("telegram.7-11")
@live
async def test_nothing_else_is_taken_from_the_data_channel():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await connect(caller, callee)
    await until(lambda: caller.media_states and callee.media_states)
    channel = caller.connection._states._channel
    channel.send(build_signal(replace(SETUP, ufrag="wxyz")))
    channel.send(build_signal(NegotiateChannels(5, (MICROPHONE,))))
    channel.send(build_signal(MediaState(low_battery=True)).decode())  # as text
    await until(lambda: len(callee.media_states) == 2)
    assert callee.media_states[1] == MediaState(low_battery=True)
    assert len(callee.tracks) == 1
    assert callee.connection.signals() == []
    assert callee.connection.state is State.CONNECTED
    channel.send(b'{"@type":"MediaState","muted":7}')
    await until(lambda: callee.connection.state is State.FAILED)
    assert isinstance(callee.connection.failure, MalformedMessage)


@pytest.mark.clause("telegram.7-5")
@live
async def test_nobody_answers():
    caller = End(Role.CALLER, Tone(440), timeout=0.2)
    await caller.begin()
    await caller.take(SETUP, Candidates((IceCandidate("candidate:1 1 udp 1 127.0.0.1 9 typ host"),)))
    with pytest.raises(TransportFailed, match=r"0\.2 s"):
        await caller.connection.connected()
    assert caller.states[-1] is State.FAILED
    assert telegram_connection.CONNECT_SECONDS == 20.0


@pytest.mark.clause("telegram.7-1", "telegram.7-6")
@live
async def test_calls_in_the_wrong_order():
    with pytest.raises(ApiMisuse, match="one track of a kind"):
        TelegramConnection(Role.CALLER, [Tone(1), Tone(2)])
    caller = End(Role.CALLER)
    with pytest.raises(ApiMisuse, match="start comes before"):
        await caller.take(SETUP)
    await caller.begin()
    with pytest.raises(ApiMisuse, match="once"):
        await caller.connection.start()
