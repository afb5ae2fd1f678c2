"""control.2: messages over the records of several epochs: taken once, repeated until acknowledged."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.call.control import LAST_ID, UNCONFIRMED, ControlChannel
from e2ecall.call.records import Body
from e2ecall.errors import ApiMisuse, CounterExhausted, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import ControlKeys, Role
from e2ecall.secret import SecretBytes
from e2ecall.wire.control import ControlType
from e2ecall.wire.tlv import encode_tlv

CHAT = ControlType.CHAT
UNKNOWN = 200


def keys(epoch=0, attempt=0):
    return ControlKeys(
        *(SecretBytes(bytes([n, attempt]) + epoch.to_bytes(size - 2)) for n, size in enumerate((32, 12, 32, 12)))
    )


def pair():
    return ControlChannel(keys(), Role.CALLER), ControlChannel(keys(), Role.CALLEE)


def chats(channel, *numbers):
    for number in numbers:
        channel.send(CHAT, {1: number.to_bytes(4)})


def numbers_taken(channel, data):
    """What one record gave: the numbers of the chats in it, none for a repetition or an acknowledgement."""
    message = channel.receive(data)
    return [] if message is None else [int.from_bytes(message.fields[1])]


def acknowledge(sender, receiver, now=0.0):
    for data in receiver.records_to_send(now):
        assert sender.receive(data) is None


@pytest.mark.clause("control.2-6", "control.2-7")
def test_a_message_is_sent_again_under_its_id_until_it_is_acknowledged():
    caller, callee = pair()
    chats(caller, 7)
    (first,) = caller.records_to_send(0.0)
    due = []
    for quarter in range(1, 100):
        for data in caller.records_to_send(quarter / 4):
            due.append(quarter / 4)
            last = data
    assert due == [1.0, 3.0, 7.0, 15.0, 23.0]
    assert first != last
    assert first[1:9] == bytes(8)
    assert int.from_bytes(last[1:9]) == 5  # another record each time: the number of a record is never used twice
    one = callee.receive(last)
    assert (one.type, one.message_id, one.fields) == (CHAT, 1, {1: bytes([0, 0, 0, 7])})
    assert callee.receive(first) is None
    assert caller.unacknowledged == 1
    acknowledge(caller, callee)
    assert caller.unacknowledged == 0
    assert caller.next_timer is None
    assert caller.records_to_send(1000.0) == []


@pytest.mark.clause("control.2-7")
def test_a_change_of_transport_sends_again_at_once_and_nothing_is_taken_twice():
    caller, callee = pair()
    chats(caller, 1, 2, 3)
    relay = caller.records_to_send(0.0)
    caller.transport_changed(0.1)
    channel = caller.records_to_send(0.1)
    assert len(relay) == len(channel) == 3
    assert not set(relay) & set(channel)
    taken = [number for data in (*channel, *relay) for number in numbers_taken(callee, data)]
    assert taken == [1, 2, 3]
    acknowledge(caller, callee)
    caller.transport_changed(0.2)
    assert caller.records_to_send(0.2) == []


@pytest.mark.clause("control.2-6")
def test_unconfirmed_messages_have_id_0_and_are_neither_repeated_nor_acknowledged():
    caller, callee = pair()
    caller.send(ControlType.HEARTBEAT, {1: b"x"}, confirmed=False)
    caller.send(ControlType.HEARTBEAT, {1: b"y"}, confirmed=False)
    first, second = caller.records_to_send(0.0)
    assert [callee.receive(each).message_id for each in (first, second)] == [UNCONFIRMED, UNCONFIRMED] == [0, 0]
    assert callee.records_to_send(0.0) == []
    assert caller.records_to_send(100.0) == []


@pytest.mark.clause("control.2-8")
def test_ids_that_are_out_are_never_64_apart():
    caller, callee = pair()
    chats(caller, *range(1, 201))
    first = caller.records_to_send(0.0)
    assert len(first) == 64
    for data in first[1:]:  # the oldest is lost: all others are taken, and still no further id goes out
        callee.receive(data)
    acknowledge(caller, callee)
    assert caller.unacknowledged == 137
    (again,) = caller.records_to_send(1.0)
    assert numbers_taken(callee, again) == [1]
    acknowledge(caller, callee)
    taken = []
    for step in range(2, 9):
        for data in caller.records_to_send(float(step)):
            taken += numbers_taken(callee, data)
        acknowledge(caller, callee)
    assert taken == list(range(65, 201))
    assert caller.unacknowledged == 0


@pytest.mark.clause("control.2-8")
def test_an_id_64_ahead_is_refused_and_an_old_one_is_acknowledged_without_being_taken():
    caller, callee = pair()

    def record(number):
        return caller._sending.seal(Body(CHAT, number, encode_tlv({1: b"\1"}, "control")))

    assert callee.receive(record(64)).message_id == 64
    for number in (65, 1000, LAST_ID):
        with pytest.raises(PeerMisbehaved) as caught:
            callee.receive(record(number))
        assert caught.value.clause == "control.2-8"
    assert callee.receive(record(1)).message_id == 1
    assert callee.receive(record(65)).message_id == 65
    for number in (1, 64, 65):
        assert callee.receive(record(number)) is None
    caller._next_id = 66
    (acks,) = callee.records_to_send(0.0)
    body = caller._epochs[0].open(acks)
    assert body.fields == encode_tlv({1: b"".join(n.to_bytes(4) for n in (64, 1, 65))}, "control")


@pytest.mark.clause("control.2-8")
def test_an_acknowledgement_of_what_was_never_sent_is_refused():
    caller, callee = pair()
    chats(caller, 1)
    caller.records_to_send(0.0)
    for ids in (b"\0\0\0\2", bytes(4), b"\0\0\0\1\0\0\0\2"):
        callee.send(ControlType.ACK, {1: ids}, confirmed=False)
        (data,) = callee.records_to_send(0.0)
        with pytest.raises(PeerMisbehaved) as caught:
            caller.receive(data)
        assert caught.value.clause == "control.2-8"


@pytest.mark.clause("control.3-2")
@pytest.mark.parametrize("ids", [None, b"", b"\0\0\0", b"\0\0\0\1\0", b"\0\0\0\1" * 65])
def test_an_acknowledgement_names_1_to_64_ids(ids):
    caller, callee = pair()
    chats(caller, 1)
    caller.records_to_send(0.0)
    callee.send(ControlType.ACK, {} if ids is None else {1: ids}, confirmed=False)
    (data,) = callee.records_to_send(0.0)
    with pytest.raises(MalformedMessage) as caught:
        caller.receive(data)
    assert caught.value.clause == "control.3-2"
    assert caller.unacknowledged == 1


def test_100_messages_are_acknowledged_in_pieces_of_64():
    caller, callee = pair()
    for number in range(1, 101):
        callee._take(number)
    assert len(callee.records_to_send(0.0)) == 2
    caller._next_id = 101
    callee._acks = dict.fromkeys(range(1, 101))
    acknowledge(caller, callee)


@pytest.mark.clause("control.2-8")
def test_a_queue_that_nobody_acknowledges_is_misuse_at_last():
    caller, _ = pair()
    chats(caller, *range(1024))
    with pytest.raises(ApiMisuse):
        chats(caller, 1024)
    caller.records_to_send(0.0)
    chats(caller, *range(64))
    with pytest.raises(ApiMisuse):
        chats(caller, 1024)


@pytest.mark.clause("control.2-9")
def test_sending_fails_when_the_ids_are_used_up_and_heartbeats_go_on():
    caller, callee = pair()
    caller._next_id = callee._all_before = LAST_ID - 1
    chats(caller, 1, 2)
    with pytest.raises(CounterExhausted) as caught:
        chats(caller, 3)
    assert caught.value.clause == "control.2-9"
    taken = [number for data in caller.records_to_send(0.0) for number in numbers_taken(callee, data)]
    assert taken == [1, 2]
    assert callee._all_before == LAST_ID + 1
    acknowledge(caller, callee)
    with pytest.raises(CounterExhausted):
        chats(caller, 4)
    caller.send(ControlType.HEARTBEAT, {1: b"x"}, confirmed=False)
    assert len(caller.records_to_send(1.0)) == 1


@pytest.mark.clause("control.2-5")
def test_an_unknown_type_is_handed_on_and_acknowledged():
    caller, callee = pair()
    caller.send(UNKNOWN, {9: b"x", 300: b""})
    (data,) = caller.records_to_send(0.0)
    message = callee.receive(data)
    assert (message.type, message.fields) == (UNKNOWN, {9: b"x", 300: b""})
    acknowledge(caller, callee)
    assert caller.unacknowledged == 0


# -------------------------------------------------------------------------------------------------------------- epochs


def both_in(epoch, *channels):
    for channel in channels:
        channel.install(epoch, keys(epoch))
        channel.send_in(epoch)


@pytest.mark.clause("control.2-1", "control.2-6", "control.2-7", "control.2-8")
def test_ids_live_through_epochs_and_record_numbers_begin_again():
    """A repetition in the new epoch is record 0 there, and the message of id 1: the id alone says that it was taken."""
    caller, callee = pair()
    chats(caller, 1)
    (old,) = caller.records_to_send(0.0)
    assert numbers_taken(callee, old) == [1]  # and its acknowledgement is lost
    callee.records_to_send(0.0)
    both_in(1, caller, callee)
    chats(caller, 2)
    repeated, fresh = caller.records_to_send(1.0)
    assert repeated[:9] == b"\1" + bytes(8)
    assert callee.receive(repeated) is None
    assert callee.receive(fresh).message_id == 2
    acknowledge(caller, callee)
    assert caller.unacknowledged == 0


@pytest.mark.clause("control.2-4", "epoch.2-1", "epoch.2-2")
def test_a_record_is_opened_in_the_epoch_that_it_names_and_in_no_other():
    caller, callee = pair()
    chats(caller, 1)
    (old,) = caller.records_to_send(0.0)
    caller.install(1, keys(1))
    caller.send_in(1)
    chats(caller, 2)
    (new,) = caller.records_to_send(0.0)
    with pytest.raises(PeerMisbehaved) as caught:
        callee.receive(new)  # before the keys are installed
    assert caught.value.clause == "control.2-4"
    callee.install(1, keys(1))
    assert callee.heard_epoch == 0
    for bad in (b"\0" + new[1:], b"\1" + old[1:]):
        with pytest.raises(VerificationFailed):
            callee.receive(bad)
    assert callee.heard_epoch == 0
    assert callee.receive(new).epoch == 1
    assert callee.heard_epoch == 1
    assert callee.receive(old).epoch == 0  # under way at the switch
    assert callee.heard_epoch == 1


@pytest.mark.clause("epoch.3-1", "epoch.3-2")
def test_a_forgotten_epoch_opens_nothing_and_the_one_in_use_is_not_forgotten():
    caller, callee = pair()
    chats(caller, 1)
    (old,) = caller.records_to_send(0.0)
    with pytest.raises(ApiMisuse) as caught:
        callee.forget(0)
    assert caught.value.clause == "epoch.3-1"
    both_in(1, callee)
    callee.forget(0)
    callee.forget(0)
    callee.forget(77)
    with pytest.raises(PeerMisbehaved) as caught:
        callee.receive(old)
    assert caught.value.clause == "control.2-4"


@pytest.mark.clause("epoch.2-2")
def test_what_was_queued_before_the_switch_is_sealed_in_the_epoch_that_it_speaks_of():
    caller, callee = pair()
    caller.send(ControlType.HEARTBEAT, {1: b"of epoch 0"}, confirmed=False)
    caller.install(1, keys(1))
    callee.install(1, keys(1))
    old = caller._sending
    caller.send_in(1)
    with pytest.raises(ApiMisuse) as caught:
        old.seal(Body(CHAT, 1, b""))  # the send key of the old epoch is gone
    assert caught.value.clause == "epoch.2-2"
    caller.send(ControlType.HEARTBEAT, {1: b"of epoch 1"}, confirmed=False)
    chats(caller, 1)
    messages = [callee.receive(data) for data in caller.records_to_send(0.0)]
    assert [(each.epoch, each.fields[1]) for each in messages] == [
        (0, b"of epoch 0"),
        (1, b"of epoch 1"),
        (1, bytes([0, 0, 0, 1])),
    ]


@pytest.mark.clause("epoch.1-5", "control.2-1")
def test_a_second_attempt_at_an_epoch_replaces_the_keys_of_the_first():
    _, callee = pair()
    callee.install(1, keys(1, attempt=1))
    callee.install(1, keys(1, attempt=2))
    for attempt, opens in ((1, False), (2, True)):
        sender = ControlChannel(keys(), Role.CALLER)
        sender.install(1, keys(1, attempt=attempt))
        sender.send_in(1)
        chats(sender, 1)
        (data,) = sender.records_to_send(0.0)
        if opens:
            assert callee.receive(data).message_id == 1
        else:
            with pytest.raises(VerificationFailed):
                callee.receive(data)


@pytest.mark.clause("control.2-4", "epoch.3-2")
def test_300_epochs_the_byte_wraps_and_no_epoch_is_taken_for_another():
    caller, callee = pair()
    old = {}
    taken = []
    for epoch in range(1, 301):
        chats(caller, epoch)
        (data,) = caller.records_to_send(float(epoch))
        old[epoch - 1] = data
        taken += numbers_taken(callee, data)
        acknowledge(caller, callee)
        both_in(epoch, caller, callee)
        if epoch > 1:
            callee.forget(epoch - 2)  # of epoch 256, the same byte as 0: the wrong one must not go
            caller.forget(epoch - 2)
    assert taken == list(range(1, 301))
    assert sorted(each.epoch for each in callee._epochs.values()) == [299, 300]
    for epoch, data in old.items():
        with pytest.raises((PeerMisbehaved, VerificationFailed)):
            callee.receive(data)
        assert epoch & 0xFF == data[0]
    for stale in (44, 300 - 256):
        callee.forget(stale)
    chats(caller, 9)
    (data,) = caller.records_to_send(0.0)
    assert data[0] == 300 - 256
    assert numbers_taken(callee, data) == [9]


@pytest.mark.clause("control.2-1", "control.2-3", "control.2-7", "control.2-8", "epoch.2-2")
@given(st.integers(0, 2**32), st.floats(0, 0.6), st.floats(0, 0.6), st.integers(0, 3))
def test_everything_arrives_once_whatever_the_network_does(seed, loss, repeat, epochs):
    """Both directions over two transports at once, through several epochs."""
    chance = random.Random(seed)
    channels = pair()
    to_send = 80
    for channel in channels:
        chats(channel, *range(to_send))
    taken = ([], [])
    wire, numbers = [], set()
    now, epoch = 0.0, 0
    while any(channel.unacknowledged for channel in channels) or wire:
        if now > 200:
            loss = repeat = 0
        if epoch < epochs and chance.random() < 0.05:
            epoch += 1
            for channel in channels:
                channel.install(epoch, keys(epoch))
            for channel in channels:
                channel.send_in(epoch)
        if chance.random() < 0.02:
            chance.choice(channels).transport_changed(now)
        for side, channel in enumerate(channels):
            for data in channel.records_to_send(now):
                assert (side, data[:9]) not in numbers
                numbers.add((side, data[:9]))
                wire += [(1 - side, data)] * (0 if chance.random() < loss else 2 if chance.random() < repeat else 1)
        chance.shuffle(wire)
        for _ in range(min(len(wire), 40)):
            side, data = wire.pop()
            with suppress(PeerMisbehaved):  # a record that came twice, or 64 behind
                taken[side].extend(numbers_taken(channels[side], data))
        now += 0.5
        assert now < 1000
    assert sorted(taken[0]) == sorted(taken[1]) == list(range(to_send))


def test_a_channel_shows_no_key():
    caller, _ = pair()
    assert repr(caller) == "<ControlChannel of the caller, sending in epoch 0>"
