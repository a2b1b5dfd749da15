"""CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients


class LogGroup(Resource):
    """A log group, and how long it keeps its lines."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    takes = frozenset({"name", "retentionInDays", "tags"})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the group, then set its retention."""
        logs, name = aws.client("logs"), inputs["name"]
        logs.create_log_group(logGroupName=name, tags=inputs.get("tags", {}))
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(inputs["retentionInDays"]))
        # The provider's ARN ends with the name; a right to its streams adds `:*`.
        arn = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{name}"
        return name, {"name": name, "arn": arn}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read its retention and tags."""
        logs = aws.client("logs")
        found = logs.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
        for group in (each for each in found if each["logGroupName"] == id_):
            tags = logs.list_tags_for_resource(resourceArn=state["arn"])["tags"]
            return {"retentionInDays": group.get("retentionInDays", 0), "tags": tags}
        return None

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Set its retention and tags."""
        logs, tags = aws.client("logs"), inputs.get("tags", {})
        logs.put_retention_policy(logGroupName=id_, retentionInDays=int(inputs["retentionInDays"]))
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            logs.untag_resource(resourceArn=state["arn"], tagKeys=gone)
        logs.tag_resource(resourceArn=state["arn"], tags=tags)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete the group with its lines."""
        aws.client("logs").delete_log_group(logGroupName=id_)
