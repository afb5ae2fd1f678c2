"""An established call without IO: control messages, rekeys, heartbeats, and what is due when.

    receive(record, now) -> list[event]     one sealed record
    handle_timer(now) -> list[event]        whatever is due; `next_timer(now)` says when to come back
    records_to_send(now) -> list[bytes]     sealed records, for whatever transport there is

Rules, in the order in which they bind:
  1. A record is opened before anything in it counts, and its epoch decides under which th2 its signature holds.
  2. Frames and records change epoch together, as `e2ecall.call.rekey` says.
  3. Old receive keys go 2 s after the other side's first sign in the new epoch, whatever it still sends.
"""

from __future__ import annotations

from math import inf
from typing import Final

from e2ecall.call.alarms import Alarms
from e2ecall.call.control import ControlChannel, ControlMessage
from e2ecall.call.epochs import MAX_CONTEXT, FrameKeys, LocalStream, check_codec
from e2ecall.call.events import (
    CallEnded,
    EndReason,
    EpochAttested,
    EpochChanged,
    MessageRefused,
    PeerControl,
    PeerSaid,
    PeerSent,
    RekeyAbandoned,
    SessionEvent,
)
from e2ecall.call.inputs import Clock, as_bytes
from e2ecall.call.messages import (
    AppData,
    Bye,
    Candidate,
    Chat,
    Heartbeat,
    Message,
    Mute,
    Receipt,
    Rk1,
    Rk2,
    Sdp,
    Streams,
    StreamState,
    decode,
)
from e2ecall.call.policy import GIVE_UP_SECONDS, SessionPolicy
from e2ecall.call.rekey import Rekey
from e2ecall.call.signed import check_signature, signed_fields
from e2ecall.crypto.mlkem import Kem
from e2ecall.crypto.rng import Rng
from e2ecall.crypto.sign import Signer
from e2ecall.errors import ApiMisuse, E2ECallError, PeerMisbehaved, VerificationFailed
from e2ecall.handshake import AbortReason, Established, Role
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite
from e2ecall.sframe.owned import Owned

__all__ = ["Said", "Session"]

Said = Sdp | Candidate | Streams | Mute | Chat | Receipt | AppData
"""What an application may send; the other messages are the session's own."""

HEARTBEAT_SECONDS: Final = 5.0
REPEAT_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.25
MAX_WAITING: Final = 2 * (MAX_CONTEXT + 1)  # announcements: each stream can be opened once and ended once
_GOODBYES: Final = {
    AbortReason.UNSPECIFIED: "the other side hung up",
    AbortReason.DECLINED: "the other side declined",
    AbortReason.BUSY: "the other side is busy",
    AbortReason.NO_ANSWER: "the other side did not answer",
    AbortReason.INCOMPATIBLE: "the other side found nothing in common",
    AbortReason.FAILED: "the other side stopped the call: what it found did not hold",
}


class Session(Owned):
    """One side of an established call. It takes the session keys out of `result`, and is not copied.

    `now` is in seconds of a clock that never goes back. After its end each act is ApiMisuse, also in a forked child.
    """

    def __init__(
        self,
        identity: Signer,
        rng: Rng,
        role: Role,
        result: Established,
        now: float,
        *,
        policy: SessionPolicy | None = None,
        kem: Kem | None = None,
    ) -> None:
        self._clock = Clock()
        self._clock.tell(now)
        self.role = role
        self.policy = policy or SessionPolicy()
        self._identity = identity
        self._result = result
        self._control = ControlChannel(result.keys.control, role)
        self._rekey = Rekey(
            identity, result.peer_identity, rng, role, result.suite, result.th2, result.keys.chain, kem=kem
        )
        self._base_keys: dict[int, SecretBytes] = {0: result.keys.base_key}
        self._th2 = {0: result.th2}
        self._all_th2 = {result.th2}  # of every epoch of the call: a receipt may come late
        self._frames: FrameKeys | None = None
        self._unannounced: dict[Streams, None] = {}  # each once, in their order
        self._forget_at: dict[int, float] = {}
        self._heartbeats = self._peer_heartbeats = 0
        self._attested = -1
        self._peer_epoch = 0
        self._next_heartbeat = now
        self._heartbeat_gap = REPEAT_SECONDS
        self._alarms = Alarms(self.policy, now)
        self._next_start = now + self._interval
        self._not_before = self._next_repeat = self._give_up_at = now
        self._untold: list[SessionEvent] = []  # of a record that went on to be refused: told with the next one
        self._old_heartbeats = 0
        self.ended = False
        super().__init__()

    # -- what the application does --------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch in which this side sends."""
        return self._rekey.epoch

    @property
    def th2(self) -> bytes:
        """The transcript hash of that epoch, 32 bytes."""
        return self._rekey.th2

    @property
    def attested_epoch(self) -> int:
        """The newest epoch whose th2 the other side's identity signed; -1 before the first heartbeat."""
        return self._attested

    @property
    def ignored(self) -> int:
        """How many messages changed nothing and were not refused: they came again, too late, or lost to our own."""
        return self._control.ignored + self._rekey.ignored + self._old_heartbeats

    def frame_keys(self, who: str | None = None, *, short_tags: frozenset[int] = frozenset()) -> FrameKeys:
        """frame.7: the keys of this call's frames, once; they follow every rekey. A second call raises ApiMisuse."""
        if self._frames is not None or self.ended:
            raise ApiMisuse("the frame keys of this call were given out already, or it is over", clause="frame.5-6")
        suite = CipherSuite(self._result.frame_suite)
        first, *later = sorted(self._base_keys)  # an old epoch too: the other side may still send in it
        base_keys, self._base_keys = self._base_keys, {}
        keys = FrameKeys(base_keys[first], self.role, suite, who=who, short_tags=short_tags, epoch=first)
        for epoch in later:
            keys.install_epoch(epoch, base_keys[epoch])
        keys.send_in(self.epoch)
        keys.on_open = self._announce
        self._frames = keys
        waiting, self._unannounced = self._unannounced, {}
        for streams in waiting:
            try:
                self._streams(streams)
            except E2ECallError as error:  # the other side's mistake, and no reason to lose the keys
                self._untold.append(MessageRefused(error, fatal=False))
        return keys

    def send(self, message: Said, *, confirmed: bool = True) -> None:
        """control.3: queue one message; receipts are signed here.

        `confirmed=False` is for application data that may be lost. ApiMisuse for it with another message, for a message
        that is not `Said`, or does not fit, and when the call is over.
        """
        if not isinstance(message, Said):
            raise ApiMisuse(f"an application does not send {type(message).__name__}", clause="control.2-6")
        if not confirmed and not isinstance(message, AppData):
            raise ApiMisuse("only application data may go unconfirmed", clause="control.2-6")
        self._queue(message, confirmed=confirmed)

    def rekey(self, now: float) -> None:
        """epoch.2: change the keys now. Harmless while a change is under way; ApiMisuse when the call is over."""
        self._going_on(now)
        if not self._rekey.waits_for_rk2:
            self._start(now)

    def transport_changed(self, now: float) -> None:
        """control.2-7: what was not acknowledged goes out again by the new way. ApiMisuse when the call is over."""
        self._going_on(now)
        self._control.transport_changed(now)

    def hang_up(self, bye: Bye, now: float) -> list[bytes]:
        """control.3-1: the last records: what was queued, once more, and behind it the bye. Nothing is repeated.

        The call is over then; `wipe` or `stop` follows. What control.2-8 makes wait behind 64 others is lost.
        """
        self._going_on(now)
        self._control.transport_changed(now)
        records = self._control.records_to_send(now)
        self._queue(bye, confirmed=False)
        records += self._control.records_to_send(now)
        self.ended = True
        return records

    def stop(self, message: str) -> None:
        """frame.7-10: as `wipe`, and no frame is sealed or opened from now on."""
        if self._frames is not None:
            self._frames.stop(message)
        self.wipe()

    def wipe(self) -> None:
        """Zero every secret of the session that is still here; running streams go on until they are gone."""
        self.ended = True
        self._rekey.wipe()
        self._control.close()
        for base_key in self._base_keys.values():
            base_key.wipe()
        if self._frames is not None:
            self._frames.wipe()

    def disable_after_fork(self) -> None:
        """control.2-1: the call goes on in the process that made it, and there alone."""
        self.ended = True

    # -- what the network brings ----------------------------------------------------------------------------------

    def receive(self, record: bytes, now: float) -> list[SessionEvent]:
        """What one record means. Raises what `ControlChannel.receive`, `decode` and the rekey raise.

        ApiMisuse for what is not bytes, and when the call is over.
        """
        self._going_on(now)
        self._forget(now)  # no timer may have come: a machine that slept opens nothing with what is too old
        message = self._control.receive(as_bytes(record))
        self._untold += self._alarms.heard(now)
        self._untold += self._notice_epoch(self._control.heard_epoch, now)
        if message is not None:
            self._untold += self._take(message, now)
        events, self._untold = self._untold + self._carry_out(now), []
        return events

    def records_to_send(self, now: float) -> list[bytes]:
        """The records that are due. ApiMisuse when the call is over."""
        self._going_on(now)
        return self._control.records_to_send(now)

    # -- what time brings -----------------------------------------------------------------------------------------

    def next_timer(self, now: float) -> float:
        """When to call `handle_timer` again, at the latest; never when the call is over."""
        self._clock.tell(now)
        if self.ended:
            return inf
        waits = self._rekey.holds_answer or self._forget_at or self._peer_epoch < self.epoch
        times = [self._next_heartbeat, self._control.next_timer, now + LOOK_SECONDS if waits else None]
        times.append(self._next_repeat if self._rekey.waits_for_rk2 else self._next_start)
        return min(each for each in times if each is not None)

    def handle_timer(self, now: float) -> list[SessionEvent]:
        """Everything that is due: repeats, heartbeats, rekeys, old keys, alarms. Nothing when the call is over."""
        self._clock.tell(now)
        if self.ended:
            return []
        events, self._untold = self._untold, []
        events += self._look_at_frames(now)
        events += self._rekey_timers(now)
        self._forget(now)
        if now >= self._next_heartbeat:
            self._beat(now)
        return events + self._alarms.due(now)

    # -- inside ---------------------------------------------------------------------------------------------------

    @property
    def _interval(self) -> float:
        """The callee comes a little later, so that both seldom start at once."""
        return self.policy.rekey_seconds + (GIVE_UP_SECONDS if self.role is Role.CALLEE else 0.0)

    def _going_on(self, now: float) -> None:
        self._clock.tell(now)
        if self.ended:
            raise ApiMisuse("the call is over")

    def _take(self, message: ControlMessage, now: float) -> list[SessionEvent]:
        said = decode(message)
        if said is None:
            return [PeerControl(message)]
        if isinstance(said, Heartbeat):
            return self._heartbeat(said, message)
        if isinstance(said, Rk1):
            self._rekey.receive_rk1(said.signed)
            return []
        if isinstance(said, Rk2):
            self._rekey.receive_rk2(said.signed)
            return []
        if isinstance(said, Bye):
            return [CallEnded(EndReason.HUNG_UP, _GOODBYES[said.reason], authenticated=True)]
        if isinstance(said, Receipt):
            if said.th2 not in self._all_th2:
                raise VerificationFailed("a receipt names a transcript of another call", clause="control.3-3")
            check_signature(Receipt, message, said.th2, self._result.peer_identity, self.role.other)
        if isinstance(said, Streams):
            self._streams(said)
        return [PeerSaid(said)]

    def _heartbeat(self, beat: Heartbeat, message: ControlMessage) -> list[SessionEvent]:
        if beat.epoch != message.epoch:
            raise VerificationFailed("a heartbeat names another epoch", epoch=message.epoch, clause="control.3-4")
        if beat.th2 != self._th2.get(message.epoch):
            what = "a heartbeat names another transcript"
            raise VerificationFailed(what, epoch=message.epoch, clause="control.3-4")
        check_signature(Heartbeat, message, beat.th2, self._result.peer_identity, self.role.other)
        if beat.number <= self._peer_heartbeats:
            self._old_heartbeats += 1
            return []
        self._peer_heartbeats = beat.number
        attested: list[SessionEvent] = []
        if beat.epoch > self._attested:
            self._attested = beat.epoch
            attested = [EpochAttested(beat.epoch, beat.th2)]
        return [*attested, PeerSent(beat.epoch, beat.sent)]

    def _queue(self, message: Message, *, confirmed: bool) -> None:
        self._going_on(self._clock.now)
        self._control.send(message.type, signed_fields(message, self._identity, self.role), confirmed=confirmed)

    def _streams(self, said: Streams) -> None:
        if self._frames is None:
            if said not in self._unannounced and len(self._unannounced) >= MAX_WAITING:
                raise PeerMisbehaved("more announcements than a call has streams", clause="frame.7-4")
            if said.state is StreamState.OPEN:
                check_codec(said.codec)
            self._unannounced[said] = None
        elif said.state is StreamState.ENDED:
            self._frames.end_remote(said.context)
        else:
            self._frames.announce_remote(said.context, said.kind, said.codec, source=said.source, layer=said.layer)

    def _announce(self, stream: LocalStream) -> None:
        """frame.7-2: what the other side has to know of a further stream of ours before it can open it."""
        if not self.ended:
            self.send(Streams(stream.context, stream.kind, stream.codec, stream.source))

    def _beat(self, now: float) -> None:
        """A heartbeat; quickly one after the other while the other side has shown no sign in this epoch."""
        self._heartbeats += 1
        sent = () if self._frames is None else self._frames.sent()
        self._queue(Heartbeat(self.epoch, self.th2, self._heartbeats, sent), confirmed=False)
        self._next_heartbeat = now + self._heartbeat_gap
        self._heartbeat_gap = min(self._heartbeat_gap * 2, HEARTBEAT_SECONDS)

    # -- rekey ----------------------------------------------------------------------------------------------------

    def _rekey_timers(self, now: float) -> list[SessionEvent]:
        if not self._rekey.waits_for_rk2:
            many = now >= self._not_before and self._most_frames() >= self.policy.rekey_frames
            if many or now >= self._next_start:
                self._start(now)
            return []
        if now >= self._give_up_at:
            self._rekey.give_up()
            self._next_start = self._not_before = now + GIVE_UP_SECONDS
            return [RekeyAbandoned(self.epoch + 1, self._rekey.attempts)]
        if now >= self._next_repeat:
            self._next_repeat = now + REPEAT_SECONDS
            self._rekey.repeat()
            self._carry_out(now)
        return []

    def _start(self, now: float) -> None:
        self._give_up_at = now + GIVE_UP_SECONDS
        self._next_repeat = now + REPEAT_SECONDS
        self._rekey.start()
        self._carry_out(now)

    def _most_frames(self) -> int:
        return 0 if self._frames is None else max((frames for _, frames in self._frames.sent()), default=0)

    def _look_at_frames(self, now: float) -> list[SessionEvent]:
        """epoch.2-4: frames are opened elsewhere; here it is seen in which epoch the other side's are."""
        if self._frames is None:
            return []
        self._frames.expire(now)
        newest = self.epoch + 1 if self._rekey.holds_answer else self.epoch
        return self._notice_epoch(newest, now) if self._frames.peer_is_in(newest) else []

    def _notice_epoch(self, epoch: int, now: float) -> list[SessionEvent]:
        """The other side sends in that epoch: this side moves there too, and what is older begins to leave."""
        if epoch <= self._peer_epoch:
            return []
        self._peer_epoch = epoch
        if epoch > self.epoch:
            self._rekey.new_epoch_seen()
        for old in [old for old in self._th2 if old < epoch and old not in self._forget_at]:
            self._forget_at[old] = now + FORGET_SECONDS
            if self._frames is not None:
                self._frames.leave_epoch(old)
        return self._carry_out(now)

    def _carry_out(self, now: float) -> list[SessionEvent]:
        """What the rekey machine decided: keys in, halves out, and the switch."""
        rekey = self._rekey
        installed, rekey.installed = rekey.installed, []
        for new in installed:
            self._control.install(new.number, new.control)
            if self._frames is None:
                self._base_keys[new.number] = new.base_key
            else:
                self._frames.install_epoch(new.number, new.base_key)
        outgoing, rekey.outgoing = rekey.outgoing, []
        for half in outgoing:
            self._queue(half, confirmed=False)
        if rekey.pending_th2 is not None:
            self._th2[self.epoch + 1] = rekey.pending_th2
        if not rekey.switched:
            return []
        rekey.switched = False
        return [self._switch(now)]

    def _switch(self, now: float) -> EpochChanged:
        """epoch.2-2: from now on everything is sent in the new epoch; the first of it is a heartbeat."""
        self._th2[self.epoch] = self.th2
        self._all_th2.add(self.th2)
        self._control.send_in(self.epoch)
        if self._frames is not None:
            self._frames.send_in(self.epoch)
        self._alarms.rekeyed(now)
        self._next_start = now + self._interval
        self._heartbeat_gap = REPEAT_SECONDS
        self._beat(now)
        return EpochChanged(self.epoch)

    def _forget(self, now: float) -> None:
        """epoch.3-2: keys whose time is over."""
        for epoch in [epoch for epoch, at in self._forget_at.items() if now >= at]:
            del self._forget_at[epoch], self._th2[epoch]
            self._control.forget(epoch)
            if self._frames is not None:
                self._frames.forget_epoch(epoch)
            elif (base_key := self._base_keys.pop(epoch, None)) is not None:
                base_key.wipe()
