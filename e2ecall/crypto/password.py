"""Argon2id (RFC 9106): a key out of a passphrase, at a cost that a stolen file has to pay for each guess.

A file says what it costs to open it, so the cost is a claim of whoever wrote the file: it is bounded before any memory
is taken.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from e2ecall.errors import ApiMisuse, MalformedMessage, OutputFailed
from e2ecall.secret import SecretBytes

__all__ = ["DEFAULT_COST", "SALT_LENGTH", "Cost", "passphrase_bytes", "password_key"]

SALT_LENGTH: Final = 16
_MEMORY_LIMIT = 1 << 21  # KiB: the 2 GiB of RFC 9106 §4's first recommendation
_PASSES_LIMIT = 16
_LANES_LIMIT = 16
_WORK_LIMIT = 1 << 23  # KiB written in all passes: 8 GiB, about 7 s on two cores
_BLOCKS_PER_LANE = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """RFC 9106 §3.1: memory m in KiB, passes t, lanes p. MalformedMessage where one of them is out of bounds."""

    memory: int
    passes: int
    lanes: int

    def __post_init__(self) -> None:
        within = (
            1 <= self.lanes <= _LANES_LIMIT
            and 1 <= self.passes <= _PASSES_LIMIT
            and _BLOCKS_PER_LANE * self.lanes <= self.memory <= _MEMORY_LIMIT
            and self.memory * self.passes <= _WORK_LIMIT
        )
        if not within:
            raise MalformedMessage("the cost of the passphrase is out of bounds", path="cost", clause="identity.2-4")


DEFAULT_COST: Final = Cost(memory=256 * 1024, passes=3, lanes=4)
"""Four times the memory of RFC 9106 §4's second recommendation: 0.6 s and 256 MiB on two cores."""


def passphrase_bytes(text: str) -> SecretBytes:
    """identity.2-12: what a passphrase is hashed as: UTF-8 of its NFC form, so that every keyboard gives the same.

    ApiMisuse for an empty one and for one that has no UTF-8 form. The `str` itself can not be wiped.
    """
    try:
        encoded = bytearray(unicodedata.normalize("NFC", text).encode())
    except UnicodeEncodeError:
        raise ApiMisuse("this passphrase has no UTF-8 form", clause="identity.2-12") from None
    if not encoded:
        raise ApiMisuse("a passphrase is not empty", clause="identity.2-12")
    secret = SecretBytes(encoded)
    encoded[:] = bytes(len(encoded))
    return secret


def password_key(passphrase: SecretBytes, salt: bytes, cost: Cost, length: int) -> SecretBytes:
    """RFC 9106 §3.2: `length` bytes of Argon2id, version 0x13, without secret value and associated data.

    The passphrase is not empty, the salt has 16 bytes: ApiMisuse. OutputFailed where this machine has not the memory.
    """
    if not passphrase or len(salt) != SALT_LENGTH:
        raise ApiMisuse("a passphrase is not empty, and its salt has 16 bytes", clause="identity.2-2")
    kdf = Argon2id(salt=salt, length=length, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory)
    try:
        # The library's stub asks for bytes; it takes any buffer, and a copy of the passphrase would not be wiped.
        material: Any = passphrase.expose()
        return SecretBytes.derive_into(length, lambda buffer: kdf.derive_into(material, buffer))
    except MemoryError:
        need = f"the passphrase takes {cost.memory // 1024} MiB of memory, and there is not so much"
        raise OutputFailed(need, clause="identity.2-4", hint="close other programs") from None
