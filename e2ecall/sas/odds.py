"""sas.6: what a comparison is worth, as exact fractions and in one plain sentence.

An attacker in the middle holds one exchange with each side and needs both to show the same code. The commitment
leaves no room for searching, so each pair of exchanges agrees by chance alone. The reductions modulo 333 and 10^10
are uneven by less than 2^-54 and 2^-94: nothing that a person could notice. Four words are 44 bits as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Final

from e2ecall.errors import ApiMisuse
from e2ecall.sas.digits import DIGITS
from e2ecall.sas.emoji import EMOJI_COUNT
from e2ecall.sas.lang import Text
from e2ecall.sas.rows import ROW_COUNT
from e2ecall.sas.words import WORD_BITS

__all__ = ["CAVEAT", "Code", "Odds", "attempt", "attempts", "blind_pick", "count_in_words"]

CAVEAT: Final = Text(
    "This holds for the voice you know: a live voice clone can read the wrong code aloud.",
    "Cela vaut pour la voix que vous connaissez : une voix clonée en direct peut lire un faux code.",
)
_MILLION: Final = 10**6
_BILLION: Final = 10**9
_TRILLION: Final = 10**12


class Code(IntEnum):
    """What is compared; the value is how many codes there are."""

    EMOJI = EMOJI_COUNT**4
    DIGITS = 10**DIGITS
    WORDS = 1 << 4 * WORD_BITS


@dataclass(frozen=True, slots=True)
class Odds:
    """The attacker's `chance`, and the `sentence` that says it without overstating what was gained."""

    chance: Fraction
    sentence: Text

    @property
    def one_in(self) -> int:
        """The chance as 1 in so many, rounded down: never better than the truth."""
        return int(1 / self.chance)

    def say(self, lang: str = "en") -> str:
        """sas.6: the sentence in "en" or "fr"; ApiMisuse for another language."""
        return self.sentence.say(lang)


def attempt(code: Code = Code.EMOJI) -> Odds:
    """sas.6: one exchange on each side, the whole code compared.

    1 in 12,296,370,321 (emoji), 10^10 (digits) or 2^44 (words).
    """
    chance = Fraction(1, code)
    english, french = _WHOLE[code]
    return Odds(
        chance,
        Text(
            f"{english} are compared, someone in the middle goes unnoticed "
            f"in 1 of {count_in_words(code, 'en')} attempts.",
            f"{french} sont comparés, une personne au milieu passe inaperçue "
            f"dans 1 tentative sur {count_in_words(code, 'fr')}.",
        ),
    )


def attempts(openings: int, answers: int, code: Code = Code.EMOJI) -> Odds:
    """sas.6: at most openings x answers / codes, for that many exchanges with the caller and with the callee.

    A union bound over all pairs, capped at 1. Both numbers are at least 1, or ApiMisuse.
    """
    if openings < 1 or answers < 1:
        raise ApiMisuse("odds need at least one opening and one answer", clause="sas.6-2")
    chance = min(Fraction(1), Fraction(openings * answers, code))
    one_in = int(1 / chance)
    return Odds(
        chance,
        Text(
            f"With {openings} tries on one side and {answers} on the other, someone in the middle goes unnoticed "
            f"in at most 1 of {count_in_words(one_in, 'en')} cases.",
            f"Avec {openings} essais d'un côté et {answers} de l'autre, une personne au milieu passe inaperçue "
            f"dans au plus 1 cas sur {count_in_words(one_in, 'fr')}.",
        ),
    )


def blind_pick() -> Odds:
    """sas.6: a row picked at random is the true one 1 time in 8."""
    return Odds(
        Fraction(1, ROW_COUNT),
        Text(
            f"A row picked blindly is the right one 1 time in {ROW_COUNT}; "
            "tapping your own row without listening checks nothing.",
            f"Une ligne choisie à l'aveugle est la bonne 1 fois sur {ROW_COUNT} ; "
            "toucher sa propre ligne sans écouter ne vérifie rien.",
        ),
    )


def count_in_words(number: int, lang: str) -> str:
    """A positive count as people say it, rounded down: "12 billion", "1,5 milliard"; below a million in full.

    French goes on in milliards where English says trillion: its own word for that, "billion", would be misread.
    """
    billions = Text("billion", "milliard")
    if number >= _TRILLION and lang == "en":
        return _scaled(number, _TRILLION, Text("trillion", "billion"), lang)
    if number >= _BILLION:
        return _scaled(number, _BILLION, billions, lang)
    if number >= _MILLION:
        return _scaled(number, _MILLION, Text("million", "million"), lang)
    return _in_full(number, lang)


def _scaled(number: int, unit: int, name: Text, lang: str) -> str:
    whole, tenth = divmod(number * 10 // unit, 10)
    decimals = f"{Text('.', ',').say(lang)}{tenth}" if tenth and whole < 10 else ""
    plural = "s" if lang == "fr" and whole >= 2 else ""
    return f"{_in_full(whole, lang)}{decimals} {name.say(lang)}{plural}"


def _in_full(number: int, lang: str) -> str:
    return f"{number:,}".replace(",", Text(",", " ").say(lang))


_WHOLE: Final = {
    Code.EMOJI: ("If all four emoji", "Si les quatre emojis"),
    Code.DIGITS: ("If all ten digits", "Si les dix chiffres"),
    Code.WORDS: ("If all four words", "Si les quatre mots"),
}
