"""Pulumi's invokes: calls of the program that make nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import UnknownToSandboxError

if TYPE_CHECKING:
    from sandbox.local_aws.clients import Clients

_CALLER_IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"


def answer_invoke(token: str, aws: Clients) -> dict[str, Any]:
    """Answer as the pinned provider would.

    Raises:
        UnknownToSandboxError: for any invoke but the one that the program makes.
    """
    if token != _CALLER_IDENTITY:
        raise UnknownToSandboxError(
            f"The sandbox does not know {token}: add it to sandbox/local_aws/resources/invokes.py"
        )
    identity = aws.client("sts").get_caller_identity()
    return {
        "id": identity["Account"],
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
    }
