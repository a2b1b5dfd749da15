"""The documents' commands can be pasted into a prompt of bash or of zsh, the shell of macOS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = re.compile(r"/(\.|dist/|node_modules/)")
DOCUMENTS = sorted(
    str(file.relative_to(ROOT))
    for file in ROOT.rglob("*.md")
    if not HIDDEN.search(f"/{file.relative_to(ROOT)}".replace("/.github/", "/"))
)
BLOCK = re.compile(r"^ *```(sh|console|bash|zsh|shell)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HERE_DOCUMENT = re.compile(r"(<<'(\w+)'\n).*?^ *\2$", re.MULTILINE | re.DOTALL)
ASKS = re.compile(r"read |pulumi config set --secret \w+(?: --stack \w+)?$")
IN_SINGLE_QUOTES = re.compile(r"'[^']*'")
IN_DOUBLE_QUOTES = re.compile(r'"[^"]*"')


def blocks(text: str) -> Iterator[str]:
    """Give the commands of each block; in a console block, those after a prompt."""
    for language, block in BLOCK.findall(text):
        lines = [line.strip() for line in block.splitlines()]
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield HERE_DOCUMENT.sub(r"\1", "\n".join(lines) + "\n")


def traps(script: str) -> list[str]:
    """Find the lines that mean something else at a prompt than in a script."""
    joined = script.replace("\\\n", "")
    lines = joined.splitlines()
    found = [line for line in lines[:-1] if ASKS.match(line)]
    for line in lines:
        # In bash and zsh, `!` expands history even in double quotes.
        history = IN_SINGLE_QUOTES.sub("", line) if line.count('"') == 0 else line
        patterns = IN_SINGLE_QUOTES.sub("", IN_DOUBLE_QUOTES.sub("", line))
        if (
            re.search(r"(^|\s)#", patterns)
            or re.search(r"![^\s=(]", history)
            or re.search(r"[?*\[]|(^|\s)=\w", patterns)
        ):
            found.append(line)
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_can_be_pasted(document: str) -> None:
    """No comment, history expansion or pattern; a command that asks for input comes last."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert [line for script in blocks(text) for line in traps(script)] == []


def test_blocks_are_found() -> None:
    """The packages' READMEs are checked as well, and the runbook's blocks are found."""
    assert {"README.md", "docs/operate.md", "sdk/approvals/README.md", "CONTRIBUTING.md"} <= {
        *DOCUMENTS
    }
    runbook = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    assert len([*blocks(runbook)]) > 20


@pytest.mark.parametrize(
    ("script", "trap"),
    [
        ("make up # locally\n", True),
        ("# locally\nmake up\n", True),
        ("read -rs SECRET && export SECRET\nmake up\n", True),
        ("read -rs SECRET && export SECRET\n", False),
        ("pulumi config set --secret KEY --stack dev\nmake deploy\n", True),
        ("echo key | pulumi config set --secret KEY\nmake deploy\n", False),
        ('aws s3 ls --query "a && !b"\n', True),
        ("aws s3 ls --query 'a && !b'\n", False),
        ("pip install approvals[all]\n", True),
        ("export URL=s3://b?region=x\n", True),
        ("export URL='s3://b?region=x#y'\n", False),
        ("ls *.md\n", True),
        ("python - <<'END'\nlist = [1]  # a comment\nEND\nmake up\n", False),
    ],
)
def test_traps_are_found(script: str, trap: bool) -> None:  # noqa: FBT001 - a table of truths
    """A line that a prompt misreads is found, and a safe one isn't."""
    (typed,) = blocks(f"```sh\n{script}```\n")
    assert bool(traps(typed)) is trap
