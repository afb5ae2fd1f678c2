"""AES-CTR with HMAC as RFC 9605 §4.5.1 writes it, held against hmac and single AES blocks."""

import hashlib
import hmac
import random
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.crypto import ctr_hmac
from e2ecall.crypto.aead import InvalidTag
from e2ecall.crypto.ctr_hmac import AesCtrHmac
from e2ecall.secret import SecretBytes

SHAPES = [(16, "sha256", 10), (16, "sha256", 8), (16, "sha256", 4), (32, "sha512", 10), (32, "sha512", 8)]
SHAPES.append((32, "sha512", 4))
every_shape = pytest.mark.parametrize(("key_length", "hash_name", "tag_length"), SHAPES)
NONCE = bytes(range(100, 112))

pytestmark = pytest.mark.clause("frame.3-3")


def key_of(key_length, hash_name):
    return random.Random(hash_name).randbytes(key_length + hashlib.new(hash_name).digest_size)


def made(key_length, hash_name, tag_length, key=None):
    secret = key or SecretBytes(key_of(key_length, hash_name))
    return AesCtrHmac(secret, cipher_key_length=key_length, hash_name=hash_name, tag_length=tag_length)


def expected(key_length, hash_name, tag_length, nonce, data, aad):
    """The text of §4.5.1 step by step, with AES one block at a time."""
    key = key_of(key_length, hash_name)
    block = Cipher(algorithms.AES(key[:key_length]), modes.ECB()).encryptor()
    stream = b"".join(block.update(nonce + n.to_bytes(4)) for n in range(len(data) // 16 + 1))
    ciphertext = bytes(a ^ b for a, b in zip(data, stream, strict=False))
    lengths = len(aad).to_bytes(8) + len(ciphertext).to_bytes(8) + tag_length.to_bytes(8)
    return ciphertext + hmac.digest(key[key_length:], lengths + nonce + aad + ciphertext, hash_name)[:tag_length]


@given(st.sampled_from(SHAPES), st.binary(min_size=12, max_size=12), st.binary(max_size=100), st.binary(max_size=40))
def test_it_is_rfc_9605_s_construction_both_ways(shape, nonce, data, aad):
    cipher = made(*shape)
    sealed = cipher.encrypt(nonce, data, aad)
    assert sealed == expected(*shape, nonce, data, aad)
    assert cipher.decrypt(nonce, sealed, aad) == data
    assert cipher.decrypt(nonce, memoryview(sealed), aad) == data


@every_shape
def test_a_key_stream_that_was_used_begins_anew(key_length, hash_name, tag_length):
    """One after the other through the same context, also after part of a block and after a refusal."""
    shape = key_length, hash_name, tag_length
    cipher = made(*shape)
    for number, length in enumerate((1, 15, 16, 17, 0, 31, 100_000, 1, 3)):
        nonce, data = number.to_bytes(12), random.Random(length).randbytes(length)
        sealed = cipher.encrypt(nonce, data, b"a")
        assert sealed == expected(*shape, nonce, data, b"a")
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, sealed, b"b")
        assert cipher.decrypt(nonce, sealed, b"a") == data
    assert len(cipher._idle) == 1


@every_shape
def test_every_bit_is_authenticated(key_length, hash_name, tag_length):
    cipher = made(key_length, hash_name, tag_length)
    sealed = cipher.encrypt(NONCE, b"ten bytes.", b"aad")
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, bytes(changed), b"aad")
    for nonce, data, aad in (
        (NONCE[:-1] + b"\0", sealed, b"aad"),
        (NONCE, sealed, b"aa"),
        (NONCE, sealed, b"aad" + sealed[:1]),
        (NONCE, sealed[1:], b"aad" + sealed[:1]),
        (NONCE, sealed + b"\0", b"aad"),
        (NONCE, sealed[:-1], b"aad"),
    ):
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, data, aad)
    assert cipher.decrypt(NONCE, sealed, b"aad") == b"ten bytes."


@every_shape
@pytest.mark.clause("frame.6-6")
def test_what_is_shorter_than_a_tag_is_refused(key_length, hash_name, tag_length):
    cipher = made(key_length, hash_name, tag_length)
    empty = cipher.encrypt(NONCE, b"", b"")
    assert len(empty) == tag_length
    for length in range(tag_length):
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, empty[:length], b"")
    assert cipher.decrypt(NONCE, empty, b"") == b""


@every_shape
def test_the_tag_says_how_long_it_is(key_length, hash_name, tag_length):
    """A frame under a longer tag does not open as one under a shorter one."""
    sealed = made(key_length, hash_name, 10).encrypt(NONCE, b"x", b"")
    cut = sealed[: 1 + tag_length]
    cipher = made(key_length, hash_name, tag_length)
    if tag_length == 10:
        assert cipher.decrypt(NONCE, cut, b"") == b"x"
    else:
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, cut, b"")


@every_shape
def test_wiping_the_key_changes_nothing(key_length, hash_name, tag_length):
    """The first frame is sealed after the wipe: neither half of the key may be read that late."""
    shape = key_length, hash_name, tag_length
    key = SecretBytes(key_of(key_length, hash_name))
    cipher = made(*shape, key=key)
    key.wipe()
    sealed = cipher.encrypt(NONCE, b"x" * 40, b"a")
    assert sealed == expected(*shape, NONCE, b"x" * 40, b"a")
    assert sealed[:40] != made(*shape, key=SecretBytes(bytes(len(key)))).encrypt(NONCE, b"x" * 40, b"a")[:40]


@pytest.mark.clause("frame.3-5", "frame.6-7")
def test_nothing_is_decrypted_before_the_tag_was_compared_in_constant_time(monkeypatch):
    cipher, calls = made(16, "sha256", 10), []
    sealed = cipher.encrypt(NONCE, b"x", b"")

    def compared(mine, theirs):
        calls.append((bytes(mine), bytes(theirs)))
        return hmac.compare_digest(mine, theirs)

    stream = AesCtrHmac._key_stream
    monkeypatch.setattr(ctr_hmac, "hmac", SimpleNamespace(compare_digest=compared))
    monkeypatch.setattr(AesCtrHmac, "_key_stream", lambda *given: calls.append("stream") or stream(*given))
    assert cipher.decrypt(NONCE, sealed, b"") == b"x"
    assert calls == [(sealed[1:], sealed[1:]), "stream"]
    calls.clear()
    wrong = sealed[:-1] + bytes([sealed[-1] ^ 1])
    with pytest.raises(InvalidTag):
        cipher.decrypt(NONCE, wrong, b"")
    assert calls == [(sealed[1:], wrong[1:])]
    with pytest.raises(InvalidTag):
        cipher.decrypt(NONCE, sealed[:9], b"")
    assert len(calls) == 1


@pytest.mark.clause("frame.5-1")
def test_eight_threads_share_one_cipher():
    """Long frames, so that some threads are in the middle of theirs."""
    shape = SHAPES[0]
    cipher = made(*shape)

    def work(number):
        source = random.Random(number)
        for turn in range(60):
            nonce, data = (number << 32 | turn).to_bytes(12), source.randbytes(source.choice([0, 5, 400, 70_000]))
            sealed = cipher.encrypt(nonce, data, b"%d" % number)
            assert sealed == made(*shape).encrypt(nonce, data, b"%d" % number)
            assert cipher.decrypt(nonce, memoryview(sealed), b"%d" % number) == data
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, b"!")
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))
    assert 1 <= len(cipher._idle) <= 8
    assert len({id(stream) for stream in cipher._idle}) == len(cipher._idle)
