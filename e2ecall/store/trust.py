"""identity.7: one device's memory in use: who is on the other side of a call, and what the person found, kept at once.

book = TrustBook(home, device.signer)
meeting = book.meet(established, tries=(call.openings, call.answers))     judged, and noted where that says so
meeting.verification       drive it: it says what is shown, and whether media may flow
meeting.let_in()           the person lets a first call in
meeting.keep()             after each other act of the person: contacts and ledger, in one piece
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from e2ecall.call.messages import Receipt, ReceiptMethod
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.shown import Shown, Stop
from e2ecall.call.verification import Outcome, Verification
from e2ecall.crypto.rng import Rng, SystemRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Established
from e2ecall.identity.contacts import Change, Contacts
from e2ecall.identity.continuity import Judgement, Method, Mode, Trust
from e2ecall.identity.ledger_fact import ACT_OF, Act, Fact
from e2ecall.identity.slots import Slot, holder
from e2ecall.store.contacts import ContactStore
from e2ecall.store.database import Database
from e2ecall.store.home import Home
from e2ecall.store.ledger import LedgerStore

__all__ = ["LedgerRecorder", "Meeting", "TrustBook"]


@dataclass(frozen=True, slots=True)
class _InCall:
    """What a change has to do with a call."""

    th2: bytes
    suite: int
    shown: str = ""


_THE_CALL: ContextVar[_InCall | None] = ContextVar("the call that a change belongs to", default=None)


class LedgerRecorder:
    """identity.7-2: writes each change of the contacts into the ledger, in the transaction that makes it."""

    def __init__(self, ledger: LedgerStore, signer: Signer, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._signer = signer
        self._clock = clock

    @contextmanager
    def in_call(self, result: Established, shown: str = "") -> Iterator[None]:
        """What is recorded inside belongs to that call, and to nothing that other threads do meanwhile."""
        token = _THE_CALL.set(_InCall(result.th2, int(result.suite), shown))
        try:
            yield
        finally:
            _THE_CALL.reset(token)

    def record(self, connection: sqlite3.Connection, change: Change) -> None:
        """One entry; errors as of `LedgerStore.insert`."""
        self._ledger.insert(connection, self._fact(change), self._signer, self._clock())

    def settle(self) -> None:
        """Let the signed head count what was committed."""
        self._ledger.settle(self._signer, self._clock())

    def _fact(self, change: Change) -> Fact:
        call = _THE_CALL.get()
        return Fact(
            ACT_OF[change.happening],
            change.key,
            change.trust,
            contact=change.contact,
            name=change.name,
            th2=None if call is None else call.th2,
            suite=None if call is None else call.suite,
            method=change.method,
            shown="" if call is None else call.shown,
        )


class TrustBook:
    """identity.7: the contacts and the ledger of one home folder. Any number of processes may use one folder."""

    def __init__(
        self,
        home: Home,
        signer: Signer,
        *,
        mode: Mode = Mode.ASK,
        rng: Rng | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open, or make, what is in `home`; errors as of `Database` and `LedgerStore`.

        Contacts that are gone while their ledger's head is there are not made anew: StoreCorrupt.
        """
        database = Database(home.contacts, create=not home.has_contacts())
        self.mode = mode
        self.clock = clock
        self.rng = rng or SystemRng()
        self.signer = signer
        self.ledger = LedgerStore(database, home.ledger_head)
        self.recorder = LedgerRecorder(self.ledger, signer, clock)
        self.contacts = ContactStore(database, self.recorder)
        self.ledger.begin(signer, clock())

    def meet(
        self,
        established: CallEstablished,
        *,
        slot: Slot | None = None,
        room: bytes | None = None,
        tries: tuple[int, int],
    ) -> Meeting:
        """identity.3: who this is. `slot` for a call to a contact; `room` (16 bytes) for one under a link secret.

        `tries` are the openings and answers of the call, `OneToOne.openings` and `.answers`. VerificationFailed where
        the link has served its one call, ApiMisuse where it is another contact's than the slot; else as of the stores.
        """
        result = established.result
        with self.recorder.in_call(result), self.contacts.transaction() as contacts:
            now = self.clock()
            slot = slot if room is None else _slot_of_link(contacts.use_link(room, now=now), slot)
            judgement = contacts.met(
                slot,
                result.peer_identity,
                post_quantum=result.suite.post_quantum,
                mode=self.mode,
                now=now,
                rng=self.rng,
                by_link=room is not None,
            )
        return Meeting(self, established, judgement, slot, tries)


class Meeting:
    """One call of the book: its judgement, its verification, and what was kept of it so far."""

    def __init__(
        self,
        book: TrustBook,
        established: CallEstablished,
        judgement: Judgement,
        slot: Slot | None,
        tries: tuple[int, int],
    ) -> None:
        self._book = book
        self._result = established.result
        self._slot = slot if slot is not None or judgement.contact is None else Slot(judgement.contact)
        self._kept: list[Outcome] = []
        self._receipts: set[tuple[ReceiptMethod, bool]] = set()
        self.judgement = judgement
        openings, answers = (max(1, each) for each in tries)
        self.verification = Verification(
            established.result, established.role, judgement, book.rng, openings=openings, answers=answers
        )
        self._was = self.verification.shown

    def keep(self, name: str | None = None) -> None:
        """identity.7-1: write down what the person did since, in contacts and ledger, as one transaction.

        `name` is the local name of a contact that is made now; without it, it is named after its key.
        """
        verification, key = self.verification, self._result.peer_identity
        new = [each for each in verification.outcomes if each not in self._kept]
        accepted = self._was is Shown.CHANGED and verification.shown is not Shown.CHANGED and not new
        if not new and not accepted:
            return
        shown = "; ".join(f"{' / '.join(each.shown)} -> {each.answer}" for each in new)[:1024]
        now = self._book.clock()
        with self._book.recorder.in_call(self._result, shown), self._book.contacts.transaction() as contacts:
            slot = self._slot or self._new_slot(contacts, name, now)
            if accepted:
                contacts.accept_key(slot, key, now=now)
            for outcome in new:
                self._keep(contacts, slot, outcome, now)
        self._slot, self._was = slot, verification.shown
        self._kept += new

    def let_in(self, name: str | None = None) -> None:
        """identity.4-1: the person lets a first call in; it is seen from now on. ApiMisuse where nothing asks."""
        if self.verification.stopped is not Stop.NOT_LET_IN:
            raise ApiMisuse("no call asks to be let in", clause="verification.2-5")
        post_quantum, now = self._result.suite.post_quantum, self._book.clock()
        with self._book.recorder.in_call(self._result), self._book.contacts.transaction() as contacts:
            slot = self._slot or self._new_slot(contacts, name, now)
            contacts.seen(slot, self._result.peer_identity, post_quantum=post_quantum, now=now)
        self._slot = slot
        self.verification.let_in()  # last: what could not be kept is not let in

    def receipt(self, message: Receipt) -> None:
        """control.3-5: what the other side says of its comparison: shown, logged where it is news, and no more."""
        self.verification.receipt_received(message)
        if (message.method, message.matched) in self._receipts:
            return  # else whoever repeats it fills the disk
        contacts, now = self._book.contacts.read(), self._book.clock()
        key = self._result.peer_identity
        known = holder(contacts.all, key)
        record = None if known is None else known.record(key)
        fact = Fact(
            Act.RECEIPT_MATCH if message.matched else Act.RECEIPT_MISMATCH,
            key,
            Trust.UNKNOWN if record is None else record.trust,
            contact=None if known is None else known.id,
            name=None if known is None else known.name,
            th2=self._result.th2,
            suite=int(self._result.suite),
            method=Method[message.method.name],
        )
        self._book.ledger.append(fact, self._book.signer, now)
        self._receipts.add((message.method, message.matched))

    def receipt_to_send(self) -> Receipt:
        """The receipt of this side's latest outcome, for the other side. ApiMisuse while there is none."""
        outcome = self.verification.outcome()
        if outcome is None:
            raise ApiMisuse("nothing was compared yet", clause="control.3-5")
        return Receipt(ReceiptMethod[outcome.method.name], outcome.matched, outcome.th2)

    def _new_slot(self, contacts: Contacts, name: str | None, now: float) -> Slot:
        key = self._result.peer_identity
        return Slot(contacts.add(name or contacts.nameless(key), now=now, rng=self._book.rng).id)

    def _keep(self, contacts: Contacts, slot: Slot, outcome: Outcome, now: float) -> None:
        key, call = outcome.peer_identity, self._result.call_id
        if outcome.method is Method.LINK:
            contacts.stated(slot, key, method=Method.LINK, now=now)
        elif outcome.matched:
            post_quantum = self._result.suite.post_quantum
            contacts.verified(slot, key, method=outcome.method, call=call, post_quantum=post_quantum, now=now)
        else:
            contacts.mismatch(slot, key, method=outcome.method, call=call, now=now)


def _slot_of_link(standing: Slot | None, slot: Slot | None) -> Slot | None:
    """The slot of a call by a link, which a standing link has already."""
    if standing is not None and slot is not None and standing.contact != slot.contact:
        raise ApiMisuse("this link is another contact's", clause="identity.3-8")
    return standing or slot
