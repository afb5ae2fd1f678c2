"""The oracle's receiver and the product's, step by step through the same keys, frames and forgeries."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2ecall.audit.oracle.key_ids import ratchet, ratchet_key_id
from e2ecall.audit.oracle.receiver import WINDOW
from e2ecall.audit.oracle.receiver import Receiver as SlowReceiver
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.sender_keys import RatchetReceiver as SlowRatchetReceiver
from e2ecall.audit.oracle.suites import protect
from e2ecall.errors import ApiMisuse, FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import KeyIdLayout, Receiver
from e2ecall.sframe.ratchet import RatchetReceiver

KEYS = [bytes([number]) * 16 for number in range(3)]
KIDS = [0, 1, 16, 17, 32, 33, 48]
TWO = {"epoch_bits": 4, "sender_bits": 1}


class Pair:
    """Both receivers; `agree` puts one step to each, and fails unless they say the same."""

    def __init__(self, suite, *, own_sender=None, layout=False):
        self.slow = SlowReceiver(suite, own_sender=own_sender, **(TWO if layout else {}))
        self.fast = Receiver(suite, own_sender=own_sender, layout=KeyIdLayout(**TWO) if layout else None)

    def agree(self, fast, slow):
        said = told(fast)
        assert said == told(slow)
        return said

    def add(self, kid, key):
        return self.agree(lambda: self.fast.add_key(kid, SecretBytes(key)), lambda: self.slow.add_key(kid, key))

    def remove(self, kid):
        return self.agree(lambda: self.fast.remove_key(kid), lambda: self.slow.remove_key(kid))

    def put(self, frame, streams=None):
        return self.agree(
            lambda: self.fast.unprotect(frame, streams=None if streams is None else frozenset(streams)),
            lambda: self.slow.unprotect(frame, streams=streams),
        )


def told(do):
    try:
        return do()
    except Refused as refused:
        return refused.reason, clause(refused)
    except FrameRejected as rejected:
        return rejected.reason.value, clause(rejected)
    except ApiMisuse as misuse:
        return "misuse", misuse.clause


def clause(error):
    """Of two faults of a header, either may be named; which it is, test_oracle_differential.py looks at."""
    return "frame.2" if error.clause in ("frame.2-2", "frame.2-3") else error.clause


# How far a counter is from the highest one that was put before.
STEPS = st.one_of(
    st.integers(-8, 3),
    st.sampled_from([-1025, -WINDOW, -1023, -1022, 1022, 1023, WINDOW, 1025, 2**32, 2**63]),
    st.integers(-1100, 40),
)


@settings(max_examples=40)
@given(
    suite=st.sampled_from([3, 4, 8]),
    start=st.sampled_from([0, 5, 1500, 2**64 - 1500]),
    steps=st.lists(STEPS, max_size=50),
    data=st.data(),
)
@pytest.mark.clause("frame.6-8", "frame.6-9", "frame.6-10", "frame.6-11", "frame.6-14")
def test_replay_windows_agree(suite, start, steps, data):
    pair = Pair(suite)
    pair.add(0, KEYS[0])
    highest, seen = start, [start]
    for step in steps:
        ctr = min(max(highest + step, 0), 2**64 - 1)
        if data.draw(st.integers(0, 9)) == 0:
            ctr = data.draw(st.sampled_from(seen))
        frame = protect(suite, 0, ctr, KEYS[0], b"").ciphertext
        if data.draw(st.integers(0, 7)) == 0:
            said = pair.put(frame[:-1] + bytes([frame[-1] ^ 1]))
            assert said[0] in ("authentication", "replay", "too-old")
        else:
            pair.put(frame)
            highest = max(highest, ctr)
        seen.append(ctr)
    assert all(
        pair.put(protect(suite, 0, ctr, KEYS[0], b"").ciphertext)[0] in ("replay", "too-old", b"") for ctr in seen
    )


@settings(max_examples=30)
@given(order=st.permutations([*range(0, 60, 2), *range(0, 60, 3)]), start=st.sampled_from([0, 2**16 - 30, 2**32 - 30]))
@pytest.mark.clause("frame.6-8")
def test_any_order_with_duplicates_agrees(order, start):
    pair = Pair(4)
    pair.add(9, KEYS[1])
    said = [pair.put(protect(4, 9, start + ctr, KEYS[1], b"").ciphertext) for ctr in order]
    taken = [one[2] - start for one in said if one[0] == b""]
    assert sorted(taken) == sorted(set(order))
    assert said.count(("replay", "frame.6-8")) == len(order) - len(taken)


OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(KIDS), st.integers(0, 2)),
    st.tuples(st.just("remove"), st.sampled_from(KIDS)),
    st.tuples(st.just("frame"), st.sampled_from(KIDS), st.integers(0, 2), STEPS, st.integers(0, 3)),
    st.tuples(st.just("frame"), st.sampled_from(KIDS), st.integers(0, 2), STEPS, st.integers(0, 3)),
    st.tuples(st.just("bytes"), st.binary(max_size=24)),
)


@settings(max_examples=60)
@given(operations=st.lists(OPERATIONS, max_size=40), layout=st.booleans(), data=st.data())
@pytest.mark.clause("frame.4-3", "frame.6-2", "frame.6-3", "frame.6-4", "frame.6-12", "frame.6-13")
def test_receivers_agree_on_keys_streams_and_frames(operations, layout, data):
    pair = Pair(4, layout=layout, own_sender=1 if layout else None)
    for kid in (0, 32):
        pair.add(kid, KEYS[0])
    highest = 5
    for name, *rest in operations:
        if name == "add":
            pair.add(rest[0], KEYS[rest[1]])
        elif name == "remove":
            pair.remove(rest[0])
        else:
            streams = data.draw(st.one_of(st.none(), st.sets(st.integers(0, 48), max_size=3), st.just({0, 2, 16, 32})))
            if name == "bytes":
                pair.put(rest[0], streams)
                continue
            kid, key, step, spoil = rest
            ctr = min(max(highest + step, 0), 2**64 - 1)
            frame = protect(4, kid, ctr, KEYS[key], b"x").ciphertext
            said = pair.put(frame if spoil else frame[:-1], streams)
            if said[0] == b"x":
                highest = max(highest, ctr)
    for ctr, (kid, key) in enumerate(itertools.product(KIDS, KEYS), highest + 1):  # what each of them holds in the end
        pair.put(protect(4, kid, min(ctr, 2**64 - 1), key, b"").ciphertext)


RATCHET_STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("remove"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("frame"), st.integers(0, 1), st.integers(-9, 9), st.booleans()),
    st.tuples(st.just("frame"), st.integers(0, 1), st.integers(-2, 5), st.just(False)),
    st.tuples(st.just("frame"), st.integers(0, 1), st.integers(0, 4), st.just(False)),
)


@settings(max_examples=60)
@given(
    bits_ahead=st.sampled_from([(2, 1), (2, 2), (3, 4), (3, 6), (4, 4), (8, 5)]),
    operations=st.lists(RATCHET_STEPS, max_size=30),
)
@pytest.mark.clause("frame.10-3", "frame.10-4", "frame.10-5", "frame.10-6")
def test_receivers_of_a_ratchet_agree(bits_ahead, operations):
    step_bits, ahead = bits_ahead
    slow = SlowRatchetReceiver(4, step_bits=step_bits, ahead=ahead)
    fast = RatchetReceiver(4, step_bits=step_bits, ahead=ahead)
    highest = [0, 0]
    for ctr, (name, generation, step, *rest) in enumerate([("add", 0, 0), *operations]):
        base_key = KEYS[generation]
        if name == "remove":
            fast.remove_generation(generation)
            slow.remove_generation(generation)
            continue
        if name == "add":
            key = ratchet(4, base_key, step)
            said = told(lambda g=generation, k=key, s=step: fast.add_key(g, SecretBytes(k), step=s))
            assert said == told(lambda g=generation, k=key, s=step: slow.add_key(g, k, step=s))
            continue
        at = max(highest[generation] + step, 0)
        frame = protect(4, ratchet_key_id(generation, at, step_bits), ctr, ratchet(4, base_key, at), b"x").ciphertext
        frame = frame[:-1] + bytes([frame[-1] ^ 1]) if rest[0] else frame
        said = told(lambda f=frame: fast.unprotect(f))
        assert said == told(lambda f=frame: slow.unprotect(f))
        if said[0] == b"x":
            highest[generation] = max(highest[generation], at)


@pytest.mark.clause("frame.10-4")
def test_how_far_ahead_a_ratchet_may_look_agrees():
    for step_bits in range(4):
        for ahead in range(-1, 9):
            said = told(lambda b=step_bits, a=ahead: RatchetReceiver(4, step_bits=b, ahead=a).suite and None)
            assert said == told(lambda b=step_bits, a=ahead: SlowRatchetReceiver(4, step_bits=b, ahead=a) and None)
