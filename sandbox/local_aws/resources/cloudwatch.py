"""CloudWatch: alarms, and the dashboard that shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Resource, key_values, same_document, tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.clients import Clients

_NAMES = {
    "alarmDescription": "AlarmDescription",
    "namespace": "Namespace",
    "metricName": "MetricName",
    "statistic": "Statistic",
    "period": "Period",
    "evaluationPeriods": "EvaluationPeriods",
    "comparisonOperator": "ComparisonOperator",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
}


class MetricAlarm(Resource):
    """An alarm on one metric. Moto keeps it, and never rings it by itself."""

    type = "aws:cloudwatch/metricAlarm:MetricAlarm"
    takes = frozenset({"name", "dimensions", "tags", *_NAMES})
    named_by = "name"
    replaced_by = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the alarm."""
        name = inputs["name"]
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Dimensions=[
                {"Name": key, "Value": value}
                for key, value in sorted(inputs.get("dimensions", {}).items())
            ],
            Tags=key_values(inputs.get("tags", {})),
            **{theirs: inputs[ours] for ours, theirs in _NAMES.items() if ours in inputs}
            | {"Period": int(inputs["period"])}
            | {"EvaluationPeriods": int(inputs["evaluationPeriods"])},
        )
        return name, {"name": name, "arn": _arn(aws, name)}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read all that it was made from."""
        cloudwatch = aws.client("cloudwatch")
        for alarm in cloudwatch.describe_alarms(AlarmNames=[id_])["MetricAlarms"]:
            dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
            found = {
                "dimensions": dimensions,
                "tags": tags_of(
                    cloudwatch.list_tags_for_resource(ResourceARN=_arn(aws, id_))["Tags"]
                ),
                **{ours: alarm.get(theirs) for ours, theirs in _NAMES.items()},
            }
            # What was left out is answered as empty.
            return {key: value for key, value in found.items() if value or key in state}
        return None

    def update(
        self, id_: str, inputs: Mapping[str, Any], state: Mapping[str, Any], aws: Clients
    ) -> dict[str, Any]:
        """Put it whole, and its tags, which only a new alarm takes along."""
        cloudwatch, tags = aws.client("cloudwatch"), inputs.get("tags", {})
        self.create(inputs, aws)
        if gone := sorted(set(state.get("tags", {})) - set(tags)):
            cloudwatch.untag_resource(ResourceARN=_arn(aws, id_), TagKeys=gone)
        cloudwatch.tag_resource(ResourceARN=_arn(aws, id_), Tags=key_values(tags))
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete it."""
        aws.client("cloudwatch").delete_alarms(AlarmNames=[id_])


class Dashboard(Resource):
    """A dashboard: a JSON document."""

    type = "aws:cloudwatch/dashboard:Dashboard"
    takes = frozenset({"dashboardName", "dashboardBody"})
    named_by = "dashboardName"
    replaced_by = frozenset({"dashboardName"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the dashboard."""
        name = inputs["dashboardName"]
        aws.client("cloudwatch").put_dashboard(
            DashboardName=name, DashboardBody=inputs["dashboardBody"]
        )
        return name, {"dashboardArn": f"arn:aws:cloudwatch::{aws.account}:dashboard/{name}"}

    def read(self, id_: str, state: Mapping[str, Any], aws: Clients) -> dict[str, Any] | None:
        """Read what it shows."""
        found = aws.client("cloudwatch").get_dashboard(DashboardName=id_)["DashboardBody"]
        return {"dashboardBody": same_document(state["dashboardBody"], json.loads(found))}

    def update(
        self,
        id_: str,  # noqa: ARG002 - the name says it
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],  # noqa: ARG002 - it is put whole
        aws: Clients,
    ) -> dict[str, Any]:
        """Put the other one in its place."""
        self.create(inputs, aws)
        return {}

    def delete(self, id_: str, state: Mapping[str, Any], aws: Clients) -> None:  # noqa: ARG002 - the id says it
        """Delete it."""
        aws.client("cloudwatch").delete_dashboards(DashboardNames=[id_])


def _arn(aws: Clients, name: str) -> str:
    return f"arn:aws:cloudwatch:{aws.region}:{aws.account}:alarm:{name}"
