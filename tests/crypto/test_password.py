"""Argon2id: RFC 9106's function in RFC 9106's bounds, and one passphrase for one text."""

import subprocess
import sys

import pytest
from nacl.pwhash import argon2id

from e2ecall.crypto.password import DEFAULT_COST, Cost, passphrase_bytes, password_key
from e2ecall.errors import ApiMisuse, MalformedMessage
from e2ecall.secret import SecretBytes

CHEAP = Cost(memory=64, passes=1, lanes=1)
SALT = bytes(range(16))


def key(text="passphrase", salt=SALT, cost=CHEAP, length=44):
    return bytes(password_key(passphrase_bytes(text), salt, cost, length).expose())


@pytest.mark.clause("identity.2-2")
@pytest.mark.parametrize(("memory", "passes"), [(8, 1), (64, 2), (1024, 3)])
def test_libsodium_agrees(memory, passes):
    theirs = argon2id.kdf(44, b"passphrase", SALT, opslimit=passes, memlimit=memory * 1024)
    assert key(cost=Cost(memory, passes, 1)) == theirs


@pytest.mark.clause("identity.2-2")
def test_every_input_counts():
    every = [
        key(),
        key("Passphrase"),
        key(salt=bytes(16)),
        key(cost=Cost(65, 1, 1)),
        key(cost=Cost(64, 2, 1)),
        key(cost=Cost(64, 1, 2)),
        key(length=32),
    ]
    assert len({each[:32] for each in every}) == len(every)
    assert [len(each) for each in every] == [44] * 6 + [32]


@pytest.mark.clause("identity.2-2")
def test_what_a_new_file_costs_is_more_than_rfc_9106_asks_for():
    assert DEFAULT_COST.memory >= 64 * 1024
    assert DEFAULT_COST.passes >= 3
    assert DEFAULT_COST.lanes == 4


@pytest.mark.clause("identity.2-4")
@pytest.mark.parametrize(
    "numbers",
    [
        (0, 1, 1),
        (7, 1, 1),
        (15, 1, 2),
        (64, 0, 1),
        (64, 1, 0),
        (64, -1, 1),
        (-64, 1, 1),
        ((1 << 21) + 1, 1, 1),
        (100 << 20, 1, 1),
        (1 << 52, 1, 1),
        (64, 17, 1),
        (1 << 52, 1 << 52, 1 << 52),
        (1024, 1, 17),
        (1 << 20, 9, 4),
    ],
)
def test_costs_out_of_bounds_are_refused_before_they_are_paid(numbers):
    with pytest.raises(MalformedMessage) as caught:
        Cost(*numbers)
    assert caught.value.clause == "identity.2-4"


@pytest.mark.clause("identity.2-4")
@pytest.mark.parametrize("numbers", [(8, 1, 1), (128, 1, 16), (64, 16, 1), (1 << 21, 4, 16), (1 << 20, 8, 4)])
def test_the_bounds_themselves_are_allowed(numbers):
    cost = Cost(*numbers)
    assert (cost.memory, cost.passes, cost.lanes) == numbers


@pytest.mark.clause("identity.2-4")
def test_too_little_memory_is_said_and_no_crash():
    program = (
        "import resource\n"
        "from e2ecall.crypto.password import Cost, passphrase_bytes, password_key\n"
        "from e2ecall.errors import OutputFailed\n"
        "resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "try:\n"
        "    password_key(passphrase_bytes('x'), bytes(16), Cost(1 << 21, 1, 1), 32)\n"
        "except OutputFailed as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "the passphrase takes 2048 MiB of memory, and there is not so much\n"


@pytest.mark.clause("identity.2-12")
def test_one_text_is_one_passphrase():
    assert passphrase_bytes("Zoe\u0308") == passphrase_bytes("Zo\u00eb") == SecretBytes("Zoë".encode())
    assert passphrase_bytes("\u212b") == passphrase_bytes("\u00c5")
    assert passphrase_bytes("a ") != passphrase_bytes("a")
    assert passphrase_bytes("ﬁ") != passphrase_bytes("fi")  # NFC, not NFKC


@pytest.mark.clause("identity.2-12")
@pytest.mark.parametrize("text", ["", "\ud800", "a\udfff"])
def test_texts_that_are_no_passphrase(text):
    with pytest.raises(ApiMisuse):
        passphrase_bytes(text)


@pytest.mark.clause("identity.2-2")
def test_no_key_without_a_passphrase_or_a_whole_salt():
    for passphrase, salt in ((b"", SALT), (b"x", b""), (b"x", bytes(15)), (b"x", bytes(17))):
        with pytest.raises(ApiMisuse):
            password_key(SecretBytes(passphrase), salt, CHEAP, 32)
