"""Which steps of a preview the comment leaves to a person."""

from __future__ import annotations

from typing import Any

import pytest

from infra.preview import MOST_CHARACTERS, MOST_STEPS, UNKNOWN, _steps, comment, steps_for_a_person
from sandbox.local_aws.resources import RESOURCES

ROLE = "aws:iam/role:Role"


def step(op: str, type_: str, name: str, *changed: str, also: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - JSON
    """Make a step as `pulumi preview --json` has it; `also` is what the provider alone says."""
    return {
        "op": op,
        "urn": f"urn:pulumi:dev::oncall-approvals::oncall-approvals:infra:X$Y${type_}::{name}",
        "oldState": {"inputs": dict.fromkeys(changed, 1)},
        "newState": {"inputs": dict.fromkeys(changed, 2)},
        "diffReasons": [*changed, *also],
    }


THERE = step("same", ROLE, "deploy-role")
FUNCTION = "aws:lambda/function:Function"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
# Whether CI may take it.
ROWS: list[tuple[Any, bool]] = [
    (step("update", FUNCTION, "approval-webhook", "code", "environment"), True),
    (step("update", FUNCTION, "approval-webhook", "code", also=("lastModified",)), True),
    (step("update", FUNCTION, "approval-webhook", "tags"), False),
    (step("update", FUNCTION, "approval-webhook", "code", "role"), False),
    (step("create", FUNCTION, "approval-webhook"), False),
    (step("replace", FUNCTION, "approval-webhook", "name"), False),
    (step("delete", FUNCTION, "approval-webhook"), False),
    (step("replace", "aws:secretsmanager/secretVersion:SecretVersion", "a", "secretString"), True),
    (step("update", "aws:secretsmanager/secret:Secret", "handler-secret", "description"), False),
    (step("create", ALARM, "monitoring-provider-failing-jsm"), True),
    (step("delete", ALARM, "monitoring-provider-failing-jsm"), True),
    (step("update", ALARM, "monitoring-throttled", "threshold"), True),
    (step("update", "aws:cloudwatch/dashboard:Dashboard", "a", "dashboardBody"), True),
    (step("replace", "aws:cloudwatch/dashboard:Dashboard", "a", "dashboardName"), False),
    (step("update", "aws:cloudwatch/logGroup:LogGroup", "a", "retentionInDays"), False),
    (step("update", "aws:iam/rolePolicy:RolePolicy", "approval-webhook-rights", "policy"), True),
    (step("update", "aws:iam/rolePolicy:RolePolicy", "deploy-role-rights", "policy"), False),
    (step("replace", "aws:iam/rolePolicy:RolePolicy", "approval-webhook-rights", "role"), False),
    (step("update", ROLE, "deploy-role-preview", "assumeRolePolicy"), False),
    (step("update", "aws:iam/policy:Policy", "approval-webhook-boundary", "policy"), False),
    (step("update", "aws:lambda/functionUrl:FunctionUrl", "a", "authorizationType"), False),
    (step("import", "aws:s3/bucket:Bucket", "state"), False),
    (step("an operation of tomorrow", ALARM, "monitoring-throttled"), False),
    (step("update", "random:index/thing:Thing", "a", "x"), False),
    (step("update", "pulumi:providers:aws", "default_7_51_1", "version"), True),
    (step("create", "oncall-approvals:infra:DeployRole", "deploy-role"), True),
    (step("same", "aws:cloudwatch/logGroup:LogGroup", "a"), True),
]


@pytest.mark.parametrize(("taken", "by_ci"), ROWS)
def test_step(taken: Any, *, by_ci: bool) -> None:  # noqa: ANN401 - JSON
    """What the table names is CI's, and nothing else is."""
    assert (steps_for_a_person([THERE, taken]) == []) is by_ci


@pytest.mark.parametrize("type_", RESOURCES)
def test_every_type_is_a_persons_to_make_anew_unless_the_table_says_so(type_: str) -> None:
    """A type that is added to the program is a person's, until a row says otherwise."""
    by_ci = {
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        "aws:secretsmanager/secretVersion:SecretVersion",
        ALARM,
    }
    assert (steps_for_a_person([THERE, step("replace", type_, "x")]) == []) is (type_ in by_ci)


def test_stack_without_the_role_has_no_such_steps() -> None:
    """Who deploys it, nobody said."""
    assert steps_for_a_person([step("delete", FUNCTION, "approval-webhook")]) == []


def test_comment_begins_with_what_a_person_has_to_deploy() -> None:
    """The steps, the command, and below it all that Pulumi said."""
    text = comment("dev", "+ a role", 0, ["create a", "update b (c)"])
    assert text == (
        "### Preview of dev\n\n"
        "**A person has to deploy this.** The role of CI has no right to these steps:\n\n"
        "```text\ncreate a\nupdate b (c)\n```\n\n"
        "Run `make deploy STACK=dev` from this commit, with your own AWS credentials. "
        "CI deploys the rest.\n\n"
        "```text\n+ a role\n```\n"
    )


def test_steps_cannot_forge_the_comment() -> None:
    """Names are the previewed code's: no line break, escape or fence of theirs gets out."""
    text = comment("dev", "", 0, ["create x\n```\n# Approved\x1b[2J"])
    assert r"create x\n```\n# Approved\x1b[2J" in text
    assert text.count("````text") == 1
    assert "\x1b" not in text


def test_comment_stays_within_githubs_limit() -> None:
    """However many steps there are, and however long their names."""
    text = comment("dev", "x" * 2 * MOST_CHARACTERS, 0, ["n" * 5000] * (MOST_STEPS + 7))
    assert len(text) < 65_536
    assert "and 7 more" in text


@pytest.mark.parametrize("printed", [b"", b"no JSON", b"[]", b"{}", b"\xff"])
def test_preview_that_cannot_be_read_is_not_taken_for_none(printed: bytes) -> None:
    """The comment says that it is not known."""
    assert _steps(printed) is None
    assert UNKNOWN in comment("dev", "", 0, None)
