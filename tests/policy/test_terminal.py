"""What is printed steers neither a terminal nor a CI runner, whatever the texts in it hold."""

from __future__ import annotations

import io
import json
import sys
import unicodedata

import pytest

from infra.preview import comment
from policy.terminal import Parser, json_text, safe, say, show_anything

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
EVERYTHING = [chr(code) for code in range(sys.maxunicode + 1)]


def test_every_character_that_steers_is_shown() -> None:
    """Controls, directions, breaks, halves of pairs, and all that has no width of its own."""
    steering = [each for each in EVERYTHING if unicodedata.category(each) in STEERING]
    for each in steering:
        shown = safe(f"a{each}b")
        assert shown.isascii(), hex(ord(each))
        assert shown.isprintable(), hex(ord(each))
    others = (each for each in EVERYTHING if unicodedata.category(each) not in STEERING)
    shown = safe("".join(others))
    assert len(shown.splitlines()) == 1
    shown.encode()


def test_what_can_be_seen_stays() -> None:
    """Letters of any script, signs and emoji."""
    text = (
        "Bereitschaft f\u00fcr Z\u00fcrich \u2705 \u65e5\u672c \u0434\u0435\u0436 \U0001f389 a\\b"
    )
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
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
def test_how_it_is_shown(text: str, shown: str) -> None:
    """As the escape that Python writes for it; what a runner obeys, too."""
    assert safe(text) == shown


def test_json_is_the_same_value() -> None:
    """A script reads what was meant, and a runner sees no command."""
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
        said = capsys.readouterr().err
        assert said.replace("\n", "").isprintable()
        assert not any(line.startswith("::") for line in said.splitlines())


def test_a_preview_comments_on_itself_only() -> None:
    """What Pulumi says ends no fence, gives no command, and stays as many lines as it was."""
    said = "ok\n\t+ a\r\n::error::x\n ##[error]y\n```\n~~~\n\x1b[31mred\x1b[0m\u202e\n"
    text = comment("dev\n# x\x1b", said, 1)
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
