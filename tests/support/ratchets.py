"""Both ends of a ratchet, and frames of any of its steps."""

from e2ecall.audit.oracle import key_ids as oracle
from e2ecall.secret import SecretBytes
from e2ecall.sframe import RatchetReceiver, RatchetSender, ratchet_base_key
from support.frames import fresh_base, sealed

GENERATION = 7


def copy(secret):
    return SecretBytes(secret.expose())


def steps(suite, base_key, number):
    """The base_keys of steps 0 to number - 1."""
    keys = [copy(base_key)]
    while len(keys) < number:
        keys.append(ratchet_base_key(suite, keys[-1]))
    return keys


def pair(suite=5, step_bits=4, **ahead):
    base_key = fresh_base()
    receiver = RatchetReceiver(suite, step_bits=step_bits, **ahead)
    receiver.add_key(GENERATION, base_key)
    return RatchetSender(suite, GENERATION, base_key, step_bits=step_bits), receiver


class Sealer:
    """Frames of any step, each with a counter of its own."""

    def __init__(self, suite=5, step_bits=4, number=60):
        self.suite, self.step_bits, self.ctr = suite, step_bits, 0
        self.base_key = fresh_base()
        self.keys = steps(suite, self.base_key, number)

    def kid(self, step):
        return oracle.ratchet_key_id(GENERATION, step, self.step_bits)

    def frame(self, step):
        self.ctr += 1
        return sealed(self.suite, self.kid(step), self.keys[step], self.ctr, b"%d" % step)

    def receiver(self, step=0, **ahead):
        receiver = RatchetReceiver(self.suite, step_bits=self.step_bits, **ahead)
        receiver.add_key(GENERATION, self.keys[step], step=step)
        return receiver
