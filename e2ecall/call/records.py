"""control.2: the sealed records of one epoch, both directions: numbered once, each taken once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2ecall.crypto.aead import AESGCM, TAG_LENGTH, InvalidTag, aes_gcm
from e2ecall.errors import ApiMisuse, CounterExhausted, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import ControlKeys, Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe.owned import Owned
from e2ecall.wire.control import BODY, RECORD
from e2ecall.wire.declared import build_bytes, parse_exact

__all__ = ["EPOCH_BYTE", "FIELDS_LIMIT", "RECORD_LIMIT", "WINDOW", "Body", "EpochRecords", "epoch_byte_of"]

WINDOW: Final = 64
EPOCH_BYTE: Final = 0xFF
RECORD_LIMIT: Final = 65_535  # with the byte of its envelope, what a relay takes in one message
_AAD_LENGTH: Final = 9
_BODY_HEAD: Final = 5
FIELDS_LIMIT: Final = RECORD_LIMIT - _AAD_LENGTH - _BODY_HEAD - TAG_LENGTH
_SEQUENCES: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Body:
    """control.2: what a record seals. `fields` is a TLV list, still as bytes."""

    type: int
    message_id: int
    fields: bytes


class EpochRecords(Owned):
    """Seals one direction and opens the other, under the control keys of one epoch.

    The keys are wiped; the library keeps copies inside its AEAD objects until this object is closed or gone. It holds
    the counter of a direction (control.2-1), so it is not copied, and a forked child cannot use it.
    """

    __slots__ = ("_aad_epoch", "_highest", "_next", "_receive", "_seen", "_send", "epoch")

    def __init__(self, epoch: int, keys: ControlKeys, role: Role) -> None:
        self.epoch = epoch
        self._aad_epoch = bytes([epoch & EPOCH_BYTE])
        self._send: tuple[AESGCM, int] | None = _library_key(*keys.of(role))
        self._receive: tuple[AESGCM, int] | None = _library_key(*keys.of(role.other))
        keys.wipe()
        self._next = 0
        self._highest = -1
        self._seen = 0
        super().__init__()

    def seal(self, body: Body) -> bytes:
        """control.2-1: the next record; CounterExhausted at 2^64, ApiMisuse after `end_sending`."""
        if self._send is None:
            raise ApiMisuse("nothing more is sent in this epoch", epoch=self.epoch, clause="epoch.2-2")
        seq = self._next
        if seq >= _SEQUENCES:
            raise CounterExhausted("the control channel has no record left", epoch=self.epoch, clause="control.2-1")
        self._next += 1
        values = {"type": body.type, "message_id": body.message_id, "fields": body.fields}
        aad = self._aad_epoch + seq.to_bytes(8)
        aead, iv = self._send
        return aad + aead.encrypt(_nonce(iv, seq), build_bytes(BODY, values, "control"), aad)

    def end_sending(self) -> None:
        """epoch.2-2: nothing more is sealed in this epoch; the library's copy of the send key goes."""
        self._send = None

    def close(self) -> None:
        """epoch.3-2: nothing is sealed or opened any more; the library's copies of both keys go."""
        self._send = self._receive = None

    def disable_after_fork(self) -> None:
        """control.2-1: parent and child would each seal a record under the same number."""
        self.close()

    def open(self, data: bytes) -> Body:
        """control.2-2 to control.2-4: the body of one record, once; the window moves only when it authenticates.

        MalformedMessage, VerificationFailed (does not authenticate), PeerMisbehaved (repeated, too old, other epoch).
        ApiMisuse after `close`.
        """
        if self._receive is None:
            raise ApiMisuse("nothing more is opened in this epoch", epoch=self.epoch, clause="epoch.3-2")
        if len(data) > RECORD_LIMIT:
            message = f"a record has at most {RECORD_LIMIT} bytes"
            raise MalformedMessage(message, path="record", clause="control.2-10")
        record = parse_exact(RECORD, data, "record", clause="control.2-2")
        if record.epoch != self.epoch & EPOCH_BYTE:
            raise PeerMisbehaved("the record is of another epoch", epoch=record.epoch, clause="control.2-4")
        age = self._highest - record.seq
        if age >= WINDOW or (age >= 0 and self._seen >> age & 1):
            message = "the record was taken before, or is too old"
            raise PeerMisbehaved(message, epoch=self.epoch, clause="control.2-3")
        aead, iv = self._receive
        try:
            plain = aead.decrypt(_nonce(iv, record.seq), record.sealed, data[:_AAD_LENGTH])
        except InvalidTag:
            message = "the control record does not authenticate"
            raise VerificationFailed(message, epoch=self.epoch, clause="control.2-2") from None
        self._commit(record.seq)
        body = parse_exact(BODY, plain, "control", clause="control.3-2")
        return Body(body.type, body.message_id, bytes(body.fields))

    def _commit(self, seq: int) -> None:
        ahead = seq - self._highest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, WINDOW) | 1) & (1 << WINDOW) - 1
            self._highest = seq
        else:
            self._seen |= 1 << -ahead

    def __repr__(self) -> str:
        return f"<EpochRecords of epoch {self.epoch}>"


def epoch_byte_of(record: bytes) -> int:
    """control.2-4: the epoch that a record names; MalformedMessage for no bytes at all."""
    if not record:
        raise MalformedMessage("a record has no bytes", offset=0, path="record", clause="control.2-2")
    return record[0]


def _library_key(key: SecretBytes, iv: SecretBytes) -> tuple[AESGCM, int]:
    return aes_gcm(key), int.from_bytes(iv.expose())


def _nonce(iv: int, seq: int) -> bytes:
    return (iv ^ seq).to_bytes(12)
