"""The stack's config: where each value goes, what is refused, and what a preview warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from handler.settings import PROVIDER_KEYS, SECRET_KEYS
from infra.settings import ALL_SETTINGS
from tests.infra.program import NARROWED, OPEN, SECRETS, Program, environment_of, inputs_of, read

GOOD = {"INDENT_WEBHOOK_SECRET": "webhook-secret-16", "INCIDENTIO_API_KEY": "key"}
OPEN_BY_LABEL = OPEN.replace("any resource", "every resource that carries Env=Prod\u2013EU")
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


def test_empty_values_count_as_unset(program: Program) -> None:
    """With every plain key empty, the function gets none of them, and the stack its defaults."""
    run = program.run({row.name: "" for row in ALL_SETTINGS if not row.secret})
    assert environment_of(run).keys() == {
        "HANDLER_SECRET_ARN",
        "HANDLER_SECRET_VERSION",
        "MALLOC_MMAP_THRESHOLD_",
    }
    assert inputs_of(run, "Function")["memorySize"] == 512
    assert inputs_of(run, "LogGroup")["retentionInDays"] == 365


def test_the_programs_settings_go_where_they_belong(program: Program) -> None:
    """0 calls at once, which shut the URL, are a number like any other."""
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
    """As GitHub's tokens have it, in either of its forms."""
    run = program.run({"DEPLOY_REPOSITORY": " acme@1/oncall@23 "})
    trust = [each.inputs.get("assumeRolePolicy", "") for each in run.registrations]
    assert sum('"repo:acme@1/oncall@23:environment:dev"' in each for each in trust) == 1


@pytest.mark.parametrize("named_by", ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES"])
def test_participants_beside_a_list_is_noted(program: Program, named_by: str) -> None:
    """A switch that cannot have an effect is deployed, and the user is told."""
    run = program.run({"INCIDENTIO_APPROVE_PARTICIPANTS": "true", named_by: "DBA"})
    assert run.notes == (
        (
            "INCIDENTIO_APPROVE_PARTICIPANTS has no effect: with AUTO_APPROVAL_SCHEDULES or "
            "AUTO_APPROVAL_INCIDENTIO_ROLES set, only duties named there count, and taking part in "
            "an incident has no name; run "
            "`pulumi config rm INCIDENTIO_APPROVE_PARTICIPANTS --stack dev`"
        ),
    )


@pytest.mark.parametrize("key", ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_PAGERDUTY_SCHEDULES"])
def test_schedule_without_its_provider_is_noted(key: str) -> None:
    """Where several are on, whoever names schedules at one of them names them for all."""
    two = {**SECRETS, "PAGERDUTY_KEY": "key"}
    assert read({key: "PIJ90N7, DBA, API"}, two).warnings == (
        (
            f"{key} names 'DBA' without its provider, and incident.io and PagerDuty are on: a "
            f"schedule of that name at either counts; run `pulumi config set {key} --stack dev` "
            "and give its id, or name the provider in a policy file"
        ),
    )
    assert read({key: "PIJ90N7"}, two).warnings == ()
    assert read({key: "DBA"}).warnings == ()
    assert read({}, two).warnings == (OPEN,)


@pytest.mark.parametrize(
    ("key", "value", "note"),
    [
        (
            "AUTO_APPROVAL_SCHEDULES",
            "API, \u201cDBA",
            (
                "'\u201cDBA' begins with U+201C LEFT DOUBLE QUOTATION MARK: leave it out, "
                "and quote with \" or '"
            ),
        ),
        (
            "AUTO_APPROVAL_RESOURCE_LABELS",
            "Env=Prod\u2013EU",
            "'Prod\u2013EU' holds U+2013 EN DASH: write - instead",
        ),
    ],
)
def test_typographic_spelling_is_noted(key: str, value: str, note: str) -> None:
    """Names and labels are compared exactly, so what an editor put in is told."""
    open_ = (OPEN_BY_LABEL,) if key == "AUTO_APPROVAL_RESOURCE_LABELS" else ()
    assert read({key: value}).warnings == (*open_, f"{key}: {note}")


def test_naming_the_reporter_alone_is_noted() -> None:
    """Whoever reported an incident declared it, which is a switch of its own."""
    (note,) = read({"AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter"}).warnings
    assert "'Reporter' in AUTO_APPROVAL_INCIDENTIO_ROLES has no effect" in note
    both = {
        "AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter",
        "INCIDENTIO_APPROVE_SELF_DECLARED": "true",
    }
    assert read(both).warnings == ()


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({}, OPEN),
        ({"AUTO_APPROVAL_SCHEDULES": " ", "AUTO_APPROVAL_INCIDENTIO_ROLES": ""}, OPEN),
        ({"AUTO_APPROVAL_DRY_RUN": "true"}, OPEN.replace("opens any", "would open any")),
        (
            {"INCIDENTIO_APPROVE_PARTICIPANTS": "true"},
            OPEN.replace(
                "any schedule opens",
                "any schedule or has posted an update to a live incident opens",
            ),
        ),
    ],
)
def test_any_duty_that_opens_all_is_noted(plain: dict[str, str], said: str) -> None:
    """The default lets in everybody on duty, which is told with the command that narrows it."""
    assert read(plain).warnings == (said,)


@pytest.mark.parametrize("key", ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES"])
def test_what_is_narrowed_is_not_noted(key: str) -> None:
    """Where schedules or roles are named, not every duty opens all."""
    assert read({key: "DBA"}).warnings == ()


@pytest.mark.parametrize(
    ("plain", "nobody"),
    [
        ({}, ""),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"}, ", so nobody is approved"),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead", "AUTO_APPROVAL_SCHEDULES": "DBA"}, ""),
    ],
)
def test_roles_without_an_end_are_noted(plain: dict[str, str], nobody: str) -> None:
    """Where access ends with the shift, a role opens nothing."""
    assert read({**plain, "AUTO_APPROVAL_END_WITH_SHIFT": "15m"}).warnings[-1] == (
        "AUTO_APPROVAL_END_WITH_SHIFT is set: incident roles open nothing, since they have no end"
        f"{nobody}; in a policy file, end_with_shift can say how long they count, such as "
        "`without_end: 1h`"
    )


@pytest.mark.parametrize(
    "plain",
    [
        {"INCIDENTIO_APPROVE_PARTICIPANTS": "true"},
        {"AUTO_APPROVAL_SCHEDULES": "DBA"},
        {"AUTO_APPROVAL_SCHEDULES": "DBA", "AUTO_APPROVAL_END_WITH_SHIFT": "15m"},
    ],
)
def test_settings_that_have_an_effect_are_not_noted(plain: dict[str, str]) -> None:
    """Each of them alone is as it should be."""
    assert not [each for each in read(plain).warnings if not each.startswith("Anybody")]


def test_empty_secret_in_plain_text_is_unset(program: Program) -> None:
    """There is nothing to hide in it."""
    program.run({"INDENT_WEBHOOK_SECRET_PREVIOUS": ""})


@pytest.mark.parametrize(
    ("plain", "key", "name"),
    [
        ({"PAGERDUTY_BASE_URL": "https://api.eu.pagerduty.com"}, "PAGERDUTY_KEY", "PagerDuty"),
        ({"OPSGENIE_BASE_URL": "https://api.eu.opsgenie.com"}, "OPSGENIE_KEY", "Opsgenie"),
        ({"JSM_SITE": "acme"}, "JSM_API_TOKEN", "JSM Operations"),
        ({"JSM_EMAIL": "bot@acme.io"}, "JSM_API_TOKEN", "JSM Operations"),
        ({"INCIDENTIO_APPROVE_PARTICIPANTS": "true"}, "INCIDENTIO_API_KEY", "incident.io"),
        ({"INCIDENTIO_APPROVE_SELF_DECLARED": "true"}, "INCIDENTIO_API_KEY", "incident.io"),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "Lead"}, "INCIDENTIO_API_KEY", "incident.io"),
    ],
)
def test_setting_of_a_provider_that_is_not_asked_is_noted(
    plain: dict[str, str], key: str, name: str
) -> None:
    """Both ways out are offered; with the key there is nothing to note."""
    others = {**SECRETS, "OPSGENIE_KEY": "k", "PAGERDUTY_KEY": "k", "JSM_API_TOKEN": "k"}
    with_jsm = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.io", **plain}
    without = {each: value for each, value in others.items() if each != key}
    ((named, _),) = plain.items()
    said = (
        f"{named} has no effect: {name} is not asked, as {key} is not set; run "
        f"`pulumi config set --secret {key} --stack dev` or "
        f"`pulumi config rm {named} --stack dev`"
    )
    given = plain if key == "JSM_API_TOKEN" else with_jsm
    assert said in read(given, without).warnings
    assert said not in read(with_jsm, others).warnings


def test_previous_secret_that_is_the_current_one_is_noted() -> None:
    """A rotation that was not finished, or never begun."""
    secrets = {**SECRETS, "INDENT_WEBHOOK_SECRET_PREVIOUS": SECRETS["INDENT_WEBHOOK_SECRET"]}
    (note,) = read(NARROWED, secrets).warnings
    assert note.startswith("INDENT_WEBHOOK_SECRET_PREVIOUS has no effect")
    assert SECRETS["INDENT_WEBHOOK_SECRET"] not in note


def test_defaults_of_a_provider_that_is_not_asked_are_not_noted() -> None:
    """`Pulumi.yaml` has them for everybody."""
    assert read({"PAGERDUTY_BASE_URL": "https://api.pagerduty.com", **NARROWED}).warnings == ()


WRONG_KEYS: list[tuple[str, dict[str, str], dict[str, str], str]] = [
    (
        "misspelt secret",
        {"INDENT_WEBHOK_SECRET": "misplaced-secret-16"},
        GOOD,
        (
            "INDENT_WEBHOK_SECRET is not a setting of oncall-approvals; the nearest is "
            "INDENT_WEBHOOK_SECRET; run `pulumi config rm INDENT_WEBHOK_SECRET --stack dev`, "
            "then `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "encrypted and misspelt",
        {},
        {**GOOD, "memory-mb": "512"},
        (
            "memory-mb is not a setting of oncall-approvals; the nearest is MEMORY_MB; "
            "run `pulumi config rm memory-mb --stack dev`, then `pulumi config set MEMORY_MB "
            "--stack dev`"
        ),
    ),
    (
        "nothing like it",
        {"the colour": "red"},
        GOOD,
        (
            "the colour is not a setting of oncall-approvals; run `pulumi config rm 'the colour' "
            "--stack dev`"
        ),
    ),
    (
        "JSM_API_TOKEN in plain text",
        {"JSM_API_TOKEN": "plain-secret-of-16", "JSM_SITE": "acme", "JSM_EMAIL": "bot@acme.io"},
        GOOD,
        (
            "JSM_API_TOKEN is a secret, but is set in plain text; "
            "run `pulumi config set --secret JSM_API_TOKEN --stack dev`"
        ),
    ),
    (
        "no webhook secret",
        {},
        {"INCIDENTIO_API_KEY": "key"},
        (
            "INDENT_WEBHOOK_SECRET is not set: it is the webhook's signing secret, from Indent; "
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "no provider key",
        {},
        {"INDENT_WEBHOOK_SECRET": "webhook-secret-16"},
        (
            f"INCIDENTIO_API_KEY is not set, nor is {' or '.join(PROVIDER_KEYS[1:])}: at least one "
            "provider's key is needed to see who is on duty; "
            "run `pulumi config set --secret INCIDENTIO_API_KEY --stack dev`"
        ),
    ),
    (
        "short webhook secret",
        {},
        {**GOOD, "INDENT_WEBHOOK_SECRET": "short-secret"},
        (
            "INDENT_WEBHOOK_SECRET has 12 characters: at least 16 are needed; "
            "run `pulumi config set --secret INDENT_WEBHOOK_SECRET --stack dev`"
        ),
    ),
    (
        "key with a space",
        {},
        {**GOOD, "INCIDENTIO_API_KEY": "short secret"},
        (
            "INCIDENTIO_API_KEY holds a character that no API key has; "
            "run `pulumi config set --secret INCIDENTIO_API_KEY --stack dev`"
        ),
    ),
]


def refusal(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - of `read`
    """Read a config that has to be refused."""
    with pytest.raises(pulumi.RunError) as refused:
        read(*args, **kwargs)
    assert type(refused.value) is pulumi.RunError
    return str(refused.value)


def test_refused_config_registers_nothing(program: Program) -> None:
    """Nor is the provider asked for anything; what the program says is the sentence alone."""
    with pytest.raises(pulumi.RunError) as refused:
        program.run({"MEMORY_MB": "127"})
    assert str(refused.value) == refusal({"MEMORY_MB": "127"})
    assert program.mocks.requests == []


def test_warnings_are_the_programs(program: Program) -> None:
    """They are said as it runs."""
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
                "AUTO_APPROVAL_SCHEDULES is ',': names nothing between its commas; for example, "
                "run `pulumi config set AUTO_APPROVAL_SCHEDULES 'DBA, API' --stack dev`"
            ),
        ),
        (
            "INCIDENTIO_BASE_URL",
            "https://u:p@x",  # what stands before the @ may be a password
            (
                "INCIDENTIO_BASE_URL holds an @: allowed is an https address, or http on loopback, "
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
def test_wrong_value_is_refused_with_what_mends_it(key: str, value: str, sentence: str) -> None:
    """A wrong value registers nothing; the sentence names key, value and what mends it."""
    assert refusal({key: value}, GOOD) == sentence


@pytest.mark.parametrize(
    ("plain", "secrets", "sentence"),
    [row[1:] for row in WRONG_KEYS],
    ids=[row[0] for row in WRONG_KEYS],
)
def test_wrong_or_missing_key_is_refused_with_what_mends_it(
    plain: dict[str, str], secrets: dict[str, str], sentence: str
) -> None:
    """The same for keys; a secret's value, and that of a key we do not know, is never quoted."""
    said = refusal(plain, secrets)
    assert said == sentence
    for value in (*plain.values(), *secrets.values()):
        assert value == "key" or value not in said


def test_stack_name_that_no_bucket_may_have_is_refused(program: Program) -> None:
    """The default name is checked before the account is known; STATE_BUCKET is the way out."""
    assert refusal(stack="Prod") == (
        "STATE_BUCKET is not set, and stack name 'Prod' can't be part of a bucket's name; for "
        "example, run `pulumi config set STATE_BUCKET my-company-pulumi-state --stack Prod`"
    )
    assert program.run({"STATE_BUCKET": "ours"}, stack="Prod").outputs["state_bucket"] == "ours"


def test_stack_of_another_ones_previews_gets_no_role() -> None:
    """Whoever previews `dev` runs in the environment `dev-preview`."""
    assert refusal({"DEPLOY_REPOSITORY": "acme/oncall"}, GOOD, stack="dev-preview") == (
        "DEPLOY_REPOSITORY is set for stack 'dev-preview', but GitHub's environment of that name "
        "is for previews of 'dev'; rename the stack, or run `pulumi config rm DEPLOY_REPOSITORY "
        "--stack dev-preview`"
    )


def test_settings_that_lambda_would_refuse_are_refused_before() -> None:
    """A function's environment holds 4 KB: the sentence names the setting that takes the most."""
    schedules = ", ".join(f"Schedule number {number}" for number in range(200))
    said = refusal({"AUTO_APPROVAL_SCHEDULES": schedules}, GOOD)
    assert said.startswith("AUTO_APPROVAL_SCHEDULES takes ")
    assert "of the 3800 bytes" in said
    assert said.endswith(
        "; shorten it, or write a policy file, which is no part of the environment"
    )


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """A heading, and a line for each: settings of all kinds, keys, secrets, the policy's file."""
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
    said = refusal(plain, secrets, root=tmp_path)
    title, *lines = said.splitlines()
    # No provider's key, and the policy beside the schedules.
    assert title == f"Pulumi.dev.yaml has {len(plain) + len(secrets) + 2} problems:"
    assert {line.split()[1] for line in lines} == {*plain, *secrets, "INCIDENTIO_API_KEY"}
    assert all(line.startswith("- ") for line in lines)
    for secret in ("short-secret", "hunter2", "crimson"):
        assert secret not in said


def test_plain_settings_that_are_encrypted() -> None:
    """Somebody meant them to be secrets: AWS would show them, and none is quoted."""
    keys = [row.name for row in ALL_SETTINGS if not row.secret]
    first, *lines = refusal({}, {**GOOD, **dict.fromkeys(keys, "'hunter2'")}).splitlines()
    assert "hunter2" not in f"{first}{lines}"
    assert sorted(lines) == sorted(
        f"- {key} is set with --secret, but is not a secret: AWS keeps it in plain text; "
        f"run `pulumi config set --plaintext {key} --stack dev`"
        for key in keys
    )


def test_secrets_in_plain_text() -> None:
    """Each is named, and none is quoted."""
    said = refusal(dict.fromkeys(SECRET_KEYS, "plain-secret-of-16"), {})
    assert "plain-secret" not in said
    for key in SECRET_KEYS:
        assert (
            f"{key} is a secret, but is set in plain text; run `pulumi config set --secret" in said
        )


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [("AUTO_APPROVAL_DRY_RUN", "0", "false"), ("STATE_BUCKET", "'a-b'", "a-b")],
)
def test_remedy_is_not_what_approves_more(key: str, value: str, meant: str) -> None:
    """An example is like what was written; who wrote 0 is not told to write true."""
    said = refusal({key: value}, GOOD)
    assert f"`pulumi config set {key} {meant} --stack dev`" in said
