"""epoch.3: which keys of an old epoch are gone when, and that nothing secret is left behind."""

import gc

import pytest

from e2ecall.call.records import EpochRecords
from e2ecall.errors import FrameReason, FrameRejected
from e2ecall.handshake import Suite
from e2ecall.secret import SecretBytes
from e2ecall.sframe import Sender
from e2ecall.sframe.receive_key import ReceiveKey
from support.calls import OPUS, agree_on, call, healed, one_way, rekey


@pytest.mark.clause("epoch.3-1", "epoch.3-2")
@pytest.mark.parametrize("starter", [0, 1])
def test_what_is_under_way_at_the_switch_is_opened_for_2_s_and_then_refused(starter):
    alice, bob, sim = call()
    people = (alice, bob)
    keys = [sim.take_keys(person) for person in people]
    streams = [each.open_stream(*OPUS) for each in keys]
    frames = [[stream.protect(b"%d" % n) for n in range(40)] for stream in streams]
    begin = dict.fromkeys((0, 1))
    rekey(sim, people[starter])
    while sim.now < 100 and not all(begin.values()):
        sim.run(sim.now + 0.01)
        for number, person in enumerate(people):
            if begin[number] is None and person.session._peer_epoch == 1:
                begin[number] = sim.now
    for side in (0, 1):
        receiver, sealed = keys[side].receiver, iter(frames[1 - side])
        sim.run(max(begin[side] + 1.95, sim.now))
        assert receiver.unprotect(next(sealed))[0]
    sim.run(max(begin.values()) + 2.3)  # handle_timer comes at least each quarter of a second
    for side in (0, 1):
        with pytest.raises(FrameRejected) as caught:
            keys[side].receiver.unprotect(frames[1 - side][1])
        assert caught.value.reason is FrameReason.UNKNOWN_KEY
        assert list(people[side].session._control._epochs) == [1]
        assert list(keys[side]._base_keys) == [1]
        assert list(people[side].session._th2) == [1]


@pytest.mark.clause("epoch.3-2", "frame.6-15")
def test_of_an_old_epoch_256_more_frames_are_opened_once_the_other_side_has_shown_itself():
    """By a record alone: no frame of the new epoch has come yet."""
    alice, bob, sim = call()
    keys = sim.take_keys(alice), sim.take_keys(bob)
    stream = keys[0].open_stream(*OPUS)
    under_way = [stream.protect(b"x") for _ in range(300)]
    rekey(sim, alice)
    agree_on(sim, 1)
    assert bob.session._forget_at
    for sealed in under_way[:256]:
        keys[1].receiver.unprotect(sealed)
    for sealed in under_way[256:]:
        with pytest.raises(FrameRejected):
            keys[1].receiver.unprotect(sealed)


class Made:
    """The SecretBytes that were made with each value, weakly: a value is gone when none that is alive still has it."""

    def __init__(self, monkeypatch):
        self.values = {}
        original = SecretBytes.__init__
        derive = SecretBytes.derive_into.__func__

        def init(secret, data):
            original(secret, data)
            self.note(secret)

        def derive_into(cls, length, fill):
            secret = derive(cls, length, fill)
            self.note(secret)
            return secret

        monkeypatch.setattr(SecretBytes, "__init__", init)
        monkeypatch.setattr(SecretBytes, "derive_into", classmethod(derive_into))

    def note(self, secret):
        value = bytes(secret._data)
        if any(value):
            self.values.setdefault(value, len(self.values))


def alive():
    """The values of every SecretBytes that the collector finds and that was not wiped."""
    gc.collect()
    return {bytes(each._data) for each in gc.get_objects() if isinstance(each, SecretBytes) and not each.wiped}


def secrets_of(session, keys):
    control = session._result.keys.control
    return [session._rekey._chain, *keys._base_keys.values(), control.caller_key]


@pytest.mark.clause("epoch.3-2")
@pytest.mark.parametrize("suite", [Suite.X25519_MLKEM768, Suite.X25519])
@pytest.mark.parametrize("starter", [0, 1])
def test_no_secret_of_an_old_epoch_is_left_2_s_after_the_other_sides_sign(suite, starter, monkeypatch):
    """Everything secret that was made since the call began; of it, what is alive belongs to the new epoch."""
    made = Made(monkeypatch)
    alice, bob, sim = call(suites=[suite], frames=0.1)
    people = (alice, bob)
    for epoch in (1, 2, 3):
        before = set(made.values)
        rekey(sim, people[starter])
        agree_on(sim, epoch)
        sim.run(sim.now + 2.5)
        left = alive() & before
        identities = {bytes(each) for each in left if len(each) == 32 and each in seeds()}
        assert left - identities == set(), f"{len(left)} secrets of epoch {epoch - 1} are left"
        current = {bytes(person.session._rekey._chain.expose()) for person in people}
        assert current <= alive() - before
        assert len(current) == 1
    objects = gc.get_objects()
    for kind, epoch_of in (
        (EpochRecords, lambda each: each.epoch),
        (ReceiveKey, lambda each: each.epoch),
        (Sender, lambda each: each.kid & 15),
    ):
        found = {epoch_of(each) for each in objects if isinstance(each, kind)}
        assert found == {3}, kind  # the library's AEAD objects live in these, and go with them
    assert len([each for each in objects if isinstance(each, EpochRecords)]) == 2


def seeds():
    from support.parties import SeededRng

    return {SeededRng(name).draw("identity", 32) for name in ("alice", "bob")}


@pytest.mark.clause("epoch.3-2")
def test_an_abandoned_and_a_replaced_attempt_leave_nothing(monkeypatch):
    made = Made(monkeypatch)
    alice, bob, sim = call(frames=0.1)
    one_way(sim, alice)
    rekey(sim, alice)
    sim.run(sim.now + 3)
    pending = bob.session._rekey._answered[1].rekeyed.keys
    first = bytes(pending.chain.expose())
    assert first in alive()
    sim.run(sim.now + 9)  # given up, and the second attempt answered
    assert pending.chain.wiped
    assert first in made.values
    assert first not in alive()
    healed(sim)
    agree_on(sim, 1, within=12)
    sim.run(sim.now + 2.5)
    assert len([each for each in gc.get_objects() if isinstance(each, EpochRecords)]) == 2


@pytest.mark.clause("epoch.3-2")
@pytest.mark.parametrize("suite", [Suite.X25519_MLKEM768, Suite.X25519])
def test_nothing_secret_of_a_rekey_is_let_go_before_it_was_wiped(suite, monkeypatch):
    lengths = []
    alice, bob, sim = call(suites=[suite], frames=0.1)
    gc.collect()

    def let_go(secret):
        if not secret.wiped:
            lengths.append(len(secret))

    monkeypatch.setattr(SecretBytes, "__del__", let_go, raising=False)
    SecretBytes(bytes(99))
    assert lengths == [99]  # it is noticed
    lengths.clear()
    for epoch, people in enumerate(((alice,), (bob,), (alice, bob)), 1):
        for person in people:
            rekey(sim, person)
        agree_on(sim, epoch)
        sim.run(sim.now + 2.5)
    one_way(sim, alice)
    rekey(sim, alice)
    sim.run(sim.now + 12)
    for person in (alice, bob):
        sim.do(person, person.call.end)
    gc.collect()
    assert set(lengths) == {16}  # the names by which senders and receivers know a key again: they are no secrets


@pytest.mark.clause("epoch.3-2")
def test_the_end_of_the_call_leaves_no_secret(monkeypatch):
    made = Made(monkeypatch)
    alice, bob, sim = call(frames=0.1)
    rekey(sim, alice)
    agree_on(sim, 1)
    rekey(sim, bob)
    sim.run(sim.now + 0.03)  # in the middle of the next
    for person in (alice, bob):
        sim.do(person, person.call.end)
    assert alive() & set(made.values) <= seeds()
