"""What the README says of targets, settings, costs and places is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handler.providers.registry import PROVIDERS
from infra.alarms import APPROVALS_THAT_RING, REFUSALS_THAT_RING, alarms_for
from infra.metrics import metrics_for
from infra.settings import KEYS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    str(each.relative_to(ROOT)) for each in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
]
TARGETS = re.findall(
    r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
)


def section(heading: str) -> str:
    """Take what stands below a heading, up to the next one."""
    return re.split(r"^#+ ", README.partition(f"{heading}\n")[2], flags=re.MULTILINE)[0]


def anchors(text: str) -> set[str]:
    """Make the anchors of a document's headings as GitHub does."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """To a file that is there, and to a heading of it."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        to = (ROOT / document).parent / path if path else ROOT / document
        assert to.exists(), link
        assert not anchor or anchor in anchors(to.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each != "CHANGELOG.md"])
def test_targets_are_there(document: str) -> None:
    """Each `make` that a document names is a target; a changelog names those that were, too."""
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(
        r"`(?:\w+=\S+ )*make ([a-z0-9-]+)|^\$? *make ([a-z0-9-]+)", text, re.MULTILINE
    )
    assert {one or other for one, other in named} <= set(TARGETS)


def test_settings_are_settings() -> None:
    """Each key that is set or taken away is one, and each key has its row."""
    named = re.findall(r"pulumi config (?:set|rm) (?:--\w+ )*([A-Z_]+)", README)
    assert set(named) - {"KEY"} <= set(KEYS)
    rows = re.findall(r"`([A-Z_]+)`", section("## Settings"))
    assert set(rows) >= set(KEYS)


def test_what_is_counted_costs() -> None:
    """As many metrics and alarms as one provider and all of them take."""
    for name, of in (("custom metrics", metrics_for), ("alarms", alarms_for)):
        few, many = len(of(PROVIDERS[:1])), len(of(PROVIDERS))
        price = 30 if of is metrics_for else 10
        row = f"| {few} to {many} {name} | {few * price / 100:.2f} to {many * price / 100:.2f} |"
        assert row in section("### What it costs")


def test_alarms_ring_when_the_program_says() -> None:
    """Each has a row; where it is a number of calls or requests that rings it, with that number."""
    rows = section("## Alarms and the dashboard")
    for alarm in alarms_for(PROVIDERS):
        name = re.sub("(?<=provider-failing-).*", "<provider>", alarm.name)
        assert f"| `{name}` |" in rows
    assert f"| {REFUSALS_THAT_RING} calls within 15 minutes did not prove" in rows
    assert f"| {APPROVALS_THAT_RING} requests were approved within an hour |" in rows
