"""peer.8: both halves of a rekey, one session a name, on the real states of `handshake/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.conformance.control_operations import role_of
from e2ecall.conformance.recorded import recorded_kem
from e2ecall.conformance.request import Request
from e2ecall.conformance.seeded import SeededRng
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Suite
from e2ecall.handshake.rekey import RekeyContext, Rekeyed, RekeyStarted, Signed, answer_rekey, start_rekey
from e2ecall.identity import fresh_identity
from e2ecall.secret import SecretBytes

__all__ = ["RekeyOperations"]


class RekeyOperations:
    """The rekeys of one peer process."""

    def __init__(self) -> None:
        self._started: dict[str, RekeyStarted] = {}
        self._done: dict[str, Rekeyed] = {}

    def table(self) -> dict[str, Callable[[Request], dict[str, Any]]]:
        """{operation name: function}."""
        return {
            "rekey.start": self._start,
            "rekey.answer": self._answer,
            "rekey.finish": self._finish,
            "rekey.result": self._result,
        }

    def _start(self, request: Request) -> dict[str, Any]:
        rng, context = SeededRng(request.hex("seed", length=32)), _context(request)
        started = start_rekey(fresh_identity(rng), rng, context, request.number("attempt", bits=32))
        self._started[request.handle("session")] = started
        return {"rk1": started.rk1.data.hex(), "signature": started.rk1.signature.hex()}

    def _answer(self, request: Request) -> dict[str, Any]:
        rng, context = SeededRng(request.hex("seed", length=32)), _context(request)
        rk1 = Signed(request.hex("rk1"), request.hex("signature"))
        answer = answer_rekey(fresh_identity(rng), rng, context, rk1, kem=recorded_kem(request))
        self._done[request.handle("session")] = answer.rekeyed
        return {"rk2": answer.rk2.data.hex(), "signature": answer.rk2.signature.hex()}

    def _finish(self, request: Request) -> dict[str, Any]:
        session = request.handle("session")
        if session not in self._started:
            raise ApiMisuse("no rekey was started under this name")
        rk2 = Signed(request.hex("rk2"), request.hex("signature"))
        rekeyed = self._started[session].receive_rk2(rk2)
        if rekeyed is not None:
            self._done[session] = rekeyed
        return {"taken": rekeyed is not None}

    def _result(self, request: Request) -> dict[str, Any]:
        try:
            rekeyed = self._done[request.handle("session")]
        except KeyError:
            raise ApiMisuse("no rekey is complete under this name") from None
        keys, control = rekeyed.keys, rekeyed.keys.control
        names = ("caller_key", "caller_iv", "callee_key", "callee_iv")
        return {
            "transcript_hash": rekeyed.th2.hex(),
            "base_key": keys.base_key.expose().hex(),
            "chain": keys.chain.expose().hex(),
            "control": {name: getattr(control, name).expose().hex() for name in names},
        }


def _context(request: Request) -> RekeyContext:
    number = request.number("suite", bits=16)
    if number not in set(Suite):
        raise ApiMisuse("a suite is 1 or 2")
    return RekeyContext(
        role=role_of(request),
        suite=Suite(number),
        epoch=request.number("epoch", bits=32),
        th2=request.hex("th2", length=32),
        chain=SecretBytes(request.hex("chain", length=32)),
        peer_identity=request.hex("peer_identity", length=32),
    )
