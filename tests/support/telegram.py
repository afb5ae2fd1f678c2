"""What the tests of Telegram's exchange share: the published values, and sides that use fixed secrets."""

import json
import os
from functools import cache
from pathlib import Path

from e2ecall.crypto.rng import SystemRng
from e2ecall.handshake.telegram import Group, accept_call, request_call

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("E2ECALL_SHARED", ROOT.parent / "shared")) / "vectors/telegram"
GROUP = Group.known()


class Secrets:
    """Draws these secrets, one after the other, and everything else from the system."""

    def __init__(self, *secrets):
        self.secrets = list(secrets)

    def draw(self, name, length):
        if name.startswith("telegram secret"):
            return self.secrets.pop(0)
        return SystemRng().draw(name, length)


@cache
def published():
    return json.loads((SHARED / "one_to_one.json").read_text(encoding="utf-8"))


@cache
def secret(*, g=3, short=False, step=1, start=0):
    """An exponent whose public value has at most 255 bytes, or else exactly 256 without being at the edge."""
    exponent = (1 << 2040) + start
    value, factor = pow(g, exponent, GROUP.p), pow(g, step, GROUP.p)
    while (value < 1 << 2040) is not short or (value >> 2040 in (0, 0xC7) and not short):
        value, exponent = value * factor % GROUP.p, exponent + step
    return exponent.to_bytes(256, "big")


def agreed(group=GROUP, rng=None):
    """(the caller's result, the callee's)."""
    rng = rng or SystemRng()
    caller = request_call(group, rng)
    callee = accept_call(caller.g_a_hash, group, rng)
    confirmation = caller.receive_accept(callee.g_b)
    return confirmation.result, callee.receive_confirm(confirmation.g_a, confirmation.key_fingerprint)
