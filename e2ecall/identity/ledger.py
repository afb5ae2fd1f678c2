"""identity.6: the ledger, one signed line for each thing that this device learned of a key; chained, and never changed.

    entry      canonical JSON (RFC 8785) of number, previous hash, time, own identity and what happened
    hash       H(lv("e2ecall/1 ledger") || lv(entry)); the next entry holds it
    signature  Ed25519 over lv("e2ecall/1 ledger") || hash
    head       canonical JSON of length and last hash, signed under "e2ecall/1 ledger head", kept outside the ledger

The chain shows what was changed, inserted or reordered; the head shows what was cut off the end, once
`identity.ledger_check` looks. Here nothing is stored and no clock is read: `store.ledger` does both.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from e2ecall.crypto.sign import KEY_LENGTH, SIGNATURE_LENGTH, Signer, verify
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.identity.canonical import JsonValue, canonical, read_canonical
from e2ecall.identity.continuity import Method, Trust
from e2ecall.identity.ledger_fact import Act, Fact, is_hex
from e2ecall.wire.declared import lv

__all__ = [
    "EMPTY",
    "ENTRY_LIMIT",
    "HEAD_LIMIT",
    "Entry",
    "Head",
    "SignedEntry",
    "Tip",
    "entry_hash",
    "entry_message",
    "next_entry",
    "read_entry",
    "read_head",
    "signed_head",
]

VERSION: Final = 1
_LABEL: Final = lv(b"e2ecall/1 ledger")
_HEAD_LABEL: Final = lv(b"e2ecall/1 ledger head")
_HASH_LENGTH: Final = 32
ENTRY_LIMIT: Final = 16 * 1024
"""identity.6-2: no entry has more bytes."""
HEAD_LIMIT: Final = 1024
"""identity.6-7: no head has more bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """identity.6-2: the `number`-th entry, from 0, of the ledger of `identity`; `time` in milliseconds since 1970."""

    number: int
    previous: bytes
    time: int
    identity: bytes
    fact: Fact


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry as it is stored: its bytes and their signature."""

    text: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a ledger ends: how many entries, and the hash of the last one."""

    length: int
    hash: bytes


EMPTY: Final = Tip(0, bytes(_HASH_LENGTH))
"""identity.6-4: what comes before entry 0: 32 zero bytes."""


@dataclass(frozen=True, slots=True)
class Head:
    """identity.6-7: the owner's word that the ledger of `identity` ended there at `time`, in milliseconds."""

    tip: Tip
    identity: bytes
    time: int


def next_entry(fact: Fact, tip: Tip, signer: Signer, now: float) -> tuple[SignedEntry, Tip]:
    """identity.6-2 to 6-5: the entry that follows `tip`, signed, and where the ledger ends with it.

    `now` in seconds since 1970. ApiMisuse for a time that is none and for texts that are too long.
    """
    members: JsonValue = {
        "version": VERSION,
        "number": tip.length,
        "previous": tip.hash.hex(),
        "time": _milliseconds(now),
        "identity": signer.public.hex(),
        "act": fact.act.value,
        "peer": fact.peer.hex(),
        "contact": fact.contact,
        "name": fact.name,
        "th2": None if fact.th2 is None else fact.th2.hex(),
        "suite": fact.suite,
        "method": None if fact.method is None else fact.method.value,
        "shown": fact.shown,
        "outcome": fact.outcome.value,
    }
    text = canonical(members)
    after = Tip(tip.length + 1, entry_hash(text))
    return SignedEntry(text, signer.sign(entry_message(after.hash))), after


def entry_hash(text: bytes) -> bytes:
    """identity.6-4: H(lv("e2ecall/1 ledger") || lv(text)), 32 bytes."""
    return hashlib.sha256(_LABEL + lv(text)).digest()


def entry_message(entry_hash: bytes) -> bytes:
    """identity.6-5: what the signature of an entry covers."""
    return _LABEL + entry_hash


def read_entry(text: bytes) -> Entry:
    """identity.6-1 to 6-3: the entry of a canonical text; MalformedMessage with the member that is wrong."""
    if len(text) > ENTRY_LIMIT:
        raise MalformedMessage("the entry is too long", offset=ENTRY_LIMIT, clause="identity.6-2")
    members = _Members(read_canonical(text, what="the entry"), "the entry", "identity.6-2")
    number, time = members.number("number"), members.number("time")
    previous, identity = members.hex("previous", _HASH_LENGTH), members.hex("identity", KEY_LENGTH)
    members.version()
    fact = {
        "act": members.one_of("act", Act),
        "peer": members.hex("peer", KEY_LENGTH),
        "outcome": members.one_of("outcome", Trust),
        "contact": members.optional("contact", members.text),
        "name": members.optional("name", members.text),
        "th2": members.optional("th2", lambda name: members.hex(name, _HASH_LENGTH)),
        "suite": members.optional("suite", members.number),
        "method": members.optional("method", lambda name: members.one_of(name, Method)),
        "shown": members.text("shown"),
    }
    members.end()
    try:
        return Entry(number, previous, time, identity, Fact(**fact))
    except ApiMisuse as error:
        raise MalformedMessage(error.message, clause="identity.6-3") from None


def signed_head(tip: Tip, signer: Signer, now: float) -> bytes:
    """identity.6-7: the bytes of the head; `now` in seconds since 1970."""
    head: dict[str, JsonValue] = {
        "version": VERSION,
        "length": tip.length,
        "hash": tip.hash.hex(),
        "identity": signer.public.hex(),
        "time": _milliseconds(now),
    }
    signature = signer.sign(_HEAD_LABEL + lv(canonical(head)))
    return canonical(head | {"signature": signature.hex()})


def read_head(data: bytes) -> Head:
    """identity.6-7: the head, signed by the identity that it names; MalformedMessage or VerificationFailed."""
    clause = "identity.6-7"
    if len(data) > HEAD_LIMIT:
        raise MalformedMessage("the head is too long", offset=HEAD_LIMIT, clause=clause)
    value = read_canonical(data, what="the head", clause=clause)
    members = _Members(value, "the head", clause)
    members.version()
    tip = Tip(members.number("length"), members.hex("hash", _HASH_LENGTH))
    head = Head(tip, members.hex("identity", KEY_LENGTH), members.number("time"))
    signature = members.hex("signature", SIGNATURE_LENGTH)
    members.end()
    if tip.length == 0 and tip != EMPTY:
        raise MalformedMessage("the head of an empty ledger has a hash", path="hash", clause=clause)
    signed = {name: item for name, item in members.all.items() if name != "signature"}
    verify(head.identity, _HEAD_LABEL + lv(canonical(signed)), signature, what="the ledger's head", clause=clause)
    return head


def _milliseconds(now: float) -> int:
    if not math.isfinite(now) or not 0 <= now < 1 << 43:
        raise ApiMisuse("the time is not in seconds since 1970", clause="identity.6-2")
    return round(now * 1000)


class _Members:
    """The members of an object that was read: each is asked for once, and none may be left."""

    def __init__(self, value: object, what: str, clause: str) -> None:
        self._what, self._clause = what, clause
        if not isinstance(value, dict):
            raise MalformedMessage(f"{what} is not an object", clause=clause)
        self.all: dict[str, Any] = value
        self._left = set(value)

    def _member(self, name: str) -> Any:
        if name not in self.all:
            raise self._refused(name, "is missing")
        self._left.discard(name)
        return self.all[name]

    def _refused(self, name: str, why: str) -> MalformedMessage:
        return MalformedMessage(f"{name} of {self._what} {why}", path=name, clause=self._clause)

    def number(self, name: str) -> int:
        value = self._member(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._refused(name, "is not a number from 0")
        return value

    def text(self, name: str) -> str:
        value = self._member(name)
        if not isinstance(value, str):
            raise self._refused(name, "is not a string")
        return value

    def hex(self, name: str, length: int) -> bytes:
        value = self.text(name)
        if len(value) != 2 * length or not is_hex(value):
            raise self._refused(name, f"is not {length} bytes in lower-case hex")
        return bytes.fromhex(value)

    def one_of(self, name: str, words: type[StrEnum]) -> Any:
        value = self.text(name)
        if value not in set(words):
            raise self._refused(name, "is no word of this version")
        return words(value)

    def optional(self, name: str, read: Any) -> Any:
        return None if self._member(name) is None else read(name)

    def version(self) -> None:
        if self.number("version") != VERSION:
            raise self._refused("version", f"is not {VERSION}")

    def end(self) -> None:
        for name in sorted(self._left):
            raise self._refused(name, "has no place there")
