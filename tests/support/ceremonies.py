"""One call to be verified, by hand: its judgements, its two sides, and right and wrong answers."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from e2ecall.call.comparison import Step
from e2ecall.call.shown import Shown, Stop
from e2ecall.call.verification import Verification
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import ApiMisuse
from e2ecall.handshake import Role
from e2ecall.identity.continuity import COMPARISONS, Judgement, Method, Trust, Why
from e2ecall.sas import digits, emoji, qr_text, words

SAS = bytes(range(100, 132))
OTHER = bytes(byte ^ 255 for byte in SAS)
CALL = SimpleNamespace(sas=SAS, th2=b"\x02" * 32, peer_identity=b"\x01" * 32)
VOICE = [Method.EMOJI, Method.DIGITS, Method.WORDS]
ROLES = list(Role)

FIRST = Judgement(Trust.UNKNOWN, None, None, blocks=False, why=Why.FIRST_CALL)
ADMITTED = replace(FIRST, trust=Trust.SEEN)
ASKS = replace(FIRST, blocks=True, why=Why.UNKNOWN_CALLER, asks=True)
STRICT = replace(FIRST, blocks=True, why=Why.STRICT)
SEEN = Judgement(Trust.SEEN, "c1", "Bea", blocks=False, why=Why.KNOWN)
LINK = replace(SEEN, why=Why.BY_LINK, by_link=True)
VERIFIED = replace(SEEN, trust=Trust.VERIFIED, verified_at=1.0, method=Method.EMOJI)
CHANGED = replace(SEEN, trust=Trust.CHANGED, blocks=True, why=Why.OTHER_KEY)
REVOKED = replace(SEEN, trust=Trust.REVOKED, blocks=True, why=Why.REVOKED)
JUDGEMENTS = {
    "first": (FIRST, Shown.UNVERIFIED, None),
    "admitted": (ADMITTED, Shown.UNVERIFIED, None),
    "asks": (ASKS, Shown.UNVERIFIED, Stop.NOT_LET_IN),
    "strict": (STRICT, Shown.UNVERIFIED, Stop.NOT_VERIFIED),
    "strict and seen": (replace(SEEN, blocks=True, why=Why.STRICT), Shown.SEEN, Stop.NOT_VERIFIED),
    "strict and link": (replace(LINK, blocks=True, why=Why.STRICT), Shown.SEEN_BY_LINK, Stop.NOT_VERIFIED),
    "seen": (SEEN, Shown.SEEN, None),
    "link": (LINK, Shown.SEEN_BY_LINK, None),
    "verified": (VERIFIED, Shown.VERIFIED_BEFORE, None),
    "changed": (CHANGED, Shown.CHANGED, Stop.CHANGED),
    "revoked": (REVOKED, Shown.REVOKED, Stop.REVOKED),
}
each_judgement = pytest.mark.parametrize("name", JUDGEMENTS)
each_role = pytest.mark.parametrize("role", ROLES)
each_method = pytest.mark.parametrize("method", sorted(COMPARISONS))
OUT_OF_ORDER = "verification.3-2"


def verification(judgement=FIRST, role=Role.CALLEE, **kw):
    return Verification(CALL, role, judgement, SystemRng(), **kw)


def listening(judgement=FIRST, method=Method.EMOJI, role=Role.CALLEE):
    """A verification that waits for what the other side reads out."""
    made = verification(judgement, role)
    made.compare(method)
    if made.comparison.step is Step.OWN:
        made.comparison.own_read()
    return made


def heard(method, sas=SAS, *, role=Role.CALLEE):
    """What the side `role` hears or scans from a side with `sas`."""
    return {
        Method.DIGITS: digits(sas),
        Method.WORDS: " ".join(words(sas, "fr")),
        Method.QR: qr_text(sas, role.other),
    }[method]


def right_row(comparison):
    return comparison.rows().index(emoji(SAS))


def answer(made, *, right, role=Role.CALLEE):
    comparison, method = made.comparison, made.comparison.method
    if method is Method.EMOJI:
        comparison.pick((right_row(comparison) + (not right)) % 8)
    elif method is Method.QR:
        comparison.scan(heard(method, SAS if right else OTHER, role=role))
    else:
        comparison.type(heard(method, SAS if right else OTHER))


def misused(do, clause):
    with pytest.raises(ApiMisuse) as caught:
        do()
    assert caught.value.clause == clause
