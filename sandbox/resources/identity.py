"""IAM: the function's role and its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.resources.base import Resource, key_values, same_document, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.clients import Clients


class Role(Resource):
    """A role, and who may assume it."""

    type = "aws:iam/role:Role"
    takes = frozenset({"name", "description", "assumeRolePolicy", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the role."""
        role = aws.client("iam").create_role(
            RoleName=inputs["name"],
            Description=inputs.get("description", ""),
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Tags=key_values(inputs.get("tags", {})),
        )["Role"]
        return role["RoleName"], {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
        }

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read its description, who may assume it, and its tags."""
        iam = aws.client("iam")
        role = iam.get_role(RoleName=id_)["Role"]
        trust = same_document(state["assumeRolePolicy"], role["AssumeRolePolicyDocument"])
        return {
            "description": role["Description"],
            "assumeRolePolicy": trust,
            "tags": tags_of(iam.list_role_tags(RoleName=id_)["Tags"]),
        }

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its description, who may assume it, and its tags."""
        iam, tags = aws.client("iam"), inputs.get("tags", {})
        iam.update_role(RoleName=id_, Description=inputs.get("description", ""))
        iam.update_assume_role_policy(RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"])
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            iam.untag_role(RoleName=id_, TagKeys=gone)
        iam.tag_role(RoleName=id_, Tags=key_values(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete the role."""
        aws.client("iam").delete_role(RoleName=id_)


class RolePolicy(Resource):
    """A policy that lies in one role."""

    type = "aws:iam/rolePolicy:RolePolicy"
    takes = frozenset({"name", "role", "policy"})
    named_by = "name"
    replaced_by = frozenset({"name", "role"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy into the role."""
        aws.client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{inputs['name']}", {"name": inputs["name"]}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read the policy."""
        role, _, name = id_.partition(":")
        found = aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
        return {"policy": same_document(state["policy"], found["PolicyDocument"])}

    def update(
        self,
        id_: str,  # noqa: ARG002 - role and name say it
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - it is put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Put the other policy in its place."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Take the policy out of the role."""
        role, _, name = id_.partition(":")
        aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)
