import os

from e2ecall import CipherSuite, FrameRejected, Receiver, SecretBytes, Sender

base_key = SecretBytes(os.urandom(32))  # both sides have it; one Sender in the world for each key and KID
sender = Sender(CipherSuite.AES_256_GCM_SHA512_128, 1, base_key)
receiver = Receiver(CipherSuite.AES_256_GCM_SHA512_128)
receiver.add_key(1, base_key)
sealed = sender.protect(b"an encoded frame", b"metadata")  # authenticated, not carried
print(receiver.unprotect(sealed, b"metadata"))
try:
    receiver.unprotect(sealed, b"metadata")
except FrameRejected as rejected:
    print(rejected.reason)
