"""kex.8-8: no text keeps a link secret."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.handshake import LinkSecret
from e2ecall.handshake.link import redact
from e2ecall.sas.lang import LANGUAGES
from e2ecall.secret import SecretBytes
from support.parties import link_secret

pytestmark = pytest.mark.clause("kex.8-8")

LINK = link_secret().link("https://call.example")
OWN = link_secret().link("e2ecall://[::1]:8460")
FRAGMENT = link_secret().fragment
PLAIN = LINK.replace("#" + FRAGMENT, "")
WORDS = link_secret().words()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (LINK, PLAIN + "#…"),
        (f"open {LINK} now", f"open {PLAIN}#… now"),
        (f"open {LINK}.", f"open {PLAIN}#…."),
        (f"(see {LINK})", f"(see {PLAIN}#…)"),
        (f'{{"link":"{LINK}","n":1}}', f'{{"link":"{PLAIN}#…","n":1}}'),
        (f"{LINK},{LINK}", f"{PLAIN}#…,{PLAIN}#…"),
        (f"--link={LINK}\0--other", f"--link={PLAIN}#…\0--other"),
        (json.dumps(LINK).replace("/", "\\/"), json.dumps(PLAIN + "#…", ensure_ascii=False).replace("/", "\\/")),
        (f"{PLAIN}#Bw".replace("/", "\\/"), f"{PLAIN}#…".replace("/", "\\/")),
        (f"#{FRAGMENT}", "#…"),
        (f"a#{FRAGMENT}", "a#…"),
        (f"https://elsewhere.example/x#{FRAGMENT}", "https://elsewhere.example/x#…"),
        (f"e2ecall://[::1]:8460/c/{link_secret().room().hex()}#{FRAGMENT}", OWN.replace(FRAGMENT, "…")),
        (LINK[:-9], PLAIN + "#…"),
        (LINK + "AB==", PLAIN + "#…"),
        (LINK.replace("#", "%23"), PLAIN + "#…"),
        (f"https%3A%2F%2Fcall.example%2Fc%2Fab%23{FRAGMENT}", "https%3A%2F%2Fcall.example%2Fc%2Fab#…"),
        (f"e2ecall://relay.example#{FRAGMENT[:5]}", "e2ecall://relay.example#…"),
    ],
)
def test_links(text, left):
    assert redact(text) == left
    assert redact(left) == left


@pytest.mark.parametrize(
    "join",
    [
        " ".join,
        "\n".join,
        ", ".join,
        "\0".join,
        "-".join,
        lambda words: repr(tuple(words)),
        lambda words: repr("\n".join(words)),
    ],
)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_words(lang, join):
    words = link_secret(20).words(lang)
    for spelt in (words, [word.upper() for word in words]):
        cleaned = redact(f"these: {join(spelt)} qq")
        assert cleaned.startswith("these: ")
        assert cleaned.endswith(" qq")
        assert "#…" in cleaned
        assert not [word for word in spelt if word in cleaned]


def test_numbered_words():
    assert redact("\n".join(f"{n}. {word}" for n, word in enumerate(WORDS, 1))) == "1. #…"


@pytest.mark.parametrize("place", range(12))
def test_with_one_word_mistyped_at_most_five_stay(place):
    text = " ".join([*WORDS[:place], "kryptonite", *WORDS[place + 1 :]])
    assert len(redact(text).replace("#…", "").replace("kryptonite", "").split()) <= 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e2ecall 0.1.0 on 127.0.0.1:8460",
        "see https://call.example/docs#limits",
        "issue #12, colour #aabbcc",
        "https://call.example/c/00",
        "the row of four words: abandon ability able about",
        "If all four words are compared, someone in the middle goes unnoticed in 1 of 17 trillion attempts.",
    ],
)
def test_other_text_stays(text):
    assert redact(text) == text


@settings(deadline=None)
@given(
    st.binary(min_size=16, max_size=16),
    st.text(max_size=40),
    st.text(max_size=40),
    st.sampled_from(["https://call.example", "e2ecall://relay.example:1"]),
)
def test_no_link_survives_whatever_stands_around_it(raw, before, after, base):
    secret = LinkSecret(SecretBytes(raw))
    link = secret.link(base)
    assert secret.fragment not in redact(before + link + after)
    assert link.partition("#")[0][-32:] in redact(f"{before} {link} {after}")


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16), st.text(max_size=40), st.text(max_size=40), st.sampled_from(LANGUAGES))
def test_no_twelve_words_survive(raw, before, after, lang):
    words = " ".join(LinkSecret(SecretBytes(raw)).words(lang))
    assert words not in redact(f"{before} {words} {after}")
    assert len(set(words.split()) & set(redact(f"qq {words} qq").split())) == 0


def test_long_texts_take_no_longer_than_their_length():
    for text in ("https://" * 50_000, "#" * 200_000, "a" * 400_000, "abandon " * 50_000, "%2" * 100_000, "(" * 200_000):
        assert len(redact(text)) <= len(text)
