"""Links and what comes of their secrets, twelve words, and the four words of the visual hash."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from e2ecall.audit.oracle.key_schedule import link
from e2ecall.audit.oracle.links import four_words, link_secret, link_text, link_words, read_words, wordlist
from e2ecall.audit.oracle.refused import Refused
from generator.cases import OURS, Case, Draw, VectorFile, outcome

__all__ = ["FILES"]

_EDGES = {"all zero": bytes(16), "all one": b"\xff" * 16, "ascending": bytes(range(16))}
_HTTPS = "https://call.example"
_OWN = "e2ecall://relay.example"
_CALL_ID = bytes(range(16))


def _derived(secret: bytes) -> Case:
    keys = link(secret, _CALL_ID)
    return {"room": keys.room.hex(), "psk": keys.psk.hex(), "psk_id": keys.psk_id.hex()}


def _parsed(text: str) -> bytes:
    secret, named = link_secret(text)
    if named is not None and named != link(secret, _CALL_ID).room.hex():
        raise Refused("malformed", "kex.8-4", "the ID is that of another secret")
    return secret


def _link_case(name: str, text: str) -> Case:
    secret, refused = outcome(lambda: _parsed(text))
    case = {"name": name, "clause": refused.clause if refused else "kex.8-4", "op": "link.parse", "link": text}
    if refused:
        return case | {"result": refused.layer}
    return case | {"secret": secret.hex(), "call_id": _CALL_ID.hex()} | _derived(secret) | {"result": "ok"}


def _good(secret: bytes) -> Iterator[tuple[str, str]]:
    room = link(secret, _CALL_ID).room
    whole, own = link_text(_HTTPS, secret, room), link_text(_OWN, secret, room)
    fragment = whole[whole.index("#") :]
    yield "a page", whole
    yield "a relay", own
    yield "a relay without an ID", f"{_OWN}{fragment}"
    yield "a relay with a slash and no ID", f"{_OWN}/{fragment}"
    yield "another path at a relay", f"{_OWN}/x/y{fragment}"
    yield "a port", own.replace("relay.example", "relay.example:8460")
    yield "an IPv6 address", own.replace("relay.example", "[2001:db8::1]:8460")
    yield "a query that something added on the way", whole.replace("#", "?from=mail#")
    yield "the scheme in capitals", whole.replace("https", "HTTPS")


def _bad(secret: bytes, other: bytes) -> Iterator[tuple[str, str]]:
    room, other_room = (link(each, _CALL_ID).room for each in (secret, other))
    whole, own = link_text(_HTTPS, secret, room), link_text(_OWN, secret, room)
    location, _, fragment = whole.partition("#")
    yield "nothing", ""
    yield "no link", "hello"
    yield "another scheme", whole.replace("https", "http")
    yield "a scheme and no slashes", whole.replace("://", ":")
    yield "no host", whole.replace("call.example", "")
    yield "a user's name before the host", whole.replace("call.example", "call.example@elsewhere.example")
    yield "a space before it", " " + whole
    yield "no secret", location
    yield "an empty secret", location + "#"
    yield "a secret that is short", whole[:-1]
    yield "a secret that is long", whole + "A"
    yield "a line end behind the secret", whole + "\n"
    yield "padding", whole + "=="
    yield "the alphabet of base64", f"{location}#+{fragment[1:]}"
    yield "stray bits", f"{location}#{fragment[:-1]}{chr(ord(fragment[-1]) + 1)}"
    yield "no ID at a page", f"{_HTTPS}/#{fragment}"
    yield "another path at a page", f"{_HTTPS}/d/{room.hex()}#{fragment}"
    yield "an empty ID", f"{_HTTPS}/c/#{fragment}"
    yield "another secret's ID", link_text(_HTTPS, secret, other_room)
    yield "another secret's ID at a relay", link_text(_OWN, secret, other_room)
    yield "the ID in capitals", whole.replace(room.hex(), room.hex().upper())
    yield "an ID that is short", whole.replace(room.hex(), room.hex()[:-1])
    yield "a slash behind the ID", whole.replace("#", "/#")
    yield "one digit of the ID", own.replace(room.hex(), f"{int(room.hex()[0], 16) ^ 1:x}{room.hex()[1:]}")
    for at in (0, 10, 21):
        char = "Q" if fragment[at] != "Q" else "g"
        yield f"character {at} of the secret", f"{location}#{fragment[:at]}{char}{fragment[at + 1 :]}"


def _links() -> Iterator[Case]:
    draw = Draw("links")
    secret, other = draw.bytes(16), draw.bytes(16)
    while not (secret[-1] & 3 == 0 and secret[0] < 0xF0):  # the last character A, Q, g or w has a neighbour
        secret = draw.bytes(16)
    for name, text in _good(secret):
        yield _link_case(name, text)
    for name, edge in _EDGES.items():
        yield _link_case(name, link_text(_HTTPS, edge, link(edge, _CALL_ID).room))
    for name, text in _bad(secret, other):
        yield _link_case(name, text)


def _words_case(name: str, text: str, lang: str | None = None) -> Case:
    secret, refused = outcome(lambda: read_words(text, lang))
    case = {"name": name, "clause": refused.clause if refused else "kex.8-6", "op": "link.words", "words": text}
    case |= {} if lang is None else {"lang": lang}
    if refused:
        return case | {"result": refused.layer}
    return case | {"secret": secret.hex(), "call_id": _CALL_ID.hex()} | _derived(secret) | {"result": "ok"}


def _twelve() -> Iterator[Case]:
    draw = Draw("twelve words")
    secrets = {**_EDGES, **{f"drawn {number}": draw.bytes(16) for number in range(4)}}
    for name, secret in secrets.items():
        for lang in ("en", "fr"):
            spelt = " ".join(link_words(secret, lang))
            yield _words_case(f"{name}, {lang}", spelt, lang)
            yield _words_case(f"{name}, {lang}, not said to be", spelt)
    secret = secrets["drawn 0"]
    english, french = (link_words(secret, lang) for lang in ("en", "fr"))
    accented = next(each for each in secrets.values() if not " ".join(link_words(each, "fr")).isascii())
    spelt = " ".join(link_words(accented, "fr"))
    yield _words_case("capitals", " ".join(english).upper())
    yield _words_case("spaces, tabs and line ends", "  \t" + " \u3000\n".join(english) + "\n")
    yield _words_case("form NFC", unicodedata.normalize("NFC", spelt))
    yield _words_case("form NFD", unicodedata.normalize("NFD", spelt))
    yield _words_case("accents left out", unicodedata.normalize("NFD", spelt).encode("ascii", "ignore").decode())
    yield _words_case("accents in capitals", spelt.upper())
    yield _words_case("full-width letters", "".join(chr(ord(c) + 0xFEE0) if c != " " else c for c in " ".join(english)))
    yield _words_case("an invisible character", "\ufeff" + " ".join(english).replace("a", "a\u200b"))
    yield _words_case("nothing", "")
    yield _words_case("eleven words", " ".join(english[:11]))
    yield _words_case("thirteen words", " ".join([*english, english[0]]))
    for place in (1, 7, 12):
        spoilt = [*english[: place - 1], "kryptonite", *english[place:]]
        yield _words_case(f"word {place} is in no list", " ".join(spoilt))
    yield _words_case("the first four letters alone", " ".join(word[:4] for word in ["abandon", *english[1:]]))
    yield _words_case("six words of each language", " ".join([*english[:6], *french[6:]]))
    yield _words_case("English words said to be French", " ".join(english), "fr")
    yield _words_case("two words in the other order", " ".join([english[1], english[0], *english[2:]]))
    listed = wordlist("en")
    for step in (1, 2, 15):
        last = listed[listed.index(english[11]) // 16 * 16 + (listed.index(english[11]) + step) % 16]
        yield _words_case(f"the checksum {step} further on", " ".join([*english[:11], last]))
    yield _words_case("good in both languages", " ".join(_in_both()))
    yield _words_case("the same, said to be French", " ".join(_in_both()), "fr")
    yield _words_case("the same, said to be English", " ".join(_in_both()), "en")


def _in_both() -> list[str]:
    """Twelve words that stand in both lists, with a checksum that fits in either."""
    shared = sorted(set(wordlist("en")) & set(wordlist("fr")))
    draw = Draw("words of both languages")
    while True:
        found = [shared[draw.below(len(shared))] for _ in range(12)]
        if all(_words_case("", " ".join(found), lang)["result"] == "ok" for lang in ("en", "fr")):
            return found


def _four() -> Iterator[Case]:
    draw = Draw("four words")
    hashes = {
        "all zero": bytes(32),
        "all one": b"\xff" * 32,
        "ascending": bytes(range(32)),
        "bit 0": b"\x80" + bytes(31),
        "bit 10, the last of the first word": b"\0\x20" + bytes(30),
        "bit 11, the first of the second word": b"\0\x10" + bytes(30),
        "bit 43, the last that counts": bytes(5) + b"\x10" + bytes(26),
        "bit 44, the first that does not": bytes(5) + b"\x08" + bytes(26),
        "bits 44 to 255": bytes(5) + b"\x0f" + b"\xff" * 26,
    }
    hashes |= {f"drawn {number}": draw.bytes(32) for number in range(6)}
    for name, sas in hashes.items():
        for lang in ("en", "fr"):
            case = {"name": f"{name}, {lang}", "clause": "sas.7-1", "op": "sas.words", "sas": sas.hex(), "lang": lang}
            yield case | {"words": four_words(sas, lang), "result": "ok"}
    sas = bytes(32).hex()
    for lang in ("de", "", "EN"):
        yield {
            "name": f"no language {lang!r}",
            "clause": "sas.7-2",
            "op": "sas.words",
            "sas": sas,
            "lang": lang,
        } | _MISUSE
    for length in (0, 6, 31, 33):
        case = {"name": f"{length} bytes instead of 32", "clause": "sas.1-1", "op": "sas.words"}
        yield case | {"sas": bytes(length).hex(), "lang": "en"} | _MISUSE


_MISUSE: Case = {"result": "misuse"}

FILES = (
    VectorFile("parse.json", "link.parse", "links, and what comes of their secrets", OURS, tuple(_links()), "link"),
    VectorFile("words.json", "link.words", "twelve words, and what comes of them", OURS, tuple(_twelve()), "link"),
    VectorFile("words.json", "sas.words", "four words of the visual hash", OURS, tuple(_four()), "sas"),
)
