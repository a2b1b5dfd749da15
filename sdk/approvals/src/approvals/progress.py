"""The steps of a request, and how they are printed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from indentapi import Petition
from indentapi.errors import escape_unprintable

from approvals.errors import reference

_ASCII_SYMBOLS = str.maketrans({"⏵": ">", "↳": "->", "✅": "[ok]", "❌": "[no]"})


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a request; its text is the line that is printed.

    Attributes:
        kind: what happened.
        petition: its last known state.
        elapsed: whole seconds of waiting, for `waiting`.
    """

    kind: Literal["requested", "waiting", "granted", "denied", "revoked", "timeout"]
    petition: Petition
    elapsed: int = 0

    def __str__(self) -> str:
        match self.kind:
            case "requested":
                return f"⏵ Requested approval {reference(self.petition)}"
            case "waiting":
                return f"↳ Waiting for approval... ({self.elapsed}s elapsed)"
            case "granted":
                return "✅ Granted"
            case "timeout":
                return "❌ Timed out"
            case _:
                return f"❌ {self.kind.capitalize()}"


OnEvent = Callable[[Progress], object]


def print_progress(progress: Progress) -> None:
    """Print the line, in plain characters where the encoding lacks the symbols."""
    line = escape_unprintable(str(progress))
    try:
        # Neither a text in memory nor a missing output (None) lacks any symbol.
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        line = line.translate(_ASCII_SYMBOLS).encode("ascii", "replace").decode()
    print(line, flush=True)  # noqa: T201 - what this package is for


def discard(_progress: Progress) -> None:
    """Print nothing."""
