"""What the files have in common: draws from one seed, frames with every value in between, and refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from e2ecall.audit.oracle.aead import split_ctr_hmac_key
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import SUITES, protect, suite_of

__all__ = ["EDGES", "OURS", "Case", "Draw", "VectorFile", "frame_case", "outcome", "refusal"]

Case = dict[str, Any]

SEED = b"e2ecall/1 vectors sframe"
OURS = "e2ecall; computed with a second implementation"

EDGES = (
    0,
    7,
    8,
    255,
    256,
    2**16 - 1,
    2**16,
    2**24 - 1,
    2**24,
    2**32 - 1,
    2**32,
    2**40,
    2**48,
    2**56 - 1,
    2**56,
    2**64 - 1,
)
"""KIDs and CTRs around every length of a header field."""

SUITE_NUMBERS = tuple(suite.number for suite in SUITES)


@dataclass(frozen=True, slots=True)
class VectorFile:
    """One file: its name, its head, its cases, and the folder of vectors/ in which it stands."""

    name: str
    kind: str
    title: str
    source: str
    cases: tuple[Case, ...]
    folder: str = "sframe"


class Draw:
    """Bytes and numbers from the seed and a name, the same ones in every version of every language.

    Block n is SHA-256(seed || 00 || name || 00 || u32 n); a number below b is eight bytes modulo b.
    """

    def __init__(self, name: str) -> None:
        self._start = SEED + b"\0" + name.encode() + b"\0"
        self._blocks = 0
        self._left = b""

    def bytes(self, length: int) -> bytes:
        """The next bytes."""
        while len(self._left) < length:
            self._left += hashlib.sha256(self._start + self._blocks.to_bytes(4, "big")).digest()
            self._blocks += 1
        taken, self._left = self._left[:length], self._left[length:]
        return taken

    def below(self, bound: int) -> int:
        """The next number in 0..bound-1."""
        return int.from_bytes(self.bytes(8), "big") % bound

    def shuffled(self, items: Iterable[int]) -> list[int]:
        """The same items in another order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]


def frame_case(
    name: str,
    clause: str,
    suite: int,
    kid: int,
    ctr: int,
    base_key: bytes,
    plaintext: bytes,
    metadata: bytes,
    **more: Any,
) -> Case:
    """RFC 9605 §4.4: a whole frame; `more` stands in front of the base_key."""
    sealed = protect(suite, kid, ctr, base_key, plaintext, metadata)
    derived = sealed.derived
    case = {"name": name, "clause": clause, "suite": suite, "kid": str(kid), "ctr": str(ctr)} | more
    case |= {"base_key": base_key.hex(), "key_label": derived.key_label.hex(), "salt_label": derived.salt_label.hex()}
    case |= {"secret": derived.secret.hex(), "key": derived.key.hex()}
    if suite_of(suite).nka:
        enc_key, auth_key = split_ctr_hmac_key(derived.key, suite_of(suite).nka)
        case |= {"enc_key": enc_key.hex(), "auth_key": auth_key.hex()}
    case |= {"salt": derived.salt.hex(), "nonce": sealed.nonce.hex(), "aad": sealed.aad.hex()}
    case |= {"metadata": metadata.hex(), "plaintext": plaintext.hex(), "ciphertext": sealed.ciphertext.hex()}
    return case | {"result": "ok"}


def outcome(do: Callable[[], object]) -> tuple[Any, Refused | None]:
    """What the oracle gave, or with what it refused."""
    try:
        return do(), None
    except Refused as refused:
        return None, refused


def refusal(do: Callable[[], object]) -> Case:
    """clause, result and, where it says more than the result, reason, of what the oracle must refuse."""
    got, refused = outcome(do)
    if refused is None:
        raise ValueError(f"this was to be refused, and gave {got!r}")
    reason = {"reason": refused.reason} if refused.reason != refused.layer else {}
    return {"clause": refused.clause, "result": refused.layer} | reason
