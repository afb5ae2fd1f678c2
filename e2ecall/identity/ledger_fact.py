"""identity.6-3: what an entry of the ledger can say of a key. `identity.ledger` signs and chains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from e2ecall.crypto.sign import KEY_LENGTH
from e2ecall.errors import ApiMisuse
from e2ecall.identity.continuity import Happening, Method, Trust
from e2ecall.wire.declared import has_utf8

__all__ = ["ACT_OF", "OUTCOMES", "Act", "Fact", "is_hex"]

_HASH_LENGTH: Final = 32
_TEXT_LIMIT: Final = 1024  # characters of a name or of what was shown


class Act(StrEnum):
    """identity.6-3: what happened to the key `peer`."""

    SEEN = "seen"  # let in
    VERIFIED = "verified"  # compared here, and it was the same
    MISMATCH = "mismatch"  # compared here, and it was not
    CHANGED = "changed"  # another key, or a weaker suite, than before
    ACCEPTED = "accepted"  # a person took the changed key
    INTRODUCED = "introduced"  # one of the contact's keys signed that this is one too
    REVOKED = "revoked"  # a person will not have it any more
    RECEIPT_MATCH = "receipt-match"  # the other side says that it compared and found it the same
    RECEIPT_MISMATCH = "receipt-mismatch"  # or not the same
    CALL = "call"  # a call with it was held


OUTCOMES: Final[Mapping[Act, frozenset[Trust]]] = MappingProxyType(
    {
        Act.SEEN: frozenset({Trust.SEEN, Trust.VERIFIED}),
        Act.VERIFIED: frozenset({Trust.VERIFIED}),
        Act.MISMATCH: frozenset({Trust.CHANGED, Trust.REVOKED}),
        Act.CHANGED: frozenset({Trust.CHANGED, Trust.REVOKED}),
        Act.ACCEPTED: frozenset({Trust.SEEN}),
        Act.INTRODUCED: frozenset(Trust) - {Trust.UNKNOWN},
        Act.REVOKED: frozenset({Trust.REVOKED}),
        Act.RECEIPT_MATCH: frozenset(Trust),
        Act.RECEIPT_MISMATCH: frozenset(Trust),
        Act.CALL: frozenset(Trust),
    }
)
"""identity.6-3: the state in which each act can leave the key. A receipt changes none."""

ACT_OF: Final[Mapping[Happening, Act]] = MappingProxyType(
    {
        Happening.ADMITTED: Act.SEEN,
        Happening.BY_LINK: Act.SEEN,
        Happening.ALLOWED: Act.SEEN,
        Happening.INTRODUCED: Act.INTRODUCED,
        Happening.OTHER_KEY: Act.CHANGED,
        Happening.WEAKER_SUITE: Act.CHANGED,
        Happening.COMPARED: Act.VERIFIED,
        Happening.STATED: Act.VERIFIED,
        Happening.MISMATCHED: Act.MISMATCH,
        Happening.ACCEPTED: Act.ACCEPTED,
        Happening.REVOKED: Act.REVOKED,
    }
)
"""identity.7-2: the act that a change of the contacts is in the ledger."""

_WITH_METHOD: Final = frozenset({Act.VERIFIED, Act.MISMATCH, Act.RECEIPT_MATCH, Act.RECEIPT_MISMATCH})
_IN_A_CALL: Final = frozenset({Act.RECEIPT_MATCH, Act.RECEIPT_MISMATCH, Act.CALL})


@dataclass(frozen=True, slots=True)
class Fact:
    """identity.6-3: what an entry says happened to the key `peer` (32 bytes), which it left in the state `outcome`.

    `contact` is the id of the contact (hex) and `name` its local name, never the peer's claim. `th2` (32 bytes) and
    `suite` are the call's. `shown` is what the person saw: text, and nothing that is still secret.
    """

    act: Act
    peer: bytes
    outcome: Trust
    contact: str | None = None
    name: str | None = None
    th2: bytes | None = None
    suite: int | None = None
    method: Method | None = None
    shown: str = ""

    def __post_init__(self) -> None:
        """ApiMisuse for what no entry can say."""
        if (why := _wrong(self)) is not None:
            raise ApiMisuse(f"no entry of the ledger: {why}", clause="identity.6-3")


def is_hex(text: str) -> bool:
    """Whether these are whole bytes in lower-case hexadecimal."""
    return len(text) % 2 == 0 and not set(text) - set("0123456789abcdef")


def _wrong(fact: Fact) -> str | None:
    """Why there can be no such fact."""
    act, contact = fact.act, fact.contact
    reasons = {
        "the peer's key has not 32 bytes": len(fact.peer) != KEY_LENGTH,
        f"{act} does not leave a key {fact.outcome}": fact.outcome not in OUTCOMES[act],
        "th2 and suite go together": (fact.th2 is None) != (fact.suite is None),
        "th2 has not 32 bytes": fact.th2 is not None and len(fact.th2) != _HASH_LENGTH,
        "the suite is no number of 16 bits": fact.suite is not None and not 0 < fact.suite < 1 << 16,
        f"{act} names no call": fact.th2 is None and act in _IN_A_CALL,
        f"{act} names no method": fact.method is None and act in _WITH_METHOD,
        "the contact's id is not lower-case hex": contact is not None
        and not (0 < len(contact) <= 64 and is_hex(contact)),
        "there is a name and no contact": fact.name is not None and contact is None,
        "a text is too long or not Unicode": not all(_is_text(each) for each in (fact.name or "", fact.shown)),
    }
    return next((why for why, holds in reasons.items() if holds), None)


def _is_text(text: str) -> bool:
    return len(text) <= _TEXT_LIMIT and has_utf8(text)
