"""The calls of a deploy to AWS, as IAM actions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import STAND_IN, PulumiProject
from tests.infra.iam_evaluator import Call, Policy, is_allowed

CRYPTOGRAPHY = {"Encrypt", "Decrypt"}
READS_OF_A_BUCKET = {"": "ListBucket", "tagging": "GetBucketTagging"}
# The stand-in for Pulumi's plugin, which records each call.
RECORDING = STAND_IN.replace(
    "main()\n",
    """
import json, pathlib
from sandbox.local_aws.clients import Clients

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


class AwsCalls:
    """The calls of the plugin and the CLI, as IAM actions."""

    def __init__(self, project: PulumiProject, proxy: AwsProxy) -> None:
        self._project, self._proxy = project, proxy
        self._bin = project.folder.parent / "bin"
        (self._bin / "pulumi-resource-aws").write_text(RECORDING, encoding="utf-8")

    def of_command(self, bucket: str, *command: str) -> list[Call]:
        """Run a command of the CLI, and return its calls."""
        return self.during(bucket, lambda: self._project.run_pulumi(*command))

    def during(self, bucket: str, run: Callable[[], object], key: str = "") -> list[Call]:
        """Run something, and return the calls: the plugin's, and others, with state and key."""
        notes = self._bin / "calls"
        notes.unlink(missing_ok=True)
        before = len(self._proxy.calls)
        run()
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        records = [json.loads(line) for line in lines]
        by_plugin = [call for note in records for call in self._by_plugin(*note)]
        names = self._proxy.calls[before:]
        on_state = [name for name in names if re.match(rf"[A-Z]+ /{bucket}($|[/?])", name)]
        # Calls to services with paths are the plugin's.
        others = {name for name in names if " /" not in name} - {name for _, name, _ in records}
        assert others <= {*CRYPTOGRAPHY, "GetCallerIdentity"}
        by_key = [Call(f"kms:{name}", key) for name in sorted(others & CRYPTOGRAPHY)]
        return [*by_plugin, *(self._on_state(name) for name in on_state), *by_key]

    def _on_state(self, name: str) -> Call:
        method, _, path = name.partition(" /")
        path, _, read = path.partition("?")
        key = path.partition("/")[2]
        action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}.get(method)
        if not key:
            assert method in {"GET", "HEAD"}, name
            action = READS_OF_A_BUCKET[read]
        ours = {"aws:ResourceAccount": self._project.aws.account}
        return Call(f"s3:{action or 'DeleteObject'}", f"arn:aws:s3:::{path}", ours)

    def _by_plugin(self, service: str, name: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
        action = f"{service}:{name}"
        match service:
            case "sts":
                assert name == "GetCallerIdentity"  # needs no permission
            case "lambda":
                yield Call(action, self._arn("lambda", f"function:{parameters['FunctionName']}"))
                if "Role" in parameters:
                    passed = {"iam:PassedToService": "lambda.amazonaws.com"}
                    yield Call("iam:PassRole", parameters["Role"], passed)
            case "secretsmanager":
                yield Call(action, parameters["SecretId"])
            case "logs":
                yield Call(action, self._arn("logs", f"log-group:{parameters['logGroupName']}"))
            case "cloudwatch":
                yield from self._on_cloudwatch(name, parameters)
            case _:
                raise AssertionError(action)

    def _on_cloudwatch(self, name: str, parameters: Mapping[str, Any]) -> Iterator[Call]:
        action = f"cloudwatch:{name}"
        if "DashboardName" in parameters:
            dashboards = f"arn:aws:cloudwatch::{self._project.aws.account}:dashboard"
            yield Call(action, f"{dashboards}/{parameters['DashboardName']}")
        elif name == "PutMetricAlarm":
            alarm = self._arn("cloudwatch", f"alarm:{parameters['AlarmName']}")
            topics = [*parameters.get("AlarmActions", []), *parameters.get("OKActions", [])]
            yield Call(action, alarm, {"cloudwatch:AlarmActions": topics})
            yield Call("cloudwatch:TagResource", alarm)
        else:
            assert name == "DeleteAlarms"
            for alarm_name in parameters["AlarmNames"]:
                yield Call(action, self._arn("cloudwatch", f"alarm:{alarm_name}"))

    def _arn(self, service: str, rest: str) -> str:
        aws = self._project.aws
        return f"arn:aws:{service}:{aws.region}:{aws.account}:{rest}"


def policy_in(project: PulumiProject, name: str) -> Policy:
    """Return a role's policy from the state."""
    (resource,) = (
        resource for resource in project.state() if resource["urn"].endswith(f"::{name}")
    )
    policy: Policy = json.loads(resource["inputs"]["policy"])
    return policy


def not_allowed(calls: Iterable[Call], policies: Sequence[Policy]) -> set[tuple[str, str]]:
    """Return the calls that the policies don't allow."""
    return {(call.action, call.resource) for call in calls if not is_allowed(call, policies)}
