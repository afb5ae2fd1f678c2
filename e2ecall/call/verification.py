"""verification.2: one established call, from "who is this?" to an answer, driven by a person. Pure; stores nothing.

    judgement (identity.3)  ->  shown   what the screen says, one of eight
    compare(method)         ->  Comparison, whose one result makes it verified-now or mismatch
    accept_changed_key, let_in, link_was_private          the other acts of the person
    receipt_received                                      what the other side claims: kept, and nothing else

Rules, in the order in which they bind:
  1. A mismatch is final: media stop, and nothing under this handshake can be tried again.
  2. Revoked is final too; no comparison begins.
  3. A match makes the key verified, also a changed one: it is the person's own act.
  4. Changed holds media until the person accepts the key, which is then known and not verified.
  5. Only the person changes anything. What the other side says of itself, or of its own comparison, never does.

Media may flow while `media_allowed`; whoever moves frames asks it. `outcomes` are for the contacts and the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2ecall.call.comparison import Comparison
from e2ecall.call.messages import Receipt
from e2ecall.call.shown import CHANGES, SIGNS, STOPS, Shown, Sign, Stop
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Established, Role
from e2ecall.identity.continuity import Judgement, Method, Trust, Why
from e2ecall.sas import CAVEAT, Code, PickState, Text, attempt, attempts, blind_pick

__all__ = ["Outcome", "Verification"]

_CODES: Final = {Method.EMOJI: Code.EMOJI, Method.DIGITS: Code.DIGITS, Method.WORDS: Code.WORDS}
_WHOLE_HASH: Final = Text(
    "A scanned code compares the whole hash: no number of attempts brings someone in the middle through.",
    "Un code scanné compare toute l'empreinte : aucun nombre de tentatives ne fait passer une personne au milieu.",
)
_FIRST: Final = frozenset({Why.FIRST_CALL, Why.UNKNOWN_CALLER})
_RECEIPT: Final = {
    True: Text(
        "The other side says that it compared and found the same. This checks nothing here.",
        "L'autre côté dit avoir comparé et trouvé pareil. Ici, cela ne vérifie rien.",
    ),
    False: Text(
        "The other side says that it compared and found a DIFFERENCE. Compare too, or hang up.",
        "L'autre côté dit avoir comparé et trouvé une DIFFÉRENCE. Comparez aussi, ou raccrochez.",
    ),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """verification.4: one result, for the contacts and the ledger.

    `shown` is what the person answered from (eight rows, or the own code), `answer` what was picked, typed or
    scanned. `peer_identity` is an Ed25519 key of 32 bytes, `th2` the 32 bytes of this call's transcript hash.
    """

    method: Method
    shown: tuple[str, ...]
    answer: str
    matched: bool
    peer_identity: bytes
    th2: bytes


class Verification:
    """verification.2: the verification of one call, on one side."""

    def __init__(
        self,
        established: Established,
        role: Role,
        judgement: Judgement,
        rng: Rng,
        *,
        openings: int = 1,
        answers: int = 1,
    ) -> None:
        """`openings` and `answers` as used in this act (kex.9), for the odds; at least 1 each, or ApiMisuse."""
        attempts(openings, answers)  # refuses what no call can have used
        self._tries = (openings, answers)
        self._peer_identity = established.peer_identity
        self._th2 = established.th2
        self._judgement = judgement
        self._accepted = False
        self._let_in = False
        self._private_link = False
        self._receipt: Receipt | None = None
        self._comparison = Comparison(established.sas, role, rng, check=self._check_may_compare)

    # -- what the screen asks -------------------------------------------------------------------------------------

    @property
    def shown(self) -> Shown:
        """verification.1: what is shown of the other side."""
        compared, trust = self._comparison.state, self._judgement.trust
        if compared is PickState.MISMATCH:
            return Shown.MISMATCH
        if trust is Trust.REVOKED:
            return Shown.REVOKED
        if compared is PickState.MATCH:
            return Shown.VERIFIED_NOW
        if trust is Trust.CHANGED:
            return Shown.SEEN if self._accepted else Shown.CHANGED
        if self._private_link:
            return Shown.VERIFIED_NOW
        if trust is Trust.VERIFIED:
            return Shown.VERIFIED_BEFORE
        if trust is Trust.UNKNOWN or self._judgement.why in _FIRST:
            return Shown.UNVERIFIED
        return Shown.SEEN_BY_LINK if self._judgement.by_link else Shown.SEEN

    @property
    def sign(self) -> Sign:
        """verification.1: the sign, word and sentence of `shown`."""
        sign = SIGNS[self.shown]
        if self.shown is Shown.CHANGED and (sentence := CHANGES.get(self._judgement.why)) is not None:
            return Sign(sign.symbol, sign.ascii, sign.word, sentence)
        return sign

    @property
    def stopped(self) -> Stop | None:
        """verification.2: why no media may flow; None where they may."""
        shown = self.shown
        if shown in (Shown.MISMATCH, Shown.REVOKED, Shown.CHANGED):
            return Stop(shown.value)
        if not self._judgement.blocks or shown is Shown.VERIFIED_NOW or self._accepted or self._let_in:
            return None
        return Stop.NOT_LET_IN if self._judgement.asks else Stop.NOT_VERIFIED

    @property
    def media_allowed(self) -> bool:
        """verification.2: whether frames may be sealed, sent, opened and played now."""
        return self.stopped is None

    @property
    def why_stopped(self) -> Text | None:
        """verification.2: `stopped` in plain words."""
        return None if self.stopped is None else STOPS[self.stopped]

    @property
    def comparison(self) -> Comparison:
        """verification.3: the one comparison of this call."""
        return self._comparison

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """verification.4: what the person said of the link, then what the comparison gave; each at most once."""
        found = []
        if self._private_link:
            found.append(self._outcome(Method.LINK, (), "the link was private", matched=True))
        return (*found, *filter(None, [self._compared()]))

    def outcome(self) -> Outcome | None:
        """verification.4: the latest outcome, or None while there is none."""
        return self.outcomes[-1] if self.outcomes else None

    @property
    def receipt(self) -> Receipt | None:
        """verification.5: the last receipt of the other side, to be shown."""
        return self._receipt

    @property
    def receipt_text(self) -> Text | None:
        """verification.5: the last receipt in plain words, as the claim that it is."""
        return None if self._receipt is None else _RECEIPT[self._receipt.matched]

    def odds(self, method: Method = Method.EMOJI) -> tuple[Text, ...]:
        """sas.6: what comparing by `method` is worth in this call, in plain sentences; ApiMisuse for no comparison."""
        if method is Method.QR:
            return (_WHOLE_HASH,)
        if method not in _CODES:
            raise ApiMisuse(f"{method} compares nothing", clause="verification.3-1")
        code = _CODES[method]
        worth = attempt(code) if self._tries == (1, 1) else attempts(*self._tries, code)
        blind = (blind_pick().sentence,) if method is Method.EMOJI else ()
        return (worth.sentence, *blind, CAVEAT)

    # -- what the person does -------------------------------------------------------------------------------------

    def compare(self, method: Method) -> Comparison:
        """verification.3: begin to compare by `method`; what follows is driven on the `Comparison`.

        ApiMisuse after a result, for a revoked key, and for the eight rows while media are held.
        """
        self._comparison.begin(method)
        return self._comparison

    def accept_changed_key(self) -> None:
        """verification.2: the person saw the warning and takes the new key: known from now on, and not verified.

        ApiMisuse where nothing changed.
        """
        if self.shown is not Shown.CHANGED:
            raise ApiMisuse("no changed key waits for a decision", clause="verification.2-4")
        self._refuse_other_contact()
        self._accepted = True

    def let_in(self) -> None:
        """verification.2: the person lets in a call that asks. ApiMisuse where nothing asks."""
        if self.stopped is not Stop.NOT_LET_IN:
            raise ApiMisuse("no call asks to be let in", clause="verification.2-5")
        self._let_in = True

    def link_was_private(self) -> None:
        """verification.2: the person says that only the two of them had the link. ApiMisuse unless seen by link."""
        if self.shown is not Shown.SEEN_BY_LINK or self.stopped is Stop.NOT_LET_IN:
            raise ApiMisuse("only a key that came by a link can be vouched for so", clause="verification.2-6")
        self._private_link = True

    # -- what the network brings ----------------------------------------------------------------------------------

    def receipt_received(self, receipt: Receipt) -> None:
        """verification.5: the other side says what it found. Kept to be shown; changes nothing else."""
        self._receipt = receipt

    # -- inside ---------------------------------------------------------------------------------------------------

    def _check_may_compare(self, method: Method) -> None:
        if self._judgement.trust is Trust.REVOKED:
            raise ApiMisuse("a revoked key is not compared", clause="verification.2-3")
        self._refuse_other_contact()
        if method is Method.EMOJI and not self.media_allowed:
            raise ApiMisuse("nothing can be heard while media are held: no rows are picked", clause="verification.3-6")

    def _refuse_other_contact(self) -> None:
        """The contacts would refuse to keep it (identity.3-3), so media must not begin on it either."""
        if self._judgement.why is Why.OTHER_CONTACT:
            hint = "call that contact instead, or revoke its key first"
            raise ApiMisuse("this key is another contact's", clause="identity.3-3", hint=hint)

    def _compared(self) -> Outcome | None:
        done = self._comparison
        if done.state is PickState.OPEN or done.method is None:
            return None
        matched = done.state is PickState.MATCH
        return self._outcome(done.method, done.shown(), done.answer, matched=matched)

    def _outcome(self, method: Method, shown: tuple[str, ...], answer: str, *, matched: bool) -> Outcome:
        return Outcome(method, shown, answer, matched, self._peer_identity, self._th2)

    def __repr__(self) -> str:
        return f"<Verification, {self.shown}, {'media allowed' if self.media_allowed else f'stopped: {self.stopped}'}>"
