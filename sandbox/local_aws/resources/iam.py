"""IAM: roles, the policies in them, and the managed policies beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource, key_values, same_document, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class Role(Resource):
    """A role, who may assume it, and the boundary of its rights."""

    type = "aws:iam/role:Role"
    takes = frozenset({"name", "description", "assumeRolePolicy", "permissionsBoundary", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the role."""
        role = aws.client("iam").create_role(
            RoleName=inputs["name"],
            Description=inputs.get("description", ""),
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Tags=key_values(inputs.get("tags", {})),
            **_boundary(inputs),
        )["Role"]
        return role["RoleName"], {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
        }

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read its description, who may assume it, its boundary, and its tags."""
        iam = aws.client("iam")
        role = iam.get_role(RoleName=id_)["Role"]
        trust = same_document(state["assumeRolePolicy"], role["AssumeRolePolicyDocument"])
        found = {
            "description": role["Description"],
            "assumeRolePolicy": trust,
            "tags": tags_of(iam.list_role_tags(RoleName=id_)["Tags"]),
        }
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if boundary or "permissionsBoundary" in state:
            found["permissionsBoundary"] = boundary
        return found

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its description, who may assume it, its boundary, and its tags."""
        iam, tags = aws.client("iam"), inputs.get("tags", {})
        iam.update_role(RoleName=id_, Description=inputs.get("description", ""))
        iam.update_assume_role_policy(RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"])
        if boundary := _boundary(inputs):
            iam.put_role_permissions_boundary(RoleName=id_, **boundary)
        elif state.get("permissionsBoundary"):
            iam.delete_role_permissions_boundary(RoleName=id_)
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


class Policy(Resource):
    """A managed policy; its id is its ARN."""

    type = "aws:iam/policy:Policy"
    takes = frozenset({"name", "description", "policy", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name", "description"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the policy."""
        arn = aws.client("iam").create_policy(
            PolicyName=inputs["name"],
            Description=inputs.get("description", ""),
            PolicyDocument=inputs["policy"],
            Tags=key_values(inputs.get("tags", {})),
        )["Policy"]["Arn"]
        return arn, {"name": inputs["name"], "arn": arn}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read the version that is in force, and its tags."""
        iam = aws.client("iam")
        version = iam.get_policy(PolicyArn=id_)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=id_, VersionId=version)["PolicyVersion"]
        return {
            "policy": same_document(state["policy"], found["Document"]),
            "tags": tags_of(iam.list_policy_tags(PolicyArn=id_)["Tags"]),
        }

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Put a new version in force and delete the others, of which IAM keeps five at most."""
        iam, tags = aws.client("iam"), inputs.get("tags", {})
        iam.create_policy_version(PolicyArn=id_, PolicyDocument=inputs["policy"], SetAsDefault=True)
        self._keep_the_default_version(id_, iam)
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            iam.untag_policy(PolicyArn=id_, TagKeys=gone)
        iam.tag_policy(PolicyArn=id_, Tags=key_values(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete the policy with all its versions."""
        iam = aws.client("iam")
        self._keep_the_default_version(id_, iam)
        iam.delete_policy(PolicyArn=id_)

    @staticmethod
    def _keep_the_default_version(arn: str, iam: Any) -> None:  # noqa: ANN401 - boto3 has no types
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def _boundary(inputs: Mapping[str, Any]) -> dict[str, Any]:
    boundary = inputs.get("permissionsBoundary")
    return {"PermissionsBoundary": boundary} if boundary else {}
