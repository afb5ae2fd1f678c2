"""How a command tells an error: `error:` and `hint:` on standard error, in any locale, without a traceback."""

from __future__ import annotations

import os
import sys
import traceback

from e2ecall.errors import E2ECallError
from e2ecall.handshake.link import redact

__all__ = ["tell"]


def tell(error: E2ECallError) -> None:
    """Write `error:` and, where there is one, `hint:`. With E2ECALL_DEBUG set the traceback follows."""
    lines = redact(f"error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
    encoding = sys.stderr.encoding or "ascii"
    sys.stderr.write(lines.encode(encoding, "backslashreplace").decode(encoding))
    if os.environ.get("E2ECALL_DEBUG"):
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
