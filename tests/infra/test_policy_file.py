"""A stack with a policy file deploys it only if it's valid and its tests pass."""

from __future__ import annotations

import io
import shlex
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pytest

from handler.rules.codec import read_policy
from handler.settings import BY_NAME, DURATION
from infra.archive import POLICY_IN_ZIP
from policy import case_runner
from policy.loader import load
from sandbox.lambda_url.archive import build_zip
from tests.infra.program import ROOT, SECRETS, environment_of, inputs_of, read
from tests.policy.policy_folder import POLICY, TESTS, write_policy

if TYPE_CHECKING:
    from sandbox.local_aws.program import ProgramRun
    from tests.infra.program import Program

KEY = "AUTO_APPROVAL_POLICY"
NAMED = {KEY: "policy/prod.yaml"}
OWN = "[{incident_role: {role: Lead, declared_by: omar@example.com}}]"
# A case with another outcome if self-declared incidents count.
SELF_DECLARED = f"""\
  - name: own
    who: omar@example.com
    asks_for: {{kind: db, id: orders}}
    providers_say: {OWN}
    expect: {{approved: false}}
"""
MISSING = "cannot be read: No such file or directory"
NOT_PASSED = f"{KEY} is 'policy/prod.yaml', which does not pass its tests:"
PATH = (
    "AUTO_APPROVAL_POLICY is {!r}: must be the path of a .yaml file, relative to the "
    "project's folder and inside it; for example, run "
    "`pulumi config set AUTO_APPROVAL_POLICY policy/prod.yaml --stack dev`"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's folder with a valid policy in it."""
    folder = tmp_path / "project"
    (folder / "policy").mkdir(parents=True)
    write_policy(folder / "policy")
    return folder


def refusal(root: Path, plain: dict[str, str]) -> str:
    """Read a config that must be refused, and give the error."""
    with pytest.raises(pulumi.RunError) as refused:
        read(plain, root=root)
    return str(refused.value)


def zip_of(run: ProgramRun) -> bytes:
    """Build the function's zip."""
    return build_zip(inputs_of(run, "Function")["code"])


def policy_of(run: ProgramRun) -> str | None:
    """Read the policy from the zip, or None."""
    with zipfile.ZipFile(io.BytesIO(zip_of(run))) as zipped:
        names = zipped.namelist()
        return zipped.read(POLICY_IN_ZIP).decode() if POLICY_IN_ZIP in names else None


def test_policy_is_deployed_beside_the_code(program: Program, root: Path) -> None:
    """The zip has the policy as JSON, and the function's environment names it."""
    run = program.run(NAMED, root=root)
    text = policy_of(run)
    assert text == load(POLICY.encode()).json
    assert [rule.name for rule in read_policy(text).rules] == ["DBAs", "dry", "no vault"]
    assert environment_of(run)[KEY] == "policy/prod.yaml"
    assert run.notes == ()


def test_without_a_policy_file_the_zip_has_none(program: Program, root: Path) -> None:
    """Without the setting, the file is neither read nor deployed."""
    write_policy(root / "policy", "rules: 1\n")
    run = program.run(root=root)
    assert policy_of(run) is None
    assert KEY not in environment_of(run)


def test_zip_changes_with_the_policys_meaning(program: Program, root: Path) -> None:
    """The zip changes if the policy's meaning does, but not with a comment."""
    before = zip_of(program.run(NAMED, root=root))
    write_policy(root / "policy", f"# A comment.\n{POLICY}")
    assert zip_of(program.run(NAMED, root=root)) == before
    write_policy(root / "policy", POLICY.replace("grace: 15m", "grace: 10m"))
    assert zip_of(program.run(NAMED, root=root)) != before


@pytest.mark.parametrize(
    ("what", "policy", "tests", "expected"),
    [
        (
            "a case is red",
            POLICY.replace("duration: 3h", "duration: 2h"),
            TESTS,
            'policy/prod.test.yaml:3: "on shift": expected for 3 hours, got for 2 hours',
        ),
        (
            "more than one thing is wrong",
            POLICY.replace("3h", "3").replace("1h}", "1}"),
            TESTS,
            (
                'policy/prod.yaml:5: "duration" is 3, which isn\'t a duration: '
                "a number needs a unit, for example 3m or 3h (and 1 more)"
            ),
        ),
    ],
)
def test_policy_that_fails_its_tests_is_not_deployed(
    root: Path,
    what: str,
    policy: str,
    tests: str,
    expected: str,
) -> None:
    """The error has the first problem, and the command that shows all."""
    write_policy(root / "policy", policy, tests)
    assert refusal(root, NAMED) == f"{NOT_PASSED} {expected}; run `make policy-test`", what


def test_missing_files_are_named(root: Path) -> None:
    """A missing policy or test file is refused, with the command that copies the example."""
    (root / "policy" / "prod.test.yaml").unlink()
    assert refusal(root, NAMED) == (
        f"{KEY} is 'policy/prod.yaml': policy/prod.test.yaml {MISSING}; a policy needs tests "
        "in this file; to start with the example, run "
        "`cp policy/example.test.yaml policy/prod.test.yaml`"
    )
    (root / "policy" / "prod.yaml").unlink()
    assert refusal(root, NAMED) == (
        f"{KEY} is 'policy/prod.yaml', but there is no such file; to start with the example, run "
        "`cp policy/example.yaml policy/prod.yaml && "
        "cp policy/example.test.yaml policy/prod.test.yaml`"
    )


def test_tests_run_with_the_stacks_settings(program: Program, root: Path) -> None:
    """Tests run with the stack's settings, and so does the suggested command."""
    (root / "access").mkdir()
    write_policy(root / "access", tests=TESTS + SELF_DECLARED)
    plain = {KEY: "access/prod.yaml", "INCIDENTIO_APPROVE_SELF_DECLARED": "true"}
    assert refusal(root, plain) == (
        f"{KEY} is 'access/prod.yaml', which does not pass its tests: access/prod.test.yaml:18: "
        '"own": expected not approved, got approved by "DBAs" for 1 hour; '
        "run `make policy-test FILES=access/prod.yaml SELF_DECLARED=1`"
    )
    assert policy_of(program.run({KEY: "access/prod.yaml"}, root=root))


@pytest.mark.parametrize(
    "name",
    [
        "x/$(touch pwned);.yaml",
        "x/'; touch `pwned`; '.yaml",
        "x/-o pwned.yaml",
    ],
)
def test_remedy_quotes_the_file_s_name(root: Path, name: str) -> None:
    """The suggested command quotes the file's name for the shell."""
    _, _, remedy = refusal(root, {KEY: name}).rpartition(", run `")
    words = shlex.split(remedy.removesuffix("`"))
    begin = ["mkdir", "-p", str(Path(name).parent), "&&", "cp", "policy/example.yaml", name]
    assert words == [
        *begin,
        "&&",
        "cp",
        "policy/example.test.yaml",
        str(case_runner.tests_of(Path(name))),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/prod.yaml",
        "../prod.yaml",
        "policy/../../prod.yaml",
        "policy/../policy/prod.yaml",
        "policy\\prod.yaml",
        "policy/prod.json",
        "policy/prod.test.yaml",
        "policy",
        "policy/\0.yaml",
        "policy/away.yaml",
    ],
)
def test_file_outside_of_the_project_is_refused(root: Path, name: str) -> None:
    """Paths outside of the project, also by symlink, and other kinds of files are refused."""
    (root / "policy" / "away.yaml").symlink_to(root.parent / "prod.yaml")
    write_policy(root.parent)
    assert refusal(root, {KEY: name}) == PATH.format(name)


@pytest.mark.parametrize(
    "beside",
    ["AUTO_APPROVAL_SCHEDULES", "AUTO_APPROVAL_RESOURCE_LABELS", "AUTO_APPROVAL_END_WITH_SHIFT"],
)
def test_settings_that_a_policy_file_replaces_are_refused(root: Path, beside: str) -> None:
    """Settings that a policy file replaces are refused, with the commands to remove either."""
    value = {"LABELS": "Env=Prod", "SHIFT": "15m"}.get(beside.rpartition("_")[2], "DBA")
    assert refusal(root, {**NAMED, beside: value}) == (
        f"{KEY} is set, and so is {beside}, which a policy file replaces: remove one of them; "
        f"run `pulumi config rm {beside} --stack dev` or `pulumi config rm {KEY} --stack dev`"
    )


def test_settings_without_effect_are_noted(root: Path) -> None:
    """Settings without effect give a warning with the command that removes them."""
    beside = {"AUTO_APPROVAL_DURATION": "3", "INCIDENTIO_APPROVE_PARTICIPANTS": "true"}
    assert read({**NAMED, **beside}, root=root).warnings == (
        (
            "AUTO_APPROVAL_DURATION has no effect: each rule in policy/prod.yaml has its own "
            "duration; run `pulumi config rm AUTO_APPROVAL_DURATION --stack dev`"
        ),
        (
            "INCIDENTIO_APPROVE_PARTICIPANTS has no effect: a policy file, such as "
            "policy/prod.yaml, only accepts shifts and roles; "
            "run `pulumi config rm INCIDENTIO_APPROVE_PARTICIPANTS --stack dev`"
        ),
    )
    default = f"{BY_NAME[DURATION].default}h"  # the same in other words
    defaults = {DURATION: default, "INCIDENTIO_APPROVE_PARTICIPANTS": "false"}
    assert read({**NAMED, **defaults}, root=root).warnings == ()


def test_warnings_about_the_policy_are_shown(root: Path) -> None:
    """The loader's warnings are shown at the deploy."""
    policy = POLICY.replace("{kinds: [db]}", "{labels: {Env: Prod}}")
    write_policy(
        root / "policy",
        policy,
        TESTS.replace("{kind: db, id: orders}", "{kind: db, id: orders, labels: {Env: Prod}}"),
    )
    assert read(NAMED, root=root).warnings == (
        (
            'policy/prod.yaml:2: "DBAs" opens resources of any kind and id with these labels: '
            "whoever can set the labels decides what it opens"
        ),
    )


def test_rule_for_a_provider_without_a_key(root: Path) -> None:
    """A rule for a provider without a key gives a warning that names the key."""
    policy = POLICY.replace("{schedules: [DBA]}", "{provider: opsgenie, schedules: [DBA]}")
    tests = TESTS.replace(
        "provider: incidentio, schedule: DBA", "provider: opsgenie, schedule: DBA"
    )
    write_policy(root / "policy", policy, tests)
    assert read(NAMED, root=root).warnings == (
        (
            "policy/prod.yaml needs duties from Opsgenie, but OPSGENIE_KEY is not set: "
            "run `pulumi config set --secret OPSGENIE_KEY --stack dev`"
        ),
    )
    assert read(NAMED, {**SECRETS, "OPSGENIE_KEY": "key"}, root=root).warnings == ()


def test_identities_of_a_provider_without_a_key(root: Path) -> None:
    """Identities of a provider without a key give a warning."""
    users = "identities:\n  jsm: {a: jane@example.com}\n"
    write_policy(root / "policy", POLICY.replace("identities:\n", users), TESTS)
    assert read(NAMED, root=root).warnings == (
        (
            "policy/prod.yaml has `identities` for JSM Operations, but JSM_API_TOKEN is not set, "
            "so they have no effect: remove them, or run "
            "`pulumi config set --secret JSM_API_TOKEN --stack dev`"
        ),
    )


def test_schedule_without_its_provider_is_noted(root: Path) -> None:
    """With several providers on, schedules without a provider give a warning."""
    two = {**SECRETS, "PAGERDUTY_KEY": "key"}
    (note,) = read(NAMED, two, root=root).warnings
    assert note == (
        'policy/prod.yaml:2: "DBAs" names schedules without their provider, so a schedule with '
        "such a name counts at incident.io and PagerDuty; add the provider next to `schedules`, "
        "for example `provider: incidentio`"
    )
    write_policy(root / "policy", POLICY.replace("schedules: any", "schedules: [DBA]"))
    (more,) = read(NAMED, two, root=root).warnings
    assert more == note.replace('"DBAs"', '"DBAs" (and 1 more)')
    assert read(NAMED, root=root).warnings == ()
    write_policy(root / "policy", POLICY.replace("{schedules: [DBA]}", "{schedules: any}"))
    assert read(NAMED, two, root=root).warnings == ()


def test_the_example_can_be_deployed(program: Program) -> None:
    """The example policy can be deployed unchanged."""
    run = program.run({KEY: "policy/example.yaml"})
    assert policy_of(run) == load((ROOT / "policy" / "example.yaml").read_bytes()).json
    assert run.notes == ()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("policy/prod.yaml", "make policy-test"),
        ("other/prod.yaml", "make policy-test FILES=other/prod.yaml"),
        ("x/$(touch pwned);.yaml", ".venv/bin/python -m policy test -- 'x/$(touch pwned);.yaml'"),
        ("x/it's.yaml", """.venv/bin/python -m policy test -- 'x/it'"'"'s.yaml'"""),
    ],
)
def test_the_remedy_can_be_pasted(root: Path, name: str, remedy: str) -> None:
    """The suggested command tests the file, however it's named, and does nothing else."""
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("rules: 1\n", encoding="utf-8")
    case_runner.tests_of(root / name).write_text("cases: 1\n", encoding="utf-8")
    output = refusal(root, {KEY: name})
    assert output.endswith(f"; run `{remedy}`")


def test_name_in_quotes_is_one_problem(root: Path) -> None:
    """A name in quotes gives one error, about the quotes."""
    assert refusal(root, {KEY: "'policy/prod.yaml'"}) == (
        f"""{KEY} is "'policy/prod.yaml'": the quotes are part of the value, so leave them out; """
        f"run `pulumi config set {KEY} policy/prod.yaml --stack dev`"
    )


def test_policy_that_cannot_be_read_is_refused(root: Path) -> None:
    """A folder instead of the file is refused, without a command."""
    (root / "policy" / "prod.yaml").unlink()
    (root / "policy" / "prod.yaml").mkdir()
    output = refusal(root, NAMED)
    assert output.startswith(f"{KEY} is 'policy/prod.yaml': policy/prod.yaml cannot be read: ")
    assert output.endswith("; make the file readable")
