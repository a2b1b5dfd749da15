"""Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.resources.base import Resource, key_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.aws import Aws


class Secret(Resource):
    """A secret without a value yet. Its recovery window matters only when it is deleted."""

    type = "aws:secretsmanager/secret:Secret"
    takes = frozenset({"name", "description", "recoveryWindowInDays", "tags"})
    named_by = "name"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Create the secret."""
        secret = aws.client("secretsmanager").create_secret(
            Name=inputs["name"],
            Description=inputs.get("description", ""),
            Tags=key_values(inputs.get("tags", {})),
        )
        return secret["ARN"], {"name": secret["Name"], "arn": secret["ARN"]}


class SecretVersion(Resource):
    """A value of a secret."""

    type = "aws:secretsmanager/secretVersion:SecretVersion"
    takes = frozenset({"secretId", "secretString"})

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the value; it becomes the current one."""
        version = aws.client("secretsmanager").put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"]
        )
        return f"{version['ARN']}|{version['VersionId']}", {
            "arn": version["ARN"],
            "versionId": version["VersionId"],
            "versionStages": version["VersionStages"],
        }
