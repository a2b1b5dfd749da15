"""What the command prints: lines, trees, tables and JSON. Colours are for terminals only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from auditlog.explain import NO, YES, Line
from policy.terminal import columns_of, json_text, safe, table, wrapped

# The mark of an answer that approves nobody without anything being wrong.
HUMANS = "left to humans"
_GREEN, _YELLOW, _RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"
_BOLD, _END = "\x1b[1m", "\x1b[0m"
_COLOURS = {YES: _GREEN, HUMANS: _YELLOW, NO: _RED}


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
        """Print a line; where it has to be broken, what follows is indented.

        Names in it come from elsewhere, so nothing in them may steer the terminal. The mark colours
        the whole line, or only the label that the indented text stands beside.
        """
        first, *others = wrapped(safe(text), self.width, indent).split("\n")
        if indent:
            self.stream.write(f"{self._coloured(first[:indent], mark)}{first[indent:]}\n")
        else:
            self.stream.write(f"{self._coloured(first, mark)}\n")
        for other in others:
            self.stream.write(f"{other if indent else self._coloured(other, mark)}\n")

    def tree(self, root: Line) -> None:
        """Print a tree, with signs that any terminal knows where it knows no others."""
        signs = _SIGNS if _can_show(self.stream, "├─└│✓✗") else _ASCII
        mark = YES if root.mark == YES else HUMANS
        for text in wrapped(safe(root.text), self.width).split("\n"):
            coloured = self._coloured(text, mark)
            self.stream.write(f"{_BOLD}{coloured}{_END}\n" if self.colour else f"{text}\n")
        for line in self._branches(root.under, "", signs):
            self.stream.write(f"{line}\n")

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]], mark: str = "") -> None:
        """Print rows in columns, under their headings; the mark colours the first of these."""
        text = table(headings, rows, self.width)
        if text.startswith(headings[0]):
            text = self._coloured(headings[0], mark) + text[len(headings[0]) :]
        self.stream.write(f"{text}\n")

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
    """Make the output: in colour on a terminal that supports it, unless NO_COLOR is set."""
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
