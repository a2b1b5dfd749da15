"""IAM: roles, the policies in them, and managed policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, PutResource, Resource, tag_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Role(Resource):
    """A role, who may assume it, and its permissions boundary."""

    type = "aws:iam/role:Role"
    known_inputs = frozenset(
        {"name", "description", "assumeRolePolicy", "permissionsBoundary", "tags"}
    )
    name_input = "name"
    replacement_inputs = frozenset({"name"})
    service = "iam"
    deletion = ("delete_role", "RoleName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the role."""
        boundary = inputs.get("permissionsBoundary")
        role = aws.client("iam").create_role(
            RoleName=inputs["name"],
            Description=inputs.get("description", ""),
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Tags=tag_list(inputs),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )["Role"]
        return role["RoleName"], {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
        }

    def update(self, existing: Existing, inputs: Mapping[str, Any], aws: Clients) -> dict[str, Any]:
        """Set its boundary, as a stack does that gets a deploy role."""
        if self.changes(existing.state, inputs) != {"permissionsBoundary"}:
            return super().update(existing, inputs, aws)
        aws.client("iam").put_role_permissions_boundary(
            RoleName=existing.id, PermissionsBoundary=inputs["permissionsBoundary"]
        )
        return {}


class RolePolicy(PutResource):
    """An inline policy of a role."""

    type = "aws:iam/rolePolicy:RolePolicy"
    known_inputs = frozenset({"name", "role", "policy"})
    name_input = "name"
    replacement_inputs = frozenset({"name", "role"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the policy into the role."""
        aws.client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{inputs['name']}", {"name": inputs["name"]}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Take the policy out of the role."""
        role, _, name = existing.id.partition(":")
        aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


class Policy(Resource):
    """A managed policy; its id is its ARN."""

    type = "aws:iam/policy:Policy"
    known_inputs = frozenset({"name", "description", "policy", "tags"})
    name_input = "name"
    replacement_inputs = frozenset({"name", "description"})
    service = "iam"
    deletion = ("delete_policy", "PolicyArn")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the policy."""
        arn = aws.client("iam").create_policy(
            PolicyName=inputs["name"],
            Description=inputs.get("description", ""),
            PolicyDocument=inputs["policy"],
            Tags=tag_list(inputs),
        )["Policy"]["Arn"]
        return arn, {"name": inputs["name"], "arn": arn}
