"""A call's messages over a data channel: they move there and back in the call, and keys change while media flows."""

import asyncio

import pytest

from e2ecall.call.events import EpochChanged, IncomingCall, PeerSaid
from e2ecall.call.messages import Chat
from e2ecall.call.one_to_one import CallEstablished, OneToOne
from e2ecall.handshake import Profile
from e2ecall.media import rtc
from e2ecall.media.aiortc_plugin import protect
from e2ecall.media.data_channel import carry, control_channel
from e2ecall.relay.driver import CallDriver
from support.parties import SeededRng, signer


class Caller:
    """One person: a call over a relay made of a queue, and a connection."""

    def __init__(self, name, lab, luma):
        self.side = lab.side()
        self.channel = control_channel(self.side.pc)
        self.events, self.relayed, self.relay = [], 0, asyncio.Queue()
        self.driver = CallDriver(
            OneToOne(signer(name), SeededRng(name), Profile(name=name)), self.post, self.events.append
        )
        self.side.guard = protect(self.side.pc, who="other", jitter="low-latency", **self.side.hooks)
        self.side.pc.addTrack(lab.Picture(luma))
        self.other = None
        self.tasks = []

    async def post(self, message):
        self.relayed += 1
        await self.other.relay.put(message)

    async def listen(self):
        while True:
            await self.driver.receive(await self.relay.get())

    def start(self):
        self.tasks = [asyncio.create_task(self.listen()), asyncio.create_task(self.driver.run())]
        carried = carry(self.channel, receive=self.driver.receive, move_to=self.driver.move_to, fallback=self.post)
        self.carried = carried

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def chats(self):
        return [event.message.text for event in self.all(PeerSaid) if isinstance(event.message, Chat)]

    def stop(self):
        for task in (*self.tasks, *self.carried):
            task.cancel()


async def talking(lab):
    alice, bob = Caller("alice", lab, 60), Caller("bob", lab, 160)
    alice.other, bob.other = bob, alice
    for person in (alice, bob):
        person.start()
    await alice.driver.dial()
    await lab.until(lambda: bob.all(IncomingCall))
    await bob.driver.accept()
    await lab.until(lambda: alice.all(CallEstablished))
    for person in (alice, bob):
        person.side.guard.install(person.all(CallEstablished)[0].frame_keys("other"))
    await rtc.connect(alice.side.pc, bob.side.pc)
    await lab.until(lambda: alice.channel.readyState == bob.channel.readyState == "open")
    return alice, bob


@pytest.mark.clause("control.4-1", "control.4-2", "control.2-7")
def test_messages_move_to_the_channel_and_back_in_the_call(lab):
    async def main():
        alice, bob = await talking(lab)
        relayed = alice.relayed
        alice.driver.call.send(Chat("by the channel"))
        await lab.until(lambda: bob.chats)
        assert alice.relayed == relayed
        alice.channel.close()
        alice.driver.call.send(Chat("in between"))
        await alice.driver.flush()
        await lab.until(lambda: len(bob.chats) == 2)
        await lab.until(lambda: alice.channel.readyState == "closed")
        alice.driver.call.send(Chat("by the relay"))
        await lab.until(lambda: len(bob.chats) == 3)
        assert sorted(bob.chats) == ["by the channel", "by the relay", "in between"]
        assert alice.relayed > relayed
        for person in (alice, bob):
            person.stop()

    lab.run(main())


@pytest.mark.clause("epoch.2-3", "media.2-6")
def test_keys_change_in_the_middle_of_a_picture_and_no_frame_is_lost(lab):
    async def main():
        alice, bob = await talking(lab)
        await lab.until(lambda: bob.side.decoded["video"] >= 5)
        for epoch in (1, 2, 3):
            for person in (alice, bob):  # both at once
                person.driver.call.rekey(person.driver.now)
                await person.driver.flush()
            await lab.until(lambda: all(len(p.all(EpochChanged)) == epoch for p in (alice, bob)))  # noqa: B023
            for person in (alice, bob):
                person.side.guard.ask_key_frames()
            seen = [person.side.decoded["video"] for person in (alice, bob)]
            await lab.until(
                lambda: all(p.side.decoded["video"] >= n + 5 for p, n in zip((alice, bob), seen))  # noqa: B023, B905
            )
        for here, there in ((alice, bob), (bob, alice)):
            lab.assert_opened_as_sealed(here.side, there.side, "video", least=20)
            (stats,) = here.side.guard.received()
            assert not stats.rejected
            assert stats.kid & 15 == 3
            sealed = sum(stats.frames for stats in there.side.guard.sent())
            assert sealed - stats.frames <= 3  # the last ones are under way
            lab.assert_nothing_plain(there.side, "video", "VP8")
        for person in (alice, bob):
            person.stop()

    lab.run(main())
