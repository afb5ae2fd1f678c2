"""The established call: heartbeats, receipts, timers, the switch in time, what is erased when, and what is told."""

import gc
from functools import partial
from itertools import pairwise

import pytest

from e2ecall.call.epochs import Role
from e2ecall.call.events import (
    CallEnded,
    EndReason,
    EpochAttested,
    EpochChanged,
    PeerControl,
    PeerHeard,
    PeerSaid,
    PeerSent,
    PeerSilent,
    RekeyAbandoned,
    RekeyOverdue,
)
from e2ecall.call.messages import (
    SIGNATURE,
    AppData,
    Bye,
    Chat,
    Heartbeat,
    Receipt,
    ReceiptMethod,
    Rk1,
    Streams,
    StreamState,
)
from e2ecall.call.records import EpochRecords
from e2ecall.call.session import SessionPolicy
from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Suite
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Sender
from e2ecall.sframe.receive_key import ReceiveKey
from e2ecall.wire.control import ControlType
from e2ecall.wire.declared import lv
from e2ecall.wire.tlv import encode_tlv
from sim import Weather, in_a_call, watch_nonces
from support.parties import signer

X25519 = [Suite.X25519]
OPUS, VP8 = ("audio", "opus"), ("video", "vp8")


def call(**kw):
    return in_a_call(**{"suites": X25519, **kw})


def rekey(sim, person):
    sim.do(person, lambda: person.call.rekey(person.now))


def agree_on(sim, epoch, within=3.0):
    assert sim.run(sim.now + within, lambda: sim.agree and sim.sessions[0].epoch == epoch)


def one_way(sim, allowed):
    """From now on only this person's messages arrive; `None`: nobody's."""
    carry = type(sim)._carry

    def carried(weather, data, receiver, take):
        if allowed is not None and sim.other(receiver) is allowed:
            carry(sim, weather, data, receiver, take)

    sim._carry = carried


def healed(sim):
    sim.__dict__.pop("_carry", None)
    sim.weather = sim.frame_weather = Weather()


def held_back(sim, what):
    """Messages of that person are kept in the list that this returns, until `healed`."""
    kept, carry = [], type(sim)._carry

    def carried(weather, data, receiver, take):
        if sim.other(receiver) is what:
            kept.append(data)
        else:
            carry(sim, weather, data, receiver, take)

    sim._carry = carried
    return kept


# ---------------------------------------------------------------------------------------------------------- heartbeats


@pytest.mark.clause("control.3-3", "control.3-4")
def test_heartbeats_come_quickly_at_first_and_attest_the_epoch_once():
    alice, bob, sim = call(frames=0.1)
    times = []
    send = alice.session._queue

    def noted(message, *, confirmed):
        if isinstance(message, Heartbeat):
            times.append(round(alice.now, 1))
        send(message, confirmed=confirmed)

    alice.session._queue = noted
    begin = round(sim.now, 1)
    sim.run(begin + 30)
    gaps = [round(after - before, 1) for before, after in pairwise(times)]
    assert sum(gaps) > 20
    assert sorted(set(gaps)) in ([1.0, 2.0, 4.0, 5.0], [2.0, 4.0, 5.0])
    for person in (alice, bob):
        assert [event.epoch for event in person.all(EpochAttested)] == [0]
        assert person.all(EpochAttested)[0].th2 == person.session.th2
        assert person.session.attested_epoch == 0
        counts = [dict(event.sent) for event in person.all(PeerSent)]
        assert counts[-1].keys() == {0, 1}
        assert [count.get(0, 0) for count in counts] == sorted(count.get(0, 0) for count in counts)
        assert counts[-1][0] > 100
    assert alice.refusals == bob.refusals == []


def heartbeat(session, *, role=None, epoch=None, th2=None, signed_th2=None, by="alice", number=99, sign=True):
    """The fields of a heartbeat with something wrong about it."""
    epoch, th2 = session.epoch if epoch is None else epoch, th2 or session.th2
    fields = Heartbeat(epoch, th2, number).fields()
    role = (role or session.role).sender_index
    signed = lv(b"e2ecall/1 heartbeat") + bytes([role]) + (signed_th2 or th2) + lv(encode_tlv(fields, "control"))
    return fields | ({SIGNATURE: signer(by).sign(signed)} if sign else {})


def from_alice(sim, kind, fields, confirmed=False):
    alice, bob = sim.people
    sim.run(sim.now + 1.5)  # past the heartbeat of its own
    before = len(bob.events), len(bob.refusals)
    sim.do(alice, lambda: alice.session._control.send(kind, fields, confirmed=confirmed))
    sim.run(sim.now + 0.2)
    return bob.events[before[0] :], bob.refusals[before[1] :]


@pytest.mark.clause("control.3-3", "control.3-4")
@pytest.mark.parametrize(
    ("wrong", "layer", "clause"),
    [
        ({"epoch": 1}, VerificationFailed, "control.3-4"),
        ({"th2": bytes(32)}, VerificationFailed, "control.3-4"),
        ({"signed_th2": bytes(32)}, VerificationFailed, "control.3-3"),
        ({"role": Role.CALLEE}, VerificationFailed, "control.3-3"),
        ({"by": "mallory"}, VerificationFailed, "control.3-3"),
        ({"by": "bob"}, VerificationFailed, "control.3-3"),
        ({"sign": False}, MalformedMessage, "control.3-2"),
    ],
)
def test_a_heartbeat_that_is_not_signed_as_it_should_be_is_refused(wrong, layer, clause):
    alice, _, sim = call()
    events, refusals = from_alice(sim, ControlType.HEARTBEAT, heartbeat(alice.session, **wrong))
    assert [(type(error), error.clause) for error in refusals] == [(layer, clause)]
    assert not any(isinstance(event, EpochAttested | PeerSent) for event in events)
    events, refusals = from_alice(sim, ControlType.HEARTBEAT, heartbeat(alice.session))
    assert not refusals
    assert any(isinstance(event, PeerSent) for event in events)


@pytest.mark.clause("control.3-4")
def test_a_heartbeat_whose_number_is_not_above_the_last_is_ignored():
    alice, _, sim = call()
    for number, counts in ((50, True), (50, False), (7, False), (51, True)):
        events, refusals = from_alice(sim, ControlType.HEARTBEAT, heartbeat(alice.session, number=number))
        assert not refusals
        assert any(isinstance(event, PeerSent) for event in events) == counts


@pytest.mark.clause("control.3-4", "epoch.2-2")
def test_each_epoch_is_attested_and_heartbeats_queued_at_the_switch_are_good():
    alice, bob, sim = call()
    for epoch in range(1, 6):
        starter = (alice, bob)[epoch % 2]
        rekey(sim, starter)
        sim.run(sim.now + 0.03)
        alice.session._beat(alice.now)  # queued in the old epoch, and given out after the switch
        bob.session._beat(bob.now)
        agree_on(sim, epoch)
        sim.run(sim.now + 1.5)
    for person in (alice, bob):
        assert [event.epoch for event in person.all(EpochAttested)] == [0, 1, 2, 3, 4, 5]
        assert len({event.th2 for event in person.all(EpochAttested)}) == 6
        assert [event.epoch for event in person.all(EpochChanged)] == [1, 2, 3, 4, 5]
        assert person.refusals == []


# ------------------------------------------------------------------------------------------------- what people say


@pytest.mark.clause("control.3-5", "control.3-3", "control.3-7")
def test_a_receipt_is_told_and_one_of_another_call_or_signer_is_refused():
    alice, _, sim = call()
    good = Receipt(ReceiptMethod.EMOJI, matched=True, th2=alice.session.th2)
    sim.do(alice, lambda: alice.call.send(good))
    sim.run(sim.now + 0.2)
    assert sim.people[1].said == [good]
    fields = Receipt(ReceiptMethod.EMOJI, matched=True, th2=bytes(32)).fields()  # good in another call of the two
    signed = lv(b"e2ecall/1 receipt") + b"\0" + bytes(32) + lv(encode_tlv(fields, "control"))
    fields |= {SIGNATURE: signer("alice").sign(signed)}
    events, refusals = from_alice(sim, ControlType.RECEIPT, fields, confirmed=True)
    assert [error.clause for error in refusals] == ["control.3-3"]
    assert not any(isinstance(event, PeerSaid) for event in events)
    fields = good.fields() | {SIGNATURE: signer("mallory").sign(b"x")}
    _, refusals = from_alice(sim, ControlType.RECEIPT, fields, confirmed=True)
    assert [error.clause for error in refusals] == ["control.3-3"]


@pytest.mark.clause("control.3-5", "control.2-7", "control.3-3")
@pytest.mark.parametrize("named", [0, 1])
def test_a_receipt_that_is_late_by_several_epochs_still_counts(named):
    """It was lost, the keys changed, and it comes again, sealed in another epoch than the one that it names."""
    alice, bob, sim = call()
    for epoch in range(1, named + 1):
        rekey(sim, alice)
        agree_on(sim, epoch)
    receipt = Receipt(ReceiptMethod.DIGITS, matched=True, th2=alice.session.th2)
    one_way(sim, None)
    sim.do(alice, lambda: alice.call.send(receipt))
    healed(sim)
    (entry,) = alice.session._control._outstanding.values()
    entry.due = alice.now + 8.0
    for epoch in (named + 1, named + 2):
        rekey(sim, bob)
        agree_on(sim, epoch)
        sim.run(sim.now + 3)
    assert bob.said == []
    sim.run(sim.now + 10)
    assert bob.said == [receipt]
    assert bob.refusals == []


@pytest.mark.clause("control.2-6")
def test_only_application_data_may_go_unconfirmed():
    alice, bob, sim = call()
    for message in (Chat("x"), Bye(), Streams(2, "video", "vp8")):
        with pytest.raises(ApiMisuse) as caught:
            alice.call.send(message, confirmed=False)
        assert caught.value.clause == "control.2-6"
    sim.do(alice, lambda: alice.call.send(AppData("a", b"1"), confirmed=False))
    sim.do(alice, lambda: alice.call.send(AppData("a", b"2")))
    sim.run(sim.now + 1)
    assert {each.data for each in bob.said} == {b"1", b"2"}
    assert alice.session._control.unacknowledged == 0


@pytest.mark.clause("control.2-5")
def test_a_message_of_an_unknown_type_is_handed_on():
    _, bob, sim = call()
    events, refusals = from_alice(sim, 77, {5: b"later"}, confirmed=True)
    assert [(event.message.type, event.message.fields) for event in events if isinstance(event, PeerControl)] == [
        (77, {5: b"later"})
    ]
    assert not refusals
    assert not bob.said


def test_further_streams_are_announced_opened_and_ended():
    alice, bob, sim = call()
    keys, theirs = sim.take_keys(alice), sim.take_keys(bob)
    streams = [keys.open_stream(*each) for each in (VP8, VP8)]
    sim.pump(alice)
    sim.run(sim.now + 0.2)
    assert bob.said == [Streams(2, "video", "vp8")]
    assert theirs.receiver.unprotect(streams[1].protect(b"x"))[0] == b"x"
    sim.do(alice, lambda: alice.call.send(Streams(2, "video", "vp8", state=StreamState.ENDED)))
    sim.run(sim.now + 0.2)
    with pytest.raises(FrameRejected):
        theirs.receiver.unprotect(streams[1].protect(b"x"))
    assert theirs.receiver.unprotect(streams[0].protect(b"x"))[0] == b"x"


def test_an_announcement_waits_for_the_keys():
    alice, bob, sim = call()
    keys = sim.take_keys(alice)
    for _ in range(2):
        stream = keys.open_stream(*VP8)
    sim.pump(alice)
    sim.run(sim.now + 0.2)
    assert sim.take_keys(bob).receiver.unprotect(stream.protect(b"x"))[0] == b"x"


def test_what_a_refused_record_had_brought_before_is_told_with_the_next():
    """The first record in a new epoch is refused for what is in it; the switch that it caused is told all the same."""
    alice, bob, sim = call()
    rekey(sim, bob)
    kept = held_back(sim, alice)
    assert sim.run(sim.now + 2, lambda: bool(alice.session._rekey.holds_answer))
    healed(sim)
    for data in kept:
        sim.do(bob, partial(bob.take, data))
    assert bob.session.epoch == 1  # bob is the starter: what he sends next is alice's first sign
    alice_epochs = len(alice.all(EpochChanged))
    bob.session._control._once.clear()
    bob.session._control.send(ControlType.HEARTBEAT, heartbeat(bob.session, by="mallory"), confirmed=False)
    (bad,) = (data for data in bob.send()[-1:])
    sim.do(alice, partial(alice.take, bad))
    assert alice.session.epoch == 1
    assert len(alice.refusals) == 1
    sim.run(sim.now + 2)
    assert len(alice.all(EpochChanged)) == alice_epochs + 1


@pytest.mark.clause("control.3-1")
def test_bye_ends_the_call_and_loses_nobodys_time():
    alice, bob, sim = call()
    sim.do(bob, bob.call.end)
    sim.run(sim.now + 0.5)
    assert [(event.reason, event.authenticated) for event in alice.ended] == [(EndReason.HUNG_UP, True)]
    with pytest.raises(ApiMisuse):
        alice.session.send(Chat("x"))
    with pytest.raises(ApiMisuse):
        alice.call.rekey(alice.now)
    assert alice.session.handle_timer(alice.now) == []


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


def test_silence_is_told_and_ends_the_call_at_last():
    alice, bob, sim = call(policy=SessionPolicy(silent_after=10, lost_after=40))
    sim.run(sim.now + 6)
    one_way(sim, alice)
    sim.run(sim.now + 25)
    assert [int(event.seconds / 10) for event in alice.all(PeerSilent)] == [1, 2]
    assert bob.all(PeerSilent) == []
    healed(sim)
    sim.run(sim.now + 6)
    assert len(alice.all(PeerHeard)) == 1
    one_way(sim, alice)
    sim.run(sim.now + 60)
    assert [(event.reason, event.authenticated) for event in alice.all(CallEnded)] == [(EndReason.LOST, False)]
    assert alice.call.ended


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


# ------------------------------------------------------------------------------------------------ what is erased, when


@pytest.mark.clause("epoch.3-1", "epoch.3-2")
@pytest.mark.parametrize("starter", [0, 1])
def test_what_is_under_way_at_the_switch_is_opened_for_2_s_and_then_refused(starter):
    alice, bob, sim = call()
    people = (alice, bob)
    keys = [sim.take_keys(person) for person in people]
    streams = [each.open_stream(*OPUS) for each in keys]
    frames = [[stream.protect(b"%d" % n) for n in range(40)] for stream in streams]
    begin = dict.fromkeys((0, 1))
    rekey(sim, people[starter])
    while sim.now < 100 and not all(begin.values()):
        sim.run(sim.now + 0.01)
        for number, person in enumerate(people):
            if begin[number] is None and person.session._peer_epoch == 1:
                begin[number] = sim.now
    for side in (0, 1):
        receiver, sealed = keys[side].receiver, iter(frames[1 - side])
        sim.run(max(begin[side] + 1.95, sim.now))
        assert receiver.unprotect(next(sealed))[0]
    sim.run(max(begin.values()) + 2.3)  # handle_timer comes at least each quarter of a second
    for side in (0, 1):
        with pytest.raises(FrameRejected) as caught:
            keys[side].receiver.unprotect(frames[1 - side][1])
        assert caught.value.reason is FrameReason.UNKNOWN_KEY
        assert list(people[side].session._control._epochs) == [1]
        assert list(keys[side]._base_keys) == [1]
        assert list(people[side].session._th2) == [1]


@pytest.mark.clause("epoch.3-2", "frame.6-15")
def test_of_an_old_epoch_256_more_frames_are_opened_once_the_other_side_has_shown_itself():
    """By a record alone: no frame of the new epoch has come yet."""
    alice, bob, sim = call()
    keys = sim.take_keys(alice), sim.take_keys(bob)
    stream = keys[0].open_stream(*OPUS)
    under_way = [stream.protect(b"x") for _ in range(300)]
    rekey(sim, alice)
    agree_on(sim, 1)
    assert bob.session._forget_at
    for sealed in under_way[:256]:
        keys[1].receiver.unprotect(sealed)
    for sealed in under_way[256:]:
        with pytest.raises(FrameRejected):
            keys[1].receiver.unprotect(sealed)


class Made:
    """The SecretBytes that were made with each value, weakly: a value is gone when none that is alive still has it."""

    def __init__(self, monkeypatch):
        self.values = {}
        original = SecretBytes.__init__
        derive = SecretBytes.derive_into.__func__

        def init(secret, data):
            original(secret, data)
            self.note(secret)

        def derive_into(cls, length, fill):
            secret = derive(cls, length, fill)
            self.note(secret)
            return secret

        monkeypatch.setattr(SecretBytes, "__init__", init)
        monkeypatch.setattr(SecretBytes, "derive_into", classmethod(derive_into))

    def note(self, secret):
        value = bytes(secret._data)
        if any(value):
            self.values.setdefault(value, len(self.values))


def alive():
    """The values of every SecretBytes that the collector finds and that was not wiped."""
    gc.collect()
    return {bytes(each._data) for each in gc.get_objects() if isinstance(each, SecretBytes) and not each.wiped}


def secrets_of(session, keys):
    control = session._result.keys.control
    return [session._rekey._chain, *keys._base_keys.values(), control.caller_key]


@pytest.mark.clause("epoch.3-2")
@pytest.mark.parametrize("suite", [Suite.X25519_MLKEM768, Suite.X25519])
@pytest.mark.parametrize("starter", [0, 1])
def test_no_secret_of_an_old_epoch_is_left_2_s_after_the_other_sides_sign(suite, starter, monkeypatch):
    """Everything secret that was made since the call began; of it, what is alive belongs to the new epoch."""
    made = Made(monkeypatch)
    alice, bob, sim = call(suites=[suite], frames=0.1)
    people = (alice, bob)
    for epoch in (1, 2, 3):
        before = set(made.values)
        rekey(sim, people[starter])
        agree_on(sim, epoch)
        sim.run(sim.now + 2.5)
        left = alive() & before
        identities = {bytes(each) for each in left if len(each) == 32 and each in seeds()}
        assert left - identities == set(), f"{len(left)} secrets of epoch {epoch - 1} are left"
        current = {bytes(person.session._rekey._chain.expose()) for person in people}
        assert current <= alive() - before
        assert len(current) == 1
    objects = gc.get_objects()
    for kind, epoch_of in (
        (EpochRecords, lambda each: each.epoch),
        (ReceiveKey, lambda each: each.epoch),
        (Sender, lambda each: each.kid & 15),
    ):
        found = {epoch_of(each) for each in objects if isinstance(each, kind)}
        assert found == {3}, kind  # the library's AEAD objects live in these, and go with them
    assert len([each for each in objects if isinstance(each, EpochRecords)]) == 2


def seeds():
    from support.parties import SeededRng

    return {SeededRng(name).draw("identity", 32) for name in ("alice", "bob")}


@pytest.mark.clause("epoch.3-2")
def test_an_abandoned_and_a_replaced_attempt_leave_nothing(monkeypatch):
    made = Made(monkeypatch)
    alice, bob, sim = call(frames=0.1)
    one_way(sim, alice)
    rekey(sim, alice)
    sim.run(sim.now + 3)
    pending = bob.session._rekey._answered[1].rekeyed.keys
    first = bytes(pending.chain.expose())
    assert first in alive()
    sim.run(sim.now + 9)  # given up, and the second attempt answered
    assert pending.chain.wiped
    assert first in made.values
    assert first not in alive()
    healed(sim)
    agree_on(sim, 1, within=12)
    sim.run(sim.now + 2.5)
    assert len([each for each in gc.get_objects() if isinstance(each, EpochRecords)]) == 2


@pytest.mark.clause("epoch.3-2")
@pytest.mark.parametrize("suite", [Suite.X25519_MLKEM768, Suite.X25519])
def test_nothing_secret_of_a_rekey_is_let_go_before_it_was_wiped(suite, monkeypatch):
    lengths = []
    alice, bob, sim = call(suites=[suite], frames=0.1)
    gc.collect()

    def let_go(secret):
        if not secret.wiped:
            lengths.append(len(secret))

    monkeypatch.setattr(SecretBytes, "__del__", let_go, raising=False)
    SecretBytes(bytes(99))
    assert lengths == [99]  # it is noticed
    lengths.clear()
    for epoch, people in enumerate(((alice,), (bob,), (alice, bob)), 1):
        for person in people:
            rekey(sim, person)
        agree_on(sim, epoch)
        sim.run(sim.now + 2.5)
    one_way(sim, alice)
    rekey(sim, alice)
    sim.run(sim.now + 12)
    for person in (alice, bob):
        sim.do(person, person.call.end)
    gc.collect()
    assert set(lengths) == {16}  # the names by which senders and receivers know a key again: they are no secrets


@pytest.mark.clause("epoch.3-2")
def test_the_end_of_the_call_leaves_no_secret(monkeypatch):
    made = Made(monkeypatch)
    alice, bob, sim = call(frames=0.1)
    rekey(sim, alice)
    agree_on(sim, 1)
    rekey(sim, bob)
    sim.run(sim.now + 0.03)  # in the middle of the next
    for person in (alice, bob):
        sim.do(person, person.call.end)
    assert alive() & set(made.values) <= seeds()


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


def test_a_record_of_a_foreign_epoch_changes_nothing():
    alice, bob, sim = call()
    before = len(bob.refusals)
    bob.take(b"\2\x07" + bytes(60))
    assert [type(error) for error in bob.refusals[before:]] == [PeerMisbehaved]
    assert bob.session.epoch == 0
    sim.do(alice, lambda: alice.call.send(Chat("still here")))
    sim.run(sim.now + 1)
    assert bob.said == [Chat("still here")]
