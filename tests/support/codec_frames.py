"""What the tests of codec layouts share: real and absent cryptography, frames that look like a codec's, refusals."""

import pytest
from hypothesis import strategies as st

from e2ecall.codecs import Profile, layout_for
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Receiver, encode_header
from e2ecall.sframe.cipher import FrameCipher

SC = bytes.fromhex("00 00 00 01")
KID = 32
BASE = SecretBytes(bytes(range(32)))

CODECS = ["opus", "vp8", "vp9", "h264", "av1"]
LAYOUTS = {codec: layout_for(codec) for codec in CODECS}
LAYOUTS["vp8 clear header"] = layout_for("vp8", profile=Profile.CLEAR_HEADER)

every_layout = pytest.mark.parametrize("layout", [pytest.param(layout, id=name) for name, layout in LAYOUTS.items()])
whole_layouts = pytest.mark.parametrize("codec", CODECS)

# Bytes in which start codes, zero runs and emulation prevention are common.
zeros = st.lists(
    st.sampled_from([b"\0", b"\0\0", b"\0\0\0", b"\1", b"\2", b"\3", b"\4", b"\x80", b"a"]), max_size=30
).map(b"".join)
data = st.one_of(zeros, st.binary(max_size=80))
_nal_units = st.tuples(st.sampled_from([SC, SC[1:]]), st.sampled_from([b"\x65", b"\x41", b"\x67", b"\x06"]), data).map(
    b"".join
)
_obus = st.lists(
    st.tuples(st.sampled_from([0x12, 0x0A, 0x2A, 0x32, 0x1A, 0x7A]), st.binary(max_size=20)).map(
        lambda obu: bytes([obu[0], len(obu[1])]) + obu[1]
    ),
    max_size=4,
).map(b"".join)
frames = st.one_of(data, _nal_units, _obus).filter(len)


def bare(frame, metadata):
    """No cryptography at all: what the layout itself does."""
    return frame


def protector(ctr=0):
    """SFrame with an explicit counter."""
    cipher, header = FrameCipher(5, KID, BASE), encode_header(KID, ctr)
    return lambda frame, metadata: cipher.seal(header, ctr, frame, metadata)


def unprotect(ciphertext, metadata):
    """A receiver that has opened nothing yet: no replay window in the way."""
    receiver = Receiver(5)
    receiver.add_key(KID, BASE)
    return receiver.unprotect(ciphertext, metadata)[0]


def malformed(layout, sealed, unprotect=bare):
    """The clause for which `sealed` is refused as malformed."""
    with pytest.raises(FrameRejected) as caught:
        layout.open(sealed, unprotect)
    assert caught.value.reason is FrameReason.MALFORMED
    return caught.value.clause


def refused(layout, sealed):
    """The reason for which `sealed` is refused behind real cryptography."""
    with pytest.raises(FrameRejected) as caught:
        layout.open(sealed, unprotect)
    return caught.value.reason
