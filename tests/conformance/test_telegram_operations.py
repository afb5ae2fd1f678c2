"""The peer's operations of Telegram's exchange, against the published values, and what they refuse."""

import json

import pytest

from e2ecall.conformance.peer import Peer
from e2ecall.handshake.telegram.params import KNOWN_PRIME
from tests.support.telegram import SHARED, published

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the published values are not beside this checkout")
PEER = Peer("test")


def ask(op, **fields):
    return PEER.answer(json.dumps({"id": 1, "op": f"telegram.{op}", **fields}))


def ok(op, **fields):
    return ask(op, **fields)["ok"]


def values():
    return published()["vectors"][0]


GROUP = {"p": KNOWN_PRIME.to_bytes(256, "big").hex(), "g": 3}


def test_the_published_exchange():
    one = values()
    assert ok("public", **GROUP, secret=one["a"]) == {"public": one["g_a"]}
    assert ok("commit", public=one["g_a"]) == {"hash": one["g_a_hash"]}
    expected = {"key": one["key"], "fingerprint": str(one["key_fingerprint"])}
    assert ok("key", **GROUP, secret=one["a"], peer_public=one["g_b"]) == expected
    assert ok("key", **GROUP, secret=one["b"], peer_public=one["g_a"]) == expected
    assert "".join(ok("emoji", key=one["key"], g_a=one["g_a"])["emoji"]) == "".join(one["emoji"])


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("flag", [bool, int, lambda value: str(int(value))])
def test_the_published_packets(number, flag):
    one = values()
    packet = one["packets"][number]
    sides = {"outgoing": flag(packet["sender_outgoing"]), "signaling": flag(packet["signaling"])}
    assert ok("encrypt", key=one["key"], **sides, body=packet["body"]) == {"packet": packet["packet"]}
    assert ok("decrypt", key=one["key"], **sides, packet=packet["packet"]) == {"body": packet["body"]}
    other = {**sides, "outgoing": not packet["sender_outgoing"]}
    assert ask("decrypt", key=one["key"], **other, packet=packet["packet"])["error"]["layer"] == "verification"


@pytest.mark.parametrize(
    ("op", "changed", "layer", "clause"),
    [
        ("key", {"peer_public": "01"}, "misbehaved", "telegram.1-4"),
        ("key", {"peer_public": ""}, "malformed", "telegram.1-4"),
        ("key", {"g": 2}, "misbehaved", "telegram.1-2"),
        ("key", {"g": 1}, "misbehaved", "telegram.1-2"),
        ("public", {"p": "ff" * 256, "g": 4}, "misbehaved", "telegram.1-1"),
        ("public", {"p": "07"}, "misbehaved", "telegram.1-1"),
        ("public", {"secret": "07"}, "misuse", None),
        ("decrypt", {"packet": "00" * 20}, "malformed", "telegram.4-3"),
        ("decrypt", {"packet": "00" * 21}, "verification", "telegram.4-3"),
        ("decrypt", {"outgoing": 2}, "misuse", None),
        ("decrypt", {"outgoing": "yes"}, "misuse", None),
        ("encrypt", {"body": "00"}, "misuse", "telegram.4-3"),
        ("encrypt", {"key": "00"}, "misuse", None),
    ],
)
def test_what_is_refused(op, changed, layer, clause):
    one = values()
    fields = {**GROUP, "secret": one["a"], "peer_public": one["g_b"], "key": one["key"], "outgoing": True}
    fields |= {"signaling": True, "body": "00" * 5, "packet": "00" * 30}
    error = ask(op, **{**fields, **changed})["error"]
    assert (error["layer"], error.get("clause")) == (layer, clause)
