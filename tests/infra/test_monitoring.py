"""Metrics, alarms, their topic and the dashboard, as they are registered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from handler.providers.registry import PROVIDERS
from infra.alarms import alarms_for
from infra.metrics import metrics_for
from sandbox.local_aws.program import ProgramRun
from tests.infra.program import SECRETS, Program, inputs_of

TAGS = {"project": "oncall-approvals", "stack": "dev"}
TOPIC = "arn:aws:sns:eu-north-1:210987654321:monitoring-alarms"
ALARM = "arn:aws:cloudwatch:eu-north-1:210987654321:alarm:"
EMAIL = "oncall@example.com"
ALL_KEYS = {
    **SECRETS,
    "PAGERDUTY_KEY": "key-of-the-tests",
    "OPSGENIE_KEY": "key-of-the-tests",
    "JSM_API_TOKEN": "key-of-the-tests",
}
JSM = {"JSM_SITE": "acme", "JSM_EMAIL": "bot@example.com"}


def all_of(run: ProgramRun, kind: str) -> dict[str, dict[str, Any]]:
    """Give the inputs of all resources whose type ends so, by their logical names."""
    return {
        made.name: dict(made.inputs) for made in run.registrations if made.type.endswith(f":{kind}")
    }


@pytest.fixture(scope="module")
def mailing() -> ProgramRun:
    """Give what a stack comes to that mails its alarms, and asks incident.io alone."""
    return Program().run({"ALARM_EMAIL": EMAIL})


def test_each_filter_counts_in_the_stacks_own_namespace(dev: ProgramRun) -> None:
    """Six metrics and one for the provider; a pattern each, no dimension, on the function's log."""
    counting = '{ $.message = "decision" && '
    approved = counting + '$.outcome = "approve" && $.dry_run IS FALSE'
    counts = {"value": "1", "defaultValue": "0", "unit": "Count"}
    expected: dict[str, tuple[str, dict[str, str]]] = {
        "Approved": (approved + " }", counts),
        "LeftToHumans": (counting + '($.outcome = "abstain" || $.dry_run IS TRUE) }', counts),
        "Failed": ('{ $.message = "failed" }', counts),
        "SignaturesRefused": ('{ $.message = "refused" && $.http = 401 }', counts),
        "SelfMade": (approved + " && $.self_made IS TRUE }", counts),
        "DecisionTime": (
            counting + "$.number = 0 && $.milliseconds >= 0 }",
            {"value": "$.milliseconds", "unit": "Milliseconds"},
        ),
        "Failing-incidentio": (
            counting + "$.failing.incidentio >= 0 }",
            {"value": "$.failing.incidentio", "unit": "Count"},
        ),
    }
    assert all_of(dev, "LogMetricFilter") == {
        f"monitoring-{name}": {
            "logGroupName": "approval-webhook-log-name",
            "pattern": pattern,
            "metricTransformation": {
                "namespace": "oncall-approvals/dev",
                "name": name,
                **made,
            },
        }
        for name, (pattern, made) in expected.items()
    }


def test_alarms_are_exact(mailing: ProgramRun) -> None:
    """Every property of every alarm."""
    common = {
        "evaluationPeriods": 1,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "alarmActions": [TOPIC],
        "tags": TAGS,
    }
    of_lambda = {
        "namespace": "AWS/Lambda",
        "dimensions": {"FunctionName": "approval-webhook-name"},
    }
    ours = {"namespace": "oncall-approvals/dev"}
    rows: Mapping[str, tuple[str, Mapping[str, object], str, int, int, str, bool]] = {
        "function-broken": ("Errors", of_lambda, "Sum", 300, 1, "notBreaching", True),
        "calls-failed": ("Failed", ours, "Sum", 300, 1, "notBreaching", True),
        "throttled": ("Throttles", of_lambda, "Sum", 300, 1, "notBreaching", True),
        "signatures-refused": ("SignaturesRefused", ours, "Sum", 900, 5, "notBreaching", True),
        "many-approvals": ("Approved", ours, "Sum", 3600, 20, "notBreaching", False),
        "self-made-duty": ("SelfMade", ours, "Sum", 300, 1, "notBreaching", False),
        "provider-failing-incidentio": (
            *("Failing-incidentio", ours, "Minimum", 900, 1),
            *("ignore", True),
        ),
    }
    alarms = all_of(mailing, "MetricAlarm")
    for alarm in alarms.values():
        assert alarm.pop("alarmDescription")
    assert alarms == {
        f"monitoring-{name}": {
            "name": f"oncall-approvals-dev-{name}",
            "metricName": metric,
            "statistic": statistic,
            "period": period,
            "threshold": threshold,
            "treatMissingData": missing,
            **({"okActions": [TOPIC]} if ends else {}),
            **of,
            **common,
        }
        for name, (metric, of, statistic, period, threshold, missing, ends) in rows.items()
    }


@pytest.mark.parametrize("alarm", alarms_for(PROVIDERS), ids=lambda each: each.name)
def test_a_description_is_one_sentence_and_where_to_read_on(alarm: Any) -> None:  # noqa: ANN401 - pytest's ids
    """What it means, and the section of the runbook; CloudWatch takes 1024 characters."""
    meaning, what_to_do = alarm.description.split(" What to do: ")
    assert meaning.endswith(".")
    assert ". " not in meaning
    assert what_to_do == f'docs/runbook.md, "{alarm.section}".'
    assert len(alarm.description) <= 1024


def test_each_provider_that_is_on_is_watched(program: Program) -> None:
    """One metric and one alarm more for each; none for what is off."""
    run = program.run(JSM, ALL_KEYS)
    filters, alarms = all_of(run, "LogMetricFilter"), all_of(run, "MetricAlarm")
    assert (len(filters), len(alarms)) == (10, 10)
    for each in ("incidentio", "pagerduty", "opsgenie", "jsm"):
        assert f"monitoring-Failing-{each}" in filters
        assert f"monitoring-provider-failing-{each}" in alarms


def test_the_most_there_can_be_costs_nothing_in_a_quiet_account() -> None:
    """Ten custom metrics and ten alarms are what AWS gives for nothing."""
    assert len(metrics_for(PROVIDERS)) <= 10
    assert len(alarms_for(PROVIDERS)) <= 10


def test_topic_takes_the_alarms_of_this_stack_only(mailing: ProgramRun) -> None:
    """CloudWatch may write to it, for this account and by these names; nobody else may anything."""
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
    """The alarms are the same, but for whom they tell: nobody."""
    assert not [made for made in dev.registrations if made.type.startswith("aws:sns/")]
    told = all_of(mailing, "MetricAlarm")
    for name, alarm in all_of(dev, "MetricAlarm").items():
        assert alarm == {
            key: value
            for key, value in told[name].items()
            if key not in {"alarmActions", "okActions"}
        }


def test_stacks_do_not_meet(program: Program) -> None:
    """Another stack counts elsewhere, and its alarms and dashboard bear its name."""
    run = program.run(stack="prod.eu")
    for each in all_of(run, "LogMetricFilter").values():
        assert each["metricTransformation"]["namespace"] == "oncall-approvals/prod.eu"
    for each in all_of(run, "MetricAlarm").values():
        assert each["name"].startswith("oncall-approvals-prod.eu-")
    # CloudWatch takes no dot there.
    assert inputs_of(run, "Dashboard")["dashboardName"] == "oncall-approvals-prod-eu-8dbe6810"


def test_a_dot_and_a_dash_are_two_dashboards(program: Program) -> None:
    """Each stack has its own, whose name CloudWatch takes; a name without a dot stays."""
    stacks = ("a.b.c", "a-b", "a.b", "a-b.c", "a.b-c", "a-b-c")
    runs = [program.run(stack=each) for each in stacks]
    names = [inputs_of(each, "Dashboard")["dashboardName"] for each in runs]
    assert len(set(names)) == len(stacks)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,255}", each) for each in names)
    assert names[1] == "oncall-approvals-a-b"


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


def test_dashboard_answers_at_a_glance(widgets: list[dict[str, Any]]) -> None:
    """Each title is the question."""
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
    (shown,) = (each["properties"]["alarms"] for each in widgets if each["type"] == "alarm")
    assert sorted(shown) == sorted(f"{ALARM}{name}" for name in all_of(watching_all, "MetricAlarm"))


def test_what_is_drawn_is_counted(watching_all: ProgramRun, widgets: list[dict[str, Any]]) -> None:
    """Each metric of ours has a filter, and each filter's is drawn; Lambda's are its own."""
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


def test_it_looks_where_the_stack_is(widgets: list[dict[str, Any]]) -> None:
    """In its region, and in its log."""
    *_, log = widgets
    assert {each["properties"].get("region") for each in widgets[1:]} == {"eu-north-1"}
    assert log["properties"]["query"].startswith("SOURCE 'approval-webhook-log-name' | fields ")


def test_nothing_lies_over_anything(widgets: list[dict[str, Any]]) -> None:
    """Each cell of the grid of 24 columns holds one widget at most."""
    cells = [
        (column, row)
        for each in widgets
        for column in range(each["x"], each["x"] + each["width"])
        for row in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) == 23
