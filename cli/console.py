"""What the command prints: trees, tables and JSON. Colour only where a person looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from auditlog.explain import NO, YES, Line
from policy.terminal import columns_of, json_text, safe, table, wrapped

_GREEN, _RED, _BOLD, _END = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"
_COLOURS = {YES: _GREEN, NO: _RED}


class Output(NamedTuple):
    """Where a command's answer goes.

    Attributes:
        stream: the stream.
        colour: whether it may be coloured.
        as_json: whether it is for a script: one JSON value, and nothing else.
        width: how many columns a line may have; None where lines are not broken.
    """

    stream: TextIO
    colour: bool = False
    as_json: bool = False
    width: int | None = None

    def json(self, value: object) -> None:
        """Print the answer for a script."""
        self.stream.write(f"{json_text(value)}\n")

    def line(self, text: str = "", mark: str = "", indent: int = 0) -> None:
        """Print a line; names in it come from elsewhere, so nothing may steer the terminal.

        Where it has to be broken, what follows is indented.
        """
        for part in wrapped(safe(text), self.width, indent).split("\n"):
            self.stream.write(f"{self._coloured(part, mark)}\n")

    def tree(self, root: Line) -> None:
        """Print a tree, with signs that any terminal knows where it knows no others."""
        signs = _SIGNS if _can_show(self.stream, "├─└│✓✗") else _ASCII
        for text in wrapped(safe(root.text), self.width).split("\n"):
            coloured = self._coloured(text, root.mark)
            self.stream.write(f"{_BOLD}{coloured}{_END}\n" if self.colour else f"{text}\n")
        for line in self._branches(root.under, "", signs):
            self.stream.write(f"{line}\n")

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows in columns, under their headings."""
        self.stream.write(f"{table(headings, rows, self.width)}\n")

    def _branches(self, lines: Sequence[Line], before: str, signs: _Signs) -> Iterator[str]:
        for place, line in enumerate(lines, 1):
            is_last = place == len(lines)
            sign = signs.marks.get(line.mark, "")
            branch = signs.last if is_last else signs.branch
            further = before + (signs.gap if is_last else signs.trunk)
            # Beside the branches below it, where there are any.
            beside = further + (signs.trunk if line.under else "")
            room = self.width and self.width - len(beside)
            indent = 0 if line.under else len(sign)
            first, *others = wrapped(sign + safe(line.text), room, indent).split("\n")
            yield f"{before}{branch}{self._coloured(first, line.mark)}"
            for other in others:
                yield f"{beside}{self._coloured(other, line.mark)}"
            yield from self._branches(line.under, further, signs)

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
    colour = terminal and not environment.get("NO_COLOR") and not as_json
    return Output(stream, colour, as_json, columns_of(stream))


def join_words(words: Iterable[Any]) -> str:
    """List words with commas."""
    return ", ".join(map(str, words))


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
