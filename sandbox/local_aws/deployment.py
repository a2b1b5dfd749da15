"""Deploys the real program to the local AWS, and brings new secrets as a later `pulumi up` does."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pulumi

from sandbox.lambda_url.http_api import ApiConfig, HttpApi
from sandbox.lambda_url.runtime import FunctionConfig
from sandbox.lambda_url.server import Endpoint, FunctionUrl
from sandbox.local_aws.program import ROOT, run_program
from sandbox.local_aws.resources import resource_of
from sandbox.local_aws.resources.apigateway import SERVICE, Api, execution_arn, host_of
from sandbox.local_aws.resources.awslambda import Function, is_public, may_call
from sandbox.local_aws.resources.invokes import answer_invoke
from sandbox.local_aws.resources.moto_workarounds import logging_of, reserved_concurrency_of
from sandbox.local_aws.resources.resource import Existing
from sandbox.local_aws.resources.secretsmanager import SecretVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path
    from typing import Unpack

    from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

    from sandbox.lambda_url.server import Options
    from sandbox.local_aws.clients import Clients
    from sandbox.local_aws.moto_server import Aws


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedResource:
    """A resource that was created on the local AWS.

    Attributes:
        type: Pulumi's type token.
        name: its logical name in the program.
        id: its physical id.
        inputs: its inputs in plain text, secrets included, so they are not printed.
    """

    type: str
    name: str
    id: str
    inputs: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedFunction:
    """Everything needed to run the function as Lambda does.

    Attributes:
        config: what its configuration says.
        reserved_concurrency: calls at once, at most; None is the account's limit.
        zip: its code, read back from the local AWS.
    """

    config: FunctionConfig
    reserved_concurrency: int | None
    zip: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a deployment made.

    Attributes:
        outputs: the stack's outputs, as plain values.
        resources: all that was created, in that order.
        function: the one function.
        api_id: of the HTTP API in front of it; "" with a function URL.
        notes: the program's messages to the user.
    """

    outputs: Mapping[str, str]
    resources: tuple[CreatedResource, ...]
    function: DeployedFunction
    api_id: str = ""
    notes: tuple[str, ...]

    def only(self, type_: str) -> CreatedResource:
        """Give the only resource of a type."""
        (resource,) = (resource for resource in self.resources if resource.type == type_)
        return resource


def deploy(
    aws: Aws,
    config: Mapping[str, str],
    secret_keys: Collection[str],
    stack: str,
    root: Path = ROOT,
) -> Deployment:
    """Run the program with a stack's config, and create on the local AWS what it registers.

    The root is the project's folder; names of policy files are relative to it.

    Raises:
        pulumi.RunError: the program refuses the config.
        UnknownToSandboxError: the program uses something that the sandbox cannot make.
    """
    maker = _OnLocalAws(aws)
    run = run_program(config, secret_keys, maker, root=root, stack=stack)
    (function,) = (resource for resource in maker.created if resource.type == Function.type)
    return Deployment(
        outputs=run.outputs,
        resources=tuple(maker.created),
        function=read_function(aws, function.id, function.inputs),
        api_id=next((made.id for made in maker.created if made.type == Api.type), ""),
        notes=run.notes,
    )


class _OnLocalAws(pulumi.runtime.Mocks):
    """Answers the program as Pulumi's engine with its AWS provider would."""

    def __init__(self, aws: Aws) -> None:
        self.created: list[CreatedResource] = []
        self._aws = aws
        # The program asks from several threads; moto's state is made for one at a time.
        self._one_at_a_time = threading.Lock()

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return answer_invoke(args.token, self._aws), []

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom:
            return "", {}  # a component: it is made of its children
        resource = resource_of(args.typ)
        inputs = resource.check(args.name, args.inputs)
        with self._one_at_a_time:
            physical_id, outputs = resource.create(inputs, self._aws)
            self.created.append(
                CreatedResource(type=args.typ, name=args.name, id=physical_id, inputs=inputs)
            )
        # The inputs as they came: what arrived in a secret envelope is returned in one.
        return physical_id, {**args.inputs, **outputs}


def rotate_secrets(aws: Aws, deployment: Deployment, secrets: Mapping[str, str]) -> Deployment:
    """Put other values into the secret, and make the function read that version.

    In Pulumi's order: a new version, then the function in place. The previous
    version stays, as in AWS.
    """
    version, function = deployment.only(SecretVersion.type), deployment.only(Function.type)
    inputs = {**version.inputs, "secretString": json.dumps(dict(secrets), sort_keys=True)}
    version_id, outputs = resource_of(version.type).create(inputs, aws)
    new_version = replace(version, id=version_id, inputs=inputs)
    variables = {
        **function.inputs["environment"]["variables"],
        "HANDLER_SECRET_VERSION": outputs["versionId"],
    }
    inputs = {**function.inputs, "environment": {"variables": variables}}
    deployed = aws.client("lambda").get_function_configuration(FunctionName=function.id)
    existing = Existing(function.id, {**function.inputs, "codeSha256": deployed["CodeSha256"]})
    resource_of(function.type).update(existing, inputs, aws)
    new_function = replace(function, inputs=inputs)
    changed = {version.type: new_version, function.type: new_function}
    return replace(
        deployment,
        resources=tuple(changed.get(resource.type, resource) for resource in deployment.resources),
        function=read_function(aws, function.id, inputs),
    )


def read_function(aws: Aws, name: str, inputs: Mapping[str, Any]) -> DeployedFunction:
    """Read a function back from the local AWS; what moto forgets comes from its inputs."""
    deployed = aws.client("lambda").get_function_configuration(FunctionName=name)
    log_format, log_group = logging_of(inputs)
    return DeployedFunction(
        config=FunctionConfig(
            name=name,
            arn=deployed["FunctionArn"],
            handler=deployed["Handler"],
            timeout=deployed["Timeout"],
            memory_mb=deployed["MemorySize"],
            environment=deployed["Environment"]["Variables"],
            log_format=log_format,
            log_group=log_group,
            region=aws.region,
        ),
        reserved_concurrency=reserved_concurrency_of(inputs),
        zip=aws.zip_of(name),
    )


def read_api(aws: Clients, api_id: str) -> ApiConfig:
    """Read an HTTP API back from the local AWS."""
    stage = aws.client(SERVICE).get_stage(ApiId=api_id, StageName="$default")
    settings = stage["DefaultRouteSettings"]
    return ApiConfig(
        account=aws.account,
        domain=host_of(api_id, aws),
        rate=settings["ThrottlingRateLimit"],
        burst=settings["ThrottlingBurstLimit"],
    )


def is_reachable(aws: Clients, function: str, api_id: str = "") -> bool:
    """Whether a function's policy lets anybody call its URL, or its API call it."""
    if api_id:
        return may_call(aws, function, f"{execution_arn(api_id, aws)}/$default/$default")
    return is_public(aws, function)


def serve(
    aws: Clients, function: DeployedFunction, api_id: str = "", **options: Unpack[Options]
) -> Endpoint:
    """Serve a function behind its HTTP API, or behind its URL if it has none."""

    def reachable() -> bool:
        return is_reachable(aws, function.config.name, api_id)

    if api_id:
        api = read_api(aws, api_id)
        return HttpApi(function.config, function.zip, api=api, may_call=reachable, **options)
    return FunctionUrl(function.config, function.zip, is_public=reachable, **options)
