"""What a program may not hand to a call, or ask of it once it is over: ApiMisuse, and nothing has happened."""

import copy
import math
import os
import pickle
import signal
import warnings
from functools import partial

import pytest

from e2ecall.call.events import PeerSaid
from e2ecall.call.messages import (
    AppData,
    Bye,
    Chat,
    Heartbeat,
    Mute,
    Receipt,
    ReceiptMethod,
    Rk1,
    Rk2,
    Sdp,
    Streams,
)
from e2ecall.call.one_to_one import Limits
from e2ecall.call.policy import SessionPolicy
from e2ecall.call.rekey import Position
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.handshake import Profile, Suite, make_offer, receive_offer
from e2ecall.handshake.rekey import Signed
from e2ecall.relay.messages import MESSAGE_LIMIT
from sim import Person, established
from support.attempts import exchanged
from support.calls import call
from support.parties import SeededRng, signer

NO_TIMES = [math.nan, math.inf, -math.inf, None, "1", 10**400]


def misused(act, clause=None):
    with pytest.raises(ApiMisuse) as caught:
        act()
    assert caught.value.clause == clause


# ------------------------------------------------------------------------------------------------------------ the time


def acts_with_time(person):
    return {
        "handle_timer": person.call.handle_timer,
        "next_timer": person.call.next_timer,
        "messages_to_send": person.call.messages_to_send,
        "rekey": person.call.rekey,
        "transport_changed": person.call.transport_changed,
        "receive": partial(person.call.receive, b"\2"),
        "call": person.call.call,
        "accept": person.call.accept,
    }


@pytest.mark.clause("kex.9-4")
@pytest.mark.parametrize("now", NO_TIMES, ids=["nan", "inf", "-inf", "None", "str", "too large"])
@pytest.mark.parametrize("act", sorted(acts_with_time(Person("alice"))))
def test_a_time_that_is_no_number_is_refused_before_anything_happens(act, now):
    """With NaN no limit would ever come: every comparison with it is false."""
    alice, _, _ = call()
    misused(partial(acts_with_time(alice)[act], now), "kex.9-4")
    assert alice.session._rekey.position is Position.STEADY
    fresh = Person("alice")
    misused(partial(acts_with_time(fresh)[act], now), "kex.9-4")
    assert fresh.send() == []


@pytest.mark.clause("kex.9-4", "epoch.3-2")
@pytest.mark.parametrize("act", sorted(acts_with_time(Person("alice"))))
def test_a_clock_that_goes_back_is_refused(act):
    """Whatever has to be gone after 2 s would stay for as long as the clock is behind."""
    alice, _, sim = call()
    sim.run(sim.now + 3)
    misused(partial(acts_with_time(alice)[act], alice.now - 2.9), "kex.9-4")
    alice.call.handle_timer(alice.now)  # the same time again is good


@pytest.mark.clause("kex.9-4")
@pytest.mark.parametrize("now", [math.nan, math.inf])
@pytest.mark.parametrize(
    "act", ["handle_timer", "next_timer", "records_to_send", "rekey", "transport_changed", "receive", "hang_up"]
)
def test_a_session_by_itself_refuses_such_a_time_too(act, now):
    alice, _, _ = call()
    before = {"receive": (b"\0",), "hang_up": (Bye(),)}.get(act, ())
    misused(partial(getattr(alice.session, act), *before, now), "kex.9-4")
    assert not alice.session.ended


@pytest.mark.clause("kex.9-4", "epoch.2-6")
@pytest.mark.parametrize("value", [math.nan, math.inf, "5", None])
def test_limits_and_policies_are_finite(value):
    for name in ("answer", "proof", "ring"):
        misused(partial(Limits, **{name: value}), "kex.9-4")
    for name in ("rekey_seconds", "silent_after", "lost_after"):
        misused(partial(SessionPolicy, **{name: value}), "epoch.2-6")


def test_eight_hours_of_sleep_end_a_call_with_a_reason_or_change_its_keys():
    alice, bob, sim = call()
    alice.now += 8 * 3600
    alice.tick()
    assert [end.reason.value for end in alice.ended] == ["connection lost"]
    alice, bob, sim = call()
    bob.call.send(Chat("good morning"))
    message = bob.send()[-1]
    sim.clocks["alice"] = (8 * 3600.0, 1.0)
    sim._set_clocks()
    sim.do(alice, partial(alice.take, message))  # a message was there first: nothing is lost
    assert sim.run(sim.now + 2, lambda: alice.session.epoch == 1)
    assert sim.run(sim.now + 2, lambda: sim.agree)
    assert not alice.ended


# ------------------------------------------------------------------------------------------------------- whole messages


@pytest.mark.clause("control.1-1")
@pytest.mark.parametrize("data", [None, "text", 7, 1.5, [1, 2], object()])
def test_what_is_not_bytes_is_refused_as_misuse(data):
    alice, _, _ = call()
    for receive in (alice.call.receive, alice.session.receive, Person("carol").call.receive):
        misused(partial(receive, data, alice.now), "control.1-1")
    assert alice.call.refused == 0


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_form_of_bytes_is_a_message_and_may_be_changed_afterwards(kind):
    alice, bob = Person("alice"), Person("bob")
    alice.dial()
    buffer = bytearray(alice.send()[0])
    bob.take(kind(buffer))
    buffer[:] = bytes(len(buffer))
    for receiver, sender in ((alice, bob), (bob, alice), (alice, bob)):
        for message in sender.send():
            receiver.take(kind(bytearray(message)))
    assert alice.result.th2 == bob.result.th2
    alice.call.send(Chat("x"))
    for message in alice.send():
        bob.take(kind(bytearray(message)))
    assert bob.said == [Chat("x")]


@pytest.mark.clause("kex.2-2", "kex.6-1")
@pytest.mark.parametrize("form", [lambda data: None, lambda data: data.hex(), lambda data: 7, bytearray, memoryview])
def test_the_states_of_the_exchange_take_bytes_alone(form):
    """They hash and keep what they get: a buffer that changes would be another message than the one answered."""
    offer = make_offer(signer("alice"), bytes(16), SeededRng("a"), suites=[Suite.X25519])
    misused(lambda: receive_offer(form(offer.offer), signer("bob"), SeededRng("b"), suites=[Suite.X25519]), "kex.2-2")
    answered = receive_offer(offer.offer, signer("bob"), SeededRng("b"), suites=[Suite.X25519])
    misused(lambda: offer.receive_answer(form(answered.answer), Profile()), "kex.2-2")
    reveal = offer.receive_answer(answered.answer, Profile())  # nothing was spent
    misused(lambda: answered.receive_reveal(form(reveal.reveal)), "kex.2-2")
    assert answered._keys._hs.wiped
    misused(lambda: reveal.receive_finish(form(bytes(60))), "kex.2-2")
    assert reveal._keys._hs.wiped


# ----------------------------------------------------------------------------------------------- messages that are sent


@pytest.mark.clause("control.2-6")
@pytest.mark.parametrize(
    "message",
    [
        Bye(),
        Heartbeat(0, bytes(32), 7),
        Rk1(Signed(b"", bytes(64))),
        Rk2(Signed(b"", bytes(64))),
        None,
        "hello",
        Chat,
    ],
    ids=lambda each: str(each)[:12],
)
def test_what_is_the_sessions_own_is_not_for_an_application(message):
    """A bye of the application's would have an id, and the call would go on here."""
    alice, bob, sim = call()
    misused(partial(alice.call.send, message), "control.2-6")
    misused(partial(alice.session.send, message, confirmed=False), "control.2-6")
    sim.run(sim.now + 1)
    assert not bob.ended
    assert alice.session._control.unacknowledged == 0


@pytest.mark.clause("control.3-2")
@pytest.mark.parametrize(
    "message",
    [
        Streams(1 << 16, "video", "vp8"),
        Streams(-1, "video", "vp8"),
        Streams(2, "smell", "vp8"),
        Streams(2, "video", "VP8"),
        Streams(2, "video", "vp8", source="window"),
        Streams(2, "video", "vp8", layer=256),
        Streams(2, "video", "vp8", state=2),
        Mute(-1, muted=True),
        Mute(1 << 16, muted=True),
        Mute(0, muted=2),
        Chat(5),
        AppData("a", "text"),
        Sdp(2, "v=0"),
        Sdp(is_answer=False, sdp=None),
        Receipt(9, matched=True, th2=bytes(32)),
        Receipt(ReceiptMethod.EMOJI, matched=True, th2=b"short"),
        Receipt(ReceiptMethod.EMOJI, matched=7, th2=bytes(32)),
    ],
    ids=str,
)
def test_what_the_other_side_would_refuse_is_not_sent(message):
    alice, _, _ = call()
    misused(partial(alice.call.send, message), "control.3-2")
    assert alice.session._control.unacknowledged == 0


@pytest.mark.clause("control.2-10", "relay.4-2")
def test_no_record_is_longer_than_what_a_relay_takes():
    alice, bob, _sim = call()
    most = 65_505 - 4 - 1 - 4  # both heads of fields, and the label
    alice.call.send(AppData("x", bytes(most)))
    longest = alice.send()
    assert max(map(len, longest)) == MESSAGE_LIMIT
    for message in longest:
        bob.take(message)
    assert [len(message.data) for message in bob.said] == [most]
    with pytest.raises(ApiMisuse):
        alice.call.send(AppData("x", bytes(most + 1)))
    assert alice.session._control.unacknowledged == 1
    # and what is longer is not even looked at
    seen = bob.session._control._epochs[0]._seen
    bob.take(longest[-1] + b"\0")
    assert [type(error) for error in bob.refusals] == [MalformedMessage]
    assert bob.session._control._epochs[0]._seen == seen


# ---------------------------------------------------------------------------------------------------- after the end


@pytest.mark.clause("epoch.3-2", "control.3-1")
@pytest.mark.parametrize("end", ["end", "stop"])
def test_nothing_can_be_asked_of_a_session_that_is_over(end):
    alice, bob, _ = call()
    late = bob.session._control._sending
    alice.call.end() if end == "end" else alice.call.stop("the rows differ")
    session, now = alice.session, alice.now
    for act in (
        partial(session.send, Chat("x")),
        partial(session.rekey, now),
        partial(session.transport_changed, now),
        partial(session.records_to_send, now),
        partial(session.hang_up, Bye(), now),
        partial(session.receive, b"\0" * 40, now),
    ):
        misused(act)
    misused(session.frame_keys, "frame.5-6")
    assert session._rekey.position is Position.STEADY  # no half was made
    assert session.handle_timer(now) == []
    assert session.next_timer(now) == math.inf
    assert late._receive is not None


@pytest.mark.clause("control.3-1")
def test_a_session_that_hung_up_sends_and_takes_nothing_more():
    alice, bob, _ = call()
    bob.call.send(Chat("too late"))
    alice.session.hang_up(Bye(), alice.now)
    misused(partial(alice.session.send, Chat("x")))
    misused(partial(alice.session.hang_up, Bye(), alice.now))
    misused(partial(alice.session.receive, bob.send()[-1][1:], alice.now))
    alice.session.wipe()


@pytest.mark.clause("epoch.3-2")
def test_the_end_takes_the_librarys_copies_of_the_control_keys_too():
    """The object of the call may live on; the AEAD objects in it may not."""
    alice, bob, sim = call()
    bob.call.send(Chat("x"))
    late = bob.send()[-1][1:]
    sim.do(alice, lambda: alice.call.rekey(alice.now))
    assert sim.run(sim.now + 1, lambda: len(bob.session._control._epochs) == 2)
    for person in (alice, bob):
        control = person.session._control
        every = [control._sending, *control._epochs.values()]
        person.call.end()
        assert {(each._send, each._receive) for each in every} == {(None, None)}
        with pytest.raises(ApiMisuse):
            control.receive(late)
        with pytest.raises(ApiMisuse):
            control._sending.seal(None)


@pytest.mark.clause("control.3-1")
@pytest.mark.parametrize("reason", [99, 0, "busy", None])
def test_a_call_ends_for_a_known_reason(reason):
    alice, _, _ = call()
    misused(partial(alice.call.end, reason), "control.3-1")
    assert alice.call.established


def test_what_comes_after_the_end_is_counted():
    alice, bob, _ = call()
    bob.call.send(Chat("x"))
    late = bob.send()
    alice.call.end()
    before = alice.call.ignored
    for message in late:
        assert alice.call.receive(message, alice.now) == []
    assert alice.call.ignored == before + len(late) > before


# ------------------------------------------------------------------------------------------------- copies, and children


def states():
    """Every state that may be used once, and what numbers records, fresh each time."""
    offer = make_offer(signer("alice"), bytes(16), SeededRng("a"), suites=[Suite.X25519])
    asked = make_offer(signer("alice"), bytes(16), SeededRng("b"), suites=[Suite.X25519])
    answered = receive_offer(asked.offer, signer("bob"), SeededRng("c"), suites=[Suite.X25519])
    reveal = asked.receive_answer(answered.answer, Profile())
    ringing = receive_offer(asked.offer, signer("bob"), SeededRng("c"), suites=[Suite.X25519]).receive_reveal(
        reveal.reveal
    )
    alice, _bob, sim = call()
    sim.do(alice, lambda: alice.call.rekey(alice.now))
    started = alice.session._rekey._started
    return [offer, answered, reveal, ringing, started, alice.session._control._sending, alice.session, alice.call]


@pytest.mark.clause("kex.6-1", "frame.5-3", "control.2-1")
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_no_state_of_a_call_can_be_copied(copied):
    """A copy would open one commitment twice, or seal two records under one number."""
    for state in states():
        with pytest.raises(ApiMisuse):
            copied(state)


def in_a_child(act):
    """What `act` gives in a forked child, "refused" where that is ApiMisuse."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later: this process may have threads
        child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            os.write(writing, act() or b"nothing")
        except ApiMisuse:
            os.write(writing, b"refused")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return said


@pytest.mark.clause("control.2-1")
def test_a_forked_child_seals_no_record():
    """Else parent and child use one nonce for two records, and AES-GCM gives its authentication key away."""
    alice, _bob, _ = call()
    alice.send()

    def chat(text):
        alice.call.send(Chat(text))
        return b"".join(alice.send())

    sending = alice.session._control._sending
    assert in_a_child(partial(chat, "from the child")) == b"refused"
    assert in_a_child(lambda: sending.seal(None)) == b"refused"
    assert in_a_child(lambda: sending.open(bytes(40))) == b"refused"
    assert in_a_child(lambda: str(alice.call.established).encode()) == b"False"
    assert chat("from the parent")
    assert alice.call.established


@pytest.mark.clause("kex.6-1")
def test_a_forked_child_opens_no_commitment_and_accepts_no_call():
    alice, bob = Person("alice", suites=[Suite.X25519]), Person("bob", suites=[Suite.X25519], answers=False)
    offer = make_offer(signer("alice"), bytes(16), SeededRng("a"), suites=[Suite.X25519])
    answered = receive_offer(offer.offer, signer("bob"), SeededRng("c"), suites=[Suite.X25519])
    assert in_a_child(lambda: offer.receive_answer(answered.answer, Profile()).reveal) == b"refused"
    _, _, m3 = exchanged(alice, bob)
    bob.take(m3)
    ringing = bob.call._attempt._state
    assert in_a_child(lambda: ringing.accept(Profile())[0]) == b"refused"
    assert offer.receive_answer(answered.answer, Profile()).reveal


# ---------------------------------------------------------------------------------------------------------- the example


def test_chat_is_handed_on_as_it_came_and_says_so():
    """Control characters are the screen's affair: nothing of an authenticated text is changed on the way."""
    alice, bob, world = established()
    alice.call.send(Chat("\x1b[2J\0\u202e"))
    world.run()
    assert bob.all(PeerSaid)[-1].message.text == "\x1b[2J\0\u202e"
