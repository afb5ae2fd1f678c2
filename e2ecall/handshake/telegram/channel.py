"""telegram.4: packets in sequence: what is acknowledged, sent again, taken once, and refused. Without IO.

    send(payload, now)               a message, confirmed or not
    receive(packet, now) -> [bytes]  the new messages of one packet, in their order
    packets_to_send(now) -> [bytes]  what to give to the transport; `next_timer` says when to ask at the latest

Rules, in the order in which they bind:
  1. A packet counts as received before anything in it is read, and counts once.
  2. A packet is read whole before any part of it has an effect.
  3. Unconfirmed messages leave once. Confirmed ones leave together and in order, beginning with the oldest, until
     each is acknowledged; so the first of a packet says that everything before it has arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Final

from e2ecall.errors import ApiMisuse, CounterExhausted, MalformedMessage, PeerMisbehaved, TransportFailed
from e2ecall.handshake.telegram.packets import MSG_KEY_LENGTH, Kind, PacketKeys
from e2ecall.sframe.owned import Owned

__all__ = ["LIMITS", "WINDOW", "ChannelLimits", "Message", "PacketChannel", "read_messages"]

WINDOW: Final = 64
"""How far behind the largest counter seen a packet may come."""
MAX_COUNTER: Final = (1 << 30) - 1
MAX_UNACKNOWLEDGED: Final = 64 * 1024
_SINGLE: Final = 1 << 31
_WANTS_ACK: Final = 1 << 30
_EMPTY: Final = 0xFE
_ACK: Final = 0xFF
_CUSTOM: Final = 0x7F
_HEAD: Final = 5  # sequence number and type
_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """telegram.4-9: bytes of a packet that is sent, and seconds between repetitions."""

    packet: int
    resend_min: float
    resend_max: float
    acknowledge_max: float


LIMITS: Final[Mapping[Kind, ChannelLimits]] = {
    Kind.SIGNALLING: ChannelLimits(16 * 1024, 3.0, 5.0, 5.0),
    Kind.TRANSPORT: ChannelLimits(1452, 0.3, 1.0, 1.0),
}


@dataclass(slots=True)
class _Unacknowledged:
    seq: int
    data: bytes
    sent_at: float


@dataclass(frozen=True, slots=True)
class Message:
    """telegram.4-4: one message of a packet; `seq` with both its upper bits, `kind` its type."""

    seq: int
    kind: int
    payload: bytes

    @property
    def counter(self) -> int:
        """The low 30 bits."""
        return self.seq & MAX_COUNTER

    @property
    def wants_ack(self) -> bool:
        """Bit 30."""
        return bool(self.seq & _WANTS_ACK)


class PacketChannel(Owned):
    """Both directions of one kind of packets. Times are seconds of a clock that never goes back."""

    def __init__(self, keys: PacketKeys, kind: Kind) -> None:
        self._keys: PacketKeys | None = keys
        self._limits = LIMITS[kind]
        self._counter = 0
        self._unacknowledged: list[_Unacknowledged] = []
        self._acknowledge: dict[int, None] = {}  # sequence numbers, not yet in a packet of ours
        self._seen: set[int] = set()
        self._largest = 0
        self._taken: set[int] = set()  # counters of confirmed messages, from _taken_below on
        self._taken_below = 0
        self._outgoing: list[bytes] = []
        self._resend_at = self._acknowledge_at = inf
        super().__init__()

    @property
    def unacknowledged(self) -> int:
        """How many messages the other side has not acknowledged yet."""
        return len(self._unacknowledged)

    @property
    def next_timer(self) -> float:
        """When `packets_to_send` has something by itself; infinity for never."""
        return min(self._resend_at, self._acknowledge_at)

    def send(self, payload: bytes, now: float, *, confirmed: bool = True) -> None:
        """telegram.4-4, telegram.4-8: queue one message.

        ApiMisuse for one that fits no packet, CounterExhausted after 2^30 - 1 messages, TransportFailed while 65 536
        wait for an acknowledgement.
        """
        if confirmed and len(self._unacknowledged) >= MAX_UNACKNOWLEDGED:
            raise TransportFailed("the other side has acknowledged nothing for 65 536 messages", clause="telegram.4-9")
        body = bytes([_CUSTOM]) + len(payload).to_bytes(_LENGTH, "big") + payload
        if not self._fits(b"", _LENGTH + len(body)):
            raise ApiMisuse(f"a message of {len(payload)} bytes fits no packet", clause="telegram.4-9")
        single = not confirmed and not self._unacknowledged and not self._acknowledge
        seq = self._next_seq() | (_WANTS_ACK if confirmed else 0) | (_SINGLE if single else 0)
        message = seq.to_bytes(4, "big") + body
        if not confirmed:
            self._outgoing.append(self._seal(self._filled(message, now)))
            return
        behind = bool(self._unacknowledged)
        self._unacknowledged.append(_Unacknowledged(seq, message, -inf if behind else now))
        if behind:  # those before it go along, so that they arrive in order
            for each in self._unacknowledged:
                each.sent_at = -inf
            self._serve(now)
        else:
            self._outgoing.append(self._seal(self._filled(message, now)))

    def receive(self, packet: bytes, now: float) -> list[bytes]:
        """telegram.4-3 to telegram.4-7: the messages of a packet that are new.

        As `PacketKeys.open`; PeerMisbehaved for a packet that came before or is too old, MalformedMessage for one that
        is not as declared. A refused packet has no effect but that it counts as received where it was authentic.
        """
        body = self._live().open(packet)
        self._register(int.from_bytes(body[:4], "big") & MAX_COUNTER)
        messages = read_messages(body)
        self._bound(messages)
        self._acknowledged({each.seq for each in messages if each.kind == _ACK})
        new: list[bytes] = []
        first, fresh = True, False
        for place, message in enumerate(messages):
            if message.kind == _CUSTOM:
                if message.wants_ack:
                    is_new = self._take(message.counter, first=first)
                    fresh, first = fresh or is_new, False
                    self._acknowledge[message.seq] = None
                else:
                    is_new = not place or self._is_new(message.counter)
                    self._note(message.counter)
                new += [message.payload] if is_new else []
        if fresh:
            self._serve(now)
        elif self._acknowledge:
            self._acknowledge_at = min(self._acknowledge_at, now + self._limits.acknowledge_max)
        return new

    def packets_to_send(self, now: float) -> list[bytes]:
        """telegram.4-8: what is to leave now, each packet once: also what is repeated because its time has come."""
        if now >= self.next_timer:
            self._resend_at = self._resend_at if now < self._resend_at else inf
            self._acknowledge_at = inf
            if self._unacknowledged or self._acknowledge:
                self._serve(now)
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def close(self) -> None:
        """Send and take nothing any more: each act is ApiMisuse. The key stays its owner's to wipe."""
        self._keys = None
        self._outgoing, self._unacknowledged, self._acknowledge = [], [], {}
        self._resend_at = self._acknowledge_at = inf

    def disable_after_fork(self) -> None:
        """telegram.4-4: the counters go on in the process that made the channel, and there alone."""
        self.close()

    # -- sending --------------------------------------------------------------------------------------------------

    def _live(self) -> PacketKeys:
        if self._keys is None:
            raise ApiMisuse("this channel is closed", clause="telegram.4-4")
        return self._keys

    def _seal(self, body: bytes) -> bytes:
        return self._live().seal(body)

    def _next_seq(self) -> int:
        self._live()
        if self._counter >= MAX_COUNTER:
            raise CounterExhausted("a call has no more than 2^30 - 1 messages", clause="telegram.4-4")
        self._counter += 1
        return self._counter

    def _fits(self, body: bytes, more: int) -> bool:
        return MSG_KEY_LENGTH + len(body) + more <= self._limits.packet

    def _serve(self, now: float) -> None:
        """An empty message with what there is to acknowledge and to repeat."""
        head = self._next_seq().to_bytes(4, "big") + bytes([_EMPTY])
        self._outgoing.append(self._seal(self._filled(head, now)))

    def _filled(self, body: bytes, now: float) -> bytes:
        """`body` with acknowledgements and repetitions behind it, as many as fit."""
        oldest = self._unacknowledged[0] if self._unacknowledged else None
        # Acknowledgements leave room for the oldest message that is due, or a long one would never leave.
        due = len(oldest.data) if oldest and self._due(oldest, now) and self._fits(body, len(oldest.data)) else 0
        room = (self._limits.packet - MSG_KEY_LENGTH - len(body) - due) // _HEAD
        for seq in list(islice(self._acknowledge, max(room, 0))):
            body += seq.to_bytes(4, "big") + bytes([_ACK])
            del self._acknowledge[seq]
        self._acknowledge_at = now + self._limits.acknowledge_max if self._acknowledge else inf
        for waiting in self._unacknowledged:
            if not self._due(waiting, now) or not self._fits(body, len(waiting.data)):
                break
            body += waiting.data
            waiting.sent_at = now
        if self._unacknowledged:
            self._resend_at = min(self._resend_at, now + self._limits.resend_max)
        return body

    def _due(self, waiting: _Unacknowledged, now: float) -> bool:
        return waiting.sent_at + self._limits.resend_min <= now

    # -- receiving ------------------------------------------------------------------------------------------------

    def _register(self, counter: int) -> None:
        if not counter:
            raise MalformedMessage("counters begin at 1", offset=0, path="packet.seq", clause="telegram.4-4")
        if counter + WINDOW <= self._largest:
            raise PeerMisbehaved(f"the packet is older than {WINDOW} counters", clause="telegram.4-6")
        if counter in self._seen:
            raise PeerMisbehaved("the packet came before", clause="telegram.4-5")
        self._note(counter)

    def _is_new(self, counter: int) -> bool:
        return counter + WINDOW > self._largest and counter not in self._seen

    def _note(self, counter: int) -> None:
        self._seen.add(counter)
        self._largest = max(self._largest, counter)
        if len(self._seen) > 2 * WINDOW:
            self._seen = {each for each in self._seen if each + WINDOW > self._largest}

    def _take(self, counter: int, *, first: bool) -> bool:
        """Whether a confirmed message is new. The first of a packet says that all before it have arrived."""
        is_new = counter >= self._taken_below and counter not in self._taken
        if is_new:
            self._taken.add(counter)
        if first and counter > self._taken_below:
            self._taken_below = counter
            self._taken = {each for each in self._taken if each >= counter}
        return is_new

    def _bound(self, messages: Sequence[Message]) -> None:
        """What `_take` would keep, before it keeps anything."""
        confirmed = [each.counter for each in messages if each.kind == _CUSTOM and each.wants_ack]
        if len(self._taken) + len(confirmed) > MAX_UNACKNOWLEDGED:
            below = max(self._taken_below, confirmed[0])
            if len({each for each in (*self._taken, *confirmed) if each >= below}) > MAX_UNACKNOWLEDGED:
                raise PeerMisbehaved("more than 65 536 messages without an order", clause="telegram.4-9")

    def _acknowledged(self, seqs: Collection[int]) -> None:
        self._unacknowledged = [each for each in self._unacknowledged if each.seq not in seqs]
        if not self._unacknowledged:
            self._resend_at = inf


def read_messages(body: bytes) -> list[Message]:
    """telegram.4-7: the messages of a packet, or MalformedMessage with the offset of the first that is not allowed."""
    messages: list[Message] = []
    at = 0
    while at < len(body):
        if len(body) - at < _HEAD:
            raise _malformed("the rest is too short for a message", at)
        seq, kind, start = int.from_bytes(body[at : at + 4], "big"), body[at + 4], at
        at += _HEAD
        payload = b""
        if kind == _CUSTOM:
            length = int.from_bytes(body[at : at + _LENGTH], "big")
            payload = body[at + _LENGTH : at + _LENGTH + length]
            at += _LENGTH + length
            if at > len(body):
                raise _malformed("the message is longer than its packet", start)
        elif kind not in (_EMPTY, _ACK):
            raise _malformed(f"no message has the type {kind}", start)
        if kind == _EMPTY and start:
            raise _malformed("an empty message can only be the first", start)
        if kind == _ACK and not start:
            raise _malformed("an acknowledgement can not be the first", start)
        if seq & _SINGLE and (start or at != len(body)):
            raise _malformed("a single message is not alone", start)
        messages.append(Message(seq, kind, payload))
    return messages


def _malformed(message: str, offset: int) -> MalformedMessage:
    return MalformedMessage(message, offset=offset, path="packet", clause="telegram.4-7")
