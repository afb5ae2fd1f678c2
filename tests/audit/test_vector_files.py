"""The files of vectors/ as files: schemas, ids, flags, the archive, and the worked example value by value."""

import copy
import hashlib
import hmac
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors"
PLACES = sorted(path.relative_to(VECTORS).with_suffix("").as_posix() for path in VECTORS.glob("*/*.json"))
PLACES = [place for place in PLACES if not place.startswith("schema/")]


def read(place):
    return json.loads((VECTORS / f"{place}.json").read_text("utf-8"))


def checker(kind):
    schema = json.loads((VECTORS / f"schema/{kind}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("place", PLACES)
def test_a_file_fits_its_schema_and_its_head_fits_its_cases(place):
    data = read(place)
    checker(data["kind"]).validate(data)
    assert data["numberOfCases"] == len(data["cases"])
    assert set(data["flags"]) == {flag for case in data["cases"] for flag in case.get("flags", ())}
    for case in data["cases"]:
        assert re.fullmatch(re.escape(f"{case['clause']}::{place}/") + r"[a-z0-9]+(-[a-z0-9]+)*", case["id"])


def test_every_schema_has_a_file_and_there_is_one_schema_for_a_kind():
    assert {path.stem for path in VECTORS.glob("schema/*.json")} == {read(place)["kind"] for place in PLACES}


def spoil(path, value):
    def do(data):
        *way, last = path
        for step in way:
            data = data[step]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return do


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("sframe/gcm", spoil(["licence"], "MIT")),
        ("sframe/gcm", spoil(["kind"], "sframe.header")),
        ("sframe/gcm", spoil(["cases", 0, "id"], None)),
        ("sframe/gcm", spoil(["cases", 0, "id"], "the first")),
        ("sframe/gcm", spoil(["cases", 0, "clause"], "RFC 9605")),
        ("sframe/gcm", spoil(["cases", 0, "result"], "refused")),
        ("sframe/gcm", spoil(["cases", 0, "plaintext"], None)),
        ("sframe/gcm", spoil(["cases", 0, "key"], "ABCD")),
        ("sframe/gcm", spoil(["cases", 0, "key"], "abc")),
        ("sframe/gcm", spoil(["cases", 0, "kid"], 7)),
        ("sframe/gcm", spoil(["cases", 0, "colour"], "blue")),
        ("sframe/gcm", spoil(["cases", 0, "flags"], [])),
        ("sframe/receiver", spoil(["cases", 0, "steps", 0, "clause"], None)),
        ("sframe/receiver", spoil(["cases", 0, "steps", 0, "op"], "forget")),
        ("exchange/exchange", spoil(["cases", 0, "steps", 0, "result"], "no")),
        ("exchange/worked-example", spoil(["cases", 0, "sections", 0, "values", 0, "bytes"], None)),
        ("sas/emoji", spoil(["cases", 0, "indexes", 0], 333)),
    ],
)
def test_a_schema_refuses_what_does_not_fit(place, change):
    data = read(place)
    schema = checker(data["kind"])
    spoilt = copy.deepcopy(data)
    change(spoilt)
    assert schema.is_valid(data)
    assert not schema.is_valid(spoilt)


def test_ids_are_unique_and_every_negative_one_names_its_layer():
    cases = [case for place in PLACES for case in read(place)["cases"]]
    assert len({case["id"] for case in cases}) == len(cases)
    layers = set(
        re.findall(r"^\| ([a-z, -]+) \|", (ROOT / "spec/peer.md").read_text("utf-8").partition("peer.3")[2], re.M)
    )
    layers = {layer for row in layers for layer in row.split(", ")}
    assert {case["result"] for case in cases} - {"ok"} <= layers
    stories = [case for case in cases if isinstance(case.get("steps"), list)]
    for case in stories:
        refused = [step["result"] for step in case["steps"] if step["result"] != "ok"]
        assert case["result"] == (refused[0] if refused else "ok"), case["id"]


def test_a_flag_says_the_same_wherever_it_stands():
    heads = [read(place)["flags"] for place in PLACES]
    said = {(name, json.dumps(flag)) for head in heads for name, flag in head.items()}
    assert len(said) == len({name for name, _ in said}) > 25
    assert all(flag["why"].endswith(".") and flag["anchors"] for head in heads for flag in head.values())


def test_the_archive_is_the_same_from_the_same_files_and_needs_no_python_to_read(tmp_path):
    for name in ("one.zip", "two.zip"):
        command = [sys.executable, "-B", str(VECTORS / "generate.py"), "--zip", str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=60, env={"PYTHONPATH": str(ROOT)})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = set(archive.namelist())
        assert archive.read("vectors/sframe/gcm.json") == (VECTORS / "sframe/gcm.json").read_bytes()
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    data = {f"vectors/{path.relative_to(VECTORS).as_posix()}" for path in VECTORS.glob("*/*.json")}
    texts = {"vectors/LICENSE", "vectors/README.md", "vectors/CHANGELOG.md", "vectors/exchange/worked-example.md"}
    assert names == data | texts


VALUES = [value for section in read("exchange/worked-example")["cases"][0]["sections"] for value in section["values"]]
KNOWN = {value["name"]: bytes.fromhex(value["bytes"]) for value in VALUES if "bytes" in value}
BEFORE = {"signed_a": "payload_a", "signed_b": "payload_b"}


def term(text, before=b""):
    """The bytes of one term of a formula, by the names of the other values alone."""
    text = text.strip()
    if text.startswith("lv("):
        inner = term(text[3:-1], before)
        return len(inner).to_bytes(4, "big") + inner
    if text.startswith("H("):
        return hashlib.sha256(KNOWN[text[2:-1]]).digest()
    if text.startswith('"'):
        return text.strip('"').encode()
    if text == "the fields above":
        return before
    if text == "m1 without its last 32 bytes":
        return KNOWN["m1"][:-32]
    if text.endswith(" before its sealed bytes"):
        message = KNOWN[text[:2]]
        return message[: len(message) - len(KNOWN[f"{text[:2]}.sealed"])]
    return KNOWN[text]


def joined(text, before=b""):
    return b"".join(term(part, before) for part in text.split("||"))


def expand(secret, info, length):
    block, out = b"", b""
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def computed(value):
    formula, name = value["formula"], value["name"]
    if found := re.fullmatch(r"HKDF-Expand\((\w+), (.*), (\d+)\)", formula):
        secret, info, length = found.groups()
        return expand(KNOWN[secret], joined(info), int(length))
    if found := re.fullmatch(r"HKDF-Extract\((\w+), (.*)\)", formula):
        return hmac.digest(KNOWN[found[1]], joined(found[2]), "sha256")
    return joined(formula, KNOWN[BEFORE[name]][:-68] if name in BEFORE else b"")


FORMULAS = [value for value in VALUES if "formula" in value and "bytes" in value]
CURVES = {"ss_x25519", "ss_mlkem"}  # tested with the exchange itself


@pytest.mark.parametrize(
    "value", [each for each in FORMULAS if each["name"] not in CURVES], ids=lambda each: each["name"]
)
def test_a_value_of_the_worked_example_is_what_its_formula_gives(value):
    assert computed(value) == KNOWN[value["name"]]


def test_the_worked_example_is_the_exchange_of_the_same_name_and_its_messages_are_their_fields():
    (story,) = [case for case in read("exchange/exchange")["cases"] if case["name"] == "suite 1, relayed, names"]
    texts = json.dumps(story)
    for name in ("m1", "m2", "m3", "m4", "th", "th2", "sas", "base_key", "hs", "chain"):
        assert f'"{KNOWN[name].hex()}"' in texts, name
    for message in ("m1", "m2", "m3", "m4"):
        fields = [KNOWN[value["name"]] for value in VALUES if value["name"].startswith(f"{message}.")]
        assert b"".join(fields) == KNOWN[message]


def test_the_page_of_the_worked_example_has_every_value():
    page = (VECTORS / "exchange/worked-example.md").read_text("utf-8")
    flat = page.replace("\n", "")
    for value in VALUES:
        assert f"**`{value['name']}`** ({value['clause']}" in page
        assert value.get("bytes", value.get("text")) in flat


def test_the_emoji_of_the_worked_example_are_those_of_the_spec_by_their_formula():
    sas = KNOWN["sas"]
    for number in range(4):
        index = (int.from_bytes(sas[8 * number : 8 * number + 8], "big") & (2**63 - 1)) % 333
        (value,) = [each for each in VALUES if each["name"] == f"emoji_{number + 1}"]
        assert value["formula"].endswith(f"= {index}")
        assert value["label"].endswith(f"place {index}")
