"""Each script of the runbook, run as it stands there, where it would be needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import DAN, JANE, NORA
from sandbox.local_aws.moto_server import Aws
from sandbox.local_aws.resources.functions import PUBLIC_STATEMENTS
from tests.e2e.webhook_calls import request_of
from tests.engine.gate import Gate
from tests.engine.terminal import Terminal
from tests.runbook import SECTIONS

SECRET, NEXT_SECRET = "wks0-the-first-secret-of-a-test", "wks0-the-second-secret-of-a-test"
INFO = {"info": True}

pytestmark = pytest.mark.skipif(shutil.which("aws") is None, reason="no AWS CLI on PATH")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, gate: Gate) -> Terminal:
    """A copy of the project, at a terminal."""
    return Terminal(tmp_path_factory.mktemp("runbook"), aws, gate.endpoint)


@pytest.fixture(scope="module")
def terminal(project: Terminal, provider: Mapping[str, str]) -> Terminal:
    """The stack `dev`, deployed and committed."""
    url = "INCIDENTIO_BASE_URL"
    secrets = {key: value for key, value in provider.items() if key != url}
    secrets["INDENT_WEBHOOK_SECRET"] = SECRET
    project.new_stack("dev", secrets, **{url: provider[url]})
    project.runs(["make deploy STACK=dev"])
    project.commit("Deploy")
    return project


def _blocks(title: str) -> list[str]:
    return list(SECTIONS[title].blocks)


def test_stop_it_and_start_it_again(terminal: Terminal, tmp_path: Path) -> None:
    """Dry: it answers, and claims nothing. Shut: nothing is reserved. Then as before."""
    dry, shut, again = _blocks("Stop it")
    terminal.runs([dry])
    with terminal.served(SECRET, tmp_path / "dry") as webhook:
        assert webhook.ask(request_of(JANE)) == []
    terminal.runs([shut])
    assert terminal.reserved() == 0
    deploy, name, check = again.partition("oncall check")
    terminal.runs([deploy])
    assert terminal.reserved() is None
    said = terminal.runs_where_it_answers(name + check, tmp_path / "again")
    assert f"claims example.v1.Resource:oncall-check for {JANE}" in said


@pytest.fixture(scope="module")
def logged(terminal: Terminal, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A log with a yes, a yes by a self-made duty, a no, a forged signature and a failure."""
    file = tmp_path_factory.mktemp("log") / "log"
    with terminal.served(SECRET, file) as webhook:
        webhook.ask(request_of(JANE))
        webhook.ask(request_of(NORA))
        webhook.call(INFO, secret="wks0-anything-else-at-all")
    (line,) = (each for each in file.read_text().splitlines() if JANE in each)
    made = {**json.loads(line), "call": "another", "self_made": True, "requester": DAN}
    failed = {"level": "ERROR", "message": "failed", "http": 503, "why": "Secrets Manager: gone"}
    with file.open("a") as lines:
        lines.write(f"{json.dumps(made)}\n{json.dumps(failed)}\nRequestId: 1 Task timed out\n")
    terminal.log(file)


@pytest.mark.usefixtures("logged")
class TestLog:
    """What is read in the log, section by section."""

    def test_function_broken(self, terminal: Terminal) -> None:
        """All lines, Lambda's own too."""
        (tail,) = _blocks("Function broken")
        assert "Task timed out" in terminal.runs([tail])

    def test_calls_failed(self, terminal: Terminal) -> None:
        """Those that failed, and no other."""
        tail, _ = _blocks("Calls failed")
        (line,) = terminal.runs([tail]).splitlines()
        assert "Secrets Manager: gone" in line

    def test_signatures_refused(self, terminal: Terminal) -> None:
        """How many, and why."""
        said = terminal.runs(_blocks("Signatures refused"))
        assert "the signature is wrong" in said

    def test_many_approvals(self, terminal: Terminal) -> None:
        """How many by which rule, then who."""
        report, *lines = terminal.runs(_blocks("Many approvals")).splitlines()
        assert "3 decisions" in report
        asked = [line for line in lines if '"outcome": "approve"' in line]
        assert len(asked) == 2

    def test_policy_mistake(self, terminal: Terminal) -> None:
        """What an edited policy would have changed: Jane's approval, among others."""
        (script,) = _blocks("Policy mistake")
        # `replay` ends with 1 where something differs, which an edit is for.
        said = terminal.run(script.replace("example.yaml", "example.yaml || true #"))
        assert said.code == 0, said.text
        assert JANE in said.text
        assert "policy/example.yaml, by policy/example.test.yaml" in said.text


def test_secret_that_was_deleted(terminal: Terminal, tmp_path: Path) -> None:
    """It is brought back, and the function reads it."""
    secrets, arn = terminal.aws.client("secretsmanager"), terminal.outputs()["secret_arn"]
    secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    with terminal.served(SECRET, tmp_path / "gone") as webhook:
        assert webhook.call(INFO).http == 503
    _, restore = _blocks("Calls failed")
    terminal.runs([restore])
    with terminal.served(SECRET, tmp_path / "back") as webhook:
        assert webhook.call(INFO).http == 200


def test_throttled(terminal: Terminal) -> None:
    """What is reserved is told, and raised."""
    terminal.ok("config", "set", "RESERVED_CONCURRENCY", "0")
    said = terminal.runs(_blocks("Throttled"))
    assert said.startswith("0\n")
    assert terminal.reserved() == 20
    terminal.ok("config", "rm", "RESERVED_CONCURRENCY")


def test_provider_failing_and_no_duty_found(terminal: Terminal) -> None:
    """The key is tried, and somebody off duty is told why not: exit status 1 is a no."""
    assert "INCIDENTIO_API_KEY is valid" in terminal.runs(_blocks("Provider failing"))
    script, without_email = _blocks("No duty found")
    said = terminal.run(script.replace("prod-db\n", "prod-db || true\n"))
    assert said.code == 0, said.text
    assert f"no: humans decide whether {NORA} gets example.v1.Resource:prod-db" in said.text
    # Of nobody here an e-mail is missing.
    assert "without_email" not in terminal.runs([without_email])


@pytest.mark.usefixtures("logged")
def test_self_made_duty(terminal: Terminal) -> None:
    """It is told whose it was, and what lets such duties count is switched off."""
    tail, switch_off = _blocks("Self-made duty")
    (line,) = terminal.runs([tail]).splitlines()
    assert DAN in line
    terminal.ok("config", "set", "INCIDENTIO_APPROVE_SELF_DECLARED", "true")
    terminal.runs([switch_off])
    assert terminal.variables()["INCIDENTIO_APPROVE_SELF_DECLARED"] == "false"
    assert terminal.variables()["INCIDENTIO_APPROVE_PARTICIPANTS"] == "false"


def test_forbidden_url(terminal: Terminal) -> None:
    """Both statements are told; those that are gone are put back as they were."""
    functions, name = terminal.aws.client("lambda"), terminal.outputs()["function_name"]
    look, mend = _blocks("403 from the URL")
    for statement in PUBLIC_STATEMENTS:
        assert str(statement["StatementId"]) in terminal.runs([look])
    before = json.loads(functions.get_policy(FunctionName=name)["Policy"])
    for statement in PUBLIC_STATEMENTS:
        functions.remove_permission(FunctionName=name, StatementId=statement["StatementId"])
    terminal.runs([mend])
    assert json.loads(functions.get_policy(FunctionName=name)["Policy"]) == before


def test_rotation(terminal: Terminal, tmp_path: Path) -> None:
    """The old secret counts beside the new one until it is taken away; a key is tried."""
    keep, ask, deploy, end, ask_key, key = _blocks("Rotate a secret or a key")
    terminal.runs([keep])
    terminal.runs([ask], given=NEXT_SECRET)
    terminal.runs([deploy])
    with terminal.served(NEXT_SECRET, tmp_path / "both") as webhook:
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=SECRET).http == 200
    terminal.runs([end])
    with terminal.served(NEXT_SECRET, tmp_path / "new") as webhook:
        assert webhook.call(INFO).http == 200
        assert webhook.call(INFO, secret=SECRET).http == 401
    known = terminal.pulumi("config", "get", "INCIDENTIO_API_KEY").out
    terminal.runs([ask_key], given=known)
    assert "INCIDENTIO_API_KEY is valid" in terminal.runs([key])


def test_roll_back(terminal: Terminal) -> None:
    """The settings of the commit before are deployed."""
    terminal.commit("What is good")
    terminal.ok("config", "set", "AUTO_APPROVAL_DURATION", "99")
    terminal.runs(["make deploy STACK=dev"])
    terminal.commit("A mistake")
    assert terminal.variables()["AUTO_APPROVAL_DURATION"] == "99"
    terminal.runs(_blocks("Roll back"))
    assert terminal.variables()["AUTO_APPROVAL_DURATION"] == "6"
    terminal.git("checkout", "--quiet", "main")
    terminal.ok("config", "rm", "AUTO_APPROVAL_DURATION")


def test_update_that_was_killed(terminal: Terminal, gate: Gate) -> None:
    """The lock is taken, and the next deploy ends what was begun."""
    terminal.ok("config", "set", "MEMORY_MB", "1024")
    held = gate.hold("PUT /2015-03-31/functions/.*/configuration")
    with terminal.running("up", "--yes", "--stack", "dev") as update:
        held.came()
        update.kill()
        held.let_go(reaches_aws=False)
    locked = terminal.pulumi("up", "--yes", "--stack", "dev")
    assert locked.code != 0
    assert "locked by 1 lock(s)" in locked.text
    said = terminal.runs(_blocks("Update killed half way"))
    assert terminal.function()["MemorySize"] == 1024
    assert terminal.outputs()["function_name"] in said
    terminal.ok("preview", "--expect-no-changes")


def test_every_script_is_run() -> None:
    """Sections with scripts are those that this file names."""
    named = Path(__file__).read_text(encoding="utf-8")
    for title, section in SECTIONS.items():
        assert not section.blocks or f'_blocks("{title}")' in named, title


def test_state_that_moves(terminal: Terminal) -> None:
    """Out of a folder into the bucket that the stack has made, and nothing else is to change."""
    export, load = _blocks("Move the state")
    terminal.runs([export])
    terminal.runs(["unset PULUMI_BACKEND_URL\nmake bootstrap STACK=dev"])
    bucket, endpoint = terminal.outputs()["state_bucket"], terminal.endpoint
    terminal.keep_state_at(
        f"s3://{bucket}?region={terminal.aws.region}&endpoint={endpoint}&s3ForcePathStyle=true"
    )
    terminal.runs([load])
    assert not list(terminal.folder.glob("*state.json"))
    terminal.ok("preview", "--stack", "dev", "--expect-no-changes")


def test_state_that_was_lost(terminal: Terminal) -> None:
    """Deleted in the bucket, and brought back."""
    s3, key = terminal.aws.client("s3"), ".pulumi/stacks/oncall-approvals/dev.json"
    bucket = terminal.outputs()["state_bucket"]
    s3.delete_object(Bucket=bucket, Key=key)
    assert terminal.pulumi("stack", "output", "--stack", "dev").code != 0
    said = terminal.runs(_blocks("State lost or broken"))
    assert "unchanged" in said
    terminal.ok("preview", "--stack", "dev", "--expect-no-changes")


def test_key_that_is_set_later(terminal: Terminal) -> None:
    """Config and state are encrypted by it, and the stack manages it."""
    terminal.runs(_blocks("Set a key later"))
    exported = json.loads(terminal.pulumi("stack", "export", "--stack", "dev").out)
    assert exported["deployment"]["secrets_providers"]["type"] == "cloud"
    assert terminal.of_type("aws:kms/key:Key")["protect"]


def test_nothing_is_left(terminal: Terminal) -> None:
    """No bucket, no log, no function, and a key that waits for its deletion."""
    group = terminal.outputs()["log_group"]
    key = terminal.of_type("aws:kms/key:Key")["id"]
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        del terminal._environment[variable]  # the section says itself where it all is
    terminal.runs(["\n".join(_blocks("Remove everything"))])
    assert terminal.aws.client("s3").list_buckets()["Buckets"] == []
    groups = terminal.aws.client("logs").describe_log_groups()["logGroups"]
    assert group not in {each["logGroupName"] for each in groups}
    kms = terminal.aws.client("kms")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert not [each for each in kms.list_aliases()["Aliases"] if "oncall" in each["AliasName"]]
    assert terminal.aws.client("lambda").list_functions()["Functions"] == []
    assert terminal.aws.client("iam").list_roles()["Roles"] == []
    assert terminal.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert terminal.aws.client("sns").list_topics()["Topics"] == []
