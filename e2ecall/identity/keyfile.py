"""identity.2: a device as bytes: the file its keys rest in, and the public record that others may have. No IO.

The file is one line of canonical JSON (RFC 8785):

    schema      "e2ecall/identity/1"
    created_at  Unix time, whole seconds
    device      the public record: identity, encryption_key, statement, name (hexadecimal; the name a string or null)
    at_rest     how the seeds are kept: {"kind": "none"}, or {"kind": "passphrase" or "keyring", "lanes", "memory",
                "passes", "salt"}
    seeds       identity seed || encryption seed, 64 bytes; sealed, 80
    check       SHA-256 over lv("e2ecall/1 identity check") || the line without this member

Sealed is AES-256-GCM under Argon2id(passphrase, salt): 32 bytes of key, 12 of iv. Its AAD is
lv("e2ecall/1 identity file") || the line without `seeds` and `check`.

`check` finds damage without the passphrase. Who changes the file on purpose can change `check` too: then the seal
fails, and that looks the same as a wrong passphrase. The public half can be read without one; that the seeds belong to
it is known once they are open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from e2ecall.crypto import aead, sign, xwing
from e2ecall.crypto.kdf import sha256
from e2ecall.crypto.password import DEFAULT_COST, SALT_LENGTH, Cost, password_key
from e2ecall.crypto.rng import Rng
from e2ecall.errors import ApiMisuse, MalformedMessage, PeerMisbehaved, StoreCorrupt, VerificationFailed
from e2ecall.identity.canonical import JsonValue, canonical, read_canonical
from e2ecall.identity.device import DeviceRecord, DeviceSeeds, check_name
from e2ecall.secret import SecretBytes
from e2ecall.wire.declared import lv

__all__ = [
    "FILE_LIMIT",
    "RECORD_SCHEMA",
    "SCHEMA",
    "AtRest",
    "KeyFile",
    "encode_key_file",
    "encode_record",
    "parse_key_file",
    "parse_record",
]

SCHEMA: Final = "e2ecall/identity/1"
RECORD_SCHEMA: Final = "e2ecall/device/1"
FILE_LIMIT: Final = 16384
"""A key file and a record are never longer, in bytes: about 3 kB."""

_LABEL_FILE = lv(b"e2ecall/1 identity file")
_LABEL_CHECK = lv(b"e2ecall/1 identity check")
_KEY_LENGTH, _IV_LENGTH = 32, 12
_SEEDS_LENGTH = sign.SEED_LENGTH + xwing.SEED_LENGTH
_RECORD_MEMBERS = frozenset({"identity", "encryption_key", "statement", "name"})
_FILE_MEMBERS = frozenset({"schema", "created_at", "device", "at_rest", "seeds", "check"})
_SEALED_MEMBERS = frozenset({"kind", "lanes", "memory", "passes", "salt"})

_Members: TypeAlias = Mapping[str, JsonValue]


class AtRest(StrEnum):
    """identity.2: who can open the file: whoever reads it, who knows its passphrase, or the OS keyring's user."""

    NONE = "none"
    PASSPHRASE = "passphrase"  # noqa: S105 - the kind of protection, not a passphrase
    KEYRING = "keyring"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """identity.2-1: a file that is whole and not opened yet. What it says of itself has not been authenticated."""

    record: DeviceRecord
    created_at: int
    at_rest: AtRest
    cost: Cost | None
    salt: bytes
    what: str
    _seeds: SecretBytes = field(repr=False)
    _header: bytes = field(repr=False)

    def open(self, passphrase: SecretBytes | None) -> DeviceSeeds:
        """identity.2-6, 2-7: the seeds; whoever gets them wipes them. Opening twice is fine.

        VerificationFailed for a wrong passphrase, and for one that is given where nothing is sealed: somebody may have
        put another file in this place. StoreCorrupt for seeds of other keys than the record's. ApiMisuse without the
        passphrase of a sealed file, OutputFailed where the memory for Argon2id is lacking.
        """
        seeds = _split(self._unsealed(passphrase))
        try:
            device = seeds.device()
            if (device.identity, device.encryption_key) != (self.record.identity, self.record.encryption_key):
                raise _corrupt(self.what, "is damaged: its seeds are of other keys", "identity.2-13")
        except StoreCorrupt:
            seeds.wipe()
            raise
        return seeds

    def wipe(self) -> None:
        """Overwrite what this object holds of the seeds: in clear where nothing is sealed."""
        self._seeds.wipe()

    def _unsealed(self, passphrase: SecretBytes | None) -> SecretBytes:
        if self.cost is None:
            if passphrase is not None:
                raise VerificationFailed(
                    f"{self.what} is not encrypted, and a passphrase was given for it",
                    clause="identity.2-7",
                    hint="is it your file? if you know why, go on without the passphrase",
                )
            return SecretBytes(self._seeds.expose())
        if passphrase is None:
            raise ApiMisuse(f"{self.what} is encrypted: it takes its passphrase", clause="identity.2-2")
        key, iv = _sealing_key(passphrase, self.salt, self.cost)
        try:
            sealed = bytes(self._seeds.expose())
            return SecretBytes(
                aead.open_sealed(key, iv, sealed, _LABEL_FILE + self._header, what=self.what, clause="identity.2-6")
            )
        except VerificationFailed:
            raise VerificationFailed(
                f"this passphrase does not open {self.what}",
                clause="identity.2-6",
                hint="a file that was changed on purpose looks the same; if you are sure of the passphrase, "
                "take your backup",
            ) from None
        finally:
            key.wipe()
            iv.wipe()


def encode_key_file(
    seeds: DeviceSeeds,
    rng: Rng,
    *,
    name: str | None,
    created_at: float,
    passphrase: SecretBytes | None,
    at_rest: AtRest = AtRest.PASSPHRASE,
    cost: Cost = DEFAULT_COST,
) -> bytes:
    """identity.2-1: the bytes of a new file; `created_at` in Unix seconds. The seeds stay as they are.

    Without a passphrase nothing is sealed, and the file says so, whatever `at_rest` is; with one, `at_rest` says who
    keeps it. ApiMisuse for a name or time that does not fit; OutputFailed where the memory is lacking.
    """
    check_name(name)
    if not 0 <= created_at < 1 << 53:
        raise ApiMisuse("a file is made after 1970", clause="identity.2-1")
    members: dict[str, JsonValue] = {
        "schema": SCHEMA,
        "created_at": int(created_at),
        "device": _record_members(seeds.device().record(name)),
        "at_rest": {"kind": AtRest.NONE.value},
    }
    plain = bytes(seeds.identity.expose()) + bytes(seeds.encryption.expose())
    if passphrase is None:
        kept = plain
    elif at_rest is AtRest.NONE:
        raise ApiMisuse("a passphrase is for a file that is sealed", clause="identity.2-2")
    else:
        salt = rng.draw("identity salt", SALT_LENGTH)
        described: dict[str, JsonValue] = {"lanes": cost.lanes, "memory": cost.memory, "passes": cost.passes}
        members["at_rest"] = {"kind": at_rest.value, "salt": salt.hex(), **described}
        key, iv = _sealing_key(passphrase, salt, cost)
        kept = aead.seal(key, iv, plain, _LABEL_FILE + canonical(members))
        key.wipe()
        iv.wipe()
    members["seeds"] = kept.hex()
    members["check"] = sha256(_LABEL_CHECK + canonical(members)).hex()
    return canonical(members) + b"\n"


def parse_key_file(data: bytes, *, what: str = "the identity file") -> KeyFile:
    """identity.2-5: StoreCorrupt, naming `what`, for all that is not a whole file of this version."""
    if not data:
        raise _corrupt(what, "is empty", "identity.2-5")
    try:
        return _read_key_file(data, what)
    except (MalformedMessage, PeerMisbehaved, VerificationFailed) as error:
        raise _corrupt(what, f"is damaged or of another program ({error.message})", "identity.2-5") from None


def encode_record(record: DeviceRecord) -> bytes:
    """identity.1-5: the public record as one line of canonical JSON; nothing in it is secret."""
    check_name(record.name)
    return canonical({"schema": RECORD_SCHEMA, **_record_members(record)}) + b"\n"


def parse_record(data: bytes) -> DeviceRecord:
    """identity.1-4, 1-5: somebody's record, checked. MalformedMessage, PeerMisbehaved or VerificationFailed."""
    members = _members(_json(data, "the device record"), _RECORD_MEMBERS | {"schema"})
    if members["schema"] != RECORD_SCHEMA:
        raise _malformed("this is not a device record of version 1", "schema")
    return _record({name: value for name, value in members.items() if name != "schema"})


def _read_key_file(data: bytes, what: str) -> KeyFile:
    value = _json(data, "it")
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, str) and schema.startswith("e2ecall/identity/") and schema != SCHEMA:
        raise _corrupt(what, f"is {schema}, and this program knows {SCHEMA}", "identity.2-5")
    members = dict(_members(value, _FILE_MEMBERS))
    if schema != SCHEMA:
        raise _malformed("it is not an identity", "schema")
    check = _hex(members.pop("check"), "check", 32)
    if check != sha256(_LABEL_CHECK + canonical(members)):
        raise _malformed("its check does not hold", "check")
    created_at = _whole(members["created_at"], "created_at")
    record = _record(_members(members["device"], _RECORD_MEMBERS))
    at_rest, cost, salt = _at_rest(members["at_rest"])
    length = _SEEDS_LENGTH if cost is None else _SEEDS_LENGTH + aead.TAG_LENGTH
    seeds = SecretBytes(_hex(members.pop("seeds"), "seeds", length))
    return KeyFile(record, created_at, at_rest, cost, salt, what, seeds, canonical(members))


def _at_rest(value: JsonValue) -> tuple[AtRest, Cost | None, bytes]:
    if value == {"kind": AtRest.NONE.value}:
        return AtRest.NONE, None, b""
    members = _members(value, _SEALED_MEMBERS)
    if members["kind"] not in (AtRest.PASSPHRASE, AtRest.KEYRING):
        raise _malformed("an unknown way to seal", "at_rest.kind")
    numbers = (_whole(members[name], f"at_rest.{name}") for name in ("memory", "passes", "lanes"))
    return AtRest(str(members["kind"])), Cost(*numbers), _hex(members["salt"], "at_rest.salt", SALT_LENGTH)


def _record(members: _Members) -> DeviceRecord:
    name = members["name"]
    if name is not None and not isinstance(name, str):
        raise _malformed("a name is a string or null", "device.name")
    record = DeviceRecord(
        _hex(members["identity"], "device.identity", sign.KEY_LENGTH),
        _hex(members["encryption_key"], "device.encryption_key", xwing.PUBLIC_LENGTH),
        _hex(members["statement"], "device.statement", sign.SIGNATURE_LENGTH),
        name,
    )
    try:
        check_name(name)
    except ApiMisuse as error:
        raise _malformed(error.message, "device.name") from None
    record.verify()
    return record


def _record_members(record: DeviceRecord) -> dict[str, JsonValue]:
    return {
        "identity": record.identity.hex(),
        "encryption_key": record.encryption_key.hex(),
        "statement": record.statement.hex(),
        "name": record.name,
    }


def _sealing_key(passphrase: SecretBytes, salt: bytes, cost: Cost) -> tuple[SecretBytes, SecretBytes]:
    derived = password_key(passphrase, salt, cost, _KEY_LENGTH + _IV_LENGTH)
    both = SecretBytes(derived.expose()[:_KEY_LENGTH]), SecretBytes(derived.expose()[_KEY_LENGTH:])
    derived.wipe()
    return both


def _split(plain: SecretBytes) -> DeviceSeeds:
    at = sign.SEED_LENGTH
    seeds = DeviceSeeds(SecretBytes(plain.expose()[:at]), SecretBytes(plain.expose()[at:]))
    plain.wipe()
    return seeds


def _json(data: bytes, what: str) -> JsonValue:
    if len(data) > FILE_LIMIT:
        raise _malformed(f"{what} is longer than {FILE_LIMIT} bytes", None)
    if not data.endswith(b"\n"):
        raise _malformed(f"{what} does not end in a line feed", None)
    return read_canonical(data[:-1], what=what, clause="identity.2-5")


def _members(value: JsonValue, expected: frozenset[str]) -> _Members:
    if not isinstance(value, dict) or value.keys() != expected:
        raise _malformed("members are missing or unknown", None)
    return value


def _whole(value: JsonValue, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _malformed("not a number from 0", path)
    return value


def _hex(value: JsonValue, path: str, length: int) -> bytes:
    valid: Callable[[str], bool] = frozenset("0123456789abcdef").issuperset
    if not isinstance(value, str) or len(value) != 2 * length or not valid(value):
        raise _malformed(f"not {length} bytes in lower-case hexadecimal", path)
    return bytes.fromhex(value)


def _malformed(message: str, path: str | None) -> MalformedMessage:
    return MalformedMessage(message, path=path, clause="identity.2-5")


def _corrupt(what: str, problem: str, clause: str) -> StoreCorrupt:
    hint = "it was left as it is; put a backup in its place, or move it away"
    return StoreCorrupt(f"{what} {problem}", clause=clause, hint=hint)
