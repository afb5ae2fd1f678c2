"""Any message returns; anything else is read or refused."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import MalformedMessage
from e2ecall.handshake.telegram.signalling import (
    Candidates,
    DtlsFingerprint,
    FeedbackType,
    IceCandidate,
    InitialSetup,
    MediaContent,
    MediaKind,
    MediaState,
    NegotiateChannels,
    PayloadType,
    RtpExtension,
    SsrcGroup,
    UnknownSignal,
    VideoRotation,
    VideoState,
    build_signal,
    parse_signal,
)
from tests.support.telegram_signals import (
    CANDIDATES,
    CHANNELS,
    EVERY,
    KNOWN,
    SETUP,
    STATE,
    changed,
    packed,
)

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
extras = st.dictionaries(texts.map("x-".__add__), values, max_size=2)
ssrcs = st.integers(1, 2**32 - 1)


def tuples(inner, least=0):
    return st.lists(inner, min_size=least, max_size=3).map(tuple)


def nodes(kind, *members):
    return st.builds(lambda extra, *rest: kind(*rest, extra=extra), extras, *members)


codecs = nodes(
    PayloadType,
    st.integers(0, 127),
    texts,
    st.integers(1, 2**31 - 1),
    st.integers(0, 255),
    tuples(nodes(FeedbackType, texts, texts | st.just(""))),
    st.dictionaries(texts, texts, max_size=3),
)
contents = nodes(
    MediaContent,
    st.sampled_from(MediaKind),
    ssrcs,
    tuples(nodes(SsrcGroup, texts, tuples(ssrcs))),
    tuples(codecs),
    tuples(nodes(RtpExtension, st.integers(1, 255), texts)),
)
states = st.sampled_from(VideoState)
signals = st.one_of(
    nodes(InitialSetup, texts, texts, tuples(nodes(DtlsFingerprint, texts, texts, texts), 1), st.booleans()),
    nodes(Candidates, tuples(nodes(IceCandidate, texts))),
    nodes(NegotiateChannels, st.integers(0, 2**32 - 1), tuples(contents)),
    nodes(MediaState, st.booleans(), st.booleans(), states, st.sampled_from(VideoRotation), states),
    nodes(UnknownSignal, texts.filter(lambda name: name not in {message["@type"] for message in KNOWN})),
)


@pytest.mark.clause("telegram.5-10", "telegram.5-5")
@given(signals)
def test_every_message_comes_back(signal):
    data = build_signal(signal)
    assert data.startswith(b'{"@type":"')
    again = parse_signal(data)
    assert again == signal
    assert type(again) is type(signal)
    assert build_signal(again) == data
    assert parse_signal(gzip.compress(data)) == signal


def read_or_refused(data):
    error = None
    try:
        return parse_signal(data)
    except MalformedMessage as caught:
        error = caught
    assert error.clause.startswith("telegram.5-")
    assert error.path is not None
    return None


@given(st.sampled_from(EVERY), values)
def test_any_value_anywhere_is_read_or_refused(each, value):
    message, path = each
    signal = read_or_refused(packed(changed(message, path, value)))
    assert signal is None or parse_signal(build_signal(signal)) == signal


@given(st.dictionaries(st.sampled_from([*SETUP, *CHANNELS, *STATE, *CANDIDATES]) | st.text(max_size=3), values))
def test_random_json_raises_nothing_else(value):
    read_or_refused(json.dumps(value).encode())


@given(st.binary(max_size=60) | st.binary(max_size=30).map(b"\x1f\x8b\x08".__add__))
def test_random_bytes_raise_nothing_else(data):
    with pytest.raises(MalformedMessage):
        parse_signal(data)
