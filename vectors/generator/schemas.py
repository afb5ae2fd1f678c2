"""A JSON Schema for each kind of file, from a table of the fields of its cases.

What stands in `given` is in every case of the kind, what stands in `good` also in every case whose result is ok, and
what stands in `more` may be there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["KINDS", "schema_of", "schemas"]

_Schema = dict[str, Any]
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
LAYERS: Final = (
    "malformed",
    "incompatible",
    "misbehaved",
    "verification",
    "unknown-key",
    "own-frame",
    "wrong-stream",
    "replay",
    "authentication",
    "exhausted",
    "misuse",
)
_HEX: Final = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_DECIMAL: Final = {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_TEXT: Final = {"type": "string"}
_CLAUSE: Final = {"type": "string", "pattern": "^[a-z0-9]+\\.[0-9]+(-[0-9]+)?$"}
_RESULT: Final = {"enum": ["ok", *LAYERS]}


def _bytes(length: int) -> _Schema:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * length}}}$"}


def _list(of: _Schema, count: int = 0) -> _Schema:
    return {"type": "array", "items": of} | ({"minItems": count, "maxItems": count} if count else {})


_SHAPES: Final[dict[str, _Schema]] = {
    **dict.fromkeys(("kid", "ctr", "context", "generation"), _DECIMAL),
    **dict.fromkeys(("suite", "sender", "epoch", "epoch_bits", "sender_bits", "exporter_length", "steps"), _COUNT),
    **dict.fromkeys(("step_bits", "ahead", "own_sender", "length", "pending", "first_bad", "time", "answer"), _COUNT),
    **dict.fromkeys(("exporter_label", "lang", "link", "text", "svg", "own", "label"), _TEXT),
    "words": _TEXT,
    "op": {"type": "string", "pattern": "^[a-z0-9_.]+$"},
    "codec": {"enum": ["opus", "vp8", "vp9", "h264", "av1"]},
    "profile": {"enum": ["whole", "clear-header"]},
    "role": {"enum": ["caller", "callee"]},
    "digits": {"type": "string", "pattern": "^[0-9]{10}$"},
    "svg_sha256": _bytes(32),
    "entries": _list(_HEX),
    "signatures": _list(_HEX),
    "fact": {"type": "object"},
    "head": {"anyOf": [_HEX, {"type": "null"}]},
    "emoji": _list(_TEXT, 4),
    "names": _list(_TEXT, 4),
    "indexes": _list({"type": "integer", "minimum": 0, "maximum": 332}, 4),
    "rows": _list(_list(_TEXT, 4), 8),
}
"""Fields that are not bytes in hexadecimal, which all others are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The fields of the cases of a kind, names parted by spaces; `shapes` where one differs from the table."""

    what: str
    given: str = ""
    good: str = ""
    more: str = ""
    shapes: _Schema = field(default_factory=dict)


_DERIVED: Final = "key_label salt_label secret key salt nonce aad"
_STEP_HEAD: Final = {"result": _RESULT, "clause": _CLAUSE, "reason": _TEXT}


def _story(operations: tuple[str, ...], fields: str) -> _Schema:
    names = fields.split()
    shapes = {name: _SHAPES.get(name, _HEX) for name in names} | {"streams": _list(_DECIMAL), "step": _COUNT}
    shapes = {name: shape for name, shape in shapes.items() if name in names}
    step = {"properties": {"op": {"enum": list(operations)}} | shapes | _STEP_HEAD, "additionalProperties": False}
    return _list({"type": "object", "required": ["op", "clause", "result"]} | step)


_PEER_STEP: Final = {
    "type": "object",
    "required": ["op", "result"],
    "properties": {"op": _SHAPES["op"], "returns": {"type": "object"}, "also": _CLAUSE} | _STEP_HEAD,
}
_WORKED_VALUE: Final = {
    "type": "object",
    "required": ["name", "clause", "label"],
    "oneOf": [{"required": ["bytes"]}, {"required": ["text"]}],
    "properties": {"name": _TEXT, "clause": _CLAUSE, "label": _TEXT, "formula": _TEXT, "bytes": _HEX, "text": _TEXT},
    "additionalProperties": False,
}
_WORKED: Final = {
    "type": "object",
    "required": ["title", "values"],
    "properties": {"title": _TEXT, "values": _list(_WORKED_VALUE)},
    "additionalProperties": False,
}
_RECEIVER: Final = ("add_key", "remove_key", "unprotect")

KINDS: Final[dict[str, Kind]] = {
    "peer.steps": Kind(
        "operations of spec/peer.md put to one peer in order, with their answers",
        "steps",
        more="values",
        shapes={"steps": _list(_PEER_STEP), "values": {"type": "object"}},
    ),
    "peer.worked": Kind(
        "one exchange with every value in between, for reading", "sections", shapes={"sections": _list(_WORKED)}
    ),
    "sframe.header": Kind("a header and its two numbers", good="kid ctr header", more="kid ctr header data"),
    "sframe.frame": Kind(
        "a frame, sealed and opened",
        "suite kid base_key metadata ciphertext",
        good=f"ctr plaintext {_DERIVED}",
        more="ctr enc_key auth_key context sender epoch epoch_bits sender_bits exporter_label exporter_context"
        " exporter_length",
    ),
    "sframe.aead": Kind("AES-CTR with HMAC alone", "suite key nonce aad ciphertext", good="plaintext enc_key auth_key"),
    "sframe.key_id": Kind(
        "a KID and its parts",
        "context sender epoch epoch_bits sender_bits",
        good="kid",
        shapes={"sender": {"type": "integer"}, "epoch": {"type": "integer"}},
    ),
    "sframe.ratchet": Kind(
        "a base key some steps on, and a frame with it",
        "suite generation steps step_bits",
        good=f"kid ctr first_base_key base_key metadata plaintext ciphertext {_DERIVED}",
        more="enc_key auth_key",
    ),
    "sframe.receiver": Kind(
        "what one receiver takes, in order",
        "suite steps",
        more="epoch_bits sender_bits own_sender",
        shapes={"steps": _story(_RECEIVER, "kid base_key metadata ciphertext ctr plaintext streams")},
    ),
    "sframe.ratchet_receiver": Kind(
        "what one receiver of sender keys takes, in order",
        "suite step_bits ahead steps",
        shapes={
            "steps": _story(
                (*_RECEIVER, "remove_generation"), "generation step base_key metadata ciphertext kid ctr plaintext"
            ),
        },
    ),
    "codec": Kind(
        "a frame of a codec, and as it is sealed",
        "op codec suite kid base_key",
        good="frame sealed",
        more="ctr profile frame sealed",
    ),
    "control.signed": Kind(
        "a signed heartbeat or receipt",
        "label role identity th2 fields signature signed",
        more="seed",
        shapes={"role": {"enum": [0, 1]}},
    ),
    "identity.device": Kind(
        "a device's keys and their statement",
        "identity encryption_key statement",
        more="identity_seed encryption_seed",
    ),
    "identity.xwing": Kind("X-Wing, one ciphertext opened", "seed ciphertext", good="public shared_secret"),
    "ledger.append": Kind(
        "one entry, behind the one before it", "seed time fact text entry entry_hash signature head", more="length hash"
    ),
    "ledger.verify": Kind(
        "a whole ledger", "identity entries signatures head", good="length hash pending", more="first_bad"
    ),
    "link.parse": Kind("a link, and what comes of its secret", "op link", good="secret call_id room psk psk_id"),
    "link.words": Kind(
        "twelve words, and what comes of them", "op words", good="secret call_id room psk psk_id", more="lang"
    ),
    "sas.digits": Kind("32 bytes as ten digits", "sas", good="digits"),
    "sas.emoji": Kind("32 bytes as four emoji", "sas", good="emoji indexes names"),
    "sas.svg": Kind("32 bytes as a picture", "sas", more="svg svg_sha256"),
    "sas.qr": Kind("the text of a QR code", "op sas role", more="text", shapes={"role": _TEXT}),
    "sas.rows": Kind("the eight rows for a seed", "sas seed", good="rows answer", more="own"),
    "sas.typed": Kind("ten digits as people type them", "sas text", good="digits"),
    "sas.words": Kind("32 bytes as four words", "op sas lang", good="words", shapes={"words": _list(_TEXT, 4)}),
}


def schema_of(name: str) -> _Schema:
    """The schema of the files of one kind."""
    kind = KINDS[name]
    fields = dict.fromkeys(f"{kind.given} {kind.good} {kind.more}".split())
    own = {each: kind.shapes.get(each, _SHAPES.get(each, _HEX)) for each in fields}
    head = {"id": {"$ref": "#/$defs/id"}, "name": _TEXT, "clause": _CLAUSE, "flags": {"$ref": "#/$defs/flags"}}
    case: _Schema = {
        "type": "object",
        "required": ["id", "name", "clause", "result", *kind.given.split()],
        "properties": head | own | {"result": _RESULT, "reason": _TEXT},
        "additionalProperties": False,
    }
    if kind.good:
        good = {"properties": {"result": {"const": "ok"}}}
        case |= {"if": good, "then": {"required": kind.good.split()}}
    return _file(name, kind.what, case)


def _file(name: str, what: str, case: _Schema) -> _Schema:
    flag = {
        "type": "object",
        "required": ["why", "anchors"],
        "properties": {"why": _TEXT, "anchors": _list(_TEXT)},
        "additionalProperties": False,
    }
    head = {
        "schema": {"const": "e2ecall/vectors/1"},
        "kind": {"const": name},
        "title": _TEXT,
        "source": _TEXT,
        "licence": {"const": "CC0-1.0"},
        "numberOfCases": {"type": "integer", "minimum": 1},
        "flags": {"type": "object", "additionalProperties": flag},
        "cases": {"type": "array", "minItems": 1, "items": case},
    }
    place = "[a-z0-9]+(-[a-z0-9]+)*"
    return {
        "$schema": _DRAFT,
        "title": f"Cases of kind {name}: {what}",
        "type": "object",
        "required": list(head),
        "properties": head,
        "additionalProperties": False,
        "$defs": {
            "id": {"type": "string", "pattern": f"^[a-z0-9]+\\.[0-9]+(-[0-9]+)?::{place}/{place}/[a-z0-9-]+$"},
            "flags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        },
    }


def schemas() -> dict[str, str]:
    """The text of every schema, by its place in the folder of the vectors."""
    return {f"schema/{name}.json": json.dumps(schema_of(name), indent=2) + "\n" for name in KINDS}
