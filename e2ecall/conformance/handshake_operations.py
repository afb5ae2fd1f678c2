"""peer.6: the link and handshake operations, one session a name, on the real states of `handshake/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from e2ecall.conformance.recorded import recorded_kem
from e2ecall.conformance.request import Request
from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.kdf import sha256
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import (
    AnswerSent,
    Established,
    LinkSecret,
    OfferSent,
    Profile,
    RevealSent,
    Ringing,
    Suite,
    TransportMode,
    make_offer,
    receive_offer,
)
from e2ecall.handshake.messages import DEFAULT_SUITES
from e2ecall.identity import fresh_identity
from e2ecall.secret import SecretBytes

__all__ = ["HandshakeOperations"]

State = OfferSent | RevealSent | AnswerSent | Ringing | Established
_S = TypeVar("_S", OfferSent, RevealSent, AnswerSent, Ringing, Established)
_MODES = {"direct": TransportMode.DIRECT, "relayed": TransportMode.RELAYED}


class HandshakeOperations:
    """The sessions of one peer process."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, type[State]], State] = {}
        self._profiles: dict[str, Profile] = {}

    def table(self) -> dict[str, Callable[[Request], dict[str, Any]]]:
        """{operation name: function}."""
        return {
            "handshake.caller.new": self._caller_new,
            "handshake.caller.answer": self._caller_answer,
            "handshake.caller.finish": self._caller_finish,
            "handshake.callee.new": self._callee_new,
            "handshake.callee.reveal": self._callee_reveal,
            "handshake.callee.accept": self._callee_accept,
            "handshake.result": self._result,
        }

    def _caller_new(self, request: Request) -> dict[str, Any]:
        rng = SeededRng(request.hex("seed", length=32))
        name, profile = request.handle("session"), _profile(request)
        call_id = request.hex("call_id", length=16)
        state = make_offer(fresh_identity(rng), call_id, rng, suites=_suites(request), secret=_secret(request))
        self._keep(name, state)
        self._profiles[name] = profile
        return {"offer": state.offer.hex()}

    def _caller_answer(self, request: Request) -> dict[str, Any]:
        name = request.handle("session")
        state = self._state(name, OfferSent).receive_answer(request.hex("answer"), self._profiles[name])
        self._keep(name, state)
        return {"reveal": state.reveal.hex()}

    def _caller_finish(self, request: Request) -> dict[str, Any]:
        name = request.handle("session")
        self._keep(name, self._state(name, RevealSent).receive_finish(request.hex("finish")))
        return {}

    def _callee_new(self, request: Request) -> dict[str, Any]:
        rng = SeededRng(request.hex("seed", length=32))
        name, profile = request.handle("session"), _profile(request)
        suites, secret, kem = _suites(request), _secret(request), recorded_kem(request)
        offer = request.hex("offer")
        waiting = self._states.get((name, AnswerSent))
        if isinstance(waiting, AnswerSent) and not waiting.spent and waiting.offer_hash == sha256(offer):
            return {"answer": waiting.answer.hex()}  # kex.6-5: the same m1 again
        state = receive_offer(offer, fresh_identity(rng), rng, suites=suites, secret=secret, kem=kem)
        self._keep(name, state)
        self._profiles[name] = profile
        return {"answer": state.answer.hex()}

    def _callee_reveal(self, request: Request) -> dict[str, Any]:
        name = request.handle("session")
        state = self._state(name, AnswerSent).receive_reveal(request.hex("reveal"))
        self._keep(name, state)
        return {"peer_identity": state.peer_identity.hex(), "name": state.peer_profile.name}

    def _callee_accept(self, request: Request) -> dict[str, Any]:
        name = request.handle("session")
        finish, established = self._state(name, Ringing).accept(self._profiles[name])
        self._keep(name, established)
        return {"finish": finish.hex()}

    def _result(self, request: Request) -> dict[str, Any]:
        result = self._state(request.handle("session"), Established)
        return {
            "sas": result.sas.hex(),
            "transcript_hash": result.th2.hex(),
            "base_key": result.keys.base_key.expose().hex(),
            "peer_identity": result.peer_identity.hex(),
            "suite": int(result.suite),
            "post_quantum": result.suite.post_quantum,
        }

    def _keep(self, name: str, state: State) -> None:
        """A state that was used stays, so that a second use is refused by itself and not here."""
        if isinstance(state, OfferSent | AnswerSent):
            self._states = {key: old for key, old in self._states.items() if key[0] != name}
        self._states[name, type(state)] = state

    def _state(self, name: str, kind: type[_S]) -> _S:
        state = self._states.get((name, kind))
        if not isinstance(state, kind):
            raise ApiMisuse("the session does not exist or is in another state", clause="kex.6-1")
        return state


def _suites(request: Request) -> tuple[Suite, ...]:
    numbers = request.numbers("suites") if request.has("suites") else DEFAULT_SUITES
    if not numbers or set(numbers) - set(Suite):
        raise ApiMisuse("suites are some of 1 and 2")
    return tuple(Suite(number) for number in numbers)


def _secret(request: Request) -> LinkSecret | None:
    return LinkSecret(SecretBytes(request.hex("secret", length=16))) if request.has("secret") else None


def _profile(request: Request) -> Profile:
    part = request.part("payload")
    profile = Profile()
    if part.has("mode"):
        profile = replace(profile, mode=_mode(part))
    if part.has("fingerprints"):
        profile = replace(profile, fingerprints=part.hex_list("fingerprints"))
    if part.has("sdp"):
        profile = replace(profile, sdp=part.text("sdp"))
    if part.has("frame_suites"):
        profile = replace(profile, frame_suites=part.numbers("frame_suites"))
    if part.has("name"):
        profile = replace(profile, name=part.text("name"))
    profile.encode()
    return profile


def _mode(part: Request) -> TransportMode:
    try:
        named = _MODES.get(part.text("mode"))
    except ApiMisuse:
        named = None
    number = part.number("mode", bits=1) if named is None else named
    return TransportMode(number)
