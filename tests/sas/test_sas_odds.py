"""sas.6: numbers and sentences, exactly."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse
from e2ecall.sas import CAVEAT, LANGUAGES, Code, attempt, attempts, blind_pick
from e2ecall.sas.odds import count_in_words


@pytest.mark.clause("sas.6-1")
def test_the_numbers():
    assert (Code.EMOJI, Code.DIGITS, Code.WORDS) == (12_296_370_321, 10_000_000_000, 17_592_186_044_416)
    assert attempt().chance == Fraction(1, 12_296_370_321)
    assert attempt().one_in == 12_296_370_321
    assert attempt(Code.DIGITS).chance == Fraction(1, 10**10)
    assert attempt(Code.WORDS).chance == Fraction(1, 2**44)
    assert blind_pick().chance == Fraction(1, 8)
    assert blind_pick().one_in == 8


@pytest.mark.clause("sas.6-1")
def test_the_sentences():
    assert (
        attempt().say()
        == "If all four emoji are compared, someone in the middle goes unnoticed in 1 of 12 billion attempts."
    )
    assert attempt(Code.DIGITS).say() == (
        "If all ten digits are compared, someone in the middle goes unnoticed in 1 of 10 billion attempts."
    )
    assert attempt(Code.WORDS).say() == (
        "If all four words are compared, someone in the middle goes unnoticed in 1 of 17 trillion attempts."
    )
    assert attempt(Code.WORDS).say("fr") == (
        "Si les quatre mots sont comparés, une personne au milieu passe inaperçue "
        "dans 1 tentative sur 17 592 milliards."
    )
    assert attempt().say("fr") == (
        "Si les quatre emojis sont comparés, une personne au milieu passe inaperçue dans 1 tentative sur 12 milliards."
    )
    assert attempt(Code.DIGITS).say("fr") == (
        "Si les dix chiffres sont comparés, une personne au milieu passe inaperçue dans 1 tentative sur 10 milliards."
    )
    assert blind_pick().say() == (
        "A row picked blindly is the right one 1 time in 8; tapping your own row without listening checks nothing."
    )
    assert blind_pick().say("fr") == (
        "Une ligne choisie à l'aveugle est la bonne 1 fois sur 8 ; "
        "toucher sa propre ligne sans écouter ne vérifie rien."
    )
    for lang in LANGUAGES:
        assert "voi" in CAVEAT.say(lang)
    with pytest.raises(ApiMisuse, match="no language"):
        attempt().say("de")


@pytest.mark.clause("sas.6-2")
def test_repeated_attempts():
    odds = attempts(4, 3)
    assert odds.chance == Fraction(12, 12_296_370_321)
    assert odds.one_in == 1_024_697_526
    assert odds.say() == (
        "With 4 tries on one side and 3 on the other, someone in the middle goes unnoticed "
        "in at most 1 of 1 billion cases."
    )
    assert odds.say("fr") == (
        "Avec 4 essais d'un côté et 3 de l'autre, une personne au milieu passe inaperçue "
        "dans au plus 1 cas sur 1 milliard."
    )
    assert attempts(2, 5, Code.DIGITS).chance == Fraction(1, 10**9)
    assert attempts(4, 3, Code.WORDS).chance == Fraction(3, 2**42)
    assert attempts(1, 1).chance == attempt().chance


@pytest.mark.clause("sas.6-2")
def test_never_above_certainty():
    assert attempts(10**6, 10**6).chance == 1
    assert attempts(10**6, 10**6).one_in == 1


@pytest.mark.clause("sas.6-2")
@pytest.mark.parametrize(("openings", "answers"), [(0, 1), (1, 0), (-1, -1)])
def test_no_attempt_has_no_odds(openings, answers):
    with pytest.raises(ApiMisuse, match="at least one") as refused:
        attempts(openings, answers)
    assert refused.value.clause == "sas.6-2"


@pytest.mark.clause("sas.6-3")
@pytest.mark.parametrize(
    ("number", "english", "french"),
    [
        (1, "1", "1"),
        (999, "999", "999"),
        (12_345, "12,345", "12 345"),
        (999_999, "999,999", "999 999"),
        (1_000_000, "1 million", "1 million"),
        (1_999_999, "1.9 million", "1,9 million"),
        (2_000_000, "2 million", "2 millions"),
        (999_999_999, "999 million", "999 millions"),
        (1_000_000_000, "1 billion", "1 milliard"),
        (1_299_999_999, "1.2 billion", "1,2 milliard"),
        (9_990_000_000, "9.9 billion", "9,9 milliards"),
        (12_999_999_999, "12 billion", "12 milliards"),
        (999_999_999_999, "999 billion", "999 milliards"),
        (1_000_000_000_000, "1 trillion", "1 000 milliards"),
        (1_999_999_999_999, "1.9 trillion", "1 999 milliards"),
        (17_592_186_044_416, "17 trillion", "17 592 milliards"),
    ],
)
def test_counts_are_rounded_down(number, english, french):
    assert count_in_words(number, "en") == english
    assert count_in_words(number, "fr") == french


@pytest.mark.clause("sas.6-3")
@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_one_in_never_promises_more_than_the_chance(openings, answers):
    odds = attempts(openings, answers)
    assert Fraction(1, odds.one_in) >= odds.chance
    assert Fraction(1, odds.one_in + 1) < odds.chance
