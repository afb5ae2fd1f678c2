"""telegram.8: Telegram's TL as its group calls use it: little-endian numbers, raw integers, strings, bare counts.

Strict: one encoding for each value. What is shorter, longer, or padded otherwise is MalformedMessage with its offset.
"""

from __future__ import annotations

from typing import Final, NoReturn

from e2ecall.errors import ApiMisuse, MalformedMessage

__all__ = ["MAX_STRING", "TlReader", "TlWriter"]

MAX_STRING: Final = (1 << 24) - 1
_LONG: Final = 0xFE  # the first byte of a string of 254 bytes or more; shorter ones begin with their length
_ALIGNMENT: Final = 4


class TlReader:
    """Reads values one after the other; `end` says that there are no more."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def offset(self) -> int:
        """Where the next value begins."""
        return self._at

    def raw(self, length: int, path: str) -> bytes:
        """telegram.8-5: `length` bytes as they are, as of int256 (32) and int512 (64)."""
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            self._refuse(f"{length} bytes are not there", path)
        self._at += length
        return taken

    def uint32(self, path: str) -> int:
        """telegram.8-5: an unsigned number of 4 bytes, as of a constructor or of flags."""
        return int.from_bytes(self.raw(4, path), "little")

    def int32(self, path: str) -> int:
        """telegram.8-5: a signed number of 4 bytes."""
        return int.from_bytes(self.raw(4, path), "little", signed=True)

    def int64(self, path: str) -> int:
        """telegram.8-5: a signed number of 8 bytes."""
        return int.from_bytes(self.raw(8, path), "little", signed=True)

    def constructor(self, expected: int, path: str) -> None:
        """telegram.8-5: the number of what follows, which is to be `expected`."""
        if self.uint32(path) != expected:
            self._at -= 4
            self._refuse(f"this is not {expected:08x}", path)

    def count(self, path: str, *, item: int, most: int) -> int:
        """telegram.8-7: the count of a bare vector: at most `most`, and what fits of at least `item` bytes each."""
        start, number = self._at, self.uint32(path)
        if number > most or number * item > len(self._data) - self._at:
            self._at = start
            self._refuse(f"{number} entries are too many", path, "telegram.8-7")
        return number

    def string(self, path: str) -> bytes:
        """telegram.8-6: a string of bytes with its padding."""
        start = self._at
        length = self.raw(1, path)[0]
        if length > _LONG:
            self._at = start
            self._refuse("no string begins with ff", path, "telegram.8-6")
        if length == _LONG:
            length = int.from_bytes(self.raw(3, path), "little")
            if length < _LONG:
                self._at = start
                self._refuse("a short string is written as a long one", path, "telegram.8-6")
        text = self.raw(length, path)
        padded = self._at
        if any(self.raw(-(padded - start) % _ALIGNMENT, path)):
            self._at = padded
            self._refuse("the padding is not zero", path, "telegram.8-6")
        return text

    def end(self, path: str) -> None:
        """telegram.8-7: nothing may be left."""
        if self._at != len(self._data):
            self._refuse(f"{len(self._data) - self._at} bytes are left over", path, "telegram.8-7")

    def _refuse(self, why: str, path: str, clause: str = "telegram.8-5") -> NoReturn:
        raise MalformedMessage(why, offset=self._at, path=path, clause=clause)


class TlWriter:
    """Writes values one after the other into `data`. ApiMisuse for a value that does not fit."""

    __slots__ = ("data",)

    def __init__(self) -> None:
        self.data = bytearray()

    def raw(self, value: bytes, length: int) -> None:
        """telegram.8-5: exactly `length` bytes."""
        if len(value) != length:
            raise ApiMisuse(f"{len(value)} bytes where {length} belong", clause="telegram.8-5")
        self.data += value

    def uint32(self, value: int) -> None:
        """telegram.8-5: an unsigned number of 4 bytes."""
        self._number(value, 4, signed=False)

    def int32(self, value: int) -> None:
        """telegram.8-5: a signed number of 4 bytes."""
        self._number(value, 4, signed=True)

    def int64(self, value: int) -> None:
        """telegram.8-5: a signed number of 8 bytes."""
        self._number(value, 8, signed=True)

    def string(self, value: bytes) -> None:
        """telegram.8-6: at most 2^24 - 1 bytes."""
        if len(value) > MAX_STRING:
            raise ApiMisuse(f"a string of {len(value)} bytes", clause="telegram.8-6")
        short = len(value) < _LONG
        head = bytes([len(value)]) if short else bytes([_LONG]) + len(value).to_bytes(3, "little")
        self.data += head + value + bytes(-(len(head) + len(value)) % _ALIGNMENT)

    def _number(self, value: int, length: int, *, signed: bool) -> None:
        try:
            self.data += value.to_bytes(length, "little", signed=signed)
        except OverflowError:
            raise ApiMisuse(f"{value} does not fit {length} bytes", clause="telegram.8-5") from None
