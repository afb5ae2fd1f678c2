"""Someone who has the right keys, or the wire, and means harm: what is held is bounded, what is dropped is counted."""

import gc
import random
from functools import partial

import pytest

from e2ecall.call.events import CallEnded, EpochChanged, MessageRefused, PeerSent
from e2ecall.call.messages import Heartbeat, Rk1, Rk2, Streams, StreamState
from e2ecall.call.records import Body, EpochRecords
from e2ecall.call.rekey import Position
from e2ecall.call.signed import signed_fields
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerIncompatible, PeerMisbehaved
from e2ecall.handshake import Suite
from e2ecall.handshake.rekey import start_rekey
from e2ecall.wire.control import ControlType
from e2ecall.wire.tlv import encode_tlv
from sim import Person
from support.attempts import forged
from support.calls import VP8, agree_on, call, rekey
from support.parties import SeededRng, signer


def record(sender, kind, fields=b"", message_id=0):
    """A record of this sender's with anything in it."""
    encoded = fields if isinstance(fields, bytes) else encode_tlv(fields, "control")
    return b"\2" + sender.session._control._sending.seal(Body(kind, message_id, encoded))


def taken(person, data):
    """What this person is told of one message."""
    before = len(person.events)
    person.take(data)
    return person.events[before:]


def refusals(events):
    return [type(event.error) for event in events if isinstance(event, MessageRefused)]


# -------------------------------------------------------------------------------------------------------- announcements


@pytest.mark.clause("frame.7-3")
def test_a_bad_announcement_that_came_before_the_keys_does_not_cost_the_keys():
    alice, bob, sim = call()
    good, bad = Streams(2, "video", "vp8"), Streams(2, "audio", "opus")
    outside = Streams(0, "video", "vp8")
    for each in (good, bad, outside):
        assert refusals(taken(bob, record(alice, ControlType.STREAMS, each.fields()))) == []
    keys = bob.session.frame_keys("alice")
    ours = alice.session.frame_keys("bob")
    ours.open_stream(*VP8)
    assert keys.receiver.unprotect(ours.open_stream(*VP8).protect(b"x"))[0] == b"x"
    before = bob.call.refused
    sim.run(sim.now + 0.1)
    bob.now += 1
    bob.tick()
    assert refusals(bob.events) == [PeerMisbehaved, PeerMisbehaved]  # told with the next that happens
    assert bob.call.refused == before + 2


@pytest.mark.clause("frame.7-3")
@pytest.mark.parametrize("early", [True, False], ids=["before the keys", "after"])
def test_an_announced_codec_that_cannot_be_opened_is_refused_at_once_and_not_repeated_at_length(early):
    alice, bob, _ = call()
    if not early:
        bob.session.frame_keys("alice")
    fields = Streams(2, "video", "vp8").fields()
    for codec in (b"\x1b[2k", b"v" * 60_000):
        events = taken(bob, record(alice, ControlType.STREAMS, fields | {3: codec}))
        assert refusals(events) == [PeerIncompatible]
        assert len(str(events[0].error)) < 200
        assert "\x1b" not in str(events[0].error)
    assert bob.session._unannounced == {}


@pytest.mark.clause("frame.7-4")
def test_announcements_that_wait_for_the_keys_are_bounded():
    alice, bob, _ = call()
    for _ in range(2):
        for number in range(1024):
            for state in StreamState:
                each = Streams(number, "video", "vp8", state=state)
                assert refusals(taken(bob, record(alice, ControlType.STREAMS, each.fields()))) == []
    assert len(bob.session._unannounced) == 2048
    one_more = Streams(1024, "video", "vp8")
    assert refusals(taken(bob, record(alice, ControlType.STREAMS, one_more.fields()))) == [PeerMisbehaved]
    keys = bob.session.frame_keys("alice")
    assert len(keys.receiver.key_ids()) == 0  # each was opened and ended, as it said
    assert len(refusals(bob.session.handle_timer(bob.now))) == 2  # those of contexts 0 and 1


@pytest.mark.clause("frame.7-3", "frame.7-4", "frame.7-9")
def test_all_streams_of_a_call_announced_ended_and_announced_again():
    alice, bob, _ = call()
    keys = bob.session.frame_keys("alice")
    for number in range(2, 1024):
        taken(bob, record(alice, ControlType.STREAMS, Streams(number, "video", "vp8").fields()))
    assert len(keys.receiver.key_ids()) == 1024
    rekey_of(alice, bob)
    assert len(keys.receiver.key_ids()) == 2048
    for number in range(2, 1024):
        ended = Streams(number, "video", "vp8", state=StreamState.ENDED)
        taken(bob, record(alice, ControlType.STREAMS, ended.fields()))
        again = taken(bob, record(alice, ControlType.STREAMS, Streams(number, "video", "vp8").fields()))
        assert refusals(again) == [PeerMisbehaved]
    assert len(keys.receiver.key_ids()) == 4


def rekey_of(starter, other):
    starter.call.rekey(starter.now)
    for _ in range(3):
        for sender, receiver in ((starter, other), (other, starter)):
            for data in sender.send():
                receiver.take(data)
    assert starter.session.epoch == other.session.epoch == 1


# --------------------------------------------------------------------------------------------------------------- floods


def held(person):
    """How much a session holds for the other side, in things."""
    session = person.session
    control = session._control
    counted = (
        control._acks, control._taken, control._outstanding, control._waiting, control._once, control._sealed,
        control._epochs, session._untold, session._unannounced, session._forget_at, session._th2,
        session._rekey.outgoing, session._rekey.installed, session._base_keys,
    )  # fmt: skip
    return sum(map(len, counted))


FLOODS = {
    "acks of nothing": lambda alice, n: record(alice, ControlType.ACK, {1: n.to_bytes(4)}),
    "acks of 0": lambda alice, n: record(alice, ControlType.ACK, {1: bytes(4)}),
    "empty acks": lambda alice, n: record(alice, ControlType.ACK, {1: b""}),
    "a message taken before": lambda alice, n: record(alice, ControlType.CHAT, {1: b"x"}, message_id=1),
    "ids far ahead": lambda alice, n: record(alice, ControlType.CHAT, {1: b"x"}, message_id=1000 + n),
    "ids with a gap": lambda alice, n: record(alice, ControlType.CHAT, {1: b"x"}, message_id=2 + n % 63),
    "mute of everything": lambda alice, n: record(alice, ControlType.MUTE, {1: n.to_bytes(2), 2: b"\1"}),
    "rk1 of nothing": lambda alice, n: record(alice, ControlType.RK1, {1: b"x" * 40, 0x7FFF: bytes(64)}),
    "rk2 of nothing": lambda alice, n: record(alice, ControlType.RK2, {1: b"x" * 40, 0x7FFF: bytes(64)}),
    "unknown types": lambda alice, n: record(alice, 13 + n % 200, {n: b"x"}),
    "no body": lambda alice, n: b"\2" + alice.session._control._sending.seal(Body(9, 0, b"\0")),
    "heartbeats of nobody": lambda alice, n: record(
        alice,
        ControlType.HEARTBEAT,
        Heartbeat(0, alice.session.th2, n, ((65_535, 2**64 - 1),)).fields() | {0x7FFF: bytes(64)},
    ),
}


@pytest.mark.clause("control.2-8", "control.3-2", "epoch.1-6")
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_authentic_records_makes_nothing_grow(flood):
    alice, bob, sim = call()
    sim.run(sim.now + 1)
    sizes = []
    for number in range(1, 1500):
        for event in taken(bob, flood(alice, number)):
            assert not isinstance(event, CallEnded | EpochChanged)
            assert not isinstance(event, MessageRefused) or not isinstance(event.error, ApiMisuse)
        bob.send()
        if number in (100, 1499):
            sizes.append(held(bob))
    assert sizes[1] <= sizes[0]
    bob.now += 0.2
    alice.call.rekey(alice.now)
    for data in alice.send():
        bob.take(data)
    assert bob.session._rekey.position is Position.ANSWERED  # and it goes on working


@pytest.mark.clause("epoch.1-5", "epoch.3-2")
def test_a_flood_of_fresh_rk1_leaves_one_pending_epoch():
    alice, bob, sim = call()
    keys = bob.session.frame_keys("alice")
    pending = []
    for attempt in range(1, 120):
        started = start_rekey(signer("alice"), SeededRng(str(attempt)), alice.session._rekey._context(), attempt)
        assert taken(bob, record(alice, ControlType.RK1, Rk1(started.rk1).fields())) == []
        pending.append(bob.session._rekey._answered[1].rekeyed.keys)
        assert len(bob.send()) >= 1
    assert sorted(bob.session._control._epochs) == [0, 1]
    assert sorted(keys._base_keys) == [0, 1]
    assert [each.chain.wiped for each in pending] == [True] * 118 + [False]
    assert held(bob) < 20
    ignored = bob.call.ignored
    for data in (record(alice, ControlType.RK1, Rk1(started.rk1).fields()), *map(partial(old, alice), (118, 5))):
        assert taken(bob, data) == []
    assert bob.call.ignored == ignored + 2  # the same again is answered, the older two are not
    sim.now = 0.0


def old(alice, attempt):
    started = start_rekey(signer("alice"), SeededRng("other"), alice.session._rekey._context(), attempt)
    return record(alice, ControlType.RK1, Rk1(started.rk1).fields())


@pytest.mark.clause("epoch.1-4", "epoch.1-6", "epoch.2-3", "control.3-4", "control.2-7", "control.2-11")
def test_whatever_is_ignored_is_counted():
    alice, bob, sim = call()
    rekey(sim, alice)
    agree_on(sim, 1)
    sim.run(sim.now + 3)

    def ignored(person, data):
        before = person.call.ignored
        assert taken(person, data) == []
        return person.call.ignored - before

    fields = session_heartbeat(alice, number=50)
    taken(bob, record(alice, ControlType.HEARTBEAT, fields))
    assert ignored(bob, record(alice, ControlType.HEARTBEAT, fields)) == 1
    assert ignored(bob, record(alice, ControlType.HEARTBEAT, session_heartbeat(alice, number=0))) == 1
    past = start_rekey(signer("alice"), SeededRng("past"), alice.session._rekey._context(), 9).rk1
    at_zero = type(past)(bytes(4) + past.data[4:], past.signature)
    assert ignored(bob, record(alice, ControlType.RK1, Rk1(at_zero).fields())) == 1
    assert ignored(bob, record(alice, ControlType.RK2, Rk2(past).fields())) == 1
    taken(bob, record(alice, ControlType.CHAT, {1: b"x"}, message_id=1))
    assert ignored(bob, record(alice, ControlType.CHAT, {1: b"x"}, message_id=1)) == 1
    rekey(sim, alice)  # of two at once the callee's is ignored
    later = start_rekey(signer("bob"), SeededRng("late"), bob.session._rekey._context(), 1).rk1
    assert ignored(alice, record(bob, ControlType.RK1, Rk1(later).fields())) == 1
    assert alice.session._rekey.position is Position.STARTED


def session_heartbeat(person, number):
    """The fields of a good heartbeat."""
    session = person.session
    return signed_fields(Heartbeat(session.epoch, session.th2, number), session._identity, session.role)


@pytest.mark.clause("control.3-4")
def test_counts_that_nobody_can_have_sealed_are_told_and_break_nothing():
    """They are the other side's claim; here nothing is computed from them."""
    alice, bob, _ = call()
    impossible = ((0, 2**64 - 1), (0, 0), (65_535, 1))
    session = alice.session
    fields = signed_fields(Heartbeat(0, session.th2, 2**32 - 1, impossible), session._identity, session.role)
    told = [event for event in taken(bob, record(alice, ControlType.HEARTBEAT, fields)) if isinstance(event, PeerSent)]
    assert [event.sent for event in told] == [impossible]
    bob.now += 1
    bob.tick()
    assert not bob.ended
    (cut,) = taken(bob, record(alice, ControlType.HEARTBEAT, fields | {4: bytes(11)}))
    assert isinstance(cut.error, MalformedMessage)


@pytest.mark.clause("control.3-2", "control.2-2", "control.2-3")
@pytest.mark.parametrize("seed", range(6))
def test_anything_under_good_keys_is_an_event_and_never_an_exception(seed):
    chance = random.Random(seed)
    for _ in range(12):
        alice, bob, _ = call(seed=seed)
        keys = bob.session.frame_keys("alice") if chance.random() < 0.5 else None
        for _ in range(60):
            alice.now = bob.now = bob.now + chance.random() / 2
            numbers = chance.sample(range(1, 8), chance.randrange(7)) + [0x7FFF] * (chance.random() < 0.4)
            fields = {each: chance.randbytes(chance.choice((0, 1, 2, 4, 8, 32, 64, 70))) for each in numbers}
            if chance.random() < 0.3:
                (alice if chance.random() < 0.5 else bob).call.rekey(bob.now)
            messages = [record(alice, chance.randrange(15), fields, chance.choice((0, 0, 1, 2, 65, 2**32 - 1)))]
            messages += alice.send()
            chance.shuffle(messages)
            for data in messages * 2:
                cut = data[: chance.randrange(len(data))] if chance.random() < 0.1 else data
                for event in taken(bob, forged(data) if chance.random() < 0.1 else cut):
                    assert not isinstance(event, MessageRefused) or not isinstance(event.error, ApiMisuse), event
            bob.tick()
            for data in bob.send():
                alice.take(data)
            if bob.ended:
                break
        if keys is None and not bob.ended:
            assert bob.session.frame_keys("alice").epoch == bob.session.epoch


# ------------------------------------------------------------------------------------------- what errors keep alive


@pytest.mark.clause("epoch.3-2")
def test_a_refusal_that_somebody_keeps_keeps_no_key():
    """An error's traceback holds the frames that it passed, and they hold AEAD objects with the keys of their epoch."""
    alice, bob, sim = call()
    keys = bob.session.frame_keys("alice")
    for data in (forged(record(alice, ControlType.CHAT, {1: b"x"})), record(alice, ControlType.CHAT), b"\2\7x", b"\3x"):
        (event,) = taken(bob, data)
        error = event.error
        assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)
    taken(bob, record(alice, ControlType.STREAMS, Streams(0, "video", "vp8").fields()))
    rekey(sim, alice)
    agree_on(sim, 1)
    sim.run(sim.now + 3)
    assert len(bob.refusals) == 5
    assert keys.epoch == 1
    gc.collect()
    assert [each.epoch for each in gc.get_objects() if isinstance(each, EpochRecords)] == [1, 1]


@pytest.mark.clause("epoch.3-2", "kex.6-1")
def test_a_refusal_of_the_exchange_keeps_no_state():
    alice, bob = Person("alice", suites=[Suite.X25519]), Person("bob", suites=[Suite.X25519])
    alice.dial()
    bob.take(alice.send()[0])
    alice.take(bob.send()[0])
    bob.take(forged(alice.send()[0]))
    (error,) = bob.refusals
    assert error.message == "the caller's proof does not authenticate"
    assert (error.__traceback__, error.__context__) == (None, None)
