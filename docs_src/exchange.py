"""Agree on keys over your own signalling: anything that carries whole messages of bytes, both ways and in order."""

from collections.abc import Awaitable, Callable

from e2ecall import (
    CallEnded,
    CallEstablished,
    IncomingCall,
    MessageRefused,
    OneToOne,
    Profile,
    SystemRng,
    emoji,
    fresh_identity,
)
from e2ecall.call.one_to_one import Event
from e2ecall.errors import TransportFailed
from e2ecall.sas import describe


def new_call(name: str) -> OneToOne:
    """One side of one call; `name` is what the other side is shown, a claim until somebody compared the emoji."""
    rng = SystemRng()
    return OneToOne(fresh_identity(rng), rng, Profile(name=name))


async def agree(
    call: OneToOne, send: Callable[[bytes], Awaitable[None]], receive: Callable[[], Awaitable[bytes]]
) -> CallEstablished:
    """Exchange messages until both sides have the keys. One of the two has called `call.call()` before."""
    events: list[Event] = []
    while True:
        for message in call.messages_to_send():
            await send(message)
        for event in events:
            if isinstance(event, CallEstablished):
                return event
            if isinstance(event, MessageRefused):
                print("refused:", event.error)
            if isinstance(event, CallEnded):
                raise TransportFailed(event.reason)
        events = call.receive(await receive())
        if any(isinstance(event, IncomingCall) for event in events):
            events += call.accept()  # your application rings here, and its person decides: call.end() declines


def to_compare(established: CallEstablished) -> str:
    """What both people read to each other: four emoji with their names."""
    return describe(emoji(established.result.sas))
