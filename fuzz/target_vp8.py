"""VP8: what opens is the frame that was sealed, with any prefix of its type; only the type of a sealed frame shows."""

from __future__ import annotations

from e2ecall.codecs.vp8 import DELTA_PREFIX, KEY_PREFIX
from fuzz.layouts import MAX_LENGTH, LayoutFuzz

__all__ = ["MAX_LENGTH", "mutate", "run", "seeds"]


def _other_prefix(sealed: bytes, argument: int) -> bytes:
    """frame.8-5: of the prefix only the lowest bit of the first byte is looked at."""
    length = len(DELTA_PREFIX if sealed[0] & 1 else KEY_PREFIX)
    return bytes((sealed[0] ^ argument & 0xFE,)) + bytes(argument ^ byte for byte in sealed[1:length]) + sealed[length:]


_FUZZ = LayoutFuzz(
    "vp8", samples=(b"\0", b"\1"), transits=(_other_prefix,), tokens=(KEY_PREFIX, DELTA_PREFIX, b"\x9d\x01\x2a")
)
run, seeds, mutate = _FUZZ.run, _FUZZ.seeds, _FUZZ.mutate
