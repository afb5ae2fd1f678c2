"""TL's values: each read as it was written, and only in its one encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.wire.tl import MAX_STRING, TlReader, TlWriter


def written(write):
    writer = TlWriter()
    write(writer)
    return bytes(writer.data)


STRINGS = {
    b"": "00000000",
    b"a": "01610000",
    b"abc": "03616263",
    b"abcd": "0461626364000000",
    b"x" * 253: "fd" + "78" * 253 + "0000",
    b"x" * 254: "fefe0000" + "78" * 254 + "0000",
    b"x" * 256: "fe000100" + "78" * 256,
}


@pytest.mark.clause("telegram.8-6")
@pytest.mark.parametrize(("value", "expected"), STRINGS.items(), ids=lambda each: str(len(each)))
def test_strings_are_written_and_read_strictly(value, expected):
    data = bytes.fromhex(expected)
    assert written(lambda writer: writer.string(value)) == data
    reader = TlReader(data)
    assert reader.string("text") == value
    reader.end("text")
    for length in range(len(data)):
        with pytest.raises(MalformedMessage):
            TlReader(data[:length]).string("text")


@pytest.mark.clause("telegram.8-6")
@pytest.mark.parametrize(
    ("data", "why", "offset"),
    [
        ("01610001", "padding", 2),
        ("01610100", "padding", 2),
        ("fe010000" + "61000000", "written as a long one", 0),
        ("fefd0000" + "61" * 253 + "000000", "written as a long one", 0),
        ("ff000000" + "61000000", "begins with ff", 0),
    ],
)
def test_other_encodings_of_a_string_are_refused(data, why, offset):
    with pytest.raises(MalformedMessage, match=why) as refused:
        TlReader(bytes.fromhex(data)).string("text")
    assert (refused.value.clause, refused.value.offset) == ("telegram.8-6", offset)


@pytest.mark.clause("telegram.8-6")
@given(st.lists(st.binary(max_size=600), max_size=5))
def test_strings_follow_each_other(values):
    writer = TlWriter()
    for each in values:
        writer.string(each)
    reader = TlReader(bytes(writer.data))
    assert [reader.string("text") for _ in values] == values
    reader.end("text")


@pytest.mark.clause("telegram.8-5")
def test_numbers_are_little_endian():
    def write(writer):
        writer.uint32(0x639A3DB6)
        writer.int32(-2)
        writer.int64(1 << 40)
        writer.int64(-3)
        writer.raw(b"\x07" * 32, 32)

    data = written(write)
    assert data.hex() == "b63d9a63" + "feffffff" + "0000000000010000" + "fdffffffffffffff" + "07" * 32
    reader = TlReader(data)
    reader.constructor(0x639A3DB6, "block")
    assert reader.int32("n") == -2
    assert reader.int64("n") == 1 << 40
    assert reader.int64("n") == -3
    assert reader.raw(32, "hash") == b"\x07" * 32
    reader.end("block")


@pytest.mark.clause("telegram.8-5", "telegram.8-7")
def test_what_is_not_there_or_too_much_is_refused_where_it_is():
    reader = TlReader(bytes(6))
    assert reader.uint32("n") == 0
    with pytest.raises(MalformedMessage) as refused:
        reader.uint32("second")
    assert (refused.value.offset, refused.value.path) == (4, "second")
    with pytest.raises(MalformedMessage, match="left over"):
        reader.end("all")
    reader = TlReader(bytes(8))
    reader.int32("n")
    with pytest.raises(MalformedMessage, match="639a3db6") as refused:
        reader.constructor(0x639A3DB6, "block")
    assert (refused.value.offset, reader.offset) == (4, 4)


@pytest.mark.clause("telegram.8-7")
@pytest.mark.parametrize(
    ("data", "fits"), [("02000000" + "00" * 8, True), ("02000000" + "00" * 7, False), ("ffffffff", False)]
)
def test_a_count_is_not_believed(data, fits):
    reader = TlReader(bytes.fromhex(data))
    if fits:
        assert reader.count("list", item=4, most=2) == 2
        return
    with pytest.raises(MalformedMessage, match="too many"):
        reader.count("list", item=4, most=1 << 32)
    with pytest.raises(MalformedMessage, match="too many"):
        TlReader(bytes.fromhex("03000000") + bytes(99)).count("list", item=4, most=2)


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.uint32(-1),
        lambda writer: writer.uint32(1 << 32),
        lambda writer: writer.int32(1 << 31),
        lambda writer: writer.int64(1 << 63),
        lambda writer: writer.raw(b"12", 3),
        lambda writer: writer.string(bytes(MAX_STRING + 1)),
    ],
)
def test_a_value_that_does_not_fit_is_this_programs_mistake(write):
    with pytest.raises(ApiMisuse):
        written(write)
