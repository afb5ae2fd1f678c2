"""frame.8: packetizers that follow RFC 9628 (VP9) and AV1's RTP payload format carry sealed frames; see rtp_payloads.

For VP9 unchanged. For AV1 unchanged up to what its payload format lets a sender and a receiver do: drop the temporal
delimiter or put one in front, and drop or rewrite the size field.
"""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.codecs import layout_for
from e2ecall.codecs.av1 import TEMPORAL_DELIMITER
from support.codec_frames import bare, protector, unprotect
from support.rtp_payloads import (
    DROPPED,
    Obu,
    Vp9Descriptor,
    av1_depacketize,
    av1_packetize,
    parse_obus,
    vp9_depacketize,
    vp9_packetize,
    write_obu,
)

VP9, AV1 = layout_for("vp9"), layout_for("av1")
NOISE = random.Random(2).randbytes(5000)
LIMIT = 1200

# --------------------------------------------------------------------------------------------------------------- VP9

DESCRIPTORS = {
    "nothing but the flags": Vp9Descriptor(),
    "picture id of 7 bits": Vp9Descriptor(picture_id=5, inter=True),
    "picture id of 15 bits": Vp9Descriptor(picture_id=0x7FFF, inter=True, not_a_reference=True),
    "layers": Vp9Descriptor(picture_id=300, layer=(2, 0), inter=True),
    "an upper layer": Vp9Descriptor(picture_id=300, layer=(1, 2)),
    "flexible": Vp9Descriptor(picture_id=300, flexible=True, layer=(0, 1), inter=True, references=(1, 2, 127)),
    "flexible key frame": Vp9Descriptor(picture_id=1, flexible=True),
    # Three layers with their sizes, then two pictures: one reference, none.
    "structure": Vp9Descriptor(
        picture_id=300, layer=(0, 0), structure=bytes.fromhex("58 0140 00b4 0280 0168 0500 02d0 02 04 01 20")
    ),
    "structure without sizes": Vp9Descriptor(structure=bytes.fromhex("00")),
}


@pytest.mark.clause("frame.8-3")
@pytest.mark.parametrize("descriptor", [pytest.param(d, id=name) for name, d in DESCRIPTORS.items()])
def test_vp9_frames_of_every_size_arrive_unchanged(descriptor):
    sizes = [1, 2, 3, *range(LIMIT - 30, LIMIT + 5), *range(2 * LIMIT - 60, 2 * LIMIT + 5), 3 * LIMIT, len(NOISE)]
    for size in sizes:
        payloads = vp9_packetize(NOISE[:size], LIMIT, descriptor)
        assert all(len(payload) <= LIMIT for payload in payloads)
        arrived = vp9_depacketize(payloads)
        assert arrived == NOISE[:size] == VP9.open(VP9.seal(arrived, bare), bare)


@pytest.mark.clause("frame.8-3")
@given(st.binary(min_size=1, max_size=200), st.sampled_from(sorted(DESCRIPTORS)), st.integers(30, 100))
def test_sealed_vp9_frames_open_behind_the_wire(frame, name, limit):
    sealed = VP9.seal(frame, protector())
    arrived = vp9_depacketize(vp9_packetize(sealed, limit, DESCRIPTORS[name]))
    assert arrived == sealed
    assert VP9.open(arrived, unprotect) == frame


# --------------------------------------------------------------------------------------------------------------- AV1

# (W tells the number of elements, size fields stay, what is dropped)
SENDERS = [*itertools.product((True, False), (True, False), (frozenset(DROPPED), frozenset({2, 8, 15}), frozenset()))]
# (bytes of the size field, a delimiter in front)
RECEIVERS = [*itertools.product((0, 1, 2, 4, 8), (False, True))]


def av1_wire(frame, limit=LIMIT, sender=SENDERS[0], receiver=(1, False), *, new_sequence=False):
    counted, keep_sizes, dropped = sender
    payloads = av1_packetize(
        frame, limit, counted=counted, keep_sizes=keep_sizes, dropped=dropped, new_sequence=new_sequence
    )
    assert all(len(payload) <= limit for payload in payloads)
    return av1_depacketize(payloads, size_bytes=receiver[0], delimiter=receiver[1])


@pytest.mark.clause("frame.8-13", "frame.8-14", "frame.8-15")
def test_av1_frames_of_every_size_arrive_unchanged():
    for size in (*range(1, 140), *range(LIMIT - 20, LIMIT + 20), *range(2 * LIMIT - 20, 2 * LIMIT + 20), len(NOISE)):
        sealed = AV1.seal(NOISE[:size], bare)
        assert av1_wire(sealed) == sealed
        assert AV1.open(sealed, bare) == NOISE[:size]


@pytest.mark.clause("frame.8-13", "frame.8-14", "frame.8-15", "frame.8-16")
@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("receiver", RECEIVERS)
def test_av1_frames_open_behind_every_wire(sender, receiver):
    for size in (1, 2, 3, 105, 106, 107, 108, 109, LIMIT - 25, LIMIT - 24, LIMIT - 23, LIMIT - 22, 3 * LIMIT):
        sealed = AV1.seal(NOISE[:size], protector())
        arrived = av1_wire(sealed, LIMIT, sender, receiver)
        assert AV1.open(arrived, unprotect) == NOISE[:size]
        if receiver == (1, False):
            assert arrived == sealed
        if receiver == (0, False):
            assert arrived[:1] + arrived[1:] == b"\x48" + sealed[-len(arrived) + 1 :]


@pytest.mark.clause("frame.8-14", "frame.8-15")
@given(
    st.binary(min_size=1, max_size=300),
    st.integers(8, 150),
    st.sampled_from(SENDERS),
    st.sampled_from(RECEIVERS),
    st.booleans(),
)
def test_sealed_av1_frames_open_behind_the_wire(frame, limit, sender, receiver, new_sequence):
    sealed = AV1.seal(frame, protector())
    for sent in (sealed, TEMPORAL_DELIMITER + sealed):
        arrived = av1_wire(sent, limit, sender, receiver, new_sequence=new_sequence)
        assert AV1.open(arrived, unprotect) == frame


def test_the_av1_packetizer_of_these_tests_carries_whole_temporal_units():
    """The tool itself: OBUs of all types and sizes, aggregated and fragmented, with the delimiter dropped."""
    draw = random.Random(3)
    for _ in range(200):
        obus = []
        for _ in range(draw.randint(1, 6)):
            kind = draw.choice([1, 3, 4, 5, 6, 7, 9, 15])
            header = bytes([kind << 3 | 4, 0x28]) if draw.random() < 0.3 else bytes([kind << 3])
            obus.append(Obu(header, draw.randbytes(draw.choice([0, 1, 5, 126, 127, 128, 400])), True))
        unit = b"".join(write_obu(obu, size_bytes=1) for obu in obus)
        for counted, keep_sizes in itertools.product((True, False), repeat=2):
            sender = (counted, keep_sizes, frozenset(DROPPED))
            assert av1_wire(TEMPORAL_DELIMITER + unit, draw.randint(10, 500), sender) == unit
        assert parse_obus(unit) == obus


def test_why_the_obu_is_not_of_a_type_that_packetizers_drop():
    """§5: temporal delimiters and tile lists do not arrive, and with some senders no padding either."""
    payload = b"ciphertext\x80"
    for kind in (2, 8, 15):
        dropped = write_obu(Obu(bytes([kind << 3]), payload, True), size_bytes=1)
        kept = AV1.seal(b"frame", protector())
        assert av1_wire(dropped + kept, sender=SENDERS[1]) == kept
