"""e2ecall.sframe as an application calls it, and the bare AES-GCM call that is below it."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from e2ecall.secret import SecretBytes
from e2ecall.sframe import ONE_TO_ONE, CipherSuite, Receiver, Sender, encode_header
from frames_peers.contestant import FIRST_CTR, KID, Operation, Plaintexts, Spent, for_each, timed

OWN_SENDER = 1  # KID 32 is sender 0's
STREAMS = frozenset({ONE_TO_ONE.stream(KID), ONE_TO_ONE.stream(KID + 64)})
NONCE = bytes(range(12))


class Ours:
    """Senders and a Receiver, with everything on that a call has: window, own KIDs, stream binding.

    The frames to be opened have a Sender of their own. So their counters have no gaps, as in a call without loss.
    """

    share = 1.0

    def __init__(self, suite: CipherSuite, plaintexts: Plaintexts) -> None:
        self.name = f"e2ecall-{suite.value}"
        self.title = f"e2ecall, {suite.name}"
        self.base_key = SecretBytes(os.urandom(32))
        self.sender = Sender(suite, KID, self.base_key)
        self._sealing = Sender(suite, KID, SecretBytes(os.urandom(32)))
        for _ in range(FIRST_CTR):
            self.sender.protect(b"")
            self._sealing.protect(b"")
        self.receiver = Receiver(suite, layout=ONE_TO_ONE, own_sender=OWN_SENDER)
        self.receiver.add_key(KID, self.base_key)
        self._plaintexts = plaintexts

    def batch(self, operation: Operation, size: int, count: int) -> Spent:
        """Frames to open are sealed before the clock starts: fresh ones, so that each takes the window's real path."""
        frames = self._plaintexts.take(size, count)
        if operation is Operation.PROTECT:
            return timed(for_each(self._sealing.protect, frames))
        sealed = [self.sender.protect(frame) for frame in frames]
        unprotect = self.receiver.unprotect

        def loop() -> None:
            for frame in sealed:
                unprotect(frame, streams=STREAMS)

        return timed(loop)

    def close(self) -> None:
        pass


class Bare:
    """`AESGCM.encrypt` and `decrypt` alone: no header, no counter, no window, one nonce. The measure of all others."""

    share = 1.0

    def __init__(self, bits: int, plaintexts: Plaintexts) -> None:
        self.name = f"bare-{bits}"
        self.title = f"AESGCM.encrypt/decrypt, {bits} bit"
        self._aead = AESGCM(AESGCM.generate_key(bits))
        self._aad = encode_header(KID, FIRST_CTR)
        self._plaintexts = plaintexts

    def batch(self, operation: Operation, size: int, count: int) -> Spent:
        frames, aad = self._plaintexts.take(size, count), self._aad
        if operation is Operation.PROTECT:
            call = self._aead.encrypt
        else:
            call = self._aead.decrypt
            frames = [self._aead.encrypt(NONCE, frame, aad) for frame in frames]

        def loop() -> None:
            for frame in frames:
                call(NONCE, frame, aad)

        return timed(loop)

    def refuse(self, size: int, count: int) -> Spent:
        """Frames with a bad tag: what the library below asks for a refusal, whatever is built on it."""
        decrypt, aad = self._aead.decrypt, self._aad
        frames = [frame + bytes(16) for frame in self._plaintexts.take(size, count)]

        def loop() -> None:
            for frame in frames:
                try:  # noqa: SIM105 - a context manager costs a third of a good frame
                    decrypt(NONCE, frame, aad)
                except InvalidTag:
                    pass

        return timed(loop)

    def close(self) -> None:
        pass
