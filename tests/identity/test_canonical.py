"""RFC 8785 for what this protocol signs: one text for one value, and no other text is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.identity.canonical import DEEPEST, canonical, read_canonical

pytestmark = pytest.mark.clause("identity.6-1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (-(2**53) + 1, "-9007199254740991"),
        ({"b": 1, "a": [1, "x"], "B": {}}, '{"B":{},"a":[1,"x"],"b":1}'),
        ('€$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),  # RFC 8785 §3.2.2
        ("\b\t\f\r\x1f\x7f\u2028😂", '"\\b\\t\\f\\r\\u001f\x7f\u2028😂"'),
    ],
)
def test_the_text_of_a_value(value, text):
    assert canonical(value) == text.encode()
    assert read_canonical(text.encode()) == value


@pytest.mark.parametrize(
    "value", [1.0, 2**53, -(2**53), "\ud800", {"é": 1}, {1: 2}, b"", (1,), [{"a": [float("nan")]}]]
)
def test_what_has_no_text(value):
    with pytest.raises(ApiMisuse):
        canonical(value)


def test_the_path_is_named():
    with pytest.raises(ApiMisuse, match=r"a float.* at a\.1\.b"):
        canonical({"a": [0, {"b": 0.5}]})


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (b"1 ", 1),
        (b" 1", 0),
        (b'{"a": 1}', 5),
        (b'{"b":1,"a":2}', 2),
        (b'"\\u0041"', 1),
        (b'"\\/"', 1),
        (b'"\\u001F"', 6),
        (b'"\xc3\xa9', 0),
        (b'"\xff"', 1),
        (b"-0", 0),
        (b"01", 1),
        (b"[1,]", 3),
        (b"nul", 0),
        (b"\xef\xbb\xbf1", 0),
        ('["é" ]'.encode(), 5),
    ],
)
def test_another_text_is_refused_where_it_differs(data, offset):
    with pytest.raises(MalformedMessage) as refused:
        read_canonical(data, what="the thing", clause="identity.6-9")
    assert (refused.value.offset, refused.value.clause) == (offset, "identity.6-9")
    assert "the thing" in refused.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"1.0",
        b"1e2",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        '{"é":1}'.encode(),
        b"[" * 100_000,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    ],
)
def test_what_canonical_json_has_not_is_refused(data):
    with pytest.raises(MalformedMessage):
        read_canonical(data)


def test_the_deepest_that_is_read():
    data = b"[" * DEEPEST + b"]" * DEEPEST
    assert canonical(read_canonical(data)) == data


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_back(value):
    text = canonical(value)
    assert read_canonical(text) == value
    assert json.loads(text) == value


@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:0123\\u e', max_size=20).map(str.encode))
def test_whatever_is_read_has_this_text(data):
    try:
        value = read_canonical(data)
    except MalformedMessage:
        return
    assert canonical(value) == data
