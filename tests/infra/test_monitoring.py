"""Metrics, alarms, their topic and the dashboard, as they are registered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from handler.providers.registry import PROVIDERS
from infra.alarms import alarms_for
from infra.metrics import metrics_for
from infra.monitoring import dashboard_name
from sandbox.local_aws.program import ProgramRun
from tests.infra.program import SECRETS, Program, inputs_of

TAGS = {"project": "oncall-approvals", "stack": "dev"}
TOPIC = "arn:aws:sns:eu-north-1:210987654321:monitoring-alarms"
ALARM = "arn:aws:cloudwatch:eu-north-1:210987654321:alarm:"
EMAIL = "oncall@example.com"
ALL_KEYS = {
    **SECRETS,
    "PAGERDUTY_KEY": "pagerduty-key-of-the-tests",
    "OPSGENIE_KEY": "opsgenie-key-of-the-tests",
    "JSM_API_TOKEN": "jsm-key-of-the-tests",
}
JSM = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@example.com"}


def all_of(run: ProgramRun, kind: str) -> dict[str, dict[str, Any]]:
    """Give the inputs of all resources whose type ends like this, by logical name."""
    return {
        made.name: dict(made.inputs) for made in run.registrations if made.type.endswith(f":{kind}")
    }


@pytest.fixture(scope="module")
def mailing() -> ProgramRun:
    """Run the program for a stack that mails its alarms and asks only incident.io."""
    return Program().run({"ALARM_EMAIL": EMAIL})


def test_each_filter_counts_in_the_stacks_own_namespace(dev: ProgramRun) -> None:
    """On the function's log, without a dimension: each value of one would be another metric."""
    filters = all_of(dev, "LogMetricFilter")
    assert len(filters) == 7
    for each in filters.values():
        assert each["logGroupName"] == "approval-webhook-log-name"
        assert each["metricTransformation"]["namespace"] == "oncall-approvals/dev"
        assert "dimensions" not in each["metricTransformation"]


def test_each_alarm_watches_what_is_counted_and_mails(mailing: ProgramRun) -> None:
    """A metric of this stack's log, or Lambda's own of its function."""
    filters = all_of(mailing, "LogMetricFilter").values()
    counted = {("oncall-approvals/dev", each["metricTransformation"]["name"]) for each in filters}
    for name, alarm in all_of(mailing, "MetricAlarm").items():
        of_lambda = alarm["namespace"] == "AWS/Lambda"
        assert of_lambda or (alarm["namespace"], alarm["metricName"]) in counted, name
        dimensions = {"FunctionName": "approval-webhook-name"} if of_lambda else None
        assert alarm.get("dimensions") == dimensions, name
        assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["alarmActions"] == [TOPIC]
        assert alarm["tags"] == TAGS


def test_thresholds_of_the_alarms(mailing: ProgramRun) -> None:
    """One failure is enough; refused calls and approvals have a number."""
    alarms = all_of(mailing, "MetricAlarm")
    numbers = {
        name.removeprefix("monitoring-"): (alarm["threshold"], alarm["period"] // 60)
        for name, alarm in alarms.items()
    }
    assert numbers == {
        **dict.fromkeys(("function-broken", "calls-failed", "throttled", "self-made-duty"), (1, 5)),
        "signatures-refused": (5, 15),
        "many-approvals": (20, 60),
        "provider-failing-incidentio": (1, 15),
    }
    # What happened once has no end that would be worth a mail.
    without_end = {name for name, alarm in alarms.items() if "okActions" not in alarm}
    assert without_end == {"monitoring-many-approvals", "monitoring-self-made-duty"}
    # Silence is no failure, and no recovery of a provider that nobody has asked since.
    missing = {name: alarm["treatMissingData"] for name, alarm in alarms.items()}
    assert missing.pop("monitoring-provider-failing-incidentio") == "ignore"
    assert set(missing.values()) == {"notBreaching"}


@pytest.mark.parametrize(
    "alarm", alarms_for(PROVIDERS, notices=True, has_api=False), ids=lambda each: each.name
)
def test_a_description_is_one_sentence_and_where_to_read_on(alarm: Any) -> None:  # noqa: ANN401 - pytest's ids
    """What it means, and the section of the runbook; CloudWatch takes 1024 characters."""
    meaning, what_to_do = alarm.description.split(" What to do: ")
    assert meaning.endswith(".")
    assert ". " not in meaning
    assert what_to_do == f'docs/operate.md, "{alarm.section}".'
    assert len(alarm.description) <= 1024


def test_each_provider_that_is_on_is_watched(program: Program) -> None:
    """Each adds one metric and one alarm; one that is off adds none."""
    run = program.run(JSM, ALL_KEYS)
    filters, alarms = all_of(run, "LogMetricFilter"), all_of(run, "MetricAlarm")
    assert (len(filters), len(alarms)) == (10, 10)
    for each in ("incidentio", "pagerduty", "opsgenie", "jsm"):
        assert f"monitoring-Failing-{each}" in filters
        assert f"monitoring-provider-failing-{each}" in alarms


@pytest.mark.parametrize(
    "secrets",
    [
        {"NOTIFY_URL": "https://n8n.example.com/x", "NOTIFY_SECRET": f"whsec_{'A' * 32}"},
        {"NOTIFY_SLACK_URL": "https://hooks.slack.com/services/T0/B0/x"},
    ],
)
def test_notices_are_watched_where_they_are_sent(program: Program, secrets: dict[str, str]) -> None:
    """By a metric, an alarm and a line on the dashboard."""
    run = program.run(secrets={**SECRETS, **secrets})
    filters, alarms = all_of(run, "LogMetricFilter"), all_of(run, "MetricAlarm")
    assert (len(filters), len(alarms)) == (8, 8)
    assert "monitoring-NoticesFailed" in filters
    alarm = alarms["monitoring-notices-failed"]
    assert (alarm["threshold"], alarm["period"]) == (1, 300)
    assert "NoticesFailed" in inputs_of(run, "Dashboard")["dashboardBody"]


def test_the_most_there_can_be_costs_nothing_in_a_quiet_account() -> None:
    """Ten custom metrics and ten alarms are what AWS gives for nothing.

    Notices have one more of each; the metric has no default, so that nothing is stored of it.
    """
    assert len(metrics_for(PROVIDERS, notices=False)) <= 10
    assert len(alarms_for(PROVIDERS, notices=False, has_api=False)) <= 10
    more = {*metrics_for(PROVIDERS, notices=True)} - {*metrics_for(PROVIDERS, notices=False)}
    assert [(metric.name, metric.default) for metric in more] == [("NoticesFailed", None)]


def test_topic_takes_the_alarms_of_this_stack_only(mailing: ProgramRun) -> None:
    """Only CloudWatch may publish to it, for this account and these alarms."""
    assert inputs_of(mailing, "Topic") == {"displayName": "oncall-approvals-dev", "tags": TAGS}
    policy = inputs_of(mailing, "TopicPolicy")
    assert policy.keys() == {"arn", "policy"}
    assert policy["arn"] == TOPIC
    names = [each["name"] for each in all_of(mailing, "MetricAlarm").values()]
    (statement,) = json.loads(policy["policy"])["Statement"]
    sources = statement["Condition"]["ArnEquals"].pop("aws:SourceArn")
    assert sorted(sources) == sorted(f"{ALARM}{each}" for each in names)
    assert statement == {
        "Sid": "AlarmsOfThisStack",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": TOPIC,
        "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}, "ArnEquals": {}},
    }


def test_the_address_is_subscribed(mailing: ProgramRun) -> None:
    """By mail, to that topic."""
    assert inputs_of(mailing, "TopicSubscription") == {
        "topic": TOPIC,
        "protocol": "email",
        "endpoint": EMAIL,
    }


def test_without_an_address_there_is_no_topic(dev: ProgramRun, mailing: ProgramRun) -> None:
    """The alarms are the same, but notify nobody."""
    assert not [made for made in dev.registrations if made.type.startswith("aws:sns/")]
    output = all_of(mailing, "MetricAlarm")
    for name, alarm in all_of(dev, "MetricAlarm").items():
        assert alarm == {
            key: value
            for key, value in output[name].items()
            if key not in {"alarmActions", "okActions"}
        }


def test_stacks_have_their_own_metrics(program: Program) -> None:
    """Another stack has its own namespace, alarms and dashboard."""
    run = program.run(stack="prod.eu")
    for each in all_of(run, "LogMetricFilter").values():
        assert each["metricTransformation"]["namespace"] == "oncall-approvals/prod.eu"
    for each in all_of(run, "MetricAlarm").values():
        assert each["name"].startswith("oncall-approvals-prod.eu-")
    # CloudWatch takes no dot there.
    assert inputs_of(run, "Dashboard")["dashboardName"] == "oncall-approvals-prod-eu-8dbe6810"


def test_a_dot_and_a_dash_are_two_dashboards() -> None:
    """Each stack has its own, whose name CloudWatch takes; a name without a dot stays."""
    stacks = ("a.b.c", "a-b", "a.b", "a-b.c", "a.b-c", "a-b-c")
    names = [dashboard_name(each) for each in stacks]
    assert len(set(names)) == len(stacks)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,255}", each) for each in names)
    assert names[1] == "a-b"


@pytest.fixture(scope="module")
def watching_all() -> ProgramRun:
    """A stack with every provider."""
    return Program().run(JSM, ALL_KEYS)


@pytest.fixture(scope="module")
def widgets(watching_all: ProgramRun) -> list[dict[str, Any]]:
    """Its widgets, from left to right and down."""
    dashboard = inputs_of(watching_all, "Dashboard")
    assert dashboard.keys() == {"dashboardName", "dashboardBody"}
    assert dashboard["dashboardName"] == "oncall-approvals-dev"
    body = json.loads(dashboard["dashboardBody"])
    assert body.keys() == {"widgets"}
    widgets: list[dict[str, Any]] = body["widgets"]
    return widgets


def test_dashboard_titles_are_questions(widgets: list[dict[str, Any]]) -> None:
    """Each widget has one."""
    questions = [each["properties"]["title"].partition("?")[0] for each in widgets]
    assert questions == [
        "What is wrong",
        "Is it up",
        "Who decides",
        "How fast",
        "Which provider is down",
        "What was decided last",
    ]


def test_every_alarm_is_on_it(watching_all: ProgramRun, widgets: list[dict[str, Any]]) -> None:
    """By its ARN."""
    (output,) = (each["properties"]["alarms"] for each in widgets if each["type"] == "alarm")
    assert sorted(output) == sorted(
        f"{ALARM}{name}" for name in all_of(watching_all, "MetricAlarm")
    )


def test_the_dashboard_shows_every_metric(
    watching_all: ProgramRun, widgets: list[dict[str, Any]]
) -> None:
    """Each of our metrics has a filter, and each filter's metric is shown."""
    drawn = [
        metric
        for each in widgets
        if each["type"] == "metric"
        for metric in each["properties"]["metrics"]
    ]
    ours = {metric[1] for metric in drawn if metric[0] == "oncall-approvals/dev"}
    filters = all_of(watching_all, "LogMetricFilter").values()
    assert ours == {each["metricTransformation"]["name"] for each in filters}
    for namespace, name, *dimensions, how in drawn:
        assert isinstance(how, dict)
        if namespace == "AWS/Lambda":
            assert name in {"Invocations", "Errors", "Throttles", "UrlRequestLatency"}
            assert dimensions == ["FunctionName", "approval-webhook-name"]
        else:
            assert (namespace, dimensions) == ("oncall-approvals/dev", [])


def test_dashboard_shows_the_stacks_region_and_log(widgets: list[dict[str, Any]]) -> None:
    """Every widget."""
    *_, log = widgets
    assert {each["properties"].get("region") for each in widgets[1:]} == {"eu-north-1"}
    assert log["properties"]["query"].startswith("SOURCE 'approval-webhook-log-name' | fields ")


def test_widgets_do_not_overlap(widgets: list[dict[str, Any]]) -> None:
    """Each cell of the grid of 24 columns has one widget at most."""
    cells = [
        (column, row)
        for each in widgets
        for column in range(each["x"], each["x"] + each["width"])
        for row in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23
