"""One clause taken away at a time: the attack that it prevents succeeds on the twin and fails on the real one."""

from functools import partial

import pytest

from e2ecall.call import rekey as rekey_module
from e2ecall.call.control import ControlChannel
from e2ecall.call.events import CallEnded
from e2ecall.call.messages import Bye, Chat
from e2ecall.call.records import Body, EpochRecords
from e2ecall.call.rekey import Rekey
from e2ecall.call.session import Session
from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import ControlKeys, Role, Suite
from e2ecall.handshake import rekey as halves
from e2ecall.handshake.rekey import RekeyContext, answer_rekey, start_rekey
from e2ecall.secret import SecretBytes
from e2ecall.wire.control import BODY, ControlType
from e2ecall.wire.declared import build_bytes, lv
from e2ecall.wire.tlv import encode_tlv
from sim import Weather, in_a_call
from support.parties import SeededRng, signer
from support.rekey_model import explore

REAL, TWIN = "real", "twin"
both_ways = pytest.mark.parametrize("which", [REAL, TWIN])


def context(role, *, th2=bytes(32), chain=bytes(32), own=None, peer=None):
    names = {Role.CALLER: "alice", Role.CALLEE: "bob"}
    return RekeyContext(role, Suite.X25519, 1, th2, SecretBytes(chain), signer(peer or names[role.other]).public)


def start(seed="start", by="alice", role=Role.CALLER, **kw):
    return start_rekey(signer(by), SeededRng(seed), context(role, **kw), 1)


def answer(rk1, by="bob", role=Role.CALLEE, **kw):
    return answer_rekey(signer(by), SeededRng("answer"), context(role, **kw), rk1)


def succeeds(act):
    """What `act` gives, None if it was refused."""
    try:
        return act()
    except E2ECallError:
        return None


# --------------------------------------------------------------------------------------------- what the halves are over


def to_sign_without(what):
    """`_to_sign` with one of its parts left out."""

    def to_sign(half, role, context, *data):
        label = lv(f"e2ecall/1 rekey {half}".encode())
        parts = {"role": bytes([role.sender_index]), "epoch": context.epoch.to_bytes(4), "th2": context.th2}
        if what == "rk1" and half == 2:
            data = data[1:]
        return label + b"".join(part for name, part in parts.items() if name != what) + b"".join(map(lv, data))

    return to_sign


@pytest.mark.clause("epoch.1-2")
@both_ways
def test_rk1_of_another_call_of_the_same_two(which, monkeypatch):
    """Without th2, what was signed in one call starts a rekey in every other."""
    if which is TWIN:
        monkeypatch.setattr(halves, "_to_sign", to_sign_without("th2"))
    first = start(th2=b"\1" * 32)
    assert answer(first.rk1, th2=b"\1" * 32)
    replayed = succeeds(lambda: answer(first.rk1, th2=b"\2" * 32))
    assert (replayed is not None) == (which is TWIN)


@pytest.mark.clause("epoch.1-2", "epoch.1-6")
@both_ways
def test_both_on_different_keys_by_a_swapped_rk1(which, monkeypatch):
    """Whoever has stolen the starter's key answers for nobody, but starts: without rk1 in rk2's signature, both ends
    take the other half for theirs and end on different keys, each believing that the rekey is done."""
    if which is TWIN:
        monkeypatch.setattr(halves, "_to_sign", to_sign_without("rk1"))
    mine, thiefs = start("mine"), start("the thief's")
    assert mine.rk1.data[:8] == thiefs.rk1.data[:8]
    answered = answer(thiefs.rk1)
    ended = succeeds(lambda: mine.receive_rk2(answered.rk2))
    assert (ended is not None) == (which is TWIN)
    if ended is not None:
        assert ended.th2 != answered.rekeyed.th2
        assert ended.keys.base_key != answered.rekeyed.keys.base_key


@pytest.mark.clause("epoch.1-2")
@both_ways
def test_ones_own_rk1_reflected(which, monkeypatch):
    """Two sessions of one identity, had kex.7-4 not refused them: only the role says whose rk1 this is."""
    if which is TWIN:
        monkeypatch.setattr(halves, "_to_sign", to_sign_without("role"))
    mine = start(peer="alice")
    reflected = succeeds(lambda: answer(mine.rk1, by="alice", role=Role.CALLER, peer="alice"))
    assert (reflected is not None) == (which is TWIN)


# ---------------------------------------------------------------------------------------------------------- the machine


def goes_wrong(monkeypatch):
    """Whether some order of deliveries parts the two sides."""
    try:
        explore(monkeypatch, attempts=2, epochs=1)
    except (AssertionError, ApiMisuse):  # the latter: the machine stands where its table has no row
        return True
    return False


def switch_at_once(monkeypatch):
    """The answerer sends in the new epoch as soon as it has answered."""
    receive = Rekey.receive_rk1

    def receive_rk1(machine, rk1):
        receive(machine, rk1)
        machine.new_epoch_seen()

    monkeypatch.setattr(Rekey, "receive_rk1", receive_rk1)


def no_order_of_attempts(monkeypatch):
    """A lower attempt that comes late replaces what was answered."""
    never = property(lambda machine: 0, lambda machine, value: None)
    monkeypatch.setattr(Rekey, "_seen_attempt", never, raising=False)


def a_fresh_answer_each_time(monkeypatch):
    """The same rk1 again gets another rk2."""
    no_order_of_attempts(monkeypatch)
    monkeypatch.setattr(rekey_module, "constant_time_equal", lambda one, other: False)


def the_answerer_gives_up(monkeypatch):
    """It forgets what it answered when it starts by itself, though the starter may have switched."""
    start = Rekey.start

    def forgetful(machine):
        machine._forget_answer()
        machine.position = rekey_module.Position.STEADY
        start(machine)

    monkeypatch.setattr(Rekey, "start", forgetful)


def stays_with_the_first_answer(monkeypatch):
    """A new attempt does not replace what was answered."""
    receive = Rekey.receive_rk1

    def receive_rk1(machine, rk1):
        if machine._answered is None or machine._answered[0] == rk1:
            receive(machine, rk1)

    monkeypatch.setattr(Rekey, "receive_rk1", receive_rk1)


def keeps_its_own_start(monkeypatch):
    """Both answer, and both go on waiting for their own."""
    monkeypatch.setattr(rekey_module, "Role", type("Nobody", (), {"CALLER": None}))
    monkeypatch.setitem(rekey_module._DO, rekey_module.Action.DROP_START, lambda machine: None)


TWINS = [
    switch_at_once,
    no_order_of_attempts,
    a_fresh_answer_each_time,
    the_answerer_gives_up,
    stays_with_the_first_answer,
    keeps_its_own_start,
]


@pytest.mark.clause("epoch.1-5", "epoch.2-2", "epoch.2-3", "epoch.2-4", "epoch.2-5")
@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)
def test_each_rule_of_the_machine_is_needed(twin, monkeypatch):
    with monkeypatch.context() as real:
        assert not goes_wrong(real)
    twin(monkeypatch)
    assert goes_wrong(monkeypatch)


@pytest.mark.clause("epoch.2-3")
@both_ways
def test_both_at_once_where_nobody_wins(which, monkeypatch):
    """Each drops its own and answers the other: nobody takes the answers, and no rekey is ever done."""
    if which is TWIN:
        monkeypatch.setattr(rekey_module, "Role", type("Nobody", (), {"CALLER": None}))
    alice, bob, sim = in_a_call(suites=[Suite.X25519], weather=Weather(delay=(0.03, 0.03)))
    for person in (alice, bob):
        sim.do(person, lambda person=person: person.call.rekey(person.now))
    sim.run(sim.now + 5.5)
    assert alice.session.epoch == bob.session.epoch == (0 if which is TWIN else 1)
    assert alice.session._rekey.holds_answer == bob.session._rekey.holds_answer == (which is TWIN)


@pytest.mark.clause("epoch.2-1", "epoch.2-2")
@both_ways
def test_an_answerer_that_cannot_open_yet_what_the_starter_sends(which, monkeypatch):
    """Its new keys come with the first sign, and not with rk2: the sign itself, and all frames, cannot be opened."""
    if which is TWIN:
        monkeypatch.setitem(rekey_module._DO, rekey_module.Action.ANSWER, lambda machine: None)
    alice, bob, sim = in_a_call(suites=[Suite.X25519], frames=0.05)
    sim.check = sim.check_frame = lambda *_: None
    sim.do(alice, lambda: alice.call.rekey(alice.now))
    sim.run(sim.now + 3)
    failed = bool(sim.media["bob"].lost)
    assert failed == (which is TWIN)
    assert (bob.session.epoch == 1) == (which is REAL)
    assert bool(bob.refusals) == (which is TWIN)


# ---------------------------------------------------------------------------------------------------------- the records


def keys(epoch=0):
    return ControlKeys(*(SecretBytes(bytes([n, epoch]) * (size // 2)) for n, size in enumerate((32, 12, 32, 12))))


@pytest.mark.clause("control.2-2")
@both_ways
def test_one_forged_record_that_silences_the_channel(which, monkeypatch):
    """A window that moves before the tag is checked: a number far ahead makes every honest record too old."""
    if which is TWIN:
        original = EpochRecords.open

        def commit_first(records, data):
            records._commit(int.from_bytes(data[1:9]))
            return original(records, data)

        monkeypatch.setattr(EpochRecords, "open", commit_first)
    caller, callee = EpochRecords(0, keys(), Role.CALLER), EpochRecords(0, keys(), Role.CALLEE)
    with pytest.raises((VerificationFailed, PeerMisbehaved)):
        callee.open(b"\0" + (1 << 20).to_bytes(8) + bytes(40))
    taken = succeeds(lambda: callee.open(caller.seal(Body(9, 1, b""))))
    assert (taken is None) == (which is TWIN)


def channels():
    caller, callee = ControlChannel(keys(), Role.CALLER), ControlChannel(keys(), Role.CALLEE)
    caller.send(ControlType.CHAT, {1: b"pay 10"})
    return caller, callee


@pytest.mark.clause("control.2-7", "control.2-8")
@both_ways
def test_a_message_whose_acknowledgement_was_dropped_is_taken_twice(which, monkeypatch):
    """Told apart by the numbers of their records alone, a repetition is another message."""
    if which is TWIN:
        monkeypatch.setattr(ControlChannel, "_take", lambda channel, number: True)
    caller, callee = channels()
    taken = [callee.receive(data) for at in (0.0, 1.0, 3.0) for data in caller.records_to_send(at)]
    assert len(taken) == 3
    assert sum(message is not None for message in taken) == (3 if which is TWIN else 1)


@pytest.mark.clause("control.2-7", "control.2-8")
@both_ways
def test_one_dropped_acknowledgement_that_stops_a_direction(which, monkeypatch):
    """An id that was taken is not acknowledged again: the sender repeats it for ever, and 64 later ones wait."""
    if which is TWIN:
        original = ControlChannel._take

        def take(channel, number):
            known = number < channel._all_before or number in channel._taken
            taken = original(channel, number)
            if known:
                channel._acks.pop(number, None)
            return taken

        monkeypatch.setattr(ControlChannel, "_take", take)
    caller, callee = channels()
    for data in caller.records_to_send(0.0):
        callee.receive(data)
    callee.records_to_send(0.0)  # dropped
    for second in range(1, 60):
        for data in caller.records_to_send(float(second)):
            callee.receive(data)
        for data in callee.records_to_send(float(second)):
            caller.receive(data)
    assert (caller.unacknowledged == 1) == (which is TWIN)


# --------------------------------------------------------------------------------------------------------- the session


@pytest.mark.clause("epoch.3-2")
@both_ways
def test_a_thief_of_old_keys_after_the_rekey(which, monkeypatch):
    """Who stole the control keys of epoch 0 can hang up, and say anything, for as long as they are taken."""
    if which is TWIN:
        monkeypatch.setattr(Session, "_forget", lambda session, now: None)
    alice, bob, sim = in_a_call(suites=[Suite.X25519])
    stolen = alice.session._control._sending
    aead, iv = stolen._send
    sim.do(bob, lambda: bob.call.rekey(bob.now))
    sim.run(sim.now + 3)
    assert alice.session.epoch == bob.session.epoch == 1

    def forged(seq, message):
        fields = encode_tlv(message.fields(), "control")
        body = build_bytes(BODY, {"type": message.type, "message_id": 0, "fields": fields}, "control")
        front = b"\0" + seq.to_bytes(8)
        return b"\2" + front + aead.encrypt((iv ^ seq).to_bytes(12), body, front)

    sim.do(bob, partial(bob.take, forged(60, Chat("give me the code"))))
    sim.do(bob, partial(bob.take, forged(61, Bye())))
    assert (bob.said == [Chat("give me the code")]) == (which is TWIN)
    assert bool(bob.all(CallEnded)) == (which is TWIN)


@pytest.mark.clause("control.3-4", "epoch.2-2")
@both_ways
def test_a_heartbeat_that_was_queued_before_the_switch_and_sealed_after_it(which, monkeypatch):
    """It names the epoch before, and is refused: an honest call would look like an attack."""
    if which is TWIN:

        def send_in(channel, epoch):
            channel._sending = channel._epochs[epoch & 0xFF]

        monkeypatch.setattr(ControlChannel, "send_in", send_in)
    alice, bob, sim = in_a_call(suites=[Suite.X25519])
    sim.do(alice, lambda: alice.call.rekey(alice.now))
    sim.pump = lambda person: None  # what alice and bob say is given out by hand

    def give(sender, receiver):
        for data in sender.send():
            receiver.take(data)

    while bob.session._rekey.pending_th2 is None:
        sim.run(sim.now + 0.01)
    alice.session._beat(alice.now)
    give(bob, alice)  # rk2: alice switches, her heartbeat of epoch 0 still in the queue
    assert alice.session.epoch == 1
    give(alice, bob)
    assert {error.clause for error in bob.refusals} == ({"control.3-4"} if which is TWIN else set())
