"""verification.3 and verification.4: the one comparison of a call, driven as a screen would."""

import itertools
from dataclasses import FrozenInstanceError

import pytest

from e2ecall.call.comparison import ORDER, Comparison, Step
from e2ecall.call.shown import Shown, Stop
from e2ecall.call.verification import Outcome
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.identity.continuity import COMPARISONS, Method
from e2ecall.sas import PickState, describe, digits, emoji, group, qr_text, words
from support.ceremonies import (
    CALL,
    FIRST,
    OTHER,
    OUT_OF_ORDER,
    SAS,
    SEEN,
    VOICE,
    answer,
    each_method,
    each_role,
    heard,
    listening,
    misused,
    right_row,
    verification,
)

# -- verification.3: the comparison --------------------------------------------------------------------------------


@pytest.mark.clause("verification.3-2")
@pytest.mark.parametrize("method", VOICE)
def test_the_caller_reads_first(method):
    made = verification(role=Role.CALLER)
    comparison = made.compare(method)
    assert comparison.step is Step.OWN
    misused(comparison.rows, OUT_OF_ORDER)
    misused(lambda: comparison.pick(0), OUT_OF_ORDER)
    misused(comparison.none_of_these, OUT_OF_ORDER)
    misused(lambda: comparison.type(heard(Method.DIGITS)), OUT_OF_ORDER)
    misused(comparison.sounds_different, OUT_OF_ORDER)
    comparison.own_read()
    assert comparison.step is Step.LISTEN
    for own in (comparison.own_row, comparison.own_digits, comparison.own_words, comparison.own_read):
        misused(own, OUT_OF_ORDER)
    answer(made, right=True, role=Role.CALLER)
    assert comparison.step is Step.DONE
    for own in (comparison.own_row, comparison.own_digits, comparison.own_words, comparison.own_read):
        misused(own, OUT_OF_ORDER)


@pytest.mark.clause("verification.3-2", "verification.3-3")
@pytest.mark.parametrize("method", VOICE)
def test_the_callee_listens_first_and_sees_its_own_code_only_after_a_match(method):
    made = verification(role=Role.CALLEE)
    comparison = made.compare(method)
    assert comparison.step is Step.LISTEN
    for own in (comparison.own_row, comparison.own_digits, comparison.own_words, comparison.own_read):
        misused(own, OUT_OF_ORDER)
    answer(made, right=True)
    assert (comparison.step, made.shown) == (Step.OWN, Shown.VERIFIED_NOW)
    own = {
        Method.EMOJI: (comparison.own_row, emoji(SAS)),
        Method.DIGITS: (comparison.own_digits, group(digits(SAS))),
        Method.WORDS: (comparison.own_words, words(SAS, "en")),
    }
    for each, (show, code) in own.items():
        if each is method:
            assert show() == code
        else:
            misused(show, OUT_OF_ORDER)
    comparison.own_read()
    assert comparison.step is Step.DONE
    misused(comparison.own_read, OUT_OF_ORDER)


@pytest.mark.clause("verification.3-3")
@each_method
def test_after_a_mismatch_no_own_code_is_shown(method):
    made = listening(method=method)
    with pytest.raises(VerificationFailed):
        answer(made, right=False)
    comparison = made.comparison
    assert comparison.step is Step.DONE
    for own in (
        comparison.own_row,
        comparison.own_digits,
        comparison.own_words,
        comparison.own_read,
        comparison.own_qr,
    ):
        misused(own, OUT_OF_ORDER)


@pytest.mark.clause("verification.3-2")
def test_exactly_one_side_listens_first():
    assert ORDER == {
        Role.CALLER: (Step.OWN, Step.LISTEN, Step.DONE),
        Role.CALLEE: (Step.LISTEN, Step.OWN, Step.DONE),
    }
    with pytest.raises(TypeError):
        ORDER[Role.CALLER] = ()


@pytest.mark.clause("verification.3-2")
def test_two_people_do_the_whole_ceremony():
    ann, ben = verification(SEEN, Role.CALLER), verification(FIRST, Role.CALLEE)
    ann.compare(Method.EMOJI)
    ben.compare(Method.EMOJI)
    said = describe(ann.comparison.own_row())
    ann.comparison.own_read()
    ben.comparison.pick([describe(row) for row in ben.comparison.rows()].index(said))
    said = describe(ben.comparison.own_row())
    ben.comparison.own_read()
    ann.comparison.pick([describe(row) for row in ann.comparison.rows()].index(said))
    assert (ann.shown, ben.shown) == (Shown.VERIFIED_NOW, Shown.VERIFIED_NOW)
    assert (ann.comparison.step, ben.comparison.step) == (Step.DONE, Step.DONE)


@pytest.mark.clause("verification.3-2")
@each_role
def test_two_screens_side_by_side(role):
    made, other = verification(role=role), verification(role=role.other)
    for each in (made, other):
        each.compare(Method.QR)
        assert each.comparison.step is Step.LISTEN
    made.comparison.scan(other.comparison.own_qr())
    assert (made.shown, made.comparison.step) == (Shown.VERIFIED_NOW, Step.DONE)
    other.comparison.scan(made.comparison.own_qr())  # still there to be scanned
    assert other.shown is Shown.VERIFIED_NOW


@pytest.mark.clause("verification.3-2")
@each_role
def test_each_answer_belongs_to_its_method(role):
    for method in COMPARISONS:
        comparison = listening(method=method, role=role).comparison
        if method is not Method.EMOJI:
            misused(comparison.rows, OUT_OF_ORDER)
            misused(lambda c=comparison: c.pick(0), OUT_OF_ORDER)
            misused(comparison.none_of_these, OUT_OF_ORDER)
        if method not in (Method.DIGITS, Method.WORDS):
            misused(lambda c=comparison: c.type(digits(SAS)), OUT_OF_ORDER)
        if method is not Method.QR:
            misused(lambda c=comparison: c.scan(qr_text(SAS, role.other)), OUT_OF_ORDER)
            misused(comparison.own_qr, OUT_OF_ORDER)
        assert comparison.state is PickState.OPEN


@pytest.mark.clause("verification.3-2")
def test_nothing_before_a_method_is_chosen():
    comparison = verification().comparison
    assert comparison.step is Step.CHOOSE
    for do in (
        comparison.own_row,
        comparison.own_digits,
        comparison.own_words,
        comparison.own_qr,
        comparison.own_read,
        comparison.rows,
        lambda: comparison.pick(0),
        comparison.none_of_these,
        lambda: comparison.type("0"),
        lambda: comparison.scan(""),
        comparison.sounds_different,
    ):
        misused(do, OUT_OF_ORDER)


@pytest.mark.clause("verification.3-1")
@pytest.mark.parametrize("method", [Method.LINK, Method.STATEMENT])
def test_a_link_and_a_statement_compare_nothing(method):
    made = verification()
    misused(lambda: made.compare(method), "verification.3-1")
    misused(lambda: made.odds(method), "verification.3-1")


@pytest.mark.clause("verification.3-4")
@pytest.mark.parametrize("right", [True, False])
@each_role
def test_one_result_for_all_methods_together(role, right):
    for first, second in itertools.product(COMPARISONS, COMPARISONS):
        made = listening(method=first, role=role)
        if right:
            answer(made, right=True, role=role)
        else:
            with pytest.raises(VerificationFailed):
                answer(made, right=False, role=role)
        shown, outcome = made.shown, made.outcome()
        misused(lambda m=made, s=second: m.compare(s), "verification.3-4")
        for again in (
            lambda m=made: m.comparison.pick(0),
            lambda m=made: m.comparison.none_of_these(),
            lambda m=made: m.comparison.type(heard(Method.DIGITS)),
            lambda m=made: m.comparison.scan(heard(Method.QR, role=role)),
            lambda m=made: m.comparison.sounds_different(),
        ):
            misused(again, "verification.3-4")
        assert (made.shown, made.outcome()) == (shown, outcome)


@pytest.mark.clause("verification.3-4")
def test_another_method_may_be_chosen_until_there_is_a_result():
    made = verification()
    rows = made.compare(Method.EMOJI).rows()
    made.compare(Method.DIGITS)
    with pytest.raises(MalformedMessage):
        made.comparison.type("123")
    made.compare(Method.QR)
    with pytest.raises(MalformedMessage):
        made.comparison.scan("https://example.org")
    made.compare(Method.EMOJI)
    with pytest.raises(ApiMisuse):
        made.comparison.pick(8)
    with pytest.raises(ApiMisuse):
        made.comparison.pick(-1)
    assert made.outcome() is None
    assert made.comparison.rows() == rows  # the same eight: two drawings would give the true one away
    answer(made, right=True)
    assert made.outcome().method is Method.EMOJI


@pytest.mark.clause("verification.3-2")
def test_choosing_anew_never_shows_the_own_code_to_who_listens_first():
    comparison = verification(role=Role.CALLEE).comparison
    for method in [*VOICE, *VOICE]:
        comparison.begin(method)
        for own in (comparison.own_row, comparison.own_digits, comparison.own_words):
            misused(own, OUT_OF_ORDER)


@pytest.mark.clause("verification.3-5")
@each_role
@each_method
def test_saying_that_it_is_different(method, role):
    made = listening(method=method, role=role)
    with pytest.raises(VerificationFailed):
        made.comparison.sounds_different()
    assert (made.shown, made.stopped) == (Shown.MISMATCH, Stop.MISMATCH)
    assert made.outcome().method is method
    assert made.outcome().answer == "something else"


@pytest.mark.clause("verification.3-5")
def test_none_of_these():
    made = listening()
    with pytest.raises(VerificationFailed):
        made.comparison.none_of_these()
    assert made.shown is Shown.MISMATCH
    assert made.outcome().answer == "none of these"
    assert not made.outcome().matched


@pytest.mark.clause("verification.3-5")
def test_a_reflected_code_is_a_mismatch():
    made = listening(method=Method.QR)
    with pytest.raises(VerificationFailed):
        made.comparison.scan(made.comparison.own_qr())
    assert made.shown is Shown.MISMATCH


def test_a_comparison_by_itself_asks_nobody():
    comparison = Comparison(SAS, Role.CALLEE, SystemRng())
    comparison.begin(Method.EMOJI)
    comparison.pick(right_row(comparison))
    assert comparison.state is PickState.MATCH
    assert repr(comparison) == "<Comparison of the callee, own, match>"


# -- verification.4: outcomes --------------------------------------------------------------------------------------


@pytest.mark.clause("verification.4-1")
@each_role
@each_method
@pytest.mark.parametrize("right", [True, False])
def test_what_an_outcome_records(method, role, right):
    made = listening(method=method, role=role)
    assert made.outcome() is None
    rows = tuple("".join(each.char for each in row) for row in made.comparison._rows.rows)
    place = made.comparison._rows.rows.index(emoji(SAS))
    picked = rows[place if right else (place + 1) % 8]
    if right:
        answer(made, right=True, role=role)
    else:
        with pytest.raises(VerificationFailed):
            answer(made, right=False, role=role)
    shown = {
        Method.EMOJI: rows,
        Method.DIGITS: (digits(SAS),),
        Method.WORDS: (" ".join(words(SAS, "en")),),
        Method.QR: (qr_text(SAS, role),),
    }[method]
    given_answer = picked if method is Method.EMOJI else heard(method, SAS if right else OTHER, role=role)
    outcome = made.outcome()
    assert outcome == Outcome(method, shown, given_answer, right, CALL.peer_identity, CALL.th2)
    assert made.outcomes == (outcome,)
    with pytest.raises(FrozenInstanceError):
        outcome.matched = not right
