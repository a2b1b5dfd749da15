"""Text that is safe to print, whoever wrote it: nothing in it steers a terminal or a CI runner."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, NoReturn, TextIO

# GitHub's runner obeys `##[command]` anywhere in a line of a job's output, and `::command::` at
# its beginning.
_ANYWHERE, _AT_FIRST = "##[", "::"
# A command between backticks is one word: in two lines, it would be pasted as two commands.
_WORD = re.compile(r"(?:`[^`]*`|\S)+")
_BETWEEN_COLUMNS = 2


def safe(text: str) -> str:
    r"""Make a text part of one line: what would be obeyed instead of shown is shown as an escape.

    That is whatever is not printable: controls, line breaks of any kind, what turns the direction
    of reading, what has no width, half a surrogate pair (`\x1b`, `\u202e`); and the beginnings of
    a runner's commands.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    if _ANYWHERE in text:
        text = text.replace(_ANYWHERE, r"#\x23[")
    if text.lstrip().startswith(_AT_FIRST):
        text = text.replace(_AT_FIRST, r"\x3a:", 1)
    return text


def safe_lines(text: str) -> str:
    """Make each line of a text safe that has several on purpose; a tab is blanks."""
    return "\n".join(safe(line.rstrip("\r").expandtabs()) for line in text.split("\n"))


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


def columns_of(stream: TextIO) -> int | None:
    """How wide a terminal is; None for anything else, where lines stay whole, as for `grep`."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def wrapped(text: str, width: int | None, indent: int = 0) -> str:
    """Break a line of safe text so that it fits; what follows the first line is indented.

    The first `indent` characters stay as they are. A word is never broken.
    """
    if width is None or len(text) <= width:
        return text
    head, lines = text[:indent], [""]
    for word in _WORD.findall(text[indent:]):
        if lines[-1] and indent + len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    # Whatever stands at the beginning of a line now did not before.
    return f"\n{' ' * indent}".join([head + lines[0], *map(safe, lines[1:])])


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str] | str], width: int | None = None
) -> str:
    """Set rows in columns under their headings; the widest cells are wrapped so that it fits.

    A row that is one text, such as the heading of a group, is a line of its own.
    """
    lines = [safe(row) if isinstance(row, str) else tuple(map(safe, row)) for row in rows]
    columns = [*zip(headings, *(row for row in lines if isinstance(row, tuple)), strict=True)]
    widths = [max(map(len, column)) for column in columns]
    least = [max(map(len, _WORD.findall(" ".join(column))), default=0) for column in columns]
    while width and sum(widths) + _BETWEEN_COLUMNS * (len(widths) - 1) > width:
        wide = [place for place in range(len(widths)) if widths[place] > least[place]]
        if not wide:
            break
        widths[max(wide, key=widths.__getitem__)] -= 1
    with_rule = [tuple(headings), tuple("-" * width for width in widths), *lines]
    return "\n".join(part for line in with_rule for part in _row(line, widths))


def _row(cells: Sequence[str] | str, widths: Sequence[int]) -> Iterable[str]:
    if isinstance(cells, str):
        yield cells
        return
    broken = (wrapped(cell, width).split("\n") for cell, width in zip(cells, widths, strict=True))
    for parts in zip_longest(*broken, fillvalue=""):
        padded = (part.ljust(width) for part, width in zip(parts, widths, strict=True))
        yield (" " * _BETWEEN_COLUMNS).join(padded).rstrip()


def counted(count: int, noun: str) -> str:
    """Say how many there are of something: `1 rule`, `2 rules`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Parser(argparse.ArgumentParser):
    """Reads arguments, or shows help without any; its errors repeat them, so they are safe."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse
        """Read the arguments; where there are none, print the help, and end with status 2."""
        if not (sys.argv[1:] if args is None else args):
            self.print_help(sys.stderr)
            self.exit(2)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and end."""
        super().error(safe(message))
