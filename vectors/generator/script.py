"""Cases of kind peer.steps: operations of spec/peer.md in order, each with what it gives or with what it is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from e2ecall.audit.oracle.exchange import Callee, Caller
from e2ecall.audit.oracle.key_schedule import Late
from e2ecall.audit.oracle.payload import Payload
from generator.cases import Case, Draw, outcome

__all__ = ["CALL_ID", "Call", "Script", "payload_of", "result_of", "seed_of"]

CALL_ID = Draw("call id").bytes(16)
MODES = ("direct", "relayed")
BOTH = (1, 2)

T = TypeVar("T")


class Script:
    """One case. `expect` of a step is (layer, clause) where the oracle must refuse it, and None where it must not."""

    def __init__(self, name: str, clause: str) -> None:
        self.name = name
        self.clause = clause
        self.result = "ok"
        self.steps: list[Case] = []
        self.values: Case = {}

    def step(
        self,
        op: str,
        request: Case,
        do: Callable[[], T],
        returns: Callable[[T], Case],
        expect: tuple[str, str] | None = None,
        also: str | None = None,
    ) -> T | None:
        """The operation, done by the oracle; `also` is another clause that the same bytes break."""
        got, refused = outcome(do)
        found = None if refused is None else (refused.layer, refused.clause)
        if found != expect:
            raise ValueError(f"{self.name}, {op}: expected {expect}, found {found}")
        step: Case = {"op": op} | request
        if expect is None:
            self.steps.append(step | {"result": "ok", "returns": returns(got)})
            return got  # type: ignore[no-any-return]
        other = {} if also is None else {"also": also}
        self.steps.append(step | {"clause": expect[1]} | other | {"result": expect[0]})
        if self.result == "ok":
            self.result, self.clause = expect
        return None

    def given(self, op: str, request: Case, returns: Case) -> None:
        """A step that prepares, and what it returns."""
        self.steps.append({"op": op} | request | {"result": "ok", "returns": returns})

    def case(self) -> Case:
        """The case as it is written."""
        head: Case = {"name": self.name, "clause": self.clause, "steps": self.steps}
        return head | ({"values": self.values} if self.values else {}) | {"result": self.result}


def seed_of(name: str) -> bytes:
    """The seed of one side."""
    return Draw(f"seed of {name}").bytes(32)


def payload_of(payload: Payload) -> Case:
    """peer.6, `payload`."""
    found: Case = {}
    if payload.mode is not None:
        found["mode"] = MODES[payload.mode]
    if payload.fingerprints:
        found["fingerprints"] = [each.hex() for each in payload.fingerprints]
    if payload.sdp is not None:
        found["sdp"] = payload.sdp
    if payload.frame_suites:
        found["frame_suites"] = list(payload.frame_suites)
    if payload.name is not None:
        found["name"] = payload.name
    return found


def result_of(side: Caller | Callee, late: Late) -> Case:
    """handshake.result."""
    suite = side.shared.suite
    found: Case = {"sas": side.early.sas.hex(), "transcript_hash": late.th2.hex(), "base_key": late.base_key.hex()}
    return found | {"peer_identity": side.peer.identity.hex(), "suite": suite, "post_quantum": suite == 1}


class Call:
    """Two sides of the oracle and the requests that put a peer in the place of one of them.

    Every method that writes a step works on copies, so that one call serves for many cases.
    """

    def __init__(
        self,
        caller: Payload,
        callee: Payload,
        *,
        suites: tuple[int, ...] = (2,),
        callee_suites: tuple[int, ...] = BOTH,
        secret: bytes | None = None,
        callee_secret: bytes | None = None,
        caller_seed: bytes = seed_of("A"),
        callee_seed: bytes = seed_of("B"),
        call_id: bytes = CALL_ID,
        caller_identity: bytes | None = None,
        callee_identity: bytes | None = None,
        kem: str = "m",
    ) -> None:
        self.caller_seed, self.callee_seed = caller_seed, callee_seed
        self.secret, self.callee_secret = secret, callee_secret or secret
        self.a = Caller(caller_seed, call_id, suites, caller, secret=secret, identity_seed=caller_identity)
        m = Draw(kem).bytes(32)
        self.b = Callee(
            callee_seed, callee_suites, callee, secret=self.callee_secret, m=m, identity_seed=callee_identity
        )

    def run(self, *, to: int = 4) -> Call:
        """The honest messages up to m2, m3 or m4, without a step; afterwards m1, m2, m3, m4 are there."""
        self.m1 = self.a.offer
        if to >= 2:
            self.m2 = self.b.answer(self.m1)
        if to >= 3:
            self.before_m2 = copy.copy(self.a)
            self.m3 = self.a.reveal(self.m2)
        if to >= 4:
            self.before_m3 = copy.copy(self.b)
            self.b.reveal(self.m3)
            self.m4, self.late = self.b.accept()
        return self

    def caller_new(self) -> Case:
        """The request of handshake.caller.new."""
        request: Case = {"session": "A", "seed": self.caller_seed.hex(), "call_id": self.a.call_id.hex()}
        request |= {"suites": list(self.a.suites)} | self._secret(self.secret)
        return request | {"payload": payload_of(self.a.payload)}

    def callee_new(self, m1: bytes, *, kem: tuple[bytes, bytes] | None = None) -> Case:
        """The request of handshake.callee.new; `kem` is (ct, shared secret)."""
        request: Case = {"session": "B", "seed": self.callee_seed.hex(), "suites": list(self.b.suites)}
        request |= self._secret(self.callee_secret) | {"payload": payload_of(self.b.payload), "offer": m1.hex()}
        if kem is not None and kem[0]:
            request["kem"] = {"ciphertext": kem[0].hex(), "shared_secret": kem[1].hex()}
        return request

    @staticmethod
    def _secret(secret: bytes | None) -> Case:
        return {} if secret is None else {"secret": secret.hex()}

    def give_caller(self, script: Script) -> None:
        """handshake.caller.new."""
        script.given("handshake.caller.new", self.caller_new(), {"offer": self.a.offer.hex()})

    def give_callee(self, script: Script, m1: bytes | None = None) -> None:
        """handshake.callee.new, which is taken."""
        callee = copy.copy(self.b)
        m2 = callee.answer(m1 or self.m1)
        request = self.callee_new(m1 or self.m1, kem=(callee.ct, callee.shared.ss_mlkem))
        script.given("handshake.callee.new", request, {"answer": m2.hex()})

    def take_offer(
        self, script: Script, m1: bytes, expect: tuple[str, str] | None = None, also: str | None = None
    ) -> None:
        """handshake.callee.new."""
        callee = copy.copy(self.b)
        m2, _ = outcome(lambda: callee.answer(m1))
        kem = (callee.ct, callee.shared.ss_mlkem) if m2 else None
        returns: Callable[[bytes], Case] = lambda m2: {"answer": m2.hex()}  # noqa: E731
        request = self.callee_new(m1, kem=kem)
        script.step("handshake.callee.new", request, lambda: callee.answer(m1), returns, expect, also)

    def take_answer(
        self,
        script: Script,
        caller: Caller,
        m2: bytes,
        expect: tuple[str, str] | None = None,
        also: str | None = None,
    ) -> None:
        """handshake.caller.answer."""
        returns: Callable[[bytes], Case] = lambda m3: {"reveal": m3.hex()}  # noqa: E731
        request = {"session": "A", "answer": m2.hex()}
        script.step("handshake.caller.answer", request, lambda: caller.reveal(m2), returns, expect, also)

    def take_reveal(self, script: Script, callee: Callee, m3: bytes, expect: tuple[str, str] | None = None) -> None:
        """handshake.callee.reveal."""
        returns: Callable[[Payload], Case] = lambda p: {"peer_identity": p.identity.hex(), "name": p.name}  # noqa: E731
        request = {"session": "B", "reveal": m3.hex()}
        script.step("handshake.callee.reveal", request, lambda: callee.reveal(m3), returns, expect)

    def take_accept(self, script: Script, callee: Callee, expect: tuple[str, str] | None = None) -> Any:
        """handshake.callee.accept: (m4, keys)."""
        returns: Callable[[tuple[bytes, Late]], Case] = lambda got: {"finish": got[0].hex()}  # noqa: E731
        return script.step("handshake.callee.accept", {"session": "B"}, callee.accept, returns, expect)

    def take_finish(self, script: Script, caller: Caller, m4: bytes, expect: tuple[str, str] | None = None) -> Any:
        """handshake.caller.finish: the keys."""
        request = {"session": "A", "finish": m4.hex()}
        return script.step("handshake.caller.finish", request, lambda: caller.finish(m4), lambda _: {}, expect)
