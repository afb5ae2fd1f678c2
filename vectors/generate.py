"""Writes the files of vectors/ anew, from a fixed seed and with e2ecall.audit.oracle.

    python vectors/generate.py            write the files
    python vectors/generate.py --check    compare them, and say which differ (status 1)

The output depends on nothing but this folder and the oracle. Not written here: sframe/codec-more.json, identity/, and
of sas/ the emoji, digits and rows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from generator.cases import VectorFile

FOLDER = Path(__file__).parent


def files() -> tuple[VectorFile, ...]:
    """All files, with their cases."""
    from generator import (  # here the cases are worked out, which takes ten seconds
        codecs,
        control,
        control_channel,
        exchange,
        exchange_refused,
        frames,
        headers,
        key_ids,
        ledger,
        links,
        payload_refused,
        receivers,
        refusals,
        rekey,
        sender_keys,
        streams,
        tde2e,
        telegram,
        telegram_signals,
        views,
    )

    parts = (
        headers,
        frames,
        refusals,
        key_ids,
        receivers,
        streams,
        sender_keys,
        codecs,
        exchange,
        exchange_refused,
        payload_refused,
        control,
        control_channel,
        rekey,
        views,
        ledger,
        links,
        telegram,
        telegram_signals,
        tde2e,
    )
    return tuple(file for part in parts for file in part.FILES)


def rendered(file: VectorFile) -> str:
    """The text of a file: its head, then one case a line."""
    head = {"schema": "e2ecall/vectors/1", "kind": file.kind, "title": file.title, "source": file.source}
    lines = json.dumps(head | {"licence": "CC0-1.0"}, indent=2, ensure_ascii=False).removesuffix("\n}")
    cases = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in file.cases)
    return f'{lines},\n  "cases": [\n{cases}\n  ]\n}}\n'


def main(arguments: list[str]) -> int:
    """0, or 1 where --check finds a difference, or 2 for other arguments."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: generate.py [--check]\n")
        return 2
    different = [file for file in files() if not _is_written(file)]
    for file in different:
        if arguments:
            sys.stderr.write(f"{file.name} differs from what generate.py writes\n")
        else:
            path = FOLDER / file.folder / file.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(rendered(file), "utf-8")
            sys.stdout.write(f"wrote {file.name}: {len(file.cases)} cases\n")
    return 1 if arguments and different else 0


def _is_written(file: VectorFile) -> bool:
    path = FOLDER / file.folder / file.name
    return path.exists() and path.read_text("utf-8") == rendered(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
