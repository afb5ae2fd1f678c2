"""RFC 9605 §5: which KID stands for which key, in both of its ways, and the ratchet of the first."""

from __future__ import annotations

from e2ecall.audit.oracle.hashes import hkdf_expand, hkdf_extract
from e2ecall.audit.oracle.refused import Refused
from e2ecall.audit.oracle.suites import suite_of

__all__ = [
    "MLS_EXPORTER_CONTEXT",
    "MLS_EXPORTER_LABEL",
    "RATCHET_LABEL",
    "mls_key_id",
    "mls_parts",
    "ratchet",
    "ratchet_key_id",
    "ratchet_parts",
    "stream_id",
]

RATCHET_LABEL = b"SFrame 1.0 Ratchet"
MLS_EXPORTER_LABEL = "SFrame 1.0 Base Key"
MLS_EXPORTER_CONTEXT = b""


def ratchet(number: int, base_key: bytes, steps: int = 1) -> bytes:
    """RFC 9605 §5.1: the base_key `steps` steps on, Nh bytes long (as it was for no step)."""
    suite = suite_of(number)
    for _ in range(steps):
        secret = hkdf_extract(suite.hash_name, b"", base_key)
        base_key = hkdf_expand(suite.hash_name, secret, RATCHET_LABEL, suite.nh)
    return base_key


def ratchet_key_id(generation: int, step: int, step_bits: int) -> int:
    """RFC 9605 §5.1: generation << R, plus the step's low R bits."""
    return _checked_kid((generation << step_bits) + step % (1 << step_bits))


def ratchet_parts(kid: int, step_bits: int) -> tuple[int, int]:
    """RFC 9605 §5.1: (generation, low bits of the step) of a KID."""
    return divmod(kid, 1 << step_bits)


def mls_key_id(context: int, sender: int, epoch: int, *, epoch_bits: int, sender_bits: int) -> int:
    """RFC 9605 §5.2: context, sender index and the epoch's low bits, side by side."""
    if min(epoch_bits, sender_bits) < 0 or epoch_bits + sender_bits > 64:
        raise Refused("misuse", "frame.4-1", f"S + E = {sender_bits + epoch_bits}")
    if not 0 <= sender < (1 << sender_bits):
        raise Refused("misuse", "frame.4-2", f"sender index {sender} in {sender_bits} bits")
    if not 0 <= context < (1 << (64 - sender_bits - epoch_bits)):
        raise Refused("misuse", "frame.4-2", f"context {context} in {64 - sender_bits - epoch_bits} bits")
    if epoch < 0:
        raise Refused("misuse", "frame.4-2", f"epoch {epoch}")
    return (context << (sender_bits + epoch_bits)) + (sender << epoch_bits) + epoch % (1 << epoch_bits)


def mls_parts(kid: int, *, epoch_bits: int, sender_bits: int) -> tuple[int, int, int]:
    """RFC 9605 §5.2: (context, sender index, low bits of the epoch) of a KID."""
    rest, epoch = divmod(kid, 1 << epoch_bits)
    context, sender = divmod(rest, 1 << sender_bits)
    return context, sender, epoch


def stream_id(kid: int, *, epoch_bits: int) -> int:
    """frame.6-4: the KID without its epoch: one context of one sender."""
    return kid >> epoch_bits


def _checked_kid(kid: int) -> int:
    if not 0 <= kid < 2**64:
        raise Refused("misuse", "frame.2-1", f"{kid} is not an integer of 64 bits")
    return kid
