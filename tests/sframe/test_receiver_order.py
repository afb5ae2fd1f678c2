"""The order of a receiver's checks, and what a frame that nobody has authenticated may cost."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.crypto import kdf
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, RatchetReceiver, Receiver, decode_header, encode_header
from e2ecall.sframe import ratchet as ratchet_module
from e2ecall.sframe import suites as suites_module
from support.frames import forged, refused, sealed

BASE = SecretBytes(bytes(range(32)))
TAGS = {0: 16, 32: 4, 300: 10}  # KID: bytes of its tag
SUITES = {0: 5, 32: 8, 300: 1}
HIGHEST = {0: 7, 32: 5000, 300: 2**32}  # taken by `prepared`
STREAMS = [None, frozenset(), frozenset({0}), frozenset({2, 18}), frozenset({0, 2, 18})]

pytestmark = pytest.mark.clause("frame.6-1")


def prepared():
    """Three keys of three suites, each with one frame taken."""
    receiver = Receiver(5, layout=ONE_TO_ONE, own_sender=1)
    for kid, suite in SUITES.items():
        receiver.add_key(kid, BASE, suite=suite)
        receiver.unprotect(sealed(suite, kid, BASE, HIGHEST[kid], b""))
    return receiver


def expected(data, streams):
    """The reason by the table of frame.6, from its top: the header is read first, field by field."""
    try:
        kid, ctr, length = decode_header(data)
    except FrameRejected as malformed:
        return FrameReason.MALFORMED, malformed.clause, None, None
    where = kid, kid % 16
    if kid not in SUITES:
        if kid >> 4 & 1:
            return FrameReason.OWN_FRAME, "frame.6-3", *where
        return FrameReason.UNKNOWN_KEY, "frame.6-2", *where
    if streams is not None and kid >> 4 not in streams:
        return FrameReason.WRONG_STREAM, "frame.6-4", *where
    if HIGHEST[kid] - ctr >= 1024:
        return FrameReason.TOO_OLD, "frame.6-9", *where
    if ctr == HIGHEST[kid]:
        return FrameReason.REPLAY, "frame.6-8", *where
    if len(data) - length < TAGS[kid]:
        return FrameReason.MALFORMED, "frame.6-6", *where
    return FrameReason.AUTHENTICATION, "frame.6-5", *where


def said(receiver, data, metadata=b"", streams=None):
    error = refused(receiver, data, metadata, streams=streams)
    return error.reason, error.clause, error.key_id, error.epoch


headers = st.builds(
    encode_header,
    st.one_of(st.sampled_from([0, 16, 32, 48, 300, 1, 8]), st.integers(0, 2**64 - 1)),
    st.one_of(st.integers(0, 300), st.sampled_from([3976, 3977, 5000, 2**32, 2**32 - 1023]), st.integers(0, 2**64 - 1)),
)
# A header in any form: config byte, fields of that or another length, often with zero bytes in front.
loose = st.tuples(
    st.sampled_from([0x00, 0x08, 0x0F, 0x80, 0x88, 0x89, 0x90, 0x98, 0x99, 0x9F, 0xFF, 0x20, 0x2C]),
    st.lists(st.sampled_from([0, 0, 1, 7, 8, 32, 44, 255]), max_size=18).map(bytes),
).map(lambda parts: bytes(parts[:1]) + parts[1])
frames = st.one_of(
    st.binary(max_size=60),
    st.tuples(headers, st.binary(max_size=30)).map(b"".join),
    st.tuples(headers, st.integers(0, 17)).map(lambda parts: parts[0][: parts[1]]),
    st.tuples(loose, st.binary(max_size=20)).map(b"".join),
)


@pytest.mark.clause("frame.2-2", "frame.2-3")
@given(frames, st.binary(max_size=5), st.sampled_from(STREAMS))
def test_any_bytes_are_refused_for_the_first_check_that_fails(data, metadata, streams):
    assert said(prepared(), data, metadata, streams) == expected(data, streams)


@pytest.mark.clause("frame.2-2")
def test_every_header_that_is_cut_short_is_malformed_whatever_its_rest_would_name():
    receiver = prepared()
    for kid in (*SUITES, 1, 16, 2**64 - 1):
        for ctr in (0, 7, 8, 255, 256, 5000, 2**32, 2**64 - 1):
            header = encode_header(kid, ctr)
            for length in range(len(header)):
                error = refused(receiver, header[:length], streams=frozenset())
                assert (error.reason, error.clause) == (FrameReason.MALFORMED, "frame.2-2")


@pytest.mark.clause("frame.2-2", "frame.2-3")
def test_no_two_bytes_in_front_mislead_the_receiver():
    receiver = prepared()
    for number in range(0, 65_536, 3):
        for rest in (b"", b"\0", b"\x2c" * 3, b"\1" * 40):
            data = number.to_bytes(2) + rest
            assert said(receiver, data) == expected(data, None)


def test_a_frame_with_all_faults_from_one_on_is_refused_for_that_one():
    receiver, wrong = prepared(), frozenset({1})
    good = sealed(5, 0, BASE, 8, b"x")
    receiver.unprotect(good)
    bad = forged(good)
    assert refused(receiver, b"\x08\x07" + bad[2:], streams=wrong).reason is FrameReason.MALFORMED
    assert refused(receiver, b"\x88\x30" + bad[1:], streams=wrong).reason is FrameReason.OWN_FRAME
    assert refused(receiver, b"\x88\x40" + bad[1:], streams=wrong).reason is FrameReason.UNKNOWN_KEY
    assert refused(receiver, bad, streams=wrong).reason is FrameReason.WRONG_STREAM
    assert refused(receiver, bad).reason is FrameReason.REPLAY
    assert refused(receiver, bad[:3]).reason is FrameReason.REPLAY
    assert refused(receiver, b"\x08\x09").reason is FrameReason.MALFORMED
    assert refused(receiver, b"\x08\x09" + bad[2:]).reason is FrameReason.AUTHENTICATION
    receiver.unprotect(sealed(5, 0, BASE, 5000, b""))
    assert refused(receiver, bad[:3]).reason is FrameReason.TOO_OLD


OFFENDERS = {
    "no bytes": b"",
    "cut short": b"\x88",
    "not the shortest form": b"\x08\x07" + bytes(40),
    "unknown key": encode_header(64, 9) + bytes(40),
    "own frame": encode_header(48, 9) + bytes(40),
    "wrong stream": encode_header(32, 6000) + bytes(40),
    "too old": encode_header(300, 9) + bytes(40),
    "replay": encode_header(0, 7) + bytes(40),
    "shorter than a tag": encode_header(0, 9) + bytes(4),
    "GCM tag": encode_header(0, 2**40) + bytes(1200),
    "HMAC tag": encode_header(300, 2**40) + bytes(1200),
}
ONLY = {"wrong stream": frozenset({0, 18})}
every_offender = pytest.mark.parametrize("name", OFFENDERS)


def watched(receiver):
    """The KIDs of keys whose AEAD runs from now on, in order."""
    calls = []

    def counted(key, decrypt):
        def run(nonce, data, aad):
            calls.append(key.kid)
            return decrypt(nonce, data, aad)

        return run

    for kid in SUITES:
        key = receiver._keys.get(kid)
        key.decrypt = counted(key, key.decrypt)
    return calls


@every_offender
@pytest.mark.clause("frame.6-14")
def test_a_refused_frame_costs_one_aead_at_most_and_no_derivation(monkeypatch, name):
    receiver = prepared()
    calls = watched(receiver)

    def derived(*_):
        raise AssertionError("a key was derived for a frame")

    for module in (kdf, suites_module, ratchet_module):
        monkeypatch.setattr(module, "hkdf_expand", derived)
        monkeypatch.setattr(module, "hkdf_extract", derived)
    for _ in range(3):
        refused(receiver, OFFENDERS[name], streams=ONLY.get(name))
    with_aead = {"shorter than a tag": [0], "GCM tag": [0], "HMAC tag": [300]}
    assert calls == with_aead.get(name, []) * 3


def state(receiver):
    """All that a frame could change."""
    keys = {kid: receiver._keys.get(kid) for kid in SUITES}
    windows = {kid: (key.window.highest, key.window._filled, set(key.window.pending)) for kid, key in keys.items()}
    rest = {kid: (id(key), key.frames_left, key.deadline, key.age) for kid, key in keys.items()}
    return windows, rest, len(receiver._keys), len(receiver._keys.by_prefix), len(receiver._keys._windows)


@every_offender
@pytest.mark.clause("frame.6-5", "frame.6-14")
def test_a_refused_frame_leaves_nothing_behind(name):
    receiver = prepared()
    before = state(receiver)
    for _ in range(50):
        refused(receiver, OFFENDERS[name], streams=ONLY.get(name))
    assert state(receiver) == before
    for kid, suite in SUITES.items():
        assert receiver.unprotect(sealed(suite, kid, BASE, HIGHEST[kid] + 1, b"good"))[0] == b"good"


def grown(flood):
    """Bytes that 20,000 frames leave allocated, after some that warm the caches."""
    flood(200)
    gc.collect()
    tracemalloc.start()
    try:
        flood(200)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        flood(20_000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@every_offender
@pytest.mark.clause("frame.6-14")
def test_20000_refused_frames_keep_no_memory(name):
    receiver, data, streams = prepared(), OFFENDERS[name], ONLY.get(name)

    def flood(number):
        for _ in range(number):
            try:
                receiver.unprotect(data, streams=streams)
            except FrameRejected:
                continue
            raise AssertionError("it was opened")

    assert grown(flood) < 2048  # less than a byte a frame, whatever the interpreter does meanwhile


@pytest.mark.clause("frame.6-14")
def test_forged_frames_of_ever_new_kids_and_counters_keep_no_memory():
    receiver, ratchet = prepared(), RatchetReceiver(5, step_bits=4)
    ratchet.add_key(7, BASE)
    tail, counter = bytes(30), iter(range(10**9))

    def flood(number):
        for n in (next(counter) for _ in range(number)):
            for opener, kid in ((receiver, 64 + (n << 5)), (receiver, 300), (ratchet, 7 << 4 | n % 16)):
                try:
                    opener.unprotect(encode_header(kid, 2**33 + n) + tail)
                except FrameRejected:
                    continue
                raise AssertionError("it was opened")

    assert grown(flood) < 2048
