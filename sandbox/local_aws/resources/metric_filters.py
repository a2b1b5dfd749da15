"""CloudWatch Logs: what is counted in a log group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource

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


class LogMetricFilter(Resource):
    """A metric that is made from the lines of a log group. Moto counts nothing by it."""

    type = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    takes = frozenset({"name", "logGroupName", "pattern", "metricTransformation"})
    named_by = "name"
    replaced_by = frozenset({"name", "logGroupName"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the filter."""
        aws.client("logs").put_metric_filter(
            logGroupName=inputs["logGroupName"],
            filterName=inputs["name"],
            filterPattern=inputs["pattern"],
            metricTransformations=[_asked(inputs["metricTransformation"])],
        )
        return inputs["name"], {"name": inputs["name"]}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read its pattern, and what it makes of a line."""
        answer = aws.client("logs").describe_metric_filters(
            logGroupName=state["logGroupName"], filterNamePrefix=id_
        )
        for found in (each for each in answer["metricFilters"] if each["filterName"] == id_):
            (made,) = found["metricTransformations"]
            kept = state["metricTransformation"]
            same = made == _asked(kept)
            told = {ours: made[theirs] for ours, theirs in _NAMES.items() if theirs in made}
            return {
                "pattern": found["filterPattern"],
                "metricTransformation": kept if same else told,
            }
        return None

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Put it in place of what is there; moto would keep both."""
        self.delete(id_, state, aws)
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:
        """Take it off the log group."""
        logs = aws.client("logs")
        logs.delete_metric_filter(logGroupName=state["logGroupName"], filterName=id_)


def _asked(transformation: Mapping[str, Any]) -> dict[str, Any]:
    asked = {
        theirs: transformation[ours]
        for ours, theirs in _NAMES.items()
        if transformation.get(ours) is not None
    }
    if "defaultValue" in asked:
        asked["defaultValue"] = float(asked["defaultValue"])
    return asked
