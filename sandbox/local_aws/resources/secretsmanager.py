"""Secrets Manager: a secret, and its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, Resource, tag_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Secret(Resource):
    """A secret without a value yet."""

    type = "aws:secretsmanager/secret:Secret"
    known_inputs = frozenset({"name", "description", "recoveryWindowInDays", "tags"})
    name_input = "name"
    replacement_inputs = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the secret."""
        secret = aws.client("secretsmanager").create_secret(
            Name=inputs["name"],
            Description=inputs.get("description", ""),
            Tags=tag_list(inputs),
        )
        return secret["ARN"], {"name": secret["Name"], "arn": secret["ARN"]}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Delete the secret, recoverable within its window."""
        window = int(existing.state["recoveryWindowInDays"])
        aws.client("secretsmanager").delete_secret(
            SecretId=existing.id, RecoveryWindowInDays=window
        )


class SecretVersion(Resource):
    """A value of a secret."""

    type = "aws:secretsmanager/secretVersion:SecretVersion"
    known_inputs = frozenset({"secretId", "secretString"})
    # Another value is another version.
    replacement_inputs = known_inputs

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the value; it becomes the current one."""
        version = aws.client("secretsmanager").put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"]
        )
        return f"{version['ARN']}|{version['VersionId']}", {
            "arn": version["ARN"],
            "versionId": version["VersionId"],
            "versionStages": version["VersionStages"],
        }

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Do nothing: AWS removes a version once no stage names it."""
