"""kex.8: the link secret, 128 bits that only the two have: as a link, as twelve words, and what is derived from it.

Strings cannot be wiped in Python: `fragment`, `link` and `words` hand the secret out as text, and whoever asks for it
shows it and forgets it. `redact` takes it out of any other text (`e2ecall.handshake.redact`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, NoReturn

from e2ecall.crypto.kdf import constant_time_equal, hkdf_expand, hkdf_extract, sha256
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.handshake.redact import redact
from e2ecall.sas.lang import LANGUAGES
from e2ecall.sas.words import WORD_BITS, fold, numbers, spell
from e2ecall.secret import SecretBytes

__all__ = ["LinkSecret", "redact"]

SECRET_LENGTH: Final = 16
WORD_COUNT: Final = 12
_FRAGMENT_LENGTH: Final = 22
_CHECKSUM_BITS: Final = WORD_COUNT * WORD_BITS - 8 * SECRET_LENGTH
_LONGEST: Final = 4096  # characters of a link or of twelve words; nothing longer is looked at
_LOCATION: Final = (
    r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://"
    r"(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@\[\]\\:]+)(?::[0-9]{1,5})?"
    r"(?P<path>/[^\s?#\\]*)?"
)
_BASE: Final = re.compile(_LOCATION)
_LINK: Final = re.compile(_LOCATION + r"(?:\?[^\s#]*)?(?:#(?P<secret>.*))?", re.DOTALL)
_SCHEMES: Final = ("e2ecall", "https")
_ID_PATH: Final = "/c/"


class LinkSecret:
    """16 secret bytes shared through a link's fragment; they authenticate as a PSK and name the room.

    Compares in constant time, cannot be hashed, copied or pickled, and never shows itself. After `wipe` every use is
    ApiMisuse.
    """

    __slots__ = ("_prk", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        if len(secret) != SECRET_LENGTH:
            raise ApiMisuse("a link secret has 16 bytes", clause="kex.8-3")
        self._secret = secret
        self._prk = hkdf_extract(b"e2ecall/1 link", secret.expose())

    @classmethod
    def fresh(cls, rng: Rng) -> LinkSecret:
        """kex.8-3: a new one, all 128 bits from `rng` under the name "link secret"."""
        return cls(SecretBytes(rng.draw("link secret", SECRET_LENGTH)))

    @classmethod
    def parse(cls, link: str) -> LinkSecret:
        """kex.8-2, kex.8-4: from `e2ecall://host/…#secret` or `https://host/c/ID#secret`.

        MalformedMessage for anything else, and where ID is not the secret's own; it never repeats any of the link.
        """
        found = _LINK.fullmatch(link) if len(link) <= _LONGEST else None
        if found is None:
            raise MalformedMessage("this is not a link", path="link", clause="kex.8-2")
        if found["scheme"].lower() not in _SCHEMES:
            raise MalformedMessage("a link begins with e2ecall:// or https://", path="link.scheme", clause="kex.8-2")
        secret = cls(_decode_fragment(found["secret"] or ""))
        try:
            secret._check_path(found["scheme"].lower(), found["path"] or "")
        except MalformedMessage:
            secret.wipe()
            raise
        return secret

    @classmethod
    def from_words(cls, text: str, lang: str | None = None) -> LinkSecret:
        """kex.8-6, kex.8-7: from twelve words of one list, of `lang` or of whichever list has them all.

        In any Unicode form, case and spacing, with or without accents. MalformedMessage for another number of words,
        for a word of no list (by its number, 1 to 12; never the word itself), for a checksum that does not fit, and
        where the words are good in two languages. ApiMisuse for a language that is not there. The checksum lets 1 in
        16 wrong phrases pass: that it fits is no proof of anything.
        """
        folded = fold(text).split() if len(text) <= _LONGEST else []
        if len(folded) != WORD_COUNT:
            raise MalformedMessage(f"a link has {WORD_COUNT} words", path="link.words", clause="kex.8-6")
        lists = [numbers(each) for each in (LANGUAGES if lang is None else (lang,))]
        whole = [known for known in lists if _first_unknown(folded, known) is None]
        if not whole:
            place = max(_first_unknown(folded, known) or 0 for known in lists)
            raise MalformedMessage(f"word {place} is in no list", path="link.words", clause="kex.8-6")
        good = [secret for known in whole if (secret := _from_numbers([known[word] for word in folded])) is not None]
        if not good:
            raise MalformedMessage("the words do not fit together", path="link.words", clause="kex.8-6")
        if len(good) > 1:
            hint = "say in which language they are"
            raise MalformedMessage(
                "the words are good in two languages", path="link.words", clause="kex.8-7", hint=hint
            )
        return cls(good[0])

    @property
    def fragment(self) -> str:
        """What stands behind the `#`: 22 characters of base64url (RFC 4648 §5) without padding. It is the secret."""
        return base64.urlsafe_b64encode(self._secret.expose()).decode().rstrip("=")

    def link(self, base: str) -> str:
        """kex.8-4: the link at `base`, `https://host` or `e2ecall://host`: base/c/ID#secret, ID the room in hex.

        The text that is sent, and that a QR code carries. It is the secret. ApiMisuse for another base.
        """
        found = _BASE.fullmatch(base)
        if found is None or found["scheme"] not in _SCHEMES or found["path"] not in (None, "/"):
            raise ApiMisuse("a link's base is https://host or e2ecall://host, without a path", clause="kex.8-2")
        return f"{base.removesuffix('/')}{_ID_PATH}{self.room().hex()}#{self.fragment}"

    def words(self, lang: str = "en") -> tuple[str, ...]:
        """kex.8-5: twelve words of BIP 39 in "en" or "fr", NFC: 128 bits and four of checksum. They are the secret."""
        number = int.from_bytes(self._secret.expose(), "big") << _CHECKSUM_BITS | _checksum(self._secret)
        return spell(number, WORD_COUNT, lang)

    def psk(self) -> SecretBytes:
        """kex.8.1: the 32-byte PSK."""
        return hkdf_expand(self._prk, b"e2ecall/1 psk", 32)

    def psk_id(self, call_id: bytes) -> bytes:
        """kex.8.1: 16 bytes that name the secret in one call, to those who have it."""
        return bytes(hkdf_expand(self._prk, b"e2ecall/1 psk id" + call_id, 16).expose())

    def room(self) -> bytes:
        """kex.8.1: the 16-byte room at the relay."""
        return bytes(hkdf_expand(self._prk, b"e2ecall/1 room", 16).expose())

    def wipe(self) -> None:
        """Overwrite the secret and what came of it here; every later use is ApiMisuse. A second wipe is harmless."""
        self._secret.wipe()
        self._prk.wipe()

    @property
    def wiped(self) -> bool:
        """Whether `wipe()` was called."""
        return self._secret.wiped

    def _check_path(self, scheme: str, path: str) -> None:
        """kex.8-4: the ID must be that of the secret; `https` has one always, `e2ecall` may be without."""
        if not path.startswith(_ID_PATH):
            if scheme == "https":
                raise MalformedMessage("this link leads somewhere else", path="link.path", clause="kex.8-2")
            return
        named = path.removeprefix(_ID_PATH).encode("utf-8", "surrogatepass")
        if not constant_time_equal(named, self.room().hex().encode()):
            raise MalformedMessage("the link is damaged: copy all of it again", path="link", clause="kex.8-4")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinkSecret):
            return NotImplemented
        return self._secret == other._secret

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<LinkSecret>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ApiMisuse("a link secret cannot be pickled or copied")


def _decode_fragment(fragment: str) -> SecretBytes:
    try:
        secret = base64.b64decode(fragment + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    canonical = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    if len(fragment) != _FRAGMENT_LENGTH or len(secret) != SECRET_LENGTH or canonical != fragment:
        raise MalformedMessage("the link's secret is missing or damaged", path="link.fragment", clause="kex.8-2")
    return SecretBytes(secret)


def _first_unknown(folded: list[str], known: Mapping[str, int]) -> int | None:
    """The number of the first word that is not in the list, from 1; None where all are."""
    return next((place for place, word in enumerate(folded, 1) if word not in known), None)


def _from_numbers(each: list[int]) -> SecretBytes | None:
    """BIP 39: twelve numbers to the secret; None where the checksum does not fit."""
    whole = 0
    for number in each:
        whole = whole << WORD_BITS | number
    secret = SecretBytes((whole >> _CHECKSUM_BITS).to_bytes(SECRET_LENGTH, "big"))
    return secret if whole & (1 << _CHECKSUM_BITS) - 1 == _checksum(secret) else None


def _checksum(secret: SecretBytes) -> int:
    """BIP 39: the first four bits of SHA-256."""
    return sha256(bytes(secret.expose()))[0] >> 8 - _CHECKSUM_BITS
