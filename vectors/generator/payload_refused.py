"""m3 and m4 that must be refused, one fault each: openings, seals, payloads, identities, signatures, other calls."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.exchange import Callee, Caller, seal_message
from e2ecall.audit.oracle.key_schedule import h, labelled, link, lv
from e2ecall.audit.oracle.messages import write_fields
from e2ecall.audit.oracle.payload import CALLEE, CALLER, Payload, signed, to_sign
from generator.cases import OURS, Draw, VectorFile
from generator.exchange import ALICE, BOB, SDP, SECRET
from generator.exchange_refused import MALFORMED, MISBEHAVED, VERIFICATION, Spoilt, refused_lists
from generator.hostile import SMALL_ORDER_ED25519, broken_heads, cuts, forged, mixed_order, other_s, patched
from generator.script import CALL_ID, Call, Script, seed_of

__all__ = ["FILES"]

SIGNATURE = 0x7FFF
SEAL = (VERIFICATION, "kex.7-5")
Context = tuple[str, bytes]
"""(label, context) of the signature, kex.4-11."""


def _bodies(identity: bytes) -> Iterator[tuple[str, str, str, list[tuple[int, bytes]]]]:
    """(name, layer, clause, fields before the signature), with a good signature behind them."""
    me = (1, identity)
    yield "no identity", MALFORMED, "kex.4-4", [(3, b"\1")]
    for length in (0, 31, 33):
        yield f"an identity of {length} bytes", MALFORMED, "kex.4-4", [(1, (identity + b"\0")[:length])]
    for length in (0, 1215, 1217):
        yield f"an encryption key of {length} bytes", MALFORMED, "kex.4-7", [me, (2, bytes(length))]
    for mode in (b"", b"\2", b"\xff", b"\0\1"):
        yield f"mode {mode.hex() or 'of no byte'}", MALFORMED, "kex.4-5", [me, (3, mode)]
    for length in (0, 31, 33, 95):
        yield f"fingerprints of {length} bytes", MALFORMED, "kex.4-6", [me, (4, bytes(length))]
    yield "direct without fingerprints", MISBEHAVED, "kex.4-6", [me, (3, b"\0")]
    for length in (0, 1, 3):
        yield f"SFrame suites of {length} bytes", MALFORMED, "kex.4-9", [me, (6, bytes(length))]
    yield "an SFrame suite twice", MALFORMED, "kex.4-9", [me, (6, b"\0\5\0\4\0\5")]
    yield "a name of 65 bytes", MALFORMED, "kex.4-8", [me, (7, b"x" * 65)]
    for name, text in (
        ("half a character", b"Zo\xc3"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("too long a form", b"\xc0\xaf"),
        ("a byte that UTF-8 has not", b"\xff"),
        ("behind the last code point", b"\xf4\x90\x80\x80"),
    ):
        yield f"a name that is not UTF-8: {name}", MALFORMED, "kex.4-8", [me, (7, text)]
        yield f"an SDP that is not UTF-8: {name}", MALFORMED, "kex.4-8", [me, (5, text)]
    candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    yield "an SDP with a candidate", MISBEHAVED, "kex.4-10", [me, (5, (SDP + candidate).encode())]
    yield "the identity twice", MALFORMED, "kex.4-1", [me, me]
    yield "the identity twice, once critical", MALFORMED, "kex.4-1", [me, (0x8001, identity)]
    yield "the identity behind the name", MALFORMED, "kex.4-1", [(7, b"Eve"), me]


def _payloads(identity: bytes, sign: Callable[[bytes], bytes]) -> Iterator[Spoilt]:
    """(name, layer, clause, payload); `sign` puts the signature field behind a body."""
    for name, layer, clause, fields in _bodies(identity):
        yield name, layer, clause, sign(write_fields(fields))
    me = write_fields([(1, identity)])
    for name, clause, behind in refused_lists():
        yield f"payload: {name}", MALFORMED, clause, me + behind
    good = sign(me)
    yield "nothing", MALFORMED, "kex.4-4", b""
    yield "no signature", MALFORMED, "kex.4-4", me
    yield "a signature of 63 bytes", MALFORMED, "kex.4-4", me + write_fields([(SIGNATURE, good[-64:-1])])
    yield "a signature of 65 bytes", MALFORMED, "kex.4-4", me + write_fields([(SIGNATURE, good[-64:] + b"\0")])
    yield "the signature twice", MALFORMED, "kex.4-1", good + good[len(me) :]
    yield "a field behind the signature", MALFORMED, "kex.4-1", good + write_fields([(9, b"unsigned")])
    yield "a byte behind the signature", MALFORMED, "kex.2-2", good + b"\0"
    yield "a payload within a payload's length", MALFORMED, "kex.2-2", good[:-1]


def _identities(own: bytes, context: Context, seed: bytes) -> Iterator[Spoilt]:
    """Keys that kex.7-3 refuses, with signatures that verify where nobody looks; and the reader's own."""
    for name, key in (*SMALL_ORDER_ED25519, ("a point of full order and one of order 8 added", mixed_order(seed))):
        body = write_fields([(1, key)])
        message = to_sign(*context, body)
        mixed = key == mixed_order(seed)
        signature = forged(key, message, seed if mixed else None)
        yield f"identity: {name}", MISBEHAVED, "kex.7-3", body + write_fields([(SIGNATURE, signature)])
    for name, key in (
        ("no point", (2).to_bytes(32, "little")),
        ("y above p", (2**255 - 19 + 9).to_bytes(32, "little")),
        ("ones", b"\xff" * 32),
    ):
        body = write_fields([(1, key)])
        yield f"identity: {name}", MISBEHAVED, "kex.7-3", body + write_fields([(SIGNATURE, bytes(64))])
    body = write_fields([(1, ed25519.public_key(own))])
    yield "identity: the reader's own", MISBEHAVED, "kex.7-4", signed(own, *context, body)


def _signatures(seed: bytes, context: Context, others: dict[str, bytes]) -> Iterator[Spoilt]:
    """Signatures that do not hold. `others`: {what was signed: bytes} besides the label and context of kex.4-11."""
    body = write_fields([(1, ed25519.public_key(seed)), (7, b"Eve")])
    good = ed25519.sign(seed, to_sign(*context, body))
    other_body = write_fields([(1, ed25519.public_key(seed)), (7, b"Ewe")])
    found = {
        "one bit of R": patched(good, 0, bytes([good[0] ^ 1])),
        "one bit of S": patched(good, 32, bytes([good[32] ^ 1])),
        "S with L added": other_s(good),
        "zeros": bytes(64),
        "by another key": ed25519.sign(seed_of("M"), to_sign(*context, body)),
        "over another payload": ed25519.sign(seed, to_sign(*context, other_body)),
        "over the payload without its length": ed25519.sign(seed, labelled(context[0]) + context[1] + body),
        "without a label": ed25519.sign(seed, context[1] + lv(body)),
    } | {what: ed25519.sign(seed, data + lv(body)) for what, data in others.items()}
    for name, signature in found.items():
        yield f"signature: {name}", *SEAL, body + write_fields([(SIGNATURE, signature)])


def _seals(
    message: bytes, key: bytes, iv: bytes, context: bytes, aads: dict[str, bytes], at: int, payload: bytes
) -> Iterator[Spoilt]:
    """Sealed parts that do not authenticate under AAD of `context`; `at` is where the length stands."""
    sealed = message[at + 2 :]
    before = message[:at]
    for name, data in (
        ("first byte", patched(sealed, 0, bytes([sealed[0] ^ 1]))),
        ("last byte", patched(sealed, len(sealed) - 1, bytes([sealed[-1] ^ 0x80]))),
        ("cut by one byte", sealed[:-1]),
        ("cut to less than a tag", sealed[:15]),
        ("empty", b""),
        ("the payload in clear", payload),
        ("zeros", bytes(len(sealed))),
    ):
        yield f"sealed: {name}", *SEAL, before + len(data).to_bytes(2, "big") + data
    prefix = message[: at + 2]
    for name, other in aads.items():
        yield f"sealed: {name}", *SEAL, seal_message(before, key, iv, other, payload)
    flat = patched(prefix, at, b"\0\0")
    spoilt = seal_message(before, key, patched(iv, 11, bytes([iv[11] ^ 1])), context, payload)
    yield "sealed: under the next nonce", *SEAL, spoilt
    yield "sealed: a length of 0 and the bytes all the same", MALFORMED, "kex.2-2", flat + sealed


def _reveals(call: Call) -> Iterator[Spoilt]:
    """m3 for the callee of a call; the caller is a stranger's."""
    a, good = call.a, call.m3
    th, keys = a.early.th, a.early
    yield from broken_heads(good, 3)
    for name, data in cuts(good, 1, 1, 16, 32, 2):
        yield name, MALFORMED, "kex.2-2", data
    yield from _openings(call)
    plain = a.signed_payload(a.body())
    aads = {"AAD without the message": b"", "AAD of m4": th + h(good), "AAD of another th": h(th)}
    yield from _seals(good, keys.m3_key, keys.m3_iv, th, aads, 50, plain)
    head = good[:50]
    yield "sealed: under the m4 key", *SEAL, seal_message(head, keys.m4_key, keys.m4_iv, th, plain)


def _reveal_payloads(call: Call) -> Iterator[Spoilt]:
    """The same, well sealed: what is wrong is inside."""
    a = call.a
    seed, th = a.identity_seed, a.early.th
    context = (CALLER, th)
    for name, layer, clause, payload in (
        *_payloads(a.identity, lambda body: signed(seed, *context, body)),
        *_identities(call.b.identity_seed, context, seed),
        *_signatures(
            seed,
            context,
            {
                "with the callee's label": labelled(CALLEE) + th,
                "without th": labelled(CALLER),
                "over th of another call": labelled(CALLER) + h(th),
            },
        ),
    ):
        yield name, layer, clause, a.reveal_with(payload)


def _openings(call: Call) -> Iterator[Spoilt]:
    good = call.m3
    yield "opening: one bit", VERIFICATION, "kex.6-3", patched(good, 18, bytes([good[18] ^ 1]))
    yield "opening: zeros", VERIFICATION, "kex.6-3", patched(good, 18, bytes(32))
    yield "opening: nonce_B", VERIFICATION, "kex.6-3", patched(good, 18, call.b.nonce)
    other = Call(ALICE, BOB, caller_seed=seed_of("another call"), call_id=h(CALL_ID)[:16]).run()
    yield "the m3 of another call", VERIFICATION, "kex.6-3", other.m3
    yield "the m3 of another call under this call id", VERIFICATION, "kex.6-3", patched(other.m3, 2, CALL_ID)
    yield "the right opening in another call", MISBEHAVED, "kex.2-3", patched(good, 2, other.m3[2:18])
    twin = Call(ALICE, BOB, callee_seed=seed_of("another callee")).run()
    yield "the m3 that opens to another callee", *SEAL, twin.m3


def _finishes(call: Call) -> Iterator[Spoilt]:
    """m4 for the caller of a call; the callee is a stranger's."""
    b, good = call.b, call.m4
    th, keys, m3 = b.early.th, b.early, call.m3
    yield from broken_heads(good, 4)
    yield "one's own m3", MISBEHAVED, "kex.2-6", m3
    for name, data in cuts(good, 1, 1, 16, 2):
        yield name, MALFORMED, "kex.2-2", data
    other = Call(ALICE, BOB, caller_seed=seed_of("another call"), call_id=h(CALL_ID)[:16]).run()
    yield "the m4 of another call", MISBEHAVED, "kex.2-3", other.m4
    yield "the m4 of another call under this call id", *SEAL, patched(other.m4, 2, CALL_ID)
    twin = Call(ALICE, BOB, callee_seed=seed_of("another callee")).run()
    yield "the m4 of another callee of the same offer", *SEAL, twin.m4
    yield "one's own sealed part, sent back", *SEAL, good[:18] + m3[50:]
    plain = b.signed_payload(b.body())
    aads = {"AAD without H(m3)": th, "AAD with m3 for H(m3)": th + m3, "AAD without th": h(m3)}
    yield from _seals(good, keys.m4_key, keys.m4_iv, th + h(m3), aads, 18, plain)
    before = good[:18]
    yield "sealed: under the m3 key", *SEAL, seal_message(before, keys.m3_key, keys.m3_iv, th + h(m3), plain)


def _finish_payloads(call: Call) -> Iterator[Spoilt]:
    """The same, well sealed: what is wrong is inside."""
    b, m3 = call.b, call.m3
    seed, th = b.identity_seed, b.early.th
    context = (CALLEE, th + lv(m3))
    for name, layer, clause, payload in (
        *_payloads(b.identity, lambda body: signed(seed, *context, body)),
        *_identities(call.a.identity_seed, context, seed),
        *_signatures(
            seed,
            context,
            {
                "with the caller's label": labelled(CALLER) + th + lv(m3),
                "without m3": labelled(CALLEE) + th,
                "over m3 without its length": labelled(CALLEE) + th + m3,
                "over another m3": labelled(CALLEE) + th + lv(patched(m3, 60, bytes([m3[60] ^ 1]))),
            },
        ),
    ):
        yield name, layer, clause, b.finish_with(payload)


def _refused_reveals(spoil: Callable[[Call], Iterator[Spoilt]]) -> Iterator[Script]:
    call = Call(ALICE, BOB).run()
    for name, layer, clause, m3 in spoil(call):
        yield _refused_reveal(Script(name, clause), call, call.before_m3, m3, (layer, clause))


def _refused_reveal(script: Script, call: Call, callee: Callee, m3: bytes, expect: tuple[str, str]) -> Script:
    """kex.6-1: after it the good m3 is misuse."""
    callee = copy.copy(callee)
    call.give_callee(script)
    call.take_reveal(script, callee, m3, expect)
    call.take_reveal(script, callee, call.m3, ("misuse", "kex.6-1"))
    return script


def _other_secret() -> Iterator[Script]:
    """kex.8-1: a psk_id that was seen on the way, and another secret behind it."""
    call = Call(ALICE, BOB, secret=SECRET).run(to=1)
    eve = Caller(seed_of("A"), CALL_ID, (2,), ALICE, secret=Draw("other secret").bytes(16))
    eve.link = replace(eve.link, psk_id=link(SECRET, CALL_ID).psk_id)
    call.m1 = eve.offer = eve.offer_with()
    script = Script("the psk_id of the link, and another link secret", "kex.7-5")
    callee = copy.copy(call.b)
    m3 = eve.reveal(callee.answer(eve.offer))
    call.give_callee(script)
    call.take_reveal(script, callee, m3, SEAL)
    yield script


def _refused_finishes(spoil: Callable[[Call], Iterator[Spoilt]]) -> Iterator[Script]:
    call = Call(ALICE, BOB).run()
    for name, layer, clause, m4 in spoil(call):
        yield _refused_finish(Script(name, clause), call, m4, (layer, clause), good=True)


def _other_frame_suites() -> Iterator[Script]:
    for name, ours, theirs in (
        ("none where suite 5 was not offered", (4,), ()),
        ("one that was not offered", (5, 4), (1,)),
        ("two of those offered", (5, 4), (5, 4)),
        ("suite 4 where none was offered", (), (4,)),
        ("suite 5 named where none was offered", (), (5,)),
    ):
        call = Call(Payload(frame_suites=ours), Payload(frame_suites=(1, 4, 5))).run()
        fields = [(1, call.b.identity)]
        fields += [(6, b"".join(suite.to_bytes(2, "big") for suite in theirs))] if theirs else []
        m4 = call.b.finish_with(call.b.signed_payload(write_fields(fields)))
        script = Script(f"SFrame suites of the callee: {name}", "kex.5-4")
        yield _refused_finish(script, call, m4, (MISBEHAVED, "kex.5-4"), good=False)


def _refused_finish(script: Script, call: Call, m4: bytes, expect: tuple[str, str], *, good: bool) -> Script:
    """kex.6-1: after it the good m4 is misuse."""
    caller = copy.copy(call.before_m2)
    call.give_caller(script)
    call.take_answer(script, caller, call.m2)
    call.take_finish(script, caller, m4, expect)
    if good:
        call.take_finish(script, caller, call.m4, ("misuse", "kex.6-1"))
    return script


def _no_frame_suite() -> Iterator[Script]:
    """kex.6-4."""
    for name, ours, theirs in (("4 and 5", (4,), (5,)), ("none and 4", (), (4,)), ("4 and none", (4,), ())):
        call = Call(replace(ALICE, frame_suites=ours), replace(BOB, frame_suites=theirs)).run(to=3)
        script = Script(f"no SFrame suite in common: {name}", "kex.6-4")
        callee = copy.copy(call.b)
        call.give_callee(script)
        call.take_reveal(script, callee, call.m3)
        call.take_accept(script, callee, ("incompatible", "kex.6-4"))
        yield script


def _file(name: str, title: str, *parts: Iterator[Script]) -> VectorFile:
    cases = tuple(script.case() for part in parts for script in part)
    return VectorFile(name, "peer.steps", title, OURS, cases, folder="exchange")


FILES = (
    _file(
        "reveal-refused.json",
        "m3 with one fault each: head, opening, seal, other calls; the good one after it is too late",
        _refused_reveals(_reveals),
        _other_secret(),
        _no_frame_suite(),
    ),
    _file(
        "reveal-payload-refused.json",
        "m3 with one fault each inside the seal: fields, identities, signatures",
        _refused_reveals(_reveal_payloads),
    ),
    _file(
        "finish-refused.json",
        "m4 with one fault each: head, seal, other calls; the good one after it is too late",
        _refused_finishes(_finishes),
    ),
    _file(
        "finish-payload-refused.json",
        "m4 with one fault each inside the seal: fields, identities, signatures, SFrame suites",
        _refused_finishes(_finish_payloads),
        _other_frame_suites(),
    ),
)
