"""kex.8 and sas.7: links, twelve words and four words, from the chapters alone; of the product it reads two lists."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache
from pathlib import Path

from e2ecall.audit.oracle.refused import Refused

__all__ = ["four_words", "link_secret", "link_text", "link_words", "read_words", "wordlist"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LISTS = {"en": "bip39_english.txt", "fr": "bip39_french.txt"}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]")


@cache
def wordlist(lang: str) -> list[str]:
    """sas.7-2: the words as published, put into NFC."""
    path = Path(__file__).resolve().parents[2] / "sas" / _LISTS[lang]
    return [unicodedata.normalize("NFC", line) for line in path.read_bytes().decode("utf-8").split("\n") if line]


def _bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def _bytes(bits: str) -> bytes:
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def _cut(bits: str, lang: str) -> list[str]:
    listed = wordlist(lang)
    return [listed[int(bits[at : at + 11], 2)] for at in range(0, len(bits), 11)]


def four_words(sas: bytes, lang: str) -> list[str]:
    """sas.7-1."""
    if len(sas) != 32:
        raise Refused("misuse", "sas.1-1", "not 32 bytes")
    return _cut(_bits(sas)[:44], lang)


def link_words(secret: bytes, lang: str) -> list[str]:
    """kex.8-5."""
    return _cut(_bits(secret) + _bits(hashlib.sha256(secret).digest())[:4], lang)


def _plain(text: str) -> str:
    """kex.8-6: without case, accents, ligatures and format characters."""
    out = []
    for char in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()):
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Cf"):
            continue
        out.append({"œ": "oe", "æ": "ae"}.get(char, char))
    return "".join(out)


def read_words(text: str, lang: str | None) -> bytes:
    """kex.8-6, kex.8-7: the secret that twelve words spell."""
    found = _plain(text).split()
    if len(found) != 12:
        raise Refused("malformed", "kex.8-6", "not twelve words")
    secrets = []
    for each in ("en", "fr") if lang is None else (lang,):
        listed = [_plain(word) for word in wordlist(each)]
        if all(word in listed for word in found):
            secrets.append("".join(f"{listed.index(word):011b}" for word in found))
    if not secrets:
        raise Refused("malformed", "kex.8-6", "a word of no list")
    fitting = [
        _bytes(bits[:128]) for bits in secrets if _bits(hashlib.sha256(_bytes(bits[:128])).digest())[:4] == bits[128:]
    ]
    if not fitting:
        raise Refused("malformed", "kex.8-6", "the checksum does not fit")
    if len(fitting) > 1:
        raise Refused("malformed", "kex.8-7", "good in two languages")
    return fitting[0]


def _fragment(secret: bytes) -> str:
    bits = _bits(secret) + "0000"
    return "".join(_ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, 132, 6))


def link_text(base: str, secret: bytes, room: bytes) -> str:
    """kex.8-4: the link at `base`, a scheme and a host."""
    return base + "/c/" + room.hex() + "#" + _fragment(secret)


def link_secret(link: str) -> tuple[bytes, str | None]:
    """kex.8-2: the secret of a link, and the ID that it names; whether they belong together the caller looks up."""
    location, mark, fragment = link.partition("#")
    scheme, slashes, rest = location.partition("://")
    if not mark or not slashes or scheme.lower() not in ("e2ecall", "https"):
        raise Refused("malformed", "kex.8-2", "not a link")
    host, slash, path = rest.partition("?")[0].partition("/")
    if not host or set(host) - _HOST:
        raise Refused("malformed", "kex.8-2", "no host")
    bits = "".join(f"{_ALPHABET.index(char):06b}" for char in fragment if char in _ALPHABET)
    if len(fragment) != 22 or len(bits) != 132 or bits[128:] != "0000":
        raise Refused("malformed", "kex.8-2", "no secret")
    named = path[2:] if slash and path.startswith("c/") else None
    if scheme.lower() == "https" and named is None:
        raise Refused("malformed", "kex.8-2", "no id")
    return _bytes(bits[:128]), named
