"""verification.1: the eight things a call can say about who is at the other end, in words, signs and permissions.

Each has a sign that differs without colour, a word, and one plain sentence, in English and French. "Nobody has checked
it" and "the key changed" share none of these: whoever mixes them up either ignores an attack or fears every new
friend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from e2ecall.identity.continuity import Why
from e2ecall.sas import Text

__all__ = ["CHANGES", "SIGNS", "STOPS", "Shown", "Sign", "Stop"]


class Shown(StrEnum):
    """verification.1: what is shown of the other side; exactly these."""

    VERIFIED_BEFORE = "verified-before"
    VERIFIED_NOW = "verified-now"
    SEEN = "seen"
    SEEN_BY_LINK = "seen-by-link"
    UNVERIFIED = "unverified"
    CHANGED = "changed"
    MISMATCH = "mismatch"
    REVOKED = "revoked"


class Stop(StrEnum):
    """verification.2: why no media may flow."""

    CHANGED = "changed"
    MISMATCH = "mismatch"
    REVOKED = "revoked"
    NOT_LET_IN = "not-let-in"
    NOT_VERIFIED = "not-verified"


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state looks: `symbol` or, without Unicode, `ascii`; a `word`; a `sentence`."""

    symbol: str
    ascii: str
    word: Text
    sentence: Text

    def say(self, lang: str = "en", *, ascii_only: bool = False) -> str:
        """verification.1: sign, word and sentence on one line, in "en" or "fr"; ApiMisuse for another language."""
        symbol = self.ascii if ascii_only else self.symbol
        return f"{symbol} {self.word.say(lang)}: {self.sentence.say(lang)}"


SIGNS: Final[Mapping[Shown, Sign]] = MappingProxyType(
    {
        Shown.VERIFIED_BEFORE: Sign(
            "✔",
            "[ok]",
            Text("verified", "vérifié"),
            Text(
                "You checked this device in an earlier call. Nothing to do.",
                "Vous avez contrôlé cet appareil lors d'un appel précédent. Rien à faire.",
            ),
        ),
        Shown.VERIFIED_NOW: Sign(
            "✔✔",
            "[ok now]",
            Text("verified just now", "vérifié à l'instant"),
            Text(
                "You checked this device in this call. Later calls with it need no check.",
                "Vous avez contrôlé cet appareil dans cet appel. Les prochains appels n'en demanderont pas.",
            ),
        ),
        Shown.SEEN: Sign(
            "◐",
            "[seen]",
            Text("known, not verified", "connu, non vérifié"),
            Text(
                "Encrypted, with a device that you have accepted. Nobody has compared the emoji with it.",
                "Chiffré, avec un appareil que vous avez accepté. Personne n'a comparé les emojis avec lui.",
            ),
        ),
        Shown.SEEN_BY_LINK: Sign(
            "∞",
            "[link]",
            Text("came by the link", "venu par le lien"),
            Text(
                "Encrypted, with someone who has your link. If only the two of you had it, nobody else can listen.",
                "Chiffré, avec quelqu'un qui a votre lien. Si vous étiez seuls à l'avoir, personne d'autre n'écoute.",
            ),
        ),
        Shown.UNVERIFIED: Sign(
            "○",
            "[new]",
            Text("not checked yet", "pas encore contrôlé"),
            Text(
                "Encrypted, nobody checked yet who is there. Compare four emoji once to be sure.",
                "Chiffré, personne n'a encore contrôlé qui est là. Comparez une fois quatre emojis pour en être sûr.",
            ),
        ),
        Shown.CHANGED: Sign(
            "⚠",
            "[!!]",
            Text("WARNING, another key", "ATTENTION, autre clé"),
            Text(
                "This is not the device of your contact. It may be a new phone, or someone in between. "
                "Sound and picture are held until you decide.",
                "Ce n'est pas l'appareil de votre contact. Un nouveau téléphone peut-être, ou un intrus. "
                "Son et image sont retenus jusqu'à votre décision.",
            ),
        ),
        Shown.MISMATCH: Sign(
            "✖",
            "[XX]",
            Text("DIFFERENT, stopped", "DIFFÉRENT, arrêté"),
            Text(
                "What you compared is different. Someone may be between you: hang up, reach the person another way.",
                "Ce que vous avez comparé diffère. Un intrus est possible : raccrochez, joignez la personne autrement.",
            ),
        ),
        Shown.REVOKED: Sign(
            "⊘",
            "[--]",
            Text("REVOKED, refused", "RÉVOQUÉ, refusé"),
            Text(
                "You took your trust away from this device, lost or stolen perhaps. No call with it is possible.",
                "Vous avez retiré votre confiance à cet appareil, perdu ou volé peut-être. Aucun appel n'est possible.",
            ),
        ),
    }
)

CHANGES: Final[Mapping[Why, Text]] = MappingProxyType(
    {
        Why.OTHER_CONTACT: Text(
            "This is the device of another contact: no sound, no picture. Call that contact instead.",
            "C'est l'appareil d'un autre contact : ni son, ni image. Appelez plutôt ce contact.",
        ),
        Why.NOT_POST_QUANTUM_ANY_MORE: Text(
            "The encryption is weaker than in earlier calls: it may be an old version, or someone in between. "
            "Sound and picture are held until you decide.",
            "Le chiffrement est plus faible que dans les appels précédents : une ancienne version peut-être, ou un "
            "intrus. Son et image sont retenus jusqu'à votre décision.",
        ),
        Why.MISMATCH: Text(
            "In an earlier call what you compared was different. Sound and picture are held until you decide.",
            "Dans un appel précédent, ce que vous aviez comparé différait. Son et image sont retenus jusqu'à votre "
            "décision.",
        ),
    }
)
"""verification.1: the sentence of a change that is not simply another key."""

STOPS: Final[Mapping[Stop, Text]] = MappingProxyType(
    {
        Stop.CHANGED: Text("No sound, no picture: the key is another one.", "Ni son, ni image : la clé est une autre."),
        Stop.MISMATCH: Text(
            "No sound, no picture: the comparison failed.", "Ni son, ni image : la comparaison a échoué."
        ),
        Stop.REVOKED: Text(
            "No sound, no picture: this device is revoked.", "Ni son, ni image : cet appareil est révoqué."
        ),
        Stop.NOT_LET_IN: Text(
            "No sound, no picture before you let this call in.", "Ni son, ni image avant que vous n'acceptiez l'appel."
        ),
        Stop.NOT_VERIFIED: Text(
            "No sound, no picture before a check: you chose the strict mode.",
            "Ni son, ni image avant un contrôle : vous avez choisi le mode strict.",
        ),
    }
)
