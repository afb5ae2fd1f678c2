"""A middle, or a peer, that holds back, repeats, crosses and mixes: nobody waits for ever, and both agree at last."""

import random
from functools import partial
from itertools import pairwise

import pytest

from e2ecall.call.events import AttemptAbandoned, EndReason
from e2ecall.call.messages import Chat, Rk1
from e2ecall.call.policy import SessionPolicy
from e2ecall.call.records import Body
from e2ecall.call.rekey import Position
from e2ecall.errors import FrameRejected, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Suite
from e2ecall.wire.control import ControlType
from e2ecall.wire.tlv import encode_tlv
from sim import Person
from support.attempts import OFFER, forged, only, tick
from support.calls import OPUS, agree_on, call, healed, held_back, one_way, rekey

# ------------------------------------------------------------------------------------------------- waiting and trying


@pytest.mark.clause("kex.9-3", "kex.9-4")
@pytest.mark.parametrize("how", ["no proof", "a wrong proof"])
def test_who_called_and_lost_a_crossing_does_not_wait_for_ever(how):
    """Its own offer is gone, and the winner proves nothing: somebody who calls gets an answer or a reason."""
    alice, bob = Person("alice", suites=[Suite.X25519]), Person("bob", suites=[Suite.X25519])
    people = [alice, bob]
    for person in people:
        person.dial()
    offers = {person.name: only(person.send(), OFFER)[0] for person in people}
    for person, other in (people, people[::-1]):
        person.take(offers[other.name])
    loser, winner = sorted(people, key=lambda person: -person.call.answers)
    answer = loser.send()[0]
    assert (winner.call.answers, winner.call.ignored) == (0, 1)
    if how == "a wrong proof":
        winner.take(answer)
        loser.take(forged(winner.send()[0]))
        assert len(loser.refusals) == 1
    else:
        tick(loser, 15)
        assert [event.reason for event in loser.all(AttemptAbandoned)] == [EndReason.NO_PROOF]
    assert loser.ended == []
    tick(loser, 29)
    assert loser.ended == []
    tick(loser, 1)
    assert [end.reason for end in loser.ended] == [EndReason.NO_ANSWER]
    assert loser.call.ended


@pytest.mark.clause("kex.9-4", "kex.9-1")
def test_who_lost_a_crossing_still_takes_another_offer():
    alice, bob, carol = (Person(name, suites=[Suite.X25519]) for name in ("alice", "bob", "carol"))
    for person in (alice, bob):
        person.dial()
    offers = [person.send()[0] for person in (alice, bob)]
    alice.take(offers[1])
    bob.take(offers[0])
    loser = alice if alice.call.answers else bob
    loser.send()
    tick(loser, 15)
    carol.dial()
    loser.take(carol.send()[0])
    for sender, receiver in ((loser, carol), (carol, loser), (loser, carol)):
        for data in sender.send():
            receiver.take(data)
    assert loser.result.th2 == carol.result.th2
    tick(loser, 10)
    assert loser.ended == []


@pytest.mark.clause("kex.9-4")
def test_who_only_waits_goes_on_waiting():
    alice, bob = Person("alice", suites=[Suite.X25519]), Person("bob", suites=[Suite.X25519])
    alice.dial()
    bob.take(alice.send()[0])
    tick(bob, 15)
    assert len(bob.all(AttemptAbandoned)) == 1
    assert bob.call.next_timer(bob.now) is None
    tick(bob, 10_000)
    assert bob.ended == []


@pytest.mark.clause("epoch.2-5", "epoch.2-6")
def test_after_giving_up_5_s_pass_also_where_frames_call_for_new_keys():
    alice, _, sim = call(policy=SessionPolicy(rekey_frames=5, silent_after=30), frames=0.05)
    one_way(sim, None)
    begin, starts, start = sim.now, [], alice.session._start

    def noted(now):
        starts.append(round(sim.now - begin))
        start(now)

    alice.session._start = noted
    sim.run(sim.now + 28)
    assert len(starts) == 3
    assert [later - earlier for earlier, later in pairwise(starts)] == [10, 10]


# ---------------------------------------------------------------------------------------------------------- two paths


@pytest.mark.clause("control.4-1", "control.4-2", "control.2-3", "control.2-7")
@pytest.mark.parametrize("seed", range(8))
def test_two_transports_that_each_lose_repeat_and_reorder_give_each_message_once(seed):
    """Each record goes by the relay or by the channel, and what one of them carried comes again by the other."""
    chance = random.Random(seed)
    alice, bob, _ = call(seed=seed)
    paths = {"relay": [], "channel": []}
    texts = [f"line {number}" for number in range(40)]
    for text in texts:
        alice.call.send(Chat(text))
        if chance.random() < 0.3:
            alice.call.transport_changed(alice.now)
        for data in alice.send():
            path = paths[chance.choice(sorted(paths))]
            path.extend([data] * chance.choice((0, 1, 1, 2)))
        if chance.random() < 0.5:
            alice.now = bob.now = bob.now + 1.2
            alice.tick()
        for path in paths.values():
            chance.shuffle(path)
            while path and chance.random() < 0.7:
                bob.take(path.pop())
        for data in bob.send():
            if chance.random() < 0.7:
                alice.take(data)
    for _ in range(60):
        alice.now = bob.now = bob.now + 1
        for sender, receiver in ((alice, bob), (bob, alice)):
            sender.tick()
            for data in sender.send():
                receiver.take(data)
    assert sorted(message.text for message in bob.said) == sorted(texts)
    assert {type(error) for error in bob.refusals} <= {PeerMisbehaved}
    assert alice.session._control.unacknowledged == 0


@pytest.mark.clause("control.2-2", "epoch.1-2")
def test_the_records_and_halves_of_another_call_of_the_two_are_refused():
    first, second = call(seed=1), call(seed=2)
    for alice, _, _ in (first, second):
        alice.call.send(Chat("x"))
        alice.call.rekey(alice.now)
    old_alice, old_bob, _ = first
    _, bob, _ = second
    recorded = old_alice.send()
    assert len(recorded) >= 2
    for data in recorded:
        bob.take(data)
    assert len(bob.refusals) == len(recorded)
    half = old_alice.session._rekey._started.rk1
    fields = encode_tlv(Rk1(half).fields(), "control")
    bob.take(b"\2" + second[0].session._control._sending.seal(Body(ControlType.RK1, 0, fields)))
    assert bob.refusals[-1].clause == "epoch.1-2"
    assert bob.session._rekey.position is Position.STEADY
    assert old_bob.session.epoch == 0


@pytest.mark.clause("epoch.2-4", "epoch.2-5")
@pytest.mark.parametrize("starter", [0, 1])
def test_after_a_lost_rk2_and_time_limits_on_both_sides_both_end_in_one_epoch(starter):
    """Each gives up, holds the other's answer, and starts again: one epoch is left, and no frame lost."""
    alice, bob, sim = call(frames=0.1)
    people = (alice, bob)
    for _ in range(3):
        rekey(sim, people[starter])
        one_way(sim, people[starter])  # rk2 is lost
        sim.run(sim.now + 5.3)
        rekey(sim, people[1 - starter])
        one_way(sim, people[1 - starter])
        sim.run(sim.now + 5.3)
        healed(sim)
    assert sim.run(sim.now + 15, lambda: sim.agree and sim.sessions[0].epoch >= 1)
    sim.run(sim.now + 1)
    assert all(media.lost == [] for media in sim.media.values())
    assert all(person.ended == [] for person in people)


@pytest.mark.clause("epoch.2-1", "epoch.2-2")
def test_a_rekey_right_after_a_rekey_goes_on_from_the_new_epoch():
    alice, bob, sim = call(frames=0.05)
    rekey(sim, alice)
    kept = held_back(sim, bob)
    assert sim.run(sim.now + 1, lambda: bob.session._rekey.holds_answer)
    healed(sim)
    for data in kept:
        sim.do(alice, partial(alice.take, data))
    assert (alice.session.epoch, bob.session.epoch) == (1, 0)
    rekey(sim, alice)  # bob has not shown himself in epoch 1 yet
    agree_on(sim, 2)
    sim.run(sim.now + 4)
    assert all(media.lost == [] for media in sim.media.values())
    assert sorted(sim.media["alice"].keys._base_keys) == [2]


@pytest.mark.clause("epoch.3-2", "frame.7-10")
def test_a_stop_in_the_middle_of_a_rekey_leaves_nothing_that_opens():
    alice, bob, sim = call()
    keys, theirs = sim.take_keys(alice), sim.take_keys(bob)
    sound = theirs.open_stream(*OPUS)
    rekey(sim, alice)
    one_way(sim, alice)
    sim.run(sim.now + 0.2)
    pending = bob.session._rekey._answered[1].rekeyed.keys
    alice.call.stop("the rows differ")
    bob.call.stop("the rows differ")
    assert pending.chain.wiped
    with pytest.raises(FrameRejected):
        keys.receiver.unprotect(b"\0" * 40)
    assert keys.receiver.key_ids() == theirs.receiver.key_ids() == []
    assert all(each.wiped for held_keys in (keys, theirs) for each in held_keys._base_keys.values())
    with pytest.raises(VerificationFailed, match="the rows differ"):
        sound.protect(b"x")


@pytest.mark.clause("epoch.3-2")
def test_after_a_sleep_a_record_of_an_old_epoch_is_too_late_though_no_timer_came():
    alice, bob, sim = call()
    alice.call.send(Chat("from before"))
    late = alice.send()[-1]
    rekey(sim, alice)
    agree_on(sim, 1)
    sim.run(sim.now + 0.1)
    assert 0 in bob.session._forget_at
    bob.now += 8 * 3600
    bob.take(late)
    assert [error.message for error in bob.refusals] == ["the record is of an epoch without keys"]
    assert bob.said == []
