"""Metrics, alarms, the topic that mails them, and a dashboard."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import cloudwatch, sns

from handler.providers.registry import PROVIDERS
from infra.alarms import Alarm, alarms_for
from infra.dashboard import dashboard_body
from infra.metrics import API_REFUSED, Metric, metrics_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from handler.providers.registry import Provider
    from infra.http_api import HttpApi

# SNS's limit for a display name; the name of a stack may have 100 characters itself.
MOST_DISPLAYED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringArgs:
    """What is monitored, and who gets mail.

    Attributes:
        function_name: the function.
        log_group: the name of its log group.
        http_api: the HTTP API in front of the function; None with a function URL.
        providers: those that are switched on.
        notices: whether notices of approvals are sent.
        alarm_email: where the alarms are mailed to; None means nowhere.
        ready_for_all: whether the topic accepts the alarms of all existing providers and of
            notices, so that switching one on does not change the topic's policy.
        tags: for all resources that can have tags.
    """

    function_name: pulumi.Input[str]
    log_group: pulumi.Input[str]
    http_api: HttpApi | None = None
    providers: Sequence[Provider]
    notices: bool
    alarm_email: str | None
    ready_for_all: bool = False
    tags: Mapping[str, str]


class Monitoring(pulumi.ComponentResource):
    """Metrics of the log, alarms and a dashboard; with an address, a topic that mails.

    Without an address there is no topic, since nobody would subscribe to it. The alarms exist
    anyway: the dashboard shows their state, and other tools can read it.

    Attributes:
        alarm_arns: of all alarms that there can be, switched on or not.
        topic_arn: of the topic, or None.
        dashboard_arn: of the dashboard.
    """

    alarm_arns: list[pulumi.Output[str]]
    topic_arn: pulumi.Output[str] | None
    dashboard_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("oncall-approvals:infra:Monitoring", name, None, opts)
        self._name = name
        self._args = args
        self._stack = f"{pulumi.get_project()}-{pulumi.get_stack()}"
        # Per stack, so that stacks of one account are counted apart.
        self._namespace = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        self._child = pulumi.ResourceOptions(parent=self)
        self._metric_filters()
        has_api = args.http_api is not None
        own_alarms = alarms_for(args.providers, notices=args.notices, has_api=has_api)
        possible_alarms = alarms_for(PROVIDERS, notices=True, has_api=has_api)
        notifying = possible_alarms if args.ready_for_all else own_alarms
        self.topic_arn = self._topic(notifying, args.alarm_email) if args.alarm_email else None
        alarms = [self._alarm(alarm, self.topic_arn) for alarm in own_alarms]
        self.dashboard_arn = self._dashboard([alarm.arn for alarm in alarms])
        prefix = alarms[0].arn.apply(lambda arn: arn.rpartition(":")[0])
        self.alarm_arns = [
            pulumi.Output.concat(prefix, ":", self._alarm_name(alarm)) for alarm in possible_alarms
        ]
        self.register_outputs({})

    def _metric_filters(self) -> None:
        for metric in metrics_for(self._args.providers, notices=self._args.notices):
            self._metric_filter(metric, self._args.log_group)
        if self._args.http_api:
            self._metric_filter(API_REFUSED, self._args.http_api.access_log)

    def _metric_filter(self, metric: Metric, log_group: pulumi.Input[str]) -> None:
        cloudwatch.LogMetricFilter(
            f"{self._name}-{metric.name}",
            log_group_name=log_group,
            pattern=metric.pattern,
            metric_transformation={
                "namespace": self._namespace,
                "name": metric.name,
                "value": metric.value,
                "default_value": metric.default,
                "unit": metric.unit,
            },
            opts=self._child,
        )

    def _topic(self, alarms: Sequence[Alarm], email: str) -> pulumi.Output[str]:
        # Not encrypted: CloudWatch can't write to a topic with AWS's own key, and a key of our own
        # would cost more than everything else here, for text that is sent by mail.
        topic = sns.Topic(
            f"{self._name}-alarms",
            display_name=self._stack[:MOST_DISPLAYED],
            tags=self._args.tags,
            opts=self._child,
        )
        names = [self._alarm_name(alarm) for alarm in alarms]
        policy = topic.arn.apply(lambda arn: _policy_for_alarms(arn, names))
        sns.TopicPolicy(
            f"{self._name}-alarms-policy",
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(policy),
            opts=self._child,
        )
        sns.TopicSubscription(
            f"{self._name}-alarms-email",
            topic=topic.arn,
            protocol="email",
            endpoint=email,
            opts=self._child,
        )
        return topic.arn

    def _alarm(self, alarm: Alarm, topic: pulumi.Output[str] | None) -> cloudwatch.MetricAlarm:
        actions = [topic] if topic else None
        function = {"FunctionName": self._args.function_name} if alarm.of_lambda else None
        return cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.name}",
            # The name tells readers of the mail which stack it is.
            name=self._alarm_name(alarm),
            alarm_description=alarm.description,
            namespace="AWS/Lambda" if alarm.of_lambda else self._namespace,
            metric_name=alarm.metric,
            dimensions=function,
            statistic=alarm.statistic,
            period=alarm.seconds,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=alarm.threshold,
            treat_missing_data=alarm.no_data,
            alarm_actions=actions,
            ok_actions=actions if alarm.ends else None,
            tags=self._args.tags,
            opts=self._child,
        )

    def _dashboard(self, alarms: Sequence[pulumi.Output[str]]) -> pulumi.Output[str]:
        def body(values: Sequence[str]) -> dict[str, object]:
            function_name, log_group, api_id, *arns = values
            return dashboard_body(
                namespace=self._namespace,
                region=arns[0].split(":")[3],
                function_name=function_name,
                log_group=log_group,
                api_id=api_id,
                alarms=arns,
                providers=self._args.providers,
                notices=self._args.notices,
            )

        api_id = self._args.http_api.api_id if self._args.http_api else ""
        values = pulumi.Output.all(self._args.function_name, self._args.log_group, api_id, *alarms)
        dashboard = cloudwatch.Dashboard(
            f"{self._name}-dashboard",
            dashboard_name=dashboard_name(self._stack),
            dashboard_body=pulumi.Output.json_dumps(values.apply(body)),
            opts=self._child,
        )
        return dashboard.dashboard_arn

    def _alarm_name(self, alarm: Alarm) -> str:
        return f"{self._stack}-{alarm.name}"


def dashboard_name(stack: str) -> str:
    """Return the name of a stack's dashboard, which can't contain dots, unlike a stack's name.

    Dots become dashes; a digest distinguishes `a.b` from `a-b`.
    """
    if "." not in stack:
        return stack
    digest = hashlib.sha256(stack.encode()).hexdigest()[:8]
    return f"{stack.replace('.', '-')}-{digest}"


def _policy_for_alarms(topic: str, names: Sequence[str]) -> dict[str, object]:
    """Allow CloudWatch to publish to a topic for these alarms of its account and region."""
    _, partition, _, region, account, _ = topic.split(":")
    alarms = [f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}" for name in names]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AlarmsOfThisStack",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic,
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account},
                    "ArnEquals": {"aws:SourceArn": alarms},
                },
            }
        ],
    }
