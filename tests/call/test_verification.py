"""verification: what one call shows of the other side, and what changes it."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from e2ecall.call.comparison import Step
from e2ecall.call.messages import Receipt, ReceiptMethod
from e2ecall.call.shown import CHANGES, SIGNS, STOPS, Shown, Stop
from e2ecall.call.verification import Outcome
from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.identity.continuity import COMPARISONS, TRANSITIONS, Happening, Method, Mode, Trust, Why
from e2ecall.identity.slots import judge_incoming
from e2ecall.sas import PickState, digits
from support.ceremonies import (
    ASKS,
    CALL,
    CHANGED,
    FIRST,
    JUDGEMENTS,
    LINK,
    OTHER,
    REVOKED,
    SEEN,
    STRICT,
    VERIFIED,
    answer,
    each_judgement,
    each_method,
    each_role,
    listening,
    misused,
    verification,
)

# -- verification.1: what is shown ---------------------------------------------------------------------------------


@pytest.mark.clause("verification.1-1", "verification.2-1")
@each_judgement
def test_what_a_judgement_shows(name):
    judgement, shown, stop = JUDGEMENTS[name]
    made = verification(judgement)
    assert (made.shown, made.stopped, made.media_allowed) == (shown, stop, stop is None)
    assert made.why_stopped is (STOPS[stop] if stop else None)
    assert made.sign == SIGNS[shown]
    assert made.outcome() is None
    assert made.outcomes == ()


@pytest.mark.clause("verification.1-1", "verification.2-1")
@pytest.mark.parametrize(
    ("mode", "by_link", "shown", "stop"),
    [
        (Mode.ASK, False, Shown.UNVERIFIED, Stop.NOT_LET_IN),
        (Mode.ACCEPT_NEW, False, Shown.UNVERIFIED, None),
        (Mode.STRICT, False, Shown.UNVERIFIED, Stop.NOT_VERIFIED),
        (Mode.ASK, True, Shown.SEEN_BY_LINK, None),
        (Mode.ACCEPT_NEW, True, Shown.SEEN_BY_LINK, None),
        (Mode.STRICT, True, Shown.SEEN_BY_LINK, Stop.NOT_VERIFIED),
    ],
)
def test_a_stranger_as_continuity_judges_it(mode, by_link, shown, stop):
    judgement = judge_incoming({}, CALL.peer_identity, post_quantum=True, mode=mode, by_link=by_link)
    made = verification(judgement)
    assert (made.shown, made.stopped) == (shown, stop)


@pytest.mark.clause("verification.1-1")
def test_there_are_exactly_eight():
    names = "VERIFIED_BEFORE VERIFIED_NOW SEEN SEEN_BY_LINK UNVERIFIED CHANGED MISMATCH REVOKED"
    assert [each.name for each in Shown] == names.split()
    assert set(SIGNS) == set(Shown)
    assert set(STOPS) == set(Stop)


@pytest.mark.clause("verification.1-1", "verification.2-2")
@pytest.mark.parametrize("blocks", [True, False])
def test_changed_and_revoked_hold_media_whatever_else_the_judgement_says(blocks):
    for judgement in (CHANGED, REVOKED):
        for asks in (True, False):
            assert not verification(replace(judgement, blocks=blocks, asks=asks, by_link=True)).media_allowed


@pytest.mark.clause("verification.1-2")
def test_no_two_states_share_sign_word_or_sentence():
    for lang in ("en", "fr"):
        for field in ("word", "sentence"):
            assert len({getattr(sign, field).say(lang) for sign in SIGNS.values()}) == 8
    assert len({sign.symbol for sign in SIGNS.values()}) == 8
    assert len({sign.ascii for sign in SIGNS.values()}) == 8
    for one, other in itertools.permutations(SIGNS.values(), 2):
        assert one.ascii not in other.ascii
    assert all(sign.ascii.isascii() and sign.ascii.isprintable() for sign in SIGNS.values())


def wordset(text):
    return {word.strip(".,:;").casefold() for word in text.split() if len(word.strip(".,:;")) > 3}


@pytest.mark.clause("verification.1-3")
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_never_verified_and_changed_have_nothing_in_common(lang):
    for why in (None, *CHANGES):
        changed = verification(replace(CHANGED, why=why or Why.OTHER_KEY)).sign
        for quiet in (Shown.UNVERIFIED, Shown.SEEN, Shown.SEEN_BY_LINK):
            sign = SIGNS[quiet]
            assert sign.symbol != changed.symbol
            assert not set(sign.ascii[1:-1]) & set(changed.ascii[1:-1])
            assert not wordset(sign.word.say(lang)) & wordset(changed.word.say(lang))
        assert changed.word.say(lang).split(",")[0].isupper()
        assert not SIGNS[Shown.UNVERIFIED].word.say(lang).isupper()
    assert verification(FIRST).media_allowed
    assert not verification(CHANGED).media_allowed


@pytest.mark.clause("verification.1-3")
def test_nobody_checked_yet_says_so_in_these_words():
    assert "Encrypted, nobody checked yet" in SIGNS[Shown.UNVERIFIED].sentence.en
    assert "Chiffré, personne n'a encore contrôlé" in SIGNS[Shown.UNVERIFIED].sentence.fr
    for shown in (Shown.SEEN, Shown.UNVERIFIED):
        assert "verified" not in SIGNS[shown].word.en.replace("not verified", "")
        assert "vérifié" not in SIGNS[shown].word.fr.replace("non vérifié", "")


@pytest.mark.clause("verification.1-1")
@pytest.mark.parametrize("why", CHANGES)
def test_a_change_says_what_changed(why):
    sign = verification(replace(CHANGED, why=why)).sign
    assert sign.sentence == CHANGES[why] != SIGNS[Shown.CHANGED].sentence
    assert (sign.symbol, sign.word) == (SIGNS[Shown.CHANGED].symbol, SIGNS[Shown.CHANGED].word)
    held = {"en": "held until you decide", "fr": "retenus jusqu'à votre décision"}
    if why is Why.OTHER_CONTACT:  # there is nothing to decide
        held = {"en": "Call that contact instead", "fr": "Appelez plutôt ce contact"}
    for lang, words in held.items():
        assert words in sign.sentence.say(lang)


@pytest.mark.clause("verification.2-4")
@pytest.mark.parametrize("act", ["accept", *COMPARISONS])
def test_the_key_of_another_contact_can_neither_be_accepted_nor_compared(act):
    """The contacts could not keep it, and media that nobody vouches for would flow."""
    made = verification(replace(CHANGED, why=Why.OTHER_CONTACT))
    misused(made.accept_changed_key if act == "accept" else lambda: made.compare(act), "identity.3-3")
    assert (made.shown, made.media_allowed) == (Shown.CHANGED, False)


@pytest.mark.clause("verification.1-1")
@pytest.mark.parametrize("why", sorted(set(CHANGES) - {Why.OTHER_CONTACT}))
def test_once_accepted_the_change_is_not_told_any_more(why):
    made = verification(replace(CHANGED, why=why))
    made.accept_changed_key()
    assert made.sign == SIGNS[Shown.SEEN]


def test_a_sign_on_one_line():
    assert SIGNS[Shown.VERIFIED_BEFORE].say().startswith("✔ verified: You checked")
    assert SIGNS[Shown.CHANGED].say("fr", ascii_only=True).startswith("[!!] ATTENTION, autre clé: Ce n'est pas")
    with pytest.raises(ApiMisuse):
        SIGNS[Shown.SEEN].say("de")


# -- verification.2: the acts of the person ------------------------------------------------------------------------


@pytest.mark.clause("verification.2-4")
def test_accepting_a_changed_key_never_verifies_it():
    made = verification(CHANGED)
    made.accept_changed_key()
    assert (made.shown, made.media_allowed, made.outcome()) == (Shown.SEEN, True, None)
    misused(made.accept_changed_key, "verification.2-4")
    made.compare(Method.EMOJI)
    answer(made, right=True)
    assert made.shown is Shown.VERIFIED_NOW


@pytest.mark.clause("verification.2-4")
@each_judgement
def test_only_a_changed_key_is_accepted(name):
    judgement, shown, stop = JUDGEMENTS[name]
    made = verification(judgement)
    if shown is not Shown.CHANGED:
        misused(made.accept_changed_key, "verification.2-4")
        assert (made.shown, made.stopped) == (shown, stop)


@pytest.mark.clause("verification.2-4", "verification.2-6")
def test_a_link_never_overrides_changed():
    made = verification(replace(CHANGED, by_link=True))
    assert made.shown is Shown.CHANGED
    misused(made.link_was_private, "verification.2-6")
    made.accept_changed_key()
    assert made.shown is Shown.SEEN
    misused(made.link_was_private, "verification.2-6")


@pytest.mark.clause("verification.2-5")
@each_judgement
def test_letting_in(name):
    judgement, shown, stop = JUDGEMENTS[name]
    made = verification(judgement)
    if stop is Stop.NOT_LET_IN:
        made.let_in()
        assert (made.shown, made.media_allowed, made.outcome()) == (Shown.UNVERIFIED, True, None)
    misused(made.let_in, "verification.2-5")
    assert made.shown is shown


@pytest.mark.clause("verification.2-6")
@each_judgement
def test_only_a_key_seen_by_link_is_vouched_for_by_the_link(name):
    judgement, shown, stop = JUDGEMENTS[name]
    made = verification(judgement)
    if shown is Shown.SEEN_BY_LINK:
        made.link_was_private()
        assert (made.shown, made.stopped) == (Shown.VERIFIED_NOW, None)
        assert made.outcome() == Outcome(Method.LINK, (), "the link was private", True, CALL.peer_identity, CALL.th2)
        misused(made.link_was_private, "verification.2-6")
    else:
        misused(made.link_was_private, "verification.2-6")
        assert (made.shown, made.stopped, made.outcome()) == (shown, stop, None)


@pytest.mark.clause("verification.2-6")
def test_a_link_that_has_to_be_let_in_first():
    made = verification(replace(LINK, blocks=True, asks=True))
    misused(made.link_was_private, "verification.2-6")
    made.let_in()
    made.link_was_private()
    assert made.shown is Shown.VERIFIED_NOW


@pytest.mark.clause("verification.2-6", "verification.4-1")
@pytest.mark.parametrize("right", [True, False])
def test_a_comparison_after_the_link_still_counts(right):
    made = listening(LINK)
    made.link_was_private()
    if right:
        answer(made, right=True)
    else:
        with pytest.raises(VerificationFailed):
            answer(made, right=False)
    assert made.shown is (Shown.VERIFIED_NOW if right else Shown.MISMATCH)
    assert [each.method for each in made.outcomes] == [Method.LINK, Method.EMOJI]
    assert made.outcome().matched is right
    misused(made.link_was_private, "verification.2-6")


@pytest.mark.clause("verification.2-3")
@each_method
def test_a_revoked_key_is_not_compared(method):
    made = verification(REVOKED)
    misused(lambda: made.compare(method), "verification.2-3")
    misused(lambda: made.comparison.begin(method), "verification.2-3")
    assert (made.shown, made.comparison.step, made.stopped) == (Shown.REVOKED, Step.CHOOSE, Stop.REVOKED)


@pytest.mark.clause("verification.2-2", "verification.3-1")
@each_role
@each_method
@each_judgement
def test_a_match_verifies_and_a_mismatch_stops(name, method, role):
    judgement, _, stop = JUDGEMENTS[name]
    if judgement is REVOKED or (method is Method.EMOJI and stop):
        return
    for right in (True, False):
        made = listening(judgement, method, role)
        assert made.shown is JUDGEMENTS[name][1]
        if right:
            answer(made, right=True, role=role)
            assert (made.shown, made.stopped) == (Shown.VERIFIED_NOW, None)
        else:
            with pytest.raises(VerificationFailed):
                answer(made, right=False, role=role)
            assert (made.shown, made.stopped, made.media_allowed) == (Shown.MISMATCH, Stop.MISMATCH, False)
            for act in (made.accept_changed_key, made.let_in, made.link_was_private):
                with pytest.raises(ApiMisuse):
                    act()
            assert made.shown is Shown.MISMATCH


@pytest.mark.clause("verification.3-6")
def test_no_rows_while_nothing_can_be_heard():
    for judgement in (CHANGED, ASKS, STRICT):
        made = verification(judgement)
        misused(lambda made=made: made.compare(Method.EMOJI), "verification.3-6")
        made.compare(Method.DIGITS)
        misused(lambda made=made: made.comparison.begin(Method.EMOJI), "verification.3-6")
        assert made.comparison.method is Method.DIGITS
    made = verification(ASKS)
    made.let_in()
    made.compare(Method.EMOJI)
    assert made.comparison.step is Step.LISTEN


@pytest.mark.clause("verification.2-2")
def test_what_this_shows_agrees_with_the_table_of_continuity():
    """Each act here is one of identity.3's, and leads to the state that its table has."""
    trusts = {Shown.VERIFIED_NOW: Trust.VERIFIED, Shown.MISMATCH: Trust.CHANGED, Shown.SEEN: Trust.SEEN}
    for judgement in (FIRST, SEEN, LINK, VERIFIED):
        made = listening(judgement)
        answer(made, right=True)
        assert trusts[made.shown] is TRANSITIONS[judgement.trust, Happening.COMPARED]
        made = listening(judgement)
        with pytest.raises(VerificationFailed):
            answer(made, right=False)
        assert trusts[made.shown] is TRANSITIONS[judgement.trust, Happening.MISMATCHED]
    made = verification(CHANGED)
    made.accept_changed_key()
    assert trusts[made.shown] is TRANSITIONS[Trust.CHANGED, Happening.ACCEPTED]
    made = listening(CHANGED, Method.QR)
    answer(made, right=True)
    assert trusts[made.shown] is TRANSITIONS[Trust.CHANGED, Happening.COMPARED]
    made = verification(LINK)
    made.link_was_private()
    assert trusts[made.shown] is TRANSITIONS[Trust.SEEN, Happening.STATED]
    assert (Trust.REVOKED, Happening.COMPARED) not in TRANSITIONS


# -- verification.5: receipts --------------------------------------------------------------------------------------


receipts = st.lists(
    st.builds(Receipt, st.sampled_from(ReceiptMethod), st.booleans(), st.just(bytes(32))), min_size=1, max_size=20
)


def everything(made):
    return (
        made.shown,
        made.sign,
        made.stopped,
        made.media_allowed,
        made.outcomes,
        made.comparison.state,
        made.comparison.step,
        made.comparison.method,
    )


@pytest.mark.clause("verification.5-1")
@settings(deadline=None)
@given(st.sampled_from(sorted(JUDGEMENTS)), st.sampled_from(["", "open", "match", "mismatch"]), receipts)
def test_no_receipts_ever_change_anything(name, progress, received):
    judgement, _, _ = JUDGEMENTS[name]
    made = verification(judgement)
    if progress and judgement is not REVOKED:
        made.compare(Method.QR)
        if progress == "match":
            answer(made, right=True)
        elif progress == "mismatch":
            with pytest.raises(VerificationFailed):
                answer(made, right=False)
    before = everything(made)
    for receipt in received:
        made.receipt_received(receipt)
        assert everything(made) == before
    assert made.receipt is received[-1]


@pytest.mark.clause("verification.5-1")
def test_a_receipt_is_shown_as_a_claim():
    made = verification()
    assert (made.receipt, made.receipt_text) == (None, None)
    texts = {}
    for matched in (True, False):
        made.receipt_received(Receipt(ReceiptMethod.EMOJI, matched, bytes(32)))
        texts[matched] = made.receipt_text
    assert texts[True].say("en").startswith("The other side says")
    assert "checks nothing here" in texts[True].say("en")
    assert "DIFFERENCE" in texts[False].say("en")
    assert "DIFFÉRENCE" in texts[False].say("fr")
    assert "Ici, cela ne vérifie rien" in texts[True].say("fr")


# -- odds ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("sas.6-1", "sas.6-2")
def test_odds_in_words():
    made = verification()
    whole, blind, caveat = made.odds()
    assert "12 billion" in whole.en
    assert "1 time in 8" in blind.en
    assert "voice" in caveat.en
    assert "10 billion" in made.odds(Method.DIGITS)[0].en
    assert len(made.odds(Method.DIGITS)) == len(made.odds(Method.WORDS)) == 2
    assert "in 1 of 17 trillion attempts" in made.odds(Method.WORDS)[0].en
    assert [len(each) for each in made.odds(Method.QR)] == [2]
    tried = verification(openings=3, answers=4)
    assert "With 3 tries on one side and 4 on the other" in tried.odds()[0].en
    assert "in at most 1 of 1 billion cases" in tried.odds()[0].en
    for openings, answers in ((0, 1), (1, 0)):
        misused(lambda o=openings, a=answers: verification(openings=o, answers=a), "sas.6-2")


# -- all of it at random -------------------------------------------------------------------------------------------


@pytest.mark.clause("verification.2-2", "verification.3-4", "verification.5-1")
@pytest.mark.parametrize("name", JUDGEMENTS)
def test_whatever_is_done_in_whatever_order(name):
    judgement, first_shown, _ = JUDGEMENTS[name]

    class Person(RuleBasedStateMachine):
        """Does anything at any time; only what is in the rules may show."""

        def __init__(self):
            super().__init__()
            self.role = Role.CALLEE
            self.made = verification(judgement, self.role)
            self.matched = self.mismatched = self.vouched = False

        def attempt(self, do):
            try:
                do()
            except VerificationFailed:
                assert not self.matched
                assert not self.mismatched
                self.mismatched = True
            except (ApiMisuse, MalformedMessage):
                pass
            except E2ECallError as error:
                raise AssertionError from error

        @rule(method=st.sampled_from(list(Method)))
        def compare(self, method):
            self.attempt(lambda: self.made.compare(method))

        @rule(right=st.booleans())
        def give(self, right):
            if self.made.comparison.step is Step.LISTEN:
                self.attempt(lambda: answer(self.made, right=right))
                assert (self.made.comparison.state is PickState.MATCH) is right
                self.matched |= right

        @rule(text=st.sampled_from(["", "12345", digits(OTHER)[:9], "https://example.org"]))
        def garble(self, text):
            self.attempt(lambda: self.made.comparison.type(text))
            self.attempt(lambda: self.made.comparison.scan(text))
            self.attempt(lambda: self.made.comparison.pick(8))

        @rule()
        def read(self):
            self.attempt(self.made.comparison.own_read)

        @rule()
        def different(self):
            self.attempt(self.made.comparison.sounds_different)

        @rule()
        def accept(self):
            self.attempt(self.made.accept_changed_key)

        @rule()
        def let_in(self):
            self.attempt(self.made.let_in)

        @rule()
        def vouch(self):
            try:
                self.made.link_was_private()
                self.vouched = True
            except ApiMisuse:
                pass

        @rule(method=st.sampled_from(list(ReceiptMethod)), matched=st.booleans())
        def receipt(self, method, matched):
            self.made.receipt_received(Receipt(method, matched, bytes(32)))

        @invariant()
        def only_what_the_rules_allow(self):
            made = self.made
            assert (made.shown is Shown.MISMATCH) is self.mismatched
            if made.shown is Shown.VERIFIED_NOW:
                assert self.matched or (self.vouched and first_shown is Shown.SEEN_BY_LINK)
            if self.mismatched or judgement is REVOKED:
                assert not made.media_allowed
            if judgement is REVOKED:
                assert made.shown is Shown.REVOKED
            assert sum(each.method in COMPARISONS for each in made.outcomes) == (self.matched or self.mismatched)
            assert made.media_allowed is (made.stopped is None)

    run_state_machine_as_test(Person, settings=settings(max_examples=30, stateful_step_count=15, deadline=None))


def test_the_repr_tells_state_and_no_code():
    assert repr(verification()) == "<Verification, unverified, media allowed>"
    assert repr(verification(CHANGED)) == "<Verification, changed, stopped: changed>"
