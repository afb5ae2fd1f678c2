"""frame.3-3: one (base_key, KID)'s cipher with the counter in the caller's hands: for `Sender`, and for vectors.

Whoever calls `FrameCipher.seal` answers for it that no counter comes twice; `Sender` is made so that none can.
"""

from __future__ import annotations

from io import BytesIO

from e2ecall.crypto.aead import AESGCM
from e2ecall.errors import ApiMisuse
from e2ecall.secret import SecretBytes
from e2ecall.sframe.suites import NONCE_LENGTH, aead, cipher_suite, derive

__all__ = ["FrameCipher"]

_LIMIT = 1 << 31  # bytes
_LARGE = 32_768  # bytes; from here on a copy of the frame costs more than the calls that save it


class FrameCipher:
    """RFC 9605 §4.4.3: seals frames of one KID under explicit counters."""

    __slots__ = ("_aead", "_large", "_salt", "kid", "suite")

    def __init__(self, suite: int, kid: int, base_key: SecretBytes) -> None:
        """ApiMisuse as in `derive`."""
        self.suite = cipher_suite(suite)
        self.kid = kid
        key, salt = derive(suite, kid, base_key)
        self._aead = aead(self.suite, key)
        self._salt = int.from_bytes(salt.expose())
        self._large = _LARGE if isinstance(self._aead, AESGCM) else 1 << 62
        key.wipe()
        salt.wipe()

    def seal(self, header: bytes, ctr: int, plaintext: bytes, metadata: bytes) -> bytes:
        """frame.3-3 (RFC 9605 §4.4.3): header || ciphertext || tag. `header` is that of `kid` and `ctr`.

        ApiMisuse from 2 GiB on.
        """
        try:
            if len(plaintext) < self._large:
                return header + self._aead.encrypt(
                    (self._salt ^ ctr).to_bytes(NONCE_LENGTH), plaintext, header + metadata
                )
            return self._seal_large(header, (self._salt ^ ctr).to_bytes(NONCE_LENGTH), plaintext, header + metadata)
        except OverflowError:
            raise ApiMisuse("a frame has less than 2 GiB", key_id=self.kid, clause="frame.5-5") from None

    def _seal_large(self, header: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """The same, written behind the header in place. BytesIO gives out its buffer as bytes without a copy."""
        assert isinstance(self._aead, AESGCM)
        if len(plaintext) >= _LIMIT:  # the library refuses as well, but only when twice as much has been allocated
            raise OverflowError
        start = len(header)
        sealed = BytesIO(bytes(start + len(plaintext) + 16))
        sealed.write(header)
        self._aead.encrypt_into(nonce, plaintext, aad, sealed.getbuffer()[start:])
        return sealed.getvalue()
