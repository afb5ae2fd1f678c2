"""The ceremony of one call: who it is, what the two people do once, and what is remembered of it."""

from collections.abc import Callable, Sequence

from e2ecall import CallEstablished, OneToOne, VerificationFailed
from e2ecall.call.comparison import Step
from e2ecall.identity.contacts import Slot
from e2ecall.identity.continuity import Method
from e2ecall.sas import describe
from e2ecall.store.trust import TrustBook


class Ceremony:
    """Make it when the call is established and before any media; `verification.media_allowed` says when those may."""

    def __init__(self, call: OneToOne, established: CallEstablished, book: TrustBook, slot: Slot | None) -> None:
        """`slot` is the contact that was called; None for a call that came in."""
        self.call = call
        tries = call.openings, call.answers  # what this act used, for the odds
        self.meeting = book.meet(established, slot=slot, tries=tries)
        self.verification = self.meeting.verification

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
            self.meeting.keep()
            self.call.stop("the comparison failed")  # no frame is sealed or opened any more; the other side gets a bye
            raise
        self.meeting.keep()  # in contacts and ledger: the next call with this key asks nothing
        self.call.send(self.meeting.receipt_to_send())  # told to the other side, where it changes nothing
