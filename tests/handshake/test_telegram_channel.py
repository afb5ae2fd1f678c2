"""Telegram's packets in sequence: acknowledgements, repetitions, windows and limits, byte by byte and on a bad line."""

import contextlib
import copy
import random

import pytest

from e2ecall.errors import (
    ApiMisuse,
    CounterExhausted,
    MalformedMessage,
    PeerMisbehaved,
    TransportFailed,
    VerificationFailed,
)
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Kind, PacketKeys
from e2ecall.handshake.telegram.channel import LIMITS, MAX_COUNTER, MAX_UNACKNOWLEDGED, PacketChannel
from e2ecall.secret import SecretBytes

KEY = SecretBytes(bytes(range(256)))
ACKS, SINGLE = 1 << 30, 1 << 31


def keys(role, kind=Kind.SIGNALLING):
    return PacketKeys(KEY, role, kind)


def channel(role, kind=Kind.SIGNALLING):
    return PacketChannel(keys(role, kind), kind)


def pair(kind=Kind.SIGNALLING):
    return channel(Role.CALLER, kind), channel(Role.CALLEE, kind)


def custom(seq, payload=b""):
    return seq.to_bytes(4, "big") + b"\x7f" + len(payload).to_bytes(4, "big") + payload


def ack(seq):
    return seq.to_bytes(4, "big") + b"\xff"


def empty(seq):
    return seq.to_bytes(4, "big") + b"\xfe"


def from_caller(*messages):
    return keys(Role.CALLER).seal(b"".join(messages))


def bodies(sender, now, role=Role.CALLER):
    return [keys(role.other).open(packet) for packet in sender.packets_to_send(now)]


# --------------------------------------------------------------------------------------------------------- what is sent


@pytest.mark.clause("telegram.4-4", "telegram.4-8")
def test_the_first_message_leaves_alone_and_wants_an_acknowledgement():
    sender = channel(Role.CALLER)
    sender.send(b"hello", 0.0)
    assert bodies(sender, 0.0) == [custom(1 | ACKS, b"hello")]
    assert bodies(sender, 0.0) == []


@pytest.mark.clause("telegram.4-8")
def test_a_second_one_takes_the_first_along_behind_an_empty_message():
    sender = channel(Role.CALLER)
    sender.send(b"1", 0.0)
    sender.send(b"2", 0.1)
    both = custom(1 | ACKS, b"1") + custom(2 | ACKS, b"2")
    assert bodies(sender, 0.1) == [custom(1 | ACKS, b"1"), empty(3) + both]


@pytest.mark.clause("telegram.4-4")
def test_an_unconfirmed_message_is_single_or_has_the_acknowledgements_behind_it():
    sender, receiver = pair()
    sender.send(b"a", 0.0, confirmed=False)
    assert bodies(sender, 0.0) == [custom(1 | SINGLE, b"a")]
    assert sender.next_timer == float("inf")
    receiver.send(b"b", 0.0)
    (packet,) = receiver.packets_to_send(0.0)
    assert sender.receive(packet, 0.0) == [b"b"]
    assert bodies(sender, 0.0) == [empty(2) + ack(1 | ACKS)]
    sender.receive(keys(Role.CALLEE).seal(empty(2) + custom(1 | ACKS, b"b")), 0.0)
    sender.send(b"c", 0.1, confirmed=False)
    assert bodies(sender, 0.1) == [custom(3, b"c") + ack(1 | ACKS)]


@pytest.mark.clause("telegram.4-8")
@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_acknowledged_comes_again_at_the_declared_times(kind):
    sender = channel(Role.CALLER, kind)
    sender.send(b"x", 10.0)
    assert len(sender.packets_to_send(10.0)) == 1
    again = 10.0 + LIMITS[kind].resend_max
    assert sender.next_timer == again
    assert sender.packets_to_send(again - 0.01) == []
    (packet,) = sender.packets_to_send(again)
    assert keys(Role.CALLEE, kind).open(packet) == empty(2) + custom(1 | ACKS, b"x")
    assert sender.next_timer == again + LIMITS[kind].resend_max


@pytest.mark.clause("telegram.4-8")
def test_an_acknowledged_message_does_not_come_again():
    sender, receiver = pair()
    sender.send(b"x", 0.0)
    (packet,) = sender.packets_to_send(0.0)
    assert receiver.receive(packet, 0.0) == [b"x"]
    (answer,) = receiver.packets_to_send(0.0)
    assert keys(Role.CALLER).open(answer) == empty(1) + ack(1 | ACKS)
    assert sender.receive(answer, 0.0) == []
    assert sender.unacknowledged == 0
    assert sender.next_timer == receiver.next_timer == float("inf")


@pytest.mark.clause("telegram.4-8")
def test_an_acknowledgement_of_something_else_acknowledges_nothing():
    sender = channel(Role.CALLER)
    sender.send(b"x", 0.0)
    for counter, seq in enumerate((1, 2, 2 | ACKS), start=1):  # the whole sequence number counts, with its bit
        sender.receive(keys(Role.CALLEE).seal(empty(counter) + ack(seq)), 0.0)
    assert sender.unacknowledged == 1


@pytest.mark.clause("telegram.4-9")
@pytest.mark.parametrize(("kind", "most"), [(Kind.SIGNALLING, 16384), (Kind.TRANSPORT, 1452)])
def test_the_longest_message(kind, most):
    sender, receiver = pair(kind)
    longest = most - 16 - 4 - 1 - 4
    with pytest.raises(ApiMisuse):
        sender.send(bytes(longest + 1), 0.0)
    sender.send(bytes(longest), 0.0)
    (packet,) = sender.packets_to_send(0.0)
    assert len(packet) == most
    assert receiver.receive(packet, 0.0) == [bytes(longest)]


@pytest.mark.clause("telegram.4-9")
def test_packets_keep_to_their_limit_whatever_waits():
    sender, receiver = pair()
    for number in range(40):
        sender.send(bytes([number]) * 1000, 0.0)
    arrived = []
    for second in range(60):
        for packet in sender.packets_to_send(float(second)):
            assert len(packet) <= 16384
            arrived += receiver.receive(packet, float(second))
        for packet in receiver.packets_to_send(float(second)):
            sender.receive(packet, float(second))
    assert [each[0] for each in arrived] == list(range(40))
    assert sender.unacknowledged == 0


@pytest.mark.clause("telegram.4-9")
def test_too_many_without_an_acknowledgement():
    sender = channel(Role.CALLER)
    sender.send(b"x", 0.0)
    sender._unacknowledged *= MAX_UNACKNOWLEDGED
    with pytest.raises(TransportFailed):
        sender.send(b"y", 0.0)


@pytest.mark.clause("telegram.4-4")
def test_the_counter_ends():
    sender = channel(Role.CALLER)
    sender._counter = MAX_COUNTER - 1
    sender.send(b"last", 0.0, confirmed=False)
    assert bodies(sender, 0.0) == [custom(MAX_COUNTER | SINGLE, b"last")]
    with pytest.raises(CounterExhausted):
        sender.send(b"one more", 0.0)
    assert sender.packets_to_send(0.0) == []


# ----------------------------------------------------------------------------------------------------- what is received


@pytest.mark.clause("telegram.4-5")
def test_a_packet_counts_once():
    receiver = channel(Role.CALLEE)
    packet = from_caller(custom(1 | SINGLE, b"x"))
    assert receiver.receive(packet, 0.0) == [b"x"]
    with pytest.raises(PeerMisbehaved) as caught:
        receiver.receive(packet, 0.0)
    assert caught.value.clause == "telegram.4-5"


@pytest.mark.clause("telegram.4-6")
def test_the_window():
    receiver = channel(Role.CALLEE)
    assert receiver.receive(from_caller(custom(100, b"a")), 0.0) == [b"a"]
    assert receiver.receive(from_caller(custom(37, b"b")), 0.0) == [b"b"]
    for counter in (36, 1):
        with pytest.raises(PeerMisbehaved) as caught:
            receiver.receive(from_caller(custom(counter, b"c")), 0.0)
        assert caught.value.clause == "telegram.4-6"
    for counter in range(200, 2000):  # memory stays small, and the window goes along
        receiver.receive(from_caller(custom(counter)), 0.0)
    assert len(receiver._seen) <= 129
    with pytest.raises(PeerMisbehaved):
        receiver.receive(from_caller(custom(1999 - 63)), 0.0)


@pytest.mark.clause("telegram.4-5", "telegram.4-8")
def test_a_message_that_comes_again_in_another_packet_is_taken_once_and_acknowledged_again():
    receiver = channel(Role.CALLEE)
    message = custom(1 | ACKS, b"x")
    assert receiver.receive(from_caller(message), 0.0) == [b"x"]
    assert bodies(receiver, 0.0, Role.CALLEE) == [empty(1) + ack(1 | ACKS)]
    assert receiver.receive(from_caller(empty(2), message), 1.0) == []
    assert bodies(receiver, 1.0, Role.CALLEE) == []
    assert receiver.next_timer == 6.0
    assert bodies(receiver, 6.0, Role.CALLEE) == [empty(2) + ack(1 | ACKS)]
    assert receiver.next_timer == float("inf")


@pytest.mark.clause("telegram.4-5")
def test_an_old_repetition_that_comes_late_is_not_taken_again():
    receiver = channel(Role.CALLEE)
    receiver.receive(from_caller(custom(1 | ACKS, b"old")), 0.0)
    late = from_caller(empty(2), custom(1 | ACKS, b"old"))
    assert receiver.receive(from_caller(custom(3 | ACKS, b"new")), 0.0) == [b"new"]
    assert receiver.receive(late, 0.0) == []


@pytest.mark.clause("telegram.4-5")
def test_an_unconfirmed_message_behind_another_is_taken_once():
    receiver = channel(Role.CALLEE)
    assert receiver.receive(from_caller(custom(1, b"a"), custom(2, b"b")), 0.0) == [b"a", b"b"]
    assert receiver.receive(from_caller(custom(3, b"c"), custom(2, b"b")), 0.0) == [b"c"]


BAD = {
    "counter 0": custom(0),
    "unknown type": b"\x00\x00\x00\x01\x05",
    "acknowledgement first": ack(1),
    "empty later": empty(1) + empty(2),
    "single later": custom(1) + custom(2 | SINGLE),
    "single and more": custom(1 | SINGLE) + custom(2),
    "a rest of 1 byte": custom(1) + b"\x00",
    "a rest of 4 bytes": custom(1) + b"\x00\x00\x00\x02",
    "too long": b"\x00\x00\x00\x01\x7f\x00\x00\x00\x02x",
    "far too long": b"\x00\x00\x00\x01\x7f\xff\xff\xff\xffx",
    "no length": b"\x00\x00\x00\x01\x7f",
    "half a length": b"\x00\x00\x00\x01\x7f\x00\x00",
}


@pytest.mark.clause("telegram.4-7")
@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bodies_that_are_refused_whole(body):
    receiver = channel(Role.CALLEE)
    receiver.send(b"waits", 0.0)
    receiver.packets_to_send(0.0)
    with pytest.raises(MalformedMessage):
        receiver.receive(from_caller(body), 0.0)
    assert bodies(receiver, 0.0, Role.CALLEE) == []
    assert receiver.receive(from_caller(custom(9, b"good")), 0.0) == [b"good"]


@pytest.mark.clause("telegram.4-7")
def test_nothing_of_a_refused_packet_has_an_effect():
    receiver = channel(Role.CALLEE)
    receiver.send(b"waits", 0.0)
    with pytest.raises(MalformedMessage):
        receiver.receive(from_caller(custom(1 | ACKS, b"x"), ack(1 | ACKS), b"\x00"), 0.0)
    assert receiver.unacknowledged == 1
    assert receiver.receive(from_caller(empty(2), custom(1 | ACKS, b"x")), 0.0) == [b"x"]


@pytest.mark.clause("telegram.4-2", "telegram.4-3")
def test_an_own_packet_reflected_is_refused_and_does_not_count():
    sender, receiver = pair()
    sender.send(b"x", 0.0)
    (packet,) = sender.packets_to_send(0.0)
    with pytest.raises(VerificationFailed):
        sender.receive(packet, 0.0)
    with pytest.raises(VerificationFailed):
        receiver.receive(bytes([packet[0] ^ 1]) + packet[1:], 0.0)
    assert receiver.receive(packet, 0.0) == [b"x"]


@pytest.mark.clause("telegram.4-4")
def test_a_channel_is_not_copied_and_after_its_end_each_act_is_an_error():
    sender = channel(Role.CALLER)
    sender.send(b"x", 0.0)
    with pytest.raises(ApiMisuse):
        copy.copy(sender)
    sender.disable_after_fork()
    assert sender.packets_to_send(9.0) == []
    with pytest.raises(ApiMisuse):
        sender.send(b"y", 0.0)
    with pytest.raises(ApiMisuse):
        sender.receive(bytes(21), 0.0)


# ---------------------------------------------------------------------------------------------------------- a bad line


@pytest.mark.clause("telegram.4-5", "telegram.4-8")
@pytest.mark.parametrize("seed", range(12))
def test_every_confirmed_message_arrives_once_and_in_order_over_a_line_that_loses_repeats_and_reorders(seed):
    source = random.Random(seed)
    ends = pair(source.choice(list(Kind)))
    wanted = [[f"{side}:{number}".encode() for number in range(60)] for side in (0, 1)]
    waiting = [list(each) for each in wanted]
    arrived = [[], []]
    line = []
    now = 0.0
    while now < 600 and (any(waiting) or any(end.unacknowledged for end in ends)):
        now += 0.1
        for side, end in enumerate(ends):
            if waiting[side] and source.random() < 0.3:
                end.send(waiting[side].pop(0), now)
            for packet in end.packets_to_send(now):
                for _ in range(source.choice((0, 0, 1, 1, 1, 1, 2))):
                    line.append((now + source.random() * 2, 1 - side, packet))
        source.shuffle(line)
        due, line = [each for each in line if each[0] <= now], [each for each in line if each[0] > now]
        for _, side, packet in due:
            with contextlib.suppress(PeerMisbehaved):  # it came before, or much too late
                arrived[side] += ends[side].receive(packet, now)
    assert arrived == wanted[::-1]
    assert [end.unacknowledged for end in ends] == [0, 0]
