"""A stack that was there before gets its deploy role, which then suffices for what CI updates."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from sandbox.program import ROOT
from tests.engine.cli import PATIENCE
from tests.engine.gate import Gate
from tests.engine.project import STAND_IN, Project, changed
from tests.infra.iam_evaluator import Call, Policy, is_allowed

SECRETS = {"INDENT_WEBHOOK_SECRET": "wks0-the-secret-of-a-test", "INCIDENTIO_API_KEY": "one-key"}
# The stand-in for Pulumi's plugin, which notes each call that it makes.
NOTING = STAND_IN.replace(
    "main()\n",
    """
import json, pathlib
from sandbox.clients import Clients

make = Clients.client
notes = pathlib.Path(sys.argv[0]).with_name("calls")

def note(params, model, **_):
    with notes.open("a") as file:
        call = [model.service_model.service_name, model.name, params]
        file.write(json.dumps(call, default=str) + chr(10))

def client(self, service):
    made = make(self, service)
    made.meta.events.register("provide-client-params.*.*", note, unique_id="note")
    return made

Clients.client = client
main()
""",
)


class Noted:
    """The calls of the plugin and of the CLI, in IAM's words."""

    def __init__(self, project: Project, gate: Gate) -> None:
        self._project, self._gate = project, gate
        self._bin = project.folder.parent / "bin"
        (self._bin / "pulumi-resource-aws").write_text(NOTING, encoding="utf-8")

    def of(self, *command: str, bucket: str) -> list[Call]:
        """Run a command of the CLI, and tell its calls."""
        notes = self._bin / "calls"
        notes.unlink(missing_ok=True)
        before = len(self._gate.heard)
        self._project.ok(*command)
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        by_plugin = [call for line in lines for call in self._by_plugin(*json.loads(line))]
        heard = [each for each in self._gate.heard[before:] if each.split("/")[1:2] == [bucket]]
        return [*by_plugin, *(self._on_state(each) for each in heard)]

    def _on_state(self, name: str) -> Call:
        method, _, path = name.partition(" /")
        key = path.partition("/")[2]
        action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}.get(method)
        if not key:
            assert method in {"GET", "HEAD"}, name
            action = "ListBucket"
        ours = {"aws:ResourceAccount": self._project.aws.account}
        return Call(f"s3:{action or 'DeleteObject'}", f"arn:aws:s3:::{path}", ours)

    def _by_plugin(self, service: str, name: str, asked: Mapping[str, Any]) -> Iterator[Call]:
        action = f"{service}:{name}"
        match service:
            case "sts":
                assert name == "GetCallerIdentity"  # AWS answers it to everybody
            case "lambda":
                yield Call(action, self._arn("lambda", f"function:{asked['FunctionName']}"))
                if "Role" in asked:
                    passed = {"iam:PassedToService": "lambda.amazonaws.com"}
                    yield Call("iam:PassRole", asked["Role"], passed)
            case "secretsmanager":
                yield Call(action, asked["SecretId"])
            case "logs":
                yield Call(action, self._arn("logs", f"log-group:{asked['logGroupName']}"))
            case "cloudwatch":
                yield from self._on_cloudwatch(name, asked)
            case _:
                raise AssertionError(action)

    def _on_cloudwatch(self, name: str, asked: Mapping[str, Any]) -> Iterator[Call]:
        action = f"cloudwatch:{name}"
        if "DashboardName" in asked:
            dashboards = f"arn:aws:cloudwatch::{self._project.aws.account}:dashboard"
            yield Call(action, f"{dashboards}/{asked['DashboardName']}")
        elif name == "PutMetricAlarm":
            alarm = self._arn("cloudwatch", f"alarm:{asked['AlarmName']}")
            told = [*asked.get("AlarmActions", []), *asked.get("OKActions", [])]
            yield Call(action, alarm, {"cloudwatch:AlarmActions": told})
            yield Call("cloudwatch:TagResource", alarm)
        elif name == "DeleteAlarms":
            for each in asked["AlarmNames"]:
                yield Call(action, self._arn("cloudwatch", f"alarm:{each}"))
        else:
            yield Call(action, asked["ResourceARN"])

    def _arn(self, service: str, rest: str) -> str:
        aws = self._project.aws
        return f"arn:aws:{service}:{aws.region}:{aws.account}:{rest}"


@pytest.fixture(scope="module")
def noted(project: Project, gate: Gate) -> Noted:
    """A stack as somebody deployed it who had not heard of the setting."""
    noted = Noted(project, gate)
    project.new_stack("dev", SECRETS, ALARM_EMAIL="oncall@example.com")
    project.ok("up", "--yes")
    return noted


def _comment(project: Project) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "infra.preview", "dev"],
        cwd=project.folder,
        env={**project._environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _policy(project: Project, name: str) -> Policy:
    (found,) = (each for each in project.state() if each["urn"].endswith(f"::{name}"))
    policy: Policy = json.loads(found["inputs"]["policy"])
    return policy


@pytest.fixture(scope="module")
def before(project: Project, noted: Noted) -> dict[str, str]:  # noqa: ARG001 - it deployed the stack
    """The outputs of the stack, and its resources' ids, before the setting."""
    assert "A person has to deploy this" not in _comment(project)
    project.ok("config", "set", "DEPLOY_REPOSITORY", "acme/oncall")
    return {
        **project.outputs(),
        **{each["urn"]: each["id"] for each in project.state() if each.get("id")},
    }


def test_role_is_made_in_place(project: Project, before: dict[str, str]) -> None:
    """Nothing is replaced, names and URL stay, and the preview says that a person deploys it."""
    assert _steps_of(_comment(project)) == {
        "create aws:iam/policy:Policy approval-webhook-boundary",
        "create aws:iam/role:Role deploy-role",
        "create aws:iam/role:Role deploy-role-preview",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-preview-rights",
        "create aws:iam/rolePolicy:RolePolicy deploy-role-rights",
        "update aws:iam/role:Role approval-webhook-role (permissionsBoundary)",
        "update aws:sns/topicPolicy:TopicPolicy monitoring-alarms-policy (policy)",
    }
    project.ok("up", "--yes")
    project.ok("preview", "--expect-no-changes")
    project.ok("refresh", "--yes", "--expect-no-changes")
    outputs = project.outputs()
    assert {"deploy_role_arn", "preview_role_arn"} == outputs.keys() - before.keys()
    after = {**outputs, **{each["urn"]: each["id"] for each in project.state() if each.get("id")}}
    assert before.items() <= after.items()


def _steps_of(comment: str) -> set[str]:
    assert "**A person has to deploy this.**" in comment
    assert "Run `make deploy STACK=dev`" in comment
    return set(comment.split("```text\n")[1].partition("\n```")[0].splitlines())


def test_ci_can_update(project: Project, noted: Noted) -> None:
    """With the state in the bucket: code, settings, a secret, a provider on and off again."""
    project.ok("up", "--yes")
    bucket = project.outputs()["state_bucket"]
    deploys, previews = (
        [_policy(project, name)] for name in ("deploy-role-rights", "deploy-role-preview-rights")
    )
    _move_state(project, bucket)
    code = project.folder / "handler" / "clock.py"
    code.write_text(code.read_text("utf-8") + "\nCHANGED = True\n", encoding="utf-8")
    project.ok("config", "set", "AUTO_APPROVAL_DURATION", "3")
    project.ok("config", "set", "RESERVED_CONCURRENCY", "5")
    project.ok("config", "set", "--secret", "PAGERDUTY_KEY", given="another-key")
    assert "A person has to deploy this" not in _comment(project)
    calls = noted.of("preview", bucket=bucket)
    assert {call.action for call in calls} == {"s3:GetObject", "s3:ListBucket"}
    assert _refused(calls, previews) == set()
    calls = noted.of("up", "--yes", "--skip-preview", bucket=bucket)
    assert {
        *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "iam:PassRole"),
        *("lambda:PutFunctionConcurrency", "secretsmanager:PutSecretValue"),
        *("logs:PutMetricFilter", "cloudwatch:PutMetricAlarm", "cloudwatch:PutDashboard"),
        *("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"),
    } <= {call.action for call in calls}
    assert _refused(calls, deploys) == set()
    for key in ("PAGERDUTY_KEY", "RESERVED_CONCURRENCY"):
        project.ok("config", "rm", key)
    calls = noted.of("up", "--yes", "--skip-preview", bucket=bucket)
    assert {
        *("lambda:DeleteFunctionConcurrency", "logs:DeleteMetricFilter"),
        "cloudwatch:DeleteAlarms",
    } <= {call.action for call in calls}
    assert _refused(calls, deploys) == set()
    assert changed(project.preview()) == set()


def _refused(calls: Iterable[Call], policies: Sequence[Policy]) -> set[tuple[str, str]]:
    return {(call.action, call.resource) for call in calls if not is_allowed(call, policies)}


def _move_state(project: Project, bucket: str) -> None:
    """Have the state where the README has it, as the runbook moves one."""
    exported = project.folder.parent / "exported.json"
    exported.write_text(project.pulumi("stack", "export").out, encoding="utf-8")
    environment = project._environment
    environment["PULUMI_BACKEND_URL"] = (
        f"s3://{bucket}?region={project.aws.region}"
        f"&endpoint={environment['AWS_ENDPOINT_URL']}&s3ForcePathStyle=true"
    )
    project.ok("stack", "init", "dev")
    project.ok("stack", "import", "--file", str(exported))


@pytest.mark.parametrize(
    ("key", "value", "steps"),
    [
        (
            "LOG_RETENTION_DAYS",
            "30",
            {"update aws:cloudwatch/logGroup:LogGroup approval-webhook-log (retentionInDays)"},
        ),
        (
            "ALARM_EMAIL",
            "other@example.com",
            {"replace aws:sns/topicSubscription:TopicSubscription monitoring-alarms-email"},
        ),
        (
            "DEPLOY_REPOSITORY",
            "acme/other",
            {
                "update aws:iam/role:Role deploy-role (assumeRolePolicy)",
                "update aws:iam/role:Role deploy-role-preview (assumeRolePolicy)",
            },
        ),
    ],
)
def test_preview_names_what_a_person_deploys(
    project: Project, noted: Noted, key: str, value: str, steps: set[str]
) -> None:
    """What the role may not do is named, and what it may is not."""
    del noted
    kept = project.ok("config", "get", key).strip() if key != "LOG_RETENTION_DAYS" else "365"
    project.ok("config", "set", key, value)
    project.ok("config", "set", "MEMORY_MB", "1024")
    assert _steps_of(_comment(project)) == steps
    project.ok("config", "set", key, kept)
    project.ok("config", "rm", "MEMORY_MB")
