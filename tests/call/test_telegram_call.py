"""A call by Telegram's protocol between two sides in memory: what is told, what is refused, and when it is over."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.call.events import AttemptAbandoned, CallEnded, EndReason, MessageRefused, PeerHeard, PeerSilent
from e2ecall.call.telegram import (
    IncomingTelegramCall,
    PeerRinging,
    PeerSignal,
    TelegramCall,
    TelegramCallEstablished,
)
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import (
    ApiMisuse,
    MalformedMessage,
    PeerIncompatible,
    PeerMisbehaved,
    VerificationFailed,
)
from e2ecall.handshake import AbortReason, Role
from e2ecall.handshake.telegram import Group, accept_call, request_call
from e2ecall.handshake.telegram.messages import (
    Accept,
    Confirm,
    Discard,
    Received,
    Request,
    build_message,
    parse_message,
)
from e2ecall.handshake.telegram.signalling import UnknownSignal
from e2ecall.identity.continuity import Method
from e2ecall.sas import emoji
from e2ecall.wire.control import Channel, in_envelope, open_envelope

RNG = SystemRng()
SIGNAL = UnknownSignal("Hello", extra={"n": 1})


class Side:
    """One side, its clock, and everything that it was told."""

    def __init__(self, *, answers=True, **arguments):
        self.call = TelegramCall(RNG, **arguments)
        self.answers = answers
        self.now = 0.0
        self.events = []

    def handle(self, events):
        for event in events:
            self.events.append(event)
            if isinstance(event, IncomingTelegramCall) and self.answers:
                self.handle(self.call.accept(self.now))

    def take(self, data):
        self.handle(self.call.receive(data, self.now))

    def tick(self, seconds):
        self.now += seconds
        self.handle(self.call.handle_timer(self.now))

    def says(self):
        return self.call.messages_to_send(self.now)

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def result(self):
        return self.all(TelegramCallEstablished)[0].result


def carry(alice, bob):
    """Whatever both say, until nobody says anything."""
    while messages := [(bob, each) for each in alice.says()] + [(alice, each) for each in bob.says()]:
        for receiver, message in messages:
            receiver.take(message)


def established(**arguments):
    alice, bob = Side(**arguments), Side(**arguments)
    alice.call.call(0.0)
    carry(alice, bob)
    return alice, bob


def exchange(message):
    return in_envelope(Channel.EXCHANGE, build_message(message))


def content(data):
    return parse_message(open_envelope(data)[1])


def ringing():
    """(a callee that rings, the state of the caller who is this test, its request)."""
    bob = Side(answers=False)
    state = request_call(Group.known(), RNG)
    request = Request(b"c" * 16, ("9.0.0",), state.g_a_hash)
    bob.take(exchange(request))
    bob.says()
    return bob, state, request


@pytest.mark.clause("telegram.6-3", "telegram.6-5")
def test_a_call_is_established_and_both_have_the_same_emoji():
    alice, bob = established()
    assert [type(each) for each in alice.events] == [PeerRinging, TelegramCallEstablished]
    assert [type(each) for each in bob.events] == [IncomingTelegramCall, TelegramCallEstablished]
    assert (alice.result.role, bob.result.role) == (Role.CALLER, Role.CALLEE)
    assert emoji(alice.result.sas) == emoji(bob.result.sas)
    assert alice.call.established
    assert bob.call.established
    assert alice.all(TelegramCallEstablished)[0].version == "9.0.0"


def test_the_views_of_a_comparison_work_with_it():
    alice, bob = established()
    with pytest.raises(ApiMisuse):
        _ = Side().call.comparison
    caller, callee = alice.call.comparison, bob.call.comparison
    caller.begin(Method.EMOJI)
    callee.begin(Method.EMOJI)
    read = caller.own_row()
    callee.pick(callee.rows().index(read))
    caller.own_read()
    caller.pick(caller.rows().index(callee.own_row()))
    callee.own_read()
    assert caller.state == callee.state == "match"
    assert alice.call.comparison is caller


def test_a_failed_comparison_stops_the_call():
    alice, _ = established()
    comparison = alice.call.comparison
    comparison.begin(Method.EMOJI)
    comparison.own_read()
    with pytest.raises(VerificationFailed):
        comparison.none_of_these()
    assert [each.reason for each in alice.call.stop("the emoji differ")] == [EndReason.STOPPED]
    assert not alice.call.stop("again")
    with pytest.raises(ApiMisuse):
        alice.call.send(SIGNAL)


@pytest.mark.parametrize("confirmed", [True, False])
def test_signals_go_both_ways(confirmed):
    alice, bob = established()
    alice.call.send(SIGNAL, confirmed=confirmed)
    bob.call.send(UnknownSignal("Other"), confirmed=confirmed)
    carry(alice, bob)
    assert [each.signal for each in bob.all(PeerSignal)] == [SIGNAL]
    assert [each.signal.kind for each in alice.all(PeerSignal)] == ["Other"]
    assert alice.call.refused == bob.call.refused == 0


@pytest.mark.clause("telegram.6-7")
@pytest.mark.parametrize("lost", range(4))
def test_every_message_of_the_exchange_may_be_lost_once(lost):
    alice, bob = Side(), Side()
    alice.call.call(0.0)
    number = 0
    for _ in range(40):
        messages = [(bob, each) for each in alice.says()] + [(alice, each) for each in bob.says()]
        for receiver, message in messages:
            if number != lost:
                receiver.take(message)
            number += 1
        alice.tick(0.25)
        bob.tick(0.25)
    assert number >= 4
    assert alice.result.sas == bob.result.sas
    assert not alice.all(MessageRefused)
    assert not bob.all(MessageRefused)


@pytest.mark.clause("telegram.6-5")
def test_repeated_messages_are_answered_as_before():
    bob, state, request = ringing()
    bob.take(exchange(request))
    assert [content(each) for each in bob.says()] == [Received(request.call_id)]
    bob.call.accept(bob.now)
    (accept,) = bob.says()
    bob.take(exchange(request))
    assert bob.says() == [accept]
    confirmation = state.receive_accept(content(accept).g_b)
    confirm = exchange(Confirm(request.call_id, confirmation.g_a, confirmation.key_fingerprint))
    bob.take(confirm)
    assert bob.result.sas == confirmation.result.sas
    bob.take(confirm)
    assert [type(each.error) for each in bob.all(MessageRefused)] == [PeerMisbehaved]
    assert bob.call.established


@pytest.mark.clause("telegram.6-2")
@pytest.mark.parametrize("swapped", [False, True])
def test_of_crossed_requests_the_smaller_is_the_callers(swapped):
    alice, bob = Side(), Side()
    alice.call.call(0.0)
    bob.call.call(0.0)
    (one,), (two,) = alice.says(), bob.says()
    first, second = (bob, one), (alice, two)
    for receiver, message in (second, first) if swapped else (first, second):
        receiver.take(message)
    carry(alice, bob)
    smaller = min(one, two, key=lambda each: hashlib.sha256(open_envelope(each)[1]).digest())
    assert (alice.result.role is Role.CALLER) is (smaller is one)
    assert alice.result.sas == bob.result.sas
    assert {alice.result.role, bob.result.role} == set(Role)


@pytest.mark.clause("telegram.6-2", "telegram.6-4")
@pytest.mark.parametrize("taken", [False, True])
def test_another_request_is_refused_while_one_rings_or_is_taken(taken):
    bob, _, request = ringing()
    if taken:
        bob.call.accept(bob.now)
        bob.says()
    bob.take(exchange(Request(b"d" * 16, request.versions, bytes(32))))
    assert bob.says() == []
    (refused,) = bob.all(MessageRefused)
    assert refused.error.clause == "telegram.6-2"
    assert not refused.fatal


@pytest.mark.clause("telegram.6-4")
def test_no_value_leaves_before_the_person_takes_the_call():
    bob, _, _ = ringing()
    for _ in range(20):
        bob.tick(1.0)
        assert not [each for each in bob.says() if isinstance(content(each), Accept)]
    with pytest.raises(ApiMisuse):
        Side().call.accept(0.0)


@pytest.mark.clause("telegram.2-4", "telegram.6-6")
def test_another_opening_than_the_committed_one_ends_the_call():
    bob, _, request = ringing()
    bob.call.accept(bob.now)
    g_b = content(bob.says()[0]).g_b
    other = request_call(Group.known(), RNG).receive_accept(g_b)
    bob.take(exchange(Confirm(request.call_id, other.g_a, other.key_fingerprint)))
    refused, abandoned, ended = bob.events[-3:]
    assert isinstance(refused.error, VerificationFailed)
    assert refused.fatal
    assert isinstance(abandoned, AttemptAbandoned)
    assert abandoned.answers == 1
    assert ended.reason is EndReason.REFUSED
    assert bob.call.ended
    assert [content(each).reason for each in bob.says()] == [AbortReason.FAILED]


@pytest.mark.clause("telegram.2-3")
def test_a_refused_value_of_the_callee_spends_nothing():
    alice = Side()
    alice.call.call(0.0)
    request = content(alice.says()[0])
    for g_b in (b"\x01", bytes(256), Group.known().p.to_bytes(256, "big")):
        alice.take(exchange(Accept(request.call_id, "9.0.0", g_b)))
        assert not alice.all(MessageRefused)[-1].fatal
        assert alice.says() == []
    callee = accept_call(request.g_a_hash, Group.known(), RNG)
    alice.take(exchange(Accept(request.call_id, "9.0.0", callee.g_b)))
    confirm = content(alice.says()[0])
    assert callee.receive_confirm(confirm.g_a, confirm.key_fingerprint).sas == alice.result.sas


@pytest.mark.clause("telegram.6-2")
def test_without_a_common_version_there_is_no_call():
    alice, bob = Side(versions=("13.0.0",)), Side()
    alice.call.call(0.0)
    carry(alice, bob)
    assert [type(each.error) for each in bob.all(MessageRefused)] == [PeerIncompatible]
    assert [each.reason for each in alice.all(CallEnded)] == [EndReason.ABORTED]
    assert not bob.all(IncomingTelegramCall)


@pytest.mark.clause("telegram.6-2")
def test_a_version_that_was_not_offered_is_refused():
    alice = Side()
    alice.call.call(0.0)
    request = content(alice.says()[0])
    g_b = accept_call(request.g_a_hash, Group.known(), RNG).g_b
    alice.take(exchange(Accept(request.call_id, "13.0.0", g_b)))
    assert isinstance(alice.all(MessageRefused)[0].error, PeerIncompatible)
    assert alice.says() == []
    assert not alice.call.established


@pytest.mark.clause("telegram.6-2")
@pytest.mark.parametrize("versions", [(), ("",), ("x" * 17,), ("é",), ("a\n",), ("1", "1"), tuple("abcdefghijklmnopq")])
def test_versions_that_no_reader_takes_are_this_programs_mistake(versions):
    with pytest.raises(ApiMisuse):
        TelegramCall(RNG, versions=versions)


@pytest.mark.clause("telegram.6-2")
@pytest.mark.parametrize(
    "versions", [b"\x00", b"\x01\x00", b"\x01\x01\xff", b"\x02\x011\x011", b"\x01\x11" + b"x" * 17]
)
def test_a_request_with_such_versions_is_refused(versions):
    with pytest.raises(MalformedMessage):
        parse_message(b"\x54\x01" + bytes(16) + versions + bytes(32))


@pytest.mark.clause("telegram.6-1")
@pytest.mark.parametrize(
    "message", [Received(b"x" * 16), Discard(b"x" * 16, AbortReason.BUSY), Confirm(b"x" * 16, b"1", 0)]
)
def test_messages_of_another_call_change_nothing(message):
    alice = Side()
    alice.call.call(0.0)
    alice.says()
    alice.take(exchange(message))
    assert alice.all(MessageRefused)[0].error.clause == "telegram.6-1"
    assert not alice.call.ended


@pytest.mark.clause("telegram.6-1")
def test_a_packet_before_the_key_and_another_exchange_are_refused():
    alice = Side()
    for data in (
        b"",
        b"\x01",
        in_envelope(Channel.CONTROL, bytes(40)),
        in_envelope(Channel.EXCHANGE, b"\x01\x01" * 30),
    ):
        alice.take(data)
    assert [type(each.error) for each in alice.all(MessageRefused)] == [
        MalformedMessage,
        MalformedMessage,
        PeerMisbehaved,
        PeerIncompatible,
    ]
    assert alice.call.refused == 4


@pytest.mark.clause("telegram.6-6")
def test_the_end_is_told_as_what_it_is_and_the_key_is_erased():
    alice, bob = established()
    key = bob.result.key
    alice.call.end()
    carry(alice, bob)
    (ended,) = bob.all(CallEnded)
    assert ended.reason is EndReason.ABORTED
    assert not ended.authenticated
    for side in (alice, bob):
        assert side.call.ended
        assert not side.call.established
        with pytest.raises(ApiMisuse):
            side.call.send(SIGNAL)
        assert side.says() == []
        assert side.call.next_timer(side.now) is None
    with pytest.raises(ApiMisuse):
        key.expose()
    bob.take(b"anything")
    assert bob.call.ignored == 1


@pytest.mark.clause("telegram.6-7")
def test_whatever_is_waited_for_has_a_limit():
    alice = Side()
    alice.call.call(0.0)
    alice.tick(30.0)
    assert [each.reason for each in alice.all(CallEnded)] == [EndReason.NO_ANSWER]

    bob, _, _ = ringing()
    bob.tick(59.9)
    assert not bob.call.ended
    bob.tick(0.1)
    assert [each.reason for each in bob.all(CallEnded)] == [EndReason.NO_ANSWER]

    carol, _, _ = ringing()
    carol.call.accept(0.0)
    carol.tick(15.0)
    assert [each.reason for each in carol.all(CallEnded)] == [EndReason.NO_PROOF]
    assert len(carol.all(AttemptAbandoned)) == 1


@pytest.mark.clause("telegram.6-8")
def test_silence_is_told_and_then_the_call_is_lost():
    alice, bob = established()
    alice.call.send(SIGNAL)
    alice.tick(10.0)
    assert [each.seconds for each in alice.all(PeerSilent)] == [10.0]
    carry(alice, bob)
    bob.tick(5.0)
    carry(alice, bob)
    assert len(alice.all(PeerHeard)) == 1

    alice.call.send(SIGNAL)
    for _ in range(600):
        due = alice.call.next_timer(alice.now)
        if due is None:
            break
        alice.tick(max(0.0, due - alice.now))
        alice.says()
    assert [each.reason for each in alice.all(CallEnded)] == [EndReason.LOST]
    assert alice.now < 100


def test_nothing_is_lost_where_nothing_waits():
    alice, _ = established()
    alice.tick(3600.0)
    assert not alice.call.ended
    assert not alice.all(PeerSilent)


def test_a_signal_that_is_none_is_refused_and_the_call_goes_on():
    alice, bob = established()
    alice.call._channel.send(b"{not json", alice.now)
    alice.call.send(SIGNAL)
    carry(alice, bob)
    assert [type(each.error) for each in bob.all(MessageRefused)] == [MalformedMessage]
    assert [each.signal for each in bob.all(PeerSignal)] == [SIGNAL]


def test_the_order_of_acts_is_held():
    alice, _ = established()
    with pytest.raises(ApiMisuse):
        alice.call.call(alice.now)
    with pytest.raises(ApiMisuse):
        Side().call.send(SIGNAL)
    with pytest.raises(ApiMisuse):
        alice.call.end("because")
    with pytest.raises(ApiMisuse):
        alice.call.receive("text", alice.now)
    ended = Side()
    ended.call.end()
    with pytest.raises(ApiMisuse):
        ended.call.call(0.0)


MESSAGES = [
    Request(b"c" * 16, ("9.0.0", "8.0.0"), b"h" * 32),
    Received(b"c" * 16),
    Accept(b"c" * 16, "9.0.0", b"\x01" * 256),
    Confirm(b"c" * 16, b"\x02" * 255, -5),
    Discard(b"c" * 16, AbortReason.BUSY),
]


@pytest.mark.clause("telegram.6-1")
@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: each.type.name)
def test_a_message_is_read_as_it_was_written_and_no_part_of_it_is(message):
    data = build_message(message)
    assert data[:18] == bytes([0x54, message.type]) + b"c" * 16
    assert parse_message(data) == message
    for wrong in [*(data[:length] for length in range(len(data))), data + b"\0"]:
        with pytest.raises(MalformedMessage):
            parse_message(wrong)


def test_an_unknown_reason_is_no_reason_to_refuse():
    assert parse_message(build_message(MESSAGES[-1])[:-1] + b"\xff").reason is AbortReason.UNSPECIFIED


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(range(5)), st.integers(0, 300), st.integers(1, 255)), max_size=6))
def test_hostile_messages_are_events_and_nothing_else(changes):
    side = Side()
    for which, at, change in changes:
        data = bytearray(exchange(MESSAGES[which]))
        data[at % len(data)] ^= change
        side.take(bytes(data))
        side.says()
    assert not side.call.established


@pytest.mark.clause("telegram.6-8")
def test_any_packet_is_a_sign_of_life():
    alice, bob = established()
    alice.call.send(SIGNAL)
    alice.says()  # lost, and so are its repetitions
    alice.tick(6.0)
    alice.says()
    bob.call.send(SIGNAL, confirmed=False)
    for message in bob.says():
        alice.take(message)
    alice.tick(6.0)
    assert not alice.all(PeerSilent)
    alice.tick(4.0)
    assert len(alice.all(PeerSilent)) == 1
