"""relay.1: the mailbox core: rooms of two, who gets which message, and the bounds; no IO, no clock, no encryption.

Rules of a room:

* It exists while a member is in it. The seats are 0 and 1; who comes in takes the lowest free one.
* Posts go to the other member. While nobody is there they are held, and handed over in order when somebody comes in.
* Whoever finds the other one present (`Welcome.members == 2`) speaks first.
* Every refusal is a `Refused` message to whoever asked. Nothing that a member does raises here.

Callers route: each method returns the messages that it causes as `Delivery(to, message)`, in the order to send them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count

from e2ecall.errors import ApiMisuse
from e2ecall.relay.messages import (
    MESSAGE_LIMIT,
    ROOM_NAME,
    Delivered,
    FromRelay,
    Joined,
    Left,
    Refused,
    RefusedReason,
    Welcome,
)

__all__ = ["Delivery", "Limits", "Mailbox", "Member", "refused"]

_SEATS = (0, 1)

_TEXTS = {
    RefusedReason.TOO_LARGE: "the message is too large",
    RefusedReason.TOO_FAST: "too many messages, this one was dropped",
    RefusedReason.QUEUE_FULL: "the other one is not here and nothing more can be held",
    RefusedReason.NO_FORWARDER: "this relay forwards no media",
    RefusedReason.OFFER_REFUSED: "the forwarder does not take the offer",
    RefusedReason.BAD_ROOM: "a room is named by 32 lower-case hexadecimal digits",
    RefusedReason.ROOM_FULL: "two are in this room already",
    RefusedReason.RELAY_FULL: "the relay has no room left",
    RefusedReason.MALFORMED: "the message is not one of this protocol",
    RefusedReason.FLOODING: "too many messages for too long",
    RefusedReason.TOO_SLOW: "messages were not read in time",
    RefusedReason.IDLE: "nothing happened in this room for too long",
    RefusedReason.NOT_A_MEMBER: "no longer in the room",
}


def refused(reason: RefusedReason, detail: str = "") -> Refused:
    """relay.3: the refusal with its text and, after a colon, as much of `detail` as may be shown."""
    printable = "".join(character if character.isprintable() else " " for character in detail).strip()
    text = f"{_TEXTS[reason]}: {printable}" if printable else _TEXTS[reason]
    return Refused(reason, text.encode()[:256].decode(errors="ignore"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """relay.4: every bound of a relay. Bytes count whole messages as the member sent them; seconds are of `now`."""

    rooms: int = 1000
    message_bytes: int = MESSAGE_LIMIT
    held_messages: int = 32
    held_bytes: int = 4 * MESSAGE_LIMIT
    outbox_messages: int = 128
    outbox_bytes: int = 16 * MESSAGE_LIMIT
    rate: float = 50.0
    """Messages per second that a member may send for long."""
    burst: int = 100
    """Messages that it may send at once."""
    debt: int = 100
    """Messages beyond `rate` and `burst` that are dropped with a word; one more ends the connection."""
    alone_seconds: float = 3600.0
    idle_seconds: float = 86400.0
    """Without a message in a room of two. A call may run for hours without one: its control channel moves to media."""

    def __post_init__(self) -> None:
        if min(self.rooms, self.message_bytes, self.held_messages, self.burst) < 1 or self.rate <= 0 or self.debt < 0:
            raise ApiMisuse("a relay needs room for at least one message")
        if self.message_bytes > MESSAGE_LIMIT:
            raise ApiMisuse(f"no client takes messages of more than {MESSAGE_LIMIT} bytes")
        if self.outbox_messages < self.held_messages + 2 or self.outbox_bytes < self.held_bytes + self.message_bytes:
            raise ApiMisuse("the outbox must take everything that was held, the welcome and one message more")


@dataclass(frozen=True, slots=True)
class Member:
    """One stay of one member in a room; a seat that is taken again is another `Member`."""

    room: str = field(repr=False)
    seat: int
    serial: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that the relay owes to a member."""

    to: Member
    message: FromRelay


@dataclass(slots=True)
class _Bucket:
    """A token bucket that goes into debt, so that who keeps flooding is told apart from who had a burst."""

    tokens: float
    at: float

    def take(self, limits: Limits, now: float) -> RefusedReason | None:
        refill = max(0.0, now - self.at) * limits.rate
        self.tokens = min(float(limits.burst), self.tokens + refill) - 1
        self.at = max(self.at, now)
        if self.tokens >= 0:
            return None
        return RefusedReason.TOO_FAST if self.tokens >= -limits.debt else RefusedReason.FLOODING


@dataclass(slots=True)
class _Room:
    active: float
    members: dict[int, tuple[Member, _Bucket]] = field(default_factory=dict)
    held: deque[bytes] = field(default_factory=deque)
    held_bytes: int = 0

    def other(self, member: Member) -> Member | None:
        return next((other for other, _ in self.members.values() if other != member), None)


class Mailbox:
    """relay.1: all rooms of one relay. `now` is any clock in seconds that does not run backwards."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._rooms: dict[str, _Room] = {}
        self._serials = count()

    def __contains__(self, room: str) -> bool:
        return room in self._rooms

    @property
    def rooms(self) -> int:
        """Rooms with somebody in them."""
        return len(self._rooms)

    @property
    def members(self) -> int:
        """Members of all rooms."""
        return sum(len(room.members) for room in self._rooms.values())

    def join(self, room_id: str, now: float) -> tuple[Member, list[Delivery]] | Refused:
        """relay.1-1: take a seat in a room, which comes to be with its first member.

        The new member is owed its welcome and then what was held; the one already there hears of it.
        """
        if not ROOM_NAME.fullmatch(room_id):
            return refused(RefusedReason.BAD_ROOM)
        room = self._rooms.get(room_id)
        if room is None:
            if len(self._rooms) >= self.limits.rooms:
                return refused(RefusedReason.RELAY_FULL)
            room = self._rooms[room_id] = _Room(now)
        free = [seat for seat in _SEATS if seat not in room.members]
        if not free:
            return refused(RefusedReason.ROOM_FULL)
        member = Member(room_id, free[0], next(self._serials))
        room.members[member.seat] = (member, _Bucket(float(self.limits.burst), now))
        room.active = now
        owed = [Delivery(member, Welcome(member.seat, len(room.members)))]
        if (other := room.other(member)) is not None:
            owed += [Delivery(member, Delivered(other.seat, data)) for data in room.held]
            owed.append(Delivery(other, Joined(member.seat)))
        room.held.clear()
        room.held_bytes = 0
        return member, owed

    def admit(self, member: Member, size: int, now: float) -> Refused | None:
        """relay.4-1: charge a message of `size` bytes to its sender, or say why it is not taken."""
        room = self._room_of(member)
        if room is None:
            return refused(RefusedReason.NOT_A_MEMBER)
        reason = room.members[member.seat][1].take(self.limits, now)
        if reason is None and size > self.limits.message_bytes:
            reason = RefusedReason.TOO_LARGE
        if reason is not None:
            return refused(reason)
        room.active = now
        return None

    def post(self, member: Member, data: bytes, now: float) -> list[Delivery]:
        """relay.1-3: `data` to the other member, or held until there is one; a refusal is owed to the sender."""
        refusal = self.admit(member, len(data) + 1, now)
        if refusal is not None:
            return [Delivery(member, refusal)]
        room = self._rooms[member.room]
        if (other := room.other(member)) is not None:
            return [Delivery(other, Delivered(member.seat, data))]
        if len(room.held) >= self.limits.held_messages or room.held_bytes + len(data) > self.limits.held_bytes:
            return [Delivery(member, refused(RefusedReason.QUEUE_FULL))]
        room.held.append(data)
        room.held_bytes += len(data)
        return []

    def leave(self, member: Member) -> list[Delivery]:
        """relay.1-4: give the seat back; the last one out takes the room and what was held with it."""
        room = self._room_of(member)
        if room is None:
            return []
        del room.members[member.seat]
        if not room.members:
            del self._rooms[member.room]
        other = room.other(member)
        return [] if other is None else [Delivery(other, Left(member.seat))]

    def expire(self, now: float) -> list[Delivery]:
        """relay.4-4: close the rooms in which nothing happened for too long; their members are told."""
        owed: list[Delivery] = []
        for room_id, room in list(self._rooms.items()):
            patience = self.limits.alone_seconds if len(room.members) == 1 else self.limits.idle_seconds
            if now - room.active >= patience:
                del self._rooms[room_id]
                owed += [Delivery(member, refused(RefusedReason.IDLE)) for member, _ in room.members.values()]
        return owed

    def _room_of(self, member: Member) -> _Room | None:
        room = self._rooms.get(member.room)
        present = room is not None and room.members.get(member.seat, (None,))[0] == member
        return room if present else None
