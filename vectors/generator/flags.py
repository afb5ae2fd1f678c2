"""What traps a case is about: the flags, why each is there, and which cases have it.

A row of `ROWS` is a file (or files, with `*`), an expression that is searched in the name of the case, and the flag. A
row that meets no case is an error, and so is a flag without a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from generator.flag_rows import ROWS

__all__ = ["FLAGS", "Flag", "Flagger"]


@dataclass(frozen=True, slots=True)
class Flag:
    """Why such cases are there, in one sentence, and where the fault was met or is ruled out."""

    why: str
    anchors: tuple[str, ...]

    def written(self) -> dict[str, Any]:
        """As it stands in the head of a file."""
        return {"why": self.why, "anchors": list(self.anchors)}


_DAVE: Final = "DAVE review by Trail of Bits,"
FLAGS: Final = {
    "OpeningNotChecked": Flag(
        "A responder that never compares the opening with the commitment lets a man in the middle choose the hash that"
        " both people read out.",
        ("CVE-2016-6271",),
    ),
    "OtherCall": Flag(
        "A message that is good in another call or transcript is not good in this one.",
        ("RFC 8446, section 4.4.1",),
    ),
    "Reflected": Flag(
        "What a side sent itself is not to be taken as coming from the other side.",
        ("Drucker and Gueron, Selfie, ePrint 2019/347",),
    ),
    "OutOfTurn": Flag(
        "A message that is not awaited at this point, or comes a second time, is refused.",
        ("RFC 8446, section 4",),
    ),
    "Downgrade": Flag(
        "Nobody on the way, and neither side alone, brings a call below what both sides have and ask for.",
        ("RFC 8446, section 4.1.3",),
    ),
    "UnknownVersion": Flag(
        "A version that is not spoken is refused before anything else is read: no other protocol stands behind it.",
        (f"{_DAVE} EC-16",),
    ),
    "StaticRatchet": Flag(
        "Keys move on with each generation and epoch; an old key does not open what comes after it.",
        (f"{_DAVE} EC-16", "RFC 9605, section 5.1"),
    ),
    "LowOrderPoint": Flag(
        "An X25519 key of low order makes the shared secret known to everybody.", ("RFC 7748, section 6.1",)
    ),
    "NonCanonicalPoint": Flag(
        "One point must not have two encodings where encodings are compared or hashed, and must be taken in each where"
        " the standard says so.",
        ("RFC 8032, section 5.1.3", "RFC 7748, section 5"),
    ),
    "SmallSubgroup": Flag(
        "A public value of small order, or with a part of small order, fits signatures or secrets that nobody made.",
        ("RFC 8032, section 5.1.7", "RFC 7919, section 5.1"),
    ),
    "WeakGroup": Flag(
        "A group that a server chooses may be one in which it can take logarithms.",
        ("CVE-2015-4000", "CVE-2016-0701"),
    ),
    "MalleableSignature": Flag(
        "A signature whose S has the group's order added is another encoding of the same one, and is refused.",
        ("RFC 8032, section 5.1.7",),
    ),
    "SignatureContext": Flag(
        "A signature that leaves out its label, its role or a length, or was made for another purpose, counts for"
        " nothing.",
        ("RFC 8446, section 4.4.3",),
    ),
    "ImplicitRejection": Flag(
        "A spoilt ML-KEM ciphertext gives another secret and no error, so the refusal comes later, at a seal.",
        ("FIPS 203, section 6.3",),
    ),
    "NonCanonicalKemKey": Flag(
        "An ML-KEM key with a coefficient of q or more is refused before it is used.", ("FIPS 203, section 7.2",)
    ),
    "CriticalField": Flag(
        "A critical field that is not known is refused, and the mark changes nothing in one that is known.",
        ("RFC 5280, section 4.2",),
    ),
    "UnknownTolerated": Flag(
        "What is not known and not critical is passed over, or the protocol can never grow.",
        ("RFC 9170, section 3",),
    ),
    "BelievedLength": Flag(
        "A length or a count that the bytes do not bear out is refused, and nothing is read beyond them.",
        ("CVE-2014-0160",),
    ),
    "NonMinimalHeader": Flag("A number has one encoding in a header, the shortest.", ("RFC 9605, section 4.3",)),
    "SeveralEncodings": Flag(
        "A text that other readers take in another way, or that has two forms, has one here or is refused.",
        ("RFC 8785, section 3", "RFC 3629, section 10"),
    ),
    "TruncatedTag": Flag(
        "A tag counts in its full length: a short or spoilt one is refused, also where another suite has shorter ones.",
        ("Isobe, Ito and Minematsu, ESORICS 2021", "RFC 9605, section 7.5"),
    ),
    "HeaderNotAuthenticated": Flag(
        "The header, the metadata and every byte that stays in clear are authenticated with the frame.",
        (f"{_DAVE} EE-10", f"{_DAVE} EE-11", f"{_DAVE} EC-7"),
    ),
    "SeveralKeysTried": Flag(
        "A frame is opened with the one key that it names, never with each in turn until one fits.",
        (f"{_DAVE} EC-5",),
    ),
    "OtherContext": Flag(
        "What belongs to one context, stream or sender is refused on another.", ("RFC 9605, section 5.2",)
    ),
    "Replay": Flag(
        "Nothing is taken twice, or after the window has passed over it.",
        (f"{_DAVE} EC-6", "RFC 9605, section 9.3"),
    ),
    "StateAfterRefusal": Flag(
        "What was refused has moved nothing: the good one that comes after it is taken.", ("RFC 4303, section 3.4.3",)
    ),
    "CounterEdge": Flag(
        "Where a counter changes its length, or ends, no number is used twice.", ("RFC 9605, section 9.1",)
    ),
    "Rollback": Flag(
        "A history that was cut, forked or replaced is not the one whose head was signed.",
        ("RFC 6962, section 2.1.2",),
    ),
    "Published": Flag(
        "The values stand in a published document too, and can be compared with it.",
        ("RFC 9605, appendix C", "draft-barnes-sframe-iana-256", "draft-connolly-cfrg-xwing-kem"),
    ),
}


class Flagger:
    """Gives the flags, and keeps count of the rows that met a case."""

    def __init__(self) -> None:
        self._idle = set(ROWS)

    def flags_of(self, place: str, name: str) -> list[str]:
        """The flags of one case, in the order of the table; `place` is folder/file without its ending."""
        met = [row for row in ROWS if fnmatchcase(place, row[0]) and re.search(row[1], name)]
        self._idle.difference_update(met)
        given = {flag for _, _, flag in met}
        return [flag for flag in FLAGS if flag in given]

    def check(self) -> None:
        """No row is idle, every row's flag is there, and every flag has a row."""
        if self._idle:
            raise ValueError(f"no case has a name for {sorted(self._idle)}")
        named = {flag for _, _, flag in ROWS}
        if named != FLAGS.keys():
            raise ValueError(f"flags and rows differ: {sorted(named ^ FLAGS.keys())}")
