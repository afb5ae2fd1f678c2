"""A call by Telegram's protocol on an event loop, which goes on while the exponentiations are done."""

import asyncio
import threading
import time

import pytest

from e2ecall.call.events import CallEnded, EndReason, MessageRefused
from e2ecall.call.telegram import IncomingTelegramCall, PeerSignal, TelegramCall, TelegramCallEstablished
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse
from e2ecall.handshake.telegram.signalling import UnknownSignal
from e2ecall.relay.driver import TelegramDriver

SIGNAL = UnknownSignal("Hello")


class Side:
    """One side, which takes every call; `peer` gets what it posts."""

    def __init__(self):
        self.call = TelegramCall(SystemRng())
        self.events = []
        self.peer = None
        self.tasks = []
        self.told_in = set()
        self.driver = TelegramDriver(self.call, self.post, self.told)

    async def post(self, message):
        self.tasks.append(asyncio.create_task(self.peer.driver.receive(message)))

    def told(self, event):
        self.events.append(event)
        self.told_in.add(threading.get_ident())
        if isinstance(event, IncomingTelegramCall):
            self.tasks.append(asyncio.create_task(self.driver.accept()))

    def all(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def talking():
    alice, bob = Side(), Side()
    alice.peer, bob.peer = bob, alice
    await alice.driver.dial()
    await until(lambda: alice.all(TelegramCallEstablished) and bob.all(TelegramCallEstablished))
    return alice, bob


def test_a_whole_call():
    async def main():
        alice, bob = await talking()
        assert alice.all(TelegramCallEstablished)[0].result.sas == bob.all(TelegramCallEstablished)[0].result.sas
        running = asyncio.create_task(bob.driver.run())
        await alice.driver.act(lambda call: call.send(SIGNAL))
        await until(lambda: bob.all(PeerSignal))
        await alice.driver.act(lambda call: call.end())
        await asyncio.wait_for(running, 5)
        assert [each.signal for each in bob.all(PeerSignal)] == [SIGNAL]
        assert [each.reason for each in bob.all(CallEnded)] == [EndReason.ABORTED]
        assert alice.told_in | bob.told_in == {threading.get_ident()}
        for side in (alice, bob):
            await asyncio.gather(*side.tasks)
            side.driver.close()

    asyncio.run(main())


def test_the_loop_goes_on_during_an_exponentiation():
    async def main():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0)
                beats += 1

        alice = Side()
        beating = asyncio.create_task(beat())
        await alice.driver._act(alice.call.call)
        assert beats > 0
        beating.cancel()
        alice.driver.close()

    asyncio.run(main())


def test_the_work_is_done_in_one_other_thread_and_what_it_raises_comes_out():
    async def main():
        side = Side()
        threads = [await side.driver.act(lambda call: threading.get_ident()) for _ in range(3)]
        assert len(set(threads)) == 1
        assert threads[0] != threading.get_ident()
        with pytest.raises(ApiMisuse):
            await side.driver.accept()
        side.driver.close()

    asyncio.run(main())


def test_a_cancelled_step_does_not_let_another_in_beside_it():
    async def main():
        side = Side()
        inside, most = 0, 0

        def slow(call):
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.05)
            inside -= 1

        first = asyncio.create_task(side.driver.act(slow))
        await asyncio.sleep(0.01)
        first.cancel()
        await side.driver.act(slow)
        assert most == 1
        side.driver.close()

    asyncio.run(main())


def test_what_a_cancelled_step_found_is_told_by_the_next():
    async def main():
        alice, bob = Side(), Side()
        alice.peer, bob.peer = bob, alice
        await alice.driver.dial()
        await asyncio.gather(*alice.tasks)
        bob.events.clear()
        other = TelegramCall(SystemRng())
        other.call(0.0)
        inside, receive = threading.Event(), bob.call.receive

        def slow(data, now):
            inside.set()
            time.sleep(0.05)
            return receive(data, now)

        bob.call.receive = slow
        lost = asyncio.create_task(bob.driver.receive(other.messages_to_send(0.0)[0]))
        await until(inside.is_set)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        assert bob.all(MessageRefused) == []
        await bob.driver.receive(b"")
        assert len(bob.all(MessageRefused)) == 2
        for side in (alice, bob):
            side.driver.close()

    asyncio.run(main())


def test_a_closed_driver_says_so():
    async def main():
        side = Side()
        running = asyncio.create_task(side.driver.run())
        await asyncio.sleep(0.01)
        side.driver.close()
        side.driver.close()
        for act in (side.driver.dial(), side.driver.receive(b""), side.driver.accept(), running):
            with pytest.raises(ApiMisuse, match="closed"):
                await act

    asyncio.run(main())
