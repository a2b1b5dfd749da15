"""IAM: the function's role and its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.resources.base import Resource, key_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.aws import Aws


class Role(Resource):
    """A role, and who may assume it."""

    type = "aws:iam/role:Role"
    takes = frozenset({"name", "description", "assumeRolePolicy", "tags"})
    named_by = "name"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
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


class RolePolicy(Resource):
    """A policy that lies in one role."""

    type = "aws:iam/rolePolicy:RolePolicy"
    takes = frozenset({"name", "role", "policy"})
    named_by = "name"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Put the policy into the role."""
        aws.client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{inputs['name']}", {"name": inputs["name"]}
