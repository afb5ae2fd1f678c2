"""identity.3: what this device thinks of a key in a slot, and what may change that.

Rules, in the order in which they bind:
  1. The state belongs to a (slot, key). A key that was never met is unknown.
  2. What comes over the network never makes a key verified, and never takes one out of changed or revoked.
  3. Revoked is the end: no act leaves it. A person who comes back makes a new identity.
  4. What is not in `TRANSITIONS` cannot happen: ApiMisuse.

`identity.contacts` finds the happening that a call means; this file is the table. What is said of a judgement is
`call.shown`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from e2ecall.errors import ApiMisuse

__all__ = [
    "ACTS",
    "COMPARISONS",
    "TRANSITIONS",
    "Happening",
    "Judgement",
    "Method",
    "Mode",
    "Trust",
    "Why",
    "after",
    "diagram",
]


class Trust(StrEnum):
    """identity.3-1: the state of a key in a slot."""

    UNKNOWN = "unknown"
    SEEN = "seen"
    VERIFIED = "verified"
    CHANGED = "changed"
    REVOKED = "revoked"


class Mode(StrEnum):
    """identity.4: what a person wants done about keys that they never compared."""

    ASK = "ask"
    ACCEPT_NEW = "accept-new"
    STRICT = "strict"


class Method(StrEnum):
    """How a key was verified, or came in."""

    EMOJI = "emoji"
    DIGITS = "digits"
    WORDS = "words"
    QR = "qr"
    LINK = "link"
    STATEMENT = "statement"


COMPARISONS: Final = frozenset({Method.EMOJI, Method.DIGITS, Method.WORDS, Method.QR})
"""What is compared, and can only be in a call: a link or a statement is none of it."""


class Happening(StrEnum):
    """What can happen to a key in a slot: first what comes over the network, then what a person does (`ACTS`)."""

    MET = "met"  # the key proved itself in a call, with a suite no weaker than before
    ADMITTED = "admitted"  # the same in mode accept-new, in a slot that held no key
    BY_LINK = "by link"  # the same in a call under a link secret, in a slot that held no key
    OTHER_KEY = "other key"  # the slot holds keys, or the key is another contact's
    WEAKER_SUITE = "weaker suite"  # a contact once met post-quantum came back without
    INTRODUCED = "introduced"  # one of the slot's keys signed that this one is the person's too
    RECEIPT = "receipt"  # the other side says that it verified
    ALLOWED = "allowed"  # the person lets a first call in
    COMPARED = "compared"  # the person compared, in a call, and it was the same
    STATED = "stated"  # the person says that they compared in another way, or that the link's channel was private
    MISMATCHED = "mismatched"  # the person compared, and it was not the same
    ACCEPTED = "accepted"  # the person saw the old and the new key, and takes the new one
    REVOKED = "revoked"  # the person will not have this key any more


ACTS: Final = frozenset(
    {
        Happening.ALLOWED,
        Happening.COMPARED,
        Happening.STATED,
        Happening.MISMATCHED,
        Happening.ACCEPTED,
        Happening.REVOKED,
    }
)
"""The happenings that are an act of this device's person."""

TRANSITIONS: Final[Mapping[tuple[Trust, Happening], Trust]] = MappingProxyType(
    {
        (Trust.UNKNOWN, Happening.MET): Trust.UNKNOWN,
        (Trust.UNKNOWN, Happening.ADMITTED): Trust.SEEN,
        (Trust.UNKNOWN, Happening.BY_LINK): Trust.SEEN,
        (Trust.UNKNOWN, Happening.OTHER_KEY): Trust.CHANGED,
        (Trust.UNKNOWN, Happening.INTRODUCED): Trust.SEEN,
        (Trust.UNKNOWN, Happening.RECEIPT): Trust.UNKNOWN,
        (Trust.UNKNOWN, Happening.ALLOWED): Trust.SEEN,
        (Trust.UNKNOWN, Happening.COMPARED): Trust.VERIFIED,
        (Trust.UNKNOWN, Happening.MISMATCHED): Trust.CHANGED,
        (Trust.UNKNOWN, Happening.REVOKED): Trust.REVOKED,
        (Trust.SEEN, Happening.MET): Trust.SEEN,
        (Trust.SEEN, Happening.ADMITTED): Trust.SEEN,
        (Trust.SEEN, Happening.BY_LINK): Trust.SEEN,
        (Trust.SEEN, Happening.WEAKER_SUITE): Trust.CHANGED,
        (Trust.SEEN, Happening.INTRODUCED): Trust.SEEN,
        (Trust.SEEN, Happening.RECEIPT): Trust.SEEN,
        (Trust.SEEN, Happening.ALLOWED): Trust.SEEN,
        (Trust.SEEN, Happening.COMPARED): Trust.VERIFIED,
        (Trust.SEEN, Happening.STATED): Trust.VERIFIED,
        (Trust.SEEN, Happening.MISMATCHED): Trust.CHANGED,
        (Trust.SEEN, Happening.REVOKED): Trust.REVOKED,
        (Trust.VERIFIED, Happening.MET): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.ADMITTED): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.BY_LINK): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.WEAKER_SUITE): Trust.CHANGED,
        (Trust.VERIFIED, Happening.INTRODUCED): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.RECEIPT): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.ALLOWED): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.COMPARED): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.STATED): Trust.VERIFIED,
        (Trust.VERIFIED, Happening.MISMATCHED): Trust.CHANGED,
        (Trust.VERIFIED, Happening.REVOKED): Trust.REVOKED,
        (Trust.CHANGED, Happening.MET): Trust.CHANGED,
        (Trust.CHANGED, Happening.ADMITTED): Trust.CHANGED,
        (Trust.CHANGED, Happening.BY_LINK): Trust.CHANGED,
        (Trust.CHANGED, Happening.OTHER_KEY): Trust.CHANGED,
        (Trust.CHANGED, Happening.WEAKER_SUITE): Trust.CHANGED,
        (Trust.CHANGED, Happening.INTRODUCED): Trust.CHANGED,
        (Trust.CHANGED, Happening.RECEIPT): Trust.CHANGED,
        (Trust.CHANGED, Happening.COMPARED): Trust.VERIFIED,
        (Trust.CHANGED, Happening.MISMATCHED): Trust.CHANGED,
        (Trust.CHANGED, Happening.ACCEPTED): Trust.SEEN,
        (Trust.CHANGED, Happening.REVOKED): Trust.REVOKED,
        (Trust.REVOKED, Happening.MET): Trust.REVOKED,
        (Trust.REVOKED, Happening.ADMITTED): Trust.REVOKED,
        (Trust.REVOKED, Happening.BY_LINK): Trust.REVOKED,
        (Trust.REVOKED, Happening.OTHER_KEY): Trust.REVOKED,
        (Trust.REVOKED, Happening.WEAKER_SUITE): Trust.REVOKED,
        (Trust.REVOKED, Happening.INTRODUCED): Trust.REVOKED,
        (Trust.REVOKED, Happening.RECEIPT): Trust.REVOKED,
        (Trust.REVOKED, Happening.MISMATCHED): Trust.REVOKED,
        (Trust.REVOKED, Happening.REVOKED): Trust.REVOKED,
    }
)
"""identity.3-2: everything that can happen; what is not here cannot."""


class Why(StrEnum):
    """The reason for a judgement."""

    KNOWN = "known"
    BY_LINK = "by-link"
    FIRST_CALL = "first-call"
    UNKNOWN_CALLER = "unknown-caller"
    STRICT = "strict"
    OTHER_KEY = "other-key"
    OTHER_CONTACT = "other-contact"
    NOT_POST_QUANTUM_ANY_MORE = "not-post-quantum-any-more"
    MISMATCH = "mismatch"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """identity.3-9: what this device makes of the key of one call.

    `blocks` holds media back. With `asks` a yes of the person lets it in; changed and revoked never ask, an act on the
    contact must come first. `name` is the local name of `contact` (its id, hex), never what the peer calls itself.
    `verified_at` is in unix seconds. `other` is the local name of the contact whose key this is instead.
    """

    trust: Trust
    contact: str | None
    name: str | None
    blocks: bool
    why: Why
    asks: bool = False
    verified_at: float | None = None
    method: Method | None = None
    by_link: bool = False
    mismatches: int = 0
    other: str | None = None


def after(trust: Trust, happening: Happening) -> Trust:
    """identity.3-2: the state that follows; ApiMisuse for what cannot happen in this state."""
    try:
        return TRANSITIONS[trust, happening]
    except KeyError:
        raise ApiMisuse(f"a key that is {trust} cannot be {happening}", clause="identity.3-2") from None


def diagram() -> str:
    """The moves of the table as a mermaid stateDiagram, without what changes nothing; `!` marks a person's acts."""
    moves: dict[tuple[Trust, Trust], list[str]] = {}
    for (before, happening), behind in TRANSITIONS.items():
        if before is not behind:
            label = f"{happening}!" if happening in ACTS else str(happening)
            moves.setdefault((before, behind), []).append(label)
    lines = [f"    {before} --> {behind}: {', '.join(labels)}" for (before, behind), labels in moves.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {Trust.UNKNOWN}", *lines, f"    {Trust.REVOKED} --> [*]"])
