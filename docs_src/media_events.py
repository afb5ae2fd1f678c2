"""Protect a connection before there are keys, and tell a person what becomes of its streams."""

from aiortc import RTCPeerConnection

from e2ecall.media.aiortc_plugin import Guard, protect
from e2ecall.media.events import FirstFrame, FrameDropped, MediaEvent, StreamStopped, StreamUnreadable


def protect_early(pc: RTCPeerConnection) -> Guard:
    """Nothing passes, in either direction, until the exchange is done and `guard.install(keys)` was called."""
    return protect(pc, who="Bob", on_event=tell, jitter="low-latency")


def tell(event: MediaEvent) -> None:
    """Called on the event loop's thread; be quick."""
    if isinstance(event, FirstFrame):
        print(f"{event.kind}: the first frame ({event.direction})")
    elif isinstance(event, FrameDropped):
        print(f"{event.kind}: {event.count} frames dropped ({event.direction}): {event.reason}")
    elif isinstance(event, StreamUnreadable):
        print(f"{event.kind} from {event.who} cannot be read: {event.cause}; {event.advice}")
    elif isinstance(event, StreamStopped):
        print(f"{event.kind}: stopped ({event.direction}): {event.reason} {event.detail}".rstrip())
