"""CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.resources.base import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.aws import Aws


class LogGroup(Resource):
    """A log group, and how long it keeps its lines."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    takes = frozenset({"name", "retentionInDays", "tags"})
    named_by = "name"

    def create(self, inputs: Mapping[str, Any], aws: Aws) -> tuple[str, dict[str, Any]]:
        """Create the group, then set its retention."""
        logs, name = aws.client("logs"), inputs["name"]
        logs.create_log_group(logGroupName=name, tags=inputs.get("tags", {}))
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(inputs["retentionInDays"]))
        # The provider's ARN ends with the name; a right to its streams adds `:*`.
        arn = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{name}"
        return name, {"name": name, "arn": arn}
