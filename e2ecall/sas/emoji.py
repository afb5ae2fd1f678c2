"""sas.2: 32 bytes to four emoji of 333, by Telegram's mapping, with names that a person can say aloud.

The table is package data (`emoji333.json`), read once when it is first needed. Its look-alike classes are wide on
purpose: two emoji that may be taken for each other, by sight in a small font or by ear, are in one class, and so is
whatever either of them may be taken for. A class is used for one thing: no wrong row is told from the true one by
such a pair (`e2ecall.sas.rows`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from e2ecall.errors import ApiMisuse
from e2ecall.sas.lang import Text

__all__ = ["EMOJI_COUNT", "SAS_LENGTH", "Emoji", "FourEmoji", "check_sas", "describe", "emoji", "emoji_table"]

SAS_LENGTH: Final = 32
EMOJI_COUNT: Final = 333
_WORD: Final = 8
_WORD_MASK: Final = 0x7FFF_FFFF_FFFF_FFFF
_EMOJI_STYLE: Final = "\N{VARIATION SELECTOR-16}"
_KEYCAP: Final = "\N{COMBINING ENCLOSING KEYCAP}"
# Those of the table that fonts draw as black-and-white text unless they are told otherwise (UTS #51, ED-7).
_TEXT_BY_DEFAULT: Final = frozenset("✌☎❄✉✂✒✏✈⚠♥♦")


@dataclass(frozen=True, slots=True)
class Emoji:
    """One entry of the table: its `index`, the bare `char` that is hashed and sent, its names, and its class."""

    index: int
    char: str
    names: Text
    look_alike: str

    def name(self, lang: str = "en") -> str:
        """sas.2: the name to say aloud, in "en" or "fr"; ApiMisuse for another language."""
        return self.names.say(lang)

    @property
    def display(self) -> str:
        """`char` with the variation selector where a font needs one to draw it in colour; for screens only."""
        if self.char in _TEXT_BY_DEFAULT:
            return self.char + _EMOJI_STYLE
        if self.char.endswith(_KEYCAP):
            return self.char[0] + _EMOJI_STYLE + _KEYCAP
        return self.char


FourEmoji = tuple[Emoji, Emoji, Emoji, Emoji]


@cache
def emoji_table() -> tuple[Emoji, ...]:
    """sas.2: the 333 entries in Telegram's order."""
    text = files("e2ecall.sas").joinpath("emoji333.json").read_text(encoding="utf-8")
    rows: list[list[str]] = json.loads(text)["emoji"]
    return tuple(Emoji(i, char, Text(en, fr), alike) for i, (char, en, fr, alike) in enumerate(rows))


def check_sas(sas: bytes) -> None:
    """sas.1: the short authentication string has 32 bytes, or ApiMisuse."""
    if len(sas) != SAS_LENGTH:
        raise ApiMisuse(f"the authentication string has {len(sas)} bytes, not {SAS_LENGTH}", clause="sas.1-1")


def emoji(sas: bytes) -> FourEmoji:
    """sas.2: the four emoji of `sas` (32 bytes): four big-endian words, top bit cleared, modulo 333.

    Bit-exact with Telegram's calls. Raises ApiMisuse for another length.
    """
    check_sas(sas)
    table = emoji_table()

    def at(position: int) -> Emoji:
        word = int.from_bytes(sas[position * _WORD : (position + 1) * _WORD], "big")
        return table[(word & _WORD_MASK) % EMOJI_COUNT]

    return at(0), at(1), at(2), at(3)


def describe(row: Iterable[Emoji], lang: str = "en", *, ascii_only: bool = False) -> str:
    """sas.2: a row on one line, "👂 ear · 💯 hundred points · …"; with `ascii_only` the names alone, without accents.

    ApiMisuse for a language that is not there.
    """
    if ascii_only:
        return ", ".join(_ascii(each.name(lang)) for each in row)
    return " · ".join(f"{each.display} {each.name(lang)}" for each in row)


def _ascii(name: str) -> str:
    """`name` without accents and ligatures, for a terminal without UTF-8."""
    decomposed = unicodedata.normalize("NFKD", name.replace("œ", "oe"))
    return decomposed.encode("ascii", "ignore").decode("ascii")
