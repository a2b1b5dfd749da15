"""KMS: a key and its alias. `make bootstrap` also makes both, which are then imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

# KMS has another form of tags than the other services.
_TAG, _TAG_VALUE = "TagKey", "TagValue"


class Key(Resource):
    """A key for encryption, and who may do what with it."""

    type = "aws:kms/key:Key"
    known_inputs = frozenset({"description", "enableKeyRotation", "policy", "tags"})
    service = "kms"
    deletion = ("schedule_key_deletion", "KeyId")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the key, then switch its rotation on."""
        kms = aws.client("kms")
        key = kms.create_key(
            Description=inputs.get("description", ""),
            Policy=inputs["policy"],
            Tags=[{_TAG: key, _TAG_VALUE: value} for key, value in inputs.get("tags", {}).items()],
        )["KeyMetadata"]
        if inputs.get("enableKeyRotation"):
            kms.enable_key_rotation(KeyId=key["KeyId"])
        return key["KeyId"], {"keyId": key["KeyId"], "arn": key["Arn"]}

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Read an imported one, of which only the id is known."""
        if existing.state:
            return {}
        kms, id_ = aws.client("kms"), existing.id
        key, tags = kms.describe_key(KeyId=id_)["KeyMetadata"], kms.list_resource_tags(KeyId=id_)
        return {
            "keyId": key["KeyId"],
            "arn": key["Arn"],
            "description": key["Description"],
            "enableKeyRotation": kms.get_key_rotation_status(KeyId=id_)["KeyRotationEnabled"],
            "policy": kms.get_key_policy(KeyId=id_, PolicyName="default")["Policy"],
            "tags": {tag[_TAG]: tag[_TAG_VALUE] for tag in tags["Tags"]},
        }


class Alias(Resource):
    """A name for a key."""

    type = "aws:kms/alias:Alias"
    known_inputs = frozenset({"name", "targetKeyId"})
    replacement_inputs = frozenset({"name"})
    service = "kms"
    deletion = ("delete_alias", "AliasName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Name the key."""
        aws.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"], {"name": inputs["name"]}

    def read(self, existing: Existing, aws: Clients) -> dict[str, Any]:
        """Say which key it names; its own name is its id."""
        key = aws.client("kms").describe_key(KeyId=existing.id)["KeyMetadata"]
        return {"name": existing.id, "targetKeyId": key["KeyId"]}
