"""What a person of the demonstration does about trust: keep an identity, remember who was met, compare by voice.

The voice between the two is the conductor: what one reads aloud, the other hears, whatever the relay does to the
media. That is the assumption of every such comparison: whoever stands in between cannot imitate both voices live.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from e2ecall.call.comparison import Comparison, Step
from e2ecall.call.events import PeerSaid
from e2ecall.call.messages import Receipt
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.shown import Shown, Stop
from e2ecall.crypto.rng import SystemRng
from e2ecall.demo.child import Child
from e2ecall.errors import OutputFailed, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.identity.continuity import Method
from e2ecall.identity.device import Device, fresh_seeds
from e2ecall.identity.keyfile import AtRest, encode_key_file
from e2ecall.identity.slots import Slot
from e2ecall.sas import describe
from e2ecall.store.home import Home
from e2ecall.store.keyfile import KeyStore
from e2ecall.store.trust import Meeting, TrustBook

__all__ = ["Ceremony"]

HELLO_SECONDS: Final = 1.0
"""How long the two talk before they think of the emoji; less in a short call."""
READ_SECONDS: Final = 0.4
LISTEN_SECONDS: Final = 15.0
"""How long one waits for the other's voice. Then nothing was compared, and nothing is claimed."""


class Ceremony:
    """One person's memory, and the one comparison of this call."""

    def __init__(self, child: Child, name: str, peer: str) -> None:
        """Open the person's folder, made where there is none; errors as of the stores."""
        home = Home(Path(child.settings.people) / child.who)
        home.prepare()
        self._child = child
        self._peer = peer
        self.device = _device(KeyStore(home.identity), name)
        self._book = TrustBook(home, self.device.signer)
        self._meeting: Meeting | None = None

    @property
    def stopped(self) -> Stop | None:
        """Why no media may flow to the one who was met."""
        return self._met.verification.stopped

    def meet(self, established: CallEstablished, tries: tuple[int, int]) -> None:
        """Who is there, and is it let in? `tries` as of `TrustBook.meet`."""
        slot = self._slot() if established.role is Role.CALLER else None
        self._meeting = self._book.meet(established, slot=slot, tries=tries)
        verification, judgement = self._met.verification, self._met.judgement
        asks = verification.stopped is Stop.NOT_LET_IN
        if asks:
            self._met.let_in(self._free_name())
        self._tell("met", let_in=asks, known=judgement.name, why=judgement.why, mismatches=judgement.mismatches)

    async def compare(self) -> bool:
        """Compare, unless it was done in an earlier call. False: it was different, and the call has to end."""
        verification = self._met.verification
        await asyncio.sleep(min(HELLO_SECONDS, self._child.settings.duration / 4))
        if verification.shown is Shown.VERIFIED_BEFORE:
            if self._child.commands.empty():
                return True
            self._child.commands.get_nowait()  # the other side does not know this one (any more), and asks
        comparison = verification.compare(Method.EMOJI)
        try:
            while comparison.step is not Step.DONE:
                if comparison.step is Step.OWN:
                    await self._read(comparison)
                elif not await self._listen(comparison):
                    return True
        except VerificationFailed:
            self._child.tell("reads", row=None)  # "that is none of mine"
            return False
        finally:
            self._met.keep(self._free_name())
            self._tell("compared", odds=[text.say("en") for text in verification.odds()])
        return True

    def receipt(self) -> Receipt | None:
        """What the other side is told of the comparison; None where there was none."""
        return self._met.receipt_to_send() if self._met.verification.outcome() is not None else None

    def take(self, event: PeerSaid) -> None:
        """The other side's receipt: kept and shown, and nothing else."""
        if isinstance(event.message, Receipt) and self._meeting is not None:
            self._meeting.receipt(event.message)
            self._child.tell("receipt", matched=event.message.matched)

    def tell_kept(self) -> None:
        """At the end: what is in the folder now, with the ledger checked as a stranger would."""
        checked = self._book.ledger.check(self.device.identity)
        self._child.tell("kept", entries=len(checked.entries), contacts=len(self._book.contacts.read().all))

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _met(self) -> Meeting:
        assert self._meeting is not None
        return self._meeting

    def _slot(self) -> Slot:
        """The entry in the contacts that is called; a new one, without any key, at the first call."""
        with self._book.contacts.transaction() as contacts:
            known = next((each for each in contacts.all.values() if each.name == self._peer), None)
            return Slot((known or contacts.add(self._peer, now=time.time(), rng=SystemRng())).id)

    def _free_name(self) -> str | None:
        """What to call somebody new: the name of the one expected, unless that is taken by another."""
        taken = {each.name for each in self._book.contacts.read().all.values()}
        return None if self._peer in taken else self._peer

    async def _read(self, comparison: Comparison) -> None:
        row = comparison.own_row()
        await asyncio.sleep(READ_SECONDS)
        self._child.tell("reads", row=describe(row), names=[each.name("en") for each in row])
        comparison.own_read()

    async def _listen(self, comparison: Comparison) -> bool:
        """Pick what was heard among the eight rows, or none of these. False: nothing was heard."""
        rows = [describe(row) for row in comparison.rows()]
        try:
            heard = await asyncio.wait_for(self._child.commands.get(), LISTEN_SECONDS)
        except TimeoutError:
            return False
        picked = rows.index(heard["row"]) if heard["row"] in rows else None
        await asyncio.sleep(READ_SECONDS)
        self._child.tell("picks", rows=rows, heard=heard["row"], picked=picked)
        if picked is None:
            comparison.none_of_these()
        else:
            comparison.pick(picked)
        return True

    def _tell(self, event: str, **fields: object) -> None:
        """`event`, with what the screen says of the other side now."""
        verification = self._met.verification
        sign = verification.sign
        self._child.tell(
            event,
            shown=verification.shown,
            symbol=sign.symbol,
            ascii=sign.ascii,
            word=sign.word.say("en"),
            sentence=sign.sentence.say("en"),
            stopped=verification.stopped,
            **fields,
        )


def _device(store: KeyStore, name: str) -> Device:
    """The device of the key file, which is made at the first call; not encrypted at rest, as the file says itself."""
    rng = SystemRng()
    if not store.exists():
        with fresh_seeds(rng) as seeds:
            store.create(encode_key_file(seeds, rng, name=name, created_at=time.time(), passphrase=None))
    elif store.read().at_rest is not AtRest.NONE:
        raise OutputFailed(
            f"{store.path} is encrypted, and nobody here has its passphrase", hint="choose another --people"
        )
    return store.unlock(None)
