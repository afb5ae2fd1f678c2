"""Two streams of a call over any transport: seal before the packetizer, open before the decoder."""

from e2ecall import FrameKeys, FrameRejected, Role, SecretBytes
from e2ecall.call.track import Track
from e2ecall.media.transform import OpenStream, SealStream


class SendingSide:
    """One for the whole call: it takes the base key, and hands out each counter once."""

    def __init__(self, base_key: SecretBytes) -> None:
        keys = FrameKeys(base_key, Role.CALLER, who="Bob")
        self.camera = SealStream("vp8", keys.open_stream("video", "vp8"), who="Bob")
        self.microphone = SealStream("opus", keys.open_stream("audio", "opus"), who="Bob")


class ReceivingSide:
    def __init__(self, base_key: SecretBytes) -> None:
        keys = FrameKeys(base_key, Role.CALLEE, who="Alice")
        self.camera = OpenStream("vp8", Track("video", keys), who="Alice")
        self.microphone = OpenStream("opus", Track("audio", keys), who="Alice")


def play(stream: OpenStream, sealed: bytes) -> bytes | None:
    """The frame for the decoder; None for one that must not reach it. Never pass on the bytes that came in."""
    try:
        return stream.open(sealed)
    except FrameRejected as rejected:
        print(f"{rejected.who}: {rejected.stream}: {rejected.reason}, key id {rejected.key_id}: {rejected.message}")
        return None
