"""Sender keys that step forward: the steps themselves, and who seals under them."""

import pytest

from e2ecall.audit.oracle import key_ids as oracle
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, RatchetSender, ratchet_base_key
from support.frames import fresh_base, sealed
from support.ratchets import GENERATION, copy, pair, steps


@pytest.mark.clause("frame.10-1")
@pytest.mark.parametrize("suite", list(CipherSuite))
def test_the_next_base_key_is_the_oracle_s_and_as_long_as_the_hash(suite):
    base_key = SecretBytes(bytes(range(20)))
    key = base_key
    for step in range(1, 6):
        key = ratchet_base_key(suite, key)
        assert len(key) == suite.parameters.hash_length
        assert bytes(key.expose()) == oracle.ratchet(suite, bytes(range(20)), step)
    assert bytes(base_key.expose()) == bytes(range(20))


@pytest.mark.clause("frame.10-2", "frame.10-3", "frame.10-5")
@pytest.mark.parametrize("suite", [3, 4, 5, 6])
def test_both_ends_go_100_steps_and_wrap_six_times(suite):
    sender, receiver = pair(suite)
    for step in range(100):
        assert sender.step == step
        assert sender.kid == GENERATION << 4 | step % 16
        for ctr in range(3):
            frame = sender.protect(b"%d" % step, b"m")
            assert receiver.unprotect(frame, b"m") == (b"%d" % step, sender.kid, ctr)
        sender.advance()
        receiver.expire(float(step))


@pytest.mark.clause("frame.10-2")
def test_a_frame_of_each_step_is_under_that_step_s_key():
    base_key = fresh_base()
    keys = steps(5, base_key, 4)
    sender = RatchetSender(5, 1, copy(base_key), step_bits=8)
    for step in range(4):
        assert sender.protect(b"x") == sealed(5, 256 + step, keys[step], 0, b"x")
        if step < 3:
            given = sender.advance()
            assert given == keys[step + 1]
            given.wipe()  # a copy: the sender goes on


@pytest.mark.clause("frame.10-2")
def test_the_sender_takes_its_base_key():
    base_key = fresh_base()
    sender = RatchetSender(5, 0, base_key, step_bits=4)
    assert base_key.wiped
    for again in (
        lambda: RatchetSender(5, 0, base_key, step_bits=4),
        lambda: RatchetSender(5, 1, base_key, step_bits=4),
    ):
        with pytest.raises(ApiMisuse):
            again()
    assert sender.protect(b"")[0] == 0


@pytest.mark.clause("frame.10-2", "frame.10-6")
def test_the_base_keys_of_earlier_steps_are_wiped():
    sender, receiver = pair()
    generation = receiver._generations[GENERATION]
    for _ in range(3):
        sealing, opening = sender._base_key, generation.furthest_key
        sender.advance()
        receiver.unprotect(sender.protect(b""))
        assert sealing.wiped
        assert opening.wiped
    assert not sender._base_key.wiped
    receiver.remove_generation(GENERATION)
    assert generation.furthest_key.wiped


@pytest.mark.clause("frame.10-2", "frame.5-6")
def test_a_sender_that_could_not_be_made_has_taken_nothing():
    base_key = fresh_base()
    for make in (
        lambda: RatchetSender(9, 0, base_key, step_bits=4),
        lambda: RatchetSender(5, 2**60, base_key, step_bits=4),
        lambda: RatchetSender(5, -1, base_key, step_bits=4),
        lambda: RatchetSender(5, 0, base_key, step_bits=65),
        lambda: RatchetSender(5, 0, base_key, step_bits=4, step=-1),
    ):
        with pytest.raises(ApiMisuse):
            make()
        assert not base_key.wiped
    RatchetSender(5, 2**60 - 1, base_key, step_bits=4)


@pytest.mark.clause("frame.10-2", "frame.5-6")
def test_two_senders_of_one_step_are_refused():
    base_key = fresh_base()
    first = RatchetSender(5, 0, copy(base_key), step_bits=4)
    with pytest.raises(ApiMisuse) as caught:
        RatchetSender(5, 0, copy(base_key), step_bits=4)
    assert caught.value.clause == "frame.5-6"
    following = first.advance()
    for key, step in ((base_key, 0), (following, 1)):
        with pytest.raises(ApiMisuse) as caught:
            RatchetSender(5, 0, copy(key), step_bits=4, step=step)
        assert caught.value.clause == "frame.5-6"


@pytest.mark.clause("frame.10-2")
def test_the_repr_names_generation_step_and_suite():
    sender, receiver = pair()
    sender.advance()
    assert repr(sender) == "<RatchetSender of generation 7, step 1, AES_256_GCM_SHA512_128>"
    assert repr(receiver) == "<RatchetReceiver of 1 generations, AES_256_GCM_SHA512_128>"


@pytest.mark.clause("frame.10-2")
def test_a_protect_that_somebody_kept_does_not_seal_under_the_old_step():
    sender = RatchetSender(5, 0, fresh_base(), step_bits=4)
    protect = sender.protect
    sender.advance()
    try:
        kid = protect(b"")[0] >> 4
    except ApiMisuse:
        return
    assert kid == 1
