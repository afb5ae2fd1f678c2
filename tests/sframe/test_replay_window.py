import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import WINDOW, Receiver, ReplayWindow, Sender
from support.frames import reason, sealed

BASE = SecretBytes(bytes(range(32)))


def attempt(window, ctr):
    """What `take` says, after `refusal` said the same."""
    said = window.refusal(ctr)
    assert window.take(ctr) is said
    return said


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
    assert [attempt(window, ctr) for ctr in (1023, 0, 512, 1)] == [FrameReason.REPLAY] * 4


@pytest.mark.clause("frame.6-11")
def test_the_first_1024_frames_may_come_backwards():
    window = ReplayWindow()
    assert {attempt(window, ctr) for ctr in range(1023, -1, -1)} == {None}
    assert {attempt(window, ctr) for ctr in range(1024)} == {FrameReason.REPLAY}


@pytest.mark.clause("frame.6-10")
def test_looking_changes_nothing():
    window = ReplayWindow()
    assert window.take(10) is None
    before = window.highest, set(window.pending), window._filled
    for ctr in (11, 2**64 - 1, 9, 10, 70, 80):
        assert window.refusal(ctr) is (FrameReason.REPLAY if ctr == 10 else None)
    assert (window.highest, window.pending, window._filled) == before
    assert attempt(window, 11) is None


@pytest.mark.clause("frame.6-8")
def test_the_longest_jump_costs_no_memory():
    window = ReplayWindow()
    assert attempt(window, 0) is None
    for jump in (2**32, 2**63, 2**64 - 3000, 2**64 - 1):
        assert attempt(window, jump) is None
        assert attempt(window, jump) is FrameReason.REPLAY
        assert len(window.pending) <= WINDOW + 64
    assert attempt(window, 2**64 - 2) is None
    assert attempt(window, 0) is FrameReason.TOO_OLD


@pytest.mark.clause("frame.6-8")
def test_the_window_stays_small_whatever_is_lost():
    window, source, ctr = ReplayWindow(), random.Random(1), 0
    for _ in range(20_000):
        ctr += source.choice([1, 1, 2, 60, 64, 65, 1000])
        assert window.take(ctr) is None
        assert len(window.pending) <= WINDOW + 64


counters = st.one_of(
    st.integers(0, 40),
    st.integers(1000, 1060),
    st.integers(2030, 2100),
    st.integers(0, 5000),
    st.integers(2**63 - 1100, 2**63 + 1100),
    st.integers(2**64 - 1100, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
walk = st.lists(
    st.one_of(
        st.integers(-4, 4),
        st.sampled_from([-1025, -1024, -1023, -64, 63, 64, 65, 1023, 1024, 1025, 1088, 2**63]),
        st.integers(-1100, 200),
    ),
    max_size=120,
)


def against_a_set(sequence):
    window, taken = ReplayWindow(), set()
    for ctr in sequence:
        highest = max(taken, default=-1)
        expected = FrameReason.TOO_OLD if highest - ctr >= 1024 else FrameReason.REPLAY if ctr in taken else None
        assert attempt(window, ctr) is expected
        if expected is None:
            taken.add(ctr)


@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-11")
@given(st.lists(counters, max_size=120))
def test_any_counters_against_a_set_of_all_that_were_taken(sequence):
    against_a_set(sequence)


@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-11")
@given(st.sampled_from([0, 3, 1500, 2**63, 2**64 - 3000]), walk)
def test_steps_to_and_fro_against_a_set_of_all_that_were_taken(start, steps):
    sequence = [start]
    for step in steps:
        sequence.append(min(max(sequence[-1] + step, 0), 2**64 - 1))
    against_a_set(sequence)


def racing(work, threads=8):
    """What `work` returns in so many threads that start together and are switched often."""
    start, interval = Barrier(threads), sys.getswitchinterval()

    def run(number):
        start.wait()
        return work(number)

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(run, range(threads)))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.clause("frame.6-8", "frame.6-10")
@pytest.mark.parametrize("stride", [1, 7, 63, 64, 65])
def test_of_racing_threads_one_takes_each_counter(stride):
    window, numbers = ReplayWindow(), [ctr * stride for ctr in range(1500)]

    def work(number):
        order = numbers.copy()
        for at in range(0, len(order), 4):
            order[at : at + 4] = random.Random(number + at).sample(order[at : at + 4], 4)
        return [ctr for ctr in order if window.take(ctr) is None]

    taken = Counter(ctr for batch in racing(work) for ctr in batch)
    assert set(taken.values()) == {1}
    assert set(taken) <= set(numbers)
    assert len(taken) > 1400


@pytest.mark.clause("frame.6-8", "frame.6-10")
def test_of_racing_threads_one_opens_each_frame():
    sender, receiver = Sender(5, 0, BASE), Receiver(5)
    receiver.add_key(0, BASE)
    frames = [sender.protect(b"%d" % number) for number in range(1500)]

    def work(number):
        opened, reasons = [], Counter()
        for frame in frames:
            try:
                opened.append(receiver.unprotect(frame)[2])
            except FrameRejected as error:
                reasons[error.reason] += 1
        return opened, reasons

    results = racing(work)
    assert sorted(ctr for opened, _ in results for ctr in opened) == list(range(1500))
    refused = sum((reasons for _, reasons in results), Counter())
    assert refused.total() == 7 * 1500
    assert set(refused) <= {FrameReason.REPLAY, FrameReason.TOO_OLD}


@pytest.mark.clause("frame.6-9", "frame.6-11")
def test_late_frames_are_opened_until_they_are_1024_behind():
    receiver = Receiver(5)
    receiver.add_key(9, BASE)
    frames = {ctr: sealed(5, 9, BASE, ctr, b"") for ctr in (2000, 976, 977, 3000, 1976, 1977)}
    said = [(ctr, reason(receiver, frames[ctr])) for ctr in (2000, 976, 977, 3000, 1976, 1977, 977, 1977)]
    old, again = FrameReason.TOO_OLD, FrameReason.REPLAY
    assert [said for _, said in said] == [None, old, None, None, old, None, old, again]
