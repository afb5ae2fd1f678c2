"""peer.4 and peer.5: the SFrame, codec and visual-hash operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2ecall.codecs import Layout, Profile, layout_for
from e2ecall.codecs.layout import Seal
from e2ecall.conformance.request import Request, Unsupported
from e2ecall.conformance.seeded import SeededRng
from e2ecall.errors import ApiMisuse, MediaUnavailable
from e2ecall.sas import digits, eight_rows, emoji
from e2ecall.secret import SecretBytes
from e2ecall.sframe import (
    CipherSuite,
    KeyIdLayout,
    Receiver,
    decode_header,
    derive,
    encode_header,
    ratchet_base_key,
)
from e2ecall.sframe.cipher import FrameCipher
from e2ecall.sframe.suites import derive_secret

__all__ = ["FrameOperations", "sas_operations"]

Operation = Callable[[Request], dict[str, Any]]

_MOST_STEPS = 10_000


class FrameOperations:
    """The receivers of one peer process, and the operations without state."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receiver] = {}

    def table(self) -> dict[str, Operation]:
        """{operation name: function}."""
        return {
            "sframe.header.encode": _header_encode,
            "sframe.header.decode": _header_decode,
            "sframe.derive": _derive,
            "sframe.protect": _protect,
            "sframe.unprotect": _unprotect,
            "sframe.key_id": _key_id,
            "sframe.ratchet": _ratchet,
            "sframe.receiver.new": self._receiver_new,
            "sframe.receiver.add_key": self._receiver_add_key,
            "sframe.receiver.remove_key": self._receiver_remove_key,
            "sframe.receiver.unprotect": self._receiver_unprotect,
            "codec.seal": _codec_seal,
            "codec.open": _codec_open,
        }

    def _receiver_new(self, request: Request) -> dict[str, Any]:
        layout = _key_id_layout(request) if request.has("epoch_bits") or request.has("sender_bits") else None
        own_sender = request.number("own_sender") if request.has("own_sender") else None
        receiver = Receiver(_suite(request), layout=layout, own_sender=own_sender)
        self._receivers[request.handle("receiver")] = receiver
        return {}

    def _receiver_add_key(self, request: Request) -> dict[str, Any]:
        self._receiver(request).add_key(request.number("kid"), _base_key(request))
        return {}

    def _receiver_remove_key(self, request: Request) -> dict[str, Any]:
        self._receiver(request).remove_key(request.number("kid"))
        return {}

    def _receiver_unprotect(self, request: Request) -> dict[str, Any]:
        return _open(self._receiver(request), request)

    def _receiver(self, request: Request) -> Receiver:
        try:
            return self._receivers[request.handle("receiver")]
        except KeyError:
            raise ApiMisuse("there is no such receiver") from None


def sas_operations() -> dict[str, Operation]:
    """{operation name: function} of the visual hash."""
    return {"sas.emoji": _sas_emoji, "sas.digits": _sas_digits, "sas.rows": _sas_rows}


def _header_encode(request: Request) -> dict[str, Any]:
    return {"header": encode_header(request.number("kid"), request.number("ctr")).hex()}


def _header_decode(request: Request) -> dict[str, Any]:
    kid, ctr, length = decode_header(request.hex("data"))
    return {"kid": _wide(kid), "ctr": _wide(ctr), "length": length}


def _derive(request: Request) -> dict[str, Any]:
    suite, base_key = _suite(request), _base_key(request)
    key, salt = derive(suite, request.number("kid"), base_key)
    secret = derive_secret(suite, base_key)
    return {"key": key.expose().hex(), "salt": salt.expose().hex(), "secret": secret.expose().hex()}


def _protect(request: Request) -> dict[str, Any]:
    return {"ciphertext": _seal(request)(request.hex("plaintext"), _metadata(request)).hex()}


def _unprotect(request: Request) -> dict[str, Any]:
    return _open(_one_key_receiver(request), request)


def _key_id(request: Request) -> dict[str, Any]:
    kid = _key_id_layout(request).encode(
        context=request.number("context"), sender=request.number("sender"), epoch=request.number("epoch")
    )
    return {"kid": _wide(kid)}


def _codec_seal(request: Request) -> dict[str, Any]:
    return {"sealed": _layout(request).seal(request.hex("frame"), _seal(request)).hex()}


def _codec_open(request: Request) -> dict[str, Any]:
    receiver, layout = _one_key_receiver(request), _layout(request)
    opened = layout.open(request.hex("sealed"), lambda sealed, aad: receiver.unprotect(sealed, aad)[0])
    return {"frame": opened.hex()}


def _sas_emoji(request: Request) -> dict[str, Any]:
    four = emoji(request.hex("sas", length=32))
    return {"emoji": [e.char for e in four], "names": [e.name("en") for e in four], "indexes": [e.index for e in four]}


def _sas_digits(request: Request) -> dict[str, Any]:
    return {"digits": digits(request.hex("sas", length=32))}


def _sas_rows(request: Request) -> dict[str, Any]:
    own = request.handle("own") if request.has("own") else ""
    rows = eight_rows(request.hex("sas", length=32), SeededRng(request.hex("seed", length=32)), own=own)
    return {"rows": [[e.char for e in row] for row in rows.rows], "answer": rows.answer}


def _ratchet(request: Request) -> dict[str, Any]:
    suite, base_key = _suite(request), _base_key(request)
    steps = request.number("steps")
    if steps > _MOST_STEPS:
        raise ApiMisuse(f"at most {_MOST_STEPS} steps are taken at once")
    for _ in range(steps):
        base_key = ratchet_base_key(suite, base_key)
    return {"base_key": base_key.expose().hex()}


def _seal(request: Request) -> Seal:
    """Seals one frame under the request's own counter."""
    kid, ctr = request.number("kid"), request.number("ctr")
    cipher = FrameCipher(_suite(request), kid, _base_key(request))
    return lambda plaintext, metadata: cipher.seal(encode_header(kid, ctr), ctr, plaintext, metadata)


def _one_key_receiver(request: Request) -> Receiver:
    receiver = Receiver(_suite(request))
    receiver.add_key(request.number("kid"), _base_key(request))
    return receiver


def _open(receiver: Receiver, request: Request) -> dict[str, Any]:
    streams = frozenset(request.numbers("streams", bits=64)) if request.has("streams") else None
    plaintext, _, ctr = receiver.unprotect(request.hex("ciphertext"), _metadata(request), streams=streams)
    return {"plaintext": plaintext.hex(), "ctr": _wide(ctr)}


def _key_id_layout(request: Request) -> KeyIdLayout:
    return KeyIdLayout(epoch_bits=request.number("epoch_bits"), sender_bits=request.number("sender_bits"))


def _metadata(request: Request) -> bytes:
    return request.hex("metadata") if request.has("metadata") else b""


def _base_key(request: Request) -> SecretBytes:
    return SecretBytes(request.hex("base_key"))


def _suite(request: Request) -> CipherSuite:
    number = request.number("suite", bits=16)
    if number not in set(CipherSuite):
        raise Unsupported(f"there is no SFrame suite {number}")
    return CipherSuite(number)


def _layout(request: Request) -> Layout:
    try:
        profile = Profile(request.text("profile")) if request.has("profile") else Profile.WHOLE
        return layout_for(request.text("codec"), profile=profile)
    except MediaUnavailable as error:
        raise Unsupported(error.message) from None
    except ValueError:
        raise Unsupported("there is no such profile") from None


def _wide(number: int) -> int | str:
    return str(number) if number > 1 << 53 else number
