"""vectors/ledger: entries that follow each other, and ledgers that hold, or do not, with the first bad entry."""

from __future__ import annotations

import json
from typing import Any

from e2ecall.audit.oracle import ed25519, ledger
from e2ecall.audit.oracle.hashes import hkdf_expand
from generator.cases import OURS, Case, VectorFile, refusal

__all__ = ["FILES"]

SEED, OTHER_SEED = bytes(range(32)), bytes(range(32, 64))
TIME = 1_800_000_000_000
PEER, TH2 = bytes([0x11]) * 32, bytes([0x22]) * 32
CALL: dict[str, Any] = {"peer": PEER.hex(), "th2": TH2.hex(), "suite": 1}
NAMED = CALL | {"contact": "ab" * 16, "name": "Zoë 🐈"}

FACTS: tuple[dict[str, Any], ...] = (
    CALL | {"act": "seen", "outcome": "seen"},
    NAMED | {"act": "verified", "outcome": "verified", "method": "emoji", "shown": "🐶 🚀 🍇 🔑"},
    NAMED | {"act": "receipt-match", "outcome": "verified", "method": "emoji"},
    NAMED | {"act": "call", "outcome": "verified", "shown": 'a "quoted" \\ line\nand a control \u0001\u007f'},
    NAMED | {"act": "changed", "outcome": "changed", "peer": "33" * 32, "suite": 2},
    NAMED | {"act": "mismatch", "outcome": "changed", "peer": "33" * 32, "method": "digits", "shown": "01234 56789"},
    {"act": "accepted", "outcome": "seen", "peer": "33" * 32, "contact": "ab" * 16, "name": ""},
    {"act": "introduced", "outcome": "seen", "peer": "44" * 32, "contact": "ab" * 16, "method": "statement"},
    {"act": "revoked", "outcome": "revoked", "peer": PEER.hex(), "contact": "ab" * 16},
    CALL | {"act": "receipt-mismatch", "outcome": "unknown", "method": "words", "peer": "55" * 32, "suite": 65535},
)


class Book:
    """A ledger of one identity as it grows: texts, hashes and signatures; `seed` is peer.2's."""

    def __init__(self, seed: bytes = SEED, facts: tuple[dict[str, Any], ...] = FACTS) -> None:
        self.key = hkdf_expand("sha256", seed, b"e2ecall/1 test identity", 32)
        self.identity = ed25519.public_key(self.key)
        self.hashes = [bytes(32)]
        self.lines: list[tuple[bytes, bytes]] = []
        for number, fact in enumerate(facts):
            text, hash_, signature = ledger.append(self.key, number, self.hashes[-1], TIME + 1000 * number, fact)
            self.hashes.append(hash_)
            self.lines.append((text, signature))

    def head(self, length: int) -> bytes:
        """The head when the ledger had so many entries."""
        return ledger.head_of(self.key, length, self.hashes[length], TIME + 1000 * max(0, length - 1))

    def signed(self, text: bytes) -> tuple[bytes, bytes]:
        """Any bytes at all, signed as an entry."""
        return text, ed25519.sign(self.key, ledger.lv(b"e2ecall/1 ledger") + ledger.hash_of(text))


BOOK, OTHER = Book(), Book(OTHER_SEED)
SHORT = Book(facts=FACTS[:4])
LINES = SHORT.lines


def _appended() -> list[Case]:
    cases = []
    for number, fact in enumerate(FACTS):
        text, signature = BOOK.lines[number]
        case = {"name": f"entry {number}: {fact['act']}", "clause": "identity.6-2", "seed": SEED.hex()}
        if number:
            case |= {"length": number, "hash": BOOK.hashes[number].hex()}
        case |= {"time": TIME + 1000 * number, "fact": fact} | {"text": text.decode(), "entry": text.hex()}
        case |= {"entry_hash": BOOK.hashes[number + 1].hex(), "signature": signature.hex()}
        cases.append(case | {"head": BOOK.head(number + 1).hex(), "result": "ok"})
    return cases


def _asked(name: str, lines: list[tuple[bytes, bytes]], head: bytes | None, identity: bytes) -> Case:
    case: Case = {"name": name, "identity": identity.hex()}
    case |= {"entries": [text.hex() for text, _ in lines], "signatures": [sign.hex() for _, sign in lines]}
    return case | {"head": None if head is None else head.hex()}


def _good(name: str, lines: list[tuple[bytes, bytes]], head: bytes | None) -> Case:
    length, last, pending = ledger.check(*_columns(lines), head, BOOK.identity)
    case = _asked(name, lines, head, BOOK.identity) | {"clause": "identity.6-9", "length": length}
    return case | {"hash": last.hex(), "pending": pending, "result": "ok"}


def _bad(
    name: str, lines: list[tuple[bytes, bytes]], head: bytes | None, entry: int, identity: bytes = BOOK.identity
) -> Case:
    refused = refusal(lambda: ledger.check(*_columns(lines), head, identity))
    return _asked(name, lines, head, identity) | {"first_bad": entry} | refused


def _columns(lines: list[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes]]:
    return [text for text, _ in lines], [signature for _, signature in lines]


def _kept() -> list[Case]:
    return [
        _good("never begun", [], None),
        _good("begun, and empty", [], BOOK.head(0)),
        _good("one entry", LINES[:1], BOOK.head(1)),
        _good("ten entries", BOOK.lines, BOOK.head(10)),
        _good("the last entry is not yet in the head", LINES, BOOK.head(3)),
        _good("the first entry is not yet in the head", LINES[:1], BOOK.head(0)),
    ]


def _with(place: int, line: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [*LINES[:place], line, *LINES[place + 1 :]]


def _other_members(place: int, **members: Any) -> bytes:
    """The entry with other members, in canonical form; one that is to be "without" is left out."""
    entry = json.loads(LINES[place][0]) | members
    return ledger.canonical({name: value for name, value in entry.items() if value != "without"})


def _refused_entries() -> list[Case]:
    head, text = SHORT.head(4), LINES[1][0]
    edited = _other_members(1, outcome="verified", name="Zoe")
    cases = [
        _bad("one letter of a name, not signed again", _with(1, (edited, LINES[1][1])), head, 1),
        _bad("the same, signed again by the owner", _with(1, SHORT.signed(edited)), head, 2),
        _bad("signed by another identity", _with(1, OTHER.signed(text)), head, 1),
        _bad(
            "signatures of two entries swapped", [*LINES[:1], (text, LINES[2][1]), (LINES[2][0], LINES[1][1])], head, 1
        ),
        _bad("an empty signature", _with(1, (text, b"")), head, 1),
        _bad("a signature with S + L", _with(1, (text, _plus_l(LINES[1][1]))), head, 1),
        _bad("the first entry is deleted", LINES[1:], head, 0),
        _bad("an entry in the middle is deleted", LINES[:1] + LINES[2:], head, 1),
        _bad("two entries change places", [LINES[0], LINES[2], LINES[1], LINES[3]], head, 1),
        _bad("an entry stands twice", LINES[:2] + LINES[1:], head, 2),
        _bad(
            "two entries of one number", [*LINES[:2], SHORT.signed(_other_members(1, time=TIME)), *LINES[2:]], head, 2
        ),
        _bad("an entry of another ledger is inserted", [*LINES[:2], OTHER.lines[2], *LINES[2:]], head, 2),
        _bad("an entry of another ledger is in its place", _with(2, OTHER.lines[2]), head, 2),
        _bad("a whole other ledger", OTHER.lines[:4], OTHER.head(4), 0),
        _bad(
            "a previous hash that is another's", _with(3, SHORT.signed(_other_members(3, previous="00" * 32))), head, 3
        ),
    ]
    two = SHORT.head(2)
    return cases + [_bad(name, [LINES[0], SHORT.signed(bad)], two, 1) for name, bad in _malformed(text).items()]


def _plus_l(signature: bytes) -> bytes:
    return signature[:32] + (int.from_bytes(signature[32:], "little") + ed25519.L).to_bytes(32, "little")


def _malformed(text: bytes) -> dict[str, bytes]:
    """Entries that are none, each signed by the owner."""
    return {
        "no byte": b"",
        "no JSON": text[:-1],
        "a byte behind it": text + b"\n",
        "a space": text.replace(b",", b", ", 1),
        "members in another order": _reversed(text),
        "an escape that is not needed": text.replace("ë".encode(), b"\\u00eb"),
        "a key that stands twice": text.replace(b'"version":1', b'"version":1,"version":1'),
        "a number with a point": text.replace(b'"suite":1', b'"suite":1.0'),
        "a number with an exponent": text.replace(b'"suite":1', b'"suite":1e0'),
        "minus zero": text.replace(b'"suite":1', b'"suite":-0'),
        "half a surrogate pair": text.replace("ë".encode(), b"\\ud800"),
        "not UTF-8": text.replace("ë".encode(), b"\xeb"),
        "a byte order mark": b"\xef\xbb\xbf" + text,
        "NaN": text.replace(b'"suite":1', b'"suite":NaN'),
        "a list": b"[" + text + b"]",
        "a number of 2^53": _other_members(1, time=2**53),
        "a negative time": _other_members(1, time=-1),
        "true for a number": _other_members(1, version=True),
        "version 2": _other_members(1, version=2),
        "a member more": _other_members(1, zebra=None),
        "a member less": _other_members(1, shown="without"),
        "a short key": _other_members(1, peer="11" * 31),
        "a key in capitals": _other_members(1, peer="AB" * 32),
        "an act that is none": _other_members(1, act="approved"),
        "verified and changed": _other_members(1, outcome="changed"),
        "a method that is none": _other_members(1, method="voice"),
        "verified without a method": _other_members(1, method=None),
        "th2 without a suite": _other_members(1, suite=None),
        "suite 0": _other_members(1, suite=0),
        "a name without a contact": _other_members(1, contact=None),
        "a contact of half a byte": _other_members(1, contact="abc"),
        "a text of 1025 characters": _other_members(1, shown="x" * 1025),
    }


def _reversed(text: bytes) -> bytes:
    members = dict(reversed(json.loads(text).items()))
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def _refused_heads() -> list[Case]:
    head = SHORT.head(4)
    spoilt = {name: json.loads(head) | {name: value} for name, value in (("time", TIME), ("length", 3))}
    unsigned = {key: value for key, value in json.loads(head).items() if key != "signature"}
    return [
        _bad("the last entry is cut off", LINES[:3], head, 3),
        _bad("two entries are cut off", LINES[:2], head, 2),
        _bad("all entries are cut off", [], head, 0),
        _bad("no head", LINES, None, 0),
        _bad("no head, and one entry", LINES[:1], None, 0),
        _bad("two entries beyond the head", LINES, SHORT.head(2), 2),
        _bad("two entries beyond an empty head", LINES[:2], SHORT.head(0), 0),
        _bad("the head of another identity", LINES, OTHER.head(4), 0),
        _bad("the head of another identity, and no entry", [], OTHER.head(0), 0),
        _bad("another last entry than the head's", [*LINES[:3], BOOK_FORK], head, 3),
        _bad("a head with another time", LINES, ledger.canonical(spoilt["time"]), 0),
        _bad("a head with another length", LINES[:3], ledger.canonical(spoilt["length"]), 0),
        _bad("a head without its signature", LINES, ledger.canonical(unsigned), 0),
        _bad("a head cut short", LINES, head[:-1], 0),
        _bad("an empty head", LINES, b"", 0),
        _bad("a head of version 2", LINES, ledger.canonical(json.loads(head) | {"version": 2}), 0),
        _bad("a head of no entries with a hash", [], ledger.head_of(SHORT.key, 0, SHORT.hashes[1], TIME), 0),
    ]


BOOK_FORK = SHORT.signed(_other_members(3, outcome="seen"))

FILES = (
    VectorFile(
        "append.json", "ledger.append", "Entries of a ledger, each behind the one before it", OURS,
        tuple(_appended()), "ledger",
    ),
    VectorFile("verify.json", "ledger.verify", "Ledgers that hold", OURS, tuple(_kept()), "ledger"),
    VectorFile(
        "entries-refused.json", "ledger.verify", "Ledgers in which an entry is not as its owner left it", OURS,
        tuple(_refused_entries()), "ledger",
    ),
    VectorFile(
        "heads-refused.json", "ledger.verify", "Ledgers that are not those of their heads", OURS,
        tuple(_refused_heads()), "ledger",
    ),
)  # fmt: skip
