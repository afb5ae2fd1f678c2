"""Contacts for tests, and the calls and acts of their person."""

from e2ecall.identity.contacts import judge_incoming, judge_outgoing
from e2ecall.identity.continuity import Method, Mode, Trust, Why

K1, K2, K3, K4 = (bytes([each]) * 32 for each in range(1, 5))
CALL, NEXT_CALL = b"a" * 16, b"b" * 16
ROOM, OTHER_ROOM = b"r" * 16, b"s" * 16
MODES = list(Mode)


class Draws:
    """Ids that differ."""

    def __init__(self):
        self.count = 0

    def draw(self, name, length):
        self.count += 1
        return self.count.to_bytes(length)


RNG = Draws()


def met(book, slot, key, *, post_quantum=True, mode=Mode.ASK, by_link=False, now=5):
    """The judgement of a call; it is the same before it is kept, and again afterwards where that changed nothing."""
    options = {"post_quantum": post_quantum, "mode": mode, "by_link": by_link}
    if slot is None:
        before = judge_incoming(book.all, key, **options)
    else:
        before = judge_outgoing(book.all, slot, key, **options)
        assert before == judge_incoming(book.all, key, slot=slot, **options)
    kept = book.met(slot, key, now=now, rng=RNG, **options)
    if before.contact is not None:
        assert kept == before
    assert (kept.trust, kept.blocks, kept.why, kept.asks) == (before.trust, before.blocks, before.why, before.asks)
    return kept


def brief(judgement):
    return judgement.trust, judgement.why, judgement.blocks


def trust(book, slot, key):
    record = book.all[slot.contact].record(key)
    return record and record.trust


def seen(book, slot, key, *, post_quantum=True):
    assert book.seen(slot, key, post_quantum=post_quantum, now=2) is Trust.SEEN


def verified(book, slot, key, *, call=CALL, post_quantum=True, method=Method.EMOJI):
    assert book.verified(slot, key, method=method, call=call, post_quantum=post_quantum, now=3) is Trust.VERIFIED


CHANGED = (Trust.CHANGED, Why.OTHER_KEY, True)
KNOWN = (Trust.SEEN, Why.KNOWN, False)
