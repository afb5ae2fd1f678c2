"""identity.6: whether a ledger is whole: every entry in its place, signed and chained, and the head where it ends.

A crash may come between an entry and the head that counts it. So one entry beyond the head is no fault, if the owner
signed it and it follows: it is *not yet in the head*, and the owner's next entry mends that. Two cannot come about that
way, since no entry is added before the head has caught up: then the head is an old one that was put back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from e2ecall.crypto.sign import SIGNATURE_LENGTH, verify
from e2ecall.errors import MalformedMessage, VerificationFailed
from e2ecall.identity.ledger import (
    EMPTY,
    Entry,
    Head,
    SignedEntry,
    Tip,
    entry_hash,
    entry_message,
    read_entry,
    read_head,
)

__all__ = ["Checked", "Fault", "LedgerBroken", "check", "check_end"]


class Fault(StrEnum):
    """identity.6-8: what is wrong with a ledger."""

    MALFORMED = "malformed"  # an entry that is none
    NUMBER = "number"  # an entry in another's place: one is gone, comes twice, or was moved
    IDENTITY = "identity"  # an entry of another identity's ledger
    CHAIN = "chain"  # an entry that follows another one than the one before it
    SIGNATURE = "signature"  # an entry that its owner did not sign so
    TRUNCATED = "truncated"  # fewer entries than the head counts
    REWRITTEN = "rewritten"  # as many as it counts, and other ones
    HEAD_MISSING = "head-missing"
    HEAD_MALFORMED = "head-malformed"
    HEAD_SIGNATURE = "head-signature"
    HEAD_IDENTITY = "head-identity"  # the head of another identity's ledger
    HEAD_OLD = "head-old"  # more than one entry beyond the head


class LedgerBroken(VerificationFailed):
    """The ledger is not what its owner wrote: `fault`, and `entry`, the first that nothing vouches for."""

    def __init__(self, fault: Fault, entry: int, message: str) -> None:
        clause = "identity.6-9" if fault.startswith("head") or fault in _BY_HEAD else "identity.6-8"
        hint = _AFTER_NEW if fault in (Fault.IDENTITY, Fault.HEAD_IDENTITY) else _HINT
        super().__init__(f"entry {entry} of the ledger: {message}", clause=clause, hint=hint)
        self.fault = fault
        self.entry = entry


_BY_HEAD = frozenset({Fault.TRUNCATED, Fault.REWRITTEN})
_AFTER_NEW = "after a change of identity, keep the old ledger with `e2ecall ledger set-aside`"
_HINT = "keep the files as they are: they show what was done. `e2ecall ledger check` says more"


@dataclass(frozen=True, slots=True)
class Checked:
    """A ledger that is whole: its entries, where it ends, and the head (None for a ledger that was never begun).

    `pending` is how many entries are not yet in the head, 0 or 1. `clock_back` are the numbers of the entries that bear
    an earlier time than the one before them: a clock that was set back, and no fault.
    """

    entries: tuple[Entry, ...]
    tip: Tip
    head: Head | None
    pending: int
    clock_back: tuple[int, ...]


def check(entries: Sequence[SignedEntry], head: bytes | None, identity: bytes) -> Checked:
    """identity.6-8, 6-9: the whole ledger of `identity`, from entry 0; LedgerBroken with the first fault.

    The entries come first, in their order, and then the head: `entry` of the error is the first one that is not as its
    owner left it, and 0 where it is the head that is not.
    """
    tips, read = [EMPTY], []
    for signed in entries:
        entry, tip = _follow(signed, tips[-1], identity)
        read.append(entry)
        tips.append(tip)
    owners = None if head is None and not entries else _owners_head(head, identity)
    pending = 0 if owners is None else _beyond(owners, len(entries))
    if owners is not None and tips[owners.tip.length] != owners.tip:
        raise _rewritten(owners.tip.length)
    back = tuple(later.number for entry, later in itertools.pairwise(read) if later.time < entry.time)
    return Checked(tuple(read), tips[-1], owners, pending, back)


def check_end(count: int, last: SignedEntry | None, head: bytes | None, identity: bytes) -> tuple[Tip, bool]:
    """identity.6-10: where a ledger of `count` entries ends, and whether the head says so already.

    Only the end is looked at, as often as an entry is added; LedgerBroken if it is not as the owner left it. So nothing
    is ever added behind a cut, which would hide it.
    """
    if head is None and not count:
        return EMPTY, False
    owners = _owners_head(head, identity)
    if _beyond(owners, count):
        if last is None:
            raise LedgerBroken(Fault.NUMBER, count - 1, "it is not there")
        return _follow(last, owners.tip, identity)[1], False
    if (EMPTY.hash if last is None else entry_hash(last.text)) != owners.tip.hash:
        raise _rewritten(count)
    return owners.tip, True


def _follow(signed: SignedEntry, tip: Tip, identity: bytes) -> tuple[Entry, Tip]:
    """The entry that stands behind `tip`, and where the ledger ends with it."""
    place = tip.length
    try:
        entry = read_entry(signed.text)
    except MalformedMessage as error:
        raise LedgerBroken(Fault.MALFORMED, place, error.message) from None
    if entry.number != place:
        raise LedgerBroken(Fault.NUMBER, place, f"number {entry.number} stands in its place")
    if entry.identity != identity:
        raise LedgerBroken(Fault.IDENTITY, place, "it is of another identity's ledger")
    after = Tip(place + 1, entry_hash(signed.text))
    _check_signature(signed, after, identity)
    if entry.previous != tip.hash:
        raise LedgerBroken(Fault.CHAIN, place, "it follows another entry than the one before it")
    return entry, after


def _check_signature(signed: SignedEntry, after: Tip, identity: bytes) -> None:
    broken = LedgerBroken(Fault.SIGNATURE, after.length - 1, "it was changed: its signature does not verify")
    if len(signed.signature) != SIGNATURE_LENGTH:
        raise broken
    try:
        verify(identity, entry_message(after.hash), signed.signature, what="the entry", clause="identity.6-5")
    except VerificationFailed:
        raise broken from None


def _rewritten(length: int) -> LedgerBroken:
    return LedgerBroken(Fault.REWRITTEN, max(0, length - 1), "it is another one than the head vouches for")


def _owners_head(head: bytes | None, identity: bytes) -> Head:
    if head is None:
        raise LedgerBroken(Fault.HEAD_MISSING, 0, "there are entries, and the signed head is gone")
    try:
        read = read_head(head)
    except MalformedMessage as error:
        raise LedgerBroken(Fault.HEAD_MALFORMED, 0, f"the signed head is none: {error.message}") from None
    except VerificationFailed:
        raise LedgerBroken(Fault.HEAD_SIGNATURE, 0, "the head was changed: its signature does not verify") from None
    if read.identity != identity:
        raise LedgerBroken(Fault.HEAD_IDENTITY, 0, "the head is of another identity's ledger")
    return read


def _beyond(head: Head, length: int) -> int:
    """How many of `length` entries the head does not count: 0 or 1."""
    counted = head.tip.length
    if length < counted:
        raise LedgerBroken(Fault.TRUNCATED, length, f"it is gone, and the head counts {counted} entries")
    if length > counted + 1:
        raise LedgerBroken(Fault.HEAD_OLD, counted, f"the head counts {counted} of {length} entries: it is an old one")
    return length - counted
