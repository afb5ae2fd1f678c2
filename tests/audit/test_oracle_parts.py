"""The oracle by itself: known answers of its primitives, its independence, and RFC 9605's file, both directions."""

import ast
import json
import os
from pathlib import Path

import pytest

from e2ecall.audit.oracle import aead, hashes
from e2ecall.audit.oracle.header import decode_header, encode_header
from e2ecall.audit.oracle.key_ids import (
    MLS_EXPORTER_LABEL,
    mls_key_id,
    mls_parts,
    ratchet,
    ratchet_key_id,
    ratchet_parts,
    stream_id,
)
from e2ecall.audit.oracle.layouts import escape, nal_units, open_frame, seal_frame, unescape
from e2ecall.audit.oracle.receiver import Window
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import SUITES, protect, suite_of, unprotect

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / "e2ecall" / "audit" / "oracle"
SHARED = (
    Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/sframe-rfc9605/sframe-test-vectors.json"
)
raw = bytes.fromhex


def official(name):
    return json.loads(SHARED.read_text(encoding="utf-8"))[name]


needs_shared = pytest.mark.skipif(
    not SHARED.exists(), reason="RFC 9605's own file is not here (E2ECALL_SHARED); vectors/ restates it"
)


@pytest.mark.parametrize("path", sorted(ORACLE.glob("*.py")), ids=lambda path: path.name)
def test_the_oracle_imports_nothing_of_the_product(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    ours = [module for module in modules if module.split(".")[0] == "e2ecall"]
    assert all(f"{module}.".startswith("e2ecall.audit.oracle.") for module in ours), ours


def test_nothing_of_the_product_imports_the_oracle():
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "e2ecall").rglob("*.py"))
        if ORACLE not in path.parents and "audit.oracle" in path.read_text(encoding="utf-8")
    ]
    assert users == []


@pytest.mark.parametrize(
    ("name", "key", "data", "tag"),
    [  # RFC 4231 §4.2, §4.3 and §4.7, whose key is longer than a block
        ("sha256", b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            "sha512",
            b"Jefe",
            b"what do ya want for nothing?",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            "sha256",
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_hmac(name, key, data, tag):
    assert hashes.hmac(name, key, data).hex() == tag


def test_hkdf():
    """RFC 5869, A.1 and A.3 (no salt)."""
    prk = hashes.hkdf_extract("sha256", bytes(range(13)), b"\x0b" * 22)
    assert prk.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    okm = hashes.hkdf_expand("sha256", prk, bytes(range(0xF0, 0xFA)), 42)
    assert okm.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    prk = hashes.hkdf_extract("sha256", b"", b"\x0b" * 22)
    okm = hashes.hkdf_expand("sha256", prk, b"", 42)
    assert okm.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"


# McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 1, 2, 4 and 16.
_PLAIN = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)


@pytest.mark.parametrize(
    ("key", "nonce", "aad", "plaintext", "sealed"),
    [
        ("00" * 16, "00" * 12, "", "", "58e2fccefa7e3061367f1d57a4e7455a"),
        ("00" * 16, "00" * 12, "", "00" * 16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
        (
            "feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            _PLAIN,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            "feffe9928665731c6d6a8f9467308308" * 2,
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            _PLAIN,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ],
)
def test_gcm(key, nonce, aad, plaintext, sealed):
    key, nonce, aad, plaintext, sealed = (raw(value) for value in (key, nonce, aad, plaintext, sealed))
    assert aead.gcm_encrypt(key, nonce, aad, plaintext) == sealed
    assert aead.gcm_decrypt(key, nonce, aad, sealed) == plaintext
    with pytest.raises(Refused) as caught:
        aead.gcm_decrypt(key, nonce, aad + b"\0", sealed)
    assert caught.value.layer == "authentication"


def test_the_suites_are_rfc_9605_s_table():
    rows = [(suite.number, suite.nh, suite.nka, suite.nk, suite.nt) for suite in SUITES]
    assert rows[:5] == [
        (1, 32, 16, 48, 10),
        (2, 32, 16, 48, 8),
        (3, 32, 16, 48, 4),
        (4, 32, 0, 16, 16),
        (5, 64, 0, 32, 16),
    ]
    assert rows[5:] == [(6, 64, 32, 96, 10), (7, 64, 32, 96, 8), (8, 64, 32, 96, 4)]
    for number in (0, 9, -1, 0xF000):
        with pytest.raises(Refused) as caught:
            suite_of(number)
        assert (caught.value.layer, caught.value.clause) == ("misuse", "frame.3-1")


def test_key_ids_come_apart_again():
    """RFC 9605 §5.2, an arrow of the figure, and §5.1 with R = 4."""
    assert mls_key_id(3, 2, 16, epoch_bits=4, sender_bits=6) == 0xC20
    assert mls_parts(0xC20, epoch_bits=4, sender_bits=6) == (3, 2, 0)
    assert stream_id(0xC2F, epoch_bits=4) == stream_id(0xC20, epoch_bits=4) == 0xC2
    assert ratchet_key_id(5, 17, 4) == 0x51
    assert ratchet_parts(0x51, 4) == (5, 1)
    assert MLS_EXPORTER_LABEL == "SFrame 1.0 Base Key"


def test_a_ratchet_of_steps_is_one_step_after_another():
    assert ratchet(1, bytes(16), 3) == ratchet(1, ratchet(1, ratchet(1, bytes(16))))
    assert [len(ratchet(suite.number, bytes(16))) for suite in SUITES] == [suite.nh for suite in SUITES]
    assert ratchet(1, bytes(16)) == ratchet(4, bytes(16)) != ratchet(6, bytes(16))[:32]


def test_the_window_is_the_rule_and_nothing_more():
    window = Window()
    for ctr in (5000, 3977, 4999):
        window.take(ctr)
    for ctr, reason in ((3976, "too-old"), (3977, "replay"), (5000, "replay"), (0, "too-old")):
        with pytest.raises(Refused) as caught:
            window.take(ctr)
        assert (caught.value.layer, caught.value.reason) == ("replay", reason)
    assert window.taken == {5000, 3977, 4999}


def test_escaping_is_h264_s():
    zeros = "0000000001000002000003000004"
    assert escape(raw(zeros)).hex() == "00000300000301000003020000030300000480"
    for data in ("", "00", "0000", "000000", "000001", "000003", "00000300", "0000030001", "00000004"):
        body = escape(raw(data))
        assert body.endswith(b"\x80")
        assert not any(code in body for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
        assert unescape(body) == raw(data)


def test_nal_units_stand_between_start_codes():
    stream = raw("aabb" + "00000001" + "0900" + "000001" + "65" + "00000001" + "000001" + "6100")
    assert [unit.hex() for unit in nal_units(stream)] == ["09", "65", "", "6100"]


def test_layouts_are_known_by_name():
    for do in (seal_frame, open_frame):
        with pytest.raises(Refused) as caught:
            do("theora", b"frame", lambda data, metadata: data)
        assert caught.value.clause == "frame.8-11"


@needs_shared
def test_rfc_9605_headers():
    cases = official("header")
    assert len(cases) == 289
    for case in cases:
        kid, ctr, header = int(case["kid"]), int(case["ctr"]), raw(case["encoded"])
        assert encode_header(kid, ctr) == header
        assert decode_header(header) == (kid, ctr, len(header))
        assert decode_header(header + b"\xff") == (kid, ctr, len(header))


@needs_shared
def test_rfc_9605_aead():
    cases = official("aes_ctr_hmac") + official("aes_256_ctr_hmac")
    assert [case["cipher_suite"] for case in cases] == [1, 2, 3, 6, 7, 8]
    for case in cases:
        suite = suite_of(case["cipher_suite"])
        key, nonce, aad, plaintext, ciphertext = (raw(case[name]) for name in ("key", "nonce", "aad", "pt", "ct"))
        assert [part.hex() for part in aead.split_ctr_hmac_key(key, suite.nka)] == [case["enc_key"], case["auth_key"]]
        assert suite.encrypt(key, nonce, aad, plaintext) == ciphertext
        assert suite.decrypt(key, nonce, aad, ciphertext) == plaintext


@needs_shared
def test_rfc_9605_frames():
    cases = official("sframe")
    assert [case["cipher_suite"] for case in cases] == [1, 2, 3, 4, 5]
    for case in cases:
        suite, kid, ctr, base_key = case["cipher_suite"], case["kid"], case["ctr"], raw(case["base_key"])
        plaintext, metadata, ciphertext = raw(case["pt"]), raw(case["metadata"]), raw(case["ct"])
        sealed = protect(suite, kid, ctr, base_key, plaintext, metadata)
        derived = sealed.derived
        got = (
            derived.key_label,
            derived.salt_label,
            derived.secret,
            derived.key,
            derived.salt,
            sealed.nonce,
            sealed.aad,
        )
        names = ("key_label", "salt_label", "secret", "key", "salt")
        assert [value.hex() for value in got[:5]] == [case[f"sframe_{name}"] for name in names]
        assert [value.hex() for value in got[5:]] == [case["nonce"], case["aad"]]
        assert sealed.ciphertext == ciphertext
        assert unprotect(suite, kid, base_key, ciphertext, metadata) == (plaintext, ctr)
