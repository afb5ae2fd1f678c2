"""peer.5, peer.6: links, twelve words, and the four words of the visual hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.conformance.request import Request
from e2ecall.handshake import LinkSecret
from e2ecall.sas.words import words

__all__ = ["table"]


def table() -> dict[str, Callable[[Request], dict[str, Any]]]:
    """{operation name: function}."""
    return {"link.parse": _parse, "link.words": _link_words, "sas.words": _sas_words}


def _parse(request: Request) -> dict[str, Any]:
    return _derived(LinkSecret.parse(request.text("link")))


def _link_words(request: Request) -> dict[str, Any]:
    lang = request.text("lang") if request.has("lang") else None
    return _derived(LinkSecret.from_words(request.text("words"), lang))


def _sas_words(request: Request) -> dict[str, Any]:
    return {"words": list(words(request.hex("sas", length=32), request.text("lang")))}


def _derived(secret: LinkSecret) -> dict[str, Any]:
    return {"room": secret.room().hex(), "psk": secret.psk().expose().hex()}
