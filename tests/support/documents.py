"""The documents' sections, with their text and commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DEPLOY, OPERATE = ROOT / "docs/deploy.md", ROOT / "docs/operate.md"
_HEADING = re.compile(r"^(#{2,4}) (.+)$", flags=re.MULTILINE)
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)


class Section(NamedTuple):
    """A section of a document.

    Attributes:
        part: the heading of level 2 that it is under, or its own.
        text: its text, up to the next heading.
        blocks: its blocks of commands, as shell scripts.
    """

    part: str
    text: str
    blocks: Sequence[str]


def read_sections(document: Path) -> Mapping[str, Section]:
    """Read the sections of a document, by heading."""
    text = document.read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    sections: dict[str, Section] = {}
    part = ""
    for heading, end in zip(headings, ends, strict=True):
        level, title = heading.groups()
        part = title if level == "##" else part
        body = text[heading.end() : end]
        blocks = [textwrap.dedent(script) for _, script in _BLOCK.findall(body)]
        sections[title] = Section(part, body, blocks)
    return sections


def slug(heading: str) -> str:
    """Make a heading's link as GitHub does."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
