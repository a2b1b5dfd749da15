"""No text can control the terminal or the CI runner that it is printed to."""

from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest

from infra.preview import comment
from policy.terminal import (
    Parser,
    columns_of,
    counted,
    json_text,
    safe,
    say,
    show_anything,
    table,
    wrapped,
)

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_control_character_is_escaped() -> None:
    """Controls, directions, breaks, lone surrogates, and everything without a width."""
    everything = list(map(chr, range(sys.maxunicode + 1)))
    steering = [each for each in everything if unicodedata.category(each) in STEERING]
    for each in steering:
        output = safe(f"a{each}b")
        assert output.isascii(), hex(ord(each))
        assert output.isprintable(), hex(ord(each))
    others = (each for each in everything if unicodedata.category(each) not in STEERING)
    output = safe("".join(others))
    assert len(output.splitlines()) == 1
    output.encode()


def test_visible_characters_are_unchanged() -> None:
    """Letters of any script, symbols and emoji."""
    text = (
        "Bereitschaft f\u00fcr Z\u00fcrich \u2705 \u65e5\u672c \u0434\u0435\u0436 \U0001f389 a\\b"
    )
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb\x07", r"a\x1b[31mb\x07"),
        ("a\r\nb\x85c\u2028d", r"a\r\nb\x85c\u2028d"),
        ("a\u202eb\u2066c\u200bd", r"a\u202eb\u2066c\u200bd"),
        ("a\udcffb\ud800", r"a\udcffb\ud800"),
        ("::error::x", r"\x3a:error::x"),
        ("  ::error::x", r"  \x3a:error::x"),
        ("a ::error::x", "a ::error::x"),
        ("a ##[error]x ##[group]", r"a #\x23[error]x #\x23[group]"),
        ("###[error]x", r"##\x23[error]x"),
        ("# [1]", "# [1]"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    """Python's escapes; also for the commands of CI runners."""
    assert safe(text) == expected


def test_json_is_the_same_value() -> None:
    """A script reads the original value, and a runner sees no command."""
    value = {"##[x]": "##[error]\x1b \u202e", "a": ["::error::", "\\##["]}
    assert json.loads(json_text(value)) == value
    assert "##[" not in json_text(value)
    assert json_text(value).replace("\n", "").isprintable()


def test_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It is one line, on either stream, in any encoding."""
    say("a\nb")
    say("c\x1b", sys.stderr)
    assert capsys.readouterr() == ("a\\nb\n", "c\\x1b\n")
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_anything(narrow, io.StringIO())
    say("Z\u00fcrich", narrow)
    narrow.seek(0)
    assert narrow.read() == "Z\\xfcrich\n"


def test_wrong_arguments_are_repeated_safely(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a command and of its subcommands alike."""
    parser = Parser(prog="p")
    parser.add_subparsers(required=True).add_parser("sub").add_argument("n", type=int)
    for arguments in (["x\x1b[2J\n::error::y"], ["sub", "\x1b]0;x\x07"], ["sub", "1", "\x1b\n::a"]):
        with pytest.raises(SystemExit):
            parser.parse_args(arguments)
        output = capsys.readouterr().err
        assert output.replace("\n", "").isprintable()
        assert not any(line.startswith("::") for line in output.splitlines())


def test_a_preview_comment_is_contained() -> None:
    """Pulumi's output cannot end the fence or give a command, and keeps its number of lines."""
    output = "ok\n\t+ a\r\n::error::x\n ##[error]y\n```\n~~~\n\x1b[31mred\x1b[0m\u202e\n"
    text = comment("dev\n# x\x1b", output, 1)
    head, _, rest = text.partition("\n\n")
    assert head == r"### Preview of dev\n# x\x1b failed (exit code 1)"
    fence, *lines, end, last = rest.split("\n")
    assert (fence, end, last) == ("````text", "````", "")
    assert lines == [
        "ok",
        "        + a",
        r"\x3a:error::x",
        r" #\x23[error]y",
        "```",
        "~~~",
        r"\x1b[31mred\x1b[0m\u202e",
    ]


LONG = "on call for Production (incident.io) until 12:51 UTC"


@pytest.mark.parametrize(
    ("text", "width", "indent", "expected"),
    [
        (LONG, None, 0, LONG),
        (LONG, len(LONG), 0, LONG),
        (LONG, 30, 0, "on call for Production\n(incident.io) until 12:51 UTC"),
        (f"ok {LONG}", 34, 3, "ok on call for Production\n   (incident.io) until 12:51 UTC"),
        ("a `oncall who x:y` b", 10, 0, "a\n`oncall who x:y`\nb"),
        ("see (`a b c`, or d)", 8, 0, "see\n(`a b c`,\nor d)"),
        ("a " + "b" * 20, 10, 0, "a\n" + "b" * 20),
        ("aaaaaaaa ::error::x", 10, 0, "aaaaaaaa\n\\x3a:error::x"),
        ("", 10, 0, ""),
    ],
)
def test_lines_are_broken_between_words(
    text: str, width: int | None, indent: int, expected: str
) -> None:
    """Never within a word or a command, which would be pasted as two."""
    assert wrapped(text, width, indent) == expected


ROWS = [("jane@example.com", "6h0m0s", LONG), ("omar@example.com", "30m", "no")]


def test_a_table_fits_its_width() -> None:
    """The widest column is wrapped, each line of a cell under the one before."""
    assert table(("who", "for", "why"), ROWS, 50).splitlines() == [
        "who               for     why",
        "----------------  ------  ------------------------",
        "jane@example.com  6h0m0s  on call for Production",
        "                          (incident.io) until",
        "                          12:51 UTC",
        "omar@example.com  30m     no",
    ]
    first = table(("why", "times"), [(LONG, "7")], 40).splitlines()
    assert [len(each) <= 40 for each in first] == [True] * len(first)
    assert first[2].endswith("  7")


def test_a_table_outside_a_terminal() -> None:
    """Each row is one line; too wide words are not broken."""
    assert len(table(("who", "for", "why"), ROWS).splitlines()) == 4
    assert LONG in table(("who", "for", "why"), ROWS)
    assert "jane@example.com" in table(("who", "for", "why"), ROWS, 10)


def test_only_a_terminal_has_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gets whole lines."""
    monkeypatch.setenv("COLUMNS", "72")
    stream = io.StringIO()
    assert columns_of(stream) is None
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert columns_of(stream) == 72


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("error: a setting is wrong", "error: a setting is\nwrong"),
        ("- a setting is very wrong", "- a setting is very\n  wrong"),
        ("      + a rule that denies", "      + a rule that\n        denies"),
        ("run `export A=1 B=2 C=3`", "run\n`export A=1 B=2 C=3`"),
    ],
)
def test_a_line_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    """It is broken between words, and what belongs to an entry of a list is indented with it."""
    monkeypatch.setenv("COLUMNS", "20")
    stream = io.StringIO()
    say(text, stream)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    say(text, stream)
    assert stream.getvalue() == f"{text}\n{expected}\n"


def test_what_precedes_a_text_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an indent, the following lines are below the text."""
    monkeypatch.setenv("COLUMNS", "20")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    say("  ok   A DBA who is on shift", stream, indent=7)
    assert stream.getvalue() == "  ok   A DBA who is\n       on shift\n"


def test_counted() -> None:
    """One of something has no plural."""
    assert [counted(each, "rule") for each in range(3)] == ["0 rules", "1 rule", "2 rules"]


def test_without_arguments_there_is_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, with the status of wrong use."""
    parser = Parser(prog="p", description="what it does")
    parser.add_argument("name")
    monkeypatch.setattr(sys, "argv", ["p"])
    none: list[str] = []
    for given in (None, none):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(given)
        assert ended.value.code == 2
        assert "what it does" in capsys.readouterr().err
    assert parser.parse_args(["x"]).name == "x"
