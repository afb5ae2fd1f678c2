"""The conformance peer: every operation, every layer, and lines that no honest runner sends."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.conformance.peer import LINE_LIMIT, Peer
from support import oracle

SEED_A, SEED_B = "01" * 32, "02" * 32
CALL_ID = "00112233445566778899aabbccddeeff"


TEXT = st.text(st.characters() | st.characters(categories=("Cs",)), max_size=20)


class Driver:
    """Asks one peer; unwraps ok, error and unsupported."""

    def __init__(self):
        self.peer = Peer("0.0.0")
        self.count = 0

    def ask(self, op, **fields):
        self.count += 1
        (line,) = self.peer.run([json.dumps({"id": self.count, "op": op, **fields})])
        answer = json.loads(line.encode("utf-8"))
        assert answer["id"] == self.count
        return answer

    def ok(self, op, **fields):
        answer = self.ask(op, **fields)
        assert "ok" in answer, answer
        return answer["ok"]

    def layer(self, op, **fields):
        answer = self.ask(op, **fields)
        assert "error" in answer, answer
        assert isinstance(answer["error"]["reason"], str)
        return answer["error"]["layer"]

    def offer(self, session="a", **fields):
        return self.ok("handshake.caller.new", session=session, seed=SEED_A, call_id=CALL_ID, **fields)["offer"]

    def answer(self, offer, session="b", **fields):
        return self.ok("handshake.callee.new", session=session, seed=SEED_B, offer=offer, **fields)["answer"]

    def call(self, caller=None, callee=None):
        answer = self.answer(self.offer(**(caller or {})), **(callee or {}))
        reveal = self.ok("handshake.caller.answer", session="a", answer=answer)["reveal"]
        ringing = self.ok("handshake.callee.reveal", session="b", reveal=reveal)
        finish = self.ok("handshake.callee.accept", session="b")["finish"]
        self.ok("handshake.caller.finish", session="a", finish=finish)
        return ringing, self.ok("handshake.result", session="a"), self.ok("handshake.result", session="b")


@pytest.fixture
def driver():
    return Driver()


def test_hello_names_every_operation(driver):
    hello = driver.ok("hello")
    assert (hello["name"], hello["version"]) == ("e2ecall", "0.0.0")
    assert {"hello", "sframe.protect", "sas.rows", "link.parse", "handshake.result", "codec.open"} <= set(hello["ops"])


@pytest.mark.clause("peer.1-1")
@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "7",
        '"x"',
        "\u00e9",
        "nul",
        "[" * 100000,
        '{"id": NaN, "op": "hello"}',
        '{"id": 1e999, "op": "hello"}',
        '{"id": 1',
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_object(driver, line):
    answer = driver.peer.answer(line)
    assert answer["id"] is None
    assert answer["error"]["layer"] == "malformed"


@pytest.mark.clause("peer.1-1")
def test_a_line_that_is_too_long(driver):
    assert driver.peer.answer(" " * (LINE_LIMIT + 1))["error"]["layer"] == "malformed"


@pytest.mark.clause("peer.1-1")
def test_half_a_surrogate_pair_is_answered(driver):
    sas = "00" * 32
    assert driver.layer("sas.rows", sas=sas, seed=SEED_A, own="\ud800") == "misuse"
    payload = {"name": "\ud800"}
    assert driver.layer("handshake.caller.new", session="s", seed=SEED_A, call_id=CALL_ID, payload=payload) == "misuse"
    (line,) = driver.peer.run(['{"id": "\\ud800", "op": "hello"}'])
    assert line.encode("utf-8")


@pytest.mark.clause("peer.1-2")
def test_what_is_not_there(driver):
    for request in ({"op": "mls.vector"}, {"op": 7}, {}, {"op": None}):
        answer = driver.peer.answer(json.dumps({"id": "x", **request}))
        assert answer == {"id": "x", "unsupported": True}
    key = {"kid": 1, "base_key": "00" * 16}
    assert driver.ask("sframe.derive", suite=9, **key)["unsupported"] is True
    assert driver.ask("codec.seal", codec="h266", suite=4, ctr=0, frame="00", **key)["unsupported"] is True


@pytest.mark.clause("peer.1-1")
@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists, max_leaves=5))
def test_members_of_any_kind_are_answered(value):
    driver = Driver()
    fields = ("session", "seed", "call_id", "suites", "secret", "payload", "offer", "kem", "answer", "reveal", "finish")
    fields += ("kid", "ctr", "data", "suite", "base_key", "metadata", "plaintext", "ciphertext", "receiver", "codec")
    fields += ("frame", "sealed", "sas", "own", "link", "context", "sender", "epoch", "epoch_bits", "sender_bits")
    for op in driver.ok("hello")["ops"]:
        answer = driver.ask(op, **dict.fromkeys(fields, value))
        assert {"ok", "error", "unsupported"} & set(answer)


@pytest.mark.clause("peer.1-3")
def test_wide_numbers_are_strings_and_taken_as_either(driver):
    wide = 2**64 - 1
    header = "f" + "f" + "ff" * 16
    assert driver.ok("sframe.header.encode", kid=str(wide), ctr=wide) == {"header": header}
    assert driver.ok("sframe.header.decode", data=header) == {"kid": str(wide), "ctr": str(wide), "length": 17}
    assert driver.ok("sframe.header.decode", data="00") == {"kid": 0, "ctr": 0, "length": 1}
    for bad in (2**64, -1, "1.5", "x", True, 1.0, "", "٣"):
        assert driver.layer("sframe.header.encode", kid=bad, ctr=0) == "misuse"


@pytest.mark.clause("peer.2-1")
def test_draws_are_the_pages(driver):
    from e2ecall.conformance.seeded import SeededRng

    rng = SeededRng(bytes.fromhex(SEED_A))
    for name, length in (("x25519", 32), ("mlkem", 64), ("nonce", 32), ("identity", 32)):
        expected = oracle.expand(bytes.fromhex(SEED_A), b"e2ecall/1 test " + name.encode(), length)
        assert rng.draw(name, length) == rng.draw(name, length) == expected


def test_frames_both_ways(driver):
    key = {"suite": 4, "kid": 291, "base_key": "000102030405060708090a0b0c0d0e0f"}
    metadata, plaintext = b"IETF SFrame WG".hex(), b"draft-ietf-sframe-enc".hex()
    sealed = driver.ok("sframe.protect", ctr=17767, metadata=metadata, plaintext=plaintext, **key)["ciphertext"]
    assert sealed == "9901234567b7412c2513a1b66dbb48841bbaf17f598751176ad847681a69c6d0b091c07018ce4adb34eb"
    assert driver.ok("sframe.unprotect", metadata=metadata, ciphertext=sealed, **key) == {
        "plaintext": plaintext,
        "ctr": 17767,
    }
    derived = driver.ok("sframe.derive", **key)
    assert derived == {
        "key": "d34f547f4ca4f9a7447006fe7fcbf768",
        "salt": "75234edefe07819026751816",
        "secret": "d926952ca8b7ec4a95941d1ada3a5203ceff8cceee34f574d23909eb314c40c0",
    }
    assert driver.layer("sframe.unprotect", metadata="", ciphertext=sealed, **key) == "authentication"
    assert driver.layer("sframe.unprotect", metadata=metadata, ciphertext=sealed, **key | {"kid": 1}) == "unknown-key"
    assert driver.layer("sframe.unprotect", ciphertext="", **key) == "malformed"
    assert driver.layer("sframe.protect", ctr=0, plaintext="zz", **key) == "misuse"


def test_a_receiver_keeps_its_state(driver):
    base_key = "11" * 32

    def seal(ctr):
        return driver.ok("sframe.protect", suite=5, kid=2, ctr=ctr, base_key=base_key, plaintext="aa")["ciphertext"]

    def take(ctr, call=driver.ok):
        return call("sframe.receiver.unprotect", receiver=1, ciphertext=seal(ctr))

    assert driver.layer("sframe.receiver.unprotect", receiver=1, ciphertext="00") == "misuse"
    driver.ok("sframe.receiver.new", receiver=1, suite=5)
    assert take(5, driver.layer) == "unknown-key"
    driver.ok("sframe.receiver.add_key", receiver=1, kid=2, base_key=base_key)
    assert take(5) == {"plaintext": "aa", "ctr": 5}
    assert take(5, driver.layer) == "replay"
    assert take(3) == {"plaintext": "aa", "ctr": 3}
    take(5000)
    assert take(4, driver.layer) == "replay"  # too old
    driver.ok("sframe.receiver.add_key", receiver=1, kid=2, base_key=base_key)
    assert take(5000, driver.layer) == "replay"
    driver.ok("sframe.receiver.remove_key", receiver=1, kid=2)
    assert take(6000, driver.layer) == "unknown-key"


def test_the_ratchet_takes_its_steps_at_once_or_one_by_one(driver):
    key = expected = bytes(range(32))
    for _ in range(3):
        expected = oracle.expand(oracle.extract(b"", expected), b"SFrame 1.0 Ratchet", 32)
    for suite in (1, 4):
        asked = driver.ok("sframe.ratchet", suite=suite, base_key=key.hex(), steps=3)
        assert asked == {"base_key": expected.hex()}
    assert driver.ok("sframe.ratchet", suite=5, base_key=key.hex(), steps=0) == {"base_key": key.hex()}
    assert len(driver.ok("sframe.ratchet", suite=5, base_key=key.hex(), steps=1)["base_key"]) == 128
    assert driver.layer("sframe.ratchet", suite=4, base_key=key.hex(), steps=10_001) == "misuse"


def test_a_receiver_with_a_layout_knows_its_own_frames_and_other_streams(driver):
    key = {"suite": 5, "base_key": "22" * 32}
    driver.ok("sframe.receiver.new", receiver="r", suite=5, epoch_bits=4, sender_bits=1, own_sender=1)
    driver.ok("sframe.receiver.add_key", receiver="r", kid=0b1_0_0000, base_key=key["base_key"])

    def seal(kid):
        return driver.ok("sframe.protect", kid=kid, ctr=9, plaintext="aa", **key)["ciphertext"]

    take = {"receiver": "r", "ciphertext": seal(0b1_0_0000)}
    assert driver.layer("sframe.receiver.unprotect", **take, streams=[0]) == "wrong-stream"
    assert driver.ok("sframe.receiver.unprotect", **take, streams=[0, "2"])["plaintext"] == "aa"
    assert driver.layer("sframe.receiver.unprotect", receiver="r", ciphertext=seal(0b1_1_0000)) == "own-frame"
    assert driver.layer("sframe.receiver.new", receiver="s", suite=5, own_sender=1) == "misuse"
    assert driver.layer("sframe.receiver.new", receiver="s", suite=5, epoch_bits=4) == "misuse"


def test_codecs_and_key_ids(driver):
    key = {"suite": 4, "kid": 3, "base_key": "00" * 16}
    for codec, frame in (("opus", "78ff"), ("vp8", "10aabb"), ("vp8", "11aabb"), ("h264", "000000016588aa")):
        sealed = driver.ok("codec.seal", codec=codec, ctr=1, frame=frame, **key)["sealed"]
        assert driver.ok("codec.open", codec=codec, sealed=sealed, **key) == {"frame": frame}
        assert driver.layer("codec.open", codec=codec, sealed=sealed[:-4] + "0080", **key) in {
            "authentication",
            "malformed",
        }
    clear = driver.ok("codec.seal", codec="vp8", profile="clear-header", ctr=1, frame="11aabbcc", **key)["sealed"]
    assert clear.startswith("11aabb")
    assert clear.endswith("03")
    opened = driver.ok("codec.open", codec="vp8", profile="clear-header", sealed=clear, **key)
    assert opened == {"frame": "11aabbcc"}
    for codec, profile in (("opus", "clear-header"), ("vp8", "open")):
        asked = driver.ask("codec.open", codec=codec, profile=profile, sealed=clear, **key)
        assert asked["unsupported"] is True
    layout = {"epoch_bits": 4, "sender_bits": 1}
    assert driver.ok("sframe.key_id", context=1, sender=1, epoch=17, **layout) == {"kid": 0b1_1_0001}


def test_visual_hash(driver):
    sas = f"{332:064x}"
    assert driver.ok("sas.emoji", sas=sas)["indexes"] == [0, 0, 0, 332]
    assert driver.ok("sas.digits", sas="00" * 15 + "07" + "00" * 16) == {"digits": "0000000007"}
    rows = driver.ok("sas.rows", sas=sas, seed=SEED_A)
    assert rows["rows"][rows["answer"]] == driver.ok("sas.emoji", sas=sas)["emoji"]
    assert len({tuple(row) for row in rows["rows"]}) == 8
    assert driver.ok("sas.rows", sas=sas, seed=SEED_A) == rows
    assert driver.layer("sas.emoji", sas="00") == "misuse"


def test_link(driver):
    parsed = driver.ok("link.parse", link="e2ecall://relay.example/x#BwcHBwcHBwcHBwcHBwcHBw")
    assert len(parsed["room"]) == 32
    assert len(parsed["psk"]) == 64
    assert driver.layer("link.parse", link="https://example.org/") == "malformed"


PAYLOAD = {"mode": "direct", "fingerprints": ["ab" * 32], "sdp": "v=0\r\n", "frame_suites": [4, 5], "name": "Zoë"}


@pytest.mark.parametrize("payload", [{}, {"payload": PAYLOAD}, {"payload": {"mode": 1, "fingerprints": "ab" * 64}}])
def test_a_whole_exchange(driver, payload):
    ringing, a, b = driver.call(payload | {"suites": [1, 2]}, payload | {"suites": [1, 2]})
    assert ringing["name"] == payload.get("payload", {}).get("name")
    for member in ("sas", "transcript_hash", "base_key", "suite", "post_quantum"):
        assert a[member] == b[member]
    assert (a["suite"], a["post_quantum"]) == (1, True)
    assert ringing["peer_identity"] == b["peer_identity"] != a["peer_identity"]


def test_an_exchange_with_a_link_and_a_recorded_kem(driver):
    kem = {"ciphertext": "00" * 1088, "shared_secret": "11" * 32}
    first = driver.answer(driver.offer(), session="x", kem=kem)
    assert first == driver.answer(driver.offer(), session="y", kem=kem)
    _, a, b = driver.call({"secret": "33" * 16, "suites": [2]}, {"secret": "33" * 16})
    assert a == b | {"peer_identity": a["peer_identity"]}
    assert (a["suite"], a["post_quantum"]) == (2, False)
    offer = driver.offer(secret="33" * 16)
    assert driver.layer("handshake.callee.new", session="z", seed=SEED_B, offer=offer) == "verification"


@pytest.mark.clause("kex.6-5")
def test_the_same_offer_again(driver):
    offer = driver.offer()
    assert driver.answer(offer) == driver.answer(offer)
    assert driver.answer(offer) != driver.answer(driver.offer(suites=[1]))


def test_layers_of_the_exchange(driver):
    assert driver.layer("handshake.result", session="nobody") == "misuse"
    offer = driver.offer()
    assert driver.layer("handshake.callee.new", session="b", seed=SEED_B, offer=offer[:-2]) == "malformed"
    assert driver.layer("handshake.callee.new", session="b", seed=SEED_B, offer="02" + offer[2:]) == "incompatible"
    assert driver.layer("handshake.callee.new", session="b", seed=SEED_B, offer=offer, suites=[3]) == "misuse"
    answer = driver.answer(offer)
    assert driver.layer("handshake.caller.answer", session="a", answer=offer) == "misbehaved"
    reveal = driver.ok("handshake.caller.answer", session="a", answer=answer)["reveal"]
    assert driver.layer("handshake.caller.answer", session="a", answer=answer) == "misuse"
    wrong = reveal[:36] + "00" * 32 + reveal[100:]
    assert driver.layer("handshake.callee.reveal", session="b", reveal=wrong) == "verification"
    assert driver.layer("handshake.callee.reveal", session="b", reveal=reveal) == "misuse"
    for payload in ({"mode": 2}, {"mode": "sideways"}, {"mode": 0}, {"fingerprints": 7}, {"name": "n" * 65}, 7):
        assert driver.layer("handshake.caller.new", session="p", seed=SEED_A, call_id=CALL_ID, payload=payload) in {
            "misuse"
        }


def test_as_a_process():
    lines = b'{"id": 1, "op": "hello"}\n\nnot json\n{"id": 2, "op": "sas.digits", "sas": "' + b"00" * 32 + b'"}\n'
    done = subprocess.run(
        [sys.executable, "-m", "e2ecall", "conformance", "peer"], input=lines, capture_output=True, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [1, None, 2]
    assert answers[2]["ok"] == {"digits": "0000000000"}
    assert done.stderr == b""
