import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, Receiver, Sender, decode_header, derive, encode_header
from e2ecall.sframe.cipher import FrameCipher
from support.frames import sealed

BASE = SecretBytes(bytes(range(32)))


@pytest.mark.clause("frame.3-3", "frame.5-1")
@pytest.mark.parametrize("suite", list(CipherSuite))
@pytest.mark.parametrize("kid", [0, 8, 2**64 - 1])
def test_a_sender_s_frames_are_those_of_its_cipher_with_counters_from_0(suite, kid):
    sender = Sender(suite, kid, BASE)
    assert (sender.suite, sender.kid) == (suite, kid)
    for ctr in range(300):
        assert sender.protect(b"%d" % ctr, b"m") == sealed(suite, kid, BASE, ctr, b"%d" % ctr, b"m")


@pytest.mark.clause("frame.3-3")
def test_metadata_is_authenticated_and_not_carried():
    frame = Sender(5, 0, BASE).protect(b"plain", b"metadata")
    assert b"metadata" not in frame
    assert len(frame) == 1 + 5 + 16
    receiver = Receiver(5)
    receiver.add_key(0, BASE)
    assert receiver.unprotect(frame, b"metadata") == (b"plain", 0, 0)


@pytest.mark.clause("frame.3-2")
@pytest.mark.parametrize("suite", list(CipherSuite))
def test_a_cipher_works_on_when_its_base_key_is_wiped(suite):
    """Nothing is read from a secret after the constructor; a cipher made from zeros would open here too."""
    base_key = SecretBytes(bytes(range(32)))
    sender, receiver, cipher = Sender(suite, 0, base_key), Receiver(suite), FrameCipher(suite, 0, base_key)
    receiver.add_key(0, base_key)
    base_key.wipe()
    frame = sealed(suite, 0, BASE, 0, b"the same")
    assert sender.protect(b"the same") == frame == cipher.seal(b"\0", 0, b"the same", b"")
    assert receiver.unprotect(frame)[0] == b"the same"


@pytest.mark.clause("frame.3-2")
@pytest.mark.parametrize("suite", list(CipherSuite))
def test_the_derived_keys_are_wiped_behind_the_cipher(monkeypatch, suite):
    derived = []

    def remembered(*arguments):
        derived.extend(derive(*arguments))
        return tuple(derived[-2:])

    monkeypatch.setattr("e2ecall.sframe.cipher.derive", remembered)
    monkeypatch.setattr("e2ecall.sframe.receive_key.derive", remembered)
    FrameCipher(suite, 0, BASE)
    Receiver(suite).add_key(0, BASE)
    assert [secret.wiped for secret in derived] == [True] * 4


@pytest.mark.clause("frame.5-5")
def test_a_counter_is_spent_even_if_nothing_was_sealed():
    sender = Sender(5, 0, BASE)
    with pytest.raises(TypeError):
        sender.protect("text")
    assert decode_header(sender.protect(b"x"))[1] == 1


@pytest.mark.clause("frame.3-3")
def test_a_cipher_takes_the_header_that_it_is_given():
    """For vectors: FrameCipher has no counters of its own."""
    cipher = FrameCipher(5, 7, BASE)
    assert (cipher.kid, cipher.suite) == (7, CipherSuite.AES_256_GCM_SHA512_128)
    header = encode_header(7, 5)
    assert cipher.seal(header, 5, b"x", b"") == cipher.seal(header, 5, b"x", b"")


def test_the_repr_names_kid_and_suite_and_no_key():
    assert repr(Sender(4, 48, BASE)) == "<Sender of KID 48, AES_128_GCM_SHA256_128>"


@pytest.mark.clause("frame.5-1")
def test_the_first_counter_cannot_be_chosen():
    for limits in ({"first_ctr": 0}, {"last_ctr": 5}):
        with pytest.raises(TypeError):
            Sender(5, 0, BASE, **limits)
    with pytest.raises(TypeError):
        Sender(5, 0, BASE, None)
    with pytest.raises(ApiMisuse):
        Sender(5, -1, BASE)
