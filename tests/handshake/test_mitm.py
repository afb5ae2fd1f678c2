"""A man in the middle of several exchanges at once: drops, swaps, replays, reflects, mutates, answers twice."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from e2ecall.errors import ApiMisuse, E2ECallError
from e2ecall.handshake import AnswerSent, Established, OfferSent, RevealSent, Ringing, make_offer, receive_offer
from support.crafted import CraftingCallee, CraftingCaller, tlv
from support.parties import ALICE, BOB, CALL_ID, SeededRng, link_secret, signer

pytestmark = pytest.mark.clause("kex.2-3", "kex.3-1", "kex.5-1", "kex.6-1", "kex.6-3", "kex.7-5", "kex.8-1")

NAMES = {signer("alice").public: "alice", signer("bob").public: "bob"}


class Side:
    """One honest session: who, its state, and what it sent and took."""

    def __init__(self, who, role, state):
        self.who, self.role, self.state = who, role, state
        self.reveal = None

    @property
    def result(self):
        return self.state if isinstance(self.state, Established) else None


class Mitm(RuleBasedStateMachine):
    messages = Bundle("messages")
    sides = Bundle("sides")

    @initialize(link=st.booleans())
    def open_network(self, link):
        self.secret = link_secret() if link else None
        self.count = 0
        self.all = []
        self.mallory = 0

    def rng(self):
        self.count += 1
        return SeededRng(self.count)

    def side(self, who, role, state):
        side = Side(who, role, state)
        self.all.append(side)
        return side

    @rule(target=sides, who=st.sampled_from(["alice", "bob"]), same_call=st.booleans())
    def call(self, who, same_call):
        rng = self.rng()
        call_id = CALL_ID if same_call else rng.draw("call id", 16)
        return self.side(who, "caller", make_offer(signer(who), call_id, rng, secret=self.secret))

    @rule(target=messages, side=sides)
    def overhear_offer(self, side):
        return getattr(side.state, "offer", b"")

    @rule(target=sides, who=st.sampled_from(["alice", "bob"]), message=messages)
    def ring(self, who, message):
        try:
            state = receive_offer(message, signer(who), self.rng(), secret=self.secret)
        except E2ECallError:
            return self.side(who, "callee", None)
        return self.side(who, "callee", state)

    @rule(target=messages, side=sides)
    def overhear_answer(self, side):
        return getattr(side.state, "answer", b"")

    @rule(target=messages, side=sides, message=messages)
    def deliver(self, side, message):
        """Any message to any session, as often as wanted; what it sends is overheard."""
        state = side.state
        try:
            if isinstance(state, OfferSent):
                side.state = state.receive_answer(message, ALICE)
                with pytest.raises(ApiMisuse):
                    state.receive_answer(message, ALICE)
                side.reveal = side.state.reveal
                return side.reveal
            if isinstance(state, RevealSent):
                side.state = None  # spent, whatever comes of it
                side.state = state.receive_finish(message)
            elif isinstance(state, AnswerSent):
                side.state = None
                side.state = state.receive_reveal(message)
                side.reveal = message
        except E2ECallError:
            pass
        return b""

    @rule(target=messages, side=sides)
    def accept(self, side):
        if not isinstance(side.state, Ringing):
            return b""
        finish, side.state = side.state.accept(BOB)
        return finish

    @rule(target=messages, message=consumes(messages), at=st.integers(0, 5000), bit=st.integers(0, 7))
    def mutate(self, message, at, bit):
        if not message:
            return b""
        changed = bytearray(message)
        changed[at % len(changed)] ^= 1 << bit
        return bytes(changed)

    @rule(target=messages, one=messages, other=messages, at=st.integers(0, 1300))
    def splice(self, one, other, at):
        return one[:at] + other[at:]

    @rule(target=messages, side=sides)
    def answer_as_mallory(self, side):
        """Mallory takes the caller's offer and finishes with an identity of its own."""
        if not isinstance(side.state, OfferSent) or self.secret is not None:
            return b""
        callee = CraftingCallee(side.state.offer)
        try:
            side.state = side.state.receive_answer(callee.answer, ALICE)
        except E2ECallError:
            return b""
        side.reveal = side.state.reveal
        state, side.state = side.state, None
        side.state = state.receive_finish(callee.finish(side.reveal, callee.payload(tlv(1, callee.public))))
        return side.reveal

    @rule(target=sides, who=st.sampled_from(["alice", "bob"]))
    def call_as_mallory(self, who):
        if self.secret is not None:
            return self.side(who, "callee", None)
        caller = CraftingCaller()
        state = receive_offer(caller.offer, signer(who), self.rng())
        ringing = state.receive_reveal(caller.reveal(state.answer, caller.payload(tlv(1, caller.public))))
        _, result = ringing.accept(BOB)
        return self.side(who, "callee", result)

    @invariant()
    def equal_emoji_mean_the_same_two(self):
        results = [(side, side.result) for side in getattr(self, "all", []) if side.result]
        for i, (one, a) in enumerate(results):
            for other, b in results[i + 1 :]:
                if a.sas == b.sas or a.th2 == b.th2 or a.keys.base_key == b.keys.base_key:
                    assert a.sas == b.sas
                    assert a.th2 == b.th2
                    assert a.keys.base_key == b.keys.base_key
                    assert {one.role, other.role} == {"caller", "callee"}
                    assert NAMES[a.peer_identity] == other.who
                    assert NAMES[b.peer_identity] == one.who
                    assert one.who != other.who

    @invariant()
    def who_is_named_took_part(self):
        for side in getattr(self, "all", []):
            result = side.result
            if result is None or result.peer_identity not in NAMES:
                continue
            partners = [
                other
                for other in self.all
                if other is not side and other.who == NAMES[result.peer_identity] and other.reveal == side.reveal
            ]
            assert len(partners) == 1
            if side.role == "caller":
                assert partners[0].result is not None
                assert partners[0].result.th2 == result.th2

    @invariant()
    def nobody_shares_keys_with_two(self):
        keys = [bytes(side.result.keys.base_key.expose()) for side in getattr(self, "all", []) if side.result]
        assert all(keys.count(key) <= 2 for key in keys)


TestMitm = Mitm.TestCase
TestMitm.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_machine_reaches_honest_calls():
    """The rules above can finish an honest call; otherwise the invariants would hold for nothing."""
    machine = Mitm()
    machine.open_network(link=False)
    a = machine.call("alice", same_call=True)
    b = machine.ring("bob", a.state.offer)
    reveal = machine.deliver(a, b.state.answer)
    machine.deliver(b, reveal)
    machine.deliver(a, machine.accept(b))
    assert a.result.sas == b.result.sas
    machine.equal_emoji_mean_the_same_two()
    machine.who_is_named_took_part()
    c = machine.call("alice", same_call=True)
    machine.answer_as_mallory(c)
    d = machine.call_as_mallory("bob")
    assert c.result.peer_identity == d.result.peer_identity
    assert c.result.sas != d.result.sas
    machine.equal_emoji_mean_the_same_two()
