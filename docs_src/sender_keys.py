"""A key of each sender, handed out over a channel of your own (RFC 9605 §5.1)."""

import os
import time

from e2ecall import CipherSuite, SecretBytes
from e2ecall.sframe import RatchetReceiver, RatchetSender

SUITE = CipherSuite.AES_128_GCM_SHA256_128

base_key = os.urandom(32)
alice = RatchetSender(SUITE, 0, SecretBytes(base_key), step_bits=8)  # generation 0; hand base_key to everybody
bob = RatchetReceiver(SUITE, step_bits=8)
bob.add_key(0, SecretBytes(base_key))
print(bob.unprotect(alice.protect(b"hello Bob"))[0])

for_carol = alice.advance()  # Carol joins, and gets the key of the next step: what came before stays closed to her
carol = RatchetReceiver(SUITE, step_bits=8)
carol.add_key(0, for_carol, step=alice.step)
sealed = alice.protect(b"hello both")
print(bob.unprotect(sealed)[0], carol.unprotect(sealed)[0])  # Bob's side steps forward by itself
bob.expire(time.monotonic())  # some times a second: two seconds later the key of the earlier step is gone
