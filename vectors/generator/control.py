"""Records of the control channel, one at a time: sealed and opened, and messages whose fields are wrong."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.control import (
    HEARTBEAT,
    RECEIPT,
    SIGNATURE,
    Message,
    check_message,
    check_signed,
    nonce_of,
    open_record,
    read_body,
    seal_record,
    signed_message,
    write_body,
)
from e2ecall.audit.oracle.ed25519 import public_key
from e2ecall.audit.oracle.key_schedule import labelled, lv
from e2ecall.audit.oracle.messages import write_fields
from generator.cases import OURS, Case, Draw, VectorFile, outcome
from generator.hostile import other_s, patched
from generator.script import Script

__all__ = ["FILES", "GOOD", "KEY", "number"]

KEY, IV = Draw("control key").bytes(32), Draw("control iv").bytes(12)
TH2 = Draw("control th2").bytes(32)
SEED = Draw("control identity").bytes(32)
Fields = list[tuple[int, bytes]]

U64 = 2**64 - 1
RK = Draw("rk").bytes(42)
MARK = Draw("a signature").bytes(64)

GOOD: tuple[tuple[str, int, Fields], ...] = (
    ("an SDP offer", 1, [(1, b"\0"), (2, b"v=0\r\n")]),
    ("an SDP answer", 1, [(1, b"\1"), (2, b"")]),
    ("a candidate", 2, [(1, b"0"), (2, b"candidate:1 1 udp 1 192.0.2.1 9 typ host")]),
    ("the end of candidates", 2, [(1, b""), (2, b"")]),
    ("a stream", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"vp8"), (4, b"\3"), (6, b"\0")]),
    ("a layer", 3, [(1, b"\xff\xff"), (2, b"\0"), (3, b"opus"), (4, b"\4"), (5, b"\xff"), (6, b"\1")]),
    ("muted", 4, [(1, b"\0\0"), (2, b"\1")]),
    ("rk1", 5, [(1, RK), (SIGNATURE, MARK)]),
    ("rk2", 6, [(1, RK), (SIGNATURE, MARK)]),
    ("a heartbeat", 8, [(1, bytes(4)), (2, TH2), (3, b"\0\0\0\1"), (SIGNATURE, MARK)]),
    ("a heartbeat with counts", 8, [(1, bytes(4)), (2, TH2), (3, b"\xff" * 4), (4, bytes(20)), (SIGNATURE, MARK)]),
    ("one character", 9, [(1, b"x")]),
    ("4096 bytes", 9, [(1, "é".encode() * 2048)]),
    ("a receipt", 10, [(1, b"\1"), (2, b"\1"), (3, TH2), (SIGNATURE, MARK)]),
    ("a receipt of a mismatch by link", 10, [(1, b"\5"), (2, b"\0"), (3, TH2), (SIGNATURE, MARK)]),
    ("bye", 11, []),
    ("bye with a reason that nobody knows", 11, [(1, b"\xfe")]),
    ("data", 12, [(1, b"label"), (2, bytes(range(256)))]),
    ("data without a label or a byte", 12, [(1, b""), (2, b"")]),
    ("an unknown field", 4, [(1, b"\0\0"), (2, b"\0"), (9, b"later")]),
    ("a known field marked critical", 4, [(0x8001, b"\0\0"), (0x8002, b"\0")]),
    ("a type that is not known", 200, [(1, b"?"), (0x8009, b"!")]),
    ("type 0 without fields", 0, []),
)


def number(value: int) -> int | str:
    """A number of peer.1-3."""
    return str(value) if value > 2**53 else value


def _seal(script: Script, epoch: int, seq: int, message: Message, expect: tuple[str, str] | None = None) -> bytes:
    request: Case = {"key": KEY.hex(), "iv": IV.hex(), "epoch": epoch, "seq": number(seq), "type": message.type}
    request |= {"message_id": message.message_id, "fields": message.fields.hex()}
    record = script.step(
        "control.seal",
        request,
        lambda: seal_record(KEY, IV, epoch, seq, write_body(message)),
        lambda record: {"record": record.hex()},
        expect,
    )
    return record or b""


def _opened(got: tuple[int, int, bytes]) -> Case:
    message = read_body(got[2])
    found: Case = {"epoch": got[0], "seq": number(got[1]), "type": message.type}
    return found | {"message_id": message.message_id, "fields": message.fields.hex()}


def _open(script: Script, record: bytes, expect: tuple[str, str] | None = None) -> None:
    def do() -> tuple[int, int, bytes]:
        got = open_record(KEY, IV, record)
        read_body(got[2])
        return got

    request: Case = {"key": KEY.hex(), "iv": IV.hex(), "record": record.hex()}
    script.step("control.open", request, do, _opened, expect)


def _both_ways() -> Iterator[Script]:
    chat = Message(9, 1, write_fields([(1, b"hello")]))
    for name, epoch, seq, identity in (
        ("the first record", 0, 0, 1),
        ("the last number of a key", 0, U64, 2**32 - 1),
        ("epoch 255", 255, 1, 2),
        ("epoch 256 is 0 in the record", 256, 1, 2),
        ("the last epoch", 2**32 - 1, 2**32, 3),
        ("a number of 2^53", 7, 2**53, 4),
        ("a number of 2^53 + 1", 7, 2**53 + 1, 4),
    ):
        script = Script(name, "control.2-1")
        message = Message(9, identity, chat.fields)
        record = _seal(script, epoch, seq, message)
        _open(script, record)
        body = write_body(message)
        script.values = {"nonce": nonce_of(IV, seq).hex(), "aad": record[:9].hex(), "body": body.hex()}
        yield script
    script = Script("no number is left", "control.2-1")
    _seal(script, 0, U64 + 1, chat, ("exhausted", "control.2-1"))
    yield script
    for name, kind, fields in GOOD:
        script = Script(f"message: {name}", "control.3-2")
        message = Message(kind, 0 if kind in (8, 12) else 9, write_fields(fields))
        check_message(message)
        _open(script, _seal(script, 1, 5, message))
        yield script


def _refused() -> Iterator[Script]:
    good = seal_record(KEY, IV, 3, 70, write_body(Message(9, 1, write_fields([(1, b"hello")]))))
    for length in (0, 1, 8):
        yield _refused_record(f"cut to {length} bytes", good[:length], "malformed")
    for name, record in (
        ("cut to its head", good[:9]),
        ("cut to less than a tag", good[:24]),
        ("cut by one byte", good[:-1]),
        ("one byte more", good + b"\0"),
        ("another epoch byte", patched(good, 0, b"\2")),
        ("another number", patched(good, 8, b"\x47")),
        ("a number with its first bit set", patched(good, 1, b"\x80")),
        ("first byte of the body", patched(good, 9, bytes([good[9] ^ 1]))),
        ("last byte of the tag", patched(good, len(good) - 1, bytes([good[-1] ^ 1]))),
        ("sealed under another key", seal_record(bytes(32), IV, 3, 70, write_body(Message(9, 1, b"")))),
        ("sealed under another iv", seal_record(KEY, bytes(12), 3, 70, write_body(Message(9, 1, b"")))),
        ("the body in clear", good[:9] + write_body(Message(9, 1, b""))),
    ):
        yield _refused_record(name, record, "verification")
    for length in (0, 1, 4):
        script = Script(f"a body of {length} bytes", "control.3-2")
        _open(script, seal_record(KEY, IV, 3, 70, bytes(length)), ("malformed", "control.3-2"))
        yield script


def _refused_record(name: str, record: bytes, layer: str) -> Script:
    script = Script(name, "control.2-2")
    _open(script, record, (layer, "control.2-2"))
    return script


def _signed() -> Iterator[Case]:
    """control.3-3, control.3-4: `fields` of a heartbeat or receipt of `role` in the epoch of `th2`."""
    other = Draw("other th2").bytes(32)
    beat = write_fields([(1, bytes(4)), (2, TH2), (3, b"\0\0\0\7"), (4, b"\0\0" + bytes(7) + b"\x05")])
    receipt = write_fields([(1, b"\2"), (2, b"\1"), (3, TH2)])
    for role in (0, 1):
        for label, kind, fields, at in (("heartbeat", HEARTBEAT, beat, 51), ("receipt", RECEIPT, receipt, 4)):
            good = signed_message(SEED, label, role, TH2, fields)
            others = {
                "": good,
                "one bit of the signature": patched(good, len(good) - 1, bytes([good[-1] ^ 1])),
                "S with L added": good[:-64] + other_s(good[-64:]),
                "one bit of a field": patched(good, at, bytes([good[at] ^ 1])),
                "of the other role": signed_message(SEED, label, 1 - role, TH2, fields),
                "by another identity": signed_message(bytes(32), label, role, TH2, fields),
                "in another epoch": signed_message(SEED, label, role, other, fields),
                "with the other label": signed_message(
                    SEED, ("receipt", "heartbeat")[kind - 8 == 2], role, TH2, fields
                ),
            }
            if kind == HEARTBEAT:
                others["of the th2 of another epoch"] = signed_message(SEED, label, role, TH2, patched(beat, 12, other))
            for what, found in others.items():
                yield _signed_case(f"{label} of {('A', 'B')[role]}{what and ': ' + what}", label, role, found)


def _signed_case(name: str, label: str, role: int, fields: bytes) -> Case:
    identity = public_key(SEED)
    _, refused = outcome(lambda: check_signed(identity, label, role, TH2, fields))
    case: Case = {"name": name, "clause": refused.clause if refused else "control.3-3", "label": label, "role": role}
    case |= {"identity": identity.hex(), "th2": TH2.hex(), "fields": fields.hex(), "signature": fields[-64:].hex()}
    if refused is None:
        case |= {"seed": SEED.hex()}
    case |= {"signed": (labelled(label) + bytes([role]) + TH2 + lv(fields[:-68])).hex()}
    return case | {"result": refused.layer if refused else "ok"}


FILES = (
    VectorFile(
        "record.json",
        "peer.steps",
        "records sealed and opened: edges of epoch and number, a message of every type",
        OURS,
        tuple(script.case() for script in _both_ways()),
        folder="control",
    ),
    VectorFile(
        "record-refused.json",
        "peer.steps",
        "one good record spoilt in every way",
        OURS,
        tuple(script.case() for script in _refused()),
        folder="control",
    ),
    VectorFile(
        "signed.json",
        "control.signed",
        "heartbeats and receipts with their signatures, and what does not verify",
        OURS,
        tuple(_signed()),
        folder="control",
    ),
)
