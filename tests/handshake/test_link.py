"""kex.8: link secrets as links and as twelve words, and what is refused."""

import contextlib
import copy
import hmac
import json
import pickle
import traceback
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.key_schedule import link as derive
from e2ecall.audit.oracle.links import link_text, link_words
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.handshake import LinkSecret
from e2ecall.handshake import link as link_module
from e2ecall.sas.lang import LANGUAGES
from e2ecall.sas.words import numbers
from e2ecall.secret import SecretBytes
from support.parties import CALL_ID, SeededRng, link_secret

FOLDER = Path(__file__).resolve().parents[2] / "vectors/link"
CASES = [
    case for name in ("parse", "words") for case in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["cases"]
]
secrets = st.binary(min_size=16, max_size=16)


def read(case):
    if case["op"] == "link.parse":
        return LinkSecret.parse(case["link"])
    return LinkSecret.from_words(case["words"], case.get("lang"))


def shown(error):
    return "".join([str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


@pytest.mark.clause("kex.8-2", "kex.8-4", "kex.8-6", "kex.8-7")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['op']}: {case['name']}")
def test_vectors(case):
    if case["result"] == "malformed":
        with pytest.raises(MalformedMessage) as refused:
            read(case)
        assert refused.value.clause == case["clause"]
        return
    secret = read(case)
    assert secret == LinkSecret(SecretBytes(bytes.fromhex(case["secret"])))
    call_id = bytes.fromhex(case["call_id"])
    assert secret.room().hex() == case["room"]
    assert secret.psk() == SecretBytes(bytes.fromhex(case["psk"]))
    assert secret.psk_id(call_id).hex() == case["psk_id"]


# -- links --------------------------------------------------------------------------------------------------------


@pytest.mark.clause("kex.8-4")
@settings(deadline=None)
@given(secrets, st.sampled_from(["https://call.example", "e2ecall://relay.example:8460", "e2ecall://[::1]"]))
def test_a_link_is_what_a_second_writing_makes_of_it(raw, base):
    secret = LinkSecret(SecretBytes(raw))
    link = secret.link(base)
    assert link == link_text(base, raw, derive(raw, CALL_ID).room)
    assert secret.link(f"{base}/") == link
    assert LinkSecret.parse(link) == secret


@pytest.mark.clause("kex.8-4")
def test_every_changed_character_of_a_link_is_refused():
    link = link_secret().link("https://call.example")
    start = link.index("/c/") + 3
    for at in range(start, len(link)):
        for char in "0fZ_-#/":
            changed = link[:at] + char + link[at + 1 :]
            if changed == link:
                continue
            with pytest.raises(MalformedMessage):
                LinkSecret.parse(changed)


@pytest.mark.clause("kex.8-4")
def test_damage_in_the_id_and_damage_in_the_secret_look_alike_and_are_compared_in_constant_time(monkeypatch):
    compared = []
    original = link_module.constant_time_equal
    monkeypatch.setattr(link_module, "constant_time_equal", lambda a, b: compared.append((a, b)) or original(a, b))
    link = link_secret().link("https://call.example")
    at = link.index("/c/") + 3
    messages = set()
    other_secret = link_secret(8).fragment
    for damaged in (
        f"{link[:at]}{'0' if link[at] != '0' else '1'}{link[at + 1 :]}",
        f"{link[: at + 31]}{'0' if link[at + 31] != '0' else '1'}{link[at + 32 :]}",
        f"{link[: link.index('#')]}#{other_secret}",
    ):
        with pytest.raises(MalformedMessage) as refused:
            LinkSecret.parse(damaged)
        messages.add(str(refused.value))
    assert len(messages) == 1
    assert len(compared) == 3
    assert {len(part) for pair in compared for part in pair} == {32}


@pytest.mark.clause("kex.8-2", "kex.8-8")
def test_a_refused_link_is_not_repeated_anywhere():
    fragment, link = link_secret().fragment, link_secret().link("https://call.example")
    for bad in (
        link + "A",
        link[:-1],
        link.replace("https", "http"),
        link.replace("/c/", "/d/"),
        link.replace("/c/", "/c/0"),
    ):
        with pytest.raises(MalformedMessage) as refused:
            LinkSecret.parse(bad)
        assert fragment[:8] not in shown(refused.value)
        assert "call.example" not in shown(refused.value)
        assert refused.value.__context__ is None


@pytest.mark.clause("kex.8-2")
def test_what_is_too_long_is_not_looked_at():
    link = link_secret().link("https://call.example")
    assert LinkSecret.parse(link.replace("#", "?" + "x" * 3900 + "#")) == link_secret()
    with pytest.raises(MalformedMessage):
        LinkSecret.parse(link.replace("#", "?" + "x" * 4096 + "#"))
    with pytest.raises(MalformedMessage):
        LinkSecret.from_words(" " * 4096 + " ".join(link_secret().words()))


@pytest.mark.clause("kex.8-2")
@settings(deadline=None)
@given(
    st.text(max_size=80)
    | st.text(max_size=60).map("https://a/c/".__add__)
    | st.text(max_size=40).map("e2ecall://a#".__add__)
)
def test_any_text_is_a_link_or_malformed(text):
    with contextlib.suppress(MalformedMessage):
        LinkSecret.parse(text)


@pytest.mark.clause("kex.8-2")
@pytest.mark.parametrize(
    "base",
    [
        "",
        "call.example",
        "http://call.example",
        "https://",
        "https://call.example/x",
        "https://call.example#",
        "https://a@b",
        "https://a?b",
    ],
)
def test_another_base(base):
    with pytest.raises(ApiMisuse, match="a link's base"):
        link_secret().link(base)


@pytest.mark.clause("kex.8-3")
def test_a_fresh_secret_is_16_bytes_of_the_rng():
    class Recording(SeededRng):
        def draw(self, name, length):
            asked.append((name, length))
            return super().draw(name, length)

    asked = []
    secret = LinkSecret.fresh(Recording("x"))
    assert asked == [("link secret", 16)]
    assert secret == LinkSecret(SecretBytes(SeededRng("x").draw("link secret", 16)))
    assert secret != LinkSecret.fresh(SeededRng("y"))


@pytest.mark.clause("kex.8-3")
@pytest.mark.parametrize("length", [0, 2, 15, 17, 32])
def test_no_other_length_is_a_link_secret(length):
    with pytest.raises(ApiMisuse, match="16 bytes"):
        LinkSecret(SecretBytes(bytes(length)))


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.clause("kex.8-5", "kex.8-6")
@settings(deadline=None)
@given(secrets, st.sampled_from(LANGUAGES))
def test_twelve_words_and_back(raw, lang):
    secret = LinkSecret(SecretBytes(raw))
    spelt = secret.words(lang)
    assert list(spelt) == link_words(raw, lang)
    assert len(spelt) == 12
    assert all(unicodedata.is_normalized("NFC", word) for word in spelt)
    assert LinkSecret.from_words(" ".join(spelt), lang) == secret
    assert LinkSecret.from_words(unicodedata.normalize("NFD", "\n".join(spelt)).upper(), lang) == secret


@pytest.mark.clause("kex.8-5")
def test_published_phrases():
    """Of BIP 39's own test vectors."""
    for raw, phrase in (
        ("00" * 16, "abandon " * 11 + "about"),
        ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
        ("80" * 16, "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
        ("ff" * 16, "zoo " * 11 + "wrong"),
    ):
        assert LinkSecret(SecretBytes(bytes.fromhex(raw))).words() == tuple(phrase.split())
        assert LinkSecret.from_words(phrase) == LinkSecret(SecretBytes(bytes.fromhex(raw)))


@pytest.mark.clause("kex.8-6")
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("place", range(1, 13))
def test_an_unknown_word_is_named_by_its_number_alone(lang, place):
    spelt = list(link_secret().words(lang))
    spelt[place - 1] = "kryptonite"
    for asked in (lang, None):
        with pytest.raises(MalformedMessage, match=rf"^word {place} is in no list") as refused:
            LinkSecret.from_words(" ".join(spelt), asked)
        text = shown(refused.value)
        assert "kryptonite" not in text
        assert not [word for word in spelt if word in text and len(word) > 5]
        assert refused.value.__context__ is None


@pytest.mark.clause("kex.8-6")
@pytest.mark.parametrize("count", [0, 1, 11, 13, 24])
def test_another_number_of_words(count):
    with pytest.raises(MalformedMessage, match="12 words"):
        LinkSecret.from_words(" ".join((link_secret().words() * 2)[:count]))


@pytest.mark.clause("kex.8-6")
def test_the_checksum_lets_one_in_sixteen_wrong_words_pass():
    spelt = list(link_secret().words())
    passed = []
    for word in numbers("en").keys() - {spelt[0]}:
        with contextlib.suppress(MalformedMessage):
            passed.append(LinkSecret.from_words(" ".join([word, *spelt[1:]])))
    assert link_secret() not in passed
    assert 80 < len(passed) < 180  # 128 of 2047 on average, by 11 a standard deviation


@pytest.mark.clause("kex.8-6")
@settings(deadline=None)
@given(st.text(max_size=120) | st.lists(st.sampled_from(sorted(numbers("en"))), min_size=11, max_size=13).map(" ".join))
def test_any_text_is_words_or_malformed(text):
    with contextlib.suppress(MalformedMessage):
        LinkSecret.from_words(text)


def test_words_of_a_language_that_is_not_there():
    for ask in (lambda: link_secret().words("de"), lambda: LinkSecret.from_words(" ".join(["zoo"] * 12), "de")):
        with pytest.raises(ApiMisuse, match="no language"):
            ask()


# -- the object ---------------------------------------------------------------------------------------------------


@pytest.mark.clause("kex.8-8")
def test_it_shows_and_gives_nothing_of_itself():
    secret = link_secret()
    assert repr(secret) == str(secret) == f"{secret}" == "<LinkSecret>"
    for wander in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ApiMisuse, match="cannot be"):
            wander(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert not hasattr(secret, "__dict__")


def test_it_is_compared_in_constant_time(monkeypatch):
    compared = []
    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(len(a)) or original(a, b))
    assert link_secret(7) == link_secret(7)
    assert link_secret(7) != link_secret(8)
    assert compared == [16, 16]
    assert link_secret(7) != bytes([7]) * 16


def test_wiped_it_is_good_for_nothing():
    secret = link_secret()
    assert not secret.wiped
    buffers = [secret._secret._data, secret._prk._data]
    secret.wipe()
    secret.wipe()
    assert secret.wiped
    assert [bytes(each) for each in buffers] == [bytes(16), bytes(32)]
    for use in (
        secret.psk,
        secret.room,
        secret.words,
        lambda: secret.psk_id(CALL_ID),
        lambda: secret.link("https://a"),
        lambda: secret.fragment,
        lambda: secret == link_secret(),
    ):
        with pytest.raises(ApiMisuse, match="wiped"):
            use()


def test_a_link_that_was_refused_leaves_nothing_unwiped(monkeypatch):
    made = []
    original = LinkSecret.__init__
    monkeypatch.setattr(LinkSecret, "__init__", lambda self, secret: made.append(self) or original(self, secret))
    with pytest.raises(MalformedMessage):
        LinkSecret.parse(f"https://call.example/c/{'0' * 32}#BwcHBwcHBwcHBwcHBwcHBw")
    assert [each.wiped for each in made] == [True]
