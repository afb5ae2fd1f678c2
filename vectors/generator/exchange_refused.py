"""Offers and answers that must be refused, one fault each."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from e2ecall.audit.oracle.exchange import Callee
from e2ecall.audit.oracle.key_schedule import link
from e2ecall.audit.oracle.messages import Answer, write_answer, write_fields, write_head
from e2ecall.audit.oracle.x25519 import public_key
from generator.cases import OURS, Draw, VectorFile
from generator.exchange import ALICE, BOB, SECRET
from generator.hostile import SMALL_ORDER_X25519, broken_heads, cuts, patched
from generator.script import CALL_ID, Call, Script

__all__ = ["FILES", "refused_lists"]

Spoilt = tuple[str, str, str, bytes]
"""(name, layer, clause, message)."""

MALFORMED, MISBEHAVED, VERIFICATION = "malformed", "misbehaved", "verification"
ALSO = dict.fromkeys(("psk_mode 2 with a psk_id", "psk_mode 255 with a psk_id"), "kex.2-2")
KEY_AT, EK_AT = 21, 55
"""Where in an offer of one suite the X25519 key and ek begin."""


def refused_lists() -> Iterator[tuple[str, str, bytes]]:
    """(name, clause, TLV list) that is malformed whatever fields are known."""
    yield "a field twice", "kex.4-1", write_fields([(9, b"1"), (9, b"2")])
    yield "a field twice, once critical", "kex.4-1", write_fields([(9, b""), (0x8009, b"")])
    yield "fields out of order", "kex.4-1", write_fields([(10, b""), (9, b"")])
    yield "an unknown critical field", "kex.4-2", write_fields([(0x8009, b"")])
    yield "an unknown critical field behind another", "kex.4-2", write_fields([(9, b""), (0xFFFE, b"1")])
    yield "a field that is cut", "kex.2-2", write_fields([(9, b"12")])[:-1]
    yield "a type without a length", "kex.2-2", write_fields([(9, b"")]) + b"\0\x0a"
    yield "half a type", "kex.2-2", write_fields([(9, b"")]) + b"\0"


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _offer(suites: bytes, ek: bytes = b"", psk: bytes = b"\0", ext: bytes = b"") -> bytes:
    """An offer by hand; `suites` with their count, `psk` with its mode."""
    key = public_key(Draw("stranger").bytes(32))
    body = suites + key + _u16(len(ek)) + ek + psk + _u16(len(ext)) + ext
    return write_head(1, CALL_ID) + body + Draw("commitment").bytes(32)


ONE, TWO = b"\1\0\1", b"\1\0\2"


def _offers(call: Call, ek: bytes) -> Iterator[Spoilt]:
    good = call.m1
    yield from broken_heads(good, 1)
    for name, data in cuts(good, 1, 1, 16, 1, 2, 32, 2, 1, 2, 32):
        yield name, MALFORMED, "kex.2-2", data
    yield "no suite", MALFORMED, "kex.2-4", _offer(b"\0")
    yield "a suite twice", MALFORMED, "kex.2-4", _offer(b"\2\0\2\0\2")
    yield "an unknown suite twice", MALFORMED, "kex.2-4", _offer(b"\3\0\7\0\2\0\7")
    yield "fewer suites than counted", MALFORMED, "kex.2-2", patched(good, 18, b"\xff")
    for length in (0, 1, 1183, 1185):
        yield f"suite 1 with an ek of {length} bytes", MALFORMED, "kex.2-4", _offer(ONE, (ek + b"\0")[:length])
    yield "suite 2 alone with an ek", MALFORMED, "kex.2-4", _offer(TWO, ek)
    yield "suite 2 alone with an ek of one byte", MALFORMED, "kex.2-4", _offer(TWO, b"\0")
    for mode in (2, 255):
        yield f"psk_mode {mode}", MALFORMED, "kex.2-5", _offer(TWO, psk=bytes([mode]))
        yield f"psk_mode {mode} with a psk_id", MALFORMED, "kex.2-5", _offer(TWO, psk=bytes([mode]) + bytes(16))
    for name, clause, ext in refused_lists():
        yield f"ext: {name}", MALFORMED, clause, _offer(TWO, ext=ext)
    yield "ext: an identity marked critical", MALFORMED, "kex.4-2", _offer(TWO, ext=write_fields([(0x8001, bytes(32))]))
    yield "no suite in common", "incompatible", "kex.6-2", _offer(b"\2\0\3\xff\xff")
    yield "suite 0 alone", "incompatible", "kex.6-2", _offer(b"\1\0\0")
    for name, point in SMALL_ORDER_X25519:
        yield f"X25519 of small order: {name}", MISBEHAVED, "kex.7-1", patched(good, KEY_AT, point)


def _coefficient(ek: bytes, number: int, value: int) -> bytes:
    """The ek with another coefficient, 12 bits in little-endian pairs."""
    at = number // 2 * 3
    pair = int.from_bytes(ek[at : at + 3], "little")
    shift = number % 2 * 12
    pair = pair & ~(0xFFF << shift) | value << shift
    return patched(ek, at, pair.to_bytes(3, "little"))


def _keys(call: Call) -> Iterator[Spoilt]:
    """Offers of suite 1."""
    good, ek = call.m1, call.a.ek
    for number, value in ((0, 3329), (1, 3329), (383, 3330), (767, 3329), (767, 4095)):
        bad = patched(good, EK_AT, _coefficient(ek, number, value))
        yield f"ek: coefficient {number} is {value}", MISBEHAVED, "kex.7-2", bad
    yield "ek of ones", MISBEHAVED, "kex.7-2", patched(good, EK_AT, b"\xff" * 1152)
    both = _offer(b"\2\0\2\0\1", _coefficient(ek, 500, 3329))
    yield "ek: not used, since suite 2 is taken, and not canonical", MISBEHAVED, "kex.7-2", both
    yield "X25519 of small order in suite 1", MISBEHAVED, "kex.7-1", patched(good, KEY_AT, bytes(32))


def _refused_offers() -> Iterator[Script]:
    two, one = Call(ALICE, BOB).run(to=1), Call(ALICE, BOB, suites=(1,)).run(to=1)
    for call, spoilt in ((two, _offers(two, one.a.ek)), (one, _keys(one))):
        for name, layer, clause, m1 in spoilt:
            script = Script(name, clause)
            call.take_offer(script, m1, (layer, clause), ALSO.get(name))
            yield script
    script = Script("a callee without ML-KEM, and an offer of suite 1", "kex.6-2")
    Call(ALICE, BOB, callee_suites=(2,)).take_offer(script, one.m1, ("incompatible", "kex.6-2"))
    yield script
    script = Script("a callee that insists on ML-KEM, and an offer of suite 2", "kex.6-2")
    Call(ALICE, BOB, callee_suites=(1,)).take_offer(script, two.m1, ("incompatible", "kex.6-2"))
    yield script


def _secrets() -> Iterator[Script]:
    """kex.8-1: missing, unexpected and other secrets look alike."""
    other = Draw("other secret").bytes(16)
    of_another_call = link(SECRET, bytes(16)).psk_id
    for name, ours, psk in (
        ("a link secret is missing", SECRET, b"\0"),
        ("a link secret is not expected", None, b"\1" + link(SECRET, CALL_ID).psk_id),
        ("another link secret", SECRET, b"\1" + link(other, CALL_ID).psk_id),
        ("the psk_id of another call", SECRET, b"\1" + of_another_call),
        ("a psk_id of zeros", SECRET, b"\1" + bytes(16)),
    ):
        script = Script(name, "kex.8-1")
        call = Call(ALICE, BOB, secret=ours)
        call.take_offer(script, _offer(TWO, psk=psk), (VERIFICATION, "kex.8-1"))
        yield script


def _answers(call: Call) -> Iterator[Spoilt]:
    good = call.m2
    yield from broken_heads(good, 2)
    yield "one's own offer", MISBEHAVED, "kex.2-6", call.m1
    for name, data in cuts(good, 1, 1, 16, 2, 32, 2, 32, 2):
        yield name, MALFORMED, "kex.2-2", data
    yield "another call id", MISBEHAVED, "kex.2-3", patched(good, 17, bytes([good[17] ^ 1]))
    yield "a call id of zeros", MISBEHAVED, "kex.2-3", patched(good, 2, bytes(16))
    for suite in (0, 3, 0x0102, 0xFFFF):
        yield f"suite {suite}", MISBEHAVED, "kex.5-2", patched(good, 18, _u16(suite))
    yield "suite 1 where suite 2 was offered", MISBEHAVED, "kex.5-2", _answer(call.b, 1, bytes(1088))
    for length in (1, 1088):
        yield f"suite 2 with a ct of {length} bytes", MALFORMED, "kex.2-4", _answer(call.b, 2, bytes(length))
    for name, clause, ext in refused_lists():
        yield f"ext: {name}", MALFORMED, clause, _answer(call.b, 2, b"", ext)
    for name, point in SMALL_ORDER_X25519:
        yield f"X25519 of small order: {name}", MISBEHAVED, "kex.7-1", patched(good, 20, point)


def _answer(callee: Callee, suite: int, ct: bytes, ext: bytes = b"") -> bytes:
    return write_answer(Answer(CALL_ID, suite, public_key(callee.x25519), ct, callee.nonce), ext)


def _answers_of_one(call: Call) -> Iterator[Spoilt]:
    yield "suite 2 where suite 1 was offered", MISBEHAVED, "kex.5-2", _answer(call.b, 2, b"")
    for length in (0, 1087, 1089):
        ct = (call.b.ct + b"\0")[:length]
        yield f"suite 1 with a ct of {length} bytes", MALFORMED, "kex.2-4", _answer(call.b, 1, ct)
    yield "X25519 of small order in suite 1", MISBEHAVED, "kex.7-1", patched(call.m2, 20, bytes(32))


def _refused_answers() -> Iterator[Script]:
    """kex.5-2: after each of them the good answer is taken."""
    for suites, spoil in (((2,), _answers), ((1,), _answers_of_one)):
        call = Call(ALICE, BOB, suites=suites).run()
        for name, layer, clause, m2 in spoil(call):
            script = Script(name, clause)
            caller = copy.copy(call.before_m2)
            call.give_caller(script)
            call.take_answer(script, caller, m2, (layer, clause))
            call.take_answer(script, caller, call.m2)
            yield script


def _second_answers() -> Iterator[Script]:
    """kex.5-1: whatever is in it."""
    call = Call(ALICE, BOB).run()
    other = Call(ALICE, BOB, callee_seed=Draw("another callee").bytes(32)).run().m2
    for name, m2 in (("the same", call.m2), ("that of another callee", other), ("one that is cut", call.m2[:40])):
        script = Script(f"a second answer: {name}", "kex.5-1")
        caller = copy.copy(call.before_m2)
        call.give_caller(script)
        call.take_answer(script, caller, call.m2)
        call.take_answer(script, caller, m2, ("misuse", "kex.5-1"), "kex.6-1")
        call.take_finish(script, caller, call.m4)
        yield script


FILES = (
    VectorFile(
        "offer-refused.json",
        "peer.steps",
        "offers with one fault each, and link secrets that do not fit",
        OURS,
        tuple(script.case() for part in (_refused_offers(), _secrets()) for script in part),
        folder="exchange",
    ),
    VectorFile(
        "answer-refused.json",
        "peer.steps",
        "answers with one fault each, after which the good one is taken; second answers",
        OURS,
        tuple(script.case() for part in (_refused_answers(), _second_answers()) for script in part),
        folder="exchange",
    ),
)
