"""The deployed metric filters count what the deployed function logs."""

from __future__ import annotations

from datetime import timedelta

from sandbox.demo_data import JANE, NORA
from sandbox.stack import Sandbox
from tests.e2e.webhook_calls import Webhook, over_http, request_of
from tests.support.filter_pattern import matches, value_in


def test_metric_filters_count_the_log(sandbox: Sandbox) -> None:
    """An approval, a request left to humans, and refused calls are counted."""
    webhook = Webhook(sandbox.webhook_secret, over_http(sandbox.url))
    webhook.ask(request_of(JANE))
    webhook.ask(request_of(NORA))
    webhook.call({"info": True}, secret="wks0-of-somebody-else")
    webhook.call({"info": True}, age=timedelta(hours=1))
    assert sandbox.log.wait_for(lambda line: "s old" in str(line.get("why")), seconds=30)
    lines = sandbox.log.file.read_text(encoding="utf-8").splitlines()
    metric_filters = sandbox.aws.client("logs").describe_metric_filters(
        logGroupName=sandbox.deployment.outputs["log_group"]
    )["metricFilters"]
    sums: dict[str, float] = {}
    times: dict[str, int] = {}
    for metric_filter in metric_filters:
        (transformation,) = metric_filter["metricTransformations"]
        values = [
            value_in(transformation["metricValue"], line)
            for line in lines
            if matches(metric_filter["filterPattern"], line)
        ]
        times[transformation["metricName"]] = len(values)
        sums[transformation["metricName"]] = sum(value or 0 for value in values)
    providers = {f"Failing-{provider}": 2 for provider in sandbox.doubles}
    assert times == {
        "Approved": 1,
        "LeftToHumans": 1,
        "SignaturesRefused": 2,
        "DecisionTime": 2,
        **providers,
        "Failed": 0,
        "NoticesFailed": 0,
        "SelfMade": 0,
    }
    # Durations vary; every provider answered.
    assert sums == {**times, **dict.fromkeys(providers, 0), "DecisionTime": sums["DecisionTime"]}
