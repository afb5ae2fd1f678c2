"""tde2e's encryption, strictly by the values that its own project publishes."""

import hashlib
import hmac
import json
from functools import cache

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.audit.oracle import ed25519
from e2ecall.crypto.rng import SystemRng
from e2ecall.crypto.sign import Signer
from e2ecall.crypto.tde2e import decrypt_data, decrypt_header, encrypt_data, encrypt_header, shared_secret
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.secret import SecretBytes
from tests.support.telegram import SHARED

NAMES = (
    "empty_message",
    "simple_message",
    "long_message",
    "random_message",
    "very_long_message",
    "message_with_special_chars",
    "message_with_unicode",
)
SECRET = SecretBytes(bytes(range(32)))
published = pytest.mark.skipif(not SHARED.is_dir(), reason="the published values of tde2e are not here")


class Zeros:
    """The padding of the published values."""

    def draw(self, name, length):
        return bytes(length)


@cache
def given_file(name):
    return json.loads((SHARED / name).read_text(encoding="utf-8"))


def vector(name):
    (found,) = (each for each in given_file("tde2e_encryption_vectors.json")["vectors"] if each["name"] == name)
    return {key: bytes.fromhex(value) for key, value in found.items() if key != "name"}


@published
def test_every_published_value_is_tried():
    assert [each["name"] for each in given_file("tde2e_encryption_vectors.json")["vectors"]] == list(NAMES)


@published
@pytest.mark.clause("telegram.8-1", "telegram.8-2", "telegram.8-3")
@pytest.mark.parametrize("name", NAMES)
def test_published_values_both_ways(name):
    values = vector(name)
    secret, header = SecretBytes(values["secret"]), SecretBytes(values["header"])
    encrypted = encrypt_data(values["data"], secret, Zeros(), extra=values["extra"])
    assert encrypted.message == values["encrypted"]
    assert encrypted.large_id[:16] == values["encrypted"][:16]
    assert decrypt_data(values["encrypted"], secret, extra=values["extra"]) == (values["data"], encrypted.large_id)
    assert encrypt_header(header, values["encrypted"], secret) == values["encrypted_header"]
    opened = decrypt_header(values["encrypted_header"], values["encrypted"], secret)
    assert bytes(opened.expose()) == values["header"]


@published
@pytest.mark.clause("telegram.8-2")
@pytest.mark.parametrize("name", NAMES)
def test_published_values_are_refused_when_spoilt(name):
    values = vector(name)
    secret, message, extra = SecretBytes(values["secret"]), values["encrypted"], values["extra"]
    for at in range(len(message)):
        with pytest.raises(VerificationFailed):
            decrypt_data(message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :], secret, extra=extra)
    for length in range(len(message)):
        with pytest.raises((MalformedMessage, VerificationFailed)):
            decrypt_data(message[:length], secret, extra=extra)
    for other in (extra + b"\0", b"z" + extra):
        with pytest.raises(VerificationFailed):
            decrypt_data(message, secret, extra=other)
    with pytest.raises(VerificationFailed):
        decrypt_data(message, SecretBytes(bytes(32)), extra=extra)


@published
@pytest.mark.clause("telegram.8-4")
@pytest.mark.parametrize(("own", "other"), [("alice", "bob"), ("bob", "alice")])
def test_the_published_secret_of_two_keys(own, other):
    values = {key: bytes.fromhex(value) for key, value in given_file("ed25519_x25519.json").items() if key != "source"}
    seed = SecretBytes(values[f"{own}_seed"])
    assert Signer(seed).public == values[f"{own}_pub"]
    assert bytes(shared_secret(seed, values[f"{other}_pub"]).expose()) == values["compute_shared_secret"]


@pytest.mark.clause("telegram.8-1", "telegram.8-2")
@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_was_encrypted_is_decrypted(data, extra):
    encrypted = encrypt_data(data, SECRET, SystemRng(), extra=extra)
    assert len(encrypted.message) % 16 == 0
    assert 32 <= len(encrypted.message) - len(data) <= 47
    assert decrypt_data(encrypted.message, SECRET, extra=extra) == (data, encrypted.large_id)


@pytest.mark.clause("telegram.8-1")
def test_the_padding_is_drawn_anew():
    assert encrypt_data(b"x", SECRET, SystemRng()).message != encrypt_data(b"x", SECRET, SystemRng()).message


@pytest.mark.clause("telegram.8-2")
def test_every_changed_byte_is_refused():
    message = encrypt_data(b"data", SECRET, SystemRng(), extra=b"extra").message
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]
        with pytest.raises(VerificationFailed):
            decrypt_data(changed, SECRET, extra=b"extra")
    for extra in (b"", b"extrb", b"extra\0"):
        with pytest.raises(VerificationFailed):
            decrypt_data(message, SECRET, extra=extra)
    with pytest.raises(VerificationFailed):
        decrypt_data(message, SecretBytes(bytes(32)), extra=b"extra")


@pytest.mark.clause("telegram.8-2")
def test_data_and_extra_do_not_run_into_each_other():
    message = encrypt_data(b"data" + b"e" * 16, SECRET, Zeros()).message
    with pytest.raises(VerificationFailed):
        decrypt_data(message[:-16], SECRET, extra=b"e" * 16)


@pytest.mark.clause("telegram.8-2")
@pytest.mark.parametrize("length", [0, 15, 16, 31, 33, 47])
def test_other_lengths_are_refused(length):
    with pytest.raises(MalformedMessage):
        decrypt_data(bytes(length), SECRET)


def sealed(padded):
    """As a member of the call could: a good tag over any plaintext."""
    keys = hmac.digest(bytes(SECRET.expose()), b"tde2e_encrypt_data", "sha512")
    tag = hmac.digest(keys[32:], padded + bytes(4), "sha256")[:16]
    derived = hmac.digest(keys[:32], tag, "sha512")
    encryptor = Cipher(algorithms.AES256(derived[:32]), modes.CBC(derived[32:48])).encryptor()
    return tag + encryptor.update(padded) + encryptor.finalize()


@pytest.mark.clause("telegram.8-2")
@pytest.mark.parametrize(
    ("first", "length", "good"),
    [(0, 32, 0), (15, 32, 0), (32, 32, 0), (255, 32, 0), (17, 16, 0), (16, 16, 1), (31, 32, 1)],
)
def test_a_padding_that_no_sender_makes_is_refused_behind_a_good_tag(first, length, good):
    message = sealed(bytes([first]) + bytes(length - 1))
    if good:
        assert decrypt_data(message, SECRET)[0] == bytes(length - first)
        return
    with pytest.raises(MalformedMessage, match="padding"):
        decrypt_data(message, SECRET)


@pytest.mark.clause("telegram.8-3")
def test_a_header_is_bound_to_its_data_and_has_no_tag():
    header = SecretBytes(b"h" * 32)
    message, other = encrypt_data(b"1", SECRET, SystemRng()).message, encrypt_data(b"2", SECRET, SystemRng()).message
    encrypted = encrypt_header(header, message, SECRET)
    assert bytes(decrypt_header(encrypted, message, SECRET).expose()) == b"h" * 32
    assert bytes(decrypt_header(encrypted, other, SECRET).expose()) != b"h" * 32
    for wrong in (encrypted[:-1], encrypted + b"\0", b""):
        with pytest.raises(MalformedMessage):
            decrypt_header(wrong, message, SECRET)
    with pytest.raises(MalformedMessage):
        decrypt_header(encrypted, message[:15], SECRET)
    with pytest.raises(ApiMisuse):
        encrypt_header(SecretBytes(bytes(31)), message, SECRET)


LOW_ORDER = {
    "y = 0": bytes(32),
    "y = 1": (1).to_bytes(32, "little"),
    "y = -1": ((1 << 255) - 20).to_bytes(32, "little"),
    "y = p": ((1 << 255) - 19).to_bytes(32, "little"),
    "y = p + 1": ((1 << 255) - 18).to_bytes(32, "little"),
    "order 8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "no point": (2).to_bytes(32, "little"),
}


@pytest.mark.clause("telegram.8-4")
@pytest.mark.parametrize("key", LOW_ORDER.values(), ids=LOW_ORDER)
def test_keys_that_are_no_keys_are_refused(key):
    with pytest.raises(PeerMisbehaved):
        shared_secret(SECRET, key)


@pytest.mark.clause("telegram.8-4")
def test_a_good_key_with_a_point_of_small_order_added_is_refused():
    small = ed25519.decode_point(LOW_ORDER["order 8"])
    good = ed25519.decode_point(Signer(SECRET).public)
    for times in range(1, 8):
        key = ed25519.encode_point(ed25519.add(good, ed25519.multiply(times, small)))
        with pytest.raises(PeerMisbehaved):
            shared_secret(SECRET, key)


@pytest.mark.clause("telegram.8-1", "telegram.8-3")
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_of_another_length_is_this_programs_mistake(length):
    wrong, header = SecretBytes(bytes(length)), SecretBytes(bytes(32))
    for act in (
        lambda: encrypt_data(b"x", wrong, SystemRng()),
        lambda: decrypt_data(bytes(32), wrong),
        lambda: encrypt_header(header, bytes(16), wrong),
        lambda: decrypt_header(bytes(32), bytes(16), wrong),
    ):
        with pytest.raises(ApiMisuse):
            act()


@pytest.mark.clause("telegram.8-4")
def test_both_sides_have_one_secret_and_others_another():
    one, two = SecretBytes(hashlib.sha256(b"1").digest()), SecretBytes(hashlib.sha256(b"2").digest())
    assert shared_secret(one, Signer(two).public) == shared_secret(two, Signer(one).public)
    assert shared_secret(one, Signer(two).public) != shared_secret(one, Signer(one).public)
    with pytest.raises(MalformedMessage):
        shared_secret(one, bytes(31))
    with pytest.raises(ApiMisuse):
        shared_secret(SecretBytes(bytes(31)), Signer(two).public)
