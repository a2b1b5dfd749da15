"""New secrets for a deployed function: what `pulumi up` changes when one is set in the config."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.local_aws.deployment import CreatedResource, Deployment, read_function
from sandbox.local_aws.resources import resource_of
from sandbox.local_aws.resources.awslambda import Function
from sandbox.local_aws.resources.secretsmanager import SecretVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.moto_server import Aws


def rotated(aws: Aws, deployment: Deployment, secrets: Mapping[str, str]) -> Deployment:
    """Put other values into the secret, and have the function read that version of it.

    In the order in which Pulumi does it: a new version, then the function in place. The version of
    before stays, as in AWS.
    """
    version = _only(deployment, SecretVersion.type)
    inputs = {**version.inputs, "secretString": json.dumps(dict(secrets), sort_keys=True)}
    version_id, outputs = resource_of(version.type).create(inputs, aws)
    new_version = replace(version, id=version_id, inputs=inputs)
    function = _only(deployment, Function.type)
    variables = {
        **function.inputs["environment"]["variables"],
        "HANDLER_SECRET_VERSION": outputs["versionId"],
    }
    inputs = {**function.inputs, "environment": {"variables": variables}}
    found = aws.client("lambda").get_function_configuration(FunctionName=function.id)
    state = {**function.inputs, "arn": found["FunctionArn"], "codeSha256": found["CodeSha256"]}
    resource_of(function.type).update(function.id, inputs, state, aws)
    new_function = replace(function, inputs=inputs)
    changed = {version.type: new_version, function.type: new_function}
    return replace(
        deployment,
        resources=tuple(changed.get(each.type, each) for each in deployment.resources),
        function=read_function(aws, function.id, inputs),
    )


def _only(deployment: Deployment, type_: str) -> CreatedResource:
    (found,) = (each for each in deployment.resources if each.type == type_)
    return found
