"""A command's settings come from the environment, a stack or --policy; secrets stay hidden."""

from __future__ import annotations

import argparse
import io
from datetime import timedelta
from pathlib import Path

import pytest

from cli.config import CommandConfig, load_config, stack_settings
from cli.context import Context
from cli.errors import CommandError, ReportError
from handler.rules.model import ShiftEnd
from handler.settings import BY_NAME, DURATION
from tests.cli.conftest import API_KEY, DATABASE, JANE, Command

PROJECT = """
name: oncall-approvals
config:
  AUTO_APPROVAL_DURATION: {type: string, default: "6"}
  AUTO_APPROVAL_SCHEDULES: {type: string, default: ""}
  INCIDENTIO_BASE_URL: {default: https://api.incident.io}
  LOG_RETENTION_DAYS: 365
"""
STACK = """
config:
  aws:region: eu-west-1
  oncall-approvals:AUTO_APPROVAL_DURATION: 3
  oncall-approvals:AUTO_APPROVAL_DRY_RUN: true
  oncall-approvals:AUTO_APPROVAL_END_WITH_SHIFT: 15m
  oncall-approvals:INCIDENTIO_API_KEY: {secure: v1:8N3X:abc}
  AUTO_APPROVAL_INCIDENTIO_ROLES: ~
"""
POLICY = """
rules:
  - name: R
    resources: any
    when: {on_call: {schedules: [DBA]}}
    duration: 45m
"""


def read(
    folder: Path,
    stack: str | None = None,
    policy: Path | None = None,
    *,
    needs_keys: bool = True,
    environment: dict[str, str] | None = None,
    **more: str,
) -> CommandConfig:
    """Read the settings, with a key in the environment."""
    options = argparse.Namespace(stack=stack, policy=policy)
    values = {"INCIDENTIO_API_KEY": API_KEY, **(environment or {}), **more}
    warnings = io.StringIO()
    context = Context(values, folder, io.StringIO(), io.StringIO(), warnings)
    config = load_config(options, context, needs_keys=needs_keys)
    assert warnings.getvalue() == ""
    return config


def longest(config: CommandConfig) -> timedelta:
    """The maximum duration of the first rule."""
    return config.policy.rules[0].duration


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with a stack."""
    (tmp_path / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK, encoding="utf-8")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "prod.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


def test_the_environment(tmp_path: Path) -> None:
    """Environment variables count, with the function's defaults; WEBHOOK_MAX_AGE isn't read."""
    given = read(tmp_path, AUTO_APPROVAL_DURATION="90m", WEBHOOK_MAX_AGE="not read")
    assert longest(given) == timedelta(minutes=90)
    assert given.origin == "environment variables"
    assert longest(read(tmp_path)) == BY_NAME[DURATION].read({})


def test_a_stack(project: Path) -> None:
    """The stack's settings and the project's defaults count, not the environment's."""
    below = project / "a" / "b"
    below.mkdir(parents=True)
    theirs = read(below, "prod", AUTO_APPROVAL_END_WITH_SHIFT="true").policy.rules[0].shift_end
    assert theirs == ShiftEnd(timedelta(minutes=15))
    given = read(below, "prod", AUTO_APPROVAL_DURATION="1", AUTO_APPROVAL_SCHEDULES="Mine")
    assert longest(given) == timedelta(hours=3)
    assert given.settings.dry_run
    assert "Mine" not in str(given.policy)
    assert given.origin == "Pulumi.prod.yaml"
    assert given.settings.providers["incidentio"]["INCIDENTIO_API_KEY"] == API_KEY


def test_provider_addresses_of_the_environment(project: Path) -> None:
    """With --stack, a provider's address in the environment counts, like its key."""
    url = "http://127.0.0.1:9"
    of_stack = read(project, "prod").settings.providers["incidentio"]
    assert of_stack["INCIDENTIO_BASE_URL"] == "https://api.incident.io"
    ours = read(project, "prod", INCIDENTIO_BASE_URL=url).settings.providers["incidentio"]
    assert ours["INCIDENTIO_BASE_URL"] == url


def test_a_stacks_policy_file(project: Path) -> None:
    """The stack's path of the policy file is relative to the project's folder."""
    named = STACK.replace(
        "AUTO_APPROVAL_END_WITH_SHIFT: 15m", "AUTO_APPROVAL_POLICY: policy/prod.yaml"
    )
    (project / "Pulumi.prod.yaml").write_text(named, encoding="utf-8")
    given = read(project / "policy", "prod")
    assert (longest(given), given.origin) == (timedelta(minutes=45), "policy/prod.yaml")


def test_another_policy(project: Path) -> None:
    """With --policy, all other policy settings are ignored."""
    file = project / "policy" / "prod.yaml"
    beside = {"AUTO_APPROVAL_SCHEDULES": "API", "AUTO_APPROVAL_END_WITH_SHIFT": "15m"}
    given = read(project, policy=file, environment=beside, AUTO_APPROVAL_POLICY="x.yaml")
    assert (longest(given), given.origin) == (timedelta(minutes=45), str(file))
    of_environment = read(project, AUTO_APPROVAL_POLICY="policy/prod.yaml")
    assert longest(of_environment) == timedelta(minutes=45)


def test_offline_commands_need_no_key(tmp_path: Path) -> None:
    """Offline commands need no key, and accept a wrong one."""
    wrong = {"INCIDENTIO_API_KEY": " wrong ", "JSM_API_TOKEN": "x", "AUTO_APPROVAL_DURATION": "2"}
    given = read(tmp_path, needs_keys=False, environment=wrong)
    assert longest(given) == timedelta(hours=2)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"INCIDENTIO_API_KEY": ""}, "INCIDENTIO_API_KEY or PAGERDUTY_KEY or"),
        ({"INCIDENTIO_API_KEY": ""}, "export it, or run `. .sandbox/env` while `make up` runs"),
        ({"INCIDENTIO_API_KEY": "k3y "}, "INCIDENTIO_API_KEY begins or ends with white space"),
        ({"AUTO_APPROVAL_DURATION": "ever"}, "AUTO_APPROVAL_DURATION is 'ever'"),
        ({"JSM_API_TOKEN": "t0k3n"}, "JSM_SITE is not set: JSM_API_TOKEN needs it"),
        ({"AUTO_APPROVAL_POLICY": "none.yaml"}, "the policy none.yaml cannot be read: No such"),
    ],
)
def test_settings_that_are_missing_or_wrong(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    """The error names the setting, and never a secret's value."""
    with pytest.raises(CommandError) as refused:
        read(tmp_path, environment=environment)
    assert message in str(refused.value)
    assert "k3y" not in str(refused.value)


def test_all_problems_are_reported_together(project: Path) -> None:
    """Each problem has its line, with a remedy for where its value comes from."""
    (project / "Pulumi.prod.yaml").write_text(
        "config:\n  oncall-approvals:AUTO_APPROVAL_DURATION: ever\n"
        "  oncall-approvals:AUTO_APPROVAL_SCHEDULES: [DBA]\n",
        encoding="utf-8",
    )
    environment = {"INCIDENTIO_API_KEY": "k3y ", "PAGERDUTY_BASE_URL": "'http://x'"}
    with pytest.raises(ReportError) as refused:
        read(project, "prod", environment=environment)
    title, *lines = str(refused.value).splitlines()
    assert title == "Pulumi.prod.yaml has 4 problems:"
    remedies = {line.split()[1]: line.rpartition("; ")[2] for line in lines}
    assert remedies == {
        "AUTO_APPROVAL_DURATION": ("run `pulumi config set AUTO_APPROVAL_DURATION --stack prod`"),
        "AUTO_APPROVAL_SCHEDULES": (
            "run `pulumi config set AUTO_APPROVAL_SCHEDULES DBA --stack prod`"
        ),
        "INCIDENTIO_API_KEY": (
            "export it, for example with "
            "`export INCIDENTIO_API_KEY=$(pulumi config get INCIDENTIO_API_KEY --stack prod)`"
        ),
        "PAGERDUTY_BASE_URL": "run `export PAGERDUTY_BASE_URL=http://x`",
    }
    with pytest.raises(ReportError) as of_environment:
        read(
            project,
            environment={
                "AUTO_APPROVAL_POLICY": "policy/prod.yaml",
                "AUTO_APPROVAL_SCHEDULES": "DBA",
                "JSM_EMAIL": "nobody",
                "AUTO_APPROVAL_DRY_RUN": "no",
            },
        )
    assert str(of_environment.value).startswith("the environment has 3 problems:\n")
    for ending in (
        "run `unset AUTO_APPROVAL_SCHEDULES` or `unset AUTO_APPROVAL_POLICY`",
        "for example, run `export JSM_EMAIL=bot@example.com`",
        "for example, run `export AUTO_APPROVAL_DRY_RUN=false`",
    ):
        assert any(line.endswith(ending) for line in str(of_environment.value).splitlines())


@pytest.mark.parametrize(
    ("written", "read_as"), [("1.50", "1.5"), ("0x10", "0x10"), ("[a, 1.50]", '["a",1.5]')]
)
def test_values_are_read_as_they_are_deployed(project: Path, written: str, read_as: str) -> None:
    """Numbers and lists in the stack's file are read as Pulumi passes them to the program."""
    (project / "Pulumi.prod.yaml").write_text(
        f"config:\n  oncall-approvals:AUTO_APPROVAL_SCHEDULES: {written}\n", encoding="utf-8"
    )
    assert stack_settings(project, "prod")["AUTO_APPROVAL_SCHEDULES"] == read_as


def test_a_wrong_policy(project: Path) -> None:
    """The error has file, line, and the number of further errors."""
    file = project / "policy" / "prod.yaml"
    file.write_text(POLICY.replace("schedules", "schedule") + "\nalias: {}\n", encoding="utf-8")
    with pytest.raises(CommandError) as refused:
        read(project, policy=file)
    assert str(refused.value).startswith(f"{file}:5: ")
    assert "(and 2 more)" in str(refused.value)
    file.write_text("- no policy\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"prod\.yaml:1: "):
        read(project, policy=file)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Pulumi.prod.yaml", "config: [", "Pulumi.prod.yaml can't be read in line 1: "),
        ("Pulumi.prod.yaml", "[" * 1000, "Pulumi.prod.yaml can't be read: "),
        ("Pulumi.yaml", "\0", "Pulumi.yaml can't be read: "),
        (
            "Pulumi.prod.yaml",
            "config: {AUTO_APPROVAL_SCHEDULES: [DBA, API]}",
            (
                r"AUTO_APPROVAL_SCHEDULES is the list .* "
                r"run `pulumi config set AUTO_APPROVAL_SCHEDULES 'DBA, API' --stack prod`"
            ),
        ),
    ],
)
def test_files_that_cannot_be_read(project: Path, name: str, text: str, message: str) -> None:
    """The error names the file."""
    (project / name).write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=message):
        read(project, "prod")


def test_missing_stacks(project: Path, tmp_path: Path) -> None:
    """The error lists the existing stacks, or how to create one."""
    with pytest.raises(CommandError, match=r"there is no Pulumi\.dev\.yaml; existing stacks: prod"):
        read(project, "dev")
    (project / "Pulumi.prod.yaml").unlink()
    with pytest.raises(CommandError, match="run `make bootstrap` first"):
        read(project, "dev")
    (project / "Pulumi.yaml").unlink()
    with pytest.raises(CommandError, match=r"no Pulumi\.yaml here or above"):
        read(tmp_path, "dev")


def test_a_folder_instead_of_a_file(project: Path) -> None:
    """A folder named like the stack's file isn't taken for it."""
    (project / "Pulumi.prod.yaml").unlink()
    (project / "Pulumi.prod.yaml").mkdir()
    with pytest.raises(CommandError, match=r"there is no Pulumi\.prod\.yaml"):
        read(project, "prod")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AUTO_APPROVAL_DURATON", "; did you mean AUTO_APPROVAL_DURATION?"),
        ("AUTO_APROVAL_DURATION", "; did you mean AUTO_APPROVAL_DURATION?"),
        ("AUTO_APPROVAL_ROLES", "; did you mean AUTO_APPROVAL_INCIDENTIO_ROLES?"),
        ("AUTO_APPROVAL_XYZZY_PLUGH", ""),
        ("INCIDENTIO_APPROVE_PARTICIPANT", "; did you mean INCIDENTIO_APPROVE_PARTICIPANTS?"),
        ("PAGERDUTY_TOKEN", "; did you mean PAGERDUTY_KEY?"),
    ],
)
def test_a_misspelt_variable(oncall: Command, name: str, meant: str) -> None:
    """A warning proposes the right name; the answer stays the same."""
    del oncall.environment["AUTO_APPROVAL_DURATION"]
    right = oncall("who", DATABASE)
    oncall.environment[name] = "3"
    answer = oncall("who", DATABASE)
    assert (answer.status, answer.out) == (right.status, right.out)
    assert answer.err == (
        f"oncall: warning: {name} in the environment is not a setting and has no effect{meant}\n"
    )


def test_a_misspelt_variable_is_named_first(oncall: Command) -> None:
    """The warning comes first, since it may explain the error."""
    oncall.environment["INCIDENTIO_KEY"] = oncall.environment.pop("INCIDENTIO_API_KEY")
    warning, error = oncall("who", DATABASE).err.splitlines()
    assert warning.endswith("did you mean INCIDENTIO_API_KEY?")
    assert error.startswith("oncall: INCIDENTIO_API_KEY or PAGERDUTY_KEY or OPSGENIE_KEY or ")


@pytest.mark.parametrize(
    "name", ["PAGERDUTY_URL", "INDENT_API_TOKEN", "OPSGENIE_TEAM", "AUTO_UPDATE", "PATH"]
)
def test_other_programs_variables(oncall: Command, name: str) -> None:
    """Variables of other programs cause no warning."""
    oncall.environment |= {"PAGERDUTY_BASE_URL": "https://api.eu.pagerduty.com", name: "x"}
    assert oncall("who", DATABASE).err == ""


def test_a_misspelt_key_of_a_stack(project: Path, oncall: Command) -> None:
    """The warning names the stack's file; the environment's variables are ignored."""
    file = project / "Pulumi.prod.yaml"
    file.write_text(f"{STACK}  oncall-approvals:AUTO_APPROVAL_DURATON: 1\n", encoding="utf-8")
    oncall.folder = project
    oncall.environment |= {"AUTO_APPROVAL_DRYRUN": "true", "AUTO_APROVAL_DRY_RUN": "true"}
    assert oncall("who", DATABASE, "--stack", "prod").err == (
        "oncall: warning: AUTO_APPROVAL_DURATON in Pulumi.prod.yaml is not a setting and has no "
        "effect; did you mean AUTO_APPROVAL_DURATION?\n"
    )


def test_a_misspelt_stack(project: Path) -> None:
    """The error proposes the most similar stack."""
    with pytest.raises(CommandError, match=r"no Pulumi\.prdo\.yaml; did you mean prod\?"):
        read(project, "prdo")


def test_a_command_with_several_wrong_settings(oncall: Command) -> None:
    """Each wrong setting has a line in the error."""
    oncall.environment |= {"AUTO_APPROVAL_DURATION": "ever", "AUTO_APPROVAL_DRY_RUN": "no\n::x"}
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE)
    assert (answer.status, answer.out) == (2, "")
    first, *lines = answer.err.splitlines()
    assert first == "oncall: the environment has 2 problems:"
    assert {line[: line.index(" is ")] for line in lines} == {
        "- AUTO_APPROVAL_DURATION",
        "- AUTO_APPROVAL_DRY_RUN",
    }


def test_a_command_without_a_key(oncall: Command) -> None:
    """Without any key the error names the settings, and the status is 2."""
    del oncall.environment["INCIDENTIO_API_KEY"]
    answer = oncall("explain", "--as", JANE, "--resource", DATABASE)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("oncall: INCIDENTIO_API_KEY or PAGERDUTY_KEY or")
