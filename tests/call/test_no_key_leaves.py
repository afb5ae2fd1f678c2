"""A whole call, good and broken: no log line, repr or exception text holds a byte of any key."""

import base64
import copy
import logging
import pickle
import traceback

import pytest

from e2ecall.call.epochs import FrameKeys
from e2ecall.call.messages import Chat
from e2ecall.call.one_to_one import CallEstablished
from e2ecall.call.track import Track
from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import E2ECallError
from e2ecall.handshake import LinkSecret, Profile, Role
from e2ecall.media.transform import OpenStream, SealStream
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite
from sim import Person, World
from support.parties import DIRECT_ALICE, SeededRng, link_secret


class Detector:
    """Knows every secret that was ever exposed, and every text that was ever written."""

    def __init__(self):
        self.secrets = set()
        self.texts = []

    def wrote(self, *things):
        for thing in things:
            self.texts += [repr(thing), str(thing)]
            if isinstance(thing, BaseException):
                self.texts += traceback.format_exception(thing)
                self.texts.append(repr(vars(thing)))

    def found(self):
        return [
            text[:80]
            for text in self.texts
            for secret in self.secrets
            for form in (
                secret.hex(),
                secret.hex().upper(),
                repr(secret)[2:-1],
                repr(bytearray(secret))[12:-2],
                base64.b64encode(secret).decode()[:-4],
                str(list(secret))[1:-1],
            )
            if form in text
        ]


@pytest.fixture
def detector(monkeypatch, caplog):
    detector = Detector()
    original = SecretBytes.expose

    def expose(self):
        view = original(self)
        if any(view):
            for start in range(0, len(view) - 7, 8):
                detector.secrets.add(bytes(view[start : start + 8]))
        return view

    drawn = SeededRng.draw

    def draw(self, name, length):
        data = drawn(self, name, length)
        if name in {"x25519", "mlkem", "identity"}:
            detector.secrets |= {data[start : start + 8] for start in range(0, length, 8)}
        return data

    monkeypatch.setattr(SeededRng, "draw", draw)
    monkeypatch.setattr(SecretBytes, "expose", expose)
    caplog.set_level(logging.DEBUG, logger="")
    return detector


def test_the_detector_detects(detector):
    secret = SecretBytes(bytes(range(100, 132)))
    secret.expose()
    for leak in (
        bytes(range(100, 132)),
        bytearray(range(100, 132)),
        bytes(range(100, 132)).hex(),
        base64.b64encode(bytes(range(100, 132))),
        list(range(100, 132)),
        ValueError(bytes(range(100, 132))),
    ):
        detector.texts.clear()
        detector.wrote(leak)
        assert detector.found(), leak
    detector.texts.clear()
    detector.wrote(secret, [secret], {"key": secret})
    assert not detector.found()


@pytest.mark.parametrize("tampered", [None, 2, 3, 4])
def test_a_whole_call(detector, caplog, tampered):
    rng = SystemRng()
    secret = LinkSecret(SecretBytes(rng.draw("link", 16)))

    def tamper(sender, data):
        # messages are public: m1 names the link secret by psk_id, m3 opens nonce_A
        attempt = sender.call._attempt
        inside = {name: value for name, value in vars(attempt).items() if name not in {"outgoing", "_repeat", "_taken"}}
        detector.wrote(sender.call, attempt, attempt._state, inside, *sender.events)
        return [data[:-1] + bytes([data[-1] ^ 1])] if data[2] == tampered else [data]

    profile = Profile(DIRECT_ALICE.mode, DIRECT_ALICE.fingerprints, name="a")
    alice, bob = (Person(name, secret=secret, profile=profile) for name in ("alice", "bob"))
    alice.dial()
    world = World(alice, bob, tamper=tamper)
    world.run()
    detector.wrote(secret, alice.call, bob.call, *alice.events, *bob.events, *alice.refusals, *bob.refusals)
    if tampered is None:
        use(detector, alice, bob, world)
    else:
        assert alice.refusals + bob.refusals
    detector.texts += [record.getMessage() for record in caplog.records]
    assert len(detector.secrets) > 20
    assert len(detector.texts) > 25
    assert not detector.found()


def use(detector, alice, bob, world):
    """Frames and control records of the call, taken and refused."""
    alice.call.send(Chat("hello"))
    world.run()
    bob.take(b"\2" + bytes(60))
    a = FrameKeys(alice.result.keys.base_key, Role.CALLER, CipherSuite(alice.result.frame_suite), who="bob")
    b = FrameKeys(bob.result.keys.base_key, Role.CALLEE, CipherSuite(bob.result.frame_suite), who="alice")
    stream = a.open_stream("video", "vp8")
    track = Track("video", b)
    seal, open_ = SealStream("vp8", stream, who="bob"), OpenStream("vp8", track, who="alice")
    sealed = seal.seal(b"\x10" + bytes(50))
    open_.open(sealed)
    detector.wrote(a, b, b.remote, track, track.stream, stream, stream.sender, b.receiver)
    detector.wrote(seal, open_, seal.stats, open_.stats)
    for bad in (sealed, sealed[:-1] + b"\0", b"", b"\x11\xff", b"\x11" + bytes(40)):
        try:
            open_.open(bad)
        except E2ECallError as error:
            detector.wrote(error)
    for thing in (stream.sender, alice.result.keys.base_key, a):
        for wander in (copy.copy, copy.deepcopy, pickle.dumps):
            try:
                wander(thing)
            except E2ECallError as error:
                detector.wrote(error)
            else:
                raise AssertionError(thing)
    established = alice.all(CallEstablished)[0]
    detector.wrote(established, established.result, established.result.keys, established.result.keys.control)


def test_a_refused_link(detector):
    other = link_secret(9)
    detector.wrote(other)
    try:
        LinkSecret.parse(f"e2ecall://x/y#{other.fragment}A")
    except E2ECallError as error:
        detector.wrote(error)
    assert other.fragment[:11] not in "".join(detector.texts)
    assert not detector.found()
