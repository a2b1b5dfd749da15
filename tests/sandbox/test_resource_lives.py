"""What the program makes can be read, changed and deleted, as Pulumi's engine asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.aws import Aws
from sandbox.engine import CreatedResource
from sandbox.plugin import LocalAwsProvider, RefusedEndpointError
from sandbox.resources import resource_of
from tests.sandbox.deployments import deployed


def _state(aws: Aws, made: CreatedResource) -> Mapping[str, Any]:
    """The inputs, and the outputs that a later step needs."""
    arns = {
        "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{aws.region}:{aws.account}:log-group:",
        "aws:lambda/function:Function": f"arn:aws:lambda:{aws.region}:{aws.account}:function:",
    }
    return {**made.inputs, "arn": f"{arns.get(made.type, '')}{made.id}"}


def test_all_that_is_made_can_be_read_changed_and_deleted() -> None:
    """No drift in what was just made, none after a change to the same, and nothing after it all."""
    with Aws("us-west-2") as aws:
        made = deployed(aws, ALARM_EMAIL="oncall@example.com").resources
        for each in made:
            resource, state = resource_of(each.type), _state(aws, each)
            found = resource.read(each.id, state, aws)
            assert found is not None, each.type
            kept = {key: value for key, value in found.items() if key != "codeSha256"}
            assert kept.items() <= state.items(), each.type
            if each.inputs.keys() - resource.replaced_by:
                resource.update(each.id, each.inputs, {**state, "tags": {"old": "tag"}}, aws)
                again = resource.read(each.id, state, aws)
                assert again is not None, each.type
                assert {k: again[k] for k in kept} == kept, each.type
        for each in reversed(made):
            resource_of(each.type).delete(each.id, _state(aws, each), aws)
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.client("iam").list_roles()["Roles"] == []
        assert aws.client("lambda").list_functions()["Functions"] == []
        assert aws.client("logs").describe_log_groups()["logGroups"] == []
        assert aws.client("logs").describe_metric_filters()["metricFilters"] == []
        assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        assert aws.client("cloudwatch").list_dashboards()["DashboardEntries"] == []
        assert aws.client("sns").list_topics()["Topics"] == []
        assert aws.client("sns").list_subscriptions()["Subscriptions"] == []
        assert aws.client("secretsmanager").list_secrets()["SecretList"] == []


@pytest.mark.parametrize(
    "endpoint", ["", "https://lambda.us-west-2.amazonaws.com", "http://127.0.0.1.example.com:80"]
)
def test_stand_in_provider_serves_no_other_aws(endpoint: str) -> None:
    """An AWS that is not of this machine is refused before a call."""
    with pytest.raises(RefusedEndpointError, match="AWS_ENDPOINT_URL is"):
        LocalAwsProvider(endpoint)


def test_what_was_changed_by_hand_is_seen() -> None:
    """A filter, an alarm, what a dashboard shows, a topic's name and who may write to it."""
    with Aws("us-west-2") as aws:
        made = {each.type: each for each in deployed(aws, ALARM_EMAIL="on@example.com").resources}
        logs, cloudwatch, sns = (aws.client(each) for each in ("logs", "cloudwatch", "sns"))

        def drifted(kind: str) -> set[str]:
            each = next(each for type_, each in made.items() if type_.endswith(f":{kind}"))
            state = _state(aws, each)
            found = resource_of(each.type).read(each.id, state, aws)
            assert found is not None
            return {key for key, value in found.items() if value != state.get(key)}

        def name(kind: str) -> str:
            return next(each.id for type_, each in made.items() if type_.endswith(f":{kind}"))

        log_group = name("LogGroup")
        (kept,) = logs.describe_metric_filters(filterNamePrefix=name("LogMetricFilter"))[
            "metricFilters"
        ]
        logs.delete_metric_filter(logGroupName=log_group, filterName=kept["filterName"])
        (transformation,) = kept["metricTransformations"]
        logs.put_metric_filter(
            logGroupName=log_group,
            filterName=kept["filterName"],
            filterPattern="{ $.message = 1 }",
            metricTransformations=[{**transformation, "metricValue": "2"}],
        )
        assert drifted("LogMetricFilter") == {"pattern", "metricTransformation"}
        cloudwatch.put_metric_alarm(
            AlarmName=name("MetricAlarm"),
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=99,
        )
        assert {"threshold", "comparisonOperator", "alarmActions"} <= drifted("MetricAlarm")
        cloudwatch.put_dashboard(DashboardName=name("Dashboard"), DashboardBody="{}")
        assert drifted("Dashboard") == {"dashboardBody"}
        topic = name("Topic")
        everybody = '{"Version": "2012-10-17", "Statement": []}'
        for attribute, value in (("DisplayName", "x"), ("Policy", everybody)):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=attribute, AttributeValue=value)
        assert drifted("Topic") == {"displayName"}
        assert drifted("TopicPolicy") == {"policy"}
        logs.delete_metric_filter(logGroupName=log_group, filterName=kept["filterName"])
        cloudwatch.delete_alarms(AlarmNames=[name("MetricAlarm")])
        for kind in ("LogMetricFilter", "MetricAlarm"):
            each = next(each for type_, each in made.items() if type_.endswith(f":{kind}"))
            assert resource_of(each.type).read(each.id, _state(aws, each), aws) is None
