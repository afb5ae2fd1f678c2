"""The examples of the pages are files, the files run, and what the pages say about them is what happens."""

import ast
import asyncio
import runpy
import time

from e2ecall.conformance.peer import Peer
from support.pages import EXAMPLES, PAGES, ROOT, fences


def page(name):
    return (ROOT / name).read_text("utf-8")


def test_every_python_block_is_a_file_of_docs_src_and_every_file_is_shown():
    shown = set()
    for path in PAGES:
        for fence in fences(path.read_text("utf-8")):
            if fence.language == "python":
                name = fence.comment.removeprefix("docs_src/")
                assert fence.text == (EXAMPLES / name).read_text("utf-8"), f"{path.name}: {fence.comment}"
                shown.add(name)
    assert shown == {path.name for path in EXAMPLES.glob("*.py")}
    assert len(shown) >= 4


def test_frames_only_prints_what_the_readme_says(capsys):
    runpy.run_path(str(EXAMPLES / "frames_only.py"))
    (output,) = [f.text for f in fences(page("README.md")) if f.comment == "output of docs_src/frames_only.py"]
    assert capsys.readouterr().out == output
    assert output.splitlines() == ["(b'an encoded frame', 1, 0)", "replay"]


def test_ten_lines_encrypt_a_call_and_four_of_them_are_new():
    lines = [line for line in (EXAMPLES / "encrypt_aiortc_call.py").read_text("utf-8").splitlines() if line.strip()]
    new = [line for line in lines if line.endswith("  # new")]
    assert len(lines) == 10
    assert len(new) == 4
    assert all("e2ecall" in line or "keys" in line for line in new)
    assert "e2ecall" not in "".join(line for line in lines if line not in new)


def test_the_peer_answers_as_its_page_says():
    text = page("docs/how-to/conformance-peer.md")
    requests, answers = (
        next(f.text for f in fences(text) if f.comment == comment)
        for comment in ("requests to the peer", "answers of the peer")
    )
    assert list(Peer("any").run(requests.splitlines())) == answers.splitlines()
    assert len(answers.splitlines()) == 4


def test_examples_are_annotated():
    for path in EXAMPLES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.returns is not None, f"{path.name}: {node.name}"


# ----------------------------------------------------------------------------------------------------------- live calls


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def without_the_new_lines():
    """The same application before e2ecall: what is left of the example without its marked lines."""
    import __future__

    lines = (EXAMPLES / "encrypt_aiortc_call.py").read_text("utf-8").splitlines()
    source = "\n".join(line for line in lines if not line.endswith("  # new"))
    scope = {}
    exec(compile(source, "before", "exec", flags=__future__.annotations.compiler_flag), scope)
    assert "protect" not in source
    return scope["start"]


async def agreed():
    """Alice's and Bob's outcome of an exchange over two queues."""
    exchange = example("exchange")
    to_alice, to_bob = asyncio.Queue(), asyncio.Queue()
    alice, bob = exchange["Call"]("Alice", to_bob.put), exchange["Call"]("Bob", to_alice.put)
    running = [asyncio.create_task(alice.run(to_alice.get)), asyncio.create_task(bob.run(to_bob.get))]
    async with asyncio.timeout(10):
        await alice.driver.dial()
        await bob.rings.wait()
        await bob.driver.accept()
        sides = await asyncio.gather(alice.established, bob.established)
    for task in running:
        task.cancel()
    codes = [exchange["to_compare"](side) for side in sides]
    assert codes[0] == codes[1]
    assert codes[0].count(" · ") == 3
    return sides


async def until(condition, seconds=8.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert condition()


def test_both_with_the_four_lines_see_each_other(camera, screen, loopback, monkeypatch):
    from e2ecall.media.transform import OpenStream

    opened, started = [], time.monotonic()
    really_open = OpenStream.open
    monkeypatch.setattr(
        OpenStream, "open", lambda self, sealed: opened.append(len(sealed)) or really_open(self, sealed)
    )

    async def main():
        alice, bob = await agreed()
        start = example("encrypt_aiortc_call")["start"]
        pcs = start(camera(60), alice), start(camera(160), bob)
        screens = screen(pcs[0]), screen(pcs[1])
        await loopback(pcs, lambda: until(lambda: all(len(s.pictures) >= 50 for s in screens)))
        return screens

    of_alice, of_bob = asyncio.run(main())
    assert {size for size, _ in of_alice.pictures + of_bob.pictures} == {(160, 120)}
    assert all(150 < luma < 190 for _, luma in of_alice.pictures)  # Bob's camera
    assert all(50 < luma < 90 for _, luma in of_bob.pictures)
    assert len(opened) >= 100
    assert time.monotonic() - started < 10


def test_a_peer_without_the_four_lines_gets_noise_and_is_not_shown(camera, screen, loopback, caplog):
    async def main():
        alice, bob = await agreed()
        pcs = example("encrypt_aiortc_call")["start"](camera(60), alice), without_the_new_lines()(camera(160), bob)
        screens = screen(pcs[0]), screen(pcs[1])
        await loopback(pcs, lambda: until(lambda: "StreamUnreadable" in caplog.text and screens[1].pictures))
        return screens

    of_alice, of_bob = asyncio.run(main())
    assert of_alice.pictures == []
    assert "the other side does not seal its media" in caplog.text
    assert {size for size, _ in of_bob.pictures} == {(16, 16)}  # the constant header's picture, full of noise


def test_events_tell_what_happens_before_and_after_the_keys(camera, screen, loopback, capsys):
    said = []

    def heard(words):
        said.extend(capsys.readouterr().out.splitlines())
        return any(words in line for line in said)

    async def main():
        from e2ecall.media.rtc import connection

        alice, bob = await agreed()
        pc = connection()
        guard = example("media_events")["protect_early"](pc)
        pc.addTrack(camera(60))
        other = without_the_new_lines()(camera(160), bob)
        shown = screen(pc)

        async def course():
            await until(lambda: heard("frames dropped (send): unknown-key"))
            assert not heard("the first frame")
            guard.install(alice.frame_keys())
            await until(lambda: heard("video: the first frame (send)"))
            await until(lambda: heard("video from Bob cannot be read: the other side does not seal its media; "))

        await loopback((pc, other), course)
        assert shown.pictures == []

    asyncio.run(main())
    assert heard("video: stopped (send): closed")
