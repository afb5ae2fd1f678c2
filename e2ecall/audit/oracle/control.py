"""control.2, control.3: records, messages and one side's channel, with sets for windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.aead import gcm_decrypt, gcm_encrypt
from e2ecall.audit.oracle.key_schedule import Late, labelled, lv
from e2ecall.audit.oracle.messages import Bytes, read_fields, write_fields
from e2ecall.audit.oracle.refused import Refused

__all__ = [
    "HEARTBEAT",
    "RECEIPT",
    "SIGNATURE",
    "Channel",
    "Message",
    "check_message",
    "check_signed",
    "nonce_of",
    "open_record",
    "read_body",
    "seal_record",
    "signed_message",
    "write_body",
]

WINDOW = 64
APART = 64
SIGNATURE = 0x7FFF
SDP, CANDIDATE, STREAMS, MUTE, RK1, RK2, ACK, HEARTBEAT, CHAT, RECEIPT, BYE, DATA = range(1, 13)


@dataclass(frozen=True, slots=True)
class Message:
    """control.2: type, message id and TLV list, as bytes."""

    type: int
    message_id: int
    fields: bytes


def nonce_of(iv: bytes, seq: int) -> bytes:
    """control.2: iv XOR seq."""
    return (int.from_bytes(iv, "big") ^ seq).to_bytes(12, "big")


def write_body(message: Message) -> bytes:
    """control.2: u8 type || u32 message_id || TLV."""
    return bytes([message.type]) + message.message_id.to_bytes(4, "big") + message.fields


def read_body(body: bytes) -> Message:
    """The same, the other way; the TLV list is not looked at."""
    source = Bytes(body, "control.3-2")
    return Message(source.number(1), source.number(4), source.left)


def seal_record(key: bytes, iv: bytes, epoch: int, seq: int, body: bytes) -> bytes:
    """control.2: u8 epoch modulo 256 || u64 seq || sealed."""
    if seq >= 2**64:
        raise Refused("exhausted", "control.2-1", "every number of the key was used")
    head = bytes([epoch % 256]) + seq.to_bytes(8, "big")
    return head + gcm_encrypt(key, nonce_of(iv, seq), head, body)


def open_record(key: bytes, iv: bytes, record: bytes) -> tuple[int, int, bytes]:
    """control.2-2: (epoch byte, seq, body), whatever was opened before."""
    source = Bytes(record, "control.2-2")
    epoch, seq = source.number(1), source.number(8)
    try:
        return epoch, seq, gcm_decrypt(key, nonce_of(iv, seq), record[:9], source.left)
    except Refused:
        raise Refused("verification", "control.2-2", "the record does not authenticate") from None


def _utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _length(*lengths: int) -> Callable[[bytes], bool]:
    return lambda value: len(value) in lengths


def _u8(*numbers: int) -> Callable[[bytes], bool]:
    return lambda value: len(value) == 1 and value[0] in numbers


def _lower_case(value: bytes) -> bool:
    return _utf8(value) and value.decode() == value.decode().lower()


def _any(value: bytes) -> bool:
    del value
    return True


_SIGNED = {SIGNATURE: _length(64)}
_TABLE: dict[int, dict[int, Callable[[bytes], bool]]] = {
    SDP: {1: _u8(0, 1), 2: _utf8},
    CANDIDATE: {1: _utf8, 2: _utf8},
    STREAMS: {1: _length(2), 2: _u8(0, 1), 3: _lower_case, 4: _u8(0, 1, 2, 3, 4), 5: _length(1), 6: _u8(0, 1)},
    MUTE: {1: _length(2), 2: _u8(0, 1)},
    RK1: {1: _any} | _SIGNED,
    RK2: {1: _any} | _SIGNED,
    ACK: {1: _length(*range(4, 257, 4))},
    HEARTBEAT: {1: _length(4), 2: _length(32), 3: _length(4), 4: lambda value: len(value) % 10 == 0} | _SIGNED,
    CHAT: {1: lambda value: _utf8(value) and 1 <= len(value) <= 4096},
    RECEIPT: {1: _u8(1, 2, 3, 4, 5), 2: _u8(0, 1), 3: _length(32)} | _SIGNED,
    BYE: {1: _length(1)},
    DATA: {1: lambda value: _utf8(value) and len(value) <= 255, 2: _any},
}
_OPTIONAL = {(STREAMS, 5), (HEARTBEAT, 4), (BYE, 1)}
"""control.3: the fields of each type, what each is held to, and which may be absent."""


def check_message(message: Message) -> None:
    """control.3-2, control.3-6, and kex.4-1 to kex.4-3; of a type that is not known only the list's form."""
    if message.type not in _TABLE:
        read_fields(message.fields, range(0x8000))
        return
    table = _TABLE[message.type]
    fields = read_fields(message.fields, table)
    for number, holds in table.items():
        absent = number not in fields
        if (absent and (message.type, number) not in _OPTIONAL) or (not absent and not holds(fields[number])):
            raise Refused("malformed", "control.3-2", f"field {number} of type {message.type}")
    if message.type == SDP and b"a=candidate:" in fields[2]:
        raise Refused("misbehaved", "control.3-6", "candidates in the SDP")


def signed_message(seed: bytes, label: str, role: int, th2: bytes, fields: bytes) -> bytes:
    """control.3-3: the fields with their signature; `label` is heartbeat or receipt, `role` the signer's."""
    to_sign = labelled(label) + bytes([role]) + th2 + lv(fields)
    return fields + write_fields([(SIGNATURE, ed25519.sign(seed, to_sign))])


def check_signed(identity: bytes, label: str, role: int, th2: bytes, fields: bytes) -> None:
    """control.3-3, control.3-4: the fields, signature included, of a heartbeat or receipt of the other side."""
    found, before = read_fields(fields, range(0x8000)), fields[:-68]
    to_sign = labelled(label) + bytes([role]) + th2 + lv(before)
    ed25519.verify(identity, to_sign, found[SIGNATURE], "control.3-3")
    if label == "heartbeat" and found[2] != th2:
        raise Refused("verification", "control.3-4", "a heartbeat of another epoch")


class Channel:
    """control.2-3 to control.2-8: what one side takes. `role` is its own: 0 caller, 1 callee."""

    def __init__(self, role: int) -> None:
        self.role = role
        self.epochs: dict[int, Late] = {}
        self.seen: dict[bytes, set[int]] = {}
        self.taken: set[int] = set()

    def install(self, epoch: int, keys: Late) -> None:
        """Records of that epoch have these keys from now on."""
        self.epochs[epoch % 256] = keys

    def forget(self, epoch: int) -> None:
        """Nor do they have any now."""
        del self.epochs[epoch % 256]

    def receive(self, record: bytes) -> tuple[Message, bool]:
        """(message, whether it comes for the first time)."""
        if not record:
            raise Refused("malformed", "control.2-2", "no byte at all")
        if record[0] not in self.epochs:
            raise Refused("misbehaved", "control.2-4", f"epoch byte {record[0]}")
        keys = self.epochs[record[0]]
        key, iv = (keys.caller_key, keys.caller_iv) if self.role else (keys.callee_key, keys.callee_iv)
        seen = self.seen.setdefault(key, set())
        seq = Bytes(record[1:], "control.2-2").number(8)
        if seq in seen or (seen and max(seen) - seq >= WINDOW):
            raise Refused("misbehaved", "control.2-3", f"{seq} was taken before, or is too old")
        _, _, body = open_record(key, iv, record)
        seen.add(seq)
        message = read_body(body)
        check_message(message)
        return message, self._take(message.message_id)

    def _take(self, number: int) -> bool:
        """control.2-6, control.2-8."""
        if number == 0:
            return True
        oldest = next(each for each in range(1, len(self.taken) + 2) if each not in self.taken)
        if number - oldest >= APART:
            raise Refused("misbehaved", "control.2-8", f"id {number} while {oldest} is out")
        first = number not in self.taken
        self.taken.add(number)
        return first
