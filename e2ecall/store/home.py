"""identity.2-8: the folder where a person's state lives, for this user alone, and the names of the files in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2ecall.errors import OutputFailed

__all__ = ["VARIABLE", "Home", "check_folder", "find_home"]

VARIABLE = "E2ECALL_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """One device's folder. Nothing is made or read before `prepare()` or the files' own stores."""

    folder: Path

    @property
    def identity(self) -> Path:
        """The keys of this device (`KeyStore`)."""
        return self.folder / "identity.json"

    @property
    def contacts(self) -> Path:
        """The SQLite file of contacts and of the ledger's entries."""
        return self.folder / "contacts.db"

    @property
    def ledger_head(self) -> Path:
        """The signed head of the ledger."""
        return self.folder / "ledger.head"

    def has_contacts(self) -> bool:
        """identity.5-4: whether anything was ever kept here: the contacts, or a ledger's head where they are gone.

        A name that leads nowhere counts too: it is not taken for a fresh start. OutputFailed where it cannot be told.
        """
        if not self._stands(self.folder):
            return False
        if not self.folder.is_dir():
            hint = f"choose another folder with {VARIABLE}"
            raise OutputFailed(f"{self.folder} cannot be used: it is no folder", hint=hint)
        return self._stands(self.contacts) or self._stands(self.ledger_head)

    @staticmethod
    def _stands(path: Path) -> bool:
        try:
            path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise OutputFailed(f"{path} cannot be used: {error.strerror}") from None
        return True

    def prepare(self) -> None:
        """identity.2-8: make the folder with mode 0700, or check that others have no access to the one that is there.

        OutputFailed where it can not be made, is no folder, or is open to others: they could put files in it.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_folder(self.folder)
        except OSError as error:
            hint = f"choose another folder with {VARIABLE}"
            raise OutputFailed(f"{self.folder} cannot be used: {error.strerror}", hint=hint) from None


def check_folder(folder: Path) -> None:
    """identity.2-8: OutputFailed for a folder to which others have access; OSError where that cannot be seen."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise OutputFailed(
            f"others have access to the folder {folder} (mode {mode:04o})",
            clause="identity.2-8",
            hint=f"chmod 700 {folder}, or choose another folder with {VARIABLE}",
        )


def find_home(environment: Mapping[str, str] = os.environ) -> Home:
    """The folder that E2ECALL_HOME names, or the platform's folder for a user's data.

    OutputFailed where there is neither: no home directory, or no platformdirs installed.
    """
    if named := environment.get(VARIABLE):
        return Home(_absolute(Path(named)))
    try:
        from platformdirs import user_data_dir
    except ImportError:
        hint = f"pip install 'e2ecall[cli]', or set {VARIABLE}"
        raise OutputFailed("finding the folder for your data needs the package platformdirs", hint=hint) from None
    folder = Path(user_data_dir("e2ecall", appauthor=False))
    if not folder.is_absolute():
        raise OutputFailed("this user has no home directory", hint=f"set {VARIABLE}")
    return Home(folder)


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError as error:
        raise OutputFailed(f"the current folder cannot be used: {error.strerror}", hint="go to another") from None
