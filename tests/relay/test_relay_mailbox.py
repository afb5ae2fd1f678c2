"""relay.1, relay.4: rooms of two, in order, at most once, and never more than the limits."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from e2ecall.errors import ApiMisuse
from e2ecall.relay.mailbox import Delivery, Limits, Mailbox, Member
from e2ecall.relay.messages import MESSAGE_LIMIT, Delivered, Joined, Left, Refused, RefusedReason, Welcome

ROOM, OTHER_ROOM, THIRD_ROOM = "0a" * 16, "1b" * 16, "2c" * 16
SMALL = Limits(
    rooms=2,
    message_bytes=11,
    held_messages=3,
    held_bytes=20,
    outbox_messages=5,
    outbox_bytes=40,
    rate=2.0,
    burst=4,
    debt=3,
    alone_seconds=60.0,
    idle_seconds=600.0,
)


def seated(mailbox: Mailbox, room: str = ROOM, now: float = 0.0) -> tuple[Member, list[Delivery]]:
    joined = mailbox.join(room, now)
    assert not isinstance(joined, Refused), joined
    return joined


def reason_of(owed: list[Delivery] | tuple[Member, list[Delivery]] | Refused) -> RefusedReason:
    message = owed if isinstance(owed, Refused) else owed[0].message
    assert isinstance(message, Refused)
    return message.reason


@pytest.mark.clause("relay.1-1", "relay.1-5")
def test_two_meet():
    mailbox = Mailbox(SMALL)
    first, owed_first = seated(mailbox)
    assert owed_first == [Delivery(first, Welcome(0, 1))]
    second, owed_second = seated(mailbox)
    assert owed_second == [Delivery(second, Welcome(1, 2)), Delivery(first, Joined(1))]
    assert (mailbox.rooms, mailbox.members) == (1, 2)


@pytest.mark.clause("relay.1-2")
def test_a_third_is_refused_and_changes_nothing():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    second, _ = seated(mailbox)
    assert reason_of(mailbox.join(ROOM, 0.0)) is RefusedReason.ROOM_FULL
    assert mailbox.members == 2
    assert mailbox.post(first, b"x", 0.0) == [Delivery(second, Delivered(0, b"x"))]


@pytest.mark.clause("relay.1-2")
@pytest.mark.parametrize(
    "room", ["", "0a" * 15, "0a" * 17, "0A" * 16, "0g" * 16, "٠a" * 16, ROOM + "\n", " " + ROOM[1:]]
)
def test_names_that_are_none(room):
    mailbox = Mailbox(SMALL)
    assert reason_of(mailbox.join(room, 0.0)) is RefusedReason.BAD_ROOM
    assert mailbox.rooms == 0


@pytest.mark.clause("relay.1-3")
def test_posts_go_to_the_other_at_once_and_to_nobody_else():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    second, _ = seated(mailbox)
    seated(mailbox, OTHER_ROOM)
    assert mailbox.post(first, b"to 1", 0.0) == [Delivery(second, Delivered(0, b"to 1"))]
    assert mailbox.post(second, b"to 0", 0.0) == [Delivery(first, Delivered(1, b"to 0"))]


@pytest.mark.clause("relay.1-3")
def test_held_for_the_absent_in_order_and_once():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    assert [mailbox.post(first, data, 0.0) for data in (b"a", b"b")] == [[], []]
    second, owed = seated(mailbox)
    assert owed == [
        Delivery(second, Welcome(1, 2)),
        Delivery(second, Delivered(0, b"a")),
        Delivery(second, Delivered(0, b"b")),
        Delivery(first, Joined(1)),
    ]
    mailbox.leave(second)
    third, owed = seated(mailbox)
    assert owed == [Delivery(third, Welcome(1, 2)), Delivery(first, Joined(1))]


@pytest.mark.clause("relay.1-4", "relay.1-1")
def test_leaving_and_the_seat_taken_again():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    second, _ = seated(mailbox)
    assert mailbox.leave(first) == [Delivery(second, Left(0))]
    assert mailbox.leave(first) == []
    again, owed = seated(mailbox)
    assert owed == [Delivery(again, Welcome(0, 2)), Delivery(second, Joined(0))]
    assert again != first
    assert reason_of(mailbox.post(first, b"ghost", 0.0)) is RefusedReason.NOT_A_MEMBER
    assert mailbox.leave(first) == []
    assert mailbox.members == 2


@pytest.mark.clause("relay.1-4")
def test_the_last_one_takes_the_room_along():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    mailbox.post(first, b"held", 0.0)
    mailbox.leave(first)
    assert ROOM not in mailbox
    second, owed = seated(mailbox)
    assert owed == [Delivery(second, Welcome(0, 1))]


@pytest.mark.clause("relay.4-2")
def test_size_counts_the_type_byte():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    assert mailbox.post(first, b"x" * 10, 0.0) == []
    assert reason_of(mailbox.post(first, b"x" * 11, 0.0)) is RefusedReason.TOO_LARGE


@pytest.mark.clause("relay.4-3")
def test_held_is_bounded_by_count_and_by_bytes():
    by_bytes = Mailbox(SMALL)
    first, _ = seated(by_bytes)
    assert by_bytes.post(first, b"x" * 10, 0.0) == []
    assert by_bytes.post(first, b"y" * 10, 0.0) == []
    assert reason_of(by_bytes.post(first, b"z", 0.0)) is RefusedReason.QUEUE_FULL
    by_count = Mailbox(SMALL)
    first, _ = seated(by_count)
    assert [by_count.post(first, b"", 0.0) for _ in range(3)] == [[], [], []]
    assert reason_of(by_count.post(first, b"", 0.0)) is RefusedReason.QUEUE_FULL


@pytest.mark.clause("relay.4-1")
def test_rate_burst_debt_and_recovery():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    second, _ = seated(mailbox)
    assert [type(mailbox.post(first, b"", 1.0)[0].message) for _ in range(4)] == [Delivered] * 4
    assert [reason_of(mailbox.post(first, b"", 1.0)) for _ in range(3)] == [RefusedReason.TOO_FAST] * 3
    assert reason_of(mailbox.post(first, b"", 0.0)) is RefusedReason.FLOODING  # a clock that stands still or worse
    assert mailbox.post(second, b"", 1.0)[0].message == Delivered(1, b"")  # the other one's own bucket
    assert reason_of(mailbox.post(first, b"", 3.0)) is RefusedReason.TOO_FAST  # 2 s at 2/s: 4 of the debt of 5
    assert mailbox.post(first, b"", 4.0)[0].message == Delivered(0, b"")
    assert [type(mailbox.post(first, b"", 1000.0)[0].message) for _ in range(5)] == [Delivered] * 4 + [Refused]


@pytest.mark.clause("relay.4-4")
def test_idle_rooms_end_sooner_with_one_than_with_two():
    mailbox = Mailbox(SMALL)
    lonely, _ = seated(mailbox, ROOM)
    first, _ = seated(mailbox, OTHER_ROOM)
    second, _ = seated(mailbox, OTHER_ROOM, 10.0)
    assert mailbox.expire(59.9) == []
    assert [(d.to, reason_of([d])) for d in mailbox.expire(60.0)] == [(lonely, RefusedReason.IDLE)]
    mailbox.post(second, b"", 500.0)
    assert mailbox.expire(1099.0) == []
    assert {d.to: reason_of([d]) for d in mailbox.expire(1100.0)} == dict.fromkeys((first, second), RefusedReason.IDLE)
    assert mailbox.rooms == 0
    assert reason_of(mailbox.post(first, b"", 1100.0)) is RefusedReason.NOT_A_MEMBER
    assert mailbox.leave(first) == []


@pytest.mark.clause("relay.4-4")
def test_a_refused_message_keeps_no_room_open():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox)
    mailbox.post(first, b"x" * 99, 59.0)
    assert len(mailbox.expire(60.0)) == 1


@pytest.mark.clause("relay.4-5")
def test_rooms_are_bounded_and_come_back():
    mailbox = Mailbox(SMALL)
    first, _ = seated(mailbox, ROOM)
    seated(mailbox, OTHER_ROOM)
    assert reason_of(mailbox.join(THIRD_ROOM, 0.0)) is RefusedReason.RELAY_FULL
    assert not isinstance(mailbox.join(ROOM, 0.0), Refused)  # a seat in a room that exists
    mailbox.leave(first)
    assert reason_of(mailbox.join(THIRD_ROOM, 0.0)) is RefusedReason.RELAY_FULL
    mailbox.expire(1e6)
    assert not isinstance(mailbox.join(THIRD_ROOM, 0.0), Refused)


@pytest.mark.clause("relay.4-3")
@pytest.mark.parametrize(
    "values",
    [
        {"rooms": 0},
        {"rate": 0.0},
        {"debt": -1},
        {"message_bytes": MESSAGE_LIMIT + 1},
        {"held_messages": 127},
        {"outbox_bytes": 5 * MESSAGE_LIMIT - 1},
    ],
)
def test_limits_that_cannot_work(values):
    with pytest.raises(ApiMisuse):
        Limits(**values)


def test_members_do_not_show_their_room():
    member, _ = seated(Mailbox(SMALL))
    assert ROOM not in repr(Delivery(member, Welcome(0, 1)))


class AnySequence(RuleBasedStateMachine):
    """Any joins, posts, leaves and passing of time; what each member gets is compared with what the others sent."""

    def __init__(self):
        super().__init__()
        self.mailbox = Mailbox(SMALL)
        self.now = 0.0
        self.present: list[Member] = []
        self.gone: list[Member] = []
        self.number = 0
        self.sent: dict[tuple[str, int], list[bytes]] = defaultdict(list)  # taken from a stay, in order
        self.got: dict[Member, list[tuple[int, bytes]]] = defaultdict(list)
        self.seen: set[bytes] = set()

    def take(self, owed):
        for delivery in owed:
            if isinstance(delivery.message, Delivered):
                assert delivery.to in self.present
                assert delivery.message.data not in self.seen, "delivered twice"
                self.seen.add(delivery.message.data)
                self.got[delivery.to].append((delivery.message.seat, delivery.message.data))

    @rule(room=st.sampled_from([ROOM, OTHER_ROOM, THIRD_ROOM, "nonsense"]))
    def join(self, room):
        joined = self.mailbox.join(room, self.now)
        here = [member for member in self.present if member.room == room]
        rooms = {member.room for member in self.present}
        if isinstance(joined, Refused):
            full = len(here) == 2 or (not here and len(rooms) == SMALL.rooms)
            assert full or joined.reason is RefusedReason.BAD_ROOM
            return
        member, owed = joined
        assert room in {ROOM, OTHER_ROOM, THIRD_ROOM}
        assert owed[0] == Delivery(member, Welcome(member.seat, len(here) + 1))
        assert member.seat not in {other.seat for other in here}
        assert [d for d in owed if isinstance(d.message, Joined)] == [Delivery(o, Joined(member.seat)) for o in here]
        self.present.append(member)
        self.take(owed)

    @precondition(lambda self: self.present)
    @rule(data=st.data(), size=st.integers(0, 12))
    def post(self, data, size):
        member = data.draw(st.sampled_from(self.present))
        self.number += 1
        body = self.number.to_bytes(2) + bytes(size)
        owed = self.mailbox.post(member, body, self.now)
        if owed and isinstance(owed[0].message, Refused):
            assert [delivery.to for delivery in owed] == [member]
            return
        others = [other for other in self.present if other.room == member.room and other != member]
        assert owed == [Delivery(other, Delivered(member.seat, body)) for other in others]
        self.sent[member.room, member.serial].append(body)
        self.take(owed)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def ghost(self, data):
        member = data.draw(st.sampled_from(self.gone))
        assert reason_of(self.mailbox.post(member, b"ghost", self.now)) is RefusedReason.NOT_A_MEMBER
        assert self.mailbox.leave(member) == []

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def leave(self, data):
        member = data.draw(st.sampled_from(self.present))
        self.present.remove(member)
        self.gone.append(member)
        others = [other for other in self.present if other.room == member.room]
        assert self.mailbox.leave(member) == [Delivery(other, Left(member.seat)) for other in others]

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 100.0]))
    def wait(self, seconds):
        self.now += seconds
        for delivery in self.mailbox.expire(self.now):
            assert reason_of([delivery]) is RefusedReason.IDLE
            self.present.remove(delivery.to)
            self.gone.append(delivery.to)

    @invariant()
    def within_limits(self):
        assert self.mailbox.members == len(self.present)
        assert self.mailbox.rooms == len({member.room for member in self.present}) <= SMALL.rooms
        for room in self.mailbox._rooms.values():
            assert room.held_bytes == sum(map(len, room.held)) <= SMALL.held_bytes
            assert len(room.held) <= SMALL.held_messages
            assert not (room.held and len(room.members) == 2)

    @invariant()
    def in_order_and_of_this_room(self):
        for member, got in self.got.items():
            bodies = [body for _, body in got]
            assert bodies == sorted(bodies), "numbers only grow within a room"
            posted = {
                body
                for (room, serial), sent in self.sent.items()
                if room == member.room
                for body in sent
                if serial != member.serial
            }
            assert set(bodies) <= posted


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnySequence = pytest.mark.clause("relay.1-1", "relay.1-2", "relay.1-3", "relay.1-4", "relay.4-3", "relay.4-5")(
    TestAnySequence
)
