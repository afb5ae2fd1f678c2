"""peer.5: the picture, the QR code and what was typed: the further views of the visual hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.conformance.request import Request
from e2ecall.sas import TypedDigits, check_qr, qr_text, svg

__all__ = ["table"]


def table() -> dict[str, Callable[[Request], dict[str, Any]]]:
    """{operation name: function}."""
    return {"sas.svg": _svg, "sas.qr": _qr, "sas.qr.check": _qr_check, "sas.typed": _typed}


def _svg(request: Request) -> dict[str, Any]:
    return {"svg": svg(_sas(request))}


def _qr(request: Request) -> dict[str, Any]:
    return {"text": qr_text(_sas(request), request.text("role"))}


def _qr_check(request: Request) -> dict[str, Any]:
    check_qr(_sas(request), request.text("role"), request.text("text"))
    return {}


def _typed(request: Request) -> dict[str, Any]:
    return {"digits": TypedDigits(_sas(request)).answer(request.text("text"))}


def _sas(request: Request) -> bytes:
    return request.hex("sas", length=32)
