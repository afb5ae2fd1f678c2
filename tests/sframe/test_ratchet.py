"""What a receiver of a ratchet takes: steps ahead, late frames, generations, joiners."""

import pytest

from e2ecall.errors import ApiMisuse, FrameReason, FrameRejected
from e2ecall.sframe import RatchetReceiver, RatchetSender, Receiver, ratchet_base_key
from e2ecall.sframe import ratchet as ratchet_module
from support.frames import forged, fresh_base, reason, refused, sealed
from support.ratchets import GENERATION, Sealer, copy, pair

UNKNOWN = FrameReason.UNKNOWN_KEY


@pytest.mark.clause("frame.10-4", "frame.10-5")
@pytest.mark.parametrize("ahead", [1, 2, 4, 14])
def test_a_jump_of_up_to_ahead_is_followed_and_a_longer_one_is_unknown(ahead):
    for jump in range(1, 16):
        made = Sealer()
        receiver = made.receiver(ahead=ahead)
        assert reason(receiver, made.frame(0)) is None
        said = reason(receiver, made.frame(jump))
        assert said is (None if jump <= ahead else UNKNOWN)
        here = jump if jump <= ahead else 0
        assert reason(receiver, made.frame(here + ahead)) is None  # which is then the furthest
        assert reason(receiver, made.frame(here + 2 * ahead)) is None


@pytest.mark.clause("frame.10-4")
def test_by_default_four_steps_are_ready():
    made = Sealer()
    receiver = made.receiver()
    assert (reason(receiver, made.frame(5)), reason(receiver, made.frame(4))) == (UNKNOWN, None)
    assert (reason(receiver, made.frame(9)), reason(receiver, made.frame(8))) == (UNKNOWN, None)


@pytest.mark.clause("frame.10-4")
@pytest.mark.parametrize(("step_bits", "most"), [(2, 2), (3, 6), (4, 14), (8, 254)])
def test_ahead_leaves_room_for_the_current_step_and_the_last(step_bits, most):
    RatchetReceiver(5, step_bits=step_bits, ahead=most)
    for ahead in (0, -1, most + 1):
        with pytest.raises(ApiMisuse) as caught:
            RatchetReceiver(5, step_bits=step_bits, ahead=ahead)
        assert caught.value.clause == "frame.10-4"


@pytest.mark.clause("frame.10-4")
@pytest.mark.parametrize("step_bits", [0, 1])
def test_too_few_bits_for_any_step_ahead_are_refused(step_bits):
    with pytest.raises(ApiMisuse) as caught:
        RatchetReceiver(5, step_bits=step_bits, ahead=1)
    assert caught.value.clause == "frame.10-4"


class Derivations:
    """How many times the ratchet stepped since `clear`."""

    def __init__(self, monkeypatch):
        self.number = 0
        original = ratchet_module.ratchet_base_key

        def counted(*arguments):
            self.number += 1
            return original(*arguments)

        monkeypatch.setattr(ratchet_module, "ratchet_base_key", counted)

    def since(self):
        number, self.number = self.number, 0
        return number


@pytest.mark.clause("frame.10-4", "frame.10-5")
def test_only_a_frame_that_authenticates_and_goes_ahead_derives_keys(monkeypatch):
    made, derived = Sealer(), Derivations(monkeypatch)
    receiver = made.receiver()
    assert derived.since() == 4
    good = made.frame(3)
    for frame in (forged(good), good[:-1], made.frame(5), made.frame(9), made.frame(15), b"", b"\x88"):
        refused(receiver, frame)
    assert reason(receiver, made.frame(0)) is None
    assert derived.since() == 0
    assert reason(receiver, good) is None
    assert derived.since() == 3
    assert refused(receiver, good).reason is FrameReason.REPLAY
    assert [reason(receiver, made.frame(step)) for step in (3, 2, 1, 0)] == [None] * 4
    assert derived.since() == 0


@pytest.mark.clause("frame.10-5")
def test_a_forged_frame_of_a_later_step_moves_nothing():
    made = Sealer()
    receiver = made.receiver()
    for _ in range(300):
        assert refused(receiver, forged(made.frame(4))).reason is FrameReason.AUTHENTICATION
    assert [reason(receiver, made.frame(0)) for _ in range(300)] == [None] * 300  # nothing is leaving
    assert reason(receiver, made.frame(5)) is UNKNOWN


@pytest.mark.clause("frame.10-5", "frame.6-15")
def test_late_frames_of_earlier_steps_are_opened_until_they_leave():
    made = Sealer()
    receiver = made.receiver()
    assert [reason(receiver, made.frame(step)) for step in (0, 3, 0, 1, 2, 3)] == [None] * 6
    assert reason(receiver, made.frame(8)) is UNKNOWN  # the late ones moved nothing, forward or back
    receiver.expire(0.0)
    receiver.expire(1.9)
    assert [reason(receiver, made.frame(step)) for step in (0, 1, 2, 3)] == [None] * 4
    receiver.expire(2.0)
    assert [reason(receiver, made.frame(step)) for step in (0, 1, 2, 3)] == [UNKNOWN] * 3 + [None]
    assert reason(receiver, made.frame(7)) is None


@pytest.mark.clause("frame.10-5", "frame.6-15")
def test_an_earlier_step_leaves_after_256_frames():
    made = Sealer()
    receiver = made.receiver()
    assert reason(receiver, made.frame(1)) is None
    assert [reason(receiver, made.frame(0)) for _ in range(257)] == [None] * 256 + [UNKNOWN]
    assert [reason(receiver, made.frame(1)) for _ in range(300)] == [None] * 300


@pytest.mark.clause("frame.10-5", "frame.4-3")
def test_a_step_with_the_low_bits_of_an_old_one_takes_its_kid():
    made = Sealer()
    receiver = made.receiver(ahead=14)
    assert reason(receiver, made.frame(1)) is None
    assert reason(receiver, made.frame(0)) is None  # the last step is still there
    assert reason(receiver, made.frame(2)) is None  # now step 16 is ready
    assert reason(receiver, made.frame(0)) is FrameReason.AUTHENTICATION
    assert reason(receiver, made.frame(16)) is None
    assert receiver._generations[GENERATION].step == 16


@pytest.mark.clause("frame.10-3")
def test_a_joiner_at_step_n_opens_what_follows_and_nothing_earlier():
    sender, old = pair()
    early = []
    for _ in range(21):
        early.append(sender.protect(b"before"))
        given = sender.advance()
    joiner = RatchetReceiver(5, step_bits=4)
    joiner.add_key(GENERATION, given, step=21)
    assert joiner.unprotect(sender.protect(b"now"))[0] == b"now"
    refusals = [reason(joiner, frame) for frame in early]
    assert refusals[:5] + refusals[10:] == [UNKNOWN] * 16  # no step from 21 to 25 has their low bits
    assert refusals[5] is FrameReason.REPLAY  # the low bits of step 21, and a counter that it has taken
    assert refusals[6:10] == [FrameReason.AUTHENTICATION] * 4
    assert None not in refusals
    for frame in early:
        assert old.unprotect(frame)[0] == b"before"
    for step in range(22, 60):
        sender.advance()
        frame = sender.protect(b"%d" % step)
        assert old.unprotect(frame)[0] == joiner.unprotect(frame)[0] == b"%d" % step


@pytest.mark.clause("frame.10-3")
def test_the_key_given_to_a_joiner_gives_no_earlier_key():
    made = Sealer()
    joined = Receiver(5)
    for step in range(16):  # whoever has the key of step 5 puts it to every KID there is
        joined.add_key(made.kid(step), made.keys[5])
    said = {step: reason(joined, made.frame(step)) for step in range(16)}
    assert [step for step, why in said.items() if why is None] == [5]


@pytest.mark.clause("frame.10-3")
def test_a_generation_has_one_key_and_the_same_one_again_is_ignored():
    made = Sealer()
    receiver = made.receiver()
    assert reason(receiver, made.frame(2)) is None
    receiver.add_key(GENERATION, copy(made.keys[0]))
    assert reason(receiver, made.frame(6)) is None
    for key, step in ((fresh_base(), 0), (made.keys[0], 1), (made.keys[1], 1), (made.keys[1], 0)):
        with pytest.raises(ApiMisuse) as caught:
            receiver.add_key(GENERATION, key, step=step)
        assert caught.value.clause == "frame.10-3"
    assert reason(receiver, made.frame(6)) is None
    assert reason(receiver, made.frame(10)) is None


@pytest.mark.clause("frame.10-6")
@pytest.mark.parametrize("start", [0, 9, 21])
def test_a_removed_generation_is_unknown_and_may_come_back_with_its_windows(start):
    made = Sealer()
    receiver = made.receiver(start)
    taken = made.frame(start)
    assert reason(receiver, taken) is None
    assert reason(receiver, made.frame(start + 3)) is None
    receiver.remove_generation(GENERATION)
    receiver.remove_generation(GENERATION)
    assert {reason(receiver, made.frame(step)) for step in range(40)} == {UNKNOWN}
    assert len(receiver._receiver._keys) == 0
    receiver.add_key(GENERATION, made.keys[start], step=start)
    assert reason(receiver, taken) is FrameReason.REPLAY
    assert reason(receiver, made.frame(start + 4)) is None


@pytest.mark.clause("frame.10-6")
def test_a_removed_generation_may_be_followed_by_one_with_another_key():
    made = Sealer()
    receiver = made.receiver()
    receiver.remove_generation(GENERATION)
    other = fresh_base()
    receiver.add_key(GENERATION, other)
    assert reason(receiver, made.frame(0)) is FrameReason.AUTHENTICATION
    assert receiver.unprotect(sealed(5, made.kid(0), other, 0, b"x"))[0] == b"x"


@pytest.mark.clause("frame.10-6")
def test_generations_have_nothing_to_do_with_each_other():
    receiver = RatchetReceiver(5, step_bits=4)
    keys = {generation: fresh_base() for generation in (0, 1, 2**60 - 1)}
    for generation, key in keys.items():
        receiver.add_key(generation, key)
    senders = {g: RatchetSender(5, g, key, step_bits=4) for g, key in keys.items()}
    for _ in range(9):
        senders[1].advance()
        assert receiver.unprotect(senders[1].protect(b"1"))[0] == b"1"
    assert receiver.unprotect(senders[0].protect(b"0"))[0] == b"0"
    receiver.remove_generation(1)
    assert reason(receiver, senders[1].protect(b"1")) is UNKNOWN
    assert receiver.unprotect(senders[2**60 - 1].protect(b"2"))[0] == b"2"


@pytest.mark.clause("frame.10-3")
def test_what_has_no_room_is_not_added():
    receiver = RatchetReceiver(5, step_bits=4)
    for generation, step in ((2**60, 0), (-1, 0), (0, -1)):
        with pytest.raises(ApiMisuse):
            receiver.add_key(generation, fresh_base(), step=step)
    with pytest.raises(FrameRejected):
        receiver.unprotect(bytes(40))
    assert repr(receiver).startswith("<RatchetReceiver of 0 ")


@pytest.mark.clause("frame.10-5")
def test_a_late_frame_overtaken_by_a_step_does_not_move_the_receiver(monkeypatch):
    """Another thread steps on between the opening of a late frame and what is made of it; the low bits come round."""
    keys = [fresh_base()]
    for _ in range(4):
        keys.append(ratchet_base_key(5, keys[-1]))
    receiver = RatchetReceiver(5, step_bits=2, ahead=2)
    receiver.add_key(0, keys[0])
    receiver.unprotect(sealed(5, 1, keys[1], 0, b""))
    opened = Receiver.unprotect

    def overtaken(self, *arguments):
        result = opened(self, *arguments)
        monkeypatch.setattr(Receiver, "unprotect", opened)
        receiver.unprotect(sealed(5, 2, keys[2], 0, b""))
        return result

    monkeypatch.setattr(Receiver, "unprotect", overtaken)
    receiver.unprotect(sealed(5, 0, keys[0], 0, b""))
    assert receiver._generations[0].step == 2


@pytest.mark.clause("frame.10-2")
@pytest.mark.parametrize("step_bits", [0, 1])
def test_a_sender_whose_steps_no_receiver_tells_apart_is_refused(step_bits):
    with pytest.raises(ApiMisuse):
        RatchetSender(5, 0, fresh_base(), step_bits=step_bits)
