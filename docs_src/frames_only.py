import os

from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, Receiver, Sender

base_key = SecretBytes(os.urandom(32))  # both sides have it; one Sender in the world for each key and KID
sender = Sender(DEFAULT_SUITE, 1, base_key)
receiver = Receiver(DEFAULT_SUITE)
receiver.add_key(1, base_key)
sealed = sender.protect(b"an encoded frame", b"metadata")  # authenticated, not carried
print(receiver.unprotect(sealed, b"metadata"))
try:
    receiver.unprotect(sealed, b"metadata")
except FrameRejected as rejected:
    print(rejected.reason)
