"""What the stack's config may be, and where each value goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from handler.settings import PLAIN_KEYS
from infra.settings import LOG_RETENTIONS, PROGRAM_SETTINGS
from tests.infra.program import NARROWED, OPEN, SECRETS, environment_of, inputs_of

if TYPE_CHECKING:
    from tests.infra.program import Program

OPEN_BY_LABEL = OPEN.replace("any resource", "every resource that carries Env=Prod\u2013EU")
SWITCHES = (
    "AUTO_APPROVAL_END_WITH_SHIFT",
    "AUTO_APPROVAL_DRY_RUN",
    "INCIDENTIO_APPROVE_PARTICIPANTS",
    "INCIDENTIO_APPROVE_SELF_DECLARED",
)


@pytest.mark.parametrize("value", ["true", "FALSE", "", " true "])
def test_switch_takes_either_case_and_white_space(program: Program, value: str) -> None:
    """A switch reaches the function trimmed; an empty one does not."""
    variables = environment_of(program.run(dict.fromkeys(SWITCHES, value)))
    assert {variables.get(key) for key in SWITCHES} == {value.strip() or None}


@pytest.mark.parametrize(
    "plain",
    [
        {"AUTO_APPROVAL_DURATION": "3"},
        {"AUTO_APPROVAL_DURATION": "1.5"},
        {"AUTO_APPROVAL_DURATION": "90m", "AUTO_APPROVAL_END_WITH_SHIFT": "true"},
        {
            "AUTO_APPROVAL_DURATION": "168",
            "AUTO_APPROVAL_SCHEDULES": "DBA, API",
            "AUTO_APPROVAL_INCIDENTIO_ROLES": "Incident Lead",
            "AUTO_APPROVAL_END_WITH_SHIFT": "15m",
            "AUTO_APPROVAL_RESOURCE_LABELS": "Env=Prod, Team=DB",
            "INCIDENTIO_BASE_URL": "http://127.0.0.1:8080",
            "WEBHOOK_MAX_AGE": "3600",
        },
    ],
)
def test_right_value_reaches_the_function(program: Program, plain: dict[str, str]) -> None:
    """A plain setting is an environment variable of the same name."""
    assert plain.items() <= environment_of(program.run(plain)).items()


def test_empty_values_count_as_unset(program: Program) -> None:
    """With every plain key empty, the function gets none of them, and the stack its defaults."""
    run = program.run(dict.fromkeys((*PLAIN_KEYS, *(row.name for row in PROGRAM_SETTINGS)), ""))
    assert environment_of(run).keys() == {
        "HANDLER_SECRET_ARN",
        "HANDLER_SECRET_VERSION",
        "MALLOC_MMAP_THRESHOLD_",
    }
    assert inputs_of(run, "Function")["memorySize"] == 512
    assert inputs_of(run, "LogGroup")["retentionInDays"] == 365


@pytest.mark.parametrize("value", ["128", "1769", "10240", " 512 "])
def test_memory_is_the_functions(program: Program, value: str) -> None:
    """Every size that Lambda offers is taken."""
    assert inputs_of(program.run({"MEMORY_MB": value}), "Function")["memorySize"] == int(value)


@pytest.mark.parametrize("value", ["0", "1", "1000"])
def test_concurrency_is_reserved_when_set(program: Program, value: str) -> None:
    """0, which shuts the URL, is a number like any other."""
    function = inputs_of(program.run({"RESERVED_CONCURRENCY": value}), "Function")
    assert function["reservedConcurrentExecutions"] == int(value)


@pytest.mark.parametrize("days", [LOG_RETENTIONS[0], LOG_RETENTIONS[-1]])
def test_retention_is_the_log_groups(program: Program, days: int) -> None:
    """What CloudWatch takes is taken."""
    run = program.run({"LOG_RETENTION_DAYS": str(days)})
    assert inputs_of(run, "LogGroup")["retentionInDays"] == days


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my-bucket.2", "1.2.3"])
def test_state_bucket_takes_the_given_name(program: Program, name: str) -> None:
    """With STATE_BUCKET set, that is the bucket, and AWS is not asked for the account."""
    run = program.run({"STATE_BUCKET": name})
    assert run.outputs["state_bucket"] == inputs_of(run, "Bucket")["bucket"] == name
    assert "aws:index/getCallerIdentity:getCallerIdentity" not in program.mocks.requests


@pytest.mark.parametrize(
    "repository",
    ["acme/oncall", "a/b", "Acme-1/on.call_2", "acme@1/oncall@23", "o_corp/x", f"a/{'.' * 3}"],
)
def test_repository_is_named_in_the_subject(program: Program, repository: str) -> None:
    """Whatever GitHub allows, in either of its forms."""
    run = program.run({"DEPLOY_REPOSITORY": f" {repository} "})
    trust = [each.inputs.get("assumeRolePolicy", "") for each in run.registrations]
    assert sum(f'"repo:{repository}:environment:dev"' in each for each in trust) == 1


def test_longest_stack_name_makes_a_bucket_of_63_characters(program: Program) -> None:
    """A stack's name may have 30 characters and still be part of the default name."""
    assert len(program.run(stack="s" * 30).outputs["state_bucket"]) == 63


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
def test_schedule_without_its_provider_is_noted(program: Program, key: str) -> None:
    """Where several are on, whoever names schedules at one of them names them for all."""
    two = {**SECRETS, "PAGERDUTY_KEY": "key"}
    assert program.run({key: "PIJ90N7, DBA, API"}, two).notes == (
        (
            f"{key} names 'DBA' without its provider, and incident.io and PagerDuty are on: a "
            f"schedule of that name at either counts; run `pulumi config set {key} --stack dev` "
            "and give its id, or name the provider in a policy file"
        ),
    )
    assert program.run({key: "PIJ90N7"}, two).notes == ()
    assert program.run({key: "DBA"}).notes == ()
    assert program.run({}, two).notes == (OPEN,)


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
def test_typographic_spelling_is_noted(program: Program, key: str, value: str, note: str) -> None:
    """Names and labels are compared exactly, so what an editor put in is told."""
    open_ = (OPEN_BY_LABEL,) if key == "AUTO_APPROVAL_RESOURCE_LABELS" else ()
    assert program.run({key: value}).notes == (*open_, f"{key}: {note}")


def test_naming_the_reporter_alone_is_noted(program: Program) -> None:
    """Whoever reported an incident declared it, which is a switch of its own."""
    (note,) = program.run({"AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter"}).notes
    assert "'Reporter' in AUTO_APPROVAL_INCIDENTIO_ROLES has no effect" in note
    both = {
        "AUTO_APPROVAL_INCIDENTIO_ROLES": "Reporter",
        "INCIDENTIO_APPROVE_SELF_DECLARED": "true",
    }
    assert program.run(both).notes == ()


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
def test_any_duty_that_opens_all_is_noted(
    program: Program, plain: dict[str, str], said: str
) -> None:
    """The default lets in everybody on duty, which is told with the command that narrows it."""
    assert program.run(plain).notes == (said,)


@pytest.mark.parametrize("key", ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_INCIDENTIO_ROLES"])
def test_what_is_narrowed_is_not_noted(program: Program, key: str) -> None:
    """Where schedules or roles are named, not every duty opens all."""
    assert program.run({key: "DBA"}).notes == ()


@pytest.mark.parametrize(
    ("plain", "nobody"),
    [
        ({}, ""),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead"}, ", so nobody is approved"),
        ({"AUTO_APPROVAL_INCIDENTIO_ROLES": "lead", "AUTO_APPROVAL_SCHEDULES": "DBA"}, ""),
    ],
)
def test_roles_without_an_end_are_noted(
    program: Program, plain: dict[str, str], nobody: str
) -> None:
    """Where access ends with the shift, a role opens nothing."""
    assert program.run({**plain, "AUTO_APPROVAL_END_WITH_SHIFT": "15m"}).notes[-1] == (
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
def test_settings_that_have_an_effect_are_not_noted(
    program: Program, plain: dict[str, str]
) -> None:
    """Each of them alone is as it should be."""
    assert not [each for each in program.run(plain).notes if not each.startswith("Anybody")]


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
    program: Program, plain: dict[str, str], key: str, name: str
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
    assert said in program.run(given, without).notes
    assert said not in program.run(with_jsm, others).notes


def test_previous_secret_that_is_the_current_one_is_noted(program: Program) -> None:
    """A rotation that was not finished, or never begun."""
    secrets = {**SECRETS, "INDENT_WEBHOOK_SECRET_PREVIOUS": SECRETS["INDENT_WEBHOOK_SECRET"]}
    (note,) = program.run(NARROWED, secrets).notes
    assert note.startswith("INDENT_WEBHOOK_SECRET_PREVIOUS has no effect")
    assert SECRETS["INDENT_WEBHOOK_SECRET"] not in note


def test_defaults_of_a_provider_that_is_not_asked_are_not_noted(program: Program) -> None:
    """`Pulumi.yaml` has them for everybody."""
    assert program.run({"PAGERDUTY_BASE_URL": "https://api.pagerduty.com", **NARROWED}).notes == ()
