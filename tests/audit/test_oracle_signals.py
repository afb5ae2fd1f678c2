"""Telegram's signalling messages, read twice: the product and the slow reader agree, also in what they refuse."""

import gzip
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.signals import digest, read_signal
from e2ecall.errors import MalformedMessage
from e2ecall.handshake.telegram.signalling import DtlsFingerprint, build_signal, parse_signal
from tests.support.telegram_signals import EVERY, KNOWN, SHA256, changed, packed

ODD = [0, 1, -1, 128, 2**31, 2**32, 2**64, -0.0, 1e400, True, None, "", "7", "07", "x", "a\n", "\ud800", [], {}]
values = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def read(act, *arguments):
    """What it gives, or the clause that refuses."""
    try:
        return act(*arguments)
    except (MalformedMessage, Refused) as refused:
        return refused.clause


def ours(data):
    return json.loads(build_signal(parse_signal(data)))


def test_what_a_message_says_is_said_by_both():
    for message in KNOWN:
        assert read_signal(packed(message)) == ours(packed(message)) != {}
        assert read_signal(gzip.compress(packed(message))) == read_signal(packed(message))


@given(st.sampled_from(EVERY), values)
def test_any_value_anywhere_is_read_or_refused_by_both(each, value):
    message, path = each
    data = json.dumps(changed(message, path, value)).encode()
    assert read(ours, data) == read(read_signal, data)


MARKS = [b"{", b"}", b"[", b"]", b":", b",", b'"@type"', b'"MediaState"', b'"muted"', b"true", b"NaN", b"1", b"-", b"0"]
MARKS += [b".5", b"e9", b" ", b"\t", b"\n", b"\x0b", b'"', b"\\", b"\\u00e9", b"\\ud800", b"\xc3\xa9", b"\xff", b"null"]


@given(st.lists(st.sampled_from(MARKS), max_size=12).map(b"".join), st.sampled_from([b"", b',"x":', b"["]))
@example(b"1.", b',"x":')
@example(b"-01", b',"x":')
@example(b'"\\ud800\\ud800"', b',"x":')
def test_both_take_the_same_json(text, start):
    data = b'{"@type":"MediaState"' + start + text + b"}" if start else text
    theirs, mine = read(read_signal, data), read(ours, data)
    assert isinstance(theirs, str) == isinstance(mine, str)
    if not isinstance(mine, str):
        assert theirs == mine


@pytest.mark.parametrize("marks", [16381, 16382])
def test_both_count_the_marks(marks):
    data = b'{"@type":"Later","x":[' + b"1," * (marks - 1) + b"1]}"
    assert read(ours, data) == read(read_signal, data)


@given(st.sampled_from(["sha-1", "SHA-256", "sha-512", "md5"]), st.text("0aF:g", max_size=12) | st.just(SHA256))
@example("sha-1", "ab:" * 19 + "AB")
@example("sha-1", "ab:" * 20)
def test_both_read_the_same_fingerprint(name, text):
    assert read(DtlsFingerprint(name, "active", text).digest) == read(digest, name, text)
