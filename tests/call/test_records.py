"""control.2: the records of one epoch: sealed, numbered, each taken once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2ecall.call.records import Body, EpochRecords, epoch_byte_of
from e2ecall.errors import CounterExhausted, MalformedMessage, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import ControlKeys, Role
from e2ecall.secret import SecretBytes
from e2ecall.wire.control import ControlType


def keys():
    return ControlKeys(*(SecretBytes(bytes([n]) * size) for n, size in ((1, 32), (2, 12), (3, 32), (4, 12))))


def both(epoch=0):
    return EpochRecords(epoch, keys(), Role.CALLER), EpochRecords(epoch, keys(), Role.CALLEE)


def chat(data=b"x", number=1):
    return Body(ControlType.CHAT, number, data)


@pytest.mark.clause("control.2-2", "control.2-3")
@given(st.lists(st.integers(0, 99), max_size=200))
def test_each_record_is_taken_once_in_any_order(order):
    caller, callee = both()
    records = [caller.seal(chat(bytes([n]))) for n in range(100)]
    taken = []
    for n in order:
        forged = records[n][:-1] + bytes([records[n][-1] ^ 1])
        with pytest.raises((VerificationFailed, PeerMisbehaved)):
            callee.open(forged)  # and whatever it says, it does not move the window
        if n in taken or max(taken, default=-1) - n >= 64:
            with pytest.raises(PeerMisbehaved, match="taken before, or is too old"):
                callee.open(records[n])
        else:
            assert callee.open(records[n]) == chat(bytes([n]))
            taken.append(n)


@pytest.mark.clause("control.2-1", "control.2-2", "control.2-4")
def test_records_that_are_refused():
    caller, callee = both()
    record = caller.seal(chat())
    assert record[:9] == bytes(9)
    assert caller.seal(chat())[:9] == bytes(8) + b"\1"
    with pytest.raises(VerificationFailed):
        caller.open(record)  # reflected: the other direction has other keys
    with pytest.raises(PeerMisbehaved, match="epoch"):
        callee.open(b"\1" + record[1:])
    with pytest.raises(VerificationFailed):
        callee.open(record[:8] + b"\5" + record[9:])
    with pytest.raises(MalformedMessage):
        callee.open(record[:5])
    with pytest.raises(MalformedMessage):
        epoch_byte_of(b"")
    assert callee.open(record).message_id == 1
    caller._next = 1 << 64
    with pytest.raises(CounterExhausted):
        caller.seal(chat())


@pytest.mark.clause("control.2-4")
def test_the_epoch_is_a_byte_and_authenticated():
    caller, callee = both(256 + 7)
    record = caller.seal(chat())
    assert epoch_byte_of(record) == 7
    assert callee.open(record) == chat()
    other, _ = both(8)
    other.seal(chat())
    with pytest.raises(VerificationFailed):
        callee.open(b"\7" + other.seal(chat())[1:])


def test_the_keys_are_wiped_once_they_are_in_the_library():
    fresh = keys()
    records = EpochRecords(3, fresh, Role.CALLER)
    assert all(secret.wiped for secret in (fresh.caller_key, fresh.caller_iv, fresh.callee_key, fresh.callee_iv))
    assert repr(records) == "<EpochRecords of epoch 3>"
