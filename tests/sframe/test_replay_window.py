import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.sframe import WINDOW, ReplayWindow


def attempt(window, ctr):
    """What `commit` says, after `check` said the same."""
    verdicts = []
    for look in (window.check, window.commit):
        try:
            look(ctr)
        except FrameRejected as error:
            verdicts.append(error.reason)
        else:
            verdicts.append(None)
    assert verdicts[0] == verdicts[1]
    return verdicts[1]


@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-11")
def test_the_window_has_1024_counters():
    assert WINDOW == 1024
    window = ReplayWindow()
    assert attempt(window, 5000) is None
    assert attempt(window, 5000) is FrameReason.REPLAY
    assert attempt(window, 5000 - 1023) is None
    assert attempt(window, 5000 - 1023) is FrameReason.REPLAY
    assert attempt(window, 5000 - 1024) is FrameReason.TOO_OLD
    assert attempt(window, 5001) is None
    assert attempt(window, 5000 - 1023) is FrameReason.TOO_OLD
    assert attempt(window, 0) is FrameReason.TOO_OLD


@pytest.mark.clause("frame.6-11")
def test_frames_older_than_the_first_one_are_still_taken():
    window = ReplayWindow()
    assert [attempt(window, ctr) for ctr in (1023, 0, 512, 1)] == [None] * 4


@pytest.mark.clause("frame.6-10")
def test_looking_changes_nothing():
    window = ReplayWindow()
    window.commit(10)
    for ctr in (11, 2**64 - 1, 9):
        window.check(ctr)
        window.check(ctr)
    assert window.highest == 10
    assert attempt(window, 11) is None


@pytest.mark.clause("frame.6-8")
def test_the_longest_jump_costs_no_memory():
    window = ReplayWindow()
    assert attempt(window, 0) is None
    assert attempt(window, 2**64 - 1) is None
    assert attempt(window, 2**64 - 1) is FrameReason.REPLAY
    assert attempt(window, 2**64 - 2) is None
    assert attempt(window, 0) is FrameReason.TOO_OLD


counters = st.one_of(
    st.integers(0, 40),
    st.integers(1000, 1060),
    st.integers(2030, 2100),
    st.integers(0, 5000),
    st.integers(0, 2**64 - 1),
)


@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-11")
@settings(deadline=None)
@given(st.lists(counters, max_size=120))
def test_against_a_set_of_all_counters(sequence):
    window = ReplayWindow()
    taken = set()
    for ctr in sequence:
        highest = max(taken, default=-1)
        expected = FrameReason.TOO_OLD if highest - ctr >= 1024 else FrameReason.REPLAY if ctr in taken else None
        assert attempt(window, ctr) is expected
        if expected is None:
            taken.add(ctr)
