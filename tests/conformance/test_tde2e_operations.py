"""The peer's operations of the encryption of Telegram's group calls: members of another length are refused."""

import json

import pytest

from e2ecall.conformance.peer import Peer

PEER = Peer("test")
FIELDS = {"secret": "01" * 32, "data": "", "extra": "", "padding": "00" * 15, "message": "00" * 32}
FIELDS |= {"header": "02" * 32, "encrypted": "00" * 32, "seed": "03" * 32, "peer_public": "00" * 32}


def ask(op, **changed):
    return PEER.answer(json.dumps({"id": 1, "op": f"telegram.group.{op}", **FIELDS, **changed}))


@pytest.mark.parametrize("op", ["encrypt", "encrypt_header", "decrypt_header"])
def test_the_unchanged_request_is_answered(op):
    assert "ok" in ask(op)


@pytest.mark.parametrize(
    ("op", "changed", "why"),
    [
        ("encrypt", {"padding": "00" * 14}, "where 15 belong"),
        ("encrypt", {"padding": "00" * 31}, "where 15 belong"),
        ("encrypt", {"secret": "01" * 31}, "secret has 31 bytes, not 32"),
        ("decrypt", {"secret": "01" * 33}, "secret has 33 bytes, not 32"),
        ("encrypt_header", {"header": "02" * 16}, "header has 16 bytes, not 32"),
        ("shared_secret", {"seed": "03" * 31}, "seed has 31 bytes, not 32"),
    ],
)
def test_another_length_is_misuse(op, changed, why):
    error = ask(op, **changed)["error"]
    assert error["layer"] == "misuse"
    assert why in error["reason"]
