"""The `e2ecall` command; without the extra that it needs it says which one to install."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as we run


def main() -> None:
    """Run the command line, or explain what is missing."""
    sys.stdout = sys.stdout or NOWHERE
    sys.stderr = sys.stderr or NOWHERE
    try:
        from e2ecall.cli.main import run

        status = run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "e2ecall":
            raise
        sys.stderr.write(f"error: this needs {missing}\nhint: pip install 'e2ecall[all]'\n")
        status = 1
    except KeyboardInterrupt:  # while the modules load; later `run` has its own word for it
        status = 130
    try:
        sys.stdout.flush()
    except OSError:  # whoever read our output is gone; the interpreter must not trip over it once more
        sys.stdout = NOWHERE
    sys.exit(status)


if __name__ == "__main__":
    main()
