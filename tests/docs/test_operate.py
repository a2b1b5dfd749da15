"""The runbook: a section for each alarm, and commands that exist. The engine's tests run them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from cli.main import _parser
from handler.providers.registry import PROVIDERS
from infra.alarms import APPROVALS_THAT_RING, Alarm, alarms_for
from infra.settings import KEYS
from tests.support.filter_pattern import matches
from tests.support.operate import FILE, SECTIONS, slug

ROOT = Path(__file__).resolve().parents[2]
TEXT = FILE.read_text(encoding="utf-8")
OF_ALARMS = "When an alarm rings"
SCRIPTS = [script for section in SECTIONS.values() for script in section.blocks]
ONCALL = sorted(set(re.findall(r"^oncall .*$", "\n".join(SCRIPTS), re.MULTILINE)))


def test_each_section_of_that_part_is_an_alarms() -> None:
    """None for what does not ring, and none missing."""
    sections = {title for title, each in SECTIONS.items() if each.part == OF_ALARMS} - {OF_ALARMS}
    assert sections == {each.section for each in alarms_for(PROVIDERS)}


@pytest.mark.parametrize("alarm", alarms_for(PROVIDERS), ids=lambda each: each.name)
def test_an_alarm_leads_to_its_section(alarm: Alarm) -> None:
    """The alarm is called like the section, and a provider's has the provider after that."""
    name = slug(alarm.section)
    assert alarm.name in {name, *(f"{name}-{each.id}" for each in PROVIDERS)}
    section = SECTIONS[alarm.section]
    # What it means, in a sentence, then what to do.
    assert re.match(r"\n\n\*[^*]+\.\*", section.text)
    assert section.blocks


def test_numbers_are_the_programs() -> None:
    """What the text says rings the alarm is what does."""
    by_section = {each.section: each for each in alarms_for(PROVIDERS)}
    many = SECTIONS["Many approvals"].text
    assert f"*{APPROVALS_THAT_RING} requests or more" in many
    assert "within an hour" in many
    refused = by_section["Signatures refused"]
    text = SECTIONS["Signatures refused"].text
    assert f"*{refused.threshold} calls or more within {refused.minutes} minutes" in text
    assert f"*For {by_section['Provider failing'].minutes} minutes" in (
        SECTIONS["Provider failing"].text
    )


def test_links_lead_somewhere() -> None:
    """Each link within the runbook is to a section that there is."""
    links = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert links
    assert set(links) <= {slug(title) for title in SECTIONS}


def test_settings_are_settings() -> None:
    """Each key that is set, read or taken back is one that the program reads, in code or text."""
    keys = re.findall(r"pulumi config (?:set|get|rm) (?:--secret )?(?!aws:)(\w+)", TEXT)
    assert len(keys) > 10
    assert set(keys) <= set(KEYS)


def test_targets_are_targets() -> None:
    """Each `make` is of a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", "\n".join(SCRIPTS), flags=re.MULTILINE))
    assert named
    assert named <= targets


def test_patterns_are_understood() -> None:
    """What `aws logs tail` filters by is in CloudWatch's syntax, of fields that a line has."""
    patterns = re.findall(r"--filter-pattern '([^']+)'", TEXT)
    line = json.dumps(
        {
            "message": "failed",
            "outcome": "approve",
            "self_made": True,
            "without_email": {"jsm": {"people": 2, "of": 3}},
        }
    )
    assert len(patterns) >= 3
    assert all(matches(each, line) for each in patterns)


@pytest.mark.parametrize("line", ONCALL)
def test_oncall_takes_it(line: str) -> None:
    """Each `oncall` has that subcommand, with these options."""
    command, *arguments = shlex.split(line, comments=True)
    assert command == "oncall"
    assert _parser().parse_args(arguments).run
