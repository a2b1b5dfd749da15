"""Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource, key_values, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Secret(Resource):
    """A secret without a value yet."""

    type = "aws:secretsmanager/secret:Secret"
    takes = frozenset({"name", "description", "recoveryWindowInDays", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the secret."""
        secret = aws.client("secretsmanager").create_secret(
            Name=inputs["name"],
            Description=inputs.get("description", ""),
            Tags=key_values(inputs.get("tags", {})),
        )
        return secret["ARN"], {"name": secret["Name"], "arn": secret["ARN"]}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:  # noqa: ARG002 - the id says it
        """Read its description and tags; one that waits for its deletion is gone."""
        found = aws.client("secretsmanager").describe_secret(SecretId=id_)
        if "DeletedDate" in found:
            return None
        return {
            "description": found.get("Description", ""),
            "tags": tags_of(found.get("Tags", [])),
        }

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its description and tags."""
        secrets, tags = aws.client("secretsmanager"), inputs.get("tags", {})
        secrets.update_secret(SecretId=id_, Description=inputs.get("description", ""))
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            secrets.untag_resource(SecretId=id_, TagKeys=gone)
        secrets.tag_resource(SecretId=id_, Tags=key_values(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:
        """Delete the secret, to be recovered for as long as its window says."""
        aws.client("secretsmanager").delete_secret(
            SecretId=id_, RecoveryWindowInDays=int(state["recoveryWindowInDays"])
        )


class SecretVersion(Resource):
    """A value of a secret."""

    type = "aws:secretsmanager/secretVersion:SecretVersion"
    takes = frozenset({"secretId", "secretString"})
    # Another value is another version.
    replaced_by = takes

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

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:  # noqa: ARG002 - the id says it
        """Read the value of this version."""
        arn, _, version = id_.partition("|")
        found = aws.client("secretsmanager").get_secret_value(SecretId=arn, VersionId=version)
        return {"secretString": found["SecretString"]}

    def update(
        self,
        id_: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],
        aws: Clients,
    ) -> dict[str, Any]:
        """Never asked for: every change takes another version."""
        raise NotImplementedError

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:
        """Leave it: AWS ends a version by itself, once no stage names it."""
