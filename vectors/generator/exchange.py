"""Whole exchanges with every value in between, and messages by hand that must be taken."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, replace

from e2ecall.audit.oracle.exchange import Caller
from e2ecall.audit.oracle.messages import write_fields
from e2ecall.audit.oracle.payload import Payload
from generator.cases import OURS, Case, Draw, VectorFile
from generator.script import Call, Script, result_of

__all__ = ["FILES", "SECRET"]

SECRET = Draw("link secret").bytes(16)
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"


def _prints(name: str, count: int) -> tuple[bytes, ...]:
    draw = Draw(name)
    return tuple(draw.bytes(32) for _ in range(count))


DIRECT_A = Payload(0, _prints("prints of A", 2), SDP, (5, 4), "Alice")
DIRECT_B = Payload(0, _prints("prints of B", 1), SDP + "a=end-of-candidates\r\n", (4, 5), "Bob")
ALICE, BOB = Payload(1, name="Alice"), Payload(1, name="Bob")
LONGEST = "Zoë " + 12 * "\U0001f600" + "abcdefg" + "hi" + "jk"


def whole(script: Script, call: Call) -> Script:
    """Both sides, each step with what it returns, and what lies between."""
    caller, callee = copy.copy(call.a), copy.copy(call.b)
    call.run()
    call.give_caller(script)
    call.give_callee(script)
    callee.answer(call.m1)
    call.take_answer(script, caller, call.m2)
    call.take_reveal(script, callee, call.m3)
    call.take_accept(script, callee)
    late = call.take_finish(script, caller, call.m4)
    if late != call.late:
        raise ValueError(f"{script.name}: the two sides do not agree")
    for session, side in (("A", caller), ("B", callee)):
        script.given("handshake.result", {"session": session}, result_of(side, late))
    script.values = _values(call)
    return script


def _values(call: Call) -> Case:
    a, b = call.a, call.b
    found = {"m": b.m} if b.ct else {}
    found |= {"nonce_a": a.nonce, "nonce_b": b.nonce, "commitment": call.m1[-32:]}
    if call.secret is not None:
        found |= {"prk": a.link.prk, "psk_id": a.link.psk_id, "room": a.link.room}
    found |= {"psk": a.link.psk, "ss_x25519": b.shared.ss_x25519, "ss_mlkem": b.shared.ss_mlkem}
    found |= asdict(b.early) | {"payload_a": a.signed_payload(a.body()), "payload_b": b.signed_payload(b.body())}
    return {name: value.hex() for name, value in (found | asdict(call.late)).items()}


def _worked() -> Iterator[Script]:
    yield whole(Script("suite 1, relayed, names", "kex.3-5"), Call(ALICE, BOB, suites=(1,), callee_suites=(1,)))
    call = Call(DIRECT_A, DIRECT_B, suites=(1, 2), secret=SECRET)
    yield whole(Script("suite 1 with a link secret, direct, everything that a payload says", "kex.3-3"), call)
    call = Call(ALICE, BOB, suites=(1, 2), callee_suites=(2,))
    yield whole(Script("suite 1 offered first, suite 2 taken: ek is there and not used", "kex.6-2"), call)
    call = Call(ALICE, BOB, suites=(2, 1), callee_suites=(1, 2), kem="other m")
    yield whole(Script("the caller's order decides, not the callee's", "kex.6-2"), call)
    yield whole(Script("suite 2, nothing is said", "kex.3-3"), Call(Payload(), Payload()))
    call = Call(DIRECT_A, DIRECT_B, secret=SECRET)
    yield whole(Script("suite 2 with a link secret, direct", "kex.8-1"), call)
    call = Call(ALICE, BOB, secret=bytes(16))
    yield whole(Script("a link secret of zeros is not the absence of one", "kex.3-3"), call)
    call = Call(replace(ALICE, name=LONGEST), replace(BOB, name=""), call_id=bytes(16))
    yield whole(Script("the longest name and an empty one, a call id of zeros", "kex.4-8"), call)
    call = Call(ALICE, BOB, call_id=b"\xff" * 16, kem="third m", suites=(1,))
    yield whole(Script("a call id of ones", "kex.2-3"), call)


def _frame_suites() -> Iterator[Script]:
    for name, clause, ours, theirs in (
        ("the callee takes the caller's first that it has", "kex.6-4", (4, 5, 1), (1, 5)),
        ("a suite 5 that is named", "kex.6-4", (5,), (5,)),
        ("the caller names none: the callee names none, and both mean suite 5", "kex.5-4", (), (4, 5)),
        ("the callee has suite 5 alone, and names it where it was asked", "kex.5-4", (4, 5), ()),
        ("numbers that nobody knows", "kex.4-9", (65535, 0, 5), (5,)),
    ):
        call = Call(replace(ALICE, frame_suites=ours), replace(BOB, frame_suites=theirs))
        yield whole(Script(f"SFrame suites: {name}", clause), call)


EXT = write_fields([(9, b"unknown"), (0x7FFF, b"")])


def _offers() -> Iterator[Script]:
    """Offers of a stranger, which the callee answers."""
    call = Call(ALICE, BOB).run(to=2)
    for name, clause, m1 in (
        ("unknown fields in ext", "kex.4-3", call.a.offer_with(EXT)),
        ("a field of zero length in ext", "kex.4-3", call.a.offer_with(write_fields([(0, b"")]))),
        ("fields with the numbers of a payload in ext, not critical", "kex.4-3", call.a.offer_with(_payload_fields())),
    ):
        caller = copy.copy(call.a)
        caller.offer = m1
        yield _to_the_end(Script(f"offer: {name}", clause), call, caller)
    caller = copy.copy(call.a)
    caller.suites = (0, 3, 0xFFFF, 2)
    caller.offer = caller.offer_with()
    yield _to_the_end(Script("offer: suites that are not known stand first", "kex.6-2"), call, caller)


def _payload_fields() -> bytes:
    return write_fields([(1, bytes(32)), (3, b"\7"), (7, b"\xff")])


def _to_the_end(script: Script, call: Call, caller: Caller, body: bytes | None = None) -> Script:
    """A caller by hand, with a body of its own; the callee is the peer."""
    callee = copy.copy(call.b)
    call.give_callee(script, caller.offer)
    caller.take_answer(callee.answer(caller.offer))
    caller.m3 = caller.reveal_with(caller.signed_payload(body or caller.body()))
    call.take_reveal(script, callee, caller.m3)
    m4, late = call.take_accept(script, callee)
    if caller.finish(m4) != late:
        raise ValueError(script.name)
    script.given("handshake.result", {"session": "B"}, result_of(callee, late))
    return script


def _reveals() -> Iterator[Script]:
    """Payloads of a stranger, which the callee takes."""
    call = Call(Payload(), BOB).run(to=2)
    xwing = Draw("encryption key").bytes(1216)
    identity = call.a.identity
    for name, clause, fields in (
        ("an X-Wing key", "kex.4-7", [(1, identity), (2, xwing)]),
        ("unknown fields", "kex.4-3", [(0, b"?"), (1, identity), (8, b""), (0x7FFE, bytes(300))]),
        ("known fields marked critical", "kex.4-2", [(0x8001, identity), (0x8003, b"\1"), (0x8007, b"Eve")]),
        ("relayed, with fingerprints all the same", "kex.4-6", [(1, identity), (3, b"\1"), (4, bytes(64))]),
        ("an empty SDP", "kex.4-8", [(1, identity), (5, b"")]),
        ("an SDP that only speaks of candidates", "kex.4-10", [(1, identity), (5, b"a=end-of-candidates\r\n")]),
    ):
        yield _to_the_end(Script(f"payload: {name}", clause), call, copy.copy(call.a), write_fields(fields))


def _answers() -> Iterator[Script]:
    """Answers and finishes of a stranger, which the caller takes."""
    call = Call(ALICE, Payload()).run()
    for name, clause, ext, fields in (
        ("unknown fields in ext", "kex.4-3", EXT, [(1, call.b.identity)]),
        ("an X-Wing key", "kex.4-7", b"", [(1, call.b.identity), (2, Draw("encryption key").bytes(1216))]),
        ("unknown fields", "kex.4-3", b"", [(1, call.b.identity), (9, b"later")]),
        ("known fields marked critical", "kex.4-2", b"", [(0x8001, call.b.identity), (0x8007, b"Eve")]),
    ):
        script = Script(f"answer: {name}", clause)
        caller, callee = copy.copy(call.before_m2), copy.copy(call.before_m3)
        call.give_caller(script)
        call.take_answer(script, caller, callee.answer(call.m1, ext))
        callee.reveal(caller.m3)
        late = call.take_finish(script, caller, callee.finish_with(callee.signed_payload(write_fields(fields))))
        script.given("handshake.result", {"session": "A"}, result_of(caller, late))
        yield script


def _odd_points() -> Iterator[Script]:
    """kex.7-1 asks for a shared secret that is not zero, RFC 7748 §5 to take any u and to pass over its last bit."""
    p = 2**255 - 19
    call = Call(ALICE, BOB).run(to=2)
    for name, u in (("not reduced: p + 9", p + 9), ("9 with its last bit set", 9 + 2**255), ("of the twist: 2", 2)):
        point = u.to_bytes(32, "little")
        m1 = call.m1[:21] + point + call.m1[53:]
        script = Script(f"offer: an X25519 key {name}", "kex.7-1")
        call.take_offer(script, m1)
        yield script


def _spoilt_ciphertext() -> Iterator[Script]:
    """FIPS 203 §6.3: a ciphertext that is not one gives another secret, not an error; m3 then does not open."""
    call = Call(ALICE, BOB, suites=(1,)).run(to=2)
    for name, at in (("first byte", 54), ("last byte", 54 + 1087)):
        script = Script(f"answer: a ciphertext with another {name}", "kex.7-5")
        m2 = call.m2[:at] + bytes([call.m2[at] ^ 1]) + call.m2[at + 1 :]
        caller, callee = copy.copy(call.a), copy.copy(call.b)
        call.give_caller(script)
        call.give_callee(script)
        call.take_answer(script, caller, m2)
        call.take_reveal(script, callee, caller.m3, ("verification", "kex.7-5"))
        yield script


def _cases(*scripts: Iterator[Script]) -> tuple[Case, ...]:
    return tuple(script.case() for each in scripts for script in each)


FILES = (
    VectorFile(
        "exchange.json",
        "peer.steps",
        "whole exchanges, both sides, with every value in between",
        OURS,
        _cases(_worked(), _frame_suites()),
        folder="exchange",
    ),
    VectorFile(
        "exchange-taken.json",
        "peer.steps",
        "messages of a stranger that must be taken: unknown fields and suites, odd points, spoilt ciphertexts",
        OURS,
        _cases(_offers(), _reveals(), _answers(), _odd_points(), _spoilt_ciphertext()),
        folder="exchange",
    ),
)
