"""peer.10: the encryption of Telegram's group calls; the padding is given, so that the bytes can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.conformance.request import Request
from e2ecall.crypto.sign import SEED_LENGTH
from e2ecall.crypto.tde2e import (
    HEADER_LENGTH,
    SECRET_LENGTH,
    decrypt_data,
    decrypt_header,
    encrypt_data,
    encrypt_header,
    shared_secret,
)
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes

__all__ = ["table"]


class _Given:
    """Draws what the request gives."""

    def __init__(self, padding: bytes) -> None:
        self._padding = padding

    def draw(self, name: str, length: int) -> bytes:
        if len(self._padding) != length:
            raise ApiMisuse(f"{name} of {len(self._padding)} bytes, where {length} belong", clause="telegram.8-1")
        return self._padding


def table() -> dict[str, Callable[[Request], dict[str, Any]]]:
    """{operation name: function}."""
    return {
        "telegram.group.encrypt": _encrypt,
        "telegram.group.decrypt": _decrypt,
        "telegram.group.encrypt_header": _encrypt_header,
        "telegram.group.decrypt_header": _decrypt_header,
        "telegram.group.shared_secret": _shared_secret,
    }


def _encrypt(request: Request) -> dict[str, Any]:
    padding = _Given(request.hex("padding"))
    encrypted = encrypt_data(request.hex("data"), _secret(request), padding, extra=request.hex("extra"))
    return {"message": encrypted.message.hex(), "large_id": encrypted.large_id.hex()}


def _decrypt(request: Request) -> dict[str, Any]:
    data, large_id = decrypt_data(request.hex("message"), _secret(request), extra=request.hex("extra"))
    return {"data": data.hex(), "large_id": large_id.hex()}


def _encrypt_header(request: Request) -> dict[str, Any]:
    header = SecretBytes(request.hex("header", length=HEADER_LENGTH))
    return {"encrypted": encrypt_header(header, request.hex("message"), _secret(request)).hex()}


def _decrypt_header(request: Request) -> dict[str, Any]:
    header = decrypt_header(request.hex("encrypted"), request.hex("message"), _secret(request))
    return {"header": bytes(header.expose()).hex()}


def _shared_secret(request: Request) -> dict[str, Any]:
    secret = shared_secret(SecretBytes(request.hex("seed", length=SEED_LENGTH)), request.hex("peer_public"))
    return {"secret": bytes(secret.expose()).hex()}


def _secret(request: Request) -> SecretBytes:
    return SecretBytes(request.hex("secret", length=SECRET_LENGTH))
