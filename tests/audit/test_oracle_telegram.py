"""Telegram's exchange and packets, said twice: the product and the slow writing agree, also in what they refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle import telegram as oracle
from e2ecall.audit.oracle.refused import Refused
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import E2ECallError, MalformedMessage
from e2ecall.handshake import Role
from e2ecall.handshake.telegram import Group, Kind, PacketKeys, accept_call, request_call
from e2ecall.handshake.telegram.channel import read_messages
from e2ecall.handshake.telegram.params import KNOWN_PRIME
from e2ecall.secret import SecretBytes
from tests.support.telegram import GROUP, SHARED, Secrets, published, secret

RNG = SystemRng()
KNOWN = KNOWN_PRIME.to_bytes(256, "big")


@pytest.mark.skipif(not SHARED.exists(), reason="the published values are not beside this checkout")
@pytest.mark.parametrize("number", [0, 1])
def test_the_slow_writing_gives_the_published_values(number):
    values = published()["vectors"][number]
    a, b, g_a, key = (bytes.fromhex(values[name]) for name in ("a", "b", "g_a", "key"))
    assert oracle.public_value(KNOWN, 3, a) == g_a
    assert oracle.public_value(KNOWN, 3, b).hex() == values["g_b"]
    assert oracle.shared_key(KNOWN, 3, b, g_a) == key
    assert oracle.fingerprint(key) == int(values["key_fingerprint"])
    assert oracle.emoji_hash(key, g_a).hex() == values["emoji_sha256"]
    for packet in values["packets"]:
        sides = {"outgoing": packet["sender_outgoing"], "signalling": packet["signaling"]}
        assert oracle.seal_packet(key, bytes.fromhex(packet["body"]), **sides).hex() == packet["packet"]


@pytest.mark.parametrize("start", [1, 99])
def test_exchanges_of_both_agree(start):
    a, b = secret(start=start), secret(start=start + 1000)
    caller = request_call(GROUP, Secrets(a))
    callee = accept_call(caller.g_a_hash, GROUP, Secrets(b))
    confirmation = caller.receive_accept(callee.g_b)
    key = oracle.shared_key(KNOWN, 3, a, callee.g_b)
    assert confirmation.g_a == oracle.public_value(KNOWN, 3, a)
    assert bytes(confirmation.result.key.expose()) == key
    assert confirmation.key_fingerprint == oracle.fingerprint(key)
    assert confirmation.result.sas == oracle.emoji_hash(key, confirmation.g_a)


def refused(act, *arguments, **named):
    """The clause by which it is refused, None where it is taken."""
    try:
        act(*arguments, **named)
    except (Refused, E2ECallError) as error:
        return error.clause
    return None


@pytest.mark.parametrize("g", range(9))
@pytest.mark.parametrize("p", [KNOWN, KNOWN[:-1] + b"\x5d", (KNOWN_PRIME - 1).to_bytes(256, "big"), b"\xff" * 256])
def test_both_refuse_the_same_groups(p, g):
    assert refused(Group.check, p, g, RNG) == refused(oracle.check_group, p, g)


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("edge", [0, 1 << 1984, KNOWN_PRIME - (1 << 1984), KNOWN_PRIME])
def test_both_refuse_the_same_values(edge, offset):
    if edge + offset >= 0:
        value = (edge + offset).to_bytes(256, "big")
        assert refused(GROUP.element, value, what="v") == refused(oracle.check_public, KNOWN, value)


@given(st.binary(min_size=256, max_size=256), st.binary(max_size=100), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_packets_of_both_agree(key, body, outgoing, signalling, reader_outgoing):
    role = Role.CALLER if outgoing else Role.CALLEE
    kind = Kind.SIGNALLING if signalling else Kind.TRANSPORT
    keys = PacketKeys(SecretBytes(key), role, kind)
    sides = {"outgoing": outgoing, "signalling": signalling}
    if len(body) < 5:
        assert refused(keys.seal, body) == refused(oracle.seal_packet, key, body, **sides) == "telegram.4-3"
        return
    packet = keys.seal(body)
    assert packet == oracle.seal_packet(key, body, **sides)
    reader = PacketKeys(SecretBytes(key), Role.CALLEE if reader_outgoing else Role.CALLER, kind)
    theirs = {"outgoing": reader_outgoing, "signalling": signalling}
    assert refused(reader.open, packet) == refused(oracle.open_packet, key, packet, **theirs)
    if reader_outgoing == outgoing:
        assert reader.open(packet) == oracle.open_packet(key, packet, **theirs) == body


HEADS = st.sampled_from([0, 1, 2, 1 << 30 | 1, 1 << 31 | 1, 3 << 30 | 7]).map(lambda seq: seq.to_bytes(4, "big"))
PIECES = st.one_of(
    st.builds(lambda head, kind: head + bytes([kind]), HEADS, st.sampled_from([0xFE, 0xFF, 0x7F, 0x05])),
    st.builds(
        lambda head, payload, more: head + b"\x7f" + (len(payload) + more).to_bytes(4, "big") + payload,
        HEADS,
        st.binary(max_size=9),
        st.sampled_from([0, 0, 0, 0, 1, 2**31]),
    ),
    st.binary(min_size=1, max_size=6),
)


@given(st.lists(PIECES, min_size=1, max_size=5).map(b"".join))
@settings(max_examples=800, deadline=None)
def test_bodies_of_both_agree(body):
    try:
        mine = [(each.seq, each.kind, each.payload) for each in read_messages(body)]
    except MalformedMessage:
        assert refused(oracle.messages, body) == "telegram.4-7"
    else:
        assert mine == oracle.messages(body)
