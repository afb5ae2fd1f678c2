"""kex.8: the link secret, 128 bits that only the two have, and what is derived from it."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from e2ecall.crypto.kdf import hkdf_expand, hkdf_extract
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.secret import SecretBytes

__all__ = ["LinkSecret"]

SECRET_LENGTH = 16
_FRAGMENT_LENGTH = 22


class LinkSecret:
    """16 secret bytes shared through a link's fragment; they authenticate as a PSK and name the room."""

    __slots__ = ("_prk", "_secret")

    def __init__(self, secret: SecretBytes) -> None:
        if len(secret) != SECRET_LENGTH:
            raise ApiMisuse("a link secret has 16 bytes")
        self._secret = secret
        self._prk = hkdf_extract(b"e2ecall/1 link", secret.expose())

    @classmethod
    def parse(cls, link: str) -> LinkSecret:
        """kex.8-2: from `e2ecall://…#secret` or `https://host/c/ID#secret`; MalformedMessage never repeats the link."""
        try:
            parts = urlsplit(link)
        except ValueError:
            raise MalformedMessage("this is not a link", path="link", clause="kex.8-2") from None
        if parts.scheme not in ("e2ecall", "https"):
            raise MalformedMessage("a link begins with e2ecall:// or https://", path="link.scheme", clause="kex.8-2")
        return cls(_decode_fragment(parts.fragment))

    @property
    def fragment(self) -> str:
        """What stands behind the `#`: 22 characters of base64url (RFC 4648 §5) without padding. It is the secret."""
        return base64.urlsafe_b64encode(self._secret.expose()).decode().rstrip("=")

    def psk(self) -> SecretBytes:
        """kex.8.1: the 32-byte PSK."""
        return hkdf_expand(self._prk, b"e2ecall/1 psk", 32)

    def psk_id(self, call_id: bytes) -> bytes:
        """kex.8.1: 16 bytes that name the secret in one call, to those who have it."""
        return bytes(hkdf_expand(self._prk, b"e2ecall/1 psk id" + call_id, 16).expose())

    def room(self) -> bytes:
        """kex.8.1: the 16-byte room at the relay."""
        return bytes(hkdf_expand(self._prk, b"e2ecall/1 room", 16).expose())

    def __repr__(self) -> str:
        return "<LinkSecret>"


def _decode_fragment(fragment: str) -> SecretBytes:
    try:
        secret = base64.b64decode(fragment + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    canonical = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    if len(fragment) != _FRAGMENT_LENGTH or len(secret) != SECRET_LENGTH or canonical != fragment:
        raise MalformedMessage("the link's secret is missing or damaged", path="link.fragment", clause="kex.8-2")
    return SecretBytes(secret)
