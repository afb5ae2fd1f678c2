"""epoch.1: two signed halves make the next epoch: the key schedule written a second time, and every refusal."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.errors import ApiMisuse, E2ECallError, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import Role, Suite
from e2ecall.handshake.rekey import RekeyContext, Signed, answer_rekey, read_rk1, start_rekey
from e2ecall.secret import SecretBytes
from support.parties import SeededRng, signer

TH2 = bytes(range(32))
CHAIN = bytes(range(100, 132))
PEERS = {"alice": Role.CALLER, "bob": Role.CALLEE}
SUITES = [Suite.X25519_MLKEM768, Suite.X25519]
POINTS = [bytes(32), b"\1" + bytes(31), bytes.fromhex("ec" + "ff" * 30 + "7f"), bytes.fromhex("ed" + "ff" * 30 + "7f")]


def context(name, suite=Suite.X25519_MLKEM768, **kw):
    other = "bob" if name == "alice" else "alice"
    values = {"epoch": 1, "th2": TH2, "peer_identity": signer(other).public} | kw
    return RekeyContext(role=PEERS[name], suite=suite, chain=SecretBytes(CHAIN), **values)


def started(name="alice", suite=Suite.X25519_MLKEM768, attempt=1, **kw):
    return start_rekey(signer(name), SeededRng(f"{name} starts"), context(name, suite, **kw), attempt)


def answered(rk1, name="bob", suite=Suite.X25519_MLKEM768, **kw):
    return answer_rekey(signer(name), SeededRng(f"{name} answers"), context(name, suite, **kw), rk1)


def values(keys):
    control = keys.control
    named = (keys.base_key, control.caller_key, control.caller_iv, control.callee_key, control.callee_iv, keys.chain)
    return [bytes(each.expose()) for each in named]


def lv(data):
    return len(data).to_bytes(4) + data


def expand(hs, info, length):
    return hmac.digest(hs, info + b"\1", "sha256")[:length]


@pytest.mark.clause("epoch.1-1")
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("names", [("alice", "bob"), ("bob", "alice")])
def test_both_make_the_same_epoch_of_all_new_keys(names, suite):
    starter, answerer = names
    start = started(starter, suite)
    answer = answered(start.rk1, answerer, suite)
    mine = start.receive_rk2(answer.rk2)
    assert mine.epoch == answer.rekeyed.epoch == 1
    assert mine.th2 == answer.rekeyed.th2
    rk1, rk2 = start.rk1.data, answer.rk2.data
    assert mine.th2 == hashlib.sha256(lv(b"e2ecall/1 rekey") + TH2 + lv(rk1) + lv(rk2)).digest()
    assert values(mine.keys) == values(answer.rekeyed.keys)
    assert len({*values(mine.keys), CHAIN}) == 7


@pytest.mark.clause("epoch.1-1")
def test_the_keys_follow_from_chain_and_shared_secret_as_written():
    """Suite 2, where the shared secret can be had without the library: X25519 of the starter's draw and rk2's key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    start = started(suite=Suite.X25519)
    answer = answered(start.rk1, suite=Suite.X25519)
    private = X25519PrivateKey.from_private_bytes(SeededRng("alice starts").draw("rekey 1 1 x25519", 32))
    shared = private.exchange(X25519PublicKey.from_public_bytes(answer.rk2.data[8:40]))
    hs = hmac.digest(CHAIN, shared, "sha256")
    labels = [("frames", 32)]
    labels += [(f"control {who} {what}", n) for who in ("caller", "callee") for what, n in (("key", 32), ("iv", 12))]
    labels += [("chain", 32)]
    th2 = answer.rekeyed.th2
    assert values(answer.rekeyed.keys) == [expand(hs, f"e2ecall/1 {each}".encode() + th2, n) for each, n in labels]


@pytest.mark.clause("epoch.1-1")
def test_another_chain_or_another_th2_gives_other_keys():
    start = started()
    answer = answered(start.rk1)
    kept = values(answer.rekeyed.keys)
    other_chain = replace(context("alice"), chain=SecretBytes(bytes(32)))
    again = start_rekey(signer("alice"), SeededRng("alice starts"), other_chain, 1)
    assert again.rk1 == start.rk1
    other = again.receive_rk2(answer.rk2)
    assert other.th2 == answer.rekeyed.th2
    assert not set(values(other.keys)) & set(kept)


@pytest.mark.clause("epoch.1-1")
def test_the_bytes_of_the_halves():
    start = started(attempt=7, epoch=3)
    assert start.rk1.data[:8] == bytes([0, 0, 0, 3, 0, 0, 0, 7])
    assert (len(start.rk1.data), start.rk1.data[40:42]) == (42 + 1184, (1184).to_bytes(2))
    answer = answered(start.rk1, epoch=3)
    assert answer.rk2.data[:8] == start.rk1.data[:8]
    assert (len(answer.rk2.data), answer.rk2.data[40:42]) == (42 + 1088, (1088).to_bytes(2))
    half = read_rk1(start.rk1.data, Suite.X25519_MLKEM768)
    assert (half.epoch, half.attempt, half.x25519, half.ek) == (
        3,
        7,
        start.rk1.data[8:40],
        start.rk1.data[42:],
    )
    assert len(started(suite=Suite.X25519).rk1.data) == 42


def refused(act, layer, clause):
    with pytest.raises(layer) as caught:
        act()
    assert caught.value.clause == clause


@pytest.mark.clause("epoch.1-2")
def test_rk1_is_signed_over_role_epoch_and_th2_by_the_other_side():
    good = started().rk1
    answered(good)
    for other in (
        started(th2=bytes(32)).rk1.signature,  # another call of the pair, or another epoch's
        started("bob").rk1.signature,
        bytes(64),
        good.signature[:63],
        good.signature + b"\0",
        b"",
    ):
        refused(lambda other=other: answered(Signed(good.data, other)), VerificationFailed, "epoch.1-2")
    refused(lambda: answered(good, th2=bytes(32)), VerificationFailed, "epoch.1-2")
    refused(lambda: answered(good, peer_identity=signer("carol").public), VerificationFailed, "epoch.1-2")
    reflected = replace(context("alice"), peer_identity=signer("alice").public)  # its own rk1, sent back
    refused(
        lambda: answer_rekey(signer("alice"), SeededRng("x"), reflected, good), VerificationFailed, "epoch.1-2"
    )  # the role alone says that it is


@pytest.mark.clause("epoch.1-2", "epoch.1-6")
def test_rk2_is_signed_over_the_rk1_that_is_outstanding():
    start = started()
    answer = answered(start.rk1)
    other_start = start_rekey(signer("alice"), SeededRng("other draws"), context("alice"), 1)
    to_other = answered(other_start.rk1)
    assert to_other.rk2.data[:8] == answer.rk2.data[:8]
    for bad in (
        to_other.rk2,
        Signed(answer.rk2.data, to_other.rk2.signature),
        Signed(answer.rk2.data, start.rk1.signature),
        Signed(answer.rk2.data, answer.rk2.signature[:63]),
        Signed(answer.rk2.data[:-1] + bytes([answer.rk2.data[-1] ^ 1]), answer.rk2.signature),
    ):
        refused(lambda bad=bad: start.receive_rk2(bad), VerificationFailed, "epoch.1-6")
    assert start.receive_rk2(answer.rk2).th2 == answer.rekeyed.th2  # nothing of it was spent


@pytest.mark.clause("epoch.1-6")
def test_rk2_for_an_older_attempt_is_ignored_and_for_one_never_sent_refused():
    old = started(attempt=1)
    old_answer = answered(old.rk1)
    start = started(attempt=2)
    assert start.receive_rk2(old_answer.rk2) is None
    assert start.receive_rk2(replace(old_answer.rk2, signature=bytes(64))) is None
    newer = started(attempt=3)
    refused(lambda: start.receive_rk2(answered(newer.rk1).rk2), PeerMisbehaved, "epoch.1-6")
    later = started(epoch=2)
    refused(lambda: start.receive_rk2(answered(later.rk1, epoch=2).rk2), PeerMisbehaved, "epoch.1-6")
    before = started(epoch=4, attempt=9)
    assert started(epoch=5, attempt=2).receive_rk2(answered(before.rk1, epoch=4).rk2) is None
    assert start.receive_rk2(answered(start.rk1).rk2) is not None


@pytest.mark.clause("kex.6-1", "epoch.1-6")
def test_a_start_is_good_for_one_rk2():
    start = started()
    answer = answered(start.rk1)
    start.receive_rk2(answer.rk2)
    with pytest.raises(ApiMisuse):
        start.receive_rk2(answer.rk2)


@pytest.mark.clause("epoch.1-4")
@pytest.mark.parametrize("epoch", [0, 2, 2**32 - 1])
def test_rk1_is_answered_for_the_next_epoch_only(epoch):
    refused(lambda: answered(started(epoch=epoch).rk1), PeerMisbehaved, "epoch.1-4")


def crafted(data, by="alice"):
    """These bytes as rk1, signed well."""
    role = PEERS[by].sender_index
    to_sign = lv(b"e2ecall/1 rekey 1") + bytes([role]) + (1).to_bytes(4) + TH2 + lv(data)
    return Signed(data, signer(by).sign(to_sign))


def crafted_rk2(rk1, data, by="bob"):
    to_sign = lv(b"e2ecall/1 rekey 2") + bytes([PEERS[by].sender_index]) + (1).to_bytes(4) + TH2 + lv(rk1) + lv(data)
    return Signed(data, signer(by).sign(to_sign))


def test_what_is_crafted_here_is_what_is_signed_there():
    start = started()
    assert crafted(start.rk1.data) == start.rk1
    answer = answered(start.rk1)
    assert crafted_rk2(start.rk1.data, answer.rk2.data) == answer.rk2


@pytest.mark.clause("epoch.1-3", "kex.7-1")
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.hex()[:4])
@pytest.mark.parametrize("suite", SUITES)
def test_a_low_order_x25519_key_in_either_half(point, suite):
    start = started(suite=suite)
    data = start.rk1.data
    refused(lambda: answered(crafted(data[:8] + point + data[40:]), suite=suite), PeerMisbehaved, "epoch.1-3")
    rk2 = answered(start.rk1, suite=suite).rk2.data
    bad = crafted_rk2(data, rk2[:8] + point + rk2[40:])
    refused(lambda: start.receive_rk2(bad), PeerMisbehaved, "epoch.1-3")


@pytest.mark.clause("epoch.1-3", "kex.7-2")
def test_a_non_canonical_encapsulation_key():
    data = started().rk1.data
    for at in (42, 42 + 1184 - 32 - 3):
        bad = data[:at] + b"\xff\xff\xff" + data[at + 3 :]
        refused(lambda bad=bad: answered(crafted(bad)), PeerMisbehaved, "epoch.1-3")


@pytest.mark.clause("epoch.1-3")
@pytest.mark.parametrize("suite", SUITES)
def test_every_truncation_a_trailing_byte_and_the_other_suites_lengths_are_malformed(suite):
    other = SUITES[1 - SUITES.index(suite)]
    start = started(suite=suite)
    data = start.rk1.data
    rk2 = answered(start.rk1, suite=suite).rk2.data
    foreign = started(suite=other)
    for cut in (*range(42), -1):
        refused(lambda cut=cut: answered(crafted(data[:cut]), suite=suite), MalformedMessage, "epoch.1-3")
        bad = crafted_rk2(data, rk2[:cut])
        refused(lambda bad=bad: start.receive_rk2(bad), MalformedMessage, "epoch.1-3")
    refused(lambda: answered(crafted(data + b"\0"), suite=suite), MalformedMessage, "epoch.1-3")
    refused(lambda: start.receive_rk2(crafted_rk2(data, rk2 + b"\0")), MalformedMessage, "epoch.1-3")
    refused(lambda: answered(foreign.rk1, suite=suite), MalformedMessage, "epoch.1-3")
    bad = answered(foreign.rk1, suite=other).rk2
    refused(lambda: start.receive_rk2(bad), MalformedMessage, "epoch.1-3")
    start.receive_rk2(crafted_rk2(data, rk2))


@pytest.mark.clause("epoch.1-2", "epoch.1-3", "epoch.1-6")
@given(st.integers(0, 42 + 1184 + 63), st.integers(0, 7), st.booleans())
def test_no_bit_of_either_half_can_be_changed(at, bit, first):
    """Suite 2, whole: every byte of data and signature."""
    start = started(suite=Suite.X25519)
    half = start.rk1 if first else answered(start.rk1, suite=Suite.X25519).rk2
    changed = bytearray(half.data + half.signature)
    changed[at % len(changed)] ^= 1 << bit
    bad = Signed(bytes(changed[: len(half.data)]), bytes(changed[len(half.data) :]))
    try:
        taken = answered(bad, suite=Suite.X25519) if first else start.receive_rk2(bad)
    except E2ECallError:
        taken = None  # which rk2 also gives for an attempt of 0: older than any
    assert taken is None


@pytest.mark.clause("epoch.3-2")
def test_the_secrets_on_the_way_are_wiped(monkeypatch):
    made = []
    original = SecretBytes.__init__

    def init(self, data):
        original(self, data)
        made.append(self)

    monkeypatch.setattr(SecretBytes, "__init__", init)
    start = started()
    answer = answered(start.rk1)
    mine = start.receive_rk2(answer.rk2)
    kept = [*secrets(mine.keys), *secrets(answer.rekeyed.keys)]
    left = [each for each in made if not each.wiped and not any(each is one for one in kept)]
    assert all(bytes(each.expose()) in {CHAIN, *identities()} for each in left)  # both contexts' chain, and our seeds
    mine.keys.wipe()
    assert all(each.wiped for each in secrets(mine.keys))


def identities():
    return [SeededRng(name).draw("identity", 32) for name in PEERS]


def secrets(keys):
    control = keys.control
    return [keys.base_key, keys.chain, control.caller_key, control.caller_iv, control.callee_key, control.callee_iv]


def test_no_repr_shows_a_key():
    start = started()
    answer = answered(start.rk1)
    assert repr(answer.rekeyed) == "<Rekeyed to epoch 1>"
    assert "SecretBytes" not in repr(start)
