"""frame.8: whatever bytes arrive, a layout's work grows no faster than they do."""

import time
from contextlib import suppress

import pytest

from e2ecall.codecs.h264 import DELTA_SLICE, escape
from e2ecall.errors import FrameRejected
from support.codec_frames import LAYOUTS, SC, bare, every_layout

SMALL, LARGE = 60_000, 480_000
HOSTILE = [
    b"\0",
    b"\0\0\3",
    b"\0\0\3\0",
    b"\0\0\3\3",
    b"\0\0\1",
    b"\0\0\1\x41",
    b"\0\0\1\x06",
    b"\0\0\xff",
    b"\0\xff",
    b"\x12\0",
    b"\x7a\0",
    b"\x0a\0",
    b"\xff",
    b"\x80",
]


def opened(layout, sealed):
    with suppress(FrameRejected):
        layout.open(sealed, bare)


def seconds(do, argument):
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        do(argument)
        best = min(best, time.thread_time() - started)
    return best


def grows_linearly(do, small, large):
    """Eight times the bytes: about 8 times the work if linear, 64 times if quadratic. Below 1 ms no clock can tell."""
    taken = seconds(do, large)
    return taken < 0.001 or taken < 24 * seconds(do, small)


def filled(pattern, size):
    return (pattern * (size // len(pattern) + 1))[:size]


@pytest.mark.clause("frame.8-8", "frame.8-10", "frame.8-15")
@every_layout
@pytest.mark.parametrize("pattern", HOSTILE, ids=bytes.hex)
def test_hostile_frames_cost_no_more_than_their_length(layout, pattern):
    for front in (b"", SC + DELTA_SLICE, b"\x4a"):
        small, large = (front + filled(pattern, size) + b"\x80" for size in (SMALL, LARGE))
        assert grows_linearly(lambda sealed: opened(layout, sealed), small, large)
        assert grows_linearly(layout.is_key, small, large)
        assert grows_linearly(layout.has_prefix, small, large)


@pytest.mark.clause("frame.8-7", "frame.8-10")
@pytest.mark.parametrize("pattern", HOSTILE, ids=bytes.hex)
def test_emulation_prevention_costs_no_more_than_its_length(pattern):
    small, large = filled(pattern, SMALL), filled(pattern, LARGE)
    assert grows_linearly(escape, small, large)
    front = SC + DELTA_SLICE
    assert grows_linearly(lambda sealed: opened(LAYOUTS["h264"], sealed), front + escape(small), front + escape(large))


def test_the_measure_tells_quadratic_work():
    def quadratic(data):
        return sum(data.find(b"\xff", n) for n in range(0, len(data), 64))

    assert not grows_linearly(quadratic, bytes(SMALL), bytes(LARGE))
