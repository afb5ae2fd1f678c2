"""The signpost: at most thirty names, all there, and none that needs an extra."""

import subprocess
import sys

import e2ecall


def test_the_names():
    assert len(e2ecall.__all__) <= 30
    assert e2ecall.__all__ == sorted(e2ecall.__all__)
    for name in e2ecall.__all__:
        assert getattr(e2ecall, name).__doc__, name


def test_the_signpost_names_what_exists():
    import importlib

    for word in e2ecall.__doc__.replace(",", " ").replace(";", " ").split():
        if word.startswith("e2ecall."):
            module, _, attribute = word.rpartition(".")
            try:
                importlib.import_module(word)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(module), attribute), word


def test_the_base_needs_no_extra():
    code = (
        "import sys, e2ecall\n"
        "extras = {'aiortc', 'av', 'numpy', 'click', 'rich', 'starlette', 'uvicorn', 'websockets', 'asyncio'}\n"
        "print(sorted(extras & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_call_with_the_public_names_alone():
    """What the signpost promises, as an application would write it."""
    rng = e2ecall.SystemRng()
    alice = e2ecall.OneToOne(e2ecall.fresh_identity(rng), rng, e2ecall.Profile(name="Alice"))
    bob = e2ecall.OneToOne(e2ecall.fresh_identity(rng), rng, e2ecall.Profile(name="Bob"))
    alice.call(0.0)
    events = {alice: [], bob: []}
    for _ in range(3):
        for sender, receiver in ((alice, bob), (bob, alice)):
            for message in sender.messages_to_send(0.0):
                for event in receiver.receive(message, 0.0):
                    if isinstance(event, e2ecall.IncomingCall):
                        events[receiver] += receiver.accept(0.0)
                    else:
                        events[receiver].append(event)
    (at_alice,), (at_bob,) = events[alice], events[bob]
    assert e2ecall.emoji(at_alice.result.sas) == e2ecall.emoji(at_bob.result.sas)
    keys = [done.frame_keys() for done in (at_alice, at_bob)]
    sealed = keys[0].open_stream("audio", "opus").sender.protect(b"sound")
    assert keys[1].receiver.unprotect(sealed)[0] == b"sound"
