"""The example of docs/how-to/telegram-call.md: two sides, one call, audio both ways."""

import asyncio
import runpy
from pathlib import Path

from aiortc.mediastreams import AudioStreamTrack

EXAMPLE = Path(__file__).parents[2] / "docs_src/telegram_call.py"


def test_two_sides_hear_each_other():
    side_of = runpy.run_path(str(EXAMPLE))["TelegramSide"]

    async def main():
        sides, heard, carried = [], [asyncio.Queue(), asyncio.Queue()], []
        for number in (0, 1):

            async def send(message, other=1 - number):
                carried.append(asyncio.create_task(sides[other].driver.receive(message)))

            sides.append(
                side_of(send, [AudioStreamTrack()], on_track=heard[number].put_nowait, addresses=["127.0.0.1"])
            )
        running = [asyncio.create_task(each) for side in sides for each in (side.driver.run(), side.run())]
        await sides[0].driver.dial()
        for queue in heard:
            track = await queue.get()
            frame = await track.recv()
            assert track.kind == "audio"
            assert frame.samples > 0
        one, two = (side.established.result().result for side in sides)
        assert one.sas == two.sas
        assert not [refused for side in sides for refused in side.refused]
        await sides[0].driver.act(lambda call: call.end())
        await asyncio.gather(*carried)
        assert all(side.call.ended for side in sides)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for side in sides:
            side.driver.close()

    asyncio.run(asyncio.wait_for(main(), 20))
