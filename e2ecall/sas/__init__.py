"""Bits to what people compare: four emoji with names, ten digits, eight rows to pick from, and the true odds.

    emoji(sas), describe(row)        sas.2   four emoji by Telegram's mapping, with names in English and French
    digits(sas), group(code)         sas.3   ten digits, read five and five
    eight_rows(sas, rng), RowPick    sas.4   the rows, and the one pick (sas.5)
    attempt, attempts, blind_pick    sas.6   what a comparison is worth

Pure: no clock, no IO, randomness passed in. `sas` is always the 32 bytes of the exchange's short authentication
string.
"""

from e2ecall.sas.digits import digits, group
from e2ecall.sas.emoji import Emoji, FourEmoji, describe, emoji, emoji_table
from e2ecall.sas.lang import LANGUAGES, Text
from e2ecall.sas.odds import CAVEAT, Code, Odds, attempt, attempts, blind_pick
from e2ecall.sas.rows import PickState, RowPick, Rows, eight_rows

__all__ = [
    "CAVEAT",
    "LANGUAGES",
    "Code",
    "Emoji",
    "FourEmoji",
    "Odds",
    "PickState",
    "RowPick",
    "Rows",
    "Text",
    "attempt",
    "attempts",
    "blind_pick",
    "describe",
    "digits",
    "eight_rows",
    "emoji",
    "emoji_table",
    "group",
]
