"""Key ids of MLS (with contexts) and of sender keys, and the ratchet of the latter."""

from __future__ import annotations

from collections.abc import Iterator

from e2ecall.audit.oracle.key_ids import (
    MLS_EXPORTER_CONTEXT,
    MLS_EXPORTER_LABEL,
    mls_key_id,
    ratchet,
    ratchet_key_id,
)
from e2ecall.audit.oracle.suites import suite_of
from generator.cases import OURS, SUITE_NUMBERS, Case, Draw, VectorFile, frame_case, refusal

__all__ = ["FILES"]

# RFC 9605 §5.2, its figure (E = 4, S = 6): context, sender index, epoch, KID.
_FIGURE = (
    (0, 3, 14, 0x3E),
    (0, 7, 14, 0x7E),
    (0, 20, 14, 0x14E),
    (0, 3, 15, 0x3F),
    (0, 5, 15, 0x5F),
    (2, 2, 16, 0x820),
    (3, 2, 16, 0xC20),
    (0, 33, 17, 0x211),
    (0, 51, 17, 0x331),
)


def _key_id(name: str, context: int, sender: int, epoch: int, epoch_bits: int, sender_bits: int) -> Case:
    kid = mls_key_id(context, sender, epoch, epoch_bits=epoch_bits, sender_bits=sender_bits)
    case = {"name": name, "clause": "frame.4-1", "context": str(context), "sender": sender, "epoch": epoch}
    return case | {"epoch_bits": epoch_bits, "sender_bits": sender_bits, "kid": str(kid), "result": "ok"}


def _key_id_refused(name: str, context: int, sender: int, epoch: int, epoch_bits: int, sender_bits: int) -> Case:
    found = refusal(lambda: mls_key_id(context, sender, epoch, epoch_bits=epoch_bits, sender_bits=sender_bits))
    case = {"name": name, "clause": found["clause"], "context": str(context), "sender": sender, "epoch": epoch}
    return case | {"epoch_bits": epoch_bits, "sender_bits": sender_bits, "result": found["result"]}


def _key_ids() -> Iterator[Case]:
    for context, sender, epoch, kid in _FIGURE:
        name = f"RFC 9605, figure of §5.2: context {context}, sender {sender}, epoch {epoch}"
        case = _key_id(name, context, sender, epoch, 4, 6)
        if case["kid"] != str(kid):
            raise ValueError(f"{name} is {kid}, not {case['kid']}")
        yield case
    between_two = [(context, sender, 0) for context in range(9) for sender in (0, 1)]
    between_two += [(0, 0, 15), (0, 0, 16), (1, 1, 17), (1023, 1, 0), (2**59 - 1, 1, 15)]
    for context, sender, epoch in between_two:
        yield _key_id(f"between two: context {context}, sender {sender}, epoch {epoch}", context, sender, epoch, 4, 1)
    groups = (
        (0, 0, 0),
        (0, 1, 0),
        (0, 65535, 255),
        (0, 0, 256),
        (1, 0, 511),
        (2, 65535, 65535),
        (2**40 - 1, 65535, 255),
    )
    for context, sender, epoch in groups:
        yield _key_id(f"a group: context {context}, sender {sender}, epoch {epoch}", context, sender, epoch, 8, 16)
    yield _key_id("no epoch bits", 5, 3, 9, 0, 2)
    yield _key_id("no sender bits", 5, 0, 9, 3, 0)
    yield _key_id("neither", 2**64 - 1, 0, 7, 0, 0)
    yield _key_id("no room for a context", 0, 2**32 - 1, 2**32 + 5, 32, 32)
    yield _key_id("an epoch of 64 bits", 0, 1, 2**63 + 6, 4, 1)
    yield _key_id_refused("sender 2 in one bit", 0, 2, 0, 4, 1)
    yield _key_id_refused("context 2^59 in 59 bits", 2**59, 0, 0, 4, 1)
    yield _key_id_refused("more than 64 bits", 0, 0, 0, 40, 25)
    yield _key_id_refused("sender 65536 in 16 bits", 0, 65536, 0, 8, 16)
    yield _key_id_refused("context 2^40 in 40 bits", 2**40, 0, 0, 8, 16)
    yield _key_id_refused("context 1 in no bits", 1, 0, 0, 32, 32)
    yield _key_id_refused("sender 1 in no bits", 0, 1, 0, 8, 0)
    yield _key_id_refused("a context below 0", -1, 0, 0, 4, 1)
    yield _key_id_refused("a sender below 0", 0, -1, 0, 4, 1)
    yield _key_id_refused("an epoch below 0", 0, 0, -1, 4, 1)


def _mls_frame(suite: int, context: int, sender: int, epoch: int, epoch_bits: int, sender_bits: int) -> Case:
    """One frame under the base_key of an epoch: what MLS-Exporter would give is drawn from the seed."""
    length = suite_of(suite).nk
    base_key = Draw(f"mls epoch {epoch} suite {suite}").bytes(length)
    kid = mls_key_id(context, sender, epoch, epoch_bits=epoch_bits, sender_bits=sender_bits)
    return frame_case(
        f"suite {suite}, epoch {epoch}, sender {sender}, context {context}",
        "frame.4-1",
        suite,
        kid,
        epoch,
        base_key,
        f"context {context}".encode(),
        b"",
        context=str(context),
        sender=sender,
        epoch=epoch,
        epoch_bits=epoch_bits,
        sender_bits=sender_bits,
        exporter_label=MLS_EXPORTER_LABEL,
        exporter_context=MLS_EXPORTER_CONTEXT.hex(),
        exporter_length=length,
    )


def _mls() -> Iterator[Case]:
    for context, sender, epoch, _ in _FIGURE:
        yield _mls_frame(5, context, sender, epoch, 4, 6)
    for suite in SUITE_NUMBERS:
        yield _mls_frame(suite, 1, 300, 257, 8, 16)


def _ratchet(suite: int, generation: int, steps: int, step_bits: int, base_key: bytes) -> Case:
    """frame.4 and frame.3 together: the base_key of a step, its KID, and a frame that is sealed with both."""
    return frame_case(
        f"suite {suite}, generation {generation}, step {steps}, R = {step_bits}, a base_key of {len(base_key)}",
        "frame.10-1",
        suite,
        ratchet_key_id(generation, steps, step_bits),
        steps,
        ratchet(suite, base_key, steps),
        f"step {steps}".encode(),
        b"",
        generation=str(generation),
        steps=steps,
        step_bits=step_bits,
        first_base_key=base_key.hex(),
    )


def _ratchets() -> Iterator[Case]:
    draw = Draw("ratchet")
    for suite in SUITE_NUMBERS:
        base_key = draw.bytes(suite_of(suite).nh)
        for steps in (0, 1, 2, 3, 15, 16, 17):
            yield _ratchet(suite, 5, steps, 4, base_key)
    for suite in (4, 5):
        short, long = draw.bytes(16), draw.bytes(200)
        yield _ratchet(suite, 0, 1, 4, short)
        yield _ratchet(suite, 0, 1, 4, long)
        for step_bits, generation in ((0, 7), (1, 4), (8, 2**56 - 1), (16, 2**48 - 1), (63, 1), (64, 0)):
            yield _ratchet(suite, generation, 257, step_bits, short)


def _ratchets_refused() -> Iterator[Case]:
    for name, generation, steps, step_bits in (
        ("a generation of 61 bits over 4", 2**60, 0, 4),
        ("a generation of 57 bits over 8", 2**56, 0, 8),
        ("a generation over 64 bits of step", 1, 0, 64),
        ("a generation below 0", -1, 0, 4),
    ):
        found = refusal(lambda g=generation, s=steps, r=step_bits: ratchet_key_id(g, s, r))  # type: ignore[misc]
        case = {"name": name, "clause": found["clause"], "suite": 5, "generation": str(generation), "steps": steps}
        yield case | {"step_bits": step_bits, "result": found["result"]}


FILES = (
    VectorFile(
        "key-id.json",
        "sframe.key_id",
        "KID of context, sender index and epoch",
        "RFC 9605 §5.2 (its figure), and e2ecall",
        tuple(_key_ids()),
    ),
    VectorFile(
        "mls.json",
        "sframe.frame",
        "one frame for each arrow of RFC 9605's figure of §5.2, then one for each suite in a group with E = 8, S = 16",
        "e2ecall; the KIDs of the figure are RFC 9605's; base keys are drawn, as an MLS exporter would give them",
        tuple(_mls()),
    ),
    VectorFile(
        "ratchet.json",
        "sframe.ratchet",
        "sender keys: the base_key some steps on, its KID, and a frame",
        f"{OURS}, after RFC 9605 §5.1",
        (*_ratchets(), *_ratchets_refused()),
    ),
)
