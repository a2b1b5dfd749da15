"""Each script of docs/operate.md runs unchanged, in the situation that it is for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import DAN, JANE, NORA
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.resources.awslambda import PUBLIC_STATEMENTS
from sandbox.receivers import SLACK, WEBHOOK, Receivers
from tests.e2e.webhook_calls import request_of
from tests.engine.aws_proxy import AwsProxy
from tests.engine.runbook_project import RunbookProject
from tests.support.documents import DEPLOY, OPERATE, read_sections

SECRET, NEXT_SECRET = "wks0-the-first-secret-of-a-test", "wks0-the-second-secret-of-a-test"
INFO = {"info": True}
HERE = Path(__file__)
# Sections about moving or removing a stack are in docs/deploy.md.
SECTIONS = {**read_sections(DEPLOY), **read_sections(OPERATE)}

pytestmark = pytest.mark.skipif(shutil.which("aws") is None, reason="no AWS CLI on PATH")


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory,
    aws: Aws,
    proxy: AwsProxy,
    provider: Mapping[str, str],
) -> RunbookProject:
    """A copy of the project with its stack `dev`, deployed and committed."""
    project = RunbookProject(tmp_path_factory.mktemp("runbook"), aws, proxy.endpoint)
    url = "INCIDENTIO_BASE_URL"
    secrets = {key: value for key, value in provider.items() if key != url}
    secrets["INDENT_WEBHOOK_SECRET"] = SECRET
    project.create_stack("dev", secrets, **{url: provider[url]})
    project.run_scripts(["make deploy STACK=dev"])
    project.commit("Deploy")
    return project


def _blocks(title: str) -> list[str]:
    return list(SECTIONS[title].blocks)


def test_stop_it_and_start_it_again(project: RunbookProject, tmp_path: Path) -> None:
    """In dry run it claims nothing; shut, nothing is reserved; then it approves again."""
    dry, shut, again = _blocks("Stop it")
    project.run_scripts([dry])
    with project.webhook(SECRET, tmp_path / "dry") as webhook:
        assert webhook.ask(request_of(JANE)) == []
    project.run_scripts([shut])
    assert project.reserved() == 0
    deploy, name, check = again.partition("oncall check")
    project.run_scripts([deploy])
    assert project.reserved() is None
    output = project.run_script_while_served(name + check, tmp_path / "again")
    assert f"{JANE} would get example.v1.Resource:oncall-check for" in output


@pytest.fixture(scope="module")
def logged(project: RunbookProject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A log with approvals, one by a self-made duty, a no, a forged signature and a failure."""
    file = tmp_path_factory.mktemp("log") / "log"
    with project.webhook(SECRET, file) as webhook:
        webhook.ask(request_of(JANE))
        webhook.ask(request_of(NORA))
        webhook.call(INFO, secret="wks0-anything-else-at-all")
    (line,) = (line for line in file.read_text().splitlines() if JANE in line)
    made = {**json.loads(line), "call": "another", "self_made": True, "requester": DAN}
    failed = {"level": "ERROR", "message": "failed", "http": 503, "why": "Secrets Manager: gone"}
    with file.open("a") as lines:
        lines.write(f"{json.dumps(made)}\n{json.dumps(failed)}\nRequestId: 1 Task timed out\n")
    project.put_log_lines(file)


@pytest.mark.usefixtures("logged")
class TestLog:
    """Sections about reading the log."""

    def test_function_broken(self, project: RunbookProject) -> None:
        """All lines are shown, even Lambda's own."""
        (tail,) = _blocks("Function broken")
        assert "Task timed out" in project.run_scripts([tail])

    def test_calls_failed(self, project: RunbookProject) -> None:
        """Only failed calls are shown."""
        tail, _ = _blocks("Calls failed")
        (line,) = project.run_scripts([tail]).splitlines()
        assert "Secrets Manager: gone" in line

    def test_signatures_refused(self, project: RunbookProject) -> None:
        """Refused calls are counted by reason."""
        output = project.run_scripts(_blocks("Signatures refused"))
        assert "the signature is wrong" in output

    def test_many_approvals(self, project: RunbookProject) -> None:
        """Approvals are counted by rule, then listed with the requester."""
        report, *lines = project.run_scripts(_blocks("Many approvals")).splitlines()
        assert "3 decisions" in report
        asked = [line for line in lines if '"outcome": "approve"' in line]
        assert len(asked) == 2

    def test_policy_mistake(self, project: RunbookProject) -> None:
        """Replaying with an edited policy shows which decisions change."""
        (script,) = _blocks("Policy mistake")
        # `replay` ends with 1, since the edited policy changes decisions.
        result = project.try_script(script.replace("example.yaml", "example.yaml || true #"))
        assert result.code == 0, result.text
        assert JANE in result.text
        assert "policy/example.yaml, tested by policy/example.test.yaml" in result.text


@pytest.mark.usefixtures("logged")
def test_explained(project: RunbookProject) -> None:
    """`preflight` checks the keys, and `replay` decides last week's log again."""
    (script,) = _blocks("Explain decisions")
    result = project.try_script(script.replace("example.yaml", "example.yaml || true #"))
    assert result.code == 0, result.text
    assert "INCIDENTIO_API_KEY works" in result.text
    assert JANE in result.text


@pytest.mark.usefixtures("logged")
def test_access_that_outlasts_its_duty(project: RunbookProject) -> None:
    """`watch` reports Jane, who still leads the incident, as on duty."""
    (script,) = _blocks("Access that outlasts its duty")
    # Other people in the log are made up, so the status may be 1.
    result = project.try_script(script.replace("--stack dev\n", "--stack dev || true\n"))
    assert result.code == 0, result.text
    assert "with running access: " in result.text
    assert " on duty" in result.text


def test_secret_that_was_deleted(project: RunbookProject, tmp_path: Path) -> None:
    """The secret is restored, and the function reads it."""
    secrets, arn = project.aws.client("secretsmanager"), project.outputs()["secret_arn"]
    secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    with project.webhook(SECRET, tmp_path / "gone") as webhook:
        assert webhook.call(INFO).http == 503
    _, restore = _blocks("Calls failed")
    project.run_scripts([restore])
    with project.webhook(SECRET, tmp_path / "back") as webhook:
        assert webhook.call(INFO).http == 200


def test_notices(project: RunbookProject, tmp_path: Path) -> None:
    """Both addresses are set, deployed and tested; then an approval and a failure are visible."""
    slack, url, secret, check = _blocks("Notices")
    tail, again = _blocks("Notices failed")[0].splitlines()
    with Receivers() as receivers:
        project.run_scripts([slack], stdin=receivers.settings["NOTIFY_SLACK_URL"])
        project.run_scripts([url], stdin=receivers.settings["NOTIFY_URL"])
        made = project.run_scripts([secret]).strip()
        assert made.startswith("whsec_")
        receivers.set_secret(made)
        output = project.run_script_while_served(check, tmp_path / "check")
        assert "NOTIFY_URL: 127.0.0.1 accepted a test notice" in output
        assert "NOTIFY_SLACK_URL: 127.0.0.1 accepted a test notice" in output
        with project.webhook(SECRET, tmp_path / "sent") as webhook:
            webhook.ask(request_of(JANE))
        assert [notice.receiver for notice in receivers.notices][:2] == [WEBHOOK, SLACK]
        assert sum(JANE in notice.text for notice in receivers.notices) == 2
    with project.webhook(SECRET, tmp_path / "gone") as webhook:
        assert webhook.ask(request_of(JANE))
    project.put_log_lines(tmp_path / "gone")
    lines = project.run_scripts([tail]).splitlines()
    assert len(lines) == 2
    assert all("connection failed" in line for line in lines)
    assert "connection failed" in project.run_script_while_served(
        f"{again} || true", tmp_path / "x"
    )
    for key in ("NOTIFY_URL", "NOTIFY_SECRET", "NOTIFY_SLACK_URL"):
        project.run_pulumi("config", "rm", key)
    project.run_scripts(["make deploy STACK=dev"])


def test_throttled(project: RunbookProject) -> None:
    """The reserved concurrency is shown, and raised."""
    project.run_pulumi("config", "set", "RESERVED_CONCURRENCY", "0")
    output = project.run_scripts(_blocks("Throttled"))
    assert output.startswith("0\n")
    assert project.reserved() == 20
    project.run_pulumi("config", "rm", "RESERVED_CONCURRENCY")


def test_provider_failing_and_no_duty_found(project: RunbookProject) -> None:
    """The key is checked, and `explain` says why a person off duty isn't approved."""
    assert "INCIDENTIO_API_KEY works" in project.run_scripts(_blocks("Provider failing"))
    script, without_email = _blocks("No duty found")
    result = project.try_script(script.replace("prod-db\n", "prod-db || true\n"))
    assert result.code == 0, result.text
    assert f"left to humans: {NORA} requests example.v1.Resource:prod-db" in result.text
    # Everybody here has an e-mail.
    assert "without_email" not in project.run_scripts([without_email])


@pytest.mark.usefixtures("logged")
def test_self_made_duty(project: RunbookProject) -> None:
    """The log names the person, and settings that accept such duties are switched off."""
    tail, switch_off = _blocks("Self-made duty")
    (line,) = project.run_scripts([tail]).splitlines()
    assert DAN in line
    project.run_pulumi("config", "set", "INCIDENTIO_APPROVE_SELF_DECLARED", "true")
    project.run_scripts([switch_off])
    assert project.variables()["INCIDENTIO_APPROVE_SELF_DECLARED"] == "false"
    assert project.variables()["INCIDENTIO_APPROVE_PARTICIPANTS"] == "false"


def test_forbidden_url(project: RunbookProject) -> None:
    """The public statements are shown, and restored if missing."""
    functions, name = project.aws.client("lambda"), project.outputs()["function_name"]
    look, mend = _blocks("403 from the URL")
    for statement in PUBLIC_STATEMENTS:
        assert str(statement["StatementId"]) in project.run_scripts([look])
    before = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    for statement in PUBLIC_STATEMENTS:
        functions.remove_permission(FunctionName=name, StatementId=statement["StatementId"])
    project.run_scripts([mend])
    assert json.loads(functions.get_policy(FunctionName=name)["Policy"]) == before


def test_rotation(project: RunbookProject, tmp_path: Path) -> None:
    """The old secret counts beside the new one until it is removed; a new key is checked."""
    keep, ask, deploy, end, ask_key, key = _blocks("Rotate a secret or a key")
    project.run_scripts([keep])
    project.run_scripts([ask], stdin=NEXT_SECRET)
    project.run_scripts([deploy])
    with project.webhook(NEXT_SECRET, tmp_path / "both") as webhook:
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=SECRET).http == 200
    project.run_scripts([end])
    with project.webhook(NEXT_SECRET, tmp_path / "new") as webhook:
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=SECRET).http == 401
    known = project.try_pulumi("config", "get", "INCIDENTIO_API_KEY").out
    project.run_scripts([ask_key], stdin=known)
    assert "INCIDENTIO_API_KEY works" in project.run_scripts([key])


def test_roll_back(project: RunbookProject) -> None:
    """The previous commit's settings are deployed."""
    project.commit("What is good")
    project.run_pulumi("config", "set", "AUTO_APPROVAL_DURATION", "99")
    project.run_scripts(["make deploy STACK=dev"])
    project.commit("A mistake")
    assert project.variables()["AUTO_APPROVAL_DURATION"] == "99"
    project.run_scripts(_blocks("Roll back"))
    assert project.variables()["AUTO_APPROVAL_DURATION"] == "6"
    project.git("checkout", "--quiet", "main")
    project.run_pulumi("config", "rm", "AUTO_APPROVAL_DURATION")


def test_update_that_was_killed(project: RunbookProject, proxy: AwsProxy) -> None:
    """The lock is removed, and the next deploy completes the update."""
    project.run_pulumi("config", "set", "MEMORY_MB", "1024")
    held = proxy.hold("PUT /2015-03-31/functions/.*/configuration")
    with project.start_pulumi("up", "--yes", "--stack", "dev") as update:
        held.wait_for()
        update.kill()
        held.release(reaches_aws=False)
    locked = project.try_pulumi("up", "--yes", "--stack", "dev")
    assert locked.code != 0
    assert "locked by 1 lock(s)" in locked.text
    output = project.run_scripts(_blocks("Update killed half way"))
    assert project.function()["MemorySize"] == 1024
    assert project.outputs()["function_name"] in output
    project.run_pulumi("preview", "--expect-no-changes")


def test_every_script_is_run() -> None:
    """Every section with scripts is named in a test that runs them."""
    others = ("test_deploy_pages.py", "test_endpoint.py")
    files = (HERE, *(HERE.parent / name for name in others))
    named = "".join(file.read_text(encoding="utf-8") for file in files)
    for title, section in SECTIONS.items():
        assert not section.blocks or f'"{title}"' in named, title


def test_state_that_moves(project: RunbookProject) -> None:
    """The state moves from a folder into the stack's bucket without other changes."""
    export, load = _blocks("Move the state")
    project.run_scripts([export])
    project.run_scripts(["unset PULUMI_BACKEND_URL\nmake bootstrap STACK=dev"])
    bucket, endpoint = project.outputs()["state_bucket"], project.endpoint
    project.set_backend(
        f"s3://{bucket}?region={project.aws.region}&endpoint={endpoint}&s3ForcePathStyle=true"
    )
    project.run_scripts([load])
    assert not list(project.folder.glob("*state.json"))
    project.run_pulumi("preview", "--stack", "dev", "--expect-no-changes")


def test_state_that_was_lost(project: RunbookProject) -> None:
    """A state that was deleted from the bucket is restored."""
    s3, key = project.aws.client("s3"), ".pulumi/stacks/oncall-approvals/dev.json"
    bucket = project.outputs()["state_bucket"]
    s3.delete_object(Bucket=bucket, Key=key)
    assert project.try_pulumi("stack", "output", "--stack", "dev").code != 0
    output = project.run_scripts(_blocks("State lost or broken"))
    assert "unchanged" in output
    project.run_pulumi("preview", "--stack", "dev", "--expect-no-changes")


def test_key_that_is_set_later(project: RunbookProject) -> None:
    """The key encrypts config and state, and the stack manages it."""
    project.run_scripts(_blocks("Set a key later"))
    exported = json.loads(project.try_pulumi("stack", "export", "--stack", "dev").out)
    assert exported["deployment"]["secrets_providers"]["type"] == "cloud"
    assert project.of_type("aws:kms/key:Key")["protect"]


def test_nothing_is_left(project: RunbookProject) -> None:
    """Bucket, log and function are gone, and the key is scheduled for deletion."""
    group = project.outputs()["log_group"]
    key = project.of_type("aws:kms/key:Key")["id"]
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        del project._environment[variable]  # the section sets the region itself
    project.run_scripts(["\n".join(_blocks("Remove everything"))])
    assert project.aws.client("s3").list_buckets()["Buckets"] == []
    groups = project.aws.client("logs").describe_log_groups()["logGroups"]
    assert group not in {log_group["logGroupName"] for log_group in groups}
    kms = project.aws.client("kms")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert not [alias for alias in kms.list_aliases()["Aliases"] if "oncall" in alias["AliasName"]]
    assert project.aws.client("lambda").list_functions()["Functions"] == []
    assert project.aws.client("iam").list_roles()["Roles"] == []
    assert project.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert project.aws.client("sns").list_topics()["Topics"] == []
