"""sas.8: what was heard is typed in whole, once."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.views import check_typed
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.sas import PickState, TypedDigits, TypedWords, digits, words
from e2ecall.sas.typed import read_digits, read_words

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/typed.json").read_text("utf-8"))["cases"]
SAS = hashlib.sha256(b"one call").digest()
OTHER = bytes(byte ^ 255 for byte in SAS)
any_sas = st.binary(min_size=32, max_size=32)


@pytest.mark.clause("sas.8-1", "sas.8-3")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    typed = TypedDigits(bytes.fromhex(case["sas"]))
    if case["result"] == "ok":
        assert typed.answer(case["text"]) == case["digits"]
        assert typed.state is PickState.MATCH
    elif case["result"] == "verification":
        with pytest.raises(VerificationFailed, match="not those on this side"):
            typed.answer(case["text"])
        assert typed.state is PickState.MISMATCH
    else:
        assert case["result"] == "malformed"
        with pytest.raises(MalformedMessage, match="10 digits"):
            typed.answer(case["text"])
        assert typed.state is PickState.OPEN


@pytest.mark.clause("sas.8-1")
@settings(deadline=None)
@given(any_sas, st.text(alphabet="0123456789 -–\n+x\u00a0٣", max_size=24))
def test_the_second_writing_takes_and_refuses_the_same(sas, text):
    typed = TypedDigits(sas)
    try:
        wanted = check_typed(sas, text)
    except Refused as refused:
        kind = {"malformed": MalformedMessage, "verification": VerificationFailed}[refused.layer]
        with pytest.raises(kind):
            typed.answer(text)
    else:
        assert typed.answer(text) == wanted


@pytest.mark.clause("sas.8-1", "sas.8-4")
@settings(deadline=None)
@given(any_sas, st.lists(st.text(max_size=30), max_size=5))
def test_what_is_no_code_spends_nothing(sas, texts):
    typed = TypedDigits(sas)
    for text in texts:
        try:
            read_digits(text)
        except MalformedMessage:
            with pytest.raises(MalformedMessage) as caught:
                typed.answer(text)
            assert caught.value.clause == "sas.8-1"
            assert typed.state is PickState.OPEN
    assert typed.answer(digits(sas)) == digits(sas)


@pytest.mark.clause("sas.8-3")
def test_every_digit_counts():
    code = digits(SAS)
    for place in range(10):
        other = code[:place] + str((int(code[place]) + 1) % 10) + code[place + 1 :]
        with pytest.raises(VerificationFailed) as caught:
            TypedDigits(SAS).answer(other)
        assert caught.value.clause == "sas.8-3"
        assert "another way" in caught.value.hint


@pytest.mark.clause("sas.8-4")
@pytest.mark.parametrize("first", [digits(SAS), digits(OTHER)], ids=["match", "mismatch"])
@pytest.mark.parametrize("second", [digits(SAS), digits(OTHER), "no code"])
def test_one_answer_and_never_a_second(first, second):
    typed = TypedDigits(SAS)
    with suppress(VerificationFailed):
        typed.answer(first)
    state = typed.state
    assert state is (PickState.MATCH if first == digits(SAS) else PickState.MISMATCH)
    with pytest.raises(ApiMisuse) as caught:
        typed.answer(second)
    assert caught.value.clause == "sas.8-4"
    assert typed.state is state


@pytest.mark.clause("sas.8-2", "sas.8-3")
@pytest.mark.parametrize("lang", ["en", "fr"])
@settings(deadline=None)
@given(any_sas)
def test_words_of_either_language_are_taken(lang, sas):
    code = " ".join(words(sas, lang))
    for text in (code, code.upper(), f"  {code.replace(' ', ' - ')}\n", code.replace(" ", "\u00a0")):
        typed = TypedWords(sas)
        assert len(typed.answer(text).split()) == 4
        assert typed.state is PickState.MATCH


@pytest.mark.clause("sas.8-2")
def test_accents_do_not_count():
    with_accents = next(
        sas
        for sas in (bytes([n, m]) + bytes(30) for n in range(256) for m in range(256))
        if not words(sas, "fr")[0].isascii()
    )
    plain = TypedWords(with_accents).answer(" ".join(words(with_accents, "fr")))
    assert plain.isascii()
    assert TypedWords(with_accents).answer(plain) == plain


@pytest.mark.clause("sas.8-3")
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_word_counts(lang):
    code, other = words(SAS, lang), words(OTHER, lang)
    for place in range(4):
        assert code[place] != other[place]
        typed = TypedWords(SAS)
        with pytest.raises(VerificationFailed) as caught:
            typed.answer(" ".join([*code[:place], other[place], *code[place + 1 :]]))
        assert caught.value.clause == "sas.8-3"
        assert typed.state is PickState.MISMATCH
        with pytest.raises(ApiMisuse):
            typed.answer(" ".join(code))


@pytest.mark.clause("sas.8-3")
def test_the_order_of_the_words_counts():
    code = words(SAS, "en")
    assert len(set(code)) == 4
    with pytest.raises(VerificationFailed):
        TypedWords(SAS).answer(" ".join(code[::-1]))


@pytest.mark.clause("sas.8-2", "sas.8-4")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        " ".join(words(SAS, "en")[:3]),
        " ".join([*words(SAS, "en"), words(SAS, "en")[0]]),
        " ".join([*words(SAS, "en")[:3], "xyzzy"]),
        " ".join([*words(SAS, "en")[:3], words(SAS, "en")[3][:-1] + "qq"]),
        " ".join([*words(SAS, "en")[:2], *words(SAS, "fr")[2:]]),
        "".join(words(SAS, "en")),
        (" ".join(words(SAS, "en")) + " " * 256)[:257],
        digits(SAS),
        "\ud800 b c d",
    ],
)
def test_what_is_not_four_words_of_one_list_spends_nothing(text):
    typed = TypedWords(SAS)
    with pytest.raises(MalformedMessage) as caught:
        typed.answer(text)
    assert caught.value.clause == "sas.8-2"
    assert typed.state is PickState.OPEN
    assert typed.answer(" ".join(words(SAS, "fr")))


@settings(deadline=None)
@given(st.text())
def test_nothing_but_our_errors_leaves(text):
    for read in (read_digits, read_words):
        with suppress(MalformedMessage):
            read(text)


@pytest.mark.clause("sas.1-1")
@pytest.mark.parametrize("kind", [TypedDigits, TypedWords])
def test_other_lengths_are_misuse(kind):
    with pytest.raises(ApiMisuse, match="has 31 bytes"):
        kind(bytes(31))


def test_the_repr_tells_nothing_of_the_code():
    assert repr(TypedDigits(SAS)) == "<TypedDigits, open>"
    assert repr(TypedWords(SAS)) == "<TypedWords, open>"
