"""peer.9: the operations of the ledger: an entry that follows, and a ledger that is whole or not."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from e2ecall.conformance.request import Request
from e2ecall.conformance.seeded import SeededRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.identity.continuity import Method, Trust
from e2ecall.identity.ledger import EMPTY, SignedEntry, Tip, next_entry, signed_head
from e2ecall.identity.ledger_check import Fault, LedgerBroken, check
from e2ecall.identity.ledger_fact import Act, Fact
from e2ecall.secret import SecretBytes

__all__ = ["table"]

_MALFORMED = frozenset({Fault.MALFORMED, Fault.HEAD_MALFORMED})
_Word = TypeVar("_Word", bound=StrEnum)


def table() -> dict[str, Callable[[Request], dict[str, Any]]]:
    """{operation name: function}."""
    return {"ledger.append": _append, "ledger.verify": _verify}


def _append(request: Request) -> dict[str, Any]:
    """The entry behind `length` others, of which the last has `hash`; without them, the first. `time` in ms."""
    signer = Signer(SecretBytes(SeededRng(request.hex("seed", length=32)).draw("identity", 32)))
    tip = EMPTY
    if request.has("length"):
        tip = Tip(request.number("length", bits=53), request.hex("hash", length=32))
    now = request.number("time", bits=53) / 1000
    signed, after = next_entry(_fact(request.part("fact")), tip, signer, now)
    return {
        "entry": signed.text.hex(),
        "hash": after.hash.hex(),
        "signature": signed.signature.hex(),
        "head": signed_head(after, signer, now).hex(),
    }


def _verify(request: Request) -> dict[str, Any]:
    entries, signatures = request.hex_list("entries"), request.hex_list("signatures")
    if len(entries) != len(signatures):
        raise ApiMisuse("each entry has one signature")
    head = request.hex("head") if request.has("head") else None
    signed = [SignedEntry(*each) for each in zip(entries, signatures, strict=True)]
    try:
        checked = check(signed, head, request.hex("identity", length=32))
    except LedgerBroken as broken:
        kind = MalformedMessage if broken.fault in _MALFORMED else VerificationFailed
        raise kind(broken.message, clause=broken.clause) from None
    return {"length": checked.tip.length, "hash": checked.tip.hash.hex(), "pending": checked.pending}


def _fact(request: Request) -> Fact:
    return Fact(
        _word(request, "act", Act),
        request.hex("peer", length=32),
        _word(request, "outcome", Trust),
        contact=request.text("contact") if request.has("contact") else None,
        name=request.text("name") if request.has("name") else None,
        th2=request.hex("th2", length=32) if request.has("th2") else None,
        suite=request.number("suite", bits=16) if request.has("suite") else None,
        method=_word(request, "method", Method) if request.has("method") else None,
        shown=request.text("shown") if request.has("shown") else "",
    )


def _word(request: Request, name: str, words: type[_Word]) -> _Word:
    try:
        return words(request.text(name))
    except ValueError:
        raise ApiMisuse(f"{name} is no word of this version") from None
