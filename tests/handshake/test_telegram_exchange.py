"""Telegram's exchange: the published values in both roles, and everything that it must refuse."""

import pytest

from e2ecall.crypto.modp import is_probable_prime
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Group, accept_call, request_call
from e2ecall.handshake.telegram.params import KNOWN_PRIME
from e2ecall.handshake.telegram.result import TelegramEstablished, commitment, fingerprint
from e2ecall.sas import emoji
from e2ecall.secret import SecretBytes
from tests.support.telegram import GROUP, SHARED, Secrets, agreed, published, secret

RNG = SystemRng()
EDGE = 1 << (2048 - 64)
KNOWN = KNOWN_PRIME.to_bytes(256, "big")

needs_published = pytest.mark.skipif(not SHARED.exists(), reason="the published values are not beside this checkout")


def named(number):
    """A test's name, of a number of 2048 bits."""
    digits = f"{number:x}"
    return digits if len(digits) < 9 else f"{digits[:4]}...{digits[-4:]}"


def public(number):
    return number.to_bytes(256, "big")


# ----------------------------------------------------------------------------------------------------- published values


@needs_published
@pytest.mark.clause("telegram.1-1", "telegram.2-1", "telegram.2-6", "telegram.3-1")
@pytest.mark.parametrize("number", [0, 1])
def test_the_published_values_in_both_roles(number):
    values = published()["vectors"][number]
    assert int(published()["p"], 16) == KNOWN_PRIME
    caller = request_call(GROUP, Secrets(bytes.fromhex(values["a"])))
    assert caller.g_a_hash.hex() == values["g_a_hash"]
    callee = accept_call(caller.g_a_hash, GROUP, Secrets(bytes.fromhex(values["b"])))
    assert callee.g_b.hex() == values["g_b"]
    confirmation = caller.receive_accept(bytes.fromhex(values["g_b"]))
    assert confirmation.g_a.hex() == values["g_a"]
    assert confirmation.key_fingerprint == int(values["key_fingerprint"])
    result = callee.receive_confirm(bytes.fromhex(values["g_a"]), int(values["key_fingerprint"]))
    for side in (confirmation.result, result):
        assert bytes(side.key.expose()).hex() == values["key"]
        assert side.sas.hex() == values["emoji_sha256"]
        assert "".join(each.char for each in emoji(side.sas)) == "".join(values["emoji"])
    assert (confirmation.result.role, result.role) == (Role.CALLER, Role.CALLEE)


@pytest.mark.clause("telegram.1-3")
def test_the_servers_random_is_mixed_with_the_own():
    own, server = bytes(range(256)), bytes([0xA5]) * 256
    mixed = bytes(a ^ b for a, b in zip(own, server, strict=True))
    with_server = accept_call(bytes(32), GROUP, Secrets(own), server_random=server)
    assert with_server.g_b == public(pow(3, int.from_bytes(mixed, "big"), KNOWN_PRIME))


@pytest.mark.clause("telegram.1-3")
@pytest.mark.parametrize("length", [1, 255, 257])
def test_a_servers_random_of_another_length(length):
    with pytest.raises(ApiMisuse):
        request_call(GROUP, RNG, server_random=bytes(length))
    with pytest.raises(ApiMisuse):
        accept_call(bytes(32), GROUP, RNG, server_random=bytes(length))


# ------------------------------------------------------------------------------------------------------------ the group


@pytest.mark.clause("telegram.1-1", "telegram.1-2")
@pytest.mark.parametrize("g", [3, 4, 7])
def test_what_the_known_prime_goes_with(g):
    assert Group.check(KNOWN, g, RNG) == Group.known(g) == Group(KNOWN_PRIME, g)


@pytest.mark.clause("telegram.1-2")
@pytest.mark.parametrize("g", [-3, 0, 1, True, 2, 5, 6, 8, KNOWN_PRIME - 1, KNOWN_PRIME + 3], ids=named)
def test_what_the_known_prime_does_not_go_with(g):
    with pytest.raises(PeerMisbehaved) as caught:
        Group.check(KNOWN, g, RNG)
    assert caught.value.clause == "telegram.1-2"
    with pytest.raises(PeerMisbehaved):
        Group.known(g)


@pytest.mark.clause("telegram.1-1")
@pytest.mark.parametrize("p", [b"", b"\x00", KNOWN[1:], KNOWN + b"\x00", public(KNOWN_PRIME // 2), b"\x01" + KNOWN])
def test_a_modulus_of_another_size(p):
    with pytest.raises(PeerMisbehaved, match="bits") as caught:
        Group.check(p, 4, RNG)
    assert caught.value.clause == "telegram.1-1"


@pytest.mark.clause("telegram.1-1")
@pytest.mark.parametrize(
    "p",
    [
        KNOWN_PRIME - 1,  # even, and half of it is prime
        KNOWN_PRIME + 2,  # half of it is prime, and it is even or composite
        (1 << 2047) + 981,  # below 2^2048, and neither
    ],
    ids=named,
)
def test_a_modulus_that_is_no_safe_prime(p):
    with pytest.raises(PeerMisbehaved, match="safe prime"):
        Group.check(public(p), 4, RNG)


@pytest.mark.clause("telegram.1-1")
def test_a_prime_whose_half_is_composite():
    prime = (1 << 2047) + 1919
    assert is_probable_prime(prime, RNG)
    with pytest.raises(PeerMisbehaved, match="safe prime"):
        Group.check(public(prime), 4, RNG)


@pytest.mark.clause("telegram.1-1")
def test_another_safe_prime_is_taken_after_the_whole_test():
    group = Group.check(public(RFC3526_GROUP_14), 2, RNG)
    one, other = agreed(group)
    assert one.key == other.key
    assert one.sas == other.sas


# ---------------------------------------------------------------------------------------------------- the public values


@pytest.mark.clause("telegram.1-4")
@pytest.mark.parametrize("value", [EDGE, EDGE + 1, KNOWN_PRIME - EDGE, KNOWN_PRIME - EDGE - 1], ids=named)
def test_public_values_just_inside(value):
    assert GROUP.element(public(value), what="g_b") == value
    assert request_call(GROUP, RNG).receive_accept(public(value)).result.key


@pytest.mark.clause("telegram.1-4", "telegram.2-3")
@pytest.mark.parametrize(
    "value",
    [0, 1, 2, EDGE - 1, KNOWN_PRIME - EDGE + 1, KNOWN_PRIME - 1, KNOWN_PRIME, KNOWN_PRIME + 1, (1 << 2048) - 1],
    ids=named,
)
def test_public_values_just_outside_spend_nothing_of_the_caller(value):
    caller = request_call(GROUP, RNG)
    with pytest.raises(PeerMisbehaved) as caught:
        caller.receive_accept(public(value))
    assert caught.value.clause == "telegram.1-4"
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    assert caller.receive_accept(callee.g_b).result.sas


@pytest.mark.clause("telegram.1-4", "telegram.2-4")
@pytest.mark.parametrize("value", [1, EDGE - 1, KNOWN_PRIME - EDGE + 1, KNOWN_PRIME - 1], ids=named)
def test_a_committed_value_outside_is_refused_by_the_callee(value):
    callee = accept_call(commitment(public(value)), GROUP, RNG)
    with pytest.raises(PeerMisbehaved):
        callee.receive_confirm(public(value), 0)
    assert callee.spent


@pytest.mark.clause("telegram.1-4")
@pytest.mark.parametrize("value", [b"", bytes(257), b"\x00" + KNOWN])
def test_public_values_of_another_length(value):
    with pytest.raises(MalformedMessage):
        request_call(GROUP, RNG).receive_accept(value)


@pytest.mark.clause("telegram.1-5")
def test_the_secret_is_drawn_again_until_the_value_fills_256_bytes():
    secrets = Secrets(secret(short=True), secret())
    assert request_call(GROUP, secrets)
    assert secrets.secrets == []


@pytest.mark.clause("telegram.1-5")
def test_a_source_that_gives_nothing_usable():
    with pytest.raises(ApiMisuse):
        request_call(GROUP, Secrets(*[bytes(256)] * 64))


@pytest.mark.clause("telegram.2-8")
def test_what_a_peer_sends_shorter_is_taken_and_hashed_as_it_came():
    x = int.from_bytes(secret(short=True), "big")
    g_a = public(pow(3, x, KNOWN_PRIME))[1:]

    for sent in (g_a, b"\x00" + g_a):
        callee = accept_call(commitment(sent), GROUP, RNG)
        key = SecretBytes(public(pow(int.from_bytes(callee.g_b, "big"), x, KNOWN_PRIME)))
        result = callee.receive_confirm(sent, fingerprint(key))
        assert result.sas == TelegramEstablished.of(Role.CALLER, key, sent).sas


# --------------------------------------------------------------------------------------------- commitment and its order


@pytest.mark.clause("telegram.2-1")
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_commitment_of_another_length(length):
    with pytest.raises(MalformedMessage):
        accept_call(bytes(length), GROUP, RNG)


@pytest.mark.clause("telegram.2-4")
def test_another_value_than_the_committed_one():
    caller, other = request_call(GROUP, RNG), request_call(GROUP, RNG)
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    replaced = other.receive_accept(callee.g_b)
    with pytest.raises(VerificationFailed, match="committed"):
        callee.receive_confirm(replaced.g_a, replaced.key_fingerprint)
    genuine = caller.receive_accept(callee.g_b)
    with pytest.raises(ApiMisuse):  # one opening, one guess
        callee.receive_confirm(genuine.g_a, genuine.key_fingerprint)


@pytest.mark.clause("telegram.2-5")
@pytest.mark.parametrize("change", [1, -1, 1 << 63])
def test_another_fingerprint(change):
    caller = request_call(GROUP, RNG)
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    confirmation = caller.receive_accept(callee.g_b)
    with pytest.raises(VerificationFailed, match="fingerprint"):
        callee.receive_confirm(confirmation.g_a, confirmation.key_fingerprint ^ change)


@pytest.mark.clause("telegram.2-7")
def test_a_reflected_value():
    caller = request_call(GROUP, RNG)
    with pytest.raises(PeerMisbehaved) as caught:
        caller.receive_accept(caller._g_a)
    assert caught.value.clause == "telegram.2-7"


@pytest.mark.clause("telegram.2-2")
def test_nothing_of_the_key_exists_before_both_values_are_there():
    caller = request_call(GROUP, RNG)
    assert not hasattr(caller, "sas")
    assert not hasattr(caller, "g_a")
    assert not hasattr(accept_call(caller.g_a_hash, GROUP, RNG), "sas")


@pytest.mark.clause("telegram.2-9")
def test_each_state_is_used_once():
    caller = request_call(GROUP, RNG)
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    confirmation = caller.receive_accept(callee.g_b)
    with pytest.raises(ApiMisuse):
        caller.receive_accept(callee.g_b)
    callee.receive_confirm(confirmation.g_a, confirmation.key_fingerprint)
    with pytest.raises(ApiMisuse):
        callee.receive_confirm(confirmation.g_a, confirmation.key_fingerprint)


@pytest.mark.clause("telegram.2-9")
def test_an_abandoned_state_is_not_used():
    caller = request_call(GROUP, RNG)
    callee = accept_call(caller.g_a_hash, GROUP, RNG)
    g_b = callee.g_b
    caller.abandon()
    callee.abandon()
    with pytest.raises(ApiMisuse):
        caller.receive_accept(g_b)
    with pytest.raises(ApiMisuse):
        callee.receive_confirm(g_b, 0)


def test_no_repr_has_key_bytes():
    one, _ = agreed()
    shown = repr(one)
    assert shown == "<TelegramEstablished caller>"
    assert bytes(one.key.expose()).hex()[:16] not in shown


RFC3526_GROUP_14 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
