"""The oracle's Ed25519 and ledger against RFC 8032, libsodium, and the vectors; and the product against the same."""

import hashlib
import json
import secrets
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.signing import SigningKey

from e2ecall.audit.oracle import ed25519, ledger
from e2ecall.audit.oracle.refused import Refused
from e2ecall.conformance.ledger_operations import table
from e2ecall.conformance.request import Request, layer_of
from e2ecall.crypto.sign import Signer
from e2ecall.errors import E2ECallError
from e2ecall.identity.ledger import SignedEntry, Tip, read_head, signed_head
from e2ecall.identity.ledger_check import LedgerBroken, check
from e2ecall.secret import SecretBytes

VECTORS = Path(__file__).parents[2] / "vectors/ledger"


def cases(name):
    return [pytest.param(case, id=case["name"]) for case in json.loads((VECTORS / name).read_text("utf-8"))["cases"]]


RFC_8032 = [  # §7.1: seed, key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_ed25519_of_the_rfc(seed, key, message, signature):
    seed, key, message, signature = map(bytes.fromhex, (seed, key, message, signature))
    assert ed25519.public_key(seed) == key
    assert ed25519.sign(seed, message) == signature
    ed25519.verify(key, message, signature, "x")


def test_ed25519_signs_and_verifies_what_libsodium_does():
    for length in range(8):
        seed, message = secrets.token_bytes(32), secrets.token_bytes(length)
        key = SigningKey(seed)
        signature = key.sign(message).signature
        assert ed25519.sign(seed, message) == signature
        public = bytes(key.verify_key)
        ed25519.verify(public, message, signature, "x")
        s = int.from_bytes(signature[32:], "little") + ed25519.L
        for bad in (signature[:32] + s.to_bytes(32, "little"), bytes(64), signature[:-1], b"", signature + b"\0"):
            with pytest.raises(Refused, match=r"\(kex\.7-5\)") as refused:
                ed25519.verify(public, message, bad, "kex.7-5")
            assert refused.value.layer == "verification"
        with pytest.raises(Refused):
            ed25519.verify(public, message + b"\0", signature, "x")


def test_ed25519_takes_the_keys_that_libsodium_takes():
    candidates = [number.to_bytes(32, "little") for number in range(24)]
    candidates += [each[:31] + b"\x80" for each in candidates]
    candidates += [((ed25519.P + number) % 2**256).to_bytes(32, "little") for number in range(-2, 20)]
    candidates += [hashlib.sha256(bytes([number])).digest() for number in range(40)]
    honest = [ed25519.public_key(bytes([number]) * 32) for number in range(6)]
    minus_one = (0, -1, 1, 0)  # of order 2: on the curve, and beside the prime-order subgroup
    mixed = [ed25519.encode_point(ed25519.add(ed25519.decode_point(key), minus_one)) for key in honest]
    assert not any(crypto_core_ed25519_is_valid_point(key) for key in mixed)
    taken = 0
    for key in candidates + honest + mixed:
        if crypto_core_ed25519_is_valid_point(key):
            ed25519.check_public_key(key)
            taken += 1
        else:
            with pytest.raises(Refused) as refused:
                ed25519.check_public_key(key)
            assert (refused.value.layer, refused.value.clause) == ("misbehaved", "kex.7-3")
    assert len(honest) <= taken < len(honest) + 20
    with pytest.raises(Refused, match="32 bytes"):
        ed25519.check_public_key(bytes(31))


def ask(name, case):
    """The product's answer, as the peer gives it."""
    try:
        return table()[name](Request(case))
    except E2ECallError as error:
        return layer_of(error), error.clause


@pytest.mark.clause("identity.6-2", "identity.6-3", "identity.6-4", "identity.6-5", "identity.6-7")
@pytest.mark.parametrize("case", cases("append.json"))
def test_the_product_appends_the_vectors(case):
    expected = {"hash": case["entry_hash"]} | {name: case[name] for name in ("entry", "signature", "head")}
    assert ask("ledger.append", case) == expected
    assert bytes.fromhex(case["entry"]).decode() == case["text"]


GOOD = cases("verify.json")
BAD = [*cases("entries-refused.json"), *cases("heads-refused.json")]


@pytest.mark.clause("identity.6-8", "identity.6-9")
@pytest.mark.parametrize("case", GOOD)
def test_ledgers_that_hold(case):
    expected = {name: case[name] for name in ("length", "hash", "pending")}
    assert ask("ledger.verify", case) == expected
    entries, signatures = ([bytes.fromhex(each) for each in case[name]] for name in ("entries", "signatures"))
    head = None if case["head"] is None else bytes.fromhex(case["head"])
    found = ledger.check(entries, signatures, head, bytes.fromhex(case["identity"]))
    assert found == (case["length"], bytes.fromhex(case["hash"]), case["pending"])


@pytest.mark.clause("identity.6-1", "identity.6-2", "identity.6-3", "identity.6-7", "identity.6-8", "identity.6-9")
@pytest.mark.parametrize("case", BAD)
def test_ledgers_that_do_not(case):
    assert ask("ledger.verify", case) == (case["result"], case["clause"])
    signed = [
        SignedEntry(bytes.fromhex(text), bytes.fromhex(signature))
        for text, signature in zip(case["entries"], case["signatures"], strict=True)
    ]
    head = None if case["head"] is None else bytes.fromhex(case["head"])
    with pytest.raises(LedgerBroken) as broken:
        check(signed, head, bytes.fromhex(case["identity"]))
    assert broken.value.entry == case["first_bad"]


@pytest.mark.parametrize("case", BAD[::7])
def test_the_oracle_refuses_them_for_the_same_clause(case):
    entries, signatures = ([bytes.fromhex(each) for each in case[name]] for name in ("entries", "signatures"))
    head = None if case["head"] is None else bytes.fromhex(case["head"])
    with pytest.raises(Refused) as refused:
        ledger.check(entries, signatures, head, bytes.fromhex(case["identity"]))
    assert (refused.value.layer, refused.value.clause) == (case["result"], case["clause"])


HASHES = st.binary(min_size=32, max_size=32)
SECONDS = st.integers(0, (1 << 43) - 1)


@settings(max_examples=25, deadline=None)
@given(seed=HASHES, length=st.integers(1, 2**53 - 1), last=HASHES, time=SECONDS)
@pytest.mark.clause("identity.6-7")
def test_heads_are_the_same_bytes(seed, length, last, time):
    head = ledger.head_of(seed, length, last, time * 1000)
    signer = Signer(SecretBytes(seed))
    assert signed_head(Tip(length, last), signer, float(time)) == head
    found = read_head(head)
    assert (found.tip, found.identity, found.time) == (Tip(length, last), ed25519.public_key(seed), time * 1000)


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
@pytest.mark.clause("identity.6-7", "identity.6-9")
def test_heads_with_a_flipped_bit_are_refused_alike(at, bit):
    """Of a ledger of one entry."""
    seed = bytes(range(32))
    fact = cases("append.json")[0].values[0]["fact"]
    entry, last, signature = ledger.append(seed, 0, ledger.NOTHING, 1_700_000_000_000, fact)
    identity, head = ed25519.public_key(seed), ledger.head_of(seed, 1, last, 1_700_000_000_000)
    at %= len(head)
    spoilt = head[:at] + bytes([head[at] ^ 1 << bit]) + head[at + 1 :]

    def product(head):
        whole = {"identity": identity.hex(), "entries": [entry.hex()], "signatures": [signature.hex()]}
        return ask("ledger.verify", whole | {"head": head.hex()})

    assert ledger.check([entry], [signature], head, identity) == (1, last, 0)
    assert product(head) == {"length": 1, "hash": last.hex(), "pending": 0}
    with pytest.raises(Refused) as refused:
        ledger.check([entry], [signature], spoilt, identity)
    assert product(spoilt) == (refused.value.layer, refused.value.clause)


def test_the_files_have_a_name_for_each_case_and_are_small():
    for path in sorted(VECTORS.glob("*.json")):
        data = json.loads(path.read_text("utf-8"))
        assert len({case["name"] for case in data["cases"]}) == len(data["cases"])
        assert path.stat().st_size <= 200_000


@pytest.mark.parametrize(
    "spoilt",
    [
        {"act": "approved"},
        {"outcome": "changed"},
        {"peer": "00"},
        {"suite": 0},
        {"shown": 7},
        {"method": None},
        {"name": "x" * 1025},
        {"contact": "xy"},
    ],
)
def test_what_cannot_be_appended_is_misuse(spoilt):
    case = cases("append.json")[1].values[0]
    assert ask("ledger.append", case | {"fact": case["fact"] | spoilt})[0] == "misuse"


def test_a_place_has_a_number_a_hash_and_a_time():
    case = cases("append.json")[1].values[0]
    for spoilt in ({"hash": None}, {"hash": "00"}, {"time": -1}, {"time": 2**53 - 1}, {"length": "x"}, {"fact": 1}):
        assert ask("ledger.append", case | spoilt)[0] == "misuse", spoilt


def test_as_many_signatures_as_entries():
    case = GOOD[2].values[0]
    assert ask("ledger.verify", case | {"signatures": []})[0] == "misuse"
    assert ask("ledger.verify", case | {"identity": "00"})[0] == "misuse"
