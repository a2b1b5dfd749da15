"""The real program, run in process with the config of a test."""

from __future__ import annotations

import contextvars
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime import settings
from pulumi.runtime.config import set_all_config

from infra.config import StackConfig, read_config
from infra.stack_file import read_stack_config
from sandbox.local_aws.program import PROJECT, ProgramRun, run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "INDENT_WEBHOOK_SECRET": "webhook-secret-of-the-tests",
    "INCIDENTIO_API_KEY": "incidentio-key-of-the-tests",
}
# A setting by which not every duty opens everything.
NARROWED = {"AUTO_APPROVAL_SCHEDULES": "Production"}
# What the preview says of a stack that names neither schedules, roles nor a policy.
OPEN = (
    "Anybody who holds a role other than the reporter's in a live incident or is on call for any "
    "schedule opens any resource: none of AUTO_APPROVAL_SCHEDULES, AUTO_APPROVAL_INCIDENTIO_ROLES "
    "and AUTO_APPROVAL_POLICY is set; narrow it, for example with "
    "`pulumi config set AUTO_APPROVAL_SCHEDULES Production --stack dev`, or with a policy file: "
    "`cp policy/example.yaml policy/prod.yaml`, "
    "`cp policy/example.test.yaml policy/prod.test.yaml` and "
    "`pulumi config set AUTO_APPROVAL_POLICY policy/prod.yaml --stack dev`"
)
# Of these, the program takes region and account from the ARN.
ARNS = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": "arn:aws:cloudwatch:eu-north-1:210987654321:alarm:",
    "aws:sns/topic:Topic": "arn:aws:sns:eu-north-1:210987654321:",
}


@cache
def _defaults() -> Mapping[str, str]:
    return read_stack_config(ROOT, "without-a-file")[0]


class MockProvider(pulumi.runtime.Mocks):
    """Answers for each resource what a provider might, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer the only call there is: whose account this is."""
        self.requests.append(args.token)
        caller = "arn:aws-cn:sts::210987654321:assumed-role/admin/somebody"
        return {"accountId": "210987654321", "arn": caller}, []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Answer with all that any of the resources has beyond its inputs."""
        self.requests.append(args.typ)
        return f"{args.name}-id", {
            "name": f"{args.name}-name",
            "arn": f"{ARNS.get(args.typ, 'arn:')}{args.name}",
            "versionId": "version-1",
            "keyId": "key-1",
            "dashboardArn": f"arn:{args.name}",
            "functionUrl": "https://abc.lambda-url.eu-north-1.on.aws/",
            "executionArn": "arn:aws:execute-api:eu-north-1:210987654321:abc123",
            "invokeUrl": "https://abc123.execute-api.eu-north-1.amazonaws.com/",
            **args.inputs,
        }


class Program:
    """The program, ready to be run with a stack's config."""

    def __init__(self) -> None:
        self.mocks = MockProvider()

    def run(
        self,
        plain: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        *,
        root: Path = ROOT,
        stack: str = "dev",
        preview: bool = False,
    ) -> ProgramRun:
        """Run it with the defaults of Pulumi.yaml, `plain` in clear, `secrets` encrypted.

        A key without a namespace is the project's.
        """
        config, secret_keys = _config(plain, secrets)
        return run_program(config, secret_keys, self.mocks, root=root, stack=stack, preview=preview)


def read(
    plain: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    *,
    root: Path = ROOT,
    stack: str = "dev",
) -> StackConfig:
    """Read the same config as the program does, without what it would register."""

    def in_context() -> StackConfig:
        config, secret_keys = _config(plain, secrets)
        set_all_config(config, list(secret_keys))
        settings.configure(settings.Settings(project=PROJECT, stack=stack))
        return read_config(root, os.environ)

    # Pulumi keeps its state in context variables.
    return contextvars.copy_context().run(in_context)


def _config(
    plain: Mapping[str, str] | None, secrets: Mapping[str, str] | None
) -> tuple[dict[str, str], set[str]]:
    encrypted = SECRETS if secrets is None else secrets
    given = {**(plain or {}), **encrypted}
    config = {**_defaults(), "aws:region": "eu-north-1"}
    config |= {_whole(key): value for key, value in given.items()}
    return config, {_whole(key) for key in encrypted}


def _whole(key: str) -> str:
    return key if ":" in key else f"{PROJECT}:{key}"


def inputs_of(run: ProgramRun, kind: str) -> dict[str, Any]:
    """Give the inputs of the one resource whose type ends so."""
    (result,) = (dict(made.inputs) for made in run.registrations if made.type.endswith(f":{kind}"))
    return result


def environment_of(run: ProgramRun) -> dict[str, str]:
    """Give the function's environment."""
    variables: dict[str, str] = inputs_of(run, "Function")["environment"]["variables"]
    return variables
