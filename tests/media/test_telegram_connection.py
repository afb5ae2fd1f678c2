"""Two ends of a call of Telegram's profile on loopback: media both ways, certificates, and the end of a call."""

import asyncio
from dataclasses import replace

import pytest
from aiortc.mediastreams import MediaStreamError

from e2ecall.errors import MalformedMessage, PeerMisbehaved, TransportFailed, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram.signalling import Candidates, IceCandidate, InitialSetup, NegotiateChannels
from e2ecall.media import telegram_transport
from e2ecall.media.telegram_connection import State
from support.telegram_ends import PRINT, SETUP, End, Tone, close, connect, exchange, heard, live, to_the_end, until


@pytest.mark.clause("telegram.7-1", "telegram.7-6", "telegram.7-10")
@live
async def test_a_tone_each_way():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE, Tone(660))
    await connect(caller, callee)
    assert [track.kind for track in caller.tracks + callee.tracks] == ["audio", "audio"]
    (there, there_share), (back, back_share) = await asyncio.gather(heard(callee.tracks[0]), heard(caller.tracks[0]))
    assert (there, back) == (440.0, 660.0)
    assert min(there_share, back_share) > 0.95
    assert caller.states == callee.states == [State.CONNECTING, State.CONNECTED]
    await close(caller, callee)
    for end in (caller, callee):
        assert end.connection.state is State.CLOSED
        with pytest.raises(MediaStreamError):
            await to_the_end(end.tracks[0])


@pytest.mark.clause("telegram.7-6", "telegram.7-7")
@pytest.mark.parametrize("only", ["VP8", "H264"])
@live
async def test_a_picture_arrives(lab, only):
    def narrowed(signal):
        if not isinstance(signal, NegotiateChannels):
            return signal
        numbers = {one.name: str(one.id) for each in signal.contents for one in each.payload_types}
        taken = [
            replace(
                each,
                payload_types=tuple(
                    one for one in each.payload_types if one.name == only or one.parameters.get("apt") == numbers[only]
                ),
            )
            for each in signal.contents
        ]
        return replace(signal, contents=tuple(taken))

    caller, callee = End(Role.CALLER, lab.Picture(160)), End(Role.CALLEE)
    await connect(caller, callee, narrowed)
    (sent,) = caller.connection._sending.values()
    assert [each.name for each in sent.payload_types] == [only, "rtx"]
    frame = await callee.tracks[0].recv()
    assert abs(frame.to_ndarray()[: frame.height].mean() - 169.5) < 1  # 0 to 19 brighter than 160


@pytest.mark.clause("telegram.7-2")
@pytest.mark.parametrize("deceived", Role)
@live
async def test_another_certificate_is_refused_and_nothing_of_it_is_played(deceived):
    ends = {Role.CALLER: End(Role.CALLER, Tone(440)), Role.CALLEE: End(Role.CALLEE, Tone(660))}

    def exchanged(signal):
        """What the one who is deceived gets: the fingerprint of a certificate that nobody will show."""
        role = Role.CALLEE if isinstance(signal, InitialSetup) and signal.fingerprints[0].setup == "actpass" else None
        role = Role.CALLER if role is None and isinstance(signal, InitialSetup) else role
        if role is not deceived:
            return signal
        return replace(signal, fingerprints=(replace(signal.fingerprints[0], fingerprint=PRINT.fingerprint),))

    await ends[Role.CALLEE].begin()
    await exchange(ends[Role.CALLER], ends[Role.CALLEE], await ends[Role.CALLER].begin(), exchanged)
    end = ends[deceived]
    with pytest.raises(VerificationFailed) as refused:
        await end.connection.connected()
    assert refused.value.clause == "telegram.7-2"
    assert end.connection.failure is refused.value
    assert end.states[-1] is State.FAILED
    await asyncio.sleep(0.3)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(end.tracks[0].recv(), 0.1)
    assert await end.take(SETUP, replace(SETUP, ufrag="wxyz")) == []


@pytest.mark.clause("telegram.7-3")
@pytest.mark.parametrize(
    ("role", "said", "server"),
    [
        (Role.CALLEE, "actpass", True),
        (Role.CALLEE, "active", True),
        (Role.CALLEE, "passive", False),
        (Role.CALLER, "actpass", False),
        (Role.CALLER, "active", True),
        (Role.CALLER, "passive", False),
    ],
)
@live
async def test_who_begins_the_dtls_handshake(role, said, server):
    transport = telegram_transport.TelegramTransport(role, addresses=["127.0.0.1"], ice_servers=[], timeout=0.1)
    remote = replace(SETUP, fingerprints=(replace(PRINT, setup=said),))
    assert transport.setup(None).fingerprints[0].setup == "actpass"
    assert transport.setup(remote).fingerprints[0].setup == ("passive" if server else "active")
    assert transport._connection.ice_controlling is (role is Role.CALLER)
    await transport.close()


@pytest.mark.clause("telegram.7-3")
@live
async def test_a_caller_that_says_passive_is_the_server():
    def turned(signal):
        if isinstance(signal, InitialSetup) and signal.fingerprints[0].setup == "actpass":
            return replace(signal, fingerprints=(replace(signal.fingerprints[0], setup="passive"),))
        return signal

    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await connect(caller, callee, turned)
    assert (caller.connection._transport.dtls._role, callee.connection._transport.dtls._role) == ("server", "client")
    assert (await heard(callee.tracks[0]))[0] == 440.0


@pytest.mark.clause("telegram.7-4")
@live
async def test_the_same_setup_again_is_passed_over_and_another_is_refused():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    said = []
    await connect(caller, callee, lambda signal: said.append(signal) or signal)
    first = said[0]
    assert isinstance(first, InitialSetup)
    assert await callee.take(first) == []
    other = replace(first, fingerprints=(replace(first.fingerprints[0], fingerprint=PRINT.fingerprint),))
    for changed in (other, replace(first, ufrag="wxyz"), replace(first, pwd="b" * 22)):
        with pytest.raises(PeerMisbehaved) as refused:
            await callee.take(changed)
        assert refused.value.clause == "telegram.7-4"
    assert callee.connection.state is State.CONNECTED
    assert (await heard(callee.tracks[0]))[0] == 440.0


@pytest.mark.clause("telegram.7-2", "telegram.7-4")
@live
async def test_a_refused_setup_leaves_the_place_free_for_a_good_one():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await callee.begin()
    with pytest.raises(MalformedMessage):
        await callee.take(replace(SETUP, pwd="short"))
    await exchange(caller, callee, await caller.begin())
    await callee.connection.connected()


@pytest.mark.clause("telegram.7-9")
@live
async def test_a_source_that_was_not_negotiated_is_not_heard():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE)
    await connect(caller, callee)
    assert (await heard(callee.tracks[0]))[0] == 440.0
    (sender,) = caller.connection._senders.values()
    sender._ssrc ^= 1  # the same codec number, over the same connection
    await asyncio.sleep(0.1)
    ((_, receiver),) = callee.connection._receivers.values()
    before = receiver.getSynchronizationSources()
    await asyncio.sleep(0.3)
    assert {each.source for each in receiver.getSynchronizationSources()} == {sender._ssrc ^ 1}
    assert receiver.getSynchronizationSources() == before


@pytest.mark.clause("telegram.7-10")
@live
async def test_the_other_side_hangs_up():
    caller, callee = End(Role.CALLER, Tone(440)), End(Role.CALLEE, Tone(660))
    await connect(caller, callee)
    await close(caller)
    await until(lambda: callee.connection.state is State.FAILED)
    with pytest.raises(TransportFailed, match="ended"):
        await callee.connection.connected()


@pytest.mark.clause("telegram.7-10")
@pytest.mark.parametrize("moment", ["made", "started", "connecting"])
@live
async def test_closing_early_and_twice(moment):
    caller = End(Role.CALLER, Tone(440))
    if moment != "made":
        await caller.begin()
    if moment == "connecting":
        await caller.take(SETUP, Candidates((IceCandidate("candidate:1 1 udp 1 127.0.0.1 9 typ host"),)))
        await caller.take(NegotiateChannels(1, ()))
        await asyncio.sleep(0.1)
    waiting = asyncio.ensure_future(caller.connection.connected())
    await asyncio.sleep(0)
    await close(caller, caller)
    with pytest.raises(TransportFailed, match="this side"):
        await waiting
    assert await caller.take(SETUP) == []
    assert caller.states[-1] is State.CLOSED
