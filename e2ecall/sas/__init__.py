"""Bits to what people compare: four emoji with names, digits, words, a QR code; rows to pick from, and the true odds.

    emoji(sas), describe(row)        sas.2   four emoji by Telegram's mapping, with names in English and French
    digits(sas), group(code)         sas.3   ten digits, read five and five
    eight_rows(sas, rng), RowPick    sas.4   the rows, and the one pick (sas.5)
    attempt, attempts, blind_pick    sas.6   what a comparison is worth
    words(sas, lang)                 sas.7   four words of 2048
    TypedDigits, TypedWords          sas.8   what was heard, typed in whole: the one answer
    qr_text(sas, role), QrScan       sas.9   the whole hash for a camera: the one scan
    svg(sas), terminal_art(sas)      sas.10  a picture, for recognition only

Pure: no clock, no IO, randomness passed in. `sas` is always the 32 bytes of the exchange's short authentication
string.
"""

from e2ecall.sas.digits import digits, group
from e2ecall.sas.emoji import Emoji, FourEmoji, describe, emoji, emoji_table
from e2ecall.sas.lang import LANGUAGES, Text
from e2ecall.sas.odds import CAVEAT, Code, Odds, attempt, attempts, blind_pick
from e2ecall.sas.picture import Picture, picture, svg, terminal_art
from e2ecall.sas.qr import QrScan, check_qr, qr_text
from e2ecall.sas.rows import PickState, RowPick, Rows, eight_rows
from e2ecall.sas.typed import TypedDigits, TypedWords
from e2ecall.sas.words import words

__all__ = [
    "CAVEAT",
    "LANGUAGES",
    "Code",
    "Emoji",
    "FourEmoji",
    "Odds",
    "PickState",
    "Picture",
    "QrScan",
    "RowPick",
    "Rows",
    "Text",
    "TypedDigits",
    "TypedWords",
    "attempt",
    "attempts",
    "blind_pick",
    "check_qr",
    "describe",
    "digits",
    "eight_rows",
    "emoji",
    "emoji_table",
    "group",
    "picture",
    "qr_text",
    "svg",
    "terminal_art",
    "words",
]
