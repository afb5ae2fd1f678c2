"""Telegram's packets, one at a time: the published values both ways, and everything that must not open."""

import pytest

from e2ecall.errors import ApiMisuse, MalformedMessage, VerificationFailed
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Kind, PacketKeys
from e2ecall.handshake.telegram.packets import MAX_PACKET
from e2ecall.secret import SecretBytes
from tests.support.telegram import SHARED, agreed, published

needs_published = pytest.mark.skipif(not SHARED.exists(), reason="the published values are not beside this checkout")
KEY = SecretBytes(bytes(range(256)))
BODY = b"\x00\x00\x00\x01\xfe"
SIDES = [(role, kind) for role in Role for kind in Kind]


def keys(role, kind=Kind.SIGNALLING, key=KEY):
    return PacketKeys(key, role, kind)


@needs_published
@pytest.mark.clause("telegram.4-1", "telegram.4-2")
@pytest.mark.parametrize("number", [0, 1])
def test_the_published_packets_both_ways(number):
    values = published()["vectors"][number]
    key = SecretBytes(bytes.fromhex(values["key"]))
    kinds = set()
    for packet in values["packets"]:
        role = Role.CALLER if packet["sender_outgoing"] else Role.CALLEE
        kind = Kind.SIGNALLING if packet["signaling"] else Kind.TRANSPORT
        kinds.add((role, kind))
        body, sealed = bytes.fromhex(packet["body"]), bytes.fromhex(packet["packet"])
        assert keys(role, kind, key).seal(body) == sealed
        assert keys(role.other, kind, key).open(sealed) == body
    assert kinds == set(SIDES)


@pytest.mark.clause("telegram.4-1")
@pytest.mark.parametrize("length", [5, 6, 15, 16, 17, 1436, MAX_PACKET - 16])
def test_every_length_both_ways(length):
    body = bytes(i & 255 for i in range(length))
    for role, kind in SIDES:
        sealed = keys(role, kind).seal(body)
        assert len(sealed) == length + 16
        assert keys(role.other, kind).open(sealed) == body


@pytest.mark.clause("telegram.4-2")
@pytest.mark.parametrize(("role", "kind"), SIDES)
def test_a_packet_opens_for_the_other_side_and_its_own_kind_alone(role, kind):
    sealed = keys(role, kind).seal(BODY)
    for reader in SIDES:
        if reader == (role.other, kind):
            assert keys(*reader).open(sealed) == BODY
        else:
            with pytest.raises(VerificationFailed):
                keys(*reader).open(sealed)


@pytest.mark.clause("telegram.4-3")
def test_every_bit_counts():
    sealed = keys(Role.CALLER).seal(BODY)
    reader = keys(Role.CALLEE)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VerificationFailed) as caught:
            reader.open(bytes(changed))
        assert caught.value.clause == "telegram.4-3"
    assert reader.open(sealed) == BODY


@pytest.mark.clause("telegram.4-3")
def test_a_packet_that_was_cut_or_continued():
    sealed = keys(Role.CALLER).seal(bytes(40))
    for other in (sealed[:-1], sealed + b"\x00", sealed[1:]):
        with pytest.raises(VerificationFailed):
            keys(Role.CALLEE).open(other)


@pytest.mark.clause("telegram.4-3")
@pytest.mark.parametrize("length", [0, 1, 16, 20, MAX_PACKET + 1])
def test_lengths_that_are_not_even_decrypted(length):
    with pytest.raises(MalformedMessage) as caught:
        keys(Role.CALLEE).open(bytes(length))
    assert caught.value.clause == "telegram.4-3"


@pytest.mark.clause("telegram.4-3")
@pytest.mark.parametrize("length", [0, 4, MAX_PACKET - 15])
def test_bodies_that_no_packet_has(length):
    with pytest.raises(ApiMisuse):
        keys(Role.CALLER).seal(bytes(length))


@pytest.mark.clause("telegram.4-1")
@pytest.mark.parametrize("length", [0, 255, 257])
def test_a_key_of_another_length(length):
    with pytest.raises(ApiMisuse):
        PacketKeys(SecretBytes(bytes(length)), Role.CALLER, Kind.SIGNALLING)


@pytest.mark.clause("telegram.2-6", "telegram.4-3")
def test_packets_of_another_call_do_not_open():
    (caller, callee), (_, stranger) = agreed(), agreed()
    sealed = caller.packet_keys(Kind.SIGNALLING).seal(BODY)
    assert callee.packet_keys(Kind.SIGNALLING).open(sealed) == BODY
    with pytest.raises(VerificationFailed):
        stranger.packet_keys(Kind.SIGNALLING).open(sealed)
    caller.key.wipe()
    with pytest.raises(ApiMisuse):
        caller.packet_keys(Kind.SIGNALLING).seal(BODY)
