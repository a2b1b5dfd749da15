"""The make targets, settings and `oncall` commands in the documents exist."""

from __future__ import annotations

import re
import shlex

import pytest

from cli.main import _parser
from handler.settings import SECRET_KEYS
from infra.settings import KEYS
from tests.docs.test_pasting import DOCUMENTS, blocks
from tests.support.documents import ROOT

TARGETS = re.findall(
    r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
)
# The changelog also names what was removed.
PRESENT = [document for document in DOCUMENTS if document != "CHANGELOG.md"]
# In a block or in a sentence.
SET = re.compile(r"pulumi config (set|get|rm) ((?:--secret )?)(?!aws:)(\w+)")


def _text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _scripts(document: str) -> str:
    return "\n".join(blocks(_text(document)))


@pytest.mark.parametrize("document", PRESENT)
def test_make_targets_exist(document: str) -> None:
    """Every `make` target that a document names exists."""
    text = _text(document)
    named = re.findall(r"`(?:\w+=\S+ )*make ([a-z0-9-]+)", text)
    named += re.findall(r"(?:^|\(|&& )make (?:-s )?([a-z0-9-]+)", _scripts(document), re.MULTILINE)
    named += re.findall(r"^ {4}make ([a-z0-9-]+)", text, re.MULTILINE)
    assert {*named} <= {*TARGETS}


@pytest.mark.parametrize("document", PRESENT)
def test_settings_exist(document: str) -> None:
    """Every setting that a document names exists, and only secrets are set with --secret."""
    for verb, secret, key in SET.findall(_text(document)):
        if key != "KEY":
            assert key in KEYS
            assert verb != "set" or bool(secret) == (key in SECRET_KEYS), key


def _oncall_commands() -> set[str]:
    lines = "\n".join(map(_scripts, PRESENT))
    return set(re.findall(r"^(?:\.venv/bin/)?(oncall .*)$", lines, re.MULTILINE))


@pytest.mark.parametrize("line", sorted(_oncall_commands()))
def test_oncall_accepts_the_arguments(line: str) -> None:
    """`oncall` has each subcommand and option that a document uses."""
    command, *arguments = shlex.split(line)
    assert command == "oncall"
    assert _parser().parse_args(arguments).run


def test_commands_are_found() -> None:
    """The patterns above find the documents' commands."""
    assert len(SET.findall(_text("docs/operate.md"))) > 10
    assert len(_oncall_commands()) > 10
