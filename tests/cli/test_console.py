"""Output suits the terminal, and never controls it."""

from __future__ import annotations

import io
import json

import pytest

from auditlog.explain import NO, YES, Line
from cli.console import HUMANS, Output, output
from policy.terminal import safe

TREE = Line("yes", YES, (Line("why", under=(Line("a", YES), Line("b", NO))), Line("end")))
GREEN, YELLOW, RED, END = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
BOLD = "\x1b[1m"


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Always true."""
        return True


def printed(tree: Line, encoding: str, *, colour: bool = False) -> str:
    """Print a tree in this encoding, and return the text."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Output(stream, colour).tree(tree)
    stream.seek(0)
    return stream.read()


def test_a_tree() -> None:
    """If the encoding allows it, branches and marks are Unicode symbols."""
    assert printed(TREE, "utf-8").splitlines() == [
        "yes",
        "├─ why",
        "│  ├─ ✓ a",
        "│  └─ ✗ b",
        "└─ end",
    ]


def test_a_tree_in_ascii() -> None:
    """In other encodings, branches and marks are ASCII characters."""
    assert printed(TREE, "latin-1").splitlines() == [
        "yes",
        "|- why",
        "|  |- + a",
        "|  `- x b",
        "`- end",
    ]


def test_a_tree_in_colour() -> None:
    """Green marks a yes, red a no, and the answer is bold."""
    lines = printed(TREE, "utf-8", colour=True).splitlines()
    assert lines[0] == f"{BOLD}{GREEN}yes{END}{END}"
    assert lines[2:4] == [f"│  ├─ {GREEN}✓ a{END}", f"│  └─ {RED}✗ b{END}"]
    assert lines[1] == "├─ why"
    (answer, *_) = printed(TREE._replace(mark=NO), "utf-8", colour=True).splitlines()
    assert answer == f"{BOLD}{YELLOW}yes{END}{END}"


def test_colours_of_lines_and_tables() -> None:
    """Only a line's label and a table's first heading are coloured."""
    stream = io.StringIO()
    out = Output(stream, colour=True, width=20)
    out.line("problem  one two three", NO, 9)
    out.line("nobody", HUMANS)
    out.line("plain")
    out.table(("approved", "why"), [("jane", "on call")], YES)
    assert stream.getvalue().splitlines() == [
        f"{RED}problem  {END}one two",
        "         three",
        f"{YELLOW}nobody{END}",
        "plain",
        f"{GREEN}approved{END}  why",
        "--------  -------",
        "jane      on call",
    ]


@pytest.mark.parametrize(
    ("environment", "as_json", "colour"),
    [
        ({"TERM": "xterm"}, False, True),
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({}, True, False),
    ],
)
def test_colour(environment: dict[str, str], as_json: bool, colour: bool) -> None:  # noqa: FBT001 - the table's columns
    """Only a terminal without NO_COLOR gets colours."""
    assert output(Terminal(), environment, as_json=as_json).colour is colour
    assert output(io.StringIO(), environment, as_json=as_json).colour is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DBA \x1b[2J\x07", "DBA \\x1b[2J\\x07"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("left\u202eright", "left\\u202eright"),
        ("Bereitschaft für Zürich ✅", "Bereitschaft für Zürich ✅"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    """Control characters in names are escaped."""
    assert safe(text) == expected
    stream = io.StringIO()
    out = Output(stream)
    out.line(text)
    out.tree(Line(text, NO, (Line(text),)))
    out.table(("a",), [(text,)])
    output_text = stream.getvalue()
    assert output_text.count(expected) == 4
    assert output_text.replace("\n", "").isprintable()


def test_json_is_one_value() -> None:
    """JSON output is one value in ASCII, whatever the names contain."""
    stream = io.StringIO()
    Output(stream, as_json=True).json({"a": "\x1b", "b": "ü"})
    assert json.loads(stream.getvalue()) == {"a": "\x1b", "b": "ü"}
    assert stream.getvalue().isascii()


def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines wrap below their text in a terminal, but not in a pipe or in JSON."""
    monkeypatch.setenv("COLUMNS", "24")
    stream = Terminal()
    out = output(stream, {"TERM": "xterm", "NO_COLOR": "1"}, as_json=False)
    words = "one two three four five six"
    out.line(f"ok   {words}", indent=5)
    out.tree(Line(words, YES, (Line(words, NO, (Line(words),)), Line(words, YES))))
    assert stream.getvalue().splitlines() == [
        "ok   one two three four",
        "     five six",
        "one two three four five",
        "six",
        "├─ ✗ one two three",
        "│  │  four five six",
        "│  └─ one two three four",
        "│     five six",
        "└─ ✓ one two three four",
        "     five six",
    ]
    assert output(io.StringIO(), {}, as_json=False).width is None
