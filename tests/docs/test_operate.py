"""docs/operate.md has a section for each alarm. The engine's tests run its commands."""

from __future__ import annotations

import json
import re

import pytest

from handler.notices import notice_of, webhook_body
from handler.providers.registry import PROVIDERS
from infra.alarms import APPROVALS_THAT_RING, REFUSALS_THAT_RING, Alarm, alarms_for
from tests.handler.conftest import NOW
from tests.handler.test_notices import approve
from tests.support.documents import OPERATE, ROOT, read_sections, slug
from tests.support.filter_pattern import matches

TEXT = OPERATE.read_text(encoding="utf-8")
SECTIONS = read_sections(OPERATE)
ALARMS = alarms_for(PROVIDERS, notices=True, has_api=True)
OF_ALARMS = "When an alarm fires"


def test_every_alarm_has_a_section_and_every_section_an_alarm() -> None:
    """Below "When an alarm fires" there is one section per alarm, and no other section."""
    sections = {title for title, section in SECTIONS.items() if section.part == OF_ALARMS}
    assert sections - {OF_ALARMS} == {alarm.section for alarm in ALARMS}


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_leads_to_its_section(alarm: Alarm) -> None:
    """The alarm's name is the section's link; a provider's id may follow."""
    name = slug(alarm.section)
    assert alarm.name in {name, *(f"{name}-{provider.id}" for provider in PROVIDERS)}
    section = SECTIONS[alarm.section]
    # First a sentence that explains the alarm, then what to do.
    assert re.match(r"\n\n\*[^*]+\.\*", section.text)
    assert section.blocks


def test_thresholds_match_the_alarms() -> None:
    """The numbers and times of the sections and of docs/security.md are the deployed alarms'."""
    by_section = {alarm.section: alarm for alarm in ALARMS}
    many = SECTIONS["Many approvals"].text
    assert f"*{APPROVALS_THAT_RING} requests or more" in many
    assert "within an hour" in many
    refused = by_section["Signatures refused"]
    text = SECTIONS["Signatures refused"].text
    assert f"*{refused.threshold} calls or more within {refused.minutes} minutes" in text
    security = " ".join((ROOT / "docs/security.md").read_text(encoding="utf-8").split())
    few = f"{refused.threshold} calls without valid proof within {refused.minutes} minutes"
    assert few in security
    failing = f"*For {by_section['Provider failing'].minutes} minutes"
    assert failing in SECTIONS["Provider failing"].text


def test_table_lists_every_alarm() -> None:
    """Every alarm has a row, with its threshold if it counts calls or requests."""
    rows = SECTIONS["Alarms"].text
    for alarm in ALARMS:
        name = re.sub("(?<=provider-failing-).*", "<provider>", alarm.name)
        assert f"| `{name}` |" in rows
    assert f"| {REFUSALS_THAT_RING} calls within 15 minutes did not prove" in rows
    assert f"| {APPROVALS_THAT_RING} requests were approved within an hour |" in rows


def test_filter_patterns_are_valid() -> None:
    """Filters of `aws logs tail` have CloudWatch's syntax, and name fields of our log lines."""
    patterns = re.findall(r"--filter-pattern '([^']+)'", TEXT)
    line = json.dumps(
        {
            "message": "failed",
            "outcome": "approve",
            "self_made": True,
            "without_email": {"jsm": {"people": 2, "of": 3}},
        }
    )
    notice = json.dumps({"message": "notice failed"})
    assert len(patterns) >= 3
    assert all(matches(pattern, line) or matches(pattern, notice) for pattern in patterns)


def test_example_notice_is_what_is_sent() -> None:
    """The example has exactly the fields of a notice that the function sends."""
    (block,) = re.findall(r"```json\n(.*?)```", SECTIONS["Notices"].text, re.DOTALL)
    example, sent = json.loads(block), json.loads(webhook_body(notice_of([approve()]), NOW))

    def fields(value: object) -> object:
        if isinstance(value, list):
            return [fields(entry) for entry in value]
        if isinstance(value, dict):
            return {name: fields(part) for name, part in value.items()}
        return type(value)

    assert fields(example) == fields(sent)
    assert example["type"] == sent["type"]
