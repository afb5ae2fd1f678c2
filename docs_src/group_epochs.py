"""Frames of a group: one base_key an epoch, from MLS, and a KID for each sender and stream (RFC 9605 §5.2)."""

from e2ecall import CipherSuite, Receiver, SecretBytes, Sender
from e2ecall.sframe import KeyIdLayout

SUITE = CipherSuite.AES_256_GCM_SHA512_128
LAYOUT = KeyIdLayout(epoch_bits=8, sender_bits=16)
CAMERA = 1  # a context: every stream of a sender has its own number, and none is used twice


class Member:
    def __init__(self, index: int) -> None:
        self.index = index
        self.receiver = Receiver(SUITE, layout=LAYOUT, own_sender=index)
        self.camera: Sender | None = None

    def enter_epoch(self, epoch: int, base_key: SecretBytes, members: list[int]) -> None:
        """`base_key` is MLS-Exporter("SFrame 1.0 Base Key", "", 32). First everybody else's keys, then our own."""
        for kid in self.receiver.key_ids():
            if LAYOUT.sender(kid) not in members:
                self.receiver.remove_key(kid)  # who has left is not heard any more
        if epoch >= 2:
            self.receiver.remove_epoch(epoch - 2)  # of members who have sent nothing since
        for member in members:
            if member != self.index:
                self.receiver.add_key(LAYOUT.encode(context=CAMERA, sender=member, epoch=epoch), base_key)
        self.camera = Sender(SUITE, LAYOUT.encode(context=CAMERA, sender=self.index, epoch=epoch), base_key)

    def open_camera_of(self, member: int, sealed: bytes) -> bytes:
        """FrameRejected with the reason wrong-stream for another member's frame, or another stream's."""
        streams = frozenset({LAYOUT.stream_of(context=CAMERA, sender=member)})
        return self.receiver.unprotect(sealed, streams=streams)[0]

    def every_half_second(self, now: float) -> None:
        """`now` is time.monotonic(). Keys of an epoch that its sender has left are dropped after two seconds."""
        self.receiver.expire(now)
