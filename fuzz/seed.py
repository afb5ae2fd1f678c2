"""Writes fuzz/corpus/<target>/ from vectors/ and fuzz/regressions/: the same files each time.

    python -m fuzz.seed

Nothing of it is kept in the repository, and every run under atheris writes it first. What atheris added stays there:
`rm -r fuzz/corpus` begins anew.
"""

from __future__ import annotations

import sys

from fuzz.harness import target_names, write_corpus

__all__ = ["main"]


def main() -> int:
    """0."""
    for name in target_names():
        sys.stdout.write(f"{name}: {write_corpus(name)} inputs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
