"""Key material that does not wander: redacted, unhashable, unpicklable, comparable in constant time, wipeable.

What Python cannot promise: a library that is given a key (OpenSSL, libsodium) keeps its own copy for as long as its
object lives; `bytes` objects that passed through an exchange are freed but not overwritten; the allocator and the
operating system may have copied pages. `wipe()` zeroes this object's own buffer and nothing else.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NoReturn, final

from e2ecall.errors import ApiMisuse

__all__ = ["SecretBytes"]


@final
class SecretBytes:
    """A secret of fixed length in a `bytearray` of its own.

    `SecretBytes(data)` copies `data`; `SecretBytes.derive_into(n, fill)` lets a KDF write into the buffer directly.
    """

    __slots__ = ("_data", "_wiped")

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = bytearray(memoryview(data))  # of a number, bytearray would make so many zeros
        self._wiped = False

    @classmethod
    def derive_into(cls, length: int, fill: Callable[[bytearray], object]) -> SecretBytes:
        """A new secret of `length` bytes, written in place by `fill` (a KDF's `derive_into`)."""
        self = cls(bytes(length))
        fill(self._data)
        if len(self._data) != length:
            raise ApiMisuse("the KDF changed the length of the buffer it was to fill")
        return self

    def expose(self) -> memoryview:
        """The bytes, read-only and without a copy, for a cryptographic function; never for a log or a message.

        Raises ApiMisuse after `wipe()`.
        """
        if self._wiped:
            raise ApiMisuse("this secret has been wiped")
        return memoryview(self._data).toreadonly()

    def take(self) -> SecretBytes:
        """The same secret in a new owner's hands; this object counts as wiped. ApiMisuse if it is already.

        Whoever may use a key only once takes it, so that a second use of the same object fails.
        """
        taken = SecretBytes(self.expose())
        self.wipe()
        return taken

    def wipe(self) -> None:
        """Overwrite the buffer with zeros; every later `expose()` raises ApiMisuse. A second wipe is harmless."""
        self._data[:] = bytes(len(self._data))
        self._wiped = True

    @property
    def wiped(self) -> bool:
        """Whether `wipe()` was called."""
        return self._wiped

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self.expose(), other.expose())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<SecretBytes of {len(self._data)} bytes{', wiped' if self._wiped else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ApiMisuse("a secret cannot be pickled or copied")

    def __copy__(self) -> NoReturn:
        raise ApiMisuse("a secret cannot be copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise ApiMisuse("a secret cannot be copied")
