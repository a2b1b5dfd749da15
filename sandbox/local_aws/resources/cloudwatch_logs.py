"""CloudWatch Logs: a log group, and the metrics made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

_NAMES = {
    "name": "metricName",
    "namespace": "metricNamespace",
    "value": "metricValue",
    "defaultValue": "defaultValue",
    "unit": "unit",
}


class LogGroup(Resource):
    """A log group, and how long it keeps its lines."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    known_inputs = frozenset({"name", "namePrefix", "retentionInDays", "tags"})
    name_input = "name"
    replacement_inputs = frozenset({"name", "namePrefix"})
    service = "logs"
    deletion = ("delete_log_group", "logGroupName")

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Create the group, then set its retention."""
        logs, name = aws.client("logs"), inputs["name"]
        logs.create_log_group(logGroupName=name, tags=inputs.get("tags", {}))
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(inputs["retentionInDays"]))
        # The provider's ARN ends with the name; a right to its streams adds `:*`.
        arn = f"arn:aws:logs:{aws.region}:{aws.account}:log-group:{name}"
        return name, {"name": name, "arn": arn}


class LogMetricFilter(Resource):
    """A metric that is made from the lines of a log group. Moto never computes it."""

    type = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    known_inputs = frozenset({"name", "logGroupName", "pattern", "metricTransformation"})
    name_input = "name"
    replacement_inputs = frozenset({"name", "logGroupName"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the filter."""
        # The engine sends None for inputs that the program leaves out.
        transformation = {
            theirs: value
            for ours, theirs in _NAMES.items()
            if (value := inputs["metricTransformation"].get(ours)) is not None
        }
        if "defaultValue" in transformation:
            transformation["defaultValue"] = float(transformation["defaultValue"])
        aws.client("logs").put_metric_filter(
            logGroupName=inputs["logGroupName"],
            filterName=inputs["name"],
            filterPattern=inputs["pattern"],
            metricTransformations=[transformation],
        )
        return inputs["name"], {"name": inputs["name"]}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Take it off the log group."""
        aws.client("logs").delete_metric_filter(
            logGroupName=existing.state["logGroupName"], filterName=existing.id
        )
