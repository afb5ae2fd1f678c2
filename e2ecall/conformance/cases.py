"""peer.4 to peer.10: the vectors as what is put to a peer, and what it is to answer.

A file of kind `peer.steps` says both itself. Of every other kind, a case is a set of values, and `_STEPS` says which
requests hold a peer to them, in both directions where there are two. `UNDRIVEN` are the kinds that no operation
reaches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

__all__ = ["UNDRIVEN", "Case", "Sha256", "Step", "cases_of", "load_cases", "vector_files", "vectors_folder"]

_Values = Mapping[str, Any]
_HANDLES: Final = ("session", "receiver", "channel")
_STEP_WORDS: Final = frozenset({"op", "result", "returns", "clause", "also", "reason"})
UNDRIVEN: Final = frozenset({"sframe.aead", "control.signed", "identity.device", "identity.xwing", "peer.worked"})
"""Kinds whose values stand inside an implementation, where peer.* has no operation for them."""


@dataclass(frozen=True, slots=True)
class Sha256:
    """A text that is known by its hash, in hex."""

    digest: str


@dataclass(frozen=True, slots=True)
class Step:
    """One request, and the answer that is right: `returns` where `layer` is ok, and else the layer of the refusal.

    Of `returns`, each member must be in the answer and equal; of a `Sha256`, its UTF-8 must have this hash.
    """

    op: str
    request: _Values
    layer: str
    returns: _Values
    clause: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what is asked in order of one peer, with names of sessions that no other case uses."""

    id: str
    """The clause, and where the case stands: `kex.2-1::exchange/offer-refused/version-0`."""
    name: str
    clause: str
    file: str
    kind: str
    steps: tuple[Step, ...]

    @property
    def operations(self) -> frozenset[str]:
        """What a peer must have to be held to it."""
        return frozenset(step.op for step in self.steps)

    @property
    def negative(self) -> bool:
        """Whether anything of it is to be refused."""
        return any(step.layer != "ok" for step in self.steps)


def vectors_folder() -> Path:
    """Where the vectors are: in the installed package, or in the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_data" / "vectors"
    return installed if installed.is_dir() else package.parent / "vectors"


def spec_folder() -> Path:
    """Where the specification is, likewise."""
    installed = Path(__file__).parents[1] / "_data" / "spec"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "spec"


def vector_files(root: Path) -> list[Path]:
    """The files with cases, in the order of their names."""
    return sorted(path for path in root.glob("*/*.json") if path.parent.name != "schema")


def load_cases(folder: Path | None = None) -> tuple[Case, ...]:
    """Every case of every file that a peer can be held to, in the order of the files' names."""
    root = folder or vectors_folder()
    found = []
    for path in vector_files(root):
        found += cases_of(json.loads(path.read_text("utf-8")), f"{path.parent.name}/{path.stem}")
    return tuple(found)


def cases_of(data: _Values, file: str) -> list[Case]:
    """The cases of one file; none where its kind is one that no operation reaches."""
    kind = data["kind"]
    if kind in UNDRIVEN:
        return []
    found: list[Case] = []
    for values in data["cases"]:
        own = f"{file} {len(found)}"
        steps = tuple(_renamed(step, own) for step in _STEPS[kind](values))
        if steps:
            found.append(Case(values["id"], values["name"], values["clause"], file, kind, steps))
    return found


def _renamed(step: Step, own: str) -> Step:
    """With handles that only this case uses, so that one peer process can take all cases."""
    handles = {name: f"{own} {step.request[name]}" for name in _HANDLES if name in step.request}
    return replace(step, request={**step.request, **handles}) if handles else step


def _pick(values: _Values, *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _step(values: _Values, op: str, request: _Values, returns: _Values) -> Step:
    layer = values["result"]
    return Step(op, request, layer, returns if layer == "ok" else {}, values.get("clause", ""))


def _one(op: str, ask: tuple[str, ...], get: tuple[str, ...]) -> Callable[[_Values], Iterator[Step]]:
    """A kind of one request with the members `ask`, for the members `get`."""

    def steps(values: _Values) -> Iterator[Step]:
        yield _step(values, op, _pick(values, *ask), _pick(values, *get))

    return steps


def _recorded(values: _Values) -> Iterator[Step]:
    for step in values["steps"]:
        request = {name: value for name, value in step.items() if name not in _STEP_WORDS}
        yield _step(step, step["op"], request, step.get("returns", {}))


def _header(values: _Values) -> Iterator[Step]:
    data = values.get("header") or values.get("data")
    if data is not None:
        returns = _pick(values, "kid", "ctr") | {"length": len(data) // 2}
        yield _step(values, "sframe.header.decode", {"data": data}, returns)
    if "kid" in values:
        yield _step(values, "sframe.header.encode", _pick(values, "kid", "ctr"), _pick(values, "header"))


_FRAME = ("suite", "kid", "base_key", "metadata")


def _frame(values: _Values) -> Iterator[Step]:
    if "plaintext" in values:
        yield _step(
            values, "sframe.derive", _pick(values, "suite", "kid", "base_key"), _pick(values, "key", "salt", "secret")
        )
        request = _pick(values, *_FRAME, "ctr", "plaintext")
        yield _step(values, "sframe.protect", request, _pick(values, "ciphertext"))
    request = _pick(values, *_FRAME, "ciphertext")
    yield _step(values, "sframe.unprotect", request, _pick(values, "plaintext", "ctr"))


def _ratchet(values: _Values) -> Iterator[Step]:
    if values["result"] != "ok":
        return  # what cannot be sent has no operation: a peer counts its own steps
    request = {"suite": values["suite"], "base_key": values["first_base_key"], "steps": values["steps"]}
    yield _step(values, "sframe.ratchet", request, _pick(values, "base_key"))
    yield from _frame(values)


def _receiver(values: _Values) -> Iterator[Step]:
    receiver = {"receiver": "R"}
    new = receiver | _pick(values, "suite", "epoch_bits", "sender_bits", "own_sender")
    yield Step("sframe.receiver.new", new, "ok", {}, "")
    for step in values["steps"]:
        request = receiver | _pick(step, "kid", "base_key", "metadata", "ciphertext", "streams")
        yield _step(step, f"sframe.receiver.{step['op']}", request, _pick(step, "plaintext", "ctr"))


def _codec(values: _Values) -> Iterator[Step]:
    given, wanted = ("frame", "sealed") if values["op"] == "codec.seal" else ("sealed", "frame")
    request = _pick(values, "codec", "profile", "suite", "kid", "ctr", "base_key", given)
    yield _step(values, values["op"], request, _pick(values, wanted))


def _code(values: _Values) -> Iterator[Step]:
    """A code is what `sas.qr` gives, and what `sas.qr.check` is given."""
    shown = values["op"] == "sas.qr"
    request = _pick(values, "sas", "role") if shown else _pick(values, "sas", "role", "text")
    yield _step(values, values["op"], request, _pick(values, "text") if shown else {})


def _picture(values: _Values) -> Iterator[Step]:
    returns = {"svg": Sha256(values["svg_sha256"])} if values["result"] == "ok" else {}
    yield _step(values, "sas.svg", _pick(values, "sas"), returns)


def _entry(values: _Values) -> Iterator[Step]:
    request = _pick(values, "seed", "length", "hash", "time", "fact")
    returns = _pick(values, "entry", "signature", "head") | {"hash": values["entry_hash"]}
    yield _step(values, "ledger.append", request, returns)


def _chain(values: _Values) -> Iterator[Step]:
    request = _pick(values, "identity", "entries", "signatures", "head")
    yield _step(values, "ledger.verify", request, _pick(values, "length", "hash", "pending"))


_STEPS: Final[Mapping[str, Callable[[_Values], Iterator[Step]]]] = {
    "peer.steps": _recorded,
    "sframe.header": _header,
    "sframe.frame": _frame,
    "sframe.key_id": _one("sframe.key_id", ("context", "sender", "epoch", "epoch_bits", "sender_bits"), ("kid",)),
    "sframe.ratchet": _ratchet,
    "sframe.receiver": _receiver,
    "sframe.ratchet_receiver": lambda values: iter(()),
    "codec": _codec,
    "sas.emoji": _one("sas.emoji", ("sas",), ("emoji", "names", "indexes")),
    "sas.digits": _one("sas.digits", ("sas",), ("digits",)),
    "sas.words": _one("sas.words", ("sas", "lang"), ("words",)),
    "sas.typed": _one("sas.typed", ("sas", "text"), ("digits",)),
    "sas.svg": _picture,
    "sas.rows": _one("sas.rows", ("sas", "seed", "own"), ("rows", "answer")),
    "sas.qr": _code,
    "link.parse": _one("link.parse", ("link",), ("room", "psk")),
    "link.words": _one("link.words", ("words", "lang"), ("room", "psk")),
    "ledger.append": _entry,
    "ledger.verify": _chain,
}
