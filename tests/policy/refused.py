r"""Reads the tables in `refused/`: what is changed in a right file, and what is wrong with it then.

    a sentence that says what is wrong
      an old text => the new one
      line: an error

`\n`, `\u201c` and the like stand for characters that are hard to see. Where nothing stands before
the arrow, the table's one text is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.policy.texts import POLICY, changed

FOLDER = Path(__file__).parent / "refused"


class Refused(NamedTuple):
    """One row."""

    name: str
    data: bytes
    errors: list[tuple[int, str]]


def refused(table: str, text: str = POLICY, replaced: str = "") -> list[Refused]:
    """Read a table: `text` is the right file, `replaced` the one text of it that rows replace."""
    rows: list[Refused] = []
    for line in (FOLDER / f"{table}.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        if not line.startswith("  "):
            rows.append(Refused(line, b"", []))
        elif not rows[-1].data:
            old, _, new = _unescaped(line[2:]).partition(" =>" if not replaced else "=>")
            data = changed(old or replaced, new.removeprefix(" "), text)
            rows[-1] = rows[-1]._replace(data=data)
        else:
            number, _, error = _unescaped(line[2:]).partition(": ")
            rows[-1].errors.append((int(number), error))
    return rows


def _unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")
