"""If a deployed stack's config is refused, nothing of the stack changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import PulumiProject

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "key"}
UNHANDLED = "an unhandled error occurred"
# Each wrong setting, as the CLI writes it to the stack's file.
WRONG = (
    ("MEMORY_MB", "1", "MEMORY_MB is '1'"),
    ("AUTO_APPROVAL_DURATION", "soon", "AUTO_APPROVAL_DURATION is 'soon'"),
    ("AUTO_APPROVAL_SCHEDULES[0]", "Production", "AUTO_APPROVAL_SCHEDULES is the list"),
    ("PAGERDUTY_SCHEDULES", "DBA", "PAGERDUTY_SCHEDULES is not a setting of oncall-approvals"),
    ("aws:regoin", "eu-west-1", "aws:regoin is not a setting of the aws provider"),
)


@pytest.fixture(scope="module")
def before(project: PulumiProject) -> list[dict[str, Any]]:
    """The state of the deployed stack."""
    project.create_stack("dev", SECRETS)
    project.run_pulumi("up", "--yes", "--skip-preview")
    return project.state()


@pytest.fixture
def _wrong(project: PulumiProject, before: list[dict[str, Any]]) -> Iterator[None]:
    assert before
    for key, value, _ in WRONG:
        project.run_pulumi("config", "set", "--path", key, value)
    yield
    for key, _, _ in WRONG:
        project.run_pulumi("config", "rm", key.removesuffix("[0]"))


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")])
@pytest.mark.usefixtures("_wrong")
def test_refused_config_changes_nothing(
    project: PulumiProject, proxy: AwsProxy, before: list[dict[str, Any]], command: tuple[str, ...]
) -> None:
    """The error is printed once, and nothing is changed or deleted.

    If the program succeeded without registering resources, Pulumi would delete the stack.
    """
    changes: list[str] = []
    with proxy.observed(changes.append):
        result = project.try_pulumi(*command)
    assert result.code != 0
    assert f"Pulumi.dev.yaml has {len(WRONG)} problems:" in result.text
    for _, _, sentence in WRONG:
        assert result.text.count(sentence) == 1
    assert UNHANDLED not in result.text
    assert "Traceback" not in result.text
    assert changes == []
    # In any order, since a failed update may reorder the state.
    assert sorted(map(_known, project.state())) == sorted(map(_known, before))


def test_mended_config_finds_all_as_it_was(
    project: PulumiProject, before: list[dict[str, Any]]
) -> None:
    """After the refusals, the correct config has nothing to change."""
    assert before
    project.run_pulumi("preview", "--expect-no-changes")


def _known(resource: dict[str, Any]) -> tuple[str, ...]:
    """A resource's properties, without those that are encrypted again each time."""
    return resource["urn"], resource.get("id", ""), str(sorted(resource.get("inputs", {})))
