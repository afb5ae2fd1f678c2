"""What holds for any bytes, and for any order in which a network hands frames over."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, Receiver, encode_header
from support.frames import sealed

SUITES = {0: 5, 32: 3}  # KID: suite
BASE = SecretBytes(bytes(range(32)))


def receiver():
    made = Receiver(5, layout=ONE_TO_ONE, own_sender=1)
    for kid, suite in SUITES.items():
        made.add_key(kid, BASE, suite=suite)
    return made


@pytest.mark.clause("frame.6-1")
@given(st.binary(max_size=80), st.binary(max_size=10), st.sampled_from([None, frozenset(), frozenset({0, 2})]))
def test_any_bytes_are_refused_with_a_reason(data, metadata, streams):
    with pytest.raises(FrameRejected) as caught:
        receiver().unprotect(data, metadata, streams=streams)
    assert isinstance(caught.value.reason, FrameReason)


@pytest.mark.clause("frame.6-1")
@given(st.sampled_from([0, 16, 32, 48, 1]), st.integers(0, 2**64 - 1), st.binary(max_size=60))
def test_any_bytes_behind_a_good_header_are_refused_with_a_reason(kid, ctr, rest):
    with pytest.raises(FrameRejected) as caught:
        receiver().unprotect(encode_header(kid, ctr) + rest)
    assert caught.value.key_id == kid


@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-11")
@given(
    st.integers(0, 2**64 - 1 - 3000),
    st.lists(st.tuples(st.sampled_from([0, 32]), st.integers(0, 3000)), min_size=1, max_size=40, unique=True),
    st.data(),
)
def test_any_reordering_and_duplication_gives_each_frame_at_most_once(first, numbers, data):
    frames = {(kid, n): sealed(SUITES[kid], kid, BASE, first + n, b"%d %d" % (kid, n)) for kid, n in numbers}
    order = data.draw(st.lists(st.sampled_from(numbers), max_size=80)) + data.draw(st.permutations(numbers))
    opener = receiver()
    got, reasons, expected = Counter(), Counter(), Counter()
    highest = {0: -1, 32: -1}
    for kid, n in order:
        late = highest[kid] - n >= 1024
        try:
            plaintext, got_kid, ctr = opener.unprotect(frames[kid, n])
        except FrameRejected as error:
            reasons[error.reason] += 1
            expected[FrameReason.TOO_OLD if late else FrameReason.REPLAY] += 1
            assert late or got[kid, n] == 1
        else:
            assert not late
            assert (plaintext, got_kid, ctr) == (b"%d %d" % (kid, n), kid, first + n)
            got[kid, n] += 1
            highest[kid] = max(highest[kid], n)
    assert set(got.values()) <= {1}
    assert reasons == expected
