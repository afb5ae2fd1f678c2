"""Simulated calls as the tests of the session use them: one that is established, and what a middle does to it."""

from e2ecall.handshake import Suite
from sim import Weather, in_a_call

X25519 = [Suite.X25519]
OPUS, VP8 = ("audio", "opus"), ("video", "vp8")


def call(**kw):
    return in_a_call(**{"suites": X25519, **kw})


def rekey(sim, person):
    sim.do(person, lambda: person.call.rekey(person.now))


def agree_on(sim, epoch, within=3.0):
    assert sim.run(sim.now + within, lambda: sim.agree and sim.sessions[0].epoch == epoch)


def one_way(sim, allowed):
    """From now on only this person's messages arrive; `None`: nobody's."""
    carry = type(sim)._carry

    def carried(weather, data, receiver, take):
        if allowed is not None and sim.other(receiver) is allowed:
            carry(sim, weather, data, receiver, take)

    sim._carry = carried


def healed(sim):
    sim.__dict__.pop("_carry", None)
    sim.weather = sim.frame_weather = Weather()


def held_back(sim, what):
    """Messages of that person are kept in the list that this returns, until `healed`."""
    kept, carry = [], type(sim)._carry

    def carried(weather, data, receiver, take):
        if sim.other(receiver) is what:
            kept.append(data)
        else:
            carry(sim, weather, data, receiver, take)

    sim._carry = carried
    return kept
