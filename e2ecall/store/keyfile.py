"""identity.2: the key file on a disk: for its owner alone, written whole, never in place of another.

A new file is finished under another name, and then linked to its own: the link fails where something stands already,
so of two processes that make an identity at once, one wins. Replacing holds a lock on the folder, and the old file is
kept. Nothing here opens a file that others can read.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from e2ecall.crypto.password import passphrase_bytes
from e2ecall.errors import ApiMisuse, OutputFailed, StoreCorrupt
from e2ecall.identity.device import Device
from e2ecall.identity.keyfile import FILE_LIMIT, KeyFile, parse_key_file
from e2ecall.secret import SecretBytes
from e2ecall.store.files import sync_directory
from e2ecall.store.home import check_folder

__all__ = ["KeyStore", "read_passphrase_file", "write_new"]

_PASSPHRASE_LIMIT: Final = 4096
_TRIES: Final = 100


class KeyStore:
    """identity.2-8, 2-9: the key file at `path`; its folder exists. No state is kept between calls."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether anything stands under that name, be it what it may. OutputFailed where that can not be seen."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._failed("cannot be seen", error) from None
        return True

    def read(self) -> KeyFile:
        """The file, checked and not opened.

        StoreCorrupt where it is missing, damaged or somebody else's; OutputFailed where others have access to it or
        to its folder, or this process has none.
        """
        return parse_key_file(self._contents(), what=str(self.path))

    def unlock(self, passphrase: SecretBytes | None) -> Device:
        """identity.2-6: the device in the file; what `read` and `KeyFile.open` raise. Its seeds are wiped again."""
        found = self.read()
        try:
            with found.open(passphrase) as seeds:
                return seeds.device()
        finally:
            found.wipe()

    def create(self, contents: bytes) -> None:
        """identity.2-9: put a first key file in its place, mode 0600, on the disk when this returns.

        `contents` are `encode_key_file`'s. OutputFailed where something stands there, also since a moment ago, and
        where it cannot be written.
        """
        with self._locked():
            self._put_new(contents)

    def replace(self, contents: bytes, now: float) -> Path:
        """identity.2-9: put another identity in the place of this one; the path where the old file is kept.

        `now` is Unix seconds, UTC, for its name. Raises what `read` does: what is no key file is not replaced.
        OutputFailed where nothing can be written: the old file is in its place then.
        """
        with self._locked():
            self.read().wipe()
            try:
                with _finished(self.path, contents) as new:
                    backup = self._keep(now)
                    new.replace(self.path)
            except OSError as error:
                raise self._failed("cannot be replaced", error) from None
            return backup

    def _put_new(self, contents: bytes) -> None:
        try:
            write_new(self.path, contents)
        except FileExistsError:
            raise OutputFailed(
                f"there is an identity already: {self.path}",
                clause="identity.2-9",
                hint="e2ecall identity show; or e2ecall identity new --replace, which keeps the old file",
            ) from None

    def _keep(self, now: float) -> Path:
        """A second name for the old file, which no file had."""
        day = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
        for number in range(_TRIES):
            again = f"-{number + 1}" if number else ""
            backup = self.path.with_name(f"{self.path.stem}-{day}{again}{self.path.suffix}")
            with suppress(FileExistsError):
                os.link(self.path, backup)
                return backup
        raise FileExistsError(errno.EEXIST, "too many backups of one second", str(self.path))

    def _contents(self) -> bytes:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise StoreCorrupt(f"{self.path} is not a file", clause="identity.2-5")
                self._check_mode(stat.S_IMODE(status.st_mode))
                check_folder(self.path.parent)
                return file.read(FILE_LIMIT + 1)
        except FileNotFoundError:
            raise StoreCorrupt(
                f"there is no identity: {self.path} is not there", clause="identity.2-5", hint="e2ecall identity new"
            ) from None
        except OSError as error:
            raise self._failed("cannot be read", error) from None

    def _check_mode(self, mode: int) -> None:
        if mode & 0o077:
            raise OutputFailed(
                f"others have access to {self.path} (mode {mode:04o}), so it is not used",
                clause="identity.2-8",
                hint=f"chmod 600 {self.path}; if others may have read it, make a new identity",
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the system lets go of the lock when a process dies."""
        try:
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed("cannot be written", error) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise self._failed("cannot be locked", error) from None
            yield
        finally:
            os.close(descriptor)

    def _failed(self, what: str, error: OSError) -> OutputFailed:
        return OutputFailed(f"{self.path} {what}: {error.strerror or error}", clause="identity.2-9")


def write_new(path: Path, contents: bytes) -> None:
    """A new file of mode 0600 with all of `contents`, or none at all, on the disk when this returns.

    FileExistsError where something has that name; OutputFailed for every other failure.
    """
    try:
        with _finished(path, contents) as part:
            os.link(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        hint = "choose another folder, or free some space"
        raise OutputFailed(f"{path} cannot be written: {error.strerror or error}", hint=hint) from None


@contextmanager
def _finished(path: Path, contents: bytes) -> Iterator[Path]:
    """`contents` in a file beside `path`, on the disk; gone again afterwards unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_directory(path.parent)


def read_passphrase_file(path: Path) -> SecretBytes:
    """identity.2-12: the passphrase in a file, or in a pipe: one line of UTF-8, its line end left out.

    OutputFailed where there is none: no such file, empty, of several lines, too long, not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_PASSPHRASE_LIMIT + 1)
    except OSError as error:
        raise _no_passphrase(path, error.strerror or str(error)) from None
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    if len(data) > _PASSPHRASE_LIMIT or b"\n" in line or b"\r" in line:
        raise _no_passphrase(path, "it has more than one line, or more than 4096 bytes")
    try:
        return passphrase_bytes(line.decode())
    except UnicodeDecodeError:
        raise _no_passphrase(path, "it is not UTF-8") from None
    except ApiMisuse:
        raise _no_passphrase(path, "it is empty") from None


def _no_passphrase(path: Path, why: str) -> OutputFailed:
    hint = "E2ECALL_PASSPHRASE_FILE names a file whose one line is the passphrase"
    return OutputFailed(f"no passphrase in {path}: {why}", clause="identity.2-12", hint=hint)
