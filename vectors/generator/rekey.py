"""Rekeys with every value in between, and halves that must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.exchange import draw
from e2ecall.audit.oracle.key_schedule import Late, labelled, lv
from e2ecall.audit.oracle.rekey import Answerer, Context, Half, Starter, read_half, to_sign, transcript, write_half
from generator.cases import OURS, Case, Draw, VectorFile
from generator.exchange_refused import MALFORMED, MISBEHAVED, VERIFICATION
from generator.hostile import SMALL_ORDER_X25519, other_s, patched
from generator.script import Script, seed_of

__all__ = ["FILES"]

ROLES = ("caller", "callee")
STARTER, ANSWERER = seed_of("starter"), seed_of("answerer")
ID_S, ID_A = draw(STARTER, "identity", 32), draw(ANSWERER, "identity", 32)
TH2, CHAIN = Draw("rekey th2").bytes(32), Draw("rekey chain").bytes(32)
LENGTHS = {1: (1184, 1088), 2: (0, 0)}
Spoilt = tuple[str, str, str, bytes, bytes]
"""(name, layer, clause, half, signature)."""


class Rekey:
    """Both sides of one rekey; `starter` is the role of the starter."""

    def __init__(
        self, *, suite: int = 2, starter: int = 0, epoch: int = 1, attempt: int = 1, kem: str = "rekey m"
    ) -> None:
        self.attempt = attempt
        self.m = Draw(kem).bytes(32) if suite == 1 else b""
        self.of_starter = Context(starter, suite, epoch, TH2, CHAIN, ed25519.public_key(ID_A))
        self.of_answerer = replace(self.of_starter, role=1 - starter, peer=ed25519.public_key(ID_S))
        self.starter = Starter(STARTER, self.of_starter, attempt)
        self.answerer = self.answer(self.starter.rk1, self.starter.signature)

    def answer(self, rk1: bytes, signature: bytes) -> Answerer:
        """A fresh answerer."""
        return Answerer(ANSWERER, self.of_answerer, rk1, signature, m=self.m)

    def start(self, script: Script) -> None:
        """rekey.start."""
        request = {"session": "S", "seed": STARTER.hex()} | _context(self.of_starter) | {"attempt": self.attempt}
        returns = {"rk1": self.starter.rk1.hex(), "signature": self.starter.signature.hex()}
        script.given("rekey.start", request, returns)

    def take_rk1(self, script: Script, rk1: bytes, signature: bytes, expect: tuple[str, str] | None = None) -> None:
        """rekey.answer."""
        request: Case = {"session": "R", "seed": ANSWERER.hex()} | _context(self.of_answerer)
        request |= {"rk1": rk1.hex(), "signature": signature.hex()}
        if self.answerer.ct:
            pair = {"ciphertext": self.answerer.ct.hex(), "shared_secret": self.answerer.ss_mlkem.hex()}
            request |= {"kem": pair}
        script.step("rekey.answer", request, lambda: self.answer(rk1, signature), _answered, expect)

    def take_rk2(self, script: Script, rk2: bytes, signature: bytes, expect: tuple[str, str] | None = None) -> None:
        """rekey.finish."""
        request = {"session": "S", "rk2": rk2.hex(), "signature": signature.hex()}
        do = lambda: self.starter.finish(rk2, signature)  # noqa: E731
        script.step("rekey.finish", request, do, lambda keys: {"taken": keys is not None}, expect)

    def result(self, script: Script, session: str) -> None:
        """rekey.result."""
        script.given("rekey.result", {"session": session}, _result(self.answerer.keys))


def _context(context: Context) -> Case:
    found: Case = {"role": ROLES[context.role], "suite": context.suite, "epoch": context.epoch}
    return found | {"th2": context.th2.hex(), "chain": context.chain.hex(), "peer_identity": context.peer.hex()}


def _answered(answerer: Answerer) -> Case:
    return {"rk2": answerer.rk2.hex(), "signature": answerer.signature.hex()}


def _result(keys: Late) -> Case:
    names = ("caller_key", "caller_iv", "callee_key", "callee_iv")
    found: Case = {"transcript_hash": keys.th2.hex(), "base_key": keys.base_key.hex(), "chain": keys.chain.hex()}
    return found | {"control": {name: getattr(keys, name).hex() for name in names}}


def _worked() -> Iterator[Script]:
    for name, rekey in (
        ("suite 1, the caller starts", Rekey(suite=1)),
        ("suite 1, the callee starts, a second attempt", Rekey(suite=1, starter=1, attempt=2, kem="other m")),
        ("suite 2, the caller starts", Rekey()),
        ("suite 2, the callee starts", Rekey(starter=1)),
        ("the last epoch and attempt", Rekey(epoch=2**32 - 1, attempt=2**32 - 1)),
        ("epoch 256", Rekey(epoch=256)),
    ):
        script = Script(name, "epoch.1-1")
        starter, answerer = rekey.starter, rekey.answerer
        rekey.start(script)
        rekey.take_rk1(script, starter.rk1, starter.signature)
        rekey.take_rk2(script, answerer.rk2, answerer.signature)
        rekey.result(script, "S")
        rekey.result(script, "R")
        found = {"m": rekey.m} if rekey.m else {}
        found |= {"signed_1": starter.signed, "signed_2": answerer.signed, "ss_x25519": answerer.ss_x25519}
        found |= {"ss_mlkem": answerer.ss_mlkem} | asdict(answerer.keys)
        script.values = {key: value.hex() for key, value in found.items()}
        yield script


def _chain() -> Script:
    """Two rekeys, the second on the first one's chain and th2."""
    script = Script("one after the other, by either side", "epoch.1-1")
    keys = Late(b"", TH2, b"", b"", b"", b"", b"", CHAIN)
    for epoch, starter in ((1, 0), (2, 1), (3, 0)):
        rekey = Rekey(starter=starter, epoch=epoch)
        rekey.of_starter = replace(rekey.of_starter, th2=keys.th2, chain=keys.chain)
        rekey.of_answerer = replace(rekey.of_answerer, th2=keys.th2, chain=keys.chain)
        rekey.starter = Starter(STARTER, rekey.of_starter, 1)
        rekey.answerer = rekey.answer(rekey.starter.rk1, rekey.starter.signature)
        rekey.start(script)
        rekey.take_rk1(script, rekey.starter.rk1, rekey.starter.signature)
        rekey.take_rk2(script, rekey.answerer.rk2, rekey.answerer.signature)
        rekey.result(script, "S")
        rekey.result(script, "R")
        keys = rekey.answerer.keys
    return script


def _older() -> Iterator[Script]:
    first, second = Rekey(attempt=1), Rekey(attempt=2)
    script = Script("the answer to an older attempt is passed over, the right one then taken", "epoch.1-6")
    second.start(script)
    second.take_rk2(script, first.answerer.rk2, first.answerer.signature)
    second.take_rk2(script, second.answerer.rk2, second.answerer.signature)
    second.result(script, "S")
    yield script
    script = Script("the answer of an older epoch is passed over", "epoch.1-6")
    later = Rekey(epoch=2, attempt=3)
    later.start(script)
    later.take_rk2(script, second.answerer.rk2, second.answerer.signature)
    later.take_rk2(script, later.answerer.rk2, later.answerer.signature)
    yield script
    script = Script("the same rk1 again: the same rk2", "epoch.1-5")
    for _ in range(2):
        first.take_rk1(script, first.starter.rk1, first.starter.signature)
    first.result(script, "R")
    yield script


def _sign1(rekey: Rekey, rk1: bytes, **other: object) -> bytes:
    """rk1's signature over these bytes, by the starter, with a context in which something is another."""
    context = replace(rekey.of_starter, **other)  # type: ignore[arg-type]
    return ed25519.sign(ID_S, to_sign(1, context.role, context, rk1))


def _sign2(rekey: Rekey, rk2: bytes, rk1: bytes | None = None, **other: object) -> bytes:
    context = replace(rekey.of_answerer, **other)  # type: ignore[arg-type]
    return ed25519.sign(ID_A, to_sign(2, context.role, context, rk1 or rekey.starter.rk1, rk2))


def _halves(half: Half, length: int, clause_of_length: str) -> Iterator[tuple[str, str, str, bytes]]:
    """(name, layer, clause, bytes) of either half, spoilt but to be signed well."""
    good = write_half(half)
    for cut in (0, 3, 4, 8, 39, 40, 41):
        yield f"cut to {cut} bytes", MALFORMED, clause_of_length, good[:cut]
    yield "one byte more", MALFORMED, clause_of_length, good + b"\0"
    for size in (1, 1088, 1184) if not length else (0, length - 1, length + 1):
        kem = (half.kem + bytes(1184))[:size]
        yield f"{size} bytes of ML-KEM", MALFORMED, clause_of_length, write_half(replace(half, kem=kem))


def _small(half: Half) -> Iterator[tuple[str, str, str, bytes]]:
    for name, point in SMALL_ORDER_X25519:
        yield f"X25519 of small order: {name}", MISBEHAVED, "epoch.1-3", write_half(replace(half, x25519=point))


def _rk1(rekey: Rekey) -> Iterator[Spoilt]:
    rk1, good, context = rekey.starter.rk1, rekey.starter.signature, rekey.of_starter
    half = read_half(rk1, LENGTHS[context.suite][0])
    spoilt = [*_halves(half, len(half.kem), "epoch.1-3"), *(_small(half) if context.suite == 2 else ())]
    if context.suite == 1:
        for number, at in (("first", 0), ("last", 1149)):
            kem = patched(half.kem, at, b"\xff\xff\xff")
            yield _signed1(rekey, f"ek: {number} coefficients of 4095", MISBEHAVED, "epoch.1-3", replace(half, kem=kem))
        q = patched(half.kem, 0, (3329).to_bytes(2, "little"))
        yield _signed1(rekey, "ek: a coefficient of 3329", MISBEHAVED, "epoch.1-3", replace(half, kem=q))
    for name, layer, clause, data in spoilt:
        yield name, layer, clause, data, _sign1(rekey, data)
    if context.suite == 1:
        return
    yield _signed1(rekey, "the epoch after the next", MISBEHAVED, "epoch.1-4", replace(half, epoch=context.epoch + 1))
    for name, signature in (
        ("one bit", patched(good, 40, bytes([good[40] ^ 1]))),
        ("S with L added", other_s(good)),
        ("of 63 bytes", good[:63]),
        ("of no byte", b""),
        ("by another identity", ed25519.sign(seed_of("M"), to_sign(1, context.role, context, rk1))),
        ("by the answerer, whose key is reflected", ed25519.sign(ID_A, to_sign(1, context.role, context, rk1))),
        ("of the other role", _sign1(rekey, rk1, role=1 - context.role)),
        ("of another epoch", _sign1(rekey, rk1, epoch=context.epoch + 1)),
        ("of another call: another th2", _sign1(rekey, rk1, th2=bytes(32))),
        ("with the label of rk2", ed25519.sign(ID_S, to_sign(2, context.role, context, rk1))),
        ("without role", _bare(ID_S, b"", context.epoch.to_bytes(4, "big") + TH2 + lv(rk1))),
        ("without epoch", _bare(ID_S, bytes([context.role]), TH2 + lv(rk1))),
        ("without th2", _bare(ID_S, bytes([context.role]), context.epoch.to_bytes(4, "big") + lv(rk1))),
        ("without rk1", _bare(ID_S, bytes([context.role]), context.epoch.to_bytes(4, "big") + TH2)),
        (
            "over rk1 without its length",
            _bare(ID_S, bytes([context.role]), context.epoch.to_bytes(4, "big") + TH2 + rk1),
        ),
        ("over another rk1", _sign1(rekey, write_half(replace(half, attempt=2)))),
    ):
        yield f"signature: {name}", VERIFICATION, "epoch.1-2", rk1, signature
    old = Rekey(epoch=context.epoch - 1) if context.epoch > 1 else Rekey(epoch=2)
    yield (
        "an rk1 of another epoch, its number turned",
        VERIFICATION,
        "epoch.1-2",
        rk1[:4] + old.starter.rk1[4:],
        old.starter.signature,
    )


def _bare(seed: bytes, role: bytes, rest: bytes, label: str = "rekey 1") -> bytes:
    return ed25519.sign(seed, labelled(label) + role + rest)


def _signed1(rekey: Rekey, name: str, layer: str, clause: str, half: Half) -> Spoilt:
    data = write_half(half)
    return name, layer, clause, data, _sign1(rekey, data)


def _rk2(rekey: Rekey) -> Iterator[Spoilt]:
    rk2, good, context = rekey.answerer.rk2, rekey.answerer.signature, rekey.of_answerer
    rk1 = rekey.starter.rk1
    half = read_half(rk2, LENGTHS[context.suite][1])
    spoilt = [*_halves(half, len(half.kem), "epoch.1-3"), *(_small(half) if context.suite == 2 else ())]
    for name, layer, clause, data in spoilt:
        yield name, layer, clause, data, _sign2(rekey, data)
    if context.suite == 1:
        return
    for name, other in (
        ("a later attempt", replace(half, attempt=rekey.attempt + 1)),
        ("a later epoch", replace(half, epoch=context.epoch + 1)),
    ):
        data = write_half(other)
        yield name, MISBEHAVED, "epoch.1-6", data, _sign2(rekey, data)
    head = bytes([context.role]) + context.epoch.to_bytes(4, "big")
    other_rk1 = Rekey(attempt=5).starter.rk1
    for name, signature in (
        ("one bit", patched(good, 3, bytes([good[3] ^ 1]))),
        ("S with L added", other_s(good)),
        ("of 65 bytes", good + b"\0"),
        ("by another identity", ed25519.sign(seed_of("M"), to_sign(2, context.role, context, rk1, rk2))),
        ("by the starter itself", ed25519.sign(ID_S, to_sign(2, context.role, context, rk1, rk2))),
        ("of the other role", _sign2(rekey, rk2, role=1 - context.role)),
        ("of another epoch", _sign2(rekey, rk2, epoch=context.epoch + 1)),
        ("of another call: another th2", _sign2(rekey, rk2, th2=bytes(32))),
        ("with the label of rk1", ed25519.sign(ID_A, to_sign(1, context.role, context, rk1, rk2))),
        ("without role", _bare(ID_A, b"", head[1:] + TH2 + lv(rk1) + lv(rk2), "rekey 2")),
        ("without th2", _bare(ID_A, head, lv(rk1) + lv(rk2), "rekey 2")),
        ("without rk1", _bare(ID_A, head, TH2 + lv(rk2), "rekey 2")),
        ("over another rk1", _sign2(rekey, rk2, other_rk1)),
        ("rk1 and rk2 the other way round", _bare(ID_A, head, TH2 + lv(rk2) + lv(rk1), "rekey 2")),
    ):
        yield f"signature: {name}", VERIFICATION, "epoch.1-6", rk2, signature
    yield "one's own rk1 with its signature", VERIFICATION, "epoch.1-6", rk1, rekey.starter.signature


def _refused_rk1() -> Iterator[Script]:
    for suite, epoch in ((2, 2), (1, 2)):
        rekey = Rekey(suite=suite, epoch=epoch)
        for name, layer, clause, data, signature in _rk1(rekey):
            script = Script(f"suite {suite}: {name}", clause)
            rekey.take_rk1(script, data, signature, (layer, clause))
            yield script


def _refused_rk2() -> Iterator[Script]:
    """epoch.1-6: after each of them the good rk2 is taken."""
    for suite in (2, 1):
        rekey = Rekey(suite=suite)
        for name, layer, clause, data, signature in _rk2(rekey):
            script = Script(f"suite {suite}: {name}", clause)
            rekey.start(script)
            rekey.take_rk2(script, data, signature, (layer, clause))
            if suite == 2:
                rekey.take_rk2(script, rekey.answerer.rk2, rekey.answerer.signature)
            yield script
    rekey = Rekey()
    if transcript(TH2, rekey.starter.rk1, rekey.answerer.rk2) != rekey.answerer.keys.th2:
        raise ValueError("the transcripts do not agree")


def _file(name: str, title: str, *parts: Iterator[Script]) -> VectorFile:
    cases = tuple(script.case() for part in parts for script in part)
    return VectorFile(name, "peer.steps", title, OURS, cases, folder="rekey")


FILES = (
    _file(
        "rekey.json",
        "rekeys of both suites, both sides, with every value in between; repeated and late halves",
        _worked(),
        iter((_chain(),)),
        _older(),
    ),
    _file("rk1-refused.json", "rk1 with one fault each", _refused_rk1()),
    _file("rk2-refused.json", "rk2 with one fault each, after which the good one is taken", _refused_rk2()),
)
