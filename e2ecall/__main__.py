"""The `e2ecall` command; without the extra that it needs it says which one to install."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or explain what is missing."""
    try:
        from e2ecall.cli.main import run

        status = run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "e2ecall":
            raise
        sys.stderr.write(f"error: this needs {missing}\nhint: pip install 'e2ecall[all]'\n")
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
