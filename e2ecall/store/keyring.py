"""identity.2-10: the passphrase of a key file in the keyring of the operating system (extra `[keyring]`).

The key file stays a file, sealed under 32 random bytes; the keyring holds those, under this device's identity. So
nobody types anything, and a copied disk without the keyring opens nothing.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from e2ecall.crypto.rng import Rng
from e2ecall.errors import OutputFailed, StoreCorrupt
from e2ecall.secret import SecretBytes

__all__ = ["SERVICE", "Backend", "Keyring", "fresh_passphrase"]

SERVICE: Final = "e2ecall"
_LENGTH = 32


class Backend(Protocol):
    """What is used of a backend of the package keyring; below priority 1, that package calls it not recommended."""

    priority: float

    def get_password(self, service: str, username: str) -> str | None:
        """The stored text, or None."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store it."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Forget it."""
        ...


class Keyring:
    """identity.2-10: passphrases by identity key. OutputFailed where there is no keyring that protects anything."""

    def __init__(self, backend: Backend | None = None) -> None:
        try:
            import keyring
            from keyring.errors import KeyringError
        except ImportError:
            hint = "pip install 'e2ecall[keyring]', or use a passphrase"
            raise OutputFailed("the keyring needs the package keyring", hint=hint) from None
        self._error = KeyringError
        try:
            found: Any = keyring.get_keyring() if backend is None else backend
            usable = found.priority >= 1
        except (ImportError, AttributeError, TypeError, RuntimeError) as error:  # a backend named in its settings
            raise _refused("cannot be used", error) from None
        if not usable:
            raise OutputFailed(
                f"no keyring that protects anything is running here ({type(found).__module__})",
                clause="identity.2-10",
                hint="use a passphrase instead",
            )
        self._backend: Backend = found

    def put(self, identity: bytes, passphrase: SecretBytes) -> None:
        """Store it under the identity, and read it back; OutputFailed where that fails."""
        text = bytes(passphrase.expose()).decode("ascii")
        try:
            self._backend.set_password(SERVICE, identity.hex(), text)
        except self._error as error:
            raise _refused("stores nothing", error) from None
        if self._get(identity) != text:
            raise _refused("does not keep what is stored", None)

    def get(self, identity: bytes) -> SecretBytes:
        """The passphrase for that identity; StoreCorrupt where the keyring has none, OutputFailed while locked."""
        text = self._get(identity)
        if not text or not text.isascii():
            raise StoreCorrupt(
                "the keyring has no passphrase for this identity",
                clause="identity.2-10",
                hint="is it the keyring of the same user and machine? else take your backup",
            )
        return SecretBytes(text.encode())

    def forget(self, identity: bytes) -> None:
        """Remove it; a passphrase that is not there is no error."""
        try:
            if self._get(identity) is not None:
                self._backend.delete_password(SERVICE, identity.hex())
        except self._error as error:
            raise _refused("removes nothing", error) from None

    def _get(self, identity: bytes) -> str | None:
        try:
            return self._backend.get_password(SERVICE, identity.hex())
        except self._error as error:
            raise _refused("cannot be read", error) from None


def fresh_passphrase(rng: Rng) -> SecretBytes:
    """identity.2-10: 32 random bytes in hexadecimal, since keyrings hold text."""
    return SecretBytes(rng.draw("keyring passphrase", _LENGTH).hex().encode())


def _refused(what: str, error: Exception | None) -> OutputFailed:
    why = f": {type(error).__name__}" if error else ""
    return OutputFailed(f"the keyring {what}{why}", clause="identity.2-10", hint="unlock it, or use a passphrase")
