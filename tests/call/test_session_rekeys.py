"""Rekeys of an established call in time: when they start, what is repeated, when sending moves, and no frame lost."""

from functools import partial

import pytest

from e2ecall.call.events import (
    EpochChanged,
    PeerSent,
    RekeyAbandoned,
    RekeyOverdue,
)
from e2ecall.call.messages import (
    Chat,
    Rk1,
    Streams,
    StreamState,
)
from e2ecall.call.policy import SessionPolicy
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Suite
from e2ecall.wire.control import ControlType
from sim import Weather, watch_nonces
from support.calls import OPUS, VP8, X25519, agree_on, call, healed, held_back, one_way, rekey

# -------------------------------------------------------------------------------------------------- rekeys, and when


@pytest.mark.clause("epoch.2-6")
@pytest.mark.parametrize(
    "bad",
    [
        {"rekey_seconds": 5.0},
        {"rekey_seconds": 0.0},
        {"rekey_frames": 0},
        {"rekey_frames": (1 << 31) + 1},
        {"silent_after": 0.0},
        {"silent_after": 61.0},
    ],
)
def test_a_policy_has_bounds(bad):
    with pytest.raises(ApiMisuse):
        SessionPolicy(**bad)
    assert SessionPolicy().rekey_seconds == 600
    assert SessionPolicy().rekey_frames == 1 << 31


@pytest.mark.clause("epoch.2-6")
def test_keys_change_after_the_interval_and_the_callee_comes_later():
    alice, bob, sim = call(policy=SessionPolicy(rekey_seconds=20))
    sim.run(101)
    assert alice.session.epoch == bob.session.epoch in (4, 5)
    assert alice.session._rekey.attempts == alice.session.epoch
    assert bob.session._rekey.attempts == 0


@pytest.mark.clause("epoch.2-6")
def test_the_callee_starts_when_the_caller_does_not():
    alice, bob, sim = call(policy=SessionPolicy(rekey_seconds=20))
    alice.session._next_start = float("inf")
    sim.run(sim.now + 27)
    assert bob.session._rekey.attempts == 1
    assert alice.session.epoch == bob.session.epoch == 1


@pytest.mark.clause("epoch.2-6")
def test_keys_change_after_so_many_frames_of_one_stream():
    alice, bob, sim = call(policy=SessionPolicy(rekey_frames=40), frames=0.05)
    sim.run(sim.now + 30)
    assert alice.session.epoch >= 4
    assert all(media.lost == [] for media in sim.media.values())
    assert all(media.opened > 900 for media in sim.media.values())
    assert max(frames for event in bob.all(PeerSent) for _, frames in event.sent) < 250


@pytest.mark.clause("epoch.2-5")
def test_rk1_is_repeated_byte_for_byte_each_second_and_given_up_after_5():
    alice, bob, sim = call()
    one_way(sim, None)
    sent, queue = [], alice.session._queue

    def noted(message, *, confirmed):
        if isinstance(message, Rk1):
            sent.append((alice.now, message.signed))
        queue(message, confirmed=confirmed)

    alice.session._queue = noted
    rekey(sim, alice)
    begin = alice.now
    rekey(sim, alice)  # harmless while one is out
    sim.run(sim.now + 9)
    assert [round(at - begin) for at, _ in sent] == [0, 1, 2, 3, 4]
    assert len({signed.data for _, signed in sent}) == 1
    assert [(event.epoch, event.attempt) for event in alice.all(RekeyAbandoned)] == [(1, 1)]
    assert alice.session.epoch == 0
    sim.run(sim.now + 2)
    assert round(sent[5][0] - begin) == 10
    assert (len({signed.data for _, signed in sent}), alice.session._rekey.attempts) == (2, 2)
    healed(sim)
    agree_on(sim, 1)
    assert bob.session.epoch == 1


@pytest.mark.clause("epoch.2-4", "epoch.2-5")
def test_the_answerer_stays_in_the_old_epoch_until_the_starter_shows_itself():
    alice, bob, sim = call(frames=0.1)
    rekey(sim, alice)
    one_way(sim, alice)  # rk2 is lost, and lost again
    sim.run(sim.now + 60)
    assert bob.session._rekey.holds_answer
    assert (alice.session.epoch, bob.session.epoch) == (0, 0)
    assert len(alice.all(RekeyAbandoned)) >= 4
    assert bob.all(EpochChanged) == []
    healed(sim)
    agree_on(sim, 1, within=12)
    assert all(media.lost == [] for media in sim.media.values())


@pytest.mark.clause("epoch.2-4")
def test_a_frame_alone_moves_the_answerer():
    """The starter's records are all lost after rk1; what it seals in the new epoch is sign enough."""
    alice, bob, sim = call(frames=0.1)
    rekey(sim, alice)
    assert sim.run(sim.now + 1, lambda: bool(bob.session._rekey.holds_answer))
    carry = type(sim)._carry
    sim._carry = lambda weather, data, receiver, take: receiver is bob or carry(sim, weather, data, receiver, take)
    assert sim.run(sim.now + 1, lambda: alice.session.epoch == 1)
    assert sim.run(sim.now + 0.6, lambda: bob.session.epoch == 1)
    assert bob.session.th2 == alice.session.th2


@pytest.mark.clause("epoch.2-2")
def test_the_starters_first_record_in_the_new_epoch_is_a_heartbeat():
    """Though an acknowledgement is due, and a message waits."""
    alice, bob, sim = call()
    rekey(sim, alice)
    kept = held_back(sim, bob)
    assert sim.run(sim.now + 1, lambda: len(kept) > 0 and bob.session._rekey.holds_answer)
    healed(sim)
    bob.call.send(Chat("to be acknowledged"))
    alice.call.send(Chat("waiting"))
    for data in (*kept, *bob.send()):
        alice.take(data)
    assert alice.session.epoch == 1
    new = [data[1:] for data in alice.send() if data[1] == 1]
    bodies = [bob.session._control._epochs[1].open(record) for record in new]
    assert [(body.type, body.message_id) for body in bodies] == [
        (ControlType.HEARTBEAT, 0),
        (ControlType.ACK, 0),
        (ControlType.CHAT, 1),
    ]


@pytest.mark.clause("epoch.2-3")
def test_both_at_once_is_one_rekey():
    alice, bob, sim = call()
    for person in (alice, bob):
        rekey(sim, person)
    agree_on(sim, 1)
    sim.run(sim.now + 20)
    assert alice.session.epoch == bob.session.epoch == 1
    assert alice.refusals == bob.refusals == []


@pytest.mark.clause("epoch.3-4")
def test_three_intervals_without_a_completed_rekey_are_an_alarm():
    """A middle that lets heartbeats pass and drops every half, which it knows by its length."""
    alice, bob, sim = call(suites=[Suite.X25519_MLKEM768], policy=SessionPolicy(rekey_seconds=30))
    carry = type(sim)._carry
    sim._carry = lambda weather, data, receiver, take: len(data) > 1000 or carry(sim, weather, data, receiver, take)
    begin = sim.now
    for person in (alice, bob):
        assert not person.all(RekeyOverdue)
    sim.run(begin + 89)
    assert alice.all(RekeyOverdue) == []
    sim.run(begin + 128)
    for person in (alice, bob):
        assert [int(event.seconds / 30) for event in person.all(RekeyOverdue)] == [3, 4]
        assert not person.ended
    healed(sim)
    agree_on(sim, 1, within=15)
    sim.run(sim.now + 40)
    assert len(alice.all(RekeyOverdue)) == 2


# -------------------------------------------------------------------------------------------------------------- frames


def test_frame_keys_are_given_out_once_and_late_ones_open_what_is_under_way():
    alice, bob, sim = call()
    keys = sim.take_keys(bob)
    stream = keys.open_stream(*OPUS)
    old = stream.protect(b"old")
    rekey(sim, alice)
    kept = held_back(sim, alice)
    sim.run(sim.now + 0.2)
    healed(sim)
    assert (alice.session.epoch, bob.session.epoch) == (1, 0)
    late = sim.take_keys(alice)  # only now; bob still sends in epoch 0
    assert late.receiver.unprotect(old)[0] == b"old"
    ours = late.open_stream(*OPUS)
    assert late.epoch == 1
    assert keys.receiver.unprotect(ours.protect(b"new"))[0] == b"new"
    for data in kept:
        sim.do(bob, partial(bob.take, data))
    agree_on(sim, 1)
    assert late.receiver.unprotect(stream.protect(b"both"))[0] == b"both"
    with pytest.raises(ApiMisuse):
        alice.session.frame_keys()
    sim.run(sim.now + 4)
    assert list(late._base_keys) == list(keys._base_keys) == [1]


def test_late_frame_keys_while_an_answer_is_pending():
    alice, bob, sim = call()
    rekey(sim, alice)
    one_way(sim, alice)
    sim.run(sim.now + 0.2)
    assert bob.session._rekey.holds_answer
    keys = sim.take_keys(bob)
    assert (keys.epoch, sorted(keys._base_keys)) == (0, [0, 1])
    healed(sim)
    agree_on(sim, 1)
    assert sim.take_keys(alice).receiver.unprotect(keys.open_stream(*OPUS).protect(b"x"))[0] == b"x"


@pytest.mark.clause("epoch.2-4", "frame.6-15")
def test_an_epoch_with_the_low_bits_of_one_that_was_heard_is_not_taken_for_heard():
    """Every stream of the other side has ended, so that no key of the new epoch is installed beside the old memory."""
    alice, bob, sim = call(frames=0.02)
    for epoch in range(1, 19):
        rekey(sim, alice)
        agree_on(sim, epoch)
        sim.run(sim.now + 0.1)
    for media in sim.media.values():
        media.streams = []
    for context, (kind, codec) in enumerate((OPUS, VP8)):
        ended = Streams(context, kind, codec, state=StreamState.ENDED)
        for person in (alice, bob):
            sim.do(person, lambda person=person, ended=ended: person.call.send(ended))
    sim.run(sim.now + 5)
    rekey(sim, alice)
    one_way(sim, alice)
    sim.run(sim.now + 2)
    assert (alice.session.epoch, bob.session.epoch) == (18, 18)


# ---------------------------------------------------------------------------------------------------------- many rekeys


@pytest.mark.clause("epoch.2-1", "epoch.2-2", "epoch.2-4", "control.2-1", "control.2-4", "epoch.3-2")
def test_270_rekeys_the_byte_and_the_key_ids_wrap_and_every_frame_is_opened(monkeypatch):
    nonces = watch_nonces(monkeypatch)
    alice, bob, sim = call(frames=0.1)
    for epoch in range(1, 271):
        starter = (alice, bob)[epoch % 3 % 2]
        rekey(sim, starter)
        if epoch % 5 == 0:
            rekey(sim, sim.other(starter))
        agree_on(sim, epoch)
    sim.run(sim.now + 3)
    assert alice.session.epoch == 270
    assert nonces.reused == []
    assert nonces.sealed > 2000
    assert sim.in_the_clear == 0
    for media in sim.media.values():
        assert media.lost == []
        assert media.opened > 500
        assert list(media.keys._base_keys) == [270]
        assert {kid & 15 for kid in media.keys.receiver.key_ids()} == {270 & 15}
    assert alice.refusals == bob.refusals == []


@pytest.mark.clause("epoch.2-1", "epoch.2-4", "epoch.2-5", "control.2-1")
@pytest.mark.parametrize("seed", range(12))
def test_rekeys_in_the_middle_of_loss_lose_no_frame_that_arrives(seed, monkeypatch):
    """Every second or so, from both sides, over wires that lose a third, repeat and reorder within a second."""
    nonces = watch_nonces(monkeypatch)
    weather = Weather(loss=0.3, repeat=0.2, delay=(0.02, 0.9), partitions=((12, 14), (20, 22)))
    suites = [Suite.X25519_MLKEM768] if seed % 2 else X25519
    alice, bob, sim = call(seed=seed, frames=0.05, weather=weather, clocks=((5.0, 1.04), (900.0, 0.97)), suites=suites)
    for second in range(5, 30):
        for person in (alice, bob):
            sim.at(second + sim.chance.random(), partial(rekey, sim, person))
    sim.run(30)
    healed(sim)
    assert sim.run(60, lambda: sim.agree)
    assert alice.session.epoch >= 4
    assert nonces.reused == []
    assert sim.in_the_clear == 0
    for media in sim.media.values():
        assert media.lost == []
        assert media.opened > 300
    late = {"the record was taken before, or is too old", "a message on a channel that is not open"}
    assert {error.message for error in alice.refusals + bob.refusals} <= late
