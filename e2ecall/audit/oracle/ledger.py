"""identity.6, the ledger: entries, hashes, signatures and the head, and whether all of them hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from e2ecall.audit.oracle import ed25519
from e2ecall.audit.oracle.refused import Refused

__all__ = ["append", "check", "head_of"]

NOTHING = bytes(32)
TRUSTS = {"unknown", "seen", "verified", "changed", "revoked"}
METHODS = {"emoji", "digits", "words", "qr", "link", "statement"}
OUTCOMES = {
    "seen": {"seen", "verified"},
    "verified": {"verified"},
    "mismatch": {"changed", "revoked"},
    "changed": {"changed", "revoked"},
    "accepted": {"seen"},
    "introduced": {"seen", "verified", "changed", "revoked"},
    "revoked": {"revoked"},
    "receipt-match": TRUSTS,
    "receipt-mismatch": TRUSTS,
    "call": TRUSTS,
}


def lv(data: bytes) -> bytes:
    """kex.1: the length in four bytes, then the data."""
    return len(data).to_bytes(4, "big") + data


def canonical(value: dict[str, Any]) -> bytes:
    """RFC 8785 for the values of identity.6-1: no spaces, keys in order, only the escapes that JSON must have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def hash_of(text: bytes) -> bytes:
    """identity.6-4."""
    return hashlib.sha256(lv(b"e2ecall/1 ledger") + lv(text)).digest()


def append(seed: bytes, length: int, previous: bytes, time: int, fact: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """(entry, hash, signature) of the entry behind `length` others; `seed` is the identity's, `time` in ms."""
    members: dict[str, Any] = dict.fromkeys(("contact", "name", "th2", "suite", "method")) | {"shown": ""} | fact
    members |= {"version": 1, "number": length, "previous": previous.hex(), "time": time}
    text = canonical(members | {"identity": ed25519.public_key(seed).hex()})
    return text, hash_of(text), ed25519.sign(seed, lv(b"e2ecall/1 ledger") + hash_of(text))


def head_of(seed: bytes, length: int, last: bytes, time: int) -> bytes:
    """identity.6-7: the head of a ledger of `length` entries, the last of which has the hash `last`."""
    head = {"version": 1, "length": length, "hash": last.hex(), "identity": ed25519.public_key(seed).hex()}
    head["time"] = time
    signature = ed25519.sign(seed, lv(b"e2ecall/1 ledger head") + lv(canonical(head)))
    return canonical(head | {"signature": signature.hex()})


def _number(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _hex(value: object, length: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * length and set(value) <= set("0123456789abcdef")


def _short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1024


def _read(text: bytes, clause: str, limit: int) -> dict[str, Any]:
    """An object in its canonical form."""
    try:
        value = json.loads(text.decode("utf-8"))
        if len(text) <= limit and isinstance(value, dict) and canonical(value) == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise Refused("malformed", clause, "it is not an object in canonical form")


def _entry(text: bytes) -> dict[str, Any]:
    """identity.6-2 and 6-3: the members of an entry."""
    entry = _read(text, "identity.6-8", 16384)
    names = "version number previous time identity act peer contact name th2 suite method shown outcome"
    in_call = entry.get("th2") is not None
    act, contact = entry.get("act"), entry.get("contact")
    holds = (
        set(entry) == set(names.split())
        and _number(entry["version"])
        and entry["version"] == 1
        and all(_number(entry[name]) for name in ("number", "time"))
        and all(_hex(entry[name], 32) for name in ("previous", "identity", "peer"))
        and act in OUTCOMES
        and entry["outcome"] in OUTCOMES[act]
        and (contact is None or (_short(contact) and any(_hex(contact, n) for n in range(1, 33))))
        and (entry["name"] is None or (_short(entry["name"]) and contact is not None))
        and (not in_call or _hex(entry["th2"], 32))
        and ((_number(entry["suite"]) and 0 < entry["suite"] < 65536) if in_call else entry["suite"] is None)
        and (in_call or act not in ("receipt-match", "receipt-mismatch", "call"))
        and (entry["method"] in METHODS or entry["method"] is None)
        and (entry["method"] or act not in ("verified", "mismatch", "receipt-match", "receipt-mismatch"))
        and _short(entry["shown"])
    )
    if not holds:
        raise Refused("malformed", "identity.6-8", "a member is missing, left over, or not as it should be")
    return entry


def _head(data: bytes) -> dict[str, Any]:
    head = _read(data, "identity.6-9", 1024)
    if set(head) != {"version", "length", "hash", "identity", "time", "signature"} or not (
        _number(head["version"])
        and head["version"] == 1
        and all(_number(head[name]) for name in ("length", "time"))
        and all(_hex(head[name], size) for name, size in (("hash", 32), ("identity", 32), ("signature", 64)))
        and (head["length"] or head["hash"] == NOTHING.hex())
    ):
        raise Refused("malformed", "identity.6-9", "a member of the head is not as it should be")
    return head


def _check_signature(key: bytes, message: bytes, signature: bytes, clause: str) -> None:
    """A key that is none signs nothing: that is failed verification too."""
    try:
        ed25519.verify(key, message, signature, clause)
    except Refused as error:
        raise Refused("verification", clause, str(error)) from None


def check(
    entries: Sequence[bytes], signatures: Sequence[bytes], head: bytes | None, identity: bytes
) -> tuple[int, bytes, int]:
    """identity.6-8, 6-9: (length, last hash, entries not yet in the head), or Refused with the first fault."""
    hashes = [NOTHING]
    for place, (text, signature) in enumerate(zip(entries, signatures, strict=True)):
        entry = _entry(text)
        if (entry["number"], entry["identity"]) != (place, identity.hex()):
            raise Refused("verification", "identity.6-8", f"entry {place} is another one")
        _check_signature(identity, lv(b"e2ecall/1 ledger") + hash_of(text), signature, "identity.6-8")
        if entry["previous"] != hashes[-1].hex():
            raise Refused("verification", "identity.6-8", f"entry {place} follows another one")
        hashes.append(hash_of(text))
    if head is None and not entries:
        return 0, NOTHING, 0
    if head is None:
        raise Refused("verification", "identity.6-9", "there is no head")
    found = _head(head)
    signature = bytes.fromhex(found.pop("signature"))
    key = bytes.fromhex(found["identity"])
    _check_signature(key, lv(b"e2ecall/1 ledger head") + lv(canonical(found)), signature, "identity.6-9")
    if key != identity:
        raise Refused("verification", "identity.6-9", "the head is another identity's")
    pending = len(entries) - found["length"]
    if pending not in (0, 1) or hashes[found["length"]].hex() != found["hash"]:
        raise Refused("verification", "identity.6-9", f"the head counts {found['length']} entries, or other ones")
    return len(entries), hashes[-1], pending
