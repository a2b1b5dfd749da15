"""KMS: a key and its alias."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource, same_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

# KMS takes no list of tags as the other services do.
_TAG, _TAG_VALUE = "TagKey", "TagValue"


class Key(Resource):
    """A key for encryption, and who may do what with it."""

    type = "aws:kms/key:Key"
    takes = frozenset({"description", "enableKeyRotation", "policy", "tags"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the key, then have it turned over."""
        kms = aws.client("kms")
        made = kms.create_key(
            Description=inputs.get("description", ""),
            Policy=inputs["policy"],
            Tags=_tags(inputs.get("tags", {})),
        )["KeyMetadata"]
        if inputs.get("enableKeyRotation"):
            kms.enable_key_rotation(KeyId=made["KeyId"])
        return made["KeyId"], {"keyId": made["KeyId"], "arn": made["Arn"]}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read what it was made from; one that waits for its deletion is gone."""
        kms = aws.client("kms")
        found = kms.describe_key(KeyId=id_)["KeyMetadata"]
        if "DeletionDate" in found:
            return None
        policy = kms.get_key_policy(KeyId=id_, PolicyName="default")["Policy"]
        tags = kms.list_resource_tags(KeyId=id_)["Tags"]
        return {
            "description": found["Description"],
            "enableKeyRotation": kms.get_key_rotation_status(KeyId=id_)["KeyRotationEnabled"],
            "policy": same_document(state.get("policy", "null"), json.loads(policy)),
            "tags": {each[_TAG]: each[_TAG_VALUE] for each in tags},
            # When it is imported, its id is all that is known.
            **({} if state else {"keyId": found["KeyId"], "arn": found["Arn"]}),
        }

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its description, policy, rotation and tags."""
        kms, tags = aws.client("kms"), inputs.get("tags", {})
        kms.update_key_description(KeyId=id_, Description=inputs.get("description", ""))
        kms.put_key_policy(KeyId=id_, PolicyName="default", Policy=inputs["policy"])
        if inputs.get("enableKeyRotation"):
            kms.enable_key_rotation(KeyId=id_)
        else:
            kms.disable_key_rotation(KeyId=id_)
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            kms.untag_resource(KeyId=id_, TagKeys=gone)
        kms.tag_resource(KeyId=id_, Tags=_tags(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Have it deleted in 30 days, KMS's own number."""
        aws.client("kms").schedule_key_deletion(KeyId=id_)


class Alias(Resource):
    """A name for a key."""

    type = "aws:kms/alias:Alias"
    takes = frozenset({"name", "targetKeyId"})
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Name the key."""
        aws.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"], {"name": inputs["name"]}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:  # noqa: ARG002 - the id says it
        """Tell which key it names; its own name is its id."""
        for page in aws.client("kms").get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == id_:
                    return {"name": id_, "targetKeyId": alias["TargetKeyId"]}
        return None

    def update(
        self,
        id_: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - there is one target
        aws: Clients,
    ) -> dict[str, Any]:
        """Let it name another key."""
        aws.client("kms").update_alias(AliasName=id_, TargetKeyId=inputs["targetKeyId"])
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Take the name away."""
        aws.client("kms").delete_alias(AliasName=id_)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{_TAG: key, _TAG_VALUE: value} for key, value in sorted(tags.items())]
