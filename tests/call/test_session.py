"""The established call: heartbeats, receipts, announcements, silence, and what is told of all that."""

from functools import partial
from itertools import pairwise

import pytest

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
)
from e2ecall.call.messages import (
    SIGNATURE,
    AppData,
    Bye,
    Chat,
    Heartbeat,
    Receipt,
    ReceiptMethod,
    Streams,
    StreamState,
)
from e2ecall.call.policy import SessionPolicy
from e2ecall.errors import ApiMisuse, FrameRejected, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.wire.control import ControlType
from e2ecall.wire.declared import lv
from e2ecall.wire.tlv import encode_tlv
from support.calls import VP8, agree_on, call, healed, held_back, one_way, rekey
from support.parties import signer

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


def test_a_record_of_a_foreign_epoch_changes_nothing():
    alice, bob, sim = call()
    before = len(bob.refusals)
    bob.take(b"\2\x07" + bytes(60))
    assert [type(error) for error in bob.refusals[before:]] == [PeerMisbehaved]
    assert bob.session.epoch == 0
    sim.do(alice, lambda: alice.call.send(Chat("still here")))
    sim.run(sim.now + 1)
    assert bob.said == [Chat("still here")]
