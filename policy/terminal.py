"""Text that is safe to print, whoever wrote it: nothing in it steers a terminal or a CI runner."""

from __future__ import annotations

import argparse
import json
import sys
from typing import NoReturn, TextIO

# GitHub's runner obeys `##[command]` anywhere in a line of a job's output, and `::command::` at
# its beginning.
_ANYWHERE, _AT_FIRST = "##[", "::"


def safe(text: str) -> str:
    r"""Make a text part of one line: what would be obeyed instead of shown is shown as an escape.

    That is whatever is not printable: controls, line breaks of any kind, what turns the direction
    of reading, what has no width, half a surrogate pair (`\x1b`, `\u202e`); and the beginnings of
    a runner's commands.
    """
    if not text.isprintable():
        text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    if _ANYWHERE in text:
        text = text.replace(_ANYWHERE, r"#\x23[")
    if text.lstrip().startswith(_AT_FIRST):
        text = text.replace(_AT_FIRST, r"\x3a:", 1)
    return text


def safe_lines(text: str) -> str:
    """Make each line of a text safe that has several on purpose; a tab is blanks."""
    return "\n".join(safe(each.rstrip("\r").expandtabs()) for each in text.split("\n"))


def json_text(value: object) -> str:
    """Write JSON for a script: ASCII, and the same value without the beginning of a command."""
    return json.dumps(value, indent=2).replace(_ANYWHERE, r"#\u0023[")


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a line, on standard output if nothing else is said."""
    stream = stream or sys.stdout
    stream.write(f"{safe(text)}\n")
    stream.flush()


def show_anything(*streams: TextIO) -> None:
    """Let no character that a stream's encoding lacks end the program."""
    for stream in streams:
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


class Parser(argparse.ArgumentParser):
    """Reads arguments; its errors repeat them, so they are made safe."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and end."""
        super().error(safe(message))
