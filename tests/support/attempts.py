"""The messages of an exchange by their types, and an exchange up to m3."""

OFFER, ANSWER, REVEAL, FINISH, ABORT = range(1, 6)


def kind(data):
    """The type of an exchange message in its envelope, 0 for a record."""
    return data[2] if data[0] == 1 else 0


def forged(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def only(messages, wanted):
    return [data for data in messages if kind(data) == wanted]


def tick(person, seconds):
    person.now += seconds
    person.tick()
    return person.send()


def exchanged(alice, bob):
    """m1, m2, m3 of these two, m3 not delivered yet."""
    alice.dial()
    (m1,) = alice.send()
    bob.take(m1)
    (m2,) = bob.send()
    alice.take(m2)
    (m3,) = alice.send()
    return m1, m2, m3
