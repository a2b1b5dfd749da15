"""What the command prints: trees, tables and JSON. Colour only where a person looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from policy.telling import NO, YES, Told
from policy.terminal import json_text, safe

_GREEN, _RED, _BOLD, _END = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
_COLOURS = {YES: _GREEN, NO: _RED}


class Output(NamedTuple):
    """Where a command's answer goes.

    Attributes:
        stream: the stream.
        colour: whether it may be coloured.
        as_json: whether it is for a script: one JSON value, and nothing else.
    """

    stream: TextIO
    colour: bool = False
    as_json: bool = False

    def json(self, value: object) -> None:
        """Print the answer for a script."""
        self.stream.write(f"{json_text(value)}\n")

    def line(self, text: str = "", mark: str = "") -> None:
        """Print a line; names in it come from elsewhere, so nothing may steer the terminal."""
        self.stream.write(f"{self._coloured(safe(text), mark)}\n")

    def tree(self, told: Told) -> None:
        """Print a tree, with signs that any terminal knows where it knows no others."""
        plain = not _can_show(self.stream, "├─└│✓✗")
        signs = _ASCII if plain else _SIGNS
        root = safe(told.text)
        mark = self._coloured(root, told.mark)
        self.stream.write(f"{_BOLD}{mark}{_END}\n" if self.colour else f"{root}\n")
        for line in self._branches(told.under, "", signs):
            self.stream.write(f"{line}\n")

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows in columns, under their headings."""
        lines = [tuple(headings), *(tuple(map(safe, row)) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
        for line in ruled:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.stream.write(f"{'  '.join(cells).rstrip()}\n")

    def _branches(self, under: Sequence[Told], before: str, signs: _Signs) -> Iterator[str]:
        for place, each in enumerate(under, 1):
            last = place == len(under)
            sign = signs.marks.get(each.mark, "")
            branch = signs.last if last else signs.branch
            yield f"{before}{branch}{self._coloured(sign + safe(each.text), each.mark)}"
            further = before + (signs.gap if last else signs.trunk)
            yield from self._branches(each.under, further, signs)

    def _coloured(self, text: str, mark: str) -> str:
        colour = _COLOURS.get(mark)
        return f"{colour}{text}{_END}" if self.colour and colour else text


class _Signs(NamedTuple):
    branch: str
    last: str
    trunk: str
    gap: str
    marks: Mapping[str, str]


_SIGNS = _Signs("├─ ", "└─ ", "│  ", "   ", {YES: "✓ ", NO: "✗ "})
_ASCII = _Signs("|- ", "`- ", "|  ", "   ", {YES: "+ ", NO: "x "})


def output(stream: TextIO, environment: Mapping[str, str], *, as_json: bool) -> Output:
    """Make the output: coloured on a terminal that takes it, unless NO_COLOR says otherwise."""
    terminal = stream.isatty() and environment.get("TERM", "") != "dumb"
    return Output(stream, terminal and not environment.get("NO_COLOR") and not as_json, as_json)


def listed(words: Iterable[Any]) -> str:
    """List words with commas."""
    return ", ".join(map(str, words))


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
