"""The pages of rekey, control messages and call events: the example runs, and the tables are what the code has."""

import asyncio
import dataclasses
import re
import runpy
import time
from typing import get_args, get_type_hints

import pytest

from e2ecall.call import events, messages
from e2ecall.call.alarms import ALARM_INTERVALS
from e2ecall.call.attempt import Limits
from e2ecall.call.events import (
    EndReason,
    EpochAttested,
    EpochChanged,
    IncomingCall,
    PeerHeard,
    PeerSilent,
    RekeyOverdue,
)
from e2ecall.call.messages import Mute
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.policy import GIVE_UP_SECONDS, SessionPolicy
from e2ecall.call.rekey import diagram
from e2ecall.wire.control import ControlType
from support.pages import EXAMPLES, ROOT, fences, section, tables


def page(name):
    return (ROOT / name).read_text("utf-8")


KEYS, REKEY, EVENTS = (
    page(f"docs/{name}.md") for name in ("how-to/keys-that-change", "explanation/rekey", "reference/call-events")
)
Talk = runpy.run_path(str(EXAMPLES / "control_messages.py"))["Talk"]


# -------------------------------------------------------------------------------------------------------- the example


class Line:
    """Two of the example's calls, over a relay of two queues that counts what it carries."""

    def __init__(self):
        self.queues = asyncio.Queue(), asyncio.Queue()
        self.relayed = 0
        self.events = [], []
        self.alice, self.bob = Talk("Alice", self.post_to(1)), Talk("Bob", self.post_to(0))
        self.talks = self.alice, self.bob
        for talk, told in zip(self.talks, self.events, strict=True):
            talk.driver._on_event = self.watch(talk, told)
        self.tasks = []

    def post_to(self, side):
        async def post(message):
            self.relayed += 1
            await self.queues[side].put(message)

        return post

    @staticmethod
    def watch(talk, told):
        def on_event(event):
            told.append(event)
            talk.on_event(event)

        return on_event

    async def listen(self, side):
        while True:
            await self.talks[side].driver.receive(await self.queues[side].get())

    async def __aenter__(self):
        runs = [talk.driver.run() for talk in self.talks]
        self.tasks = [asyncio.create_task(each) for each in (*runs, self.listen(0), self.listen(1))]
        await self.alice.driver.dial()
        await until(lambda: self.of(1, IncomingCall))
        await self.bob.driver.accept()
        await until(lambda: self.of(0, CallEstablished))
        return self

    async def __aexit__(self, *_):
        carried = [task for talk in self.talks for task in getattr(talk, "tasks", ())]
        for task in (*self.tasks, *carried):
            task.cancel()

    def of(self, side, kind):
        return [event for event in self.events[side] if isinstance(event, kind)]


async def until(condition, seconds=8.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert condition()


def printed(capsys, said):
    said.extend(capsys.readouterr().out.splitlines())
    return said


def test_messages_arrive_and_keys_change(capsys):
    said = []

    async def main():
        async with Line() as line:
            await line.alice.say("hello")
            await line.bob.draw(bytes(7))
            line.bob.call.send(Mute(0, muted=True))
            await line.bob.driver.flush()
            await until(lambda: len(printed(capsys, said)) == 3)
            line.alice.call.rekey(line.alice.driver.now)
            await line.alice.driver.flush()
            await until(lambda: line.of(0, EpochChanged) and line.of(1, EpochChanged))
            await until(lambda: [event.epoch for event in line.of(0, EpochAttested)][-1:] == [1])
            await line.bob.say("still here")
            await until(lambda: "chat: still here" in printed(capsys, said))

    asyncio.run(main())
    assert said[-1] == "chat: still here"
    assert said[-3:-1] == ["sending in epoch 1"] * 2
    assert sorted(said[:-3]) == ["chat: hello", "stream 0 is muted", "whiteboard: 7 bytes"]


def test_a_change_of_epoch_asks_for_a_key_frame(capsys):
    class Guard:
        asked = 0

        def ask_key_frames(self):
            self.asked += 1

    async def nowhere(message):
        pytest.fail("nothing is said")

    async def main():
        talk = Talk("Alice", nowhere)
        talk.guard = Guard()
        for event in (PeerSilent(10.4), PeerHeard(), RekeyOverdue(900.0)):
            talk.on_event(event)
        assert talk.guard.asked == 0
        talk.on_event(EpochChanged(3))
        assert talk.guard.asked == 1

    asyncio.run(main())
    lines = ["nothing was heard for 10 s", "the other side is back", "ALARM: the keys are 900 s old"]
    assert capsys.readouterr().out.splitlines() == [*lines, "sending in epoch 3"]


def test_the_call_moves_to_a_data_channel_and_back(capsys, loopback):
    from e2ecall.media import rtc

    said = []

    async def main():
        async with Line() as line:
            pcs = rtc.connection(), rtc.connection()
            for talk, pc in zip(line.talks, pcs, strict=True):
                talk.use_data_channel(pc)

            async def course():
                await until(lambda: all(talk.driver._post is not talk.post for talk in line.talks))
                before = line.relayed
                await line.alice.say("by the channel")
                await until(lambda: "chat: by the channel" in printed(capsys, said))
                assert line.relayed == before

            await loopback(pcs, course)  # which closes both
            await until(lambda: all(talk.driver._post is talk.post for talk in line.talks))
            before = line.relayed
            await line.bob.say("by the relay")
            await until(lambda: "chat: by the relay" in printed(capsys, said))
            assert line.relayed > before

    asyncio.run(main())


# --------------------------------------------------------------------------------------------------- pages and the code


def test_the_page_draws_the_machine_as_it_is():
    drawn = [fence.text for fence in fences(REKEY) if fence.language == "mermaid"]
    assert drawn == [diagram()]
    assert len(diagram().splitlines()) == 18


def test_the_policy_has_these_defaults():
    rows = tables(section(KEYS, "When keys change"))[0]
    assert {row[0].strip("`"): float(row[2]) for row in rows} == dataclasses.asdict(SessionPolicy())


def test_every_message_is_listed_with_its_number():
    rows = tables(section(KEYS, "Messages"))[0]
    own = [getattr(messages, name) for name in messages.__all__ if hasattr(getattr(messages, name), "read")]
    assert {row[0].strip("`"): int(row[1]) for row in rows} == {kind.__name__: int(kind.type) for kind in own}
    assert {int(row[1]) for row in rows} | {int(ControlType.ACK)} == {int(each) for each in ControlType}
    assert f"Number {int(ControlType.ACK)} is the acknowledgement" in KEYS
    said = {row[0].strip("`") for row in rows if row[3] == "`PeerSaid`"}
    assert said == {kind.__name__ for kind in get_args(get_type_hints(events.PeerSaid)["message"])}


def test_every_event_is_listed_with_its_fields():
    listed = [
        row for heading in ("Before there are keys", "In the call") for row in tables(section(EVENTS, heading))[0]
    ]
    documented = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in listed}
    kinds = [getattr(events, name) for name in events.__all__ if dataclasses.is_dataclass(getattr(events, name))]
    assert len(documented) == len(listed)
    assert documented == {
        kind.__name__: {field.name for field in dataclasses.fields(kind)} for kind in (*kinds, CallEstablished)
    }


def test_every_reason_for_an_end_is_listed():
    rows = tables(section(EVENTS, "`CallEnded.reason`, `AttemptAbandoned.reason`"))[0]
    assert {row[0].strip("`"): row[1] for row in rows} == {each.name: each.value for each in EndReason}
    when = {row[0].strip("`"): [int(found) for found in re.findall(r"(\d+) s\b", row[2])] for row in rows}
    limits, policy = Limits(), SessionPolicy()
    assert when["NO_ANSWER"] == [limits.answer, limits.ring]
    assert when["NO_PROOF"] == [limits.proof, limits.ring + limits.proof]
    assert when["LOST"] == [policy.lost_after]


def test_the_times_in_words_are_those_of_the_code():
    words = {5: "five", 3: "three"}
    assert f"gives up** after {words[GIVE_UP_SECONDS]} seconds" in REKEY
    assert f"after {words[ALARM_INTERVALS]} intervals `RekeyOverdue`" in " ".join(REKEY.split())
    assert f"for {words[ALARM_INTERVALS]} intervals no change" in " ".join(KEYS.split())
    assert SessionPolicy().rekey_seconds == 600.0
    assert "every ten minutes" in KEYS
    assert "Every ten minutes" in REKEY
