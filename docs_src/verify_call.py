"""The ceremony of one call to a contact: who it is, what the two people do once, and what is remembered of it."""

import time
from collections.abc import Callable, Sequence

from e2ecall import CallEstablished, OneToOne, SystemRng, VerificationFailed
from e2ecall.call.comparison import Step
from e2ecall.call.messages import Receipt, ReceiptMethod
from e2ecall.call.verification import Verification
from e2ecall.identity.contacts import Slot
from e2ecall.identity.continuity import Method, Mode
from e2ecall.sas import describe
from e2ecall.store.contacts import ContactStore


class Ceremony:
    """Make it when the call is established and before any media; `verification.media_allowed` says when those may."""

    def __init__(self, call: OneToOne, established: CallEstablished, store: ContactStore, slot: Slot) -> None:
        self.call, self.result, self.store, self.slot = call, established.result, store, slot
        self.key, self.post_quantum = self.result.peer_identity, self.result.suite.post_quantum
        with store.transaction() as contacts:
            judgement = contacts.met(
                slot, self.key, post_quantum=self.post_quantum, mode=Mode.ASK, now=time.time(), rng=SystemRng()
            )
        tries = {"openings": max(1, call.openings), "answers": max(1, call.answers)}  # what this act used, for the odds
        self.verification = Verification(self.result, established.role, judgement, SystemRng(), **tries)

    def let_in(self) -> None:
        """The person wants this first call, though nobody has compared anything yet."""
        self.verification.let_in()
        with self.store.transaction() as contacts:
            contacts.seen(self.slot, self.key, post_quantum=self.post_quantum, now=time.time())

    def compare(self, read_aloud: Callable[[str], None], ask: Callable[[Sequence[str]], int | None]) -> None:
        """`read_aloud` shows one row and waits; `ask` shows eight and gives the number of one, or None for none."""
        comparison = self.verification.compare(Method.EMOJI)
        try:
            while comparison.step is not Step.DONE:
                if comparison.step is Step.OWN:
                    read_aloud(describe(comparison.own_row()))
                    comparison.own_read()
                elif (heard := ask([describe(row) for row in comparison.rows()])) is None:
                    comparison.none_of_these()
                else:
                    comparison.pick(heard)
        except VerificationFailed:
            self.remember()
            self.call.stop("the comparison failed")  # no frame is sealed or opened any more; the other side gets a bye
            raise
        self.remember()

    def remember(self) -> None:
        """What the person found: kept with the contact, and told to the other side, where it changes nothing."""
        outcome = self.verification.outcome()
        assert outcome is not None
        call_id, now = self.result.call_id, time.time()
        with self.store.transaction() as contacts:
            if outcome.matched:
                contacts.verified(
                    self.slot, self.key, method=Method.EMOJI, call=call_id, post_quantum=self.post_quantum, now=now
                )
            else:
                contacts.mismatch(self.slot, self.key, method=Method.EMOJI, call=call_id, now=now)
        self.call.send(Receipt(ReceiptMethod.EMOJI, outcome.matched, outcome.th2))
