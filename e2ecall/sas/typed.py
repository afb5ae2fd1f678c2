"""sas.8: what the other side reads out is typed in whole: ten digits, or four words. One answer, then never again.

Typing takes longer than a pick among eight and is worth more against a person who does not listen: there is nothing
to tap. What remains is a person who copies the own screen; so the own code is not shown while one types.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from e2ecall.errors import MalformedMessage
from e2ecall.sas.digits import DIGITS, digits
from e2ecall.sas.emoji import check_sas
from e2ecall.sas.lang import LANGUAGES
from e2ecall.sas.once import OneAnswer, equals_any
from e2ecall.sas.words import fold, numbers, words

__all__ = ["TypedDigits", "TypedWords", "read_digits", "read_words"]

WORD_COUNT: Final = 4
_BETWEEN: Final = frozenset({"Zs", "Pd"})  # Unicode's spaces and dashes
_LONGEST: Final = 256  # characters; nobody types more, and nothing here should have to read it


class TypedDigits(OneAnswer):
    """sas.8: one answer of ten digits. `answer` spends the object; a second one raises ApiMisuse."""

    __slots__ = ("_digits",)

    def __init__(self, sas: bytes) -> None:
        super().__init__()
        self._digits = digits(sas)

    def answer(self, text: str) -> str:
        """sas.8: the person typed `text`. Returns its ten digits when they are those of this side.

        VerificationFailed when they are not. MalformedMessage for what is not ten digits: that spends nothing.
        """
        self._require_open("sas.8-4")
        typed = read_digits(text)
        same = equals_any(typed, [self._digits])
        self._settle(None if same else "the digits that were typed are not those on this side", "sas.8-3")
        return typed


class TypedWords(OneAnswer):
    """sas.8: one answer of four words, in whichever language the other side reads them out."""

    __slots__ = ("_codes",)

    def __init__(self, sas: bytes) -> None:
        super().__init__()
        check_sas(sas)
        self._codes = [" ".join(fold(word) for word in words(sas, lang)) for lang in LANGUAGES]

    def answer(self, text: str) -> str:
        """sas.8: the person typed `text`. Returns its four words when they are those of this side, in any language.

        VerificationFailed when they are not. MalformedMessage for what is not four words of one list: that spends
        nothing.
        """
        self._require_open("sas.8-4")
        typed = " ".join(read_words(text))
        same = equals_any(typed, self._codes)
        self._settle(None if same else "the words that were typed are not those on this side", "sas.8-3")
        return typed


def read_digits(text: str) -> str:
    """sas.8: the ten ASCII digits of `text`, with spaces and dashes allowed between them; else MalformedMessage."""
    typed = text.strip() if len(text) <= _LONGEST else ""
    found = "".join(each for each in typed if unicodedata.category(each) not in _BETWEEN)
    framed = typed[:1].isdigit() and typed[-1:].isdigit()
    if not framed or len(found) != DIGITS or not all("0" <= each <= "9" for each in found):
        raise MalformedMessage(
            f"a code has {DIGITS} digits", clause="sas.8-1", hint="type all ten digits; this was not counted"
        )
    return found


def read_words(text: str) -> tuple[str, ...]:
    """sas.8: the four words of `text`, without case and accents; MalformedMessage unless one list has all four."""
    typed = fold(text) if len(text) <= _LONGEST else ""
    found = tuple("".join(" " if unicodedata.category(each) in _BETWEEN else each for each in typed).split())
    if len(found) != WORD_COUNT or not any(numbers(lang).keys() >= set(found) for lang in LANGUAGES):
        raise MalformedMessage(
            f"a code has {WORD_COUNT} words of one list",
            clause="sas.8-2",
            hint="type all four words as they are spelled; this was not counted",
        )
    return found
