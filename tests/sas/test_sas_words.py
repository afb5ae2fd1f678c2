"""sas.7: four words of eleven bits, against figures of a second implementation; and the lists themselves."""

import hashlib
import json
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.links import four_words
from e2ecall.errors import ApiMisuse
from e2ecall.sas.lang import LANGUAGES
from e2ecall.sas.words import WORDLISTS, fold, numbers, spell, words

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors/sas/words.json").read_text("utf-8"))["cases"]
HASHES = {
    "bip39_english.txt": "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda",
    "bip39_french.txt": "ebc3959ab7801a1df6bac4fa7d970652f1df76b683cd2f4003c941c63d517e59",
}


@pytest.mark.clause("sas.1-1", "sas.7-1", "sas.7-2")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    sas = bytes.fromhex(case["sas"])
    if case["result"] == "misuse":
        with pytest.raises(ApiMisuse) as refused:
            words(sas, case["lang"])
        assert refused.value.clause == case["clause"]
        return
    assert list(words(sas, case["lang"])) == case["words"]


@pytest.mark.clause("sas.7-1")
@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.sampled_from(LANGUAGES))
def test_a_second_writing_agrees(sas, lang):
    assert list(words(sas, lang)) == four_words(sas, lang)


@pytest.mark.clause("sas.7-1")
@pytest.mark.parametrize("bit", range(256))
def test_each_of_44_bits_changes_one_word_and_no_other_bit_any(bit):
    sas = bytes(range(100, 132))
    flipped = (int.from_bytes(sas, "big") ^ 1 << 255 - bit).to_bytes(32, "big")
    changed = [place for place in range(4) if words(sas)[place] != words(flipped)[place]]
    assert changed == ([bit // 11] if bit < 44 else [])


@pytest.mark.clause("sas.7-2")
@pytest.mark.parametrize("name", HASHES)
def test_the_lists_are_the_published_ones(name):
    data = files("e2ecall.sas").joinpath(name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == HASHES[name]
    lines = data.decode("utf-8").split("\n")
    assert len(lines) == 2049
    assert lines.pop() == ""
    assert len(set(lines)) == 2048
    assert [unicodedata.normalize("NFKD", line) for line in lines] == lines
    assert sorted(lines, key=fold) == lines


@pytest.mark.clause("sas.7-2")
def test_the_languages_share_words_but_never_a_word_and_its_number():
    assert tuple(WORDLISTS) == LANGUAGES
    for lang in LANGUAGES:
        assert len(numbers(lang)) == 2048
        assert len({word[:4] for word in numbers(lang)}) == 2048
        assert [numbers(lang)[fold(word)] for word in WORDLISTS[lang]] == list(range(2048))
    shared = numbers("en").keys() & numbers("fr").keys()
    assert len(shared) == 123
    assert all(numbers("en")[word] != numbers("fr")[word] for word in shared)


@pytest.mark.clause("sas.7-3")
def test_words_are_shown_in_nfc():
    accented = [word for word in WORDLISTS["fr"] if not word.isascii()]
    assert len(accented) > 100
    assert all(unicodedata.is_normalized("NFC", word) for word in accented)
    assert all(word.isascii() for word in WORDLISTS["en"])


@pytest.mark.parametrize("number", [-1, 1 << 22, 1 << 60])
def test_a_number_that_does_not_fit(number):
    assert spell((1 << 22) - 1, 2) == ("zoo", "zoo")
    with pytest.raises(ApiMisuse, match="does not fit into 2 words"):
        spell(number, 2)


@pytest.mark.parametrize("ask", [lambda: spell(0, 1, "de"), lambda: numbers("de")])
def test_another_language(ask):
    with pytest.raises(ApiMisuse, match="no language 'de'") as refused:
        ask()
    assert refused.value.clause == "sas.7-2"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Zoo", "zoo"),
        ("éQUERRE", "equerre"),
        ("e\u0301querre", "equerre"),
        ("E\u0301\u200bquerre\ufeff", "equerre"),
        ("\uff5a\uff4f\uff4f", "zoo"),
        ("ŒUVRE", "oeuvre"),
        ("a\u3000b", "a b"),
    ],
)
def test_fold(text, folded):
    assert fold(text) == folded
    assert fold(folded) == folded
