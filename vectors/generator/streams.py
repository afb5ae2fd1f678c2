"""What one receiver takes, in order: contexts on their streams, own frames, epochs that come round again."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.key_ids import mls_key_id, stream_id
from e2ecall.audit.oracle.receiver import LEAVE_AFTER
from generator.cases import Draw
from generator.scenario import KEY_B, Scenario, file_of

__all__ = ["FILES"]


def _kid(context: int, sender: int, epoch: int = 0) -> int:
    return mls_key_id(context, sender, epoch, epoch_bits=4, sender_bits=1)


def _contexts() -> Iterator[Scenario]:
    two = {"epoch_bits": 4, "sender_bits": 1, "own_sender": 1}
    wrong, own = "wrong-stream", "own-frame"
    mic, cam, screen, layer = ([stream_id(_kid(context, 0), epoch_bits=4)] for context in range(4))
    s = Scenario("the callee: each context on its own stream", **two)
    for context in range(4):
        s.add(_kid(context, 0))
    for context, stream in enumerate((mic, cam, screen, layer)):
        s.put(_kid(context, 0), 0, streams=stream)
    yield s
    for name, context, stream, home in (
        ("audio as video", 0, cam, mic),
        ("video as audio", 1, mic, cam),
        ("camera as screen", 1, screen, cam),
        ("screen as camera", 2, cam, screen),
        ("a layer as another layer", 3, screen, layer),
    ):
        s = Scenario(name, **two)
        for number in range(4):
            s.add(_kid(number, 0))
        s.put(_kid(context, 0), 4, streams=stream, expect=wrong).put(_kid(context, 0), 4, streams=stream, expect=wrong)
        s.put(_kid(context, 0), 4, forged=True, streams=stream, expect=wrong)
        s.put(_kid(context, 0), 4, streams=home, clause="frame.6-4")
        yield s.put(_kid(context, 0), 4, streams=home, expect="replay")
    s = Scenario("one stream for the kind: audio of contexts 0 and 2", **two)
    s.add(_kid(0, 0)).add(_kid(1, 0)).add(_kid(2, 0))
    s.put(_kid(0, 0), 0, streams=mic + screen).put(_kid(2, 0), 0, streams=mic + screen)
    yield s.put(_kid(1, 0), 0, streams=mic + screen, expect=wrong)
    s = Scenario("the callee's own frames come back", **two).add(_kid(0, 0))
    s.put(_kid(0, 1), 0, expect=own, streams=mic).put(_kid(5, 1, 3), 0, expect=own, streams=mic)
    yield s.add(_kid(0, 1), clause="frame.6-3", expect="misuse").put(_kid(0, 1), 0, expect=own)
    s = Scenario("the caller's own frames come back", **(two | {"own_sender": 0})).add(_kid(0, 1))
    s.put(_kid(0, 0), 0, expect=own).put(_kid(0, 1), 0).add(_kid(7, 0, 9), clause="frame.6-3", expect="misuse")
    yield s
    s = (
        Scenario("a context in the epochs of a call stays on its stream", **two)
        .add(_kid(0, 0, 15))
        .add(_kid(0, 0, 0), KEY_B)
    )
    s.put(_kid(0, 0, 15), 0, streams=mic).put(_kid(0, 0, 0), 0, KEY_B, streams=mic)
    yield s.put(_kid(0, 0, 0), 1, KEY_B, streams=cam, expect=wrong)
    yield _group()


def _group() -> Scenario:
    """Sender as sender: in a group all have the same base_key, and the KID alone says who."""

    def kid(context: int, sender: int) -> int:
        return mls_key_id(context, sender, 3, epoch_bits=8, sender_bits=16)

    s = Scenario("a group: sender as sender", epoch_bits=8, sender_bits=16, own_sender=7)
    five, six = ([stream_id(kid(0, sender), epoch_bits=8)] for sender in (5, 6))
    s.add(kid(0, 5)).add(kid(0, 6)).put(kid(0, 5), 0, streams=five).put(kid(0, 6), 0, streams=six)
    s.put(kid(0, 5), 1, streams=six, expect="wrong-stream").put(kid(0, 6), 1, streams=five, expect="wrong-stream")
    return s.put(kid(0, 7), 0, streams=five, expect="own-frame").put(kid(0, 8), 0, streams=five, expect="unknown-key")


def _epochs() -> Iterator[Scenario]:
    two = {"epoch_bits": 4, "sender_bits": 1, "own_sender": 1}
    keys = [Draw(f"epoch {epoch}").bytes(32) for epoch in range(33)]
    gone = "frame.4-3"
    s = Scenario("seventeen epochs: the last has the key id of the first", **two)
    for epoch in range(16):
        s.add(_kid(0, 0, epoch), keys[epoch]).put(_kid(0, 0, epoch), epoch, keys[epoch])
    s.put(_kid(0, 0, 0), 1, keys[0])
    s.put(_kid(0, 0, 16), 2, keys[16], expect="authentication", clause=gone)
    s.add(_kid(0, 0, 16), keys[16], clause=gone)
    s.put(_kid(0, 0, 0), 2, keys[0], expect="authentication", clause=gone)
    s.put(_kid(0, 0, 16), 0, keys[16], clause=gone).put(_kid(0, 0, 16), 1, keys[16], clause=gone)
    s.put(_kid(0, 0, 16), 1, keys[16], expect="replay")
    yield s.put(_kid(0, 0, 1), 3, keys[1])
    s = Scenario("the old epoch was removed before", **two).add(_kid(0, 0, 2), keys[2]).put(_kid(0, 0, 2), 0, keys[2])
    s.remove(_kid(0, 0, 2)).put(_kid(0, 0, 18), 0, keys[18], expect="unknown-key")
    s.add(_kid(0, 0, 18), keys[18], clause=gone).put(_kid(0, 0, 2), 1, keys[2], expect="authentication", clause=gone)
    yield s.put(_kid(0, 0, 18), 0, keys[18], clause=gone)
    s = Scenario("the window of the old epoch does not stand in the new one's way", **two)
    s.add(_kid(0, 0, 0), keys[0]).put(_kid(0, 0, 0), 2**40, keys[0]).add(_kid(0, 0, 16), keys[16], clause=gone)
    s.put(_kid(0, 0, 16), 0, keys[16], clause=gone).put(_kid(0, 0, 16), 1, keys[16], clause=gone)
    s.add(_kid(0, 0, 32), keys[32], clause=gone).put(_kid(0, 0, 16), 2, keys[16], expect="authentication", clause=gone)
    yield s.put(_kid(0, 0, 32), 0, keys[32], clause=gone)
    s = Scenario("every context of the old epoch goes with the first key of the new one", **two)
    for context in range(3):
        s.add(_kid(context, 0, 1), keys[1])
    s.put(_kid(1, 0, 1), 0, keys[1]).add(_kid(0, 0, 17), keys[17], clause="frame.4-5")
    for context in range(3):
        lost = "unknown-key" if context else "authentication"
        s.put(_kid(context, 0, 1), 1, keys[1], expect=lost, clause="frame.4-5")
    for context in range(3):
        s.add(_kid(context, 0, 17), keys[17], clause="frame.4-5")
        s.put(_kid(context, 0, 1), 1, keys[1], expect="authentication", clause="frame.4-5")
        s.put(_kid(context, 0, 17), 0, keys[17], clause="frame.4-5")
    yield s
    s = Scenario("the old epoch is installed again: its windows were kept", **two)
    s.add(_kid(0, 0, 3), keys[3]).put(_kid(0, 0, 3), 9, keys[3]).add(_kid(0, 0, 19), keys[19], clause=gone)
    s.add(_kid(0, 0, 3), keys[3], clause=gone).put(_kid(0, 0, 3), 9, keys[3], expect="replay", clause="frame.6-12")
    s.put(_kid(0, 0, 3), 8, keys[3])
    yield s


def _leaving() -> Iterator[Scenario]:
    """frame.6-15: the old epoch's frames, once there is one of the new epoch; other senders' stay."""
    leave = "frame.6-15"
    s = Scenario("an old epoch leaves after 256 frames", 3, epoch_bits=4, sender_bits=1)
    keys = [Draw(f"leaving {epoch}").bytes(16) for epoch in range(3)]
    for epoch, key in enumerate(keys):
        s.add(_kid(0, 0, epoch), key).add(_kid(0, 1, epoch), key)
    for ctr in range(4):
        s.put(_kid(0, 0, 0), ctr, keys[0], plaintext=b"")
    s.put(_kid(0, 0, 1), 0, keys[1], plaintext=b"", clause=leave)
    for ctr in range(4, 4 + LEAVE_AFTER):
        s.put(_kid(0, 0, 0), ctr, keys[0], plaintext=b"", clause=leave)
    s.put(_kid(0, 0, 0), 4 + LEAVE_AFTER, keys[0], plaintext=b"", expect="unknown-key", clause=leave)
    s.put(_kid(0, 0, 1), 1, keys[1], plaintext=b"", clause=leave)
    s.put(_kid(0, 0, 2), 0, keys[2], plaintext=b"", clause=leave)
    yield s.put(_kid(0, 1, 0), 0, keys[0], plaintext=b"", clause=leave)


FILES = (
    file_of("contexts.json", "which context may travel on which stream, and the receiver's own frames", _contexts()),
    file_of(
        "epochs.json",
        "epochs with the same low bits: the old key is gone when the new one is there",
        (*_epochs(), *_leaving()),
    ),
)
