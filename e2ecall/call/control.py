"""control.2: messages over sealed records: each taken once, whatever is lost, repeated, or carried by which transport.

    send(kind, fields)            queue a message; one that is confirmed gets an id and is sent until acknowledged
    records_to_send(now)          what to give to whatever transport there is
    receive(record, now)          the message of a record, or None for one that was taken before
    transport_changed(now)        send again, by the new way, what was not acknowledged

Rules, in the order in which they bind:
  1. A record's key is found by its epoch byte alone; there is one key a direction and epoch.
  2. The id of a message lives as long as the call; the record that carries it is another one each time.
  3. Ids that are out are never 64 or more apart, so that a receiver can tell old from new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from e2ecall.call.records import EPOCH_BYTE, FIELDS_LIMIT, Body, EpochRecords, epoch_byte_of
from e2ecall.errors import ApiMisuse, CounterExhausted, MalformedMessage, PeerMisbehaved
from e2ecall.handshake import ControlKeys, Role
from e2ecall.wire.control import ControlType
from e2ecall.wire.tlv import decode_tlv, encode_tlv

__all__ = ["UNCONFIRMED", "ControlChannel", "ControlMessage"]

IDS_APART: Final = 64
LAST_ID: Final = (1 << 32) - 1
FIRST_REPEAT: Final = 1.0
LAST_REPEAT: Final = 8.0
QUEUE_LIMIT: Final = 1024
UNCONFIRMED: Final = 0
_ACK_IDS: Final = 1
_ALL_FIELDS: Final = range(0x8000)


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """One authenticated message; `type` may be one that this version does not know. `fields`: {number: value}.

    `epoch` is that of its record, `raw` the TLV list as received.
    """

    type: int
    message_id: int
    fields: Mapping[int, bytes]
    epoch: int = 0
    raw: bytes = b""


@dataclass(slots=True)
class _Outstanding:
    """A message that was not acknowledged yet."""

    body: Body
    due: float
    delay: float


class ControlChannel:
    """Both directions of one call, through its epochs."""

    def __init__(self, keys: ControlKeys, role: Role) -> None:
        """`heard_epoch` is the newest epoch in which a record of the other side has authenticated."""
        self.role = role
        self._epochs: dict[int, EpochRecords] = {}
        self._sending = self._install(0, keys)
        self.heard_epoch = 0
        self._next_id = 1
        self._once: deque[Body] = deque()
        self._sealed: list[bytes] = []  # at a switch, what was queued before it
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._outstanding: dict[int, _Outstanding] = {}
        self._all_before = 1  # every id below it was taken
        self._taken: set[int] = set()
        self._acks: dict[int, None] = {}
        self.ignored = 0  # messages that came again

    # -- epochs ---------------------------------------------------------------------------------------------------

    @property
    def send_epoch(self) -> int:
        """The epoch in which records leave."""
        return self._sending.epoch

    def install(self, epoch: int, keys: ControlKeys) -> None:
        """epoch.2: open records of that epoch too; what an earlier attempt at it had installed is gone."""
        self._install(epoch, keys)

    def send_in(self, epoch: int) -> None:
        """epoch.2-2: records leave in that epoch from now on; the send key of the one before is gone.

        What was queued unconfirmed speaks of the epoch before, a heartbeat say, and is sealed in it here.
        """
        self._sealed += [self._sending.seal(body) for body in self._once]
        self._once.clear()
        self._sending.end_sending()
        self._sending = self._epochs[epoch & EPOCH_BYTE]

    def forget(self, epoch: int) -> None:
        """epoch.3: the keys of that epoch are gone; harmless when they are already."""
        if self._sending.epoch == epoch:
            raise ApiMisuse("records are sent in this epoch", epoch=epoch, clause="epoch.3-1")
        known = self._epochs.get(epoch & EPOCH_BYTE)
        if known is not None and known.epoch == epoch:
            del self._epochs[epoch & EPOCH_BYTE]

    def close(self) -> None:
        """epoch.3-2: the call is over: the keys of every epoch are gone, and nothing is sealed or opened any more."""
        for records in (self._sending, *self._epochs.values()):
            records.close()

    # -- sending --------------------------------------------------------------------------------------------------

    def send(self, kind: int, fields: Mapping[int, bytes], *, confirmed: bool = True) -> None:
        """control.2-6, control.2-9: queue a message.

        ApiMisuse for more than fits a record, and when 1024 wait already: nobody acknowledges anything.
        CounterExhausted when no id is left.
        """
        encoded = encode_tlv(fields, "control")
        if len(encoded) > FIELDS_LIMIT:
            raise ApiMisuse(f"a message has at most {FIELDS_LIMIT} bytes of fields", clause="control.2-10")
        if not confirmed:
            self._once.append(Body(kind, UNCONFIRMED, encoded))
        elif len(self._waiting) >= QUEUE_LIMIT:
            raise ApiMisuse("too many control messages wait for the other side", clause="control.2-8")
        elif self._next_id + len(self._waiting) > LAST_ID:
            raise CounterExhausted("the control channel has no message id left", clause="control.2-9")
        else:
            self._waiting.append((kind, encoded))

    @property
    def unacknowledged(self) -> int:
        """How many messages are out or wait."""
        return len(self._outstanding) + len(self._waiting)

    def records_to_send(self, now: float) -> list[bytes]:
        """Every record that is due, once each: heartbeats and rekeys first. `now` in seconds."""
        sealed, self._sealed = self._sealed, []
        bodies = [*self._once, *self._acknowledgements()]
        self._once.clear()
        for each in self._outstanding.values():
            if each.due <= now:
                each.delay = min(each.delay * 2, LAST_REPEAT)
                each.due = now + each.delay
                bodies.append(each.body)
        bodies += self._new_ones(now)
        return sealed + [self._sending.seal(body) for body in bodies]

    def transport_changed(self, now: float) -> None:
        """control.2-7: whatever was not acknowledged is due again at once, under its id."""
        for each in self._outstanding.values():
            each.due, each.delay = now, FIRST_REPEAT / 2

    @property
    def next_timer(self) -> float | None:
        """When `records_to_send` has something to repeat; None for never."""
        return min((each.due for each in self._outstanding.values()), default=None)

    # -- receiving ------------------------------------------------------------------------------------------------

    def receive(self, record: bytes) -> ControlMessage | None:
        """control.2-2 to control.2-8: the message of one record, or None for one that was taken before.

        MalformedMessage, VerificationFailed, or PeerMisbehaved (repeated record, epoch without keys, id too far ahead).
        """
        byte = epoch_byte_of(record)
        epoch = self._epochs.get(byte)
        if epoch is None:
            raise PeerMisbehaved("the record is of an epoch without keys", epoch=byte, clause="control.2-4")
        body = epoch.open(record)
        self.heard_epoch = max(self.heard_epoch, epoch.epoch)
        fields = decode_tlv(body.fields, _ALL_FIELDS, "control")
        if body.type == ControlType.ACK:
            self._acknowledged(fields)
            return None
        if not self._take(body.message_id):
            self.ignored += 1
            return None
        return ControlMessage(body.type, body.message_id, fields, epoch.epoch, body.fields)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _install(self, epoch: int, keys: ControlKeys) -> EpochRecords:
        records = self._epochs[epoch & EPOCH_BYTE] = EpochRecords(epoch, keys, self.role)
        return records

    def _acknowledgements(self) -> list[Body]:
        ids, self._acks = list(self._acks), {}
        pieces = (ids[i : i + IDS_APART] for i in range(0, len(ids), IDS_APART))
        joined = (b"".join(each.to_bytes(4) for each in piece) for piece in pieces)
        return [Body(ControlType.ACK, UNCONFIRMED, encode_tlv({_ACK_IDS: piece}, "control")) for piece in joined]

    def _new_ones(self, now: float) -> list[Body]:
        """What waited and may go out now."""
        bodies = []
        while self._waiting and self._next_id - min(self._outstanding, default=self._next_id) < IDS_APART:
            kind, encoded = self._waiting.popleft()
            body = Body(kind, self._next_id, encoded)
            self._outstanding[self._next_id] = _Outstanding(body, now + FIRST_REPEAT, FIRST_REPEAT)
            self._next_id += 1
            bodies.append(body)
        return bodies

    def _acknowledged(self, fields: Mapping[int, bytes]) -> None:
        ids = fields.get(_ACK_IDS, b"")
        if not ids or len(ids) % 4 or len(ids) > 4 * IDS_APART:
            message = "an acknowledgement names 1 to 64 message ids"
            raise MalformedMessage(message, path="control.ack.1", clause="control.3-2")
        for i in range(0, len(ids), 4):
            number = int.from_bytes(ids[i : i + 4])
            if not 0 < number < self._next_id:
                message = "a message that was never sent is acknowledged"
                raise PeerMisbehaved(message, clause="control.2-8")
            self._outstanding.pop(number, None)

    def _take(self, number: int) -> bool:
        """Whether this id comes for the first time; it is acknowledged either way."""
        if number == UNCONFIRMED:
            return True
        if number >= self._all_before + IDS_APART:
            raise PeerMisbehaved("a message id is too far ahead", clause="control.2-8")
        self._acks[number] = None
        if number < self._all_before or number in self._taken:
            return False
        self._taken.add(number)
        while self._all_before in self._taken:
            self._taken.remove(self._all_before)
            self._all_before += 1
        return True

    def __repr__(self) -> str:
        return f"<ControlChannel of the {self.role}, sending in epoch {self.send_epoch}>"
