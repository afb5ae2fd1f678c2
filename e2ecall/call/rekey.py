"""epoch.2: which epoch is used for what, and when that changes. One table; no IO, no clock.

A rekey has a starter, who sends rk1, and an answerer, who sends rk2. The starter may give up; the answerer never does
by itself, because the starter may have switched already. So a side can be waiting for rk2 and hold an answer at once:

    STEADY      nothing is under way
    STARTED     rk1 is out
    ANSWERED    rk2 is out: the new epoch can be opened, nothing is sent in it yet
    BOTH        rk2 is out, and a later rk1 of our own as well

Rules, in the order in which they bind:
  1. The starter sends in the new epoch once it has rk2; by then the answerer can open it.
  2. The answerer sends in it once something in it has authenticated; until then a new rk1 replaces what it holds.
  3. Of two rk1 at once the caller's counts: the callee drops its own and answers, the caller ignores the other.
  4. The old epoch's chain and send keys go at the switch; its receive keys 2 s after the other side's first sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from e2ecall.call.messages import Rk1, Rk2
from e2ecall.crypto.kdf import constant_time_equal
from e2ecall.crypto.mlkem import Kem
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, PeerMisbehaved
from e2ecall.handshake import ControlKeys, Role
from e2ecall.handshake.messages import Suite
from e2ecall.handshake.rekey import (
    RekeyAnswer,
    RekeyContext,
    Rekeyed,
    RekeyStarted,
    Signed,
    answer_rekey,
    read_rk1,
    start_rekey,
)
from e2ecall.secret import SecretBytes

__all__ = ["TRANSITIONS", "Action", "Input", "NewEpoch", "Position", "Rekey", "diagram"]


class Position(StrEnum):
    """What is under way."""

    STEADY = "steady"
    STARTED = "started"
    ANSWERED = "answered"
    BOTH = "both"


class Input(StrEnum):
    """What happens to the machine."""

    START = "start"
    RK1 = "rk1"
    RK1_AGAIN = "rk1 again"
    RK1_LOSES = "rk1 that loses"
    RK2 = "rk2"
    NEW_EPOCH_SEEN = "new epoch seen"
    GIVE_UP = "give up"


class Action(StrEnum):
    """What the machine does on the way."""

    SEND_RK1 = "send rk1"
    SEND_RK2 = "send rk2"
    DROP_START = "drop own rk1"
    DROP_ANSWER = "drop own rk2"
    ANSWER = "answer"
    SWITCH = "switch"


_P, _I, _A = Position, Input, Action

TRANSITIONS: Final[Mapping[tuple[Position, Input], tuple[Position, tuple[Action, ...]]]] = {
    (_P.STEADY, _I.START): (_P.STARTED, (_A.SEND_RK1,)),
    (_P.STEADY, _I.RK1): (_P.ANSWERED, (_A.ANSWER, _A.SEND_RK2)),
    (_P.STARTED, _I.RK1): (_P.ANSWERED, (_A.ANSWER, _A.DROP_START, _A.SEND_RK2)),
    (_P.STARTED, _I.RK1_LOSES): (_P.STARTED, ()),
    (_P.STARTED, _I.RK2): (_P.STEADY, (_A.SWITCH,)),
    (_P.STARTED, _I.GIVE_UP): (_P.STEADY, (_A.DROP_START,)),
    (_P.ANSWERED, _I.START): (_P.BOTH, (_A.SEND_RK1,)),
    (_P.ANSWERED, _I.RK1): (_P.ANSWERED, (_A.ANSWER, _A.SEND_RK2)),
    (_P.ANSWERED, _I.RK1_AGAIN): (_P.ANSWERED, (_A.SEND_RK2,)),
    (_P.ANSWERED, _I.NEW_EPOCH_SEEN): (_P.STEADY, (_A.SWITCH,)),
    (_P.BOTH, _I.RK1): (_P.ANSWERED, (_A.ANSWER, _A.DROP_START, _A.SEND_RK2)),
    (_P.BOTH, _I.RK1_AGAIN): (_P.BOTH, (_A.SEND_RK2,)),
    (_P.BOTH, _I.RK1_LOSES): (_P.BOTH, ()),
    (_P.BOTH, _I.RK2): (_P.STEADY, (_A.DROP_ANSWER, _A.SWITCH)),
    (_P.BOTH, _I.NEW_EPOCH_SEEN): (_P.STEADY, (_A.DROP_START, _A.SWITCH)),
    (_P.BOTH, _I.GIVE_UP): (_P.ANSWERED, (_A.DROP_START,)),
}


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> steady"]
    for (position, happened), (after, actions) in TRANSITIONS.items():
        does = f" / {', '.join(actions)}" if actions else ""
        lines.append(f"    {position} --> {after}: {happened}{does}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, repr=False)
class NewEpoch:
    """An epoch that can be opened; whoever installs it takes the keys out of it."""

    number: int
    base_key: SecretBytes
    control: ControlKeys

    def __repr__(self) -> str:
        return f"<NewEpoch {self.number}>"


class Rekey:
    """The machine of one side. After each call, `outgoing` has what to send, `installed` and `switched` what changed.

    It owns the chain of the present epoch, and of the next one while that is not decided.
    """

    def __init__(
        self,
        identity: Signer,
        peer_identity: bytes,
        rng: Rng,
        role: Role,
        suite: Suite,
        th2: bytes,
        chain: SecretBytes,
        *,
        kem: Kem | None = None,
    ) -> None:
        self._identity = identity
        self._peer_identity = peer_identity
        self._rng = rng
        self._role = role
        self._suite = suite
        self._kem = kem
        self._chain = chain
        self.th2 = th2
        self.epoch = 0
        self.position = Position.STEADY
        self.attempts = 0
        self._seen_attempt = 0
        self._started: RekeyStarted | None = None
        self._answered: tuple[Signed, RekeyAnswer] | None = None
        self._rekeyed: Rekeyed | None = None
        self.outgoing: list[Rk1 | Rk2] = []
        self.installed: list[NewEpoch] = []
        self.switched = False
        self.ignored = 0  # halves that came too late, or lost to one of ours

    @property
    def pending_th2(self) -> bytes | None:
        """th2 of the epoch that was answered and is not in use yet."""
        return None if self._answered is None else self._answered[1].rekeyed.th2

    @property
    def waits_for_rk2(self) -> bool:
        """Whether an rk1 of ours is out."""
        return self._started is not None

    @property
    def holds_answer(self) -> bool:
        """Whether an rk2 of ours is out, and the epoch of it not seen yet."""
        return self._answered is not None

    # -- what happens ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """epoch.2-1: send a fresh rk1. ApiMisuse while one is out."""
        self._step(Input.START)

    def repeat(self) -> None:
        """epoch.2-5: the same rk1 again, if one is out."""
        if self._started is not None:
            self.outgoing.append(Rk1(self._started.rk1))

    def give_up(self) -> None:
        """epoch.2-5: no rk2 came in time; stay in the old epoch. Harmless when no rk1 is out."""
        if self._started is not None:
            self._step(Input.GIVE_UP)

    def new_epoch_seen(self) -> None:
        """epoch.2-4: something in the answered epoch has authenticated. Harmless when none was answered."""
        if self._answered is not None:
            self._rekeyed = self._answered[1].rekeyed
            self._step(Input.NEW_EPOCH_SEEN)

    def receive_rk1(self, rk1: Signed) -> None:
        """epoch.1-4, epoch.1-5: answer, repeat the answer, or ignore.

        MalformedMessage, PeerMisbehaved (an epoch too far ahead, bad keys), VerificationFailed (signature).
        """
        half = read_rk1(rk1.data, self._suite)
        if half.epoch <= self.epoch:
            self.ignored += 1
            return
        if half.epoch > self.epoch + 1:
            raise PeerMisbehaved("rk1 skips an epoch", epoch=half.epoch, clause="epoch.1-4")
        if self._answered is not None and constant_time_equal(self._answered[0].data, rk1.data):
            self._step(Input.RK1_AGAIN)
            return
        if half.attempt <= self._seen_attempt:
            self.ignored += 1
            return
        if self._started is not None and self._role is Role.CALLER:
            self.ignored += 1
            self._step(Input.RK1_LOSES)
            return
        answer = answer_rekey(self._identity, self._rng, self._context(), rk1, kem=self._kem)
        self._seen_attempt = half.attempt
        self._forget_answer()
        self._answered = rk1, answer
        self._step(Input.RK1)

    def receive_rk2(self, rk2: Signed) -> None:
        """epoch.1-6: switch, or ignore the answer to an rk1 that was given up. Raises as `RekeyStarted.receive_rk2`."""
        rekeyed = None if self._started is None else self._started.receive_rk2(rk2)
        if rekeyed is None:
            self.ignored += 1
            return
        self._rekeyed = rekeyed
        self._started = None
        self._step(Input.RK2)

    def wipe(self) -> None:
        """Zero every chain and key that is still here."""
        self._chain.wipe()
        self._forget_answer()
        self._started = None

    # -- what the actions do --------------------------------------------------------------------------------------

    def _step(self, happened: Input) -> None:
        known = TRANSITIONS.get((self.position, happened))
        if known is None:
            raise ApiMisuse(f"{happened} does not fit a rekey that is {self.position}", clause="epoch.2-1")
        self.position, actions = known
        for action in actions:
            _DO[action](self)

    def _send_rk1(self) -> None:
        self.attempts += 1
        self._started = start_rekey(self._identity, self._rng, self._context(), self.attempts)
        self.outgoing.append(Rk1(self._started.rk1))

    def _send_rk2(self) -> None:
        assert self._answered is not None
        self.outgoing.append(Rk2(self._answered[1].rk2))

    def _drop_start(self) -> None:
        self._started = None

    def _answer(self) -> None:
        assert self._answered is not None
        self._install(self._answered[1].rekeyed)

    def _forget_answer(self) -> None:
        if self._answered is not None:
            self._answered[1].rekeyed.keys.wipe()
            self._answered = None

    def _switch(self) -> None:
        """epoch.2-2, epoch.2-4: the new epoch is the present one; of the old one, only receive keys are left."""
        assert self._rekeyed is not None
        rekeyed, self._rekeyed = self._rekeyed, None
        if self._answered is None:  # the starter: nobody has these keys yet
            self._install(rekeyed)
        self._chain.wipe()
        self._chain, self.th2, self.epoch = rekeyed.keys.chain, rekeyed.th2, rekeyed.epoch
        self._answered = None
        self.switched = True

    def _install(self, rekeyed: Rekeyed) -> None:
        self.installed.append(NewEpoch(rekeyed.epoch, rekeyed.keys.base_key, rekeyed.keys.control))

    def _context(self) -> RekeyContext:
        return RekeyContext(self._role, self._suite, self.epoch + 1, self.th2, self._chain, self._peer_identity)

    def __repr__(self) -> str:
        return f"<Rekey of the {self._role}, epoch {self.epoch}, {self.position}>"


_DO: Final = {
    Action.SEND_RK1: Rekey._send_rk1,
    Action.SEND_RK2: Rekey._send_rk2,
    Action.DROP_START: Rekey._drop_start,
    Action.DROP_ANSWER: Rekey._forget_answer,
    Action.ANSWER: Rekey._answer,
    Action.SWITCH: Rekey._switch,
}
