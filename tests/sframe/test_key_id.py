import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse
from e2ecall.sframe import ONE_TO_ONE, KeyId, KeyIdLayout, encode_header


@pytest.mark.clause("frame.4-1")
def test_between_two_the_caller_is_0_the_callee_1_and_eight_contexts_fit_one_byte():
    assert [ONE_TO_ONE.encode(context=c, sender=s, epoch=0) for c in (0, 1, 7) for s in (0, 1)] == [
        0,
        16,
        32,
        48,
        224,
        240,
    ]
    assert {len(encode_header(ONE_TO_ONE.encode(context=c, sender=1, epoch=15), 0)) for c in range(8)} == {2}
    assert len(encode_header(ONE_TO_ONE.encode(context=8, sender=0, epoch=0), 0)) == 3


@pytest.mark.clause("frame.4-1")
@given(st.integers(0, 20), st.integers(0, 20), st.data())
def test_the_parts_come_back_and_the_epoch_modulo_its_bits(epoch_bits, sender_bits, data):
    layout = KeyIdLayout(epoch_bits=epoch_bits, sender_bits=sender_bits)
    context = data.draw(st.integers(0, 2 ** (64 - epoch_bits - sender_bits) - 1))
    sender = data.draw(st.integers(0, 2**sender_bits - 1))
    epoch = data.draw(st.integers(0, 2**70))
    kid = layout.encode(context=context, sender=sender, epoch=epoch)
    assert 0 <= kid < 2**64
    assert layout.decode(kid) == KeyId(context, sender, epoch % 2**epoch_bits)


@pytest.mark.clause("frame.4-1")
def test_a_layout_has_64_bits():
    KeyIdLayout(epoch_bits=32, sender_bits=32)
    for epoch_bits, sender_bits in ((33, 32), (-1, 4), (4, -1)):
        with pytest.raises(ApiMisuse):
            KeyIdLayout(epoch_bits=epoch_bits, sender_bits=sender_bits)


@pytest.mark.clause("frame.4-2")
@pytest.mark.parametrize(
    "parts",
    [
        {"context": 0, "sender": 2, "epoch": 0},
        {"context": 0, "sender": -1, "epoch": 0},
        {"context": 2**59, "sender": 0, "epoch": 0},
        {"context": -1, "sender": 0, "epoch": 0},
        {"context": 0, "sender": 0, "epoch": -1},
    ],
)
def test_a_part_without_room_is_refused_and_never_cut(parts):
    with pytest.raises(ApiMisuse) as caught:
        ONE_TO_ONE.encode(**parts)
    assert caught.value.clause == "frame.4-2"


@pytest.mark.parametrize("kid", [-1, 2**64])
def test_only_64_bit_kids_are_read(kid):
    with pytest.raises(ApiMisuse):
        ONE_TO_ONE.decode(kid)


def test_the_layout_says_what_it_is():
    assert repr(ONE_TO_ONE) == "KeyIdLayout(epoch_bits=4, sender_bits=1)"


@pytest.mark.clause("frame.4-4")
@given(st.integers(0, 20), st.integers(0, 20), st.data())
def test_a_stream_is_context_and_sender_whatever_the_epoch(epoch_bits, sender_bits, data):
    layout = KeyIdLayout(epoch_bits=epoch_bits, sender_bits=sender_bits)
    most = (2 ** (64 - epoch_bits - sender_bits) - 1, 2**sender_bits - 1)
    one = tuple(data.draw(st.integers(0, n)) for n in most)
    two = tuple(data.draw(st.integers(0, n)) for n in most)
    epochs = [data.draw(st.integers(0, 2**70)) for _ in range(2)]
    numbers = [
        layout.stream(layout.encode(context=context, sender=sender, epoch=epoch))
        for context, sender in (one, two)
        for epoch in epochs
    ]
    assert numbers[:2] == [layout.stream_of(context=one[0], sender=one[1])] * 2
    assert numbers[2:] == [layout.stream_of(context=two[0], sender=two[1])] * 2
    assert (numbers[0] == numbers[2]) == (one == two)


@pytest.mark.clause("frame.4-4")
def test_between_two_a_stream_is_context_and_side():
    streams = [(c, s, ONE_TO_ONE.stream_of(context=c, sender=s)) for c in (0, 1, 2) for s in (0, 1)]
    assert streams == [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3), (2, 0, 4), (2, 1, 5)]
    for parts in ({"context": 0, "sender": 2}, {"context": 2**59, "sender": 0}, {"context": -1, "sender": 0}):
        with pytest.raises(ApiMisuse) as caught:
            ONE_TO_ONE.stream_of(**parts)
        assert caught.value.clause == "frame.4-2"
