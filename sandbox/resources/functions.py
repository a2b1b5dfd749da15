"""Lambda: the function and its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sandbox.archive import build_zip
from sandbox.resources.base import Resource
from sandbox.resources.gaps import check_environment, reserved_concurrency_of, url_with_slash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.aws import Aws

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
    takes = frozenset(
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
    named_by = "name"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Create the function with its zip in the call, then reserve its concurrency."""
        variables = inputs["environment"]["variables"]
        check_environment(variables)
        functions = aws.client("lambda")
        made = functions.create_function(
            FunctionName=inputs["name"],
            Description=inputs.get("description", ""),
            Runtime=inputs["runtime"],
            Architectures=inputs["architectures"],
            Handler=inputs["handler"],
            Code={"ZipFile": build_zip(inputs["code"])},
            Role=inputs["role"],
            Timeout=int(inputs["timeout"]),
            MemorySize=int(inputs["memorySize"]),
            Environment={"Variables": variables},
            Tags=inputs.get("tags", {}),
        )
        reserved = reserved_concurrency_of(inputs)
        if reserved is not None:
            functions.put_function_concurrency(
                FunctionName=inputs["name"], ReservedConcurrentExecutions=reserved
            )
        return made["FunctionName"], {
            "name": made["FunctionName"],
            "arn": made["FunctionArn"],
            "version": made["Version"],
            "codeSha256": made["CodeSha256"],
        }


class FunctionUrl(Resource):
    """A function's own address."""

    type = "aws:lambda/functionUrl:FunctionUrl"
    takes = frozenset({"functionName", "authorizationType"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Create the URL; one without AWS's signature is opened to everybody, as AWS asks."""
        functions, name = aws.client("lambda"), inputs["functionName"]
        made = functions.create_function_url_config(
            FunctionName=name, AuthType=inputs["authorizationType"]
        )
        if inputs["authorizationType"] == "NONE":
            for statement in PUBLIC_STATEMENTS:
                functions.add_permission(FunctionName=name, Principal="*", **statement)
        url = url_with_slash(made["FunctionUrl"])
        return name, {
            "functionUrl": url,
            "functionArn": made["FunctionArn"],
            "urlId": (urlsplit(url).hostname or "").partition(".")[0],
        }
