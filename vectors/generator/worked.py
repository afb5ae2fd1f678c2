"""One exchange of suite 1 with every value in between, in the order of the specification, for reading beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files

from e2ecall.audit.oracle import ed25519, x25519
from e2ecall.audit.oracle.exchange import draw
from e2ecall.audit.oracle.key_schedule import h, labelled, lv
from e2ecall.audit.oracle.views import check_typed, qr_text
from generator.cases import OURS, Case, VectorFile
from generator.exchange import ALICE, BOB
from generator.script import Call

__all__ = ["FILES"]

EMOJI = files("e2ecall.sas") / "emoji333.json"
Field = tuple[str, int, str, str]
"""Name, length in bytes, clause and label of what stands in a message; a length of 0 is the rest."""

_HEAD: tuple[Field, ...] = (
    ("version", 1, "kex.2-1", "the version of the protocol, 1"),
    ("type", 1, "kex.2-6", "which message this is"),
    ("call_id", 16, "kex.2-3", "the call, by sixteen random bytes"),
)
_OFFER: tuple[Field, ...] = (
    *_HEAD,
    ("suites", 3, "kex.2-4", "one suite: a count, then X25519 with ML-KEM-768"),
    ("x25519", 32, "kex.7-1", "the caller's X25519 key for this call"),
    ("ek_length", 2, "kex.2-4", "1184 bytes of ML-KEM key follow"),
    ("ek", 1184, "kex.7-2", "the caller's ML-KEM-768 key for this call"),
    ("psk_mode", 1, "kex.2-5", "no link secret is mixed in"),
    ("ext_length", 2, "kex.4-3", "no further fields"),
    ("commitment", 32, "kex.3-1", "what binds the caller to its nonce before it sees the answer"),
)
_ANSWER: tuple[Field, ...] = (
    *_HEAD,
    ("suite", 2, "kex.6-2", "the suite that the callee takes"),
    ("x25519", 32, "kex.7-1", "the callee's X25519 key for this call"),
    ("ct_length", 2, "kex.2-4", "1088 bytes of ML-KEM ciphertext follow"),
    ("ct", 1088, "kex.2-4", "the ML-KEM-768 ciphertext for the caller's key"),
    ("nonce", 32, "kex.3-2", "the callee's nonce, in clear"),
    ("ext_length", 2, "kex.4-3", "no further fields"),
)
_SEALED: tuple[Field, ...] = (
    ("sealed_length", 2, "kex.3-6", "so many bytes of sealed payload follow"),
    ("sealed", 0, "kex.3-6", "the payload under AES-256-GCM, its tag of 16 bytes at the end"),
)
_REVEAL: tuple[Field, ...] = (
    *_HEAD,
    ("nonce", 32, "kex.6-3", "the caller's nonce: the commitment is opened"),
    *_SEALED,
)
_FINISH: tuple[Field, ...] = (*_HEAD, *_SEALED)
_PAYLOAD: tuple[Field, ...] = (
    ("identity_head", 4, "kex.4-1", "field 1, 32 bytes"),
    ("identity", 32, "kex.4-4", "the sender's lasting Ed25519 key"),
    ("mode_head", 4, "kex.4-1", "field 3, one byte"),
    ("mode", 1, "kex.4-5", "1: the call goes through a relay"),
    ("name_head", 4, "kex.4-1", "field 7, the length of the name"),
    ("name", 0, "kex.4-8", "the name that the sender gives itself, in UTF-8"),
)
_SIGNATURE: tuple[Field, ...] = (
    ("signature_head", 4, "kex.4-1", "field 0x7fff, 64 bytes"),
    ("signature", 64, "kex.4-11", "the sender's signature over the bytes above"),
)


def _value(name: str, clause: str, label: str, value: bytes, formula: str = "") -> Case:
    found: Case = {"name": name, "clause": clause, "label": label}
    return found | ({"formula": formula} if formula else {}) | {"bytes": value.hex()}


def _split(prefix: str, data: bytes, fields: Iterable[Field]) -> Iterator[Case]:
    """The fields of a message, which are all of it."""
    at = 0
    for name, length, clause, label in fields:
        end = at + length if length else len(data)
        yield _value(f"{prefix}.{name}", clause, label, data[at:end])
        at = end
    if at != len(data):
        raise ValueError(f"{prefix}: {at} of {len(data)} bytes")


def _draws(side: str, who: str, seed: bytes, call: Call) -> Iterator[Case]:
    own = call.a if side == "a" else call.b
    kem = ("mlkem_seed", 64, "mlkem", "seed d || z of its ML-KEM key pair") if side == "a" else None
    yield _value(f"seed_{side}", "peer.2-1", f"the {who}'s seed, from which this example draws", seed)
    rows = [("x25519_private", 32, "x25519", "X25519 private key"), kem, ("nonce", 32, "nonce", "nonce")]
    for row in [*rows, ("identity_seed", 32, "identity", "Ed25519 private key (RFC 8032 seed)")]:
        if row is not None:
            name, length, word, label = row
            formula = f'HKDF-Expand(seed_{side}, "e2ecall/1 test {word}", {length})'
            yield _value(f"{name}_{side}", "peer.2-1", f"the {who}'s {label}", draw(seed, word, length), formula)
    yield _value(f"x25519_public_{side}", "kex.7-1", f"the {who}'s X25519 key", x25519.public_key(own.x25519))
    yield _value(f"identity_{side}", "kex.4-4", f"the {who}'s Ed25519 key", ed25519.public_key(own.identity_seed))
    if side == "b":
        yield _value("m", "peer.2-1", "the 32 random bytes of ML-KEM encapsulation (FIPS 203 m)", call.b.m)


def _offer(call: Call) -> Iterator[Case]:
    covered = labelled("commit caller") + lv(call.m1[:-32]) + lv(call.a.nonce)
    formula = 'lv("e2ecall/1 commit caller") || lv(m1 without its last 32 bytes) || lv(nonce_a)'
    yield _value("commitment_input", "kex.3-1", "what the commitment is a hash of", covered, formula)
    yield _value("commitment", "kex.3-1", "the commitment", _same(h(covered), call.m1[-32:]), "H(commitment_input)")
    yield from _split("m1", call.m1, _OFFER)
    yield _value("m1", "kex.2-2", "the whole offer", call.m1)


def _answer(call: Call) -> Iterator[Case]:
    shared = call.b.shared
    formula = "X25519(x25519_private_b, x25519_public_a)"
    yield _value("ss_x25519", "kex.7-1", "the secret of X25519, which both sides have", shared.ss_x25519, formula)
    formula = "ML-KEM-768.Encaps(ek, m)"
    yield _value("ss_mlkem", "kex.3-3", "the secret of ML-KEM-768, which both sides have", shared.ss_mlkem, formula)
    yield from _split("m2", call.m2, _ANSWER)
    yield _value("m2", "kex.2-2", "the whole answer", call.m2)


def _keys(call: Call) -> Iterator[Case]:
    early = call.a.early
    covered = labelled("th") + lv(call.m1) + lv(call.m2) + lv(call.a.nonce)
    formula = 'lv("e2ecall/1 th") || lv(m1) || lv(m2) || lv(nonce_a)'
    yield _value("th_input", "kex.3-2", "what the first transcript hash covers", covered, formula)
    yield _value("th", "kex.3-2", "the first transcript hash (th1)", _same(h(covered), early.th), "H(th_input)")
    yield _value("psk", "kex.3-3", "no link secret: zeros in its place", call.a.link.psk)
    formula = "HKDF-Extract(psk, ss_x25519 || ss_mlkem)"
    yield _value("hs", "kex.3-3", "the secret from which all keys come", early.hs, formula)
    for name, word, length, label in (
        ("m3_key", "m3 key", 32, "the key that seals the caller's payload"),
        ("m3_iv", "m3 iv", 12, "its nonce"),
        ("m4_key", "m4 key", 32, "the key that seals the callee's payload"),
        ("m4_iv", "m4 iv", 12, "its nonce"),
        ("sas", "sas", 32, "the visual hash, as bytes"),
    ):
        formula = f'HKDF-Expand(hs, "e2ecall/1 {word}" || th, {length})'
        yield _value(name, "kex.3-4", label, getattr(early, name), formula)


def _shown(sas: bytes) -> Iterator[Case]:
    table = json.loads(EMOJI.read_text("utf-8"))["emoji"]
    for number in range(4):
        index = (int.from_bytes(sas[8 * number : 8 * number + 8], "big") & 0x7FFF_FFFF_FFFF_FFFF) % 333
        formula = f"(u64(sas[{8 * number}:{8 * number + 8}]) & 0x7fffffffffffffff) mod 333 = {index}"
        found: Case = {
            "name": f"emoji_{number + 1}",
            "clause": "sas.2-1",
            "label": f"what both people see: place {index}",
        }
        yield found | {"formula": formula, "text": f"{table[index][0]} {table[index][1]}"}
    code = f"{int.from_bytes(sas[:16], 'big') % 10**10:010}"
    found = {"name": "digits", "clause": "sas.3-1", "label": "the same in ten digits"}
    yield found | {"formula": "u128(sas[0:16]) mod 10^10", "text": check_typed(sas, code)}
    found = {"name": "qr_caller", "clause": "sas.9-1", "label": "the text of the QR code that the caller shows"}
    yield found | {"text": qr_text(sas, "caller")}


def _sealed(number: int, call: Call) -> Iterator[Case]:
    """m3 or m4: the payload, what is signed, what is authenticated, the message."""
    caller = number == 3
    side, letter, word = (call.a, "a", "caller") if caller else (call.b, "b", "callee")
    message, th = (call.m3, call.a.early.th) if caller else (call.m4, call.a.early.th)
    body = side.body()
    payload = side.signed_payload(body)
    yield from _split(f"payload_{letter}", body, _PAYLOAD)
    context, aad = (th, th) if caller else (th + lv(call.m3), th + h(call.m3))
    middle = "th" if caller else "th || lv(m3)"
    formula = f'lv("e2ecall/1 sig {word}") || {middle} || lv(the fields above)'
    signed = labelled(f"sig {word}") + context + lv(body)
    if ed25519.sign(side.identity_seed, signed) != payload[-64:]:
        raise ValueError("another signature")
    yield _value(f"signed_{letter}", "kex.4-11", f"what the {word}'s signature covers", signed, formula)
    yield from _split(f"payload_{letter}", payload[len(body) :], _SIGNATURE)
    yield _value(f"payload_{letter}", "kex.4-4", "the whole payload before it is sealed", payload)
    if not caller:
        yield _value("hash_m3", "kex.3-6", "the hash of the third message", h(call.m3), "H(m3)")
    before = message[: len(message) - len(payload) - 16]
    formula = f"{'th' if caller else 'th || H(m3)'} || m{number} before its sealed bytes"
    yield _value(f"m{number}_aad", "kex.3-6", "what the seal authenticates besides", aad + before, formula)
    yield from _split(f"m{number}", message, _REVEAL if caller else _FINISH)
    whole = "reveal" if caller else "finish"
    yield _value(f"m{number}", "kex.2-2", f"the whole {whole}", message)


def _late(call: Call) -> Iterator[Case]:
    covered = labelled("th2") + call.a.early.th + lv(call.m3) + lv(call.m4)
    formula = 'lv("e2ecall/1 th2") || th || lv(m3) || lv(m4)'
    yield _value("th2_input", "kex.3-2", "what the second transcript hash covers", covered, formula)
    yield _value("th2", "kex.3-2", "the hash of all four messages", _same(h(covered), call.late.th2), "H(th2_input)")
    for name, word, length, label in (
        ("base_key", "frames", 32, "the key of the frames of epoch 0"),
        ("caller_key", "control caller key", 32, "the key of the caller's control channel"),
        ("caller_iv", "control caller iv", 12, "its nonce before the number is mixed in"),
        ("callee_key", "control callee key", 32, "the key of the callee's control channel"),
        ("callee_iv", "control callee iv", 12, "its nonce before the number is mixed in"),
        ("chain", "chain", 32, "what the next epoch's keys also come from"),
    ):
        formula = f'HKDF-Expand(hs, "e2ecall/1 {word}" || th2, {length})'
        yield _value(name, "kex.3-5", label, getattr(call.late, name), formula)


def _same(found: bytes, wanted: bytes) -> bytes:
    if found != wanted:
        raise ValueError(f"{found.hex()} is not {wanted.hex()}")
    return found


def _case() -> Case:
    call = Call(ALICE, BOB, suites=(1,), callee_suites=(1,)).run()
    parts = (
        ("What the caller draws", _draws("a", "caller", call.caller_seed, call)),
        ("What the callee draws", _draws("b", "callee", call.callee_seed, call)),
        ("m1, the offer", _offer(call)),
        ("m2, the answer", _answer(call)),
        ("Keys from the first three values", _keys(call)),
        ("What people compare", _shown(call.a.early.sas)),
        ("m3, the reveal", _sealed(3, call)),
        ("m4, the finish", _sealed(4, call)),
        ("Keys of the call", _late(call)),
    )
    sections = [{"title": title, "values": list(values)} for title, values in parts]
    return {"name": "suite 1, relayed, names", "clause": "kex.3-5", "sections": sections, "result": "ok"}


FILES = (
    VectorFile(
        "worked-example.json",
        "peer.worked",
        "one whole exchange of suite 1 with every value in between, in the order of the specification",
        OURS,
        (_case(),),
        folder="exchange",
    ),
)
