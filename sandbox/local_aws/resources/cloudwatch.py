"""CloudWatch: alarms, and the dashboard that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.local_aws.resources.resource import Existing, PutResource, tag_list

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


class MetricAlarm(PutResource):
    """An alarm on one metric. In moto, it never fires by itself."""

    type = "aws:cloudwatch/metricAlarm:MetricAlarm"
    known_inputs = frozenset({"name", "dimensions", "tags", *_NAMES})
    name_input = "name"
    replacement_inputs = frozenset({"name"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the alarm."""
        name = inputs["name"]
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Dimensions=[
                {"Name": key, "Value": value}
                for key, value in sorted(inputs.get("dimensions", {}).items())
            ],
            Tags=tag_list(inputs),
            **{theirs: inputs[ours] for ours, theirs in _NAMES.items() if ours in inputs}
            | {"Period": int(inputs["period"])}
            | {"EvaluationPeriods": int(inputs["evaluationPeriods"])},
        )
        arn = f"arn:aws:cloudwatch:{aws.region}:{aws.account}:alarm:{name}"
        return name, {"name": name, "arn": arn}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Delete it."""
        aws.client("cloudwatch").delete_alarms(AlarmNames=[existing.id])


class Dashboard(PutResource):
    """A dashboard: a JSON document."""

    type = "aws:cloudwatch/dashboard:Dashboard"
    known_inputs = frozenset({"dashboardName", "dashboardBody"})
    name_input = "dashboardName"
    replacement_inputs = frozenset({"dashboardName"})

    def create(self, inputs: Mapping[str, Any], aws: Clients) -> tuple[str, dict[str, Any]]:
        """Put the dashboard."""
        name = inputs["dashboardName"]
        aws.client("cloudwatch").put_dashboard(
            DashboardName=name, DashboardBody=inputs["dashboardBody"]
        )
        return name, {"dashboardArn": f"arn:aws:cloudwatch::{aws.account}:dashboard/{name}"}

    def delete(self, existing: Existing, aws: Clients) -> None:
        """Delete it."""
        aws.client("cloudwatch").delete_dashboards(DashboardNames=[existing.id])
