"""The receivers of target_unprotect, and the keys that it and its mutation seal with."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from e2ecall.secret import SecretBytes
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.header import MAX_KID
from e2ecall.sframe.key_id import ONE_TO_ONE, KeyIdLayout

__all__ = ["ONE_TO_ONE_SETUP", "SETUPS", "Key", "Setup", "cipher_of", "ciphers_of"]

_BASE = bytes(range(32))  # that of most vectors
_OTHER = bytes(range(1, 33))
_THIRD = bytes(range(2, 18))


class Key(NamedTuple):
    """One key to seal with; of `suite`, if that is not the receiver's."""

    kid: int
    base_key: bytes
    suite: int | None = None


class Setup(NamedTuple):
    """One receiver: the keys that it has at the start, and others for ADD and for frames of strangers."""

    suite: int
    installed: tuple[Key, ...]
    others: tuple[Key, ...]
    layout: KeyIdLayout | None = None
    own_sender: int | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """All of them."""
        return self.installed + self.others


_GROUP = KeyIdLayout(epoch_bits=8, sender_bits=16)


def _group(context: int, sender: int, epoch: int) -> int:
    return _GROUP.encode(context=context, sender=sender, epoch=epoch)


_PLAIN = tuple(Key(kid, _BASE) for kid in (0, 16, 7, 0x123, MAX_KID))

SETUPS = (
    # One for each suite, where a KID means nothing.
    *(Setup(suite, _PLAIN, (Key(0, _OTHER), Key(5, _BASE), Key(0x7F, _THIRD))) for suite in range(1, 9)),
    # Two epochs of a call between two, and one stream of another suite.
    Setup(
        5,
        (Key(0x00, _BASE), Key(0x20, _BASE), Key(0x01, _OTHER), Key(0x21, _OTHER, 1)),
        (Key(0x10, _BASE), Key(0x31, _OTHER), Key(0x40, _BASE), Key(0x00, _THIRD), Key(0x02, _THIRD)),
        ONE_TO_ONE,
        own_sender=1,
    ),
    # A group, and one stream with short tags.
    Setup(
        4,
        (Key(_group(0, 1, 14), _BASE), Key(_group(1, 1, 14), _BASE, 3), Key(_group(0, 2, 14), _BASE), Key(0, _OTHER)),
        (Key(_group(0, 3, 14), _BASE), Key(_group(0, 1, 15), _THIRD), Key(_group(7, 500, 14), _BASE)),
        _GROUP,
        own_sender=3,
    ),
)
ONE_TO_ONE_SETUP = 8


@cache
def cipher_of(suite: int, kid: int, base_key: bytes) -> FrameCipher:
    """What seals under one key with explicit counters."""
    return FrameCipher(suite, kid, SecretBytes(base_key))


@cache
def ciphers_of(number: int) -> tuple[FrameCipher, ...]:
    """One for each of the keys of a setup, in their order."""
    setup = SETUPS[number]
    return tuple(cipher_of(key.suite or setup.suite, key.kid, key.base_key) for key in setup.keys)
