"""identity.3: contacts, their keys and their slots, and what a key means in the slot of one call. Nothing here changes.

A slot is a contact. It is called by the contact, or by the contact's standing link; either way it has the same keys. A
call that was opened without a contact, by a link that serves one call say, goes to no slot: it is judged as incoming.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from e2ecall.errors import ApiMisuse
from e2ecall.identity.continuity import Happening, Judgement, Method, Mode, Trust, Why, after

__all__ = [
    "KEY_LENGTH",
    "Contact",
    "Finding",
    "KeyRecord",
    "Link",
    "Mismatch",
    "Slot",
    "contact_of",
    "find",
    "holder",
    "judge_incoming",
    "judge_outgoing",
    "judgement_of",
    "revoker",
]

KEY_LENGTH = 32


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """identity.3-1: what is kept of one identity key of a contact. Times are unix seconds.

    `held`: the key was once seen or verified here, so that any other key is a change. `why` is the reason of changed.
    """

    key: bytes
    trust: Trust
    held: bool
    first_at: float
    last_at: float
    why: Why | None = None
    by_link: bool = False
    method: Method | None = None
    verified_at: float | None = None
    introduced_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """identity.3-12: one comparison that failed, under which key and in which call (its 16-byte id)."""

    key: bytes
    call: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Contact:
    """A person, under a local name. `id` is 32 hex digits; `post_quantum`: once met with suite 1."""

    id: str
    name: str
    added_at: float
    post_quantum: bool = False
    keys: tuple[KeyRecord, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()

    def record(self, key: bytes) -> KeyRecord | None:
        """What is kept of that key."""
        return next((each for each in self.keys if each.key == key), None)

    @property
    def holds_keys(self) -> bool:
        """Whether any other key would be a change: also where all its keys are revoked or changed by now."""
        return any(each.held for each in self.keys)


@dataclass(frozen=True, slots=True)
class Link:
    """identity.3-8: the room of a link that was used or kept, never its secret. Standing if it has a contact."""

    room: bytes
    contact: str | None
    used_at: float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a call goes to: a contact, by its id; `room` where its standing link was used."""

    contact: str
    room: bytes | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call with a key is: the happening and its reason. `other` is the contact that holds the key instead."""

    happening: Happening
    why: Why
    contact: Contact | None
    record: KeyRecord | None = None
    other: Contact | None = None

    @property
    def before(self) -> Trust:
        """The state before this call."""
        return Trust.UNKNOWN if self.record is None else self.record.trust


def judge_outgoing(
    contacts: Mapping[str, Contact], slot: Slot, key: bytes, *, post_quantum: bool, mode: Mode, by_link: bool = False
) -> Judgement:
    """identity.3-3: a call to a slot takes the slot's keys only; the trust is the one that this call leads to.

    `key` is the 32-byte identity that the handshake proved. `post_quantum`: under suite 1. `by_link`: under a secret.
    """
    return judgement_of(find(contacts, slot, key, post_quantum=post_quantum, mode=mode, by_link=by_link), mode)


def judge_incoming(
    contacts: Mapping[str, Contact],
    key: bytes,
    *,
    post_quantum: bool,
    mode: Mode,
    by_link: bool = False,
    slot: Slot | None = None,
) -> Judgement:
    """identity.3-6: a known key is its contact, and an unknown key is unknown.

    `slot` only for a call that came in by a contact's standing link: it takes that contact's keys and no others.
    """
    return judgement_of(find(contacts, slot, key, post_quantum=post_quantum, mode=mode, by_link=by_link), mode)


def holder(contacts: Mapping[str, Contact], key: bytes) -> Contact | None:
    """The one contact whose key this is, or was."""
    return next((each for each in contacts.values() if (known := each.record(key)) and known.held), None)


def revoker(contacts: Mapping[str, Contact], key: bytes) -> Contact | None:
    """The contact under which that key was revoked."""
    revoked = Trust.REVOKED
    return next((each for each in contacts.values() if (known := each.record(key)) and known.trust is revoked), None)


def find(
    contacts: Mapping[str, Contact], slot: Slot | None, key: bytes, *, post_quantum: bool, mode: Mode, by_link: bool
) -> Finding:
    """identity.3: what a call with this key is, before anything changes."""
    if len(key) != KEY_LENGTH:
        raise ApiMisuse(f"an identity key has {KEY_LENGTH} bytes", clause="identity.3-1")
    contact = _caller(contacts, key) if slot is None else contact_of(contacts, slot)
    revoking = revoker(contacts, key)
    if revoking is not None:
        return Finding(Happening.MET, Why.REVOKED, contact, revoking.record(key), revoking)
    record = None if contact is None else contact.record(key)
    if contact is not None and record is not None:
        return _known(contact, record, post_quantum=post_quantum)
    other = holder(contacts, key)
    if other is not None:
        return Finding(Happening.OTHER_KEY, Why.OTHER_CONTACT, contact, other=other)
    if contact is not None and contact.holds_keys:
        return Finding(Happening.OTHER_KEY, Why.OTHER_KEY, contact)
    if by_link:
        return Finding(Happening.BY_LINK, Why.BY_LINK, contact)
    first = Why.UNKNOWN_CALLER if contact is None else Why.FIRST_CALL
    return Finding(Happening.ADMITTED if mode is Mode.ACCEPT_NEW else Happening.MET, first, contact)


def judgement_of(finding: Finding, mode: Mode) -> Judgement:
    """identity.4-4: whether the finding blocks, in that mode: changed and revoked do in every one."""
    trust, why = after(finding.before, finding.happening), finding.why
    contact, record, other = finding.contact, finding.record, finding.other
    new_by_link = record is None and finding.happening is Happening.BY_LINK
    if mode is Mode.STRICT and trust in (Trust.UNKNOWN, Trust.SEEN):
        why = Why.STRICT
    return Judgement(
        trust=trust,
        contact=contact.id if contact else None,
        name=contact.name if contact else None,
        blocks=trust in (Trust.UNKNOWN, Trust.CHANGED, Trust.REVOKED) or why is Why.STRICT,
        why=why,
        asks=trust is Trust.UNKNOWN and mode is Mode.ASK,
        verified_at=record.verified_at if record else None,
        method=record.method if record else Method.LINK if new_by_link else None,
        by_link=record.by_link if record else new_by_link,
        mismatches=len(contact.mismatches) if contact else 0,
        other=other.name if other and other is not contact else None,
    )


def contact_of(contacts: Mapping[str, Contact], slot: Slot) -> Contact:
    """The contact of a slot; ApiMisuse for one that is not there."""
    try:
        return contacts[slot.contact]
    except KeyError:
        raise ApiMisuse("there is no such contact", clause="identity.3-1") from None


def _caller(contacts: Mapping[str, Contact], key: bytes) -> Contact | None:
    """identity.3-6: whose key it is; else the contact under which it was revoked, or refused, before."""
    refused = (each for each in contacts.values() if each.record(key))
    return holder(contacts, key) or revoker(contacts, key) or next(refused, None)


def _known(contact: Contact, record: KeyRecord, *, post_quantum: bool) -> Finding:
    if record.trust is Trust.CHANGED:
        return Finding(Happening.MET, record.why or Why.OTHER_KEY, contact, record)
    if contact.post_quantum and not post_quantum:
        return Finding(Happening.WEAKER_SUITE, Why.NOT_POST_QUANTUM_ANY_MORE, contact, record)
    return Finding(Happening.MET, Why.KNOWN, contact, record)
