"""The keyring, with a backend of our own: kept, read back, missing, locked, not there."""

import sys

import pytest
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

from e2ecall.crypto.rng import SystemRng
from e2ecall.errors import OutputFailed, StoreCorrupt
from e2ecall.secret import SecretBytes
from e2ecall.store.keyring import SERVICE, Keyring, fresh_passphrase
from support.keyrings import FakeKeyring

ADA, BOB = bytes(32), b"\1" * 32

pytestmark = pytest.mark.clause("identity.2-10")


def test_kept_by_identity_read_and_forgotten():
    backend = FakeKeyring()
    ring, ada, bob = Keyring(backend), fresh_passphrase(SystemRng()), fresh_passphrase(SystemRng())
    ring.put(ADA, ada)
    ring.put(BOB, bob)
    assert backend.kept.keys() == {(SERVICE, ADA.hex()), (SERVICE, BOB.hex())}
    assert (ring.get(ADA), ring.get(BOB)) == (ada, bob)
    assert ada != bob
    ring.forget(ADA)
    ring.forget(ADA)
    with pytest.raises(StoreCorrupt) as caught:
        ring.get(ADA)
    assert caught.value.clause == "identity.2-10"
    assert ring.get(BOB) == bob


def test_a_passphrase_has_32_random_bytes():
    drawn = []

    class Rng:
        def draw(self, name, length):
            drawn.append((name, length))
            return bytes(range(32))

    assert fresh_passphrase(Rng()) == SecretBytes(bytes(range(32)).hex().encode())
    assert drawn == [("keyring passphrase", 32)]


@pytest.mark.parametrize("text", ["", "é"])
def test_what_is_no_passphrase_of_ours(text):
    backend = FakeKeyring()
    backend.kept[SERVICE, ADA.hex()] = text
    with pytest.raises(StoreCorrupt):
        Keyring(backend).get(ADA)


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring()])
def test_backends_that_protect_nothing(backend):
    with pytest.raises(OutputFailed, match="no keyring that protects"):
        Keyring(backend)


def test_a_backend_that_is_not_recommended():
    backend = FakeKeyring()
    backend.priority = 0.5
    with pytest.raises(OutputFailed) as caught:
        Keyring(backend)
    assert caught.value.hint == "use a passphrase instead"


def test_a_backend_that_drops_what_it_is_given():
    backend = FakeKeyring()
    backend.set_password = lambda *_: None
    with pytest.raises(OutputFailed, match="does not keep"):
        Keyring(backend).put(ADA, fresh_passphrase(SystemRng()))


def raising(error):
    def call(*_):
        raise error

    return call


def test_a_locked_or_failing_backend_is_output_failed_and_says_no_passphrase():
    backend = FakeKeyring()
    ring, passphrase = Keyring(backend), fresh_passphrase(SystemRng())
    ring.put(ADA, passphrase)
    text = bytes(passphrase.expose()).decode()
    backend.set_password = raising(PasswordSetError(text))
    backend.delete_password = raising(PasswordDeleteError(text))
    for act in (lambda: ring.put(ADA, passphrase), lambda: ring.forget(ADA)):
        with pytest.raises(OutputFailed) as caught:
            act()
        assert text not in str(caught.value)
    backend.get_password = raising(KeyringLocked(text))
    for act in (lambda: ring.get(ADA), lambda: ring.forget(ADA)):
        with pytest.raises(OutputFailed, match="cannot be read: KeyringLocked") as caught:
            act()
        assert text not in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("not viable"), ImportError("x"), TypeError("x"), AttributeError("x")])
def test_a_backend_named_in_the_settings_that_cannot_be_used(monkeypatch, error):
    monkeypatch.setattr("keyring.get_keyring", raising(error))
    with pytest.raises(OutputFailed, match="cannot be used"):
        Keyring()


def test_the_platforms_keyring_is_taken(monkeypatch):
    backend = FakeKeyring()
    monkeypatch.setattr("keyring.get_keyring", lambda: backend)
    passphrase = fresh_passphrase(SystemRng())
    Keyring().put(ADA, passphrase)
    assert Keyring(backend).get(ADA) == passphrase


def test_without_the_extra_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(OutputFailed) as caught:
        Keyring(FakeKeyring())
    assert caught.value.message == "the keyring needs the package keyring"
    assert "e2ecall[keyring]" in caught.value.hint
