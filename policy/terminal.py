"""Prints text safely: nothing in it can control a terminal or a CI runner."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, NoReturn, TextIO

# GitHub's runner obeys `##[command]` anywhere in a line of a job's output, and `::command::` at the
# beginning of a line.
_ANYWHERE, _AT_FIRST = "##[", "::"
# A command in backticks counts as one word: split across lines, it would paste as two commands.
_WORD = re.compile(r"(?:`[^`]*`|\S)+")
_BEFORE_TEXT = re.compile(r"^ *(?:[-+] )?")
_BETWEEN_COLUMNS = 2


def safe(text: str) -> str:
    r"""Make a text safe as part of one line, by showing control characters as escapes.

    Escaped is whatever is not printable: controls, line breaks of any kind, changes of the reading
    direction, zero-width characters, lone surrogates (`\x1b`, `\u202e`); and the beginnings of
    runner commands.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    if _ANYWHERE in text:
        text = text.replace(_ANYWHERE, r"#\x23[")
    if text.lstrip().startswith(_AT_FIRST):
        text = text.replace(_AT_FIRST, r"\x3a:", 1)
    return text


def safe_lines(text: str) -> str:
    """Make each line of a multi-line text safe; tabs become spaces."""
    return "\n".join(safe(line.rstrip("\r").expandtabs()) for line in text.split("\n"))


def json_text(value: object) -> str:
    """Write JSON for a script: ASCII, without the beginnings of runner commands."""
    return json.dumps(value, indent=2).replace(_ANYWHERE, r"#\u0023[")


def say(text: str = "", stream: TextIO | None = None, indent: int | None = None) -> None:
    """Print a line, on standard output by default, and wrap it to a terminal.

    The following lines are indented: without `indent`, like the text of an entry of a list.
    """
    stream, text = stream or sys.stdout, safe(text)
    if indent is None:
        indent = len(_BEFORE_TEXT.findall(text)[0])
    stream.write(f"{wrapped(text, columns_of(stream), indent)}\n")
    stream.flush()


def show_anything(*streams: TextIO) -> None:
    """Escape characters that a stream's encoding lacks, instead of failing."""
    for stream in streams:
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def columns_of(stream: TextIO) -> int | None:
    """Return the width of a terminal; None for anything else, where lines are not wrapped."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def wrapped(text: str, width: int | None, indent: int = 0) -> str:
    """Wrap a line of safe text, and indent the following lines.

    The first `indent` characters stay as they are. Words are not split.
    """
    if width is None or len(text) <= width:
        return text
    head, lines = text[:indent], [""]
    for word in _WORD.findall(text[indent:]):
        if lines[-1] and indent + len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    # Other words are now at the beginning of a line, so check them again.
    return f"\n{' ' * indent}".join([head + lines[0], *map(safe, lines[1:])])


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str] | str], width: int | None = None
) -> str:
    """Format rows as columns with headings; the widest columns are wrapped to fit.

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
    """Return a count with its noun: `1 rule`, `2 rules`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Parser(argparse.ArgumentParser):
    """Parses arguments safely, as errors repeat them; without any, it shows the help."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse
        """Parse the arguments; without any, print the help and exit with status 2."""
        if not (sys.argv[1:] if args is None else args):
            self.print_help(sys.stderr)
            self.exit(2)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit."""
        self.print_usage(sys.stderr)
        text = safe(f"{self.prog}: error: {message}")
        self.exit(2, f"{wrapped(text, columns_of(sys.stderr))}\n")
