"""control.3: how a call is hung up: what was queued leaves first, the bye last, and its reason arrives."""

import pytest

from e2ecall.call.events import EndReason
from e2ecall.call.messages import AppData, Chat
from e2ecall.call.session import _GOODBYES
from e2ecall.handshake import AbortReason
from e2ecall.wire.control import ControlType
from support.calls import agree_on, call, healed, one_way, rekey

SAID = {
    AbortReason.UNSPECIFIED: "the other side hung up",
    AbortReason.DECLINED: "the other side declined",
    AbortReason.BUSY: "the other side is busy",
    AbortReason.NO_ANSWER: "the other side did not answer",
    AbortReason.INCOMPATIBLE: "the other side found nothing in common",
    AbortReason.FAILED: "the other side stopped the call: what it found did not hold",
}


@pytest.mark.clause("control.3-1")
@pytest.mark.parametrize("reason", list(AbortReason))
def test_each_reason_arrives_in_words_of_its_own(reason):
    alice, bob, sim = call()
    sim.do(bob, lambda: bob.call.end(reason))
    sim.run(sim.now + 0.5)
    (ended,) = alice.ended
    assert (ended.reason, ended.message, ended.authenticated) == (EndReason.HUNG_UP, SAID[reason], True)
    assert bob.ended == []


def test_every_reason_has_its_words():
    assert _GOODBYES == SAID
    assert _GOODBYES.keys() == set(AbortReason)
    assert len(set(_GOODBYES.values())) == len(AbortReason)


@pytest.mark.clause("control.3-1")
def test_a_stop_says_that_something_did_not_hold_and_nothing_of_what():
    alice, bob, sim = call()
    sim.do(bob, lambda: bob.handle(bob.call.stop("the third emoji differed")))
    sim.run(sim.now + 0.5)
    assert [end.message for end in alice.ended] == [SAID[AbortReason.FAILED]]
    assert [end.message for end in bob.ended] == ["the third emoji differed"]


@pytest.mark.clause("control.3-1", "control.2-7")
def test_what_was_queued_or_lost_leaves_before_the_bye():
    alice, bob, sim = call()
    one_way(sim, None)
    sim.do(alice, lambda: alice.call.send(Chat("lost on the way")))
    healed(sim)
    alice.call.send(Chat("queued"))
    alice.call.send(AppData("a", b"unconfirmed"), confirmed=False)
    alice.call.end(AbortReason.BUSY)
    records = [data[1:] for data in alice.send()]
    bodies = [bob.session._control._epochs[0].open(record) for record in records]
    assert [(body.type, body.message_id) for body in bodies] == [
        (ControlType.DATA, 0),
        (ControlType.CHAT, 1),
        (ControlType.CHAT, 2),
        (ControlType.BYE, 0),
    ]
    assert alice.send() == []
    alice.now += 100
    alice.tick()
    assert alice.send() == []  # nothing is repeated


@pytest.mark.clause("control.3-1")
def test_all_of_it_arrives_in_that_order():
    alice, bob, _sim = call()
    for text in "one", "two":
        alice.call.send(Chat(text))
    alice.call.end()
    for data in alice.send():
        bob.take(data)
    assert [message.text for message in bob.said] == ["one", "two"]
    assert [end.message for end in bob.ended] == [SAID[AbortReason.UNSPECIFIED]]


@pytest.mark.clause("control.3-1")
def test_a_second_bye_and_a_repeated_one_change_nothing():
    alice, bob, _ = call()
    alice.call.end(AbortReason.BUSY)
    last = alice.send()
    alice.call.end(AbortReason.DECLINED)
    assert alice.send() == []
    for _ in range(2):
        for data in last:
            bob.take(data)
    assert [end.message for end in bob.ended] == [SAID[AbortReason.BUSY]]
    assert bob.call.ignored >= 1


@pytest.mark.clause("control.3-1", "epoch.3-2")
def test_hanging_up_in_the_middle_of_a_rekey_ends_both_with_the_reason():
    alice, bob, sim = call()
    rekey(sim, alice)
    one_way(sim, alice)
    sim.run(sim.now + 0.2)
    assert bob.session._rekey.holds_answer
    healed(sim)
    sim.do(bob, lambda: bob.handle(bob.call.stop("enough")))
    sim.run(sim.now + 0.5)
    assert [end.message for end in alice.ended] == [SAID[AbortReason.FAILED]]
    assert alice.call.ended
    rekeys = [person.session._rekey for person in (alice, bob)]
    assert all(each._chain.wiped and each._answered is None and each._started is None for each in rekeys)


@pytest.mark.clause("control.3-1", "control.2-8")
def test_more_than_64_messages_wait_for_acknowledgements_that_a_bye_does_not_wait_for():
    alice, bob, _sim = call()
    for number in range(80):
        alice.call.send(Chat(str(number)))
    alice.call.end()
    for data in alice.send():
        bob.take(data)
    assert [message.text for message in bob.said] == [str(number) for number in range(64)]
    assert len(bob.ended) == 1


@pytest.mark.clause("control.3-1", "epoch.2-2")
def test_a_bye_after_a_rekey_leaves_in_the_new_epoch():
    alice, bob, sim = call()
    rekey(sim, bob)
    agree_on(sim, 1)
    alice.call.end(AbortReason.BUSY)
    last = alice.send()
    assert [data[1] for data in last] == [1] * len(last)
    for data in last:
        bob.take(data)
    assert [end.message for end in bob.ended] == [SAID[AbortReason.BUSY]]
