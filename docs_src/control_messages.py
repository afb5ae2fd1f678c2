"""What a call carries beside its media, over a relay and over a data channel, while its keys change."""

from aiortc import RTCPeerConnection

from e2ecall import OneToOne, PeerSaid, Profile, SystemRng, fresh_identity
from e2ecall.call.events import EpochChanged, PeerHeard, PeerSilent, RekeyOverdue
from e2ecall.call.messages import AppData, Chat, Mute
from e2ecall.call.one_to_one import Event
from e2ecall.call.policy import SessionPolicy
from e2ecall.media.aiortc_plugin import Guard
from e2ecall.media.data_channel import carry, control_channel
from e2ecall.relay.driver import CallDriver, Post

POLICY = SessionPolicy(rekey_seconds=300.0, silent_after=10.0)  # keys change every five minutes instead of ten


class Talk:
    """One side of one call. `post` gives a message to the relay; what the relay brings goes to `driver.receive`."""

    def __init__(self, name: str, post: Post) -> None:
        rng = SystemRng()
        self.call = OneToOne(fresh_identity(rng), rng, Profile(name=name), policy=POLICY)
        self.driver = CallDriver(self.call, post, self.on_event)
        self.post = post
        self.guard: Guard | None = None  # of `protect`, once there is media

    def use_data_channel(self, pc: RTCPeerConnection) -> None:
        """On both sides, before the offer or answer. The call moves when it opens, and back when it closes."""
        channel = control_channel(pc)
        self.tasks = carry(channel, receive=self.driver.receive, move_to=self.driver.move_to, fallback=self.post)

    async def say(self, text: str) -> None:
        """Sent until the other side has acknowledged it, whatever happens to the transport."""
        self.call.send(Chat(text))
        await self.driver.flush()

    async def draw(self, stroke: bytes) -> None:
        """The application's own bytes, sealed like everything else. A stroke may be lost: the next one follows."""
        self.call.send(AppData("whiteboard", stroke), confirmed=False)
        await self.driver.flush()

    def on_event(self, event: Event) -> None:
        match event:
            case PeerSaid(Chat(text)):
                print("chat:", text)
            case PeerSaid(AppData(label, data)):
                print(f"{label}:", len(data), "bytes")
            case PeerSaid(Mute(context, muted)):
                print("stream", context, "is muted" if muted else "sends again")
            case EpochChanged(epoch):
                print("sending in epoch", epoch)
                if self.guard is not None:
                    self.guard.ask_key_frames()
            case PeerSilent(seconds):
                print(f"nothing was heard for {seconds:.0f} s")
            case PeerHeard():
                print("the other side is back")
            case RekeyOverdue(seconds):
                print(f"ALARM: the keys are {seconds:.0f} s old")
