"""`python -m infra.settings_reference`: writes the table of settings into what repeats it.

That is the config section of `Pulumi.yaml`, which Pulumi needs, and docs/settings.md.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from infra.settings import ALL_SETTINGS

ROOT = Path(__file__).resolve().parent.parent
PROJECT, DOCUMENT = ROOT / "Pulumi.yaml", ROOT / "docs/settings.md"
BEGIN, END = "<!-- settings: `make settings` writes this table -->\n", "<!-- end of settings -->\n"
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def pulumi_config() -> str:
    """Write the config section of `Pulumi.yaml`: the plain keys, each with its default.

    Without a type: the CLI's own refusals of secret, required and typed keys name no remedy, so
    the program checks every value itself.
    """
    config = {
        row.name: {
            "description": _plain(row.doc),
            "default": row.default,
        }
        for row in ALL_SETTINGS
        if not row.secret
    }
    return yaml.safe_dump({"config": config}, sort_keys=False, width=1000, allow_unicode=True)


def reference_table() -> str:
    """Write the Markdown table of all settings."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for row in ALL_SETTINGS:
        default = f"`{row.default}`" if row.default else "secret" if row.secret else ""
        lines.append(f"| `{row.name}` | {default} | {row.doc} |")
    return "\n".join(lines) + "\n"


def updated_project(text: str) -> str:
    """Put the config section at the end of a `Pulumi.yaml`, where it is."""
    return text.partition("\nconfig:\n")[0] + "\n" + pulumi_config()


def updated_document(text: str) -> str:
    """Put the table between its marks in a document.

    Raises:
        ValueError: the marks aren't there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"there are no lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{reference_table()}\n{end}{after}"


def _plain(markdown: str) -> str:
    """Take links and backticks out of Markdown."""
    return _LINK.sub(r"\1", markdown).replace("`", "")


if __name__ == "__main__":
    for file, updated in ((PROJECT, updated_project), (DOCUMENT, updated_document)):
        file.write_text(updated(file.read_text(encoding="utf-8")), encoding="utf-8")
