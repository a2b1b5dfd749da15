"""The README is short, its links work, and its lists and costs match the code."""

from __future__ import annotations

import re
from functools import partial

import pytest

from handler import __version__
from handler.callers import CALLERS
from handler.providers.registry import PROVIDERS
from infra.alarms import alarms_for
from infra.metrics import metrics_for
from tests.docs.test_pasting import DOCUMENTS
from tests.support.documents import DEPLOY, README, ROOT, read_sections, slug

TEXT = README.read_text(encoding="utf-8")
MOST_WORDS = 1300
LONGEST_LINE = 80


def anchors(text: str) -> set[str]:
    """Make the anchors of a document's headings as GitHub does."""
    without_blocks = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", without_blocks, re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    """Every link leads to an existing file and heading."""
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)|src=\"(?!https?:)([^\"]+)\"", text)
    for link in (one or other for one, other in links):
        path, _, anchor = link.partition("#")
        to = (ROOT / document).parent / path if path else ROOT / document
        assert to.exists(), link
        assert not anchor or anchor in anchors(to.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name.startswith("docs/")])
def test_every_page_is_found_from_the_readme(document: str) -> None:
    """The README links to each page, and each page starts with its audience."""
    assert f"]({document})" in TEXT
    text = (ROOT / document).read_text(encoding="utf-8")
    assert re.match(r"# .+\n\nFor whoever ", text)


def test_readme_is_short() -> None:
    """The README stays below a number of words, and its console output fits a terminal."""
    assert len(TEXT.split()) <= MOST_WORDS
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
        assert max(map(len, block.splitlines())) <= LONGEST_LINE


def test_version_is_current() -> None:
    """The README names the current version, which is the changelog's newest."""
    assert f"version {__version__}." in TEXT
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[([0-9.]+)\]", changelog, re.MULTILINE)[0] == __version__


def test_every_caller_and_provider_is_listed() -> None:
    """The README links to each caller's section and has a row for each provider."""
    for caller in CALLERS:
        assert f"(docs/callers.md#{caller.name})" in TEXT
    for provider in PROVIDERS:
        assert f"\n| {provider.name}" in TEXT


def test_costs_match_the_metrics_and_alarms() -> None:
    """The costs are those of the metrics and alarms that one provider and all providers need."""
    costs = read_sections(DEPLOY)["What it costs"].text
    own_alarms = partial(alarms_for, has_api=False)
    for name, of in (("custom metrics", metrics_for), ("alarms", own_alarms)):
        few, many = (len(of(some, notices=False)) for some in (PROVIDERS[:1], PROVIDERS))
        price = 30 if of is metrics_for else 10
        row = f"| {few} to {many} {name} | {few * price / 100:.2f} to {many * price / 100:.2f} |"
        assert row in costs
    (most,) = re.findall(r"\*\*0\.40\*\*, or \*\*[0-9.]+ to ([0-9.]+)\*\*", costs)
    assert f"0.40 to {most} dollars a month" in TEXT
