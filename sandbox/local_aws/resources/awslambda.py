"""Lambda: the function, its URL, and who else may call it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.lambda_url.archive import build_zip
from sandbox.local_aws.resources.moto_workarounds import (
    check_environment,
    reserved_concurrency_of,
    url_with_slash,
)
from sandbox.local_aws.resources.resource import Existing, Resource

if TYPE_CHECKING:
    from sandbox.local_aws.clients import Clients

# What the provider adds to a function whose URL asks for no AWS signature
# (documentation of aws.lambda.FunctionUrl). Without either, every call is answered 403.
PUBLIC_STATEMENTS = (
    {
        "StatementId": "FunctionURLAllowPublicAccess",
        "Action": "lambda:InvokeFunctionUrl",
        "FunctionUrlAuthType": "NONE",
    },
    {
        "StatementId": "FunctionURLAllowInvokeAction",
        "Action": "lambda:InvokeFunction",
        "InvokedViaFunctionUrl": True,
    },
)


class Function(Resource):
    """A function from a zip."""

    type = "aws:lambda/function:Function"
    known_inputs = frozenset(
        {
            "name",
            "description",
            "runtime",
            "architectures",
            "handler",
            "code",
            "role",
            "timeout",
            "memorySize",
            "reservedConcurrentExecutions",
            "loggingConfig",
            "environment",
            "tags",
        }
    )
    name_input = "name"
    replacement_inputs = frozenset({"name"})
    service = "lambda"
    deletion = ("delete_function", "FunctionName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the function with its zip in the call, then reserve its concurrency."""
        functions = aws.client("lambda")
        created = functions.create_function(
            FunctionName=inputs["name"],
            Architectures=inputs["architectures"],
            Code={"ZipFile": build_zip(inputs["code"])},
            Tags=inputs.get("tags", {}),
            **_configuration(inputs),
        )
        self._reserve(inputs, functions)
        return created["FunctionName"], {
            "name": created["FunctionName"],
            "arn": created["FunctionArn"],
            "version": created["Version"],
            "codeSha256": created["CodeSha256"],
        }

    def changes(self, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> set[str]:
        """Compare code by its content, not by the place of its files."""
        changed = super().changes(state, inputs) - {"code"}
        code = inputs["code"]
        if isinstance(code, Mapping):  # the engine compares by hash, and sends no more
            same = code["hash"] == state["code"]["hash"]
        else:
            same = _sha256(build_zip(code)) == state.get("codeSha256")
        return changed if same else changed | {"code"}

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read its configuration; moto forgets its logging, and a concurrency of 0."""
        function = aws.client("lambda").get_function_configuration(FunctionName=existing.id)
        return {
            "description": function["Description"],
            "runtime": function["Runtime"],
            "handler": function["Handler"],
            "role": function["Role"],
            "timeout": function["Timeout"],
            "memorySize": function["MemorySize"],
            "environment": {"variables": function["Environment"]["Variables"]},
            "codeSha256": function["CodeSha256"],
        }

    def update(self, existing: Existing, inputs: Mapping[str, Any], aws: Clients) -> dict[str, Any]:
        """Update code, configuration and concurrency, each only where it changed."""
        functions, changed = aws.client("lambda"), self.changes(existing.state, inputs)
        outputs: dict[str, Any] = {}
        if "code" in changed:
            updated = functions.update_function_code(
                FunctionName=existing.id,
                ZipFile=build_zip(inputs["code"]),
                Architectures=inputs["architectures"],
            )
            outputs["codeSha256"] = updated["CodeSha256"]
        if changed - {"code", "reservedConcurrentExecutions"}:
            functions.update_function_configuration(
                FunctionName=existing.id, **_configuration(inputs)
            )
        if "reservedConcurrentExecutions" in changed:
            functions.delete_function_concurrency(FunctionName=existing.id)
            self._reserve(inputs, functions)
        return outputs

    @staticmethod
    def _reserve(inputs: Mapping[str, Any], functions: Any) -> None:  # noqa: ANN401 - boto3 has no types
        reserved = reserved_concurrency_of(inputs)
        if reserved is not None:
            functions.put_function_concurrency(
                FunctionName=inputs["name"], ReservedConcurrentExecutions=reserved
            )


class FunctionUrl(Resource):
    """A function's URL. The statements that make it public stay when it is deleted.

    The provider also leaves them.
    """

    type = "aws:lambda/functionUrl:FunctionUrl"
    known_inputs = frozenset({"functionName", "authorizationType"})
    replacement_inputs = frozenset({"functionName"})
    service = "lambda"
    deletion = ("delete_function_url_config", "FunctionName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the URL; one without AWS's signature is made public, as AWS requires."""
        functions, name = aws.client("lambda"), inputs["functionName"]
        config = functions.create_function_url_config(
            FunctionName=name, AuthType=inputs["authorizationType"]
        )
        if inputs["authorizationType"] == "NONE":
            for statement in PUBLIC_STATEMENTS:
                functions.add_permission(FunctionName=name, Principal="*", **statement)
        url = url_with_slash(config["FunctionUrl"])
        return name, {
            "functionUrl": url,
            "functionArn": config["FunctionArn"],
            "urlId": (urlsplit(url).hostname or "").partition(".")[0],
        }


class Permission(Resource):
    """A statement of a function's policy, for a service that acts for one resource."""

    type = "aws:lambda/permission:Permission"
    known_inputs = frozenset({"statementId", "action", "function", "principal", "sourceArn"})
    name_input = "statementId"
    replacement_inputs = known_inputs

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Add the statement."""
        aws.client("lambda").add_permission(
            FunctionName=inputs["function"],
            StatementId=inputs["statementId"],
            Action=inputs["action"],
            Principal=inputs["principal"],
            SourceArn=inputs["sourceArn"],
        )
        return inputs["statementId"], {"statementId": inputs["statementId"]}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Remove the statement."""
        aws.client("lambda").remove_permission(
            FunctionName=existing.state["function"], StatementId=existing.id
        )


def may_call(aws: Clients, name: str, source_arn: str) -> bool:
    """Whether a function's policy lets API Gateway call it for a route."""
    return any(
        statement["Action"] == "lambda:InvokeFunction"
        and statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        and statement["Condition"] == {"ArnLike": {"AWS:SourceArn": source_arn}}
        for statement in _allowing(aws, name)
    )


def is_public(aws: Clients, name: str) -> bool:
    """Whether a function's policy lets anybody call its URL: that takes both statements."""
    # Moto keeps the two conditions as plain fields of the statement.
    open_to_all = [statement for statement in _allowing(aws, name) if statement["Principal"] == "*"]
    return any(
        statement["Action"] == "lambda:InvokeFunctionUrl"
        and statement.get("FunctionUrlAuthType") == "NONE"
        for statement in open_to_all
    ) and any(
        statement["Action"] == "lambda:InvokeFunction"
        and statement.get("InvokedViaFunctionUrl") is True
        for statement in open_to_all
    )


def _allowing(aws: Clients, name: str) -> list[dict[str, Any]]:
    """Give the statements of a function's policy that allow something."""
    functions = aws.client("lambda")
    try:
        answer = functions.get_policy(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        return []
    statements: list[dict[str, Any]] = json.loads(answer["Policy"])["Statement"]
    return [statement for statement in statements if statement["Effect"] == "Allow"]


def _configuration(inputs: Mapping[str, Any]) -> dict[str, Any]:
    variables = inputs["environment"]["variables"]
    check_environment(variables)
    return {
        "Description": inputs.get("description", ""),
        "Runtime": inputs["runtime"],
        "Handler": inputs["handler"],
        "Role": inputs["role"],
        "Timeout": int(inputs["timeout"]),
        "MemorySize": int(inputs["memorySize"]),
        "Environment": {"Variables": variables},
    }


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
