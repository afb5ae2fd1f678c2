"""What holds for frames of every suite: both ways, tags, short and large frames, frames of another suite."""

import mmap
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.audit.oracle import suites as oracle
from e2ecall.errors import ApiMisuse, FrameReason
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, Receiver, Sender, derive, encode_header
from e2ecall.sframe import cipher as cipher_module
from e2ecall.sframe import receiver as receiver_module
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.suites import aead
from support.frames import fresh_base, reason, refused, sealed

BASE = SecretBytes(bytes(range(32)))
SUITES = list(CipherSuite)
every_suite = pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
TAGS = {1: 10, 2: 8, 3: 4, 4: 16, 5: 16, 6: 10, 7: 8, 8: 4}
NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 300))


def opener(suite, kid=0, base_key=BASE):
    receiver = Receiver(suite)
    receiver.add_key(kid, base_key)
    return receiver


@pytest.mark.clause("frame.3-1", "frame.3-3")
@given(st.sampled_from(SUITES), NUMBERS, NUMBERS, st.binary(max_size=300), st.binary(max_size=60))
def test_what_is_protected_opens_with_the_same_metadata(suite, kid, ctr, plaintext, metadata):
    frame = sealed(suite, kid, BASE, ctr, plaintext, metadata)
    assert opener(suite, kid).unprotect(frame, metadata) == (plaintext, kid, ctr)
    assert len(frame) == len(encode_header(kid, ctr)) + len(plaintext) + TAGS[suite]


@every_suite
@pytest.mark.clause("frame.3-3")
def test_the_oracle_seals_the_same_bytes_and_opens_ours(suite):
    for kid, ctr, length in ((0, 0, 0), (7, 8, 1), (300, 255, 15), (2**64 - 1, 2**64 - 1, 16), (8, 256, 1207)):
        plaintext, metadata = random.Random(ctr).randbytes(length), b"meta"[: length % 5]
        frame = sealed(suite, kid, BASE, ctr, plaintext, metadata)
        assert oracle.protect(suite, kid, ctr, bytes(range(32)), plaintext, metadata).ciphertext == frame
        assert oracle.unprotect(suite, kid, bytes(range(32)), frame, metadata) == (plaintext, ctr)


@every_suite
@pytest.mark.clause("frame.3-3")
def test_an_empty_plaintext_is_a_header_and_a_tag(suite):
    base_key = fresh_base()
    frame = Sender(suite, 0, base_key).protect(b"", b"m")
    assert len(frame) == 1 + TAGS[suite] == 1 + suite.parameters.tag_length
    receiver = opener(suite, 0, base_key)
    assert refused(receiver, frame).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frame, b"m") == (b"", 0, 0)


@every_suite
@pytest.mark.clause("frame.6-6")
def test_a_frame_without_room_for_its_tag_is_malformed_and_one_with_room_is_not(suite):
    for kid, ctr in ((0, 0), (300, 70_000)):
        receiver = opener(suite, kid)
        header = len(encode_header(kid, ctr))
        frame = sealed(suite, kid, BASE, ctr, b"")
        for length in range(header, len(frame)):
            error = refused(receiver, frame[:length])
            assert (error.reason, error.clause, error.key_id) == (FrameReason.MALFORMED, "frame.6-6", kid)
        error = refused(receiver, frame[:-1] + b"!")
        assert (error.reason, error.clause, error.key_id) == (FrameReason.AUTHENTICATION, "frame.6-5", kid)
        assert receiver.unprotect(frame) == (b"", kid, ctr)


@every_suite
@pytest.mark.clause("frame.6-5")
def test_every_bit_of_header_ciphertext_tag_and_metadata_is_authenticated(suite):
    receiver, metadata = opener(suite, 8), b"ab"
    frame = sealed(suite, 8, BASE, 9, b"sound", metadata)
    in_header = {FrameReason.MALFORMED, FrameReason.UNKNOWN_KEY, FrameReason.AUTHENTICATION}
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        said = reason(receiver, bytes(changed), metadata)
        assert said in (in_header if bit < 24 else {FrameReason.AUTHENTICATION})
    for other in (b"", b"a", b"aB", b"abc"):
        assert refused(receiver, frame, other).reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frame, metadata) == (b"sound", 8, 9)


@pytest.mark.clause("frame.6-5", "frame.6-6")
@pytest.mark.parametrize("theirs", SUITES, ids=lambda suite: suite.name)
@pytest.mark.parametrize("ours", SUITES, ids=lambda suite: suite.name)
def test_a_frame_of_another_suite_is_not_opened(ours, theirs):
    receiver = opener(ours)
    for plaintext in (b"", b"x" * 40):
        frame = sealed(theirs, 0, BASE, len(plaintext), plaintext)
        if ours is theirs:
            assert receiver.unprotect(frame)[0] == plaintext
            continue
        error = refused(receiver, frame)
        short = len(frame) - len(encode_header(0, len(plaintext))) < TAGS[ours]
        assert error.reason is (FrameReason.MALFORMED if short else FrameReason.AUTHENTICATION)


@every_suite
@pytest.mark.clause("frame.3-3")
@pytest.mark.parametrize("length", [0, 1, 32_766, 32_767, 32_768, 32_769, 100_000])
def test_a_large_frame_has_the_bytes_of_the_plain_way(suite, length):
    """From 32768 bytes on a frame is sealed and opened in place; whoever is on the other side cannot tell."""
    plaintext, metadata = random.Random(length).randbytes(length), b"a constant"
    key, salt = derive(suite, 300, BASE)
    header = encode_header(300, 65_536)
    nonce = (int.from_bytes(salt.expose()) ^ 65_536).to_bytes(12)
    expected = header + aead(suite, key).encrypt(nonce, plaintext, header + metadata)
    frame = sealed(suite, 300, BASE, 65_536, plaintext, metadata)
    assert type(frame) is bytes
    assert frame == expected
    opened, kid, ctr = opener(suite, 300).unprotect(frame, metadata)
    assert type(opened) is bytes
    assert (opened, kid, ctr) == (plaintext, 300, 65_536)


@every_suite
@pytest.mark.clause("frame.6-5")
@pytest.mark.parametrize("length", [32_740, 32_768, 40_000])
def test_a_large_frame_is_refused_for_one_bit_like_a_small_one(suite, length):
    frame = sealed(suite, 300, BASE, 300, bytes(length), b"m")
    receiver = opener(suite, 300)
    for place in (4, 5, 5 + length // 2, 4 + length, 5 + length, len(frame) - 1):
        changed = bytearray(frame)
        changed[place] ^= 0x80
        assert refused(receiver, bytes(changed), b"m").reason is FrameReason.AUTHENTICATION
    assert refused(receiver, frame[:-1], b"m").reason is FrameReason.AUTHENTICATION
    assert receiver.unprotect(frame, b"m")[0] == bytes(length)


@pytest.mark.clause("frame.3-3")
@pytest.mark.parametrize("suite", [4, 5])
@given(plaintext=st.binary(max_size=200), metadata=st.binary(max_size=20), ctr=NUMBERS)
def test_in_place_and_plain_are_one_cipher(suite, plaintext, metadata, ctr):
    header, cipher = encode_header(9, ctr), FrameCipher(suite, 9, BASE)
    plain = cipher.seal(header, ctr, plaintext, metadata)
    cipher._large = 0
    assert cipher.seal(header, ctr, plaintext, metadata) == plain


def test_gcm_changes_its_way_at_32768_bytes_and_ctr_with_hmac_never():
    assert cipher_module._LARGE == receiver_module._LARGE == 32_768
    assert {suite: FrameCipher(suite, 0, BASE)._large <= 32_768 for suite in TAGS} == {
        suite: suite in (4, 5) for suite in TAGS
    }


@every_suite
@pytest.mark.clause("frame.5-1")
def test_eight_threads_seal_and_open_with_one_key(suite):
    base_key = fresh_base()
    sender, receiver = Sender(suite, 3, base_key), opener(suite, 3, base_key)

    def work(number):
        frames = [sender.protect(b"%d " % number * (n % 40), b"m") for n in range(120)]
        return [receiver.unprotect(frame, b"m") for frame in frames]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for number, opened in enumerate(results):
        assert [plaintext for plaintext, _, _ in opened] == [b"%d " % number * (n % 40) for n in range(120)]
    assert sorted(ctr for opened in results for _, _, ctr in opened) == list(range(960))


@pytest.mark.clause("frame.5-5")
def test_a_frame_beyond_the_cipher_s_limit_is_a_misuse_and_its_counter_is_spent():
    def too_long(*_):
        raise OverflowError

    base_key = fresh_base()
    sender = Sender(5, 16, base_key)
    cipher = sender._seal.__self__
    works, cipher._aead = cipher._aead, type("Aead", (), {"encrypt": staticmethod(too_long)})
    with pytest.raises(ApiMisuse) as caught:
        sender.protect(b"")
    assert (caught.value.key_id, caught.value.clause) == (16, "frame.5-5")
    cipher._aead = works
    assert opener(5, 16, base_key).unprotect(sender.protect(b"x")) == (b"x", 16, 1)


@pytest.mark.clause("frame.5-5")
@pytest.mark.parametrize("suite", CipherSuite)
def test_two_gib_are_too_many_for_every_suite(suite):
    with mmap.mmap(-1, 2**31) as untouched, pytest.raises(ApiMisuse):
        FrameCipher(suite, 0, BASE).seal(b"\0", 0, untouched, b"")
