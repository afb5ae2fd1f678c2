"""The oracle's layouts and the product's: the same sealed frames, and the same refusals of frames that are spoilt."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import layouts as slow
from e2ecall.audit.oracle.refused import Refused
from e2ecall.codecs import layout_for
from e2ecall.errors import FrameReason, FrameRejected, MediaUnavailable

CODECS = ("opus", "vp8", "h264")
TAG = b"\x00\x00\x00\x01tag"  # stands for a seal: the layouts are about what surrounds it


def protect(frame, metadata):
    return frame + bytes([len(metadata)]) + metadata + TAG


def unprotect_slow(data, metadata):
    end = bytes([len(metadata)]) + metadata + TAG
    if not data.endswith(end):
        raise Refused("authentication", "frame.6-5", "another seal")
    return data[: -len(end)]


def unprotect_fast(data, metadata):
    try:
        return unprotect_slow(bytes(data), bytes(metadata))
    except Refused as refused:
        raise FrameRejected(FrameReason(refused.reason), "another seal", clause=refused.clause) from None


def told(do):
    try:
        return do()
    except Refused as refused:
        return refused.reason, None
    except FrameRejected as rejected:
        return rejected.reason.value, None


# Pieces that access units and their seals are made of: runs of zeros, start codes, and types of NAL units.
PIECES = st.one_of(
    st.sampled_from([b"\0", b"\0\0", b"\0\0\0", b"\1", b"\2", b"\3", b"\4", b"\x80", b"\0\0\1", b"\0\0\0\1"]),
    st.sampled_from(
        [b"\x65\x88\x80", b"\x61\x9a", b"\x67", b"\x68", b"\x06", b"\x09", b"\x41", b"\x01", b"\x02", b"\x05"]
    ),
    st.sampled_from([b"\0\0\1\x65", b"\0\0\1\x61", b"\0\0\1\x06", b"\0\0\0\1\x01\x80", b"\0\0\1\xe5"]),
    st.binary(max_size=3),
)
FRAMES = st.lists(PIECES, max_size=12).map(b"".join)


@settings(max_examples=400)
@given(codec=st.sampled_from(CODECS), frame=FRAMES)
@example(codec="h264", frame=b"\0\0\1")
@example(codec="h264", frame=b"\0\0\1\x65")
@example(codec="h264", frame=b"\0\0\1\x02\0\0\1\x65")
@pytest.mark.clause("frame.8-1", "frame.8-2", "frame.8-3", "frame.8-4", "frame.8-6", "frame.8-7")
def test_frames_are_laid_out_alike(codec, frame):
    fast = told(lambda: layout_for(codec).seal(frame, protect))
    assert fast == told(lambda: slow.seal_frame(codec, frame, protect))
    if isinstance(fast, bytes):
        assert layout_for(codec).open(fast, unprotect_fast) == frame
        assert slow.open_frame(codec, fast, unprotect_slow) == frame
    else:
        assert frame == b""


@st.composite
def sealed_frames(draw, codec):
    """A sealed frame, or several pieces, put together again in another way."""
    frame = draw(FRAMES.filter(bool))
    sealed = slow.seal_frame(codec, frame, protect)
    way = draw(
        st.sampled_from(
            (
                "as it is",
                "twice",
                "cut",
                "pieces in it",
                "pieces in front",
                "pieces behind",
                "bit",
                "pieces",
                "not in a NAL unit",
            )
        )
    )
    at = draw(st.integers(0, len(sealed) - 1))
    some = draw(FRAMES)
    if way == "twice":
        return sealed + draw(st.sampled_from([b"", b"\0\0\1\x06\x05\x80"])) + sealed
    if way == "not in a NAL unit":
        return sealed + bytes.fromhex(
            draw(st.sampled_from(["00", "0000", "000000", "000002", "000002ff80", "00000304"]))
        )
    if way == "pieces":
        return some
    if way == "cut":
        return sealed[:at]
    if way == "bit":
        return sealed[:at] + bytes([sealed[at] ^ 1 << draw(st.integers(0, 7))]) + sealed[at + 1 :]
    if way == "pieces in it":
        return sealed[:at] + some + sealed[at:]
    return {"as it is": sealed, "pieces in front": some + sealed, "pieces behind": sealed + some}[way]


@settings(max_examples=500)
@given(data=st.data(), codec=st.sampled_from(CODECS))
@pytest.mark.clause("frame.8-5", "frame.8-8", "frame.8-9", "frame.8-10")
def test_sealed_frames_are_read_alike(data, codec):
    sealed = data.draw(sealed_frames(codec))
    fast = told(lambda: layout_for(codec).open(sealed, unprotect_fast))
    assert fast == told(lambda: slow.open_frame(codec, sealed, unprotect_slow))


@settings(max_examples=500)
@given(sealed=FRAMES)
@pytest.mark.clause("frame.8-8", "frame.8-9", "frame.8-10")
def test_any_pieces_are_read_alike(sealed):
    """With a seal that is always good, so that what lies behind it is looked at too."""
    fast = told(lambda: layout_for("h264").open(sealed, lambda data, metadata: bytes(data) + bytes(metadata)))
    assert fast == told(lambda: slow.open_frame("h264", sealed, lambda data, metadata: data + metadata))


@pytest.mark.clause("frame.8-11")
def test_an_unknown_codec_has_no_layout_in_either():
    with pytest.raises(MediaUnavailable) as fast:
        layout_for("theora")
    with pytest.raises(Refused) as oracle:
        slow.seal_frame("theora", b"frame", protect)
    assert fast.value.clause == oracle.value.clause == "frame.8-11"
