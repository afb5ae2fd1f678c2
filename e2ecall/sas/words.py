"""sas.7: 32 bytes to four words of eleven bits, for a voice line; and the two word lists, which links use as well.

The lists are the English and the French one of BIP 39 (MIT licence), as published: 2048 words each, one a line, in
Unicode form NFKD. Their first four letters differ within a list, so that a word is known before it is said in full.
They are package data, and their SHA-256 stands in the specification.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from e2ecall.errors import ApiMisuse
from e2ecall.sas.emoji import SAS_LENGTH, check_sas
from e2ecall.sas.lang import LANGUAGES

__all__ = ["WORDLISTS", "WORD_BITS", "FourWords", "fold", "numbers", "spell", "words"]

FourWords = tuple[str, str, str, str]

WORD_BITS: Final = 11
_COUNT: Final = 4
_FILES: Final = {"en": "bip39_english.txt", "fr": "bip39_french.txt"}
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae"})


def _read(name: str) -> tuple[str, ...]:
    text = files("e2ecall.sas").joinpath(name).read_text(encoding="utf-8")
    return tuple(unicodedata.normalize("NFC", text).split())


WORDLISTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({lang: _read(_FILES[lang]) for lang in LANGUAGES})
"""{language: its 2048 words in order, in Unicode form NFC}."""


def words(sas: bytes, lang: str = "en") -> FourWords:
    """sas.7: the four words of `sas` (32 bytes): eleven bits each from bit 0, the most significant bit of byte 0.

    In "en" or "fr", in Unicode form NFC. ApiMisuse for another length or language.
    """
    check_sas(sas)
    first = int.from_bytes(sas, "big") >> (8 * SAS_LENGTH - _COUNT * WORD_BITS)
    one, two, three, four = spell(first, _COUNT, lang)
    return one, two, three, four


def spell(number: int, count: int, lang: str = "en") -> tuple[str, ...]:
    """BIP 39: a `number` below 2^(11 * count) as `count` words, the most significant first; ApiMisuse otherwise."""
    if lang not in WORDLISTS:
        raise ApiMisuse(f"no language {lang!r} here", hint=f"use one of {', '.join(LANGUAGES)}", clause="sas.7-2")
    if not 0 <= number < 1 << WORD_BITS * count:
        raise ApiMisuse(f"that number does not fit into {count} words")
    words_of = WORDLISTS[lang]
    mask = len(words_of) - 1
    return tuple(words_of[number >> WORD_BITS * place & mask] for place in reversed(range(count)))


def numbers(lang: str) -> Mapping[str, int]:
    """{folded word: its number, 0 to 2047} of the list in `lang`, "en" or "fr"; ApiMisuse for another language."""
    if lang not in WORDLISTS:
        raise ApiMisuse(f"no language {lang!r} here", hint=f"use one of {', '.join(LANGUAGES)}", clause="sas.7-2")
    return _numbers(lang)


@cache
def _numbers(lang: str) -> Mapping[str, int]:
    return MappingProxyType({fold(word): number for number, word in enumerate(WORDLISTS[lang])})


def fold(text: str) -> str:
    """`text` as words are compared: any Unicode form, without case, accents, ligatures and invisible characters."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold().translate(_LIGATURES))
    return "".join(each for each in plain if unicodedata.category(each) not in ("Mn", "Cf"))
