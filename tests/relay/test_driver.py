"""A call on an event loop: its driver keeps time, posts, and moves between transports."""

import asyncio

import pytest

from e2ecall.call.events import CallEnded, EndReason, EpochChanged, IncomingCall, PeerSaid
from e2ecall.call.messages import Chat
from e2ecall.call.one_to_one import CallEstablished, OneToOne
from e2ecall.call.policy import SessionPolicy
from e2ecall.handshake import Profile
from e2ecall.relay.driver import CallDriver
from support.parties import SeededRng, signer


class Side:
    """One side with a clock that a test moves, over queues."""

    def __init__(self, name, clock, **kw):
        self.events = []
        call = OneToOne(signer(name), SeededRng(name), Profile(name=name), **kw)
        self.posted = []
        self.driver = CallDriver(call, self.post, self.events.append, clock=lambda: clock[0])

    async def post(self, message):
        self.posted.append(message)

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


async def carry(sender, receiver):
    posted, sender.posted = sender.posted, []
    for message in posted:
        await receiver.driver.receive(message)


async def talking(clock, **kw):
    alice, bob = Side("alice", clock, **kw), Side("bob", clock, **kw)
    await alice.driver.dial()
    for _ in range(2):
        await carry(alice, bob)
        if bob.all(IncomingCall):
            await bob.driver.accept()
        await carry(bob, alice)
    assert alice.all(CallEstablished)
    assert bob.all(CallEstablished)
    return alice, bob


def test_what_was_lost_with_a_transport_leaves_by_the_next_one():
    async def main():
        alice, bob = await talking([0.0])
        alice.driver.call.send(Chat("hello"))
        await alice.driver.flush()
        assert len(alice.posted) == 1
        alice.posted.clear()  # this transport is gone, and what it carried
        other = []

        async def by_the_channel(message):
            other.append(message)

        await alice.driver.move_to(by_the_channel)
        assert not alice.posted
        for message in other * 2:  # it may come twice
            await bob.driver.receive(message)
        assert [event.message for event in bob.all(PeerSaid)] == [Chat("hello")]

    asyncio.run(main())


def test_time_goes_on_without_messages():
    async def main():
        clock = [0.0]
        alice, bob = await talking(clock, policy=SessionPolicy(rekey_seconds=10, silent_after=30, lost_after=40))
        running = [asyncio.create_task(side.driver.run()) for side in (alice, bob)]
        for _ in range(60):
            clock[0] += 0.25
            await asyncio.sleep(0.005)
            clock[0] += 0.0
            await carry(alice, bob)
            await carry(bob, alice)
        clock[0] += 5
        for _ in range(60):
            await asyncio.sleep(0.01)
            await carry(alice, bob)
            await carry(bob, alice)
        assert alice.all(EpochChanged)
        assert bob.all(EpochChanged)
        clock[0] += 100
        await asyncio.wait_for(asyncio.gather(*running), 5)
        assert [end.reason for end in alice.all(CallEnded)] == [EndReason.LOST]

    asyncio.run(main())


def test_what_a_transport_raises_comes_out():
    async def main():
        alice, _ = await talking([0.0])

        async def broken(message):
            raise ConnectionError

        alice.driver.call.send(Chat("x"))
        with pytest.raises(ConnectionError):
            await alice.driver.move_to(broken)

    asyncio.run(main())


def test_whoever_hangs_up_while_an_event_is_told_has_hung_up():
    async def main():
        clock = [0.0]
        alice, bob = await talking(clock)

        def told(event):
            bob.events.append(event)
            if isinstance(event, PeerSaid):
                bob.driver.call.end()

        bob.driver._on_event = told
        running = asyncio.create_task(bob.driver.run())
        for text in ("1", "2"):
            alice.driver.call.send(Chat(text))
        await alice.driver.flush()
        await carry(alice, bob)
        await asyncio.wait_for(running, 5)
        await carry(bob, alice)
        assert [event.message for event in bob.all(PeerSaid)] == [Chat("1")]
        assert [end.reason for end in alice.all(CallEnded)] == [EndReason.HUNG_UP]
        assert bob.driver.call.ignored >= 1

    asyncio.run(main())


def test_flushes_at_once_keep_the_order_and_post_each_message_once():
    async def main():
        alice, bob = await talking([0.0])
        posted = []

        async def slow(message):
            await asyncio.sleep(0.002)
            posted.append(message)

        await alice.driver.move_to(slow)
        posted.clear()
        for number in range(5):
            alice.driver.call.send(Chat(str(number)))
        await asyncio.gather(*(alice.driver.flush() for _ in range(4)), alice.driver.move_to(slow))
        for message in posted:
            await bob.driver.receive(message)
        assert [event.message.text for event in bob.all(PeerSaid)] == ["0", "1", "2", "3", "4"]
        assert bob.driver.call.refused == 0

    asyncio.run(main())
