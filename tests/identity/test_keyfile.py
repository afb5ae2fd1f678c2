"""The key file as bytes: sealed and in clear, opened, and everything that is no key file."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.pwhash import argon2id

from e2ecall.crypto.password import DEFAULT_COST, Cost, passphrase_bytes
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, StoreCorrupt, VerificationFailed
from e2ecall.identity import keyfile
from e2ecall.identity.device import DeviceSeeds, fresh_seeds
from e2ecall.identity.keyfile import AtRest, encode_key_file, parse_key_file
from e2ecall.secret import SecretBytes

CHEAP = Cost(memory=64, passes=1, lanes=1)
SECRET = passphrase_bytes("correct horse")
NOW = 1_700_000_000.9


def seeds():
    return DeviceSeeds(SecretBytes(bytes(range(32))), SecretBytes(bytes(range(32, 64))))


def encoded(passphrase=SECRET, name="Ada", **kw):
    return encode_key_file(
        seeds(), SystemRng(), name=name, created_at=NOW, passphrase=passphrase, **({"cost": CHEAP} | kw)
    )


def line(members):
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def lv(data):
    return len(data).to_bytes(4) + data


def rechecked(change):
    """The file after a change on purpose: by somebody who computes `check` anew."""
    members = json.loads(encoded())
    change(members)
    del members["check"]
    members["check"] = hashlib.sha256(lv(b"e2ecall/1 identity check") + line(members)[:-1]).hexdigest()
    return line(members)


# ------------------------------------------------------------------------------------------------ both directions


@pytest.mark.clause("identity.2-1", "identity.2-2")
@pytest.mark.parametrize("kind", [AtRest.PASSPHRASE, AtRest.KEYRING])
def test_sealed_and_opened(kind):
    found = parse_key_file(encoded(at_rest=kind))
    assert (found.at_rest, found.cost, found.created_at) == (kind, CHEAP, 1_700_000_000)
    assert found.record == seeds().device().record("Ada")
    for _ in range(2):
        with found.open(SECRET) as opened:
            assert opened == seeds()
        assert opened.identity.wiped


@pytest.mark.clause("identity.2-1", "identity.2-3")
def test_in_clear_and_said_so():
    data = encoded(None, name=None)
    assert bytes(range(64)).hex() in data.decode()
    found = parse_key_file(data)
    assert (found.at_rest, found.cost, found.record.name) == (AtRest.NONE, None, None)
    assert json.loads(data)["at_rest"] == {"kind": "none"}
    with found.open(None) as opened:
        assert opened == seeds()
    assert parse_key_file(encoded(None, at_rest=AtRest.KEYRING)).at_rest is AtRest.NONE


@pytest.mark.clause("identity.2-1", "identity.2-2")
def test_the_bytes_are_those_of_the_page():
    """A second implementation: libsodium's Argon2id, and the seal by hand."""
    data = encoded()
    members = json.loads(data)
    assert data == line(members)
    assert members.keys() == {"schema", "created_at", "device", "at_rest", "seeds", "check"}
    assert members["at_rest"].keys() == {"kind", "lanes", "memory", "passes", "salt"}
    check = members.pop("check")
    assert check == hashlib.sha256(lv(b"e2ecall/1 identity check") + line(members)[:-1]).hexdigest()
    sealed = bytes.fromhex(members.pop("seeds"))
    key = argon2id.kdf(44, b"correct horse", bytes.fromhex(members["at_rest"]["salt"]), opslimit=1, memlimit=64 << 10)
    aad = lv(b"e2ecall/1 identity file") + line(members)[:-1]
    assert AESGCM(key[:32]).decrypt(key[32:], sealed, aad) == bytes(range(64))
    assert len(sealed) == 80


@pytest.mark.clause("identity.2-2")
def test_nothing_is_sealed_twice_alike_and_nothing_secret_is_in_the_file():
    first, second = (json.loads(encoded()) for _ in range(2))
    assert first["at_rest"]["salt"] != second["at_rest"]["salt"]
    assert first["seeds"] != second["seeds"]
    text = encoded().decode()
    for secret in (bytes(range(32)), bytes(range(32, 64))):
        assert secret.hex() not in text
    assert "correct horse" not in text


@pytest.mark.clause("identity.2-2")
def test_a_new_file_takes_the_default_cost():
    data = encode_key_file(seeds(), SystemRng(), name=None, created_at=0, passphrase=SECRET)
    assert parse_key_file(data).cost == DEFAULT_COST
    parse_key_file(data).open(SECRET).wipe()


def test_nothing_prints_a_seed():
    for passphrase in (None, SECRET):
        found = parse_key_file(encoded(passphrase))
        assert "00010203" not in repr(found)
        assert "\\x01\\x02\\x03" not in repr(found)
        found.wipe()
        with pytest.raises(ApiMisuse):
            found.open(passphrase)


# ------------------------------------------------------------------------------------------------ the passphrase


@pytest.mark.clause("identity.2-6")
@pytest.mark.parametrize("text", ["correct hors", "Correct horse", "correct horse ", "x"])
def test_a_wrong_passphrase(text):
    with pytest.raises(VerificationFailed) as caught:
        parse_key_file(encoded(), what="that file").open(passphrase_bytes(text))
    assert caught.value.clause == "identity.2-6"
    assert caught.value.message == "this passphrase does not open that file"
    assert "changed on purpose looks the same" in caught.value.hint


@pytest.mark.clause("identity.2-6")
@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(created_at=5),
        lambda m: m["device"].update(name="Eve"),
        lambda m: m["device"].update(name=None),
        lambda m: m["at_rest"].update(salt="00" * 16),
        lambda m: m["at_rest"].update(passes=2),
        lambda m: m["at_rest"].update(memory=65),
        lambda m: m["at_rest"].update(kind="keyring"),
        lambda m: m.update(seeds=("00" if m["seeds"][:2] != "00" else "01") + m["seeds"][2:]),
        lambda m: m.update(seeds=m["seeds"][:-2] + ("00" if m["seeds"][-2:] != "00" else "01")),
    ],
)
def test_a_change_on_purpose_fails_as_a_wrong_passphrase_does(change):
    with pytest.raises(VerificationFailed) as caught:
        parse_key_file(rechecked(change)).open(SECRET)
    assert caught.value.clause == "identity.2-6"


@pytest.mark.clause("identity.2-6")
def test_without_a_change_the_same_file_opens():
    with parse_key_file(rechecked(lambda m: None)).open(SECRET) as opened:
        assert opened == seeds()
        assert opened.device().record("Ada") == seeds().device().record("Ada")


@pytest.mark.clause("identity.2-6")
def test_another_identity_over_the_same_seeds_fails_too():
    other = fresh_seeds(SystemRng()).device().record("Ada")

    def swap(members):
        members["device"] = {
            "identity": other.identity.hex(),
            "encryption_key": other.encryption_key.hex(),
            "statement": other.statement.hex(),
            "name": "Ada",
        }

    with pytest.raises(VerificationFailed):
        parse_key_file(rechecked(swap)).open(SECRET)


@pytest.mark.clause("identity.2-7")
def test_a_passphrase_for_a_file_in_clear_is_refused():
    with pytest.raises(VerificationFailed) as caught:
        parse_key_file(encoded(None)).open(SECRET)
    assert caught.value.clause == "identity.2-7"


@pytest.mark.clause("identity.2-2")
def test_misuse():
    with pytest.raises(ApiMisuse):
        parse_key_file(encoded()).open(None)
    for kw in ({"name": ""}, {"name": "x" * 65}, {"at_rest": AtRest.NONE}):
        with pytest.raises(ApiMisuse):
            encoded(**kw)
    for when in (-1, 1 << 53, float("nan"), float("inf")):
        with pytest.raises(ApiMisuse):
            encode_key_file(seeds(), SystemRng(), name=None, created_at=when, passphrase=None)


@pytest.mark.clause("identity.2-13")
@pytest.mark.parametrize("part", [0, 1])
def test_seeds_of_other_keys_than_the_record_are_found_when_they_are_open(part):
    def swap(members):
        members["at_rest"] = {"kind": "none"}
        changed = bytearray(range(64))
        changed[32 * part] ^= 1
        members["seeds"] = bytes(changed).hex()

    with pytest.raises(StoreCorrupt) as caught:
        parse_key_file(rechecked(swap)).open(None)
    assert caught.value.clause == "identity.2-13"


# ------------------------------------------------------------------------------------------------ damage, other files


def corrupt(data):
    with pytest.raises(StoreCorrupt) as caught:
        parse_key_file(data, what="that file")
    assert caught.value.clause == "identity.2-5"
    assert caught.value.message.startswith("that file ")
    return caught.value.message


@pytest.mark.clause("identity.2-5")
@pytest.mark.parametrize("passphrase", [None, SECRET])
def test_every_changed_byte_is_damage_and_never_a_wrong_passphrase(passphrase):
    data = encoded(passphrase, name="Ada")
    for position in range(0, len(data), 1 if len(data) < 500 else 7):
        for mask in (0x01, 0x20, 0x80):
            corrupt(data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :])


@pytest.mark.clause("identity.2-5")
def test_every_cut_is_damage():
    data = encoded()
    for length in [*range(0, len(data), 97), len(data) - 2, len(data) - 1]:
        corrupt(data[:length])
    assert corrupt(b"") == "that file is empty"
    corrupt(data + b"\n")
    corrupt(data + data)


@pytest.mark.clause("identity.2-1", "identity.2-5")
def test_another_text_of_the_same_meaning_is_no_key_file():
    data = encoded(None)
    members = json.loads(data)
    for text in (
        json.dumps(members, sort_keys=True, ensure_ascii=False),
        json.dumps(members, sort_keys=True, indent=1),
        json.dumps(dict(sorted(members.items(), reverse=True)), separators=(",", ":")),
        data.decode().replace('"Ada"', '"\\u0041da"').rstrip(),
        data.decode().replace('"created_at":1700000000', '"created_at":1.7e9').rstrip(),
        data.decode().replace('{"at_rest"', '{"at_rest":{"kind":"none"},"at_rest"').rstrip(),
    ):
        assert json.loads(text) == members
        corrupt(text.encode() + b"\n")
    parse_key_file(data)


@pytest.mark.clause("identity.2-5")
def test_a_newer_version_says_so():
    members = json.loads(encoded())
    for version in ("2", "10", "x"):
        data = line(members | {"schema": f"e2ecall/identity/{version}", "something": "new"})
        assert corrupt(data) == f"that file is e2ecall/identity/{version}, and this program knows e2ecall/identity/1"


@pytest.mark.clause("identity.2-5")
@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"null\n",
        b"{}\n",
        b"[]\n",
        b"17\n",
        b"\xff\xfe\n",
        b"SQLite format 3\0" + bytes(4000),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b'{"schema":"e2ecall/device/1"}\n',
        b'{"schema":5}\n',
        b"[" * 10000 + b"\n",
        b'{"a":1e400}\n',
        b'{"a":"\\ud800"}\n',
        b"9" * 5000 + b"\n",
        b'"' + b"x" * 100_000 + b'"\n',
    ],
)
def test_foreign_files(data):
    corrupt(data)


@pytest.mark.clause("identity.2-5")
@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(more=1),
        lambda m: m.pop("created_at"),
        lambda m: m.update(created_at=-1),
        lambda m: m.update(created_at=True),
        lambda m: m.update(created_at="5"),
        lambda m: m.update(created_at=None),
        lambda m: m.update(seeds=m["seeds"][:-2]),
        lambda m: m.update(seeds=m["seeds"] + "00"),
        lambda m: m.update(seeds=m["seeds"].upper().replace("0", "A")),
        lambda m: m.update(device=None),
        lambda m: m["device"].update(name=5),
        lambda m: m["device"].update(name=""),
        lambda m: m["device"].update(statement="00" * 64),
        lambda m: m["device"].update(identity="00" * 32),
        lambda m: m["device"].pop("name"),
        lambda m: m.update(at_rest={"kind": "none"}),  # 80 bytes of seeds
        lambda m: m.update(at_rest={}),
        lambda m: m.update(at_rest=[]),
        lambda m: m["at_rest"].update(kind="rot13"),
        lambda m: m["at_rest"].update(kind="none"),
        lambda m: m["at_rest"].update(kind=None),
        lambda m: m["at_rest"].update(salt="00" * 15),
        lambda m: m["at_rest"].pop("lanes"),
        lambda m: m["at_rest"].update(lanes=True),
    ],
)
def test_whole_lines_that_say_something_else(change):
    corrupt(rechecked(change))


@pytest.mark.clause("identity.2-4")
@pytest.mark.parametrize(
    "cost", [{"memory": 100 << 20}, {"memory": 4}, {"passes": 1 << 30}, {"lanes": 1 << 24}, {"passes": 0}]
)
def test_a_hostile_cost_is_refused_before_it_is_paid(cost, monkeypatch):
    data = rechecked(lambda m: m["at_rest"].update(cost))
    monkeypatch.setattr(keyfile, "password_key", lambda *_: pytest.fail("memory was taken"))
    assert "out of bounds" in corrupt(data)
