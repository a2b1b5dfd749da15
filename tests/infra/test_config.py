"""The stack's config: where each value goes, what is refused, and what a preview warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from handler.settings import PROVIDER_KEYS, SECRET_KEYS
from infra.settings import ALL_SETTINGS
from tests.infra.program import OPEN, Program, environment_of, inputs_of, read

GOOD = {"INDENT_WEBHOOK_SECRET": "webhook-secret-16", "INCIDENTIO_API_KEY": "key"}
SWITCHES = (
    "AUTO_APPROVAL_END_WITH_SHIFT",
    "AUTO_APPROVAL_DRY_RUN",
    "INCIDENTIO_APPROVE_PARTICIPANTS",
    "INCIDENTIO_APPROVE_SELF_DECLARED",
)


@pytest.mark.parametrize("value", ["FALSE", "", " true "])
def test_switch_takes_either_case_and_white_space(program: Program, value: str) -> None:
    """A switch reaches the function trimmed; an empty one does not."""
    variables = environment_of(program.run(dict.fromkeys(SWITCHES, value)))
    assert {variables.get(key) for key in SWITCHES} == {value.strip() or None}


def test_right_values_reach_the_function(program: Program) -> None:
    """A plain setting is an environment variable of the same name."""
    plain = {
        "AUTO_APPROVAL_DURATION": "1.5",
        "AUTO_APPROVAL_SCHEDULES": "DBA, API",
        "AUTO_APPROVAL_INCIDENTIO_ROLES": "Incident Lead",
        "AUTO_APPROVAL_END_WITH_SHIFT": "15m",
        "AUTO_APPROVAL_RESOURCE_LABELS": "Env=Prod, Team=DB",
        "INCIDENTIO_BASE_URL": "http://127.0.0.1:8080",
        "WEBHOOK_MAX_AGE": "3600",
    }
    assert plain.items() <= environment_of(program.run(plain)).items()


def test_callers_that_are_on_are_named(program: Program) -> None:
    """In a variable, as the setting that enables a caller may be a secret in AWS."""
    token = {"AUTHZEN_TOKEN": "t" * 32}
    for secrets, names in ((GOOD, "indent"), ({**GOOD, **token}, "authzen,indent")):
        assert environment_of(program.run(secrets=secrets))["HANDLER_CALLERS"] == names


def test_empty_values_count_as_unset(program: Program) -> None:
    """With every plain key empty, the function gets none of them, and the stack its defaults."""
    run = program.run({row.name: "" for row in ALL_SETTINGS if not row.secret})
    assert environment_of(run).keys() == {
        "HANDLER_CALLERS",
        "HANDLER_SECRET_ARN",
        "HANDLER_SECRET_VERSION",
        "MALLOC_MMAP_THRESHOLD_",
    }
    assert inputs_of(run, "Function")["memorySize"] == 512
    assert inputs_of(run, "LogGroup")["retentionInDays"] == 365


def test_the_programs_settings_go_where_they_belong(program: Program) -> None:
    """RESERVED_CONCURRENCY=0, which shuts the URL, is passed like any other number."""
    run = program.run(
        {
            "MEMORY_MB": " 1769 ",
            "RESERVED_CONCURRENCY": "0",
            "LOG_RETENTION_DAYS": "7",
            "STATE_BUCKET": "my-bucket.2",
        }
    )
    function = inputs_of(run, "Function")
    assert (function["memorySize"], function["reservedConcurrentExecutions"]) == (1769, 0)
    assert inputs_of(run, "LogGroup")["retentionInDays"] == 7
    assert run.outputs["state_bucket"] == inputs_of(run, "Bucket")["bucket"] == "my-bucket.2"
    assert "aws:index/getCallerIdentity:getCallerIdentity" not in program.mocks.requests


def test_repository_is_named_in_the_subject(program: Program) -> None:
    """In either form that GitHub's tokens have."""
    run = program.run({"DEPLOY_REPOSITORY": " acme@1/oncall@23 "})
    trust = [each.inputs.get("assumeRolePolicy", "") for each in run.registrations]
    assert sum('"repo:acme@1/oncall@23:environment:dev"' in each for each in trust) == 1


def refusal(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - of `read`
    """Read a config that must be refused."""
    with pytest.raises(pulumi.RunError) as refused:
        read(*args, **kwargs)
    assert type(refused.value) is pulumi.RunError
    return str(refused.value)


def test_refused_config_registers_nothing(program: Program) -> None:
    """The provider is not called either; the program prints only the error."""
    with pytest.raises(pulumi.RunError) as refused:
        program.run({"MEMORY_MB": "127"})
    assert str(refused.value) == refusal({"MEMORY_MB": "127"})
    assert program.mocks.requests == []


def test_the_program_prints_warnings(program: Program) -> None:
    """They appear while it runs."""
    assert program.run().notes == read().warnings == (OPEN,)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "AUTO_APPROVAL_DURATION",
            "169",
            (
                "AUTO_APPROVAL_DURATION is '169': use hours (for example 3 or 1.5) or units (for "
                "example 90m or 1h30m), above 0 and at most 168 hours; "
                "run `pulumi config set AUTO_APPROVAL_DURATION --stack dev`"
            ),
        ),
        (
            "AUTO_APPROVAL_DURATION",
            "3h30",
            (
                "AUTO_APPROVAL_DURATION is '3h30'; did you mean 3h30m? "
                "Run `pulumi config set AUTO_APPROVAL_DURATION 3h30m --stack dev`"
            ),
        ),
        (
            "AUTO_APPROVAL_SCHEDULES",
            ",",
            (
                "AUTO_APPROVAL_SCHEDULES is ',': lists nothing between its commas; for example, "
                "run `pulumi config set AUTO_APPROVAL_SCHEDULES 'DBA, API' --stack dev`"
            ),
        ),
        (
            "INCIDENTIO_BASE_URL",
            "https://u:p@x",  # what stands before the @ may be a password
            (
                "INCIDENTIO_BASE_URL contains an @: use an https address, or http on loopback, "
                "without user, query or fragment; for example, run `pulumi config set "
                "INCIDENTIO_BASE_URL https://api.incident.io --stack dev`"
            ),
        ),
        (
            "MEMORY_MB",
            "127",
            (
                "MEMORY_MB is '127': must be a whole number from 128 to 10240; "
                "for example, run `pulumi config set MEMORY_MB 512 --stack dev`"
            ),
        ),
    ],
)
def test_wrong_value_is_refused_with_a_remedy(key: str, value: str, sentence: str) -> None:
    """It registers nothing; the error names key, value and remedy."""
    assert refusal({key: value}, GOOD) == sentence


@pytest.mark.parametrize(
    ("secrets", "problem", "key"),
    [
        (
            {"INCIDENTIO_API_KEY": "key"},
            (
                "or AUTHZEN_TOKEN or CONDUCTORONE_TENANT must be set: each switches a caller on, "
                "and at least one is needed (docs/callers.md)"
            ),
            "INDENT_WEBHOOK_SECRET",
        ),
        (
            {"INDENT_WEBHOOK_SECRET": "webhook-secret-16"},
            (
                f"or {' or '.join(PROVIDER_KEYS[1:])} must be set: at least one provider's key is "
                "needed to see who is on duty"
            ),
            "INCIDENTIO_API_KEY",
        ),
        (
            {**GOOD, "INDENT_WEBHOOK_SECRET": "short-secret"},
            "has 12 characters: at least 16 are needed",
            "INDENT_WEBHOOK_SECRET",
        ),
        (
            {**GOOD, "INCIDENTIO_API_KEY": "short secret"},
            "contains a character that an API key can't have",
            "INCIDENTIO_API_KEY",
        ),
    ],
)
def test_wrong_or_missing_secret(secrets: dict[str, str], problem: str, key: str) -> None:
    """The remedy is a command that prompts for it; the value is never quoted."""
    output = refusal({}, secrets)
    assert output == f"{key} {problem}; run `pulumi config set --secret {key} --stack dev`"


def test_encrypted_value_under_a_misspelt_key() -> None:
    """It may be a secret, so it is not quoted; empty plain values hide nothing."""
    assert refusal({}, {**GOOD, "memory-mb": "hunter2"}) == (
        "memory-mb is not a setting of oncall-approvals; did you mean MEMORY_MB? Run `pulumi "
        "config rm memory-mb --stack dev`, then `pulumi config set MEMORY_MB --stack dev`"
    )
    read({"INDENT_WEBHOOK_SECRET_PREVIOUS": ""})


def test_stack_name_that_is_invalid_in_a_bucket_name(program: Program) -> None:
    """It is checked before the account is known; STATE_BUCKET is the way out."""
    assert refusal(stack="Prod") == (
        "STATE_BUCKET is not set, and the stack's name 'Prod' can't be part of a bucket's name; "
        "for example, run `pulumi config set STATE_BUCKET my-company-pulumi-state --stack Prod`"
    )
    assert program.run({"STATE_BUCKET": "ours"}, stack="Prod").outputs["state_bucket"] == "ours"


def test_stack_named_like_a_preview_environment_gets_no_role() -> None:
    """Previews of `dev` run in the environment `dev-preview`."""
    assert refusal({"DEPLOY_REPOSITORY": "acme/oncall"}, GOOD, stack="dev-preview") == (
        "DEPLOY_REPOSITORY is set for stack 'dev-preview', but GitHub's environment of that name "
        "is for previews of 'dev'; rename the stack, or run `pulumi config rm DEPLOY_REPOSITORY "
        "--stack dev-preview`"
    )


def test_settings_beyond_lambdas_limit_are_refused() -> None:
    """An environment may have 4 KB: the error names the longest setting."""
    schedules = ", ".join(f"Schedule number {number}" for number in range(200))
    output = refusal({"AUTO_APPROVAL_SCHEDULES": schedules}, GOOD)
    assert output.startswith("AUTO_APPROVAL_SCHEDULES has ")
    assert "the most in a function's environment is 3800" in output
    assert output.endswith(
        "; shorten it, or use a policy file, which is not part of the environment"
    )


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """One line each under a heading: settings of all kinds, keys, secrets, the policy's file."""
    plain = {
        "AUTO_APPROVAL_DURATION": "soon",
        "AUTO_APPROVAL_POLICY": "policy/none.yaml",
        "AUTO_APPROVAL_SCHEDULES": "'DBA'",
        "MEMORY_MB": "1",
        "LOG_RETENTION_DAYS": "2",
        "ALARM_EMAIL": "nobody",
        "colour": "crimson",
        "aws:region": "us west 2",
        "aws:profile": "acme",
        "PAGERDUTY_BASE_URL": "api.eu.pagerduty.com",
        "DEPLOY_REPOSITORY": "acme",
        "STATE_BUCKET": "x-an",
    }
    secrets = {"INDENT_WEBHOOK_SECRET": "short-secret", "WEBHOOK_MAX_AGE": "hunter2"}
    output = refusal(plain, secrets, root=tmp_path)
    title, *lines = output.splitlines()
    # No provider's key, and the policy beside the schedules.
    assert title == f"Pulumi.dev.yaml has {len(plain) + len(secrets) + 2} problems:"
    assert {line.split()[1] for line in lines} == {*plain, *secrets, "INCIDENTIO_API_KEY"}
    assert all(line.startswith("- ") for line in lines)
    for secret in ("short-secret", "hunter2", "crimson"):
        assert secret not in output


def test_plain_settings_that_are_encrypted() -> None:
    """They were meant as secrets, but AWS would show them; none is quoted."""
    keys = [row.name for row in ALL_SETTINGS if not row.secret]
    first, *lines = refusal({}, {**GOOD, **dict.fromkeys(keys, "'hunter2'")}).splitlines()
    assert "hunter2" not in f"{first}{lines}"
    assert sorted(lines) == sorted(
        f"- {key} is set with --secret but is not a secret: AWS stores it in plain text; "
        f"run `pulumi config set --plaintext {key} --stack dev`"
        for key in keys
    )


def test_secrets_in_plain_text() -> None:
    """Each is named, and none is quoted."""
    output = refusal(dict.fromkeys(SECRET_KEYS, "plain-secret-of-16"), {})
    assert "plain-secret" not in output
    for key in SECRET_KEYS:
        assert (
            f"{key} is a secret but is set in plain text; run `pulumi config set --secret" in output
        )


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [("AUTO_APPROVAL_DRY_RUN", "0", "false"), ("STATE_BUCKET", "'a-b'", "a-b")],
)
def test_remedy_never_approves_more(key: str, value: str, meant: str) -> None:
    """The example is like the value: for 0 the remedy is not true."""
    output = refusal({key: value}, GOOD)
    assert f"`pulumi config set {key} {meant} --stack dev`" in output
