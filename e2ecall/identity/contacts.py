"""identity.3: the contacts of this device, and everything that may happen to them. Pure: the store keeps what changes.

What comes over the network goes through `met`, `join_by_statement` and `receipt`; the rest are acts of the person.
Every change of trust is one step of `continuity.TRANSITIONS`, and is noted as a `Change` for the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.continuity import COMPARISONS, Happening, Judgement, Method, Mode, Trust, Why, after
from e2ecall.identity.slots import (
    KEY_LENGTH,
    Contact,
    KeyRecord,
    Link,
    Mismatch,
    Slot,
    contact_of,
    find,
    holder,
    judge_incoming,
    judge_outgoing,
    judgement_of,
    revoker,
)
from e2ecall.identity.statement import NewDevice
from e2ecall.wire.declared import has_utf8

__all__ = [
    "CHANGED_KEYS_KEPT",
    "KEYS_LIMIT",
    "NAME_LIMIT",
    "Change",
    "Contact",
    "Contacts",
    "KeyRecord",
    "Link",
    "Mismatch",
    "Slot",
    "judge_incoming",
    "judge_outgoing",
]

NAME_LIMIT: Final = 64  # bytes of UTF-8
CHANGED_KEYS_KEPT: Final = 8
"""How many refused keys a contact keeps. An older one is still refused, as any other key is."""

KEYS_LIMIT: Final = 64
"""How many keys of a contact are kept before its devices can introduce no more."""

_ID_LENGTH, _CALL_LENGTH, _ROOM_LENGTH = 16, 16, 16
_ID_DIGITS: Final = 4  # of an id, at least, to name a contact by


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a key, for the ledger: every act of the person, and what the network changed.

    `at` in unix seconds; `call` is the 16-byte id where there was one; `why` is the reason of changed and revoked.
    """

    happening: Happening
    contact: str
    name: str
    key: bytes
    before: Trust
    trust: Trust
    at: float
    why: Why | None = None
    method: Method | None = None
    call: bytes | None = None


class Contacts:
    """The contacts of one moment. Since then: `changes` in order, the ids `dirty` and the rooms `dirty_links`."""

    def __init__(self, contacts: Iterable[Contact] = (), links: Iterable[Link] = ()) -> None:
        self._contacts = {each.id: each for each in contacts}
        self._links = {each.room: each for each in links}
        self.dirty: set[str] = set()
        self.dirty_links: set[bytes] = set()
        self.changes: list[Change] = []

    @property
    def all(self) -> Mapping[str, Contact]:
        """Every contact by its id; what `judge_outgoing` and `judge_incoming` take."""
        return MappingProxyType(self._contacts)

    def find(self, text: str) -> Contact:
        """The contact of that name, or of that beginning of an id (4 digits or more).

        ApiMisuse for none, and for several: a name that looks like the id of another contact is not taken for either.
        """
        begins = text.lower() if len(text) >= _ID_DIGITS else None
        named = [
            each for each in self._contacts.values() if text == each.name or (begins and each.id.startswith(begins))
        ]
        if len(named) != 1:
            what = "no contact has" if not named else "several contacts have"
            raise ApiMisuse(f"{what} the name or id {text!r}", hint="e2ecall contacts list")
        return named[0]

    def slot(self, contact: str) -> Slot:
        """identity.3-1: the slot of a contact, by its id."""
        return Slot(contact_of(self._contacts, Slot(contact)).id)

    def slot_of_link(self, room: bytes) -> Slot | None:
        """identity.3-1: the slot of a contact's standing link, by the 16-byte room of its secret."""
        link = self._links.get(room)
        return None if link is None or link.contact is None else Slot(link.contact, room)

    def add(self, name: str, *, now: float, rng: Rng) -> Contact:
        """A contact without keys, under a local name that no other has; ApiMisuse for a name that cannot be."""
        self._check_name(name)
        contact = Contact(rng.draw("contact", _ID_LENGTH).hex(), name, now)
        if contact.id in self._contacts:
            raise ApiMisuse("this source of randomness repeats itself")
        return self._put(contact)

    def rename(self, contact: str, name: str) -> Contact:
        """Another local name."""
        old = contact_of(self._contacts, Slot(contact))
        if name != old.name:
            self._check_name(name)
        return self._put(replace(old, name=name))

    def keep_link(self, room: bytes, contact: str) -> Slot:
        """identity.3-8: the person makes this the standing link of a contact; ApiMisuse if it is another's."""
        known = self._links.get(_check_room(room))
        if known is not None and known.contact not in (None, contact):
            raise ApiMisuse("this link is another contact's", clause="identity.3-8")
        slot = Slot(contact_of(self._contacts, Slot(contact)).id, room)
        self._put_link(Link(room, contact, known.used_at if known else None))
        return slot

    def use_link(self, room: bytes, *, now: float) -> Slot | None:
        """identity.3-8: a call is opened by this link. VerificationFailed if it served its one call already."""
        known = self._links.get(_check_room(room))
        if known is not None and known.contact is None:
            hint = "ask for a new link"
            raise VerificationFailed("this link has served its one call", clause="identity.3-8", hint=hint)
        self._put_link(Link(room, known.contact if known else None, now))
        return self.slot_of_link(room)

    def met(
        self,
        slot: Slot | None,
        key: bytes,
        *,
        post_quantum: bool,
        mode: Mode,
        now: float,
        rng: Rng,
        by_link: bool = False,
    ) -> Judgement:
        """identity.3-2: a call proved this key. What `judge_outgoing` or, without a slot, `judge_incoming` say is kept.

        A key that is let in without a contact gets one, named after the key.
        """
        finding = find(self._contacts, slot, key, post_quantum=post_quantum, mode=mode, by_link=by_link)
        trust = after(finding.before, finding.happening)
        if trust in (Trust.UNKNOWN, Trust.REVOKED):
            return judgement_of(finding, mode)
        contact = finding.contact or self.add(self.nameless(key), now=now, rng=rng)
        record = finding.record or KeyRecord(key, trust, held=False, first_at=now, last_at=now)
        if trust is Trust.CHANGED:
            record = replace(record, trust=trust, why=finding.why, last_at=now)
        else:
            if finding.happening is Happening.BY_LINK:
                record = replace(record, by_link=True, method=Method.LINK)
            record = replace(record, trust=trust, held=True, last_at=now)
            contact = replace(contact, post_quantum=contact.post_quantum or post_quantum)
        contact = self._put_record(contact, record)
        if trust is not finding.before:
            self._note(finding.happening, contact, record, finding.before, now)
        return judgement_of(replace(finding, contact=contact), mode)

    def join_by_statement(self, slot: Slot, statement: NewDevice, *, now: float) -> Trust:
        """identity.3-14: a new device of the contact, introduced by a key that is seen or verified in this slot.

        VerificationFailed for any other signer, and for a key that is another contact's. A key that was refused before
        stays refused until the person acts. Returns the new key's trust.
        """
        statement.check()
        contact = contact_of(self._contacts, slot)
        signer = contact.record(statement.old)
        if signer is None or signer.trust not in (Trust.SEEN, Trust.VERIFIED):
            state = Trust.UNKNOWN if signer is None else signer.trust
            what = f"a new device was introduced by a key that is {state} here"
            raise VerificationFailed(what, who=contact.name, clause="identity.3-14")
        self._refuse_others(contact, statement.new)
        record = contact.record(statement.new)
        trust = after(record.trust if record else Trust.UNKNOWN, Happening.INTRODUCED)
        if record is None:
            if len(contact.keys) >= KEYS_LIMIT:
                what = f"a contact has {KEYS_LIMIT} keys at most"
                raise VerificationFailed(what, who=contact.name, clause="identity.3-14")
            record = KeyRecord(statement.new, trust, held=True, first_at=now, last_at=now, introduced_by=statement.old)
            self._note(Happening.INTRODUCED, self._put_record(contact, record), record, Trust.UNKNOWN, now)
        return trust

    def receipt(self, slot: Slot, key: bytes) -> Trust:
        """identity.3-13: the other side says that it verified. The trust, as it was."""
        record = contact_of(self._contacts, slot).record(key)
        return after(record.trust if record else Trust.UNKNOWN, Happening.RECEIPT)

    def seen(self, slot: Slot, key: bytes, *, post_quantum: bool, now: float) -> Trust:
        """identity.4-1: the person lets a first call in. ApiMisuse where the key is changed or revoked."""
        finding = find(self._contacts, slot, key, post_quantum=post_quantum, mode=Mode.ASK, by_link=False)
        after(after(finding.before, finding.happening), Happening.ALLOWED)  # refuses what this call makes changed
        change = {"held": True, "last_at": now}
        trust = self._act(slot, key, Happening.ALLOWED, now, change=change)
        self._remember_suite(slot, post_quantum=post_quantum)
        return trust

    def verified(self, slot: Slot, key: bytes, *, method: Method, call: bytes, post_quantum: bool, now: float) -> Trust:
        """identity.3-11: the person compared in that call, and it was the same.

        VerificationFailed where a comparison of this key failed in this call, and for another contact's key; ApiMisuse
        for a revoked key, and for a method that compares nothing.
        """
        contact, record = self._look(slot, key)
        _check_comparison(method, call)
        if any((each.key, each.call) == (key, call) for each in contact.mismatches):
            what = "a comparison failed in this call, and none is made after it"
            raise VerificationFailed(what, who=contact.name, clause="identity.3-12")
        self._refuse_others(contact, key)
        settled = record is not None and record.why is Why.NOT_POST_QUANTUM_ANY_MORE
        trust = self._act(slot, key, Happening.COMPARED, now, method=method, call=call, change=_verified(method, now))
        self._remember_suite(slot, post_quantum=post_quantum, settled=settled)
        return trust

    def stated(self, slot: Slot, key: bytes, *, method: Method, now: float) -> Trust:
        """identity.3-7: the person says that they compared outside a call, or (LINK) that the link went privately.

        ApiMisuse for a key that was never met, is changed or revoked, for LINK where the key came by no link, and for
        a method that compares what only a call has.
        """
        if method in COMPARISONS:
            raise ApiMisuse(f"{method} is compared in a call", clause="identity.3-7")
        _, record = self._look(slot, key)
        if method is Method.LINK and (record is None or not record.by_link):
            raise ApiMisuse("this key did not come in by a link", clause="identity.3-7")
        return self._act(slot, key, Happening.STATED, now, method=method, change=_verified(method, now))

    def mismatch(self, slot: Slot, key: bytes, *, method: Method, call: bytes, now: float) -> Trust:
        """identity.3-12: the person compared in that call, and it was not the same. Counted once a call and key."""
        contact, _ = self._look(slot, key)
        _check_comparison(method, call)
        change = {"why": Why.MISMATCH, "last_at": now}
        trust = self._act(slot, key, Happening.MISMATCHED, now, method=method, call=call, change=change)
        if all((each.key, each.call) != (key, call) for each in contact.mismatches):
            contact = contact_of(self._contacts, slot)
            self._put(replace(contact, mismatches=(*contact.mismatches, Mismatch(key, call, now))))
        return trust

    def accept_key(self, slot: Slot, key: bytes, *, now: float) -> Trust:
        """identity.3-9: the person takes a changed key as it is: seen, not verified. The other keys stay as they are.

        ApiMisuse for a key that is not changed; VerificationFailed for another contact's.
        """
        contact, record = self._look(slot, key)
        self._refuse_others(contact, key)
        settled = record is not None and record.why is Why.NOT_POST_QUANTUM_ANY_MORE
        change = {"held": True, "why": None, "by_link": False, "method": None, "verified_at": None}
        trust = self._act(slot, key, Happening.ACCEPTED, now, change=change)
        self._remember_suite(slot, post_quantum=False, settled=settled)
        return trust

    def revoke(self, slot: Slot, key: bytes, *, now: float) -> Trust:
        """identity.3-4: never again, in any slot. VerificationFailed for a key that another contact holds."""
        contact, _ = self._look(slot, key)
        self._refuse_others(contact, key)
        return self._act(slot, key, Happening.REVOKED, now, change={"why": Why.REVOKED})

    def _act(
        self,
        slot: Slot,
        key: bytes,
        happening: Happening,
        now: float,
        *,
        change: Mapping[str, Any],
        method: Method | None = None,
        call: bytes | None = None,
    ) -> Trust:
        contact, record = self._look(slot, key)
        before = record.trust if record else Trust.UNKNOWN
        trust = after(before, happening)
        record = record or KeyRecord(key, trust, held=False, first_at=now, last_at=now)
        if before is not Trust.REVOKED:
            record = replace(record, trust=trust, **change)
            contact = self._put_record(contact, record)
        self._note(happening, contact, record, before, now, method=method, call=call)
        return trust

    def _note(
        self,
        happening: Happening,
        contact: Contact,
        record: KeyRecord,
        before: Trust,
        now: float,
        *,
        method: Method | None = None,
        call: bytes | None = None,
    ) -> None:
        change = Change(
            happening, contact.id, contact.name, record.key, before, record.trust, now, record.why, method, call
        )
        self.changes.append(change)

    def _look(self, slot: Slot, key: bytes) -> tuple[Contact, KeyRecord | None]:
        if len(key) != KEY_LENGTH:
            raise ApiMisuse(f"an identity key has {KEY_LENGTH} bytes", clause="identity.3-1")
        contact = contact_of(self._contacts, slot)
        return contact, contact.record(key)

    def _refuse_others(self, contact: Contact, key: bytes) -> None:
        """identity.3-3: one key is one device of one person, whatever anybody says."""
        for other in (holder(self._contacts, key), revoker(self._contacts, key)):
            if other is not None and other.id != contact.id:
                what = f"this key is the contact {other.name}'s"
                raise VerificationFailed(what, who=contact.name, clause="identity.3-3", hint="it cannot be both")

    def _remember_suite(self, slot: Slot, *, post_quantum: bool, settled: bool = False) -> None:
        """identity.3-5: once post-quantum is for good, unless the person has `settled` that it is not any more."""
        contact = contact_of(self._contacts, slot)
        self._put(replace(contact, post_quantum=post_quantum or (contact.post_quantum and not settled)))

    def _put(self, contact: Contact) -> Contact:
        self._contacts[contact.id] = contact
        self.dirty.add(contact.id)
        return contact

    def _put_record(self, contact: Contact, record: KeyRecord) -> Contact:
        keys = {each.key: each for each in contact.keys} | {record.key: record}
        refused = [each for each in keys.values() if each.why in (Why.OTHER_KEY, Why.OTHER_CONTACT)]
        for each in sorted(refused, key=lambda each: each.last_at)[:-CHANGED_KEYS_KEPT]:
            del keys[each.key]
        return self._put(replace(contact, keys=tuple(keys.values())))

    def _put_link(self, link: Link) -> None:
        self._links[link.room] = link
        self.dirty_links.add(link.room)

    def link(self, room: bytes) -> Link | None:
        """What is kept of the link with that room."""
        return self._links.get(room)

    def _check_name(self, name: str) -> None:
        if not name.strip() or not has_utf8(name) or len(name.encode()) > NAME_LIMIT or not name.isprintable():
            raise ApiMisuse(f"a name has 1 to {NAME_LIMIT} bytes, all of them printable")
        if any(each.name == name for each in self._contacts.values()):
            raise ApiMisuse(f"another contact has the name {name}")

    def nameless(self, key: bytes) -> str:
        """identity.3-6: a name that claims nothing, and that no other contact has."""
        names = {each.name for each in self._contacts.values()}
        return next(name for n in range(4, KEY_LENGTH + 1) if (name := f"unnamed {key.hex()[: 2 * n]}") not in names)


def _verified(method: Method, now: float) -> Mapping[str, Any]:
    return {"held": True, "why": None, "method": method, "verified_at": now, "last_at": now}


def _check_comparison(method: Method, call: bytes) -> None:
    if method not in COMPARISONS:
        raise ApiMisuse(f"{method} compares nothing in a call", clause="identity.3-11")
    if len(call) != _CALL_LENGTH:
        raise ApiMisuse(f"the id of a call has {_CALL_LENGTH} bytes", clause="identity.3-12")


def _check_room(room: bytes) -> bytes:
    if len(room) != _ROOM_LENGTH:
        raise ApiMisuse(f"a room has {_ROOM_LENGTH} bytes", clause="identity.3-8")
    return room
