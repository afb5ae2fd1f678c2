"""identity.3: a machine that plays network and person in any order, and looks for a state that no person gave."""

import hashlib

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, VerificationFailed
from e2ecall.identity.contacts import Contacts, judge_incoming, judge_outgoing
from e2ecall.identity.continuity import ACTS, Method, Mode, Trust
from e2ecall.identity.statement import accept_introduction, introduce
from e2ecall.secret import SecretBytes

SIGNERS = [Signer(SecretBytes(hashlib.sha256(bytes([each])).digest())) for each in range(5)]
STATEMENTS = {
    (old, new): accept_introduction(SIGNERS[new], SIGNERS[old].public, introduce(SIGNERS[old], SIGNERS[new].public))
    for old in range(5)
    for new in range(5)
    if old != new
}
KEYS = st.integers(0, 4)
SLOTS = st.sampled_from(["Bob", "Carol", "Dave"])
CALLS = st.sampled_from([b"a" * 16, b"b" * 16])
COMPARISONS = st.sampled_from([Method.EMOJI, Method.DIGITS, Method.WORDS, Method.QR])
MODES = st.sampled_from(Mode)
STANDING = {"Bob": b"r" * 16}
HELD = (Trust.SEEN, Trust.VERIFIED)


class Draws:
    count = 0

    def draw(self, name, length):
        Draws.count += 1
        return Draws.count.to_bytes(length)


class Continuity(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.book = Contacts()
        self.now = 0.0
        self.vouched = set()  # (contact, key) that a person compared or spoke for
        self.failed = set()  # (contact, key, call) that a person found different
        self.post_quantum = set()  # contacts once let in with suite 1, and not settled since
        self.revoked = set()
        for name in ("Bob", "Carol", "Dave"):
            self.book.add(name, now=0, rng=Draws())
        self.slots = {name: self.book.slot(self.book.find(name).id) for name in ("Bob", "Carol", "Dave")}
        self.book.keep_link(STANDING["Bob"], self.slots["Bob"].contact)

    def states(self):
        return {(id_, each.key): each.trust for id_, contact in self.book.all.items() for each in contact.keys}

    def over_the_network(self, work):
        """Whatever it does: no key becomes verified, none leaves changed or revoked."""
        before, changes = self.states(), len(self.book.changes)
        self.now += 1
        try:
            result = work()
        except VerificationFailed:
            result = None
            assert self.states() == before
        for place, trust in self.states().items():
            old = before.get(place, Trust.UNKNOWN)
            assert trust is not Trust.VERIFIED or old is Trust.VERIFIED
            assert old not in (Trust.CHANGED, Trust.REVOKED) or trust is old
        assert not {change.happening for change in self.book.changes[changes:]} & ACTS
        return result

    def by_the_person(self, work):
        """The states it changed; an act that is refused changes none."""
        before = self.states()
        self.now += 1
        try:
            work()
        except (ApiMisuse, VerificationFailed):
            assert self.states() == before
            return False
        return True

    # -- the network

    @rule(name=SLOTS, key=KEYS, post_quantum=st.booleans(), mode=MODES, by_link=st.booleans())
    def call_to_a_contact(self, name, key, post_quantum, mode, by_link):
        self.call(self.slots[name], key, post_quantum, mode, by_link)

    @rule(key=KEYS, post_quantum=st.booleans(), mode=MODES, by_link=st.booleans())
    def call_from_somebody(self, key, post_quantum, mode, by_link):
        self.call(None, key, post_quantum, mode, by_link)

    @rule(key=KEYS, post_quantum=st.booleans(), mode=MODES)
    def call_on_the_standing_link(self, key, post_quantum, mode):
        self.call(self.book.slot_of_link(STANDING["Bob"]), key, post_quantum, mode, True)

    def call(self, slot, key, post_quantum, mode, by_link):
        public = SIGNERS[key].public
        before = self.states()
        judged = self.over_the_network(
            lambda: self.book.met(
                slot, public, post_quantum=post_quantum, mode=mode, now=self.now, rng=Draws(), by_link=by_link
            )
        )
        if slot is not None:
            assert judged.contact == slot.contact
        if before.get((judged.contact, public)) is Trust.CHANGED:
            assert judged.trust in (Trust.CHANGED, Trust.REVOKED)
        if not judged.blocks:
            assert judged.trust in HELD
            assert mode is not Mode.STRICT or judged.trust is Trust.VERIFIED
            assert post_quantum or judged.contact not in self.post_quantum
            if mode is Mode.ASK and not by_link:
                assert before[judged.contact, public] in HELD
        if judged.trust in HELD and post_quantum:
            self.post_quantum.add(judged.contact)

    @rule(name=SLOTS, keys=st.tuples(KEYS, KEYS).filter(lambda keys: keys[0] != keys[1]))
    def statement(self, name, keys):
        slot, before = self.slots[name], self.states()
        trust = self.over_the_network(lambda: self.book.join_by_statement(slot, STATEMENTS[keys], now=self.now))
        if trust is not None:
            assert before[slot.contact, SIGNERS[keys[0]].public] in HELD

    @rule(name=SLOTS, key=KEYS)
    def receipt(self, name, key):
        before = dict(self.book.all)
        self.over_the_network(lambda: self.book.receipt(self.slots[name], SIGNERS[key].public))
        assert dict(self.book.all) == before

    # -- the person

    @rule(name=SLOTS, key=KEYS, post_quantum=st.booleans())
    def let_in(self, name, key, post_quantum):
        slot, public = self.slots[name], SIGNERS[key].public
        judged = judge_outgoing(self.book.all, slot, public, post_quantum=post_quantum, mode=Mode.ASK)
        done = self.by_the_person(lambda: self.book.seen(slot, public, post_quantum=post_quantum, now=self.now))
        assert done is (judged.trust not in (Trust.CHANGED, Trust.REVOKED))
        if done and post_quantum:
            self.post_quantum.add(slot.contact)

    @rule(name=SLOTS, key=KEYS, call=CALLS, method=COMPARISONS, post_quantum=st.booleans())
    def compare(self, name, key, call, method, post_quantum):
        slot, public = self.slots[name], SIGNERS[key].public
        if self.by_the_person(
            lambda: self.book.verified(slot, public, method=method, call=call, post_quantum=post_quantum, now=self.now)
        ):
            assert (slot.contact, public, call) not in self.failed
            self.vouched.add((slot.contact, public))
            self.settle_suite(slot)

    @rule(name=SLOTS, key=KEYS, method=st.sampled_from(Method))
    def state(self, name, key, method):
        slot, public = self.slots[name], SIGNERS[key].public
        if self.by_the_person(lambda: self.book.stated(slot, public, method=method, now=self.now)):
            self.vouched.add((slot.contact, public))

    @rule(name=SLOTS, key=KEYS, call=CALLS, method=COMPARISONS)
    def compare_and_find_it_different(self, name, key, call, method):
        slot, public = self.slots[name], SIGNERS[key].public
        assert self.by_the_person(lambda: self.book.mismatch(slot, public, method=method, call=call, now=self.now))
        self.failed.add((slot.contact, public, call))

    @rule(name=SLOTS, key=KEYS)
    def accept(self, name, key):
        slot, public = self.slots[name], SIGNERS[key].public
        if self.by_the_person(lambda: self.book.accept_key(slot, public, now=self.now)):
            self.vouched.discard((slot.contact, public))
            self.settle_suite(slot)

    @rule(name=SLOTS, key=KEYS)
    def revoke(self, name, key):
        slot, public = self.slots[name], SIGNERS[key].public
        if self.by_the_person(lambda: self.book.revoke(slot, public, now=self.now)):
            self.revoked.add(public)

    def settle_suite(self, slot):
        self.post_quantum.discard(slot.contact)
        if self.book.all[slot.contact].post_quantum:
            self.post_quantum.add(slot.contact)

    # -- what always holds

    @invariant()
    def verified_only_by_a_person(self):
        assert {place for place, trust in self.states().items() if trust is Trust.VERIFIED} <= self.vouched

    @invariant()
    def revoked_for_good(self):
        for public in self.revoked:
            for slot in (*self.slots.values(), None):
                for mode in Mode:
                    judged = judge_incoming(
                        self.book.all, public, post_quantum=True, mode=mode, by_link=True, slot=slot
                    )
                    assert (judged.trust, judged.blocks) == (Trust.REVOKED, True)

    @invariant()
    def no_other_key_and_no_changed_key_passes(self):
        states = self.states()
        for slot in self.slots.values():
            own = {each.key for each in self.book.all[slot.contact].keys if each.trust in HELD}
            others = {key for (id_, key), trust in states.items() if id_ != slot.contact and trust in HELD}
            assert not own & others
            for public in (each.public for each in SIGNERS):
                for mode in Mode:
                    judged = judge_outgoing(
                        self.book.all, slot, public, post_quantum=True, mode=mode, by_link=mode is Mode.ASK
                    )
                    if public in others or (own and public not in own):
                        assert judged.trust in (Trust.CHANGED, Trust.REVOKED)
                    if judged.trust in (Trust.CHANGED, Trust.REVOKED):
                        assert judged.blocks
                        assert not judged.asks

    @invariant()
    def mismatches_are_counted(self):
        for name, slot in self.slots.items():
            counted = len(self.book.all[slot.contact].mismatches)
            assert counted == len({each for each in self.failed if each[0] == slot.contact}), name


@pytest.mark.clause(
    "identity.3-2", "identity.3-3", "identity.3-4", "identity.3-5", "identity.3-12", "identity.4-3", "identity.4-4"
)
def test_no_order_of_events_gives_what_only_a_person_gives():
    test = Continuity.TestCase
    test.settings = settings(max_examples=150, stateful_step_count=30, deadline=None, derandomize=True)
    test().runTest()
