"""The `e2ecall` command; without the extra that it needs it says which one to install."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or explain what is missing."""
    try:
        from e2ecall.cli.main import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "e2ecall":
            raise
        sys.stderr.write(f"error: the command line needs {error.name}\nhint: pip install 'e2ecall[all]'\n")
        sys.exit(1)
    sys.exit(run())


if __name__ == "__main__":
    main()
