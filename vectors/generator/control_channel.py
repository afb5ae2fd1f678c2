"""What one side's control channel takes and sends, in order: windows, epochs, ids, fields, repeats."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.control import Channel, Message, seal_record, write_body
from e2ecall.audit.oracle.key_schedule import Late, late
from e2ecall.audit.oracle.messages import write_fields
from generator.cases import OURS, Case, Draw, VectorFile
from generator.control import GOOD, MARK, TH2
from generator.exchange_refused import refused_lists
from generator.hostile import patched
from generator.script import Script

__all__ = ["FILES"]

ROLES = ("caller", "callee")
REPLAY = ("misbehaved", "control.2-3")
FORGED = ("verification", "control.2-2")
NO_KEYS = ("misbehaved", "control.2-4")
AHEAD = ("misbehaved", "control.2-8")
FIELDS = ("malformed", "control.3-2")
BYE, CHAT, ACK, DATA = 11, 9, 7, 12


def _keys(epoch: int) -> Late:
    draw = Draw(f"control epoch {epoch}")
    return late(draw.bytes(32), draw.bytes(32))


def _keys_of(keys: Late) -> Case:
    names = ("caller_key", "caller_iv", "callee_key", "callee_iv")
    return {name: getattr(keys, name).hex() for name in names}


class Scene(Script):
    """A channel of one side, and the other side's records."""

    def __init__(self, name: str, clause: str, *, role: int = 0) -> None:
        super().__init__(name, clause)
        self.role = role
        self.channel = Channel(role)
        self.channel.install(0, _keys(0))
        request = {"channel": "C", "keys": _keys_of(_keys(0)), "role": ROLES[role]}
        self.given("control.channel.new", request, {})

    def install(self, epoch: int) -> Scene:
        """Keys of that epoch."""
        self.channel.install(epoch, _keys(epoch))
        self.given("control.channel.install", {"channel": "C", "epoch": epoch, "keys": _keys_of(_keys(epoch))}, {})
        return self

    def forget(self, epoch: int) -> Scene:
        """They are gone."""
        self.channel.forget(epoch)
        self.given("control.channel.forget", {"channel": "C", "epoch": epoch}, {})
        return self

    def record(self, seq: int, message: Message, *, epoch: int = 0, own: bool = False) -> bytes:
        """A record of the other side, or of this one."""
        keys = _keys(epoch)
        caller = (self.role == 0) == own
        key, iv = (keys.caller_key, keys.caller_iv) if caller else (keys.callee_key, keys.callee_iv)
        return seal_record(key, iv, epoch, seq, write_body(message))

    def take(self, record: bytes, expect: tuple[str, str] | None = None) -> Scene:
        """control.channel.receive."""
        request = {"channel": "C", "record": record.hex()}
        self.step("control.channel.receive", request, lambda: self.channel.receive(record), _taken, expect)
        return self

    def put(
        self, seq: int, identity: int = 0, expect: tuple[str, str] | None = None, *, epoch: int = 0, kind: int = BYE
    ) -> Scene:
        """A message without fields."""
        return self.take(self.record(seq, Message(kind, identity, b""), epoch=epoch), expect)

    def send(self, kind: int, fields: bytes, *, confirmed: bool = True) -> Scene:
        """control.channel.send."""
        request: Case = {"channel": "C", "type": kind, "fields": fields.hex()}
        self.given("control.channel.send", request | ({} if confirmed else {"confirmed": 0}), {})
        return self

    def due(self, now: int, *messages: tuple[int, Message], epoch: int = 0) -> Scene:
        """control.channel.records: (seq, message) of each record that is due."""
        records = [self.record(seq, message, epoch=epoch, own=True).hex() for seq, message in messages]
        self.given("control.channel.records", {"channel": "C", "now": now}, {"records": records})
        return self


def _taken(got: tuple[Message, bool]) -> Case:
    message, first = got
    if not first:
        return {"taken": False}
    return {"type": message.type, "message_id": message.message_id, "fields": message.fields.hex(), "taken": True}


def _windows() -> Iterator[Scene]:
    for role in (0, 1):
        s = Scene(f"each record once, {ROLES[role]}", "control.2-3", role=role).put(0).put(1).put(1, expect=REPLAY)
        yield s.put(0, expect=REPLAY).put(2)
    s = Scene("out of order", "control.2-3").put(5).put(3).put(3, expect=REPLAY).put(4).put(0).put(5, expect=REPLAY)
    yield s.put(6)
    s = Scene("63 behind is taken, 64 is not", "control.2-3").put(64).put(1).put(0, expect=REPLAY).put(1, expect=REPLAY)
    yield s.put(65).put(2).put(1, expect=REPLAY)
    s = Scene("a jump over the whole window, to the last number", "control.2-3").put(3).put(2**64 - 1)
    s.put(4, expect=REPLAY).put(2**64 - 64).put(2**64 - 65, expect=REPLAY)
    yield s.put(2**64 - 1, expect=REPLAY)
    s = Scene("the first number is any", "control.2-3").put(1000).put(937)
    yield s.put(936, expect=REPLAY)


def _forgeries() -> Iterator[Scene]:
    s = Scene("a forged record moves nothing", "control.2-2").put(10)
    far = s.record(500, Message(BYE, 0, b""))
    s.take(patched(far, len(far) - 1, bytes([far[-1] ^ 1])), FORGED)
    near = s.record(9, Message(BYE, 0, b""))
    s.take(patched(near, len(near) - 1, bytes([near[-1] ^ 1])), FORGED)
    yield s.put(9).put(11).put(10, expect=REPLAY).put(500)
    s = Scene("one's own record, sent back", "control.2-2")
    yield s.take(s.record(0, Message(BYE, 0, b""), own=True), FORGED).put(0)
    s = Scene("cut records", "control.2-2")
    record = s.record(0, Message(BYE, 0, b""))
    for length in (0, 1, 8):
        s.take(record[:length], ("malformed", "control.2-2"))
    yield s.take(record[:9], FORGED).take(record[:-1], FORGED).take(record)


def _epochs() -> Iterator[Scene]:
    s = Scene("an epoch without keys", "control.2-4").put(0, expect=NO_KEYS, epoch=1).install(1).put(0, epoch=1)
    yield s.put(0).put(0, expect=REPLAY, epoch=1)
    s = Scene("each epoch has its numbers and its window", "control.2-1").put(0).put(200).install(1).put(0, epoch=1)
    yield s.put(1, epoch=1).put(136, expect=REPLAY).put(137).put(0, expect=REPLAY, epoch=1)
    s = Scene("an old epoch is forgotten", "control.2-4").put(0).install(1).put(0, epoch=1)
    s.given("control.channel.send_in", {"channel": "C", "epoch": 1}, {})
    yield s.forget(0).put(1, expect=NO_KEYS).put(1, epoch=1)
    s = Scene("the record of another epoch, its epoch byte turned", "control.2-4").install(1)
    record = s.record(4, Message(BYE, 0, b""), epoch=1)
    yield s.take(b"\0" + record[1:], FORGED).take(record)
    s = Scene("epoch 256 after 255", "control.2-4").install(255).install(256).put(0, epoch=255).put(0, epoch=256)
    old = s.record(7, Message(BYE, 0, b""), epoch=0)
    yield s.take(old, FORGED)
    s = Scene("ids live through the epochs", "control.2-6").put(0, 1).install(1).put(0, 1, epoch=1)
    yield s.put(1, 2, epoch=1).put(1, 2)


def _ids() -> Iterator[Scene]:
    s = Scene("a message that is sent again is taken once", "control.2-7").put(0, 1).put(1, 1).put(2, 2).put(3, 1)
    yield s.put(4, 3)
    s = Scene("ids out of order", "control.2-8").put(0, 3).put(1, 1).put(2, 3).put(3, 2).put(4, 2).put(5, 4)
    yield s
    s = Scene("63 ahead is taken, 64 is not", "control.2-8").put(0, 65, AHEAD).put(1, 64).put(2, 65, AHEAD)
    yield s.put(3, 1).put(4, 65).put(5, 66, AHEAD).put(6, 2).put(7, 66).put(8, 2**32 - 1, AHEAD)
    s = Scene("id 0 is taken each time", "control.2-6").put(0).put(1).put(2)
    yield s
    s = Scene("a refused id was no record to be seen twice", "control.2-8").put(0, 65, AHEAD).put(0, 65, REPLAY)
    yield s.put(1, 1)


def _types() -> Iterator[Scene]:
    s = Scene("a message of every type", "control.3-2")
    for seq, (_, kind, fields) in enumerate(GOOD):
        s.take(s.record(seq, Message(kind, 0 if kind in (8, 12) else 1 + seq, write_fields(fields))))
    yield s
    s = Scene("unknown types are handed on", "control.2-5")
    for seq, kind in enumerate((0, 13, 200, 255)):
        s.take(s.record(seq, Message(kind, 1 + seq, write_fields([(1, bytes([kind])), (0x8002, b"")]))))
    yield s


WRONG: tuple[tuple[str, int, list[tuple[int, bytes]]], ...] = (
    ("sdp without a kind", 1, [(2, b"v=0")]),
    ("sdp without an SDP", 1, [(1, b"\0")]),
    ("sdp of kind 2", 1, [(1, b"\2"), (2, b"v=0")]),
    ("sdp of a kind of two bytes", 1, [(1, b"\0\0"), (2, b"v=0")]),
    ("sdp that is not UTF-8", 1, [(1, b"\0"), (2, b"\xff")]),
    ("candidate without a mid", 2, [(2, b"")]),
    ("candidate without a line", 2, [(1, b"0")]),
    ("candidate that is not UTF-8", 2, [(1, b"0"), (2, b"\xc3")]),
    ("stream without a context", 3, [(2, b"\1"), (3, b"vp8"), (4, b"\3"), (6, b"\0")]),
    ("stream with a context of one byte", 3, [(1, b"\2"), (2, b"\1"), (3, b"vp8"), (4, b"\3"), (6, b"\0")]),
    ("stream of kind 2", 3, [(1, b"\0\2"), (2, b"\2"), (3, b"vp8"), (4, b"\3"), (6, b"\0")]),
    ("stream of source 5", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"vp8"), (4, b"\5"), (6, b"\0")]),
    ("stream without a state", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"vp8"), (4, b"\3")]),
    ("stream of state 2", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"vp8"), (4, b"\3"), (6, b"\2")]),
    ("stream with a layer of no byte", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"vp8"), (4, b"\3"), (5, b""), (6, b"\0")]),
    ("stream without a codec", 3, [(1, b"\0\2"), (2, b"\1"), (4, b"\3"), (6, b"\0")]),
    ("stream with a codec in capitals", 3, [(1, b"\0\2"), (2, b"\1"), (3, b"VP8"), (4, b"\3"), (6, b"\0")]),
    ("mute without a state", 4, [(1, b"\0\0")]),
    ("mute of state 2", 4, [(1, b"\0\0"), (2, b"\2")]),
    ("rk1 without its half", 5, [(0x7FFF, MARK)]),
    ("rk1 without a signature", 5, [(1, b"rk1")]),
    ("rk2 with a signature of 63 bytes", 6, [(1, b"rk2"), (0x7FFF, MARK[:63])]),
    ("ack of nothing", 7, [(1, b"")]),
    ("ack without ids", 7, []),
    ("ack of an id and a half", 7, [(1, bytes(6))]),
    ("ack of 65 ids", 7, [(1, bytes(260))]),
    ("heartbeat without an epoch", 8, [(2, TH2), (3, bytes(4)), (0x7FFF, MARK)]),
    ("heartbeat with a th2 of 31 bytes", 8, [(1, bytes(4)), (2, TH2[:31]), (3, bytes(4)), (0x7FFF, MARK)]),
    ("heartbeat without a number", 8, [(1, bytes(4)), (2, TH2), (0x7FFF, MARK)]),
    ("heartbeat with a count and a half", 8, [(1, bytes(4)), (2, TH2), (3, bytes(4)), (4, bytes(15)), (0x7FFF, MARK)]),
    ("heartbeat without a signature", 8, [(1, bytes(4)), (2, TH2), (3, bytes(4))]),
    ("chat without text", 9, []),
    ("chat of no byte", 9, [(1, b"")]),
    ("chat of 4097 bytes", 9, [(1, b"x" * 4097)]),
    ("chat that is not UTF-8", 9, [(1, b"\xed\xa0\x80")]),
    ("receipt of method 0", 10, [(1, b"\0"), (2, b"\1"), (3, TH2), (0x7FFF, MARK)]),
    ("receipt of method 6", 10, [(1, b"\6"), (2, b"\1"), (3, TH2), (0x7FFF, MARK)]),
    ("receipt of outcome 2", 10, [(1, b"\1"), (2, b"\2"), (3, TH2), (0x7FFF, MARK)]),
    ("receipt without a th2", 10, [(1, b"\1"), (2, b"\1"), (0x7FFF, MARK)]),
    ("receipt without a signature", 10, [(1, b"\1"), (2, b"\1"), (3, TH2)]),
    ("bye with a reason of no byte", 11, [(1, b"")]),
    ("bye with a reason of two bytes", 11, [(1, b"\0\0")]),
    ("data without a label", 12, [(2, b"")]),
    ("data without bytes", 12, [(1, b"label")]),
    ("data with a label of 256 bytes", 12, [(1, b"x" * 256), (2, b"")]),
)


def _refused() -> Iterator[Scene]:
    for name, kind, fields in WRONG:
        s = Scene(name, "control.3-2")
        yield s.take(s.record(0, Message(kind, 0, write_fields(fields))), FIELDS).put(0, expect=REPLAY).put(1, 1)
    candidates = write_fields([(1, b"\0"), (2, b"v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n")])
    s = Scene("sdp with a candidate", "control.3-6")
    yield s.take(s.record(0, Message(1, 1, candidates)), ("misbehaved", "control.3-6"))
    good = write_fields([(1, b"\0\0"), (2, b"\0")])
    for name, clause, fields_ in refused_lists():
        s = Scene(f"fields: {name}", clause)
        yield s.take(s.record(0, Message(4, 1, good + fields_)), ("malformed", clause))


def _sending() -> Iterator[Scene]:
    """control.2-6, control.2-7: what leaves, and when."""
    chat, other = write_fields([(1, b"one")]), write_fields([(1, b"two")])
    for role in (0, 1):
        s = (
            Scene(f"ids from 1, numbers from 0, {ROLES[role]}", "control.2-6", role=role)
            .send(CHAT, chat)
            .send(CHAT, other)
        )
        s.due(0, (0, Message(CHAT, 1, chat)), (1, Message(CHAT, 2, other)))
        data = write_fields([(1, b"app"), (2, b"x")])
        yield s.send(DATA, data, confirmed=False).due(0, (2, Message(DATA, 0, data))).due(0)
    one = Message(CHAT, 1, chat)
    s = Scene("sent again after 1, 2, 4, 8 and 8 seconds, in a new record", "control.2-7").send(CHAT, chat)
    s.due(10, (0, one)).due(10)
    for seq, now in enumerate((11, 13, 17, 25, 33), 1):
        s.due(now - 1).due(now, (seq, one)).due(now)
    yield s
    s = Scene("an acknowledgement ends it", "control.2-7").send(CHAT, chat).due(0, (0, one))
    ack = s.record(0, Message(ACK, 0, write_fields([(1, b"\0\0\0\1")])))
    s.given("control.channel.receive", {"channel": "C", "record": ack.hex()}, {"taken": False})
    yield s.due(9)
    s = Scene("another transport: the same message at once", "control.2-7").send(CHAT, chat).due(0, (0, one))
    s.given("control.channel.moved", {"channel": "C", "now": 0}, {})
    yield s.due(0, (1, one))
    s = Scene("another epoch: numbers from 0, ids go on", "control.2-1").send(CHAT, chat).due(0, (0, one)).install(1)
    s.given("control.channel.send_in", {"channel": "C", "epoch": 1}, {})
    s.send(CHAT, other).due(0, (0, Message(CHAT, 2, other)), epoch=1)
    yield s.due(1, (1, one), (2, Message(CHAT, 2, other)), epoch=1)
    s = Scene("no two ids that are out are 64 apart", "control.2-8")
    for _ in range(66):
        s.send(BYE, b"")
    yield s.due(0, *((seq, Message(BYE, 1 + seq, b"")) for seq in range(64))).due(0)
    s = Scene("what is taken is acknowledged, again when it comes again", "control.2-8")
    s.put(0, 1).due(0, (0, Message(ACK, 0, write_fields([(1, b"\0\0\0\1")]))))
    s.put(1, 1).due(0, (1, Message(ACK, 0, write_fields([(1, b"\0\0\0\1")]))))
    yield s.due(0)


def _file(name: str, title: str, *parts: Iterator[Scene]) -> VectorFile:
    cases = tuple(script.case() for part in parts for script in part)
    return VectorFile(name, "peer.steps", title, OURS, cases, folder="control")


FILES = (
    _file(
        "channel.json",
        "what one side's channel takes, in order: numbers, forgeries, epochs, message ids, types",
        _windows(),
        _forgeries(),
        _epochs(),
        _ids(),
        _types(),
    ),
    _file("channel-sending.json", "what one side's channel sends, and when", _sending()),
    _file("message-refused.json", "messages whose fields are not those of their type", _refused()),
)
