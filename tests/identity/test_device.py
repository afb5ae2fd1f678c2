"""A device's keys and statement: the vectors, both directions, and every kind of record that is refused."""

import copy
import gc
import json
from pathlib import Path

import pytest

from e2ecall.crypto.rng import SystemRng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.identity.device import (
    Device,
    DeviceRecord,
    DeviceSeeds,
    fresh_device,
    fresh_identity,
    fresh_seeds,
)
from e2ecall.identity.keyfile import encode_record, parse_record
from e2ecall.secret import SecretBytes

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/identity/device.json").read_text("utf-8"))
GOOD = [case for case in VECTORS["cases"] if case["result"] == "ok"]
REFUSED = [case for case in VECTORS["cases"] if case["result"] != "ok"]
LAYERS = {"malformed": MalformedMessage, "misbehaved": PeerMisbehaved, "verification": VerificationFailed}


class Counting:
    """Bytes that say which draw they are of."""

    def __init__(self):
        self.drawn = []

    def draw(self, name, length):
        self.drawn.append((name, length))
        return bytes([len(self.drawn)]) * length


def record_of(case, name=None):
    return DeviceRecord(*(bytes.fromhex(case[key]) for key in ("identity", "encryption_key", "statement")), name)


def seeds_of(case):
    return DeviceSeeds(*(SecretBytes(bytes.fromhex(case[key])) for key in ("identity_seed", "encryption_seed")))


@pytest.mark.clause("identity.1-2", "identity.1-3")
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_seeds_give_the_keys_and_the_statement(case):
    device = seeds_of(case).device()
    assert device.record("Ada") == record_of(case, "Ada")
    assert (len(device.identity), len(device.encryption_key), len(device.statement)) == (32, 1216, 64)
    record_of(case).verify()


@pytest.mark.clause("identity.1-4")
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_refused_records(case):
    with pytest.raises(LAYERS[case["result"]]) as caught:
        record_of(case).verify()
    assert caught.value.clause == "identity.1-4"
    assert type(caught.value) is LAYERS[case["result"]]


def test_the_vectors_have_every_layer():
    assert {case["result"] for case in REFUSED} == set(LAYERS)
    assert (len(GOOD), len(REFUSED)) == (3, 37)


@pytest.mark.clause("identity.1-1")
def test_each_key_has_randomness_of_its_own():
    rng = Counting()
    seeds = fresh_seeds(rng)
    assert rng.drawn == [("identity", 32), ("encryption key", 32)]
    assert bytes(seeds.identity.expose()) == b"\1" * 32
    assert bytes(seeds.encryption.expose()) == b"\2" * 32
    assert fresh_device(Counting()).identity == seeds.device().identity == fresh_identity(Counting()).public
    assert fresh_device(SystemRng()).identity != fresh_device(SystemRng()).identity


@pytest.mark.clause("identity.1-1")
def test_the_seeds_are_wiped_when_the_device_stands():
    before = {id(each) for each in gc.get_objects() if isinstance(each, SecretBytes)}
    device = fresh_device(SystemRng())
    left = [
        each for each in gc.get_objects() if isinstance(each, SecretBytes) and id(each) not in before and not each.wiped
    ]
    assert left == []
    with fresh_seeds(SystemRng()) as seeds:
        assert not seeds.identity.wiped
    assert seeds.identity.wiped
    assert seeds.encryption.wiped
    device.record().verify()


def test_nothing_prints_a_seed():
    seeds = seeds_of(GOOD[1])
    device = seeds.device()
    texts = [repr(seeds), str(seeds), repr(device), repr(device.encryption), repr(device.signer), repr(device.record())]
    for text in texts:
        assert GOOD[1]["identity_seed"][:16] not in text
        assert GOOD[1]["encryption_seed"][:16] not in text
        assert "\\x08\\t\\n" not in text  # of bytes(range(32))
    with pytest.raises(ApiMisuse):
        copy.deepcopy(seeds)


@pytest.mark.clause("identity.1-4")
def test_a_device_signs_only_its_own_encryption_key():
    ada, bob = (seeds_of(case).device() for case in GOOD[:2])
    swapped = DeviceRecord(ada.identity, bob.encryption_key, ada.statement)
    with pytest.raises(VerificationFailed):
        swapped.verify()
    both = Device(Signer(SecretBytes(bytes(32))), bob.encryption)
    both.record().verify()
    assert both.statement != bob.statement


# ------------------------------------------------------------------------------------------------ the public record


@pytest.mark.clause("identity.1-5")
def test_a_record_is_one_line_and_comes_back():
    for name in (None, "Ada", "Zoë \u202e\n", "x" * 64, "é" * 32):
        record = record_of(GOOD[0], name)
        line = encode_record(record)
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        assert parse_record(line) == record
        members = json.loads(line)
        assert members.keys() == {"schema", "identity", "encryption_key", "statement", "name"}
        assert members["schema"] == "e2ecall/device/1"
        assert GOOD[0]["identity_seed"] not in line.decode().replace(GOOD[0]["identity"], "")


@pytest.mark.clause("identity.1-5")
def test_a_name_is_shown_without_what_a_screen_obeys():
    assert record_of(GOOD[0], "  Zo\u202eë\x1b[31m \n").shown_name == "Zoë[31m"
    assert record_of(GOOD[0]).shown_name == ""


@pytest.mark.clause("identity.1-5")
@pytest.mark.parametrize("name", ["", "x" * 65, "é" * 33, "\ud800"])
def test_names_that_do_not_fit(name):
    with pytest.raises(ApiMisuse):
        seeds_of(GOOD[0]).device().record(name)
    with pytest.raises(ApiMisuse):
        encode_record(record_of(GOOD[0], name))


@pytest.mark.clause("identity.1-4", "identity.1-5")
@pytest.mark.parametrize(
    ("change", "layer"),
    [
        ({"schema": "e2ecall/device/2"}, MalformedMessage),
        ({"schema": None}, MalformedMessage),
        ({"name": 5}, MalformedMessage),
        ({"name": ""}, MalformedMessage),
        ({"name": "x" * 65}, MalformedMessage),
        ({"more": 1}, MalformedMessage),
        ({"identity": "00"}, MalformedMessage),
        ({"identity": GOOD[0]["identity"].upper()}, MalformedMessage),
        ({"identity": "zz" * 32}, MalformedMessage),
        ({"identity": None}, MalformedMessage),
        ({"identity": "00" * 32}, PeerMisbehaved),
        ({"identity": GOOD[1]["identity"]}, VerificationFailed),
        ({"encryption_key": GOOD[1]["encryption_key"]}, VerificationFailed),
        ({"statement": GOOD[1]["statement"]}, VerificationFailed),
    ],
)
def test_records_from_elsewhere_are_checked(change, layer):
    members = json.loads(encode_record(record_of(GOOD[0], "Ada"))) | change
    line = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    with pytest.raises(layer):
        parse_record(line)


@pytest.mark.clause("identity.1-5")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: b"",
        lambda line: line[:-1],
        lambda line: line + b"\n",
        lambda line: b" " + line,
        lambda line: line.replace(b":", b": "),
        lambda line: line[:100],
        lambda line: b"[]\n",
        lambda line: b"null\n",
        lambda line: b"\xff\n",
        lambda line: b"[" * 5000 + b"\n",
        lambda line: b'{"a":' * 2000 + b"\n",
        lambda line: line.replace(b'"name"', b'"name":null,"name"'),
        lambda line: b'"' + b"x" * 20000 + b'"\n',
    ],
)
def test_lines_that_are_no_record(spoil):
    with pytest.raises(MalformedMessage):
        parse_record(spoil(encode_record(record_of(GOOD[0]))))
