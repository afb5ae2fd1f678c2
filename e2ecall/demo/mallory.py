"""A relay that cheats: it runs one exchange with each member and splices them. It learns everything but one thing:
it cannot make the two visual hashes equal.

Below the mailbox nothing changes for the members: they join, post and get what "the other" posted.
"""

from __future__ import annotations

from e2ecall.call.epochs import FrameKeys, Kind
from e2ecall.call.one_to_one import CallEnded, CallEstablished, Event, IncomingCall, OneToOne
from e2ecall.call.track import Track
from e2ecall.codecs import layout_for
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import FrameRejected
from e2ecall.handshake import Profile, TransportMode
from e2ecall.handshake.payload import DEFAULT_FRAME_SUITES
from e2ecall.identity import fresh_identity
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.relay.mailbox import Delivery, Limits, Mailbox, Member
from e2ecall.relay.messages import Delivered, Refused
from e2ecall.sas import FourEmoji, emoji

__all__ = ["Mallory", "SplicingMailbox"]


class Mallory:
    """Two legs, named after the seats of the members that they deceive. It calls the one who waits, and answers."""

    def __init__(self) -> None:
        rng = SystemRng()
        self.legs = {
            0: OneToOne(
                fresh_identity(rng),
                rng,
                Profile(TransportMode.RELAYED, frame_suites=DEFAULT_FRAME_SUITES, name="Alice"),
            ),
            1: OneToOne(
                fresh_identity(rng), rng, Profile(TransportMode.RELAYED, frame_suites=DEFAULT_FRAME_SUITES, name="Bob")
            ),
        }
        self._now = 0.0
        self.keys: dict[int, FrameKeys] = {}
        self.emoji: dict[int, FourEmoji] = {}
        self._open: dict[tuple[int, str], OpenStream] = {}
        self._seal: dict[tuple[int, str], SealStream] = {}

    def receive(self, seat: int, data: bytes, now: float) -> None:
        """What the member at `seat` believes to post to the other."""
        self._now = now
        self._handle(seat, self.legs[seat].receive(data, now))
        for each, leg in self.legs.items():
            self._handle(each, leg.handle_timer(now))

    def call(self, now: float) -> None:
        """Call the one who waits."""
        self._now = now
        self.legs[0].call(now)

    def rewrite(self, member: int, kind: str, codec: str, data: bytes) -> tuple[bytes, bytes] | None:
        """(the frame in clear, the frame sealed anew for the other member); None where it cannot be opened."""
        other = 1 - member
        if member not in self.keys or other not in self.keys:
            return None
        try:
            clear = self._opener(member, kind, codec).open(data)
        except FrameRejected:
            return None
        return clear, self._sealer(other, kind, codec).seal(clear)

    def _handle(self, seat: int, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, IncomingCall):
                self._handle(
                    seat,
                    self.legs[seat].accept(
                        self._now, Profile(event.profile.mode, frame_suites=DEFAULT_FRAME_SUITES, name="Bob")
                    ),
                )
            elif isinstance(event, CallEstablished):
                self.keys[seat] = event.frame_keys(f"seat {seat}")
                self.emoji[seat] = emoji(event.result.sas)
            elif isinstance(event, CallEnded):
                self.legs[1 - seat].end()

    def _opener(self, seat: int, kind: str, codec: str) -> OpenStream:
        if (seat, kind) not in self._open:
            self._open[seat, kind] = OpenStream(codec, Track(_kind(kind), self.keys[seat]), who=f"seat {seat}")
        return self._open[seat, kind]

    def _sealer(self, seat: int, kind: str, codec: str) -> SealStream:
        if (seat, kind) not in self._seal:
            stream = self.keys[seat].open_stream(_kind(kind), layout_for(codec).name)
            self._seal[seat, kind] = SealStream(codec, stream, who=f"seat {seat}")
        return self._seal[seat, kind]


class SplicingMailbox(Mailbox):
    """A mailbox of one room that hands posts to Mallory instead of the other member."""

    def __init__(self, mallory: Mallory, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._mallory = mallory
        self._present: dict[int, Member] = {}

    def join(self, room_id: str, now: float) -> tuple[Member, list[Delivery]] | Refused:
        """As a mailbox; and when the caller comes in, Mallory calls the one who waits."""
        joined = super().join(room_id, now)
        if isinstance(joined, tuple):
            member, owed = joined
            self._present[member.seat] = member
            if member.seat == 1:
                self._mallory.call(now)
                return member, owed + self._collect(now)
        return joined

    def post(self, member: Member, data: bytes, now: float) -> list[Delivery]:
        """To Mallory, and whatever Mallory has to say to anybody."""
        refusal = self.admit(member, len(data) + 1, now)
        if refusal is not None:
            return [Delivery(member, refusal)]
        self._mallory.receive(member.seat, data, now)
        return self._collect(now)

    def _collect(self, now: float) -> list[Delivery]:
        return [
            Delivery(self._present[seat], Delivered(1 - seat, message))
            for seat, leg in self._mallory.legs.items()
            for message in leg.messages_to_send(now)
            if seat in self._present
        ]


def _kind(kind: str) -> Kind:
    return "video" if kind == "video" else "audio"
