"""The calls of `oncall check --caller authzen`: the metadata, a bad question, and a real one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from auditlog.explain import clock_time, duration_in_words
from cli.context import Context
from cli.diagnosis import NO, Approval, Step, log_remedy, refused, unreachable
from cli.preflight_checks import OK, PROBLEM
from cli.target import Deployed
from cli.webhook_client import SendError, WebhookAnswer, call
from handler.callers import EVALUATION, EVALUATIONS, METADATA
from handler.durations import format_go, parse_instant

DISCOVERY, AUTHENTICATION, DECISION = "metadata", "token", "evaluation"


def questions(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make a question for each resource of a request."""
    return [
        {
            "subject": {"type": "user", "id": event["actor"]["email"]},
            "action": {"name": "access"},
            "resource": {
                "type": resource["kind"],
                "id": resource["id"],
                "properties": resource["labels"],
            },
            "context": {"reason": event["reason"]},
        }
        for resource in event["resources"]
    ]


def call_authzen(
    webhook: Deployed, context: Context, items: Sequence[Mapping[str, Any]]
) -> tuple[list[Step], Approval | None]:
    """Make the calls, each only if the one before was answered as it should be.

    The decision is asked for only where there are questions; all of them have to be approved.
    """
    answer = _call(METADATA, None, webhook, context)
    step = answer if isinstance(answer, Step) else _check_metadata(answer, webhook, context)
    if step.level == PROBLEM:
        return [step], None
    steps = [step]
    answer = _call(EVALUATION, {}, webhook, context)
    steps.append(answer if isinstance(answer, Step) else _check_token(answer, webhook, context))
    if steps[-1].level == PROBLEM or not items:
        return steps, None
    answer = _call(EVALUATIONS, {"evaluations": items}, webhook, context)
    if isinstance(answer, Step):
        return [*steps, answer], None
    step, approval = _check_decision(answer, items, webhook, context)
    return [*steps, step], approval


def _call(
    path: str, body: Mapping[str, Any] | None, webhook: Deployed, context: Context
) -> WebhookAnswer | Step:
    headers = {"Authorization": f"Bearer {webhook.secret}", "Content-Type": "application/json"}
    raw, method = (b"", "GET") if body is None else (json.dumps(body).encode(), "POST")
    sent = {} if body is None else headers
    try:
        return call(webhook.url.rstrip("/") + path, method, sent, raw, connect=context.connect)
    except SendError as error:
        return unreachable(path, error, webhook)


def _check_metadata(answer: WebhookAnswer, webhook: Deployed, context: Context) -> Step:
    if answer.http == HTTPStatus.NOT_FOUND:
        text = f"HTTP 404: AuthZEN is off at {webhook.url}"
        return Step(DISCOVERY, PROBLEM, text, "set AUTHZEN_TOKEN, and deploy")
    if answer.http != HTTPStatus.OK:
        return refused(DISCOVERY, answer, webhook, context.clock.now())
    url = answer.body.get("policy_decision_point") if isinstance(answer.body, dict) else None
    if not isinstance(url, str):
        text = f"what answers at {webhook.url} is not this project's function"
        return Step(DISCOVERY, PROBLEM, text, log_remedy(webhook))
    return Step(DISCOVERY, OK, f"AuthZEN is answered at {url}")


def _check_token(answer: WebhookAnswer, webhook: Deployed, context: Context) -> Step:
    """A question without anything in it is a 400 for whoever has the token."""
    if answer.http == HTTPStatus.BAD_REQUEST:
        return Step(AUTHENTICATION, OK, "the token is the deployed one")
    if answer.http == HTTPStatus.UNAUTHORIZED:
        remedy = "deploy, so that the function gets the token that is set here"
        if not webhook.stack:
            remedy = "run `. .sandbox/env` again: a new sandbox has a new token"
        return Step(AUTHENTICATION, PROBLEM, "HTTP 401: the token is not the deployed one", remedy)
    return refused(AUTHENTICATION, answer, webhook, context.clock.now())


def _check_decision(
    answer: WebhookAnswer,
    items: Sequence[Mapping[str, Any]],
    webhook: Deployed,
    context: Context,
) -> tuple[Step, Approval | None]:
    if answer.http != HTTPStatus.OK:
        return refused(DECISION, answer, webhook, context.clock.now()), None
    who = items[0]["subject"]["id"]
    try:
        evaluations = answer.body["evaluations"]
        for item, evaluation in zip(items, evaluations, strict=True):
            if evaluation["decision"] is not True:
                what = f"{item['resource']['type']}:{item['resource']['id']}"
                reason, id_ = evaluation["context"]["reason"], evaluation["context"]["decision_id"]
                text = f"no for {who}: humans decide about {what}: {reason}"
                return Step(DECISION, NO, text, log_remedy(webhook, id_)), None
        shortest = min((one["context"] for one in evaluations), key=_seconds)
        until = parse_instant(shortest["expires_at"])
    except (KeyError, TypeError, ValueError):
        until = None
    if until is None:
        return Step(DECISION, PROBLEM, "the answer is wrong", log_remedy(webhook)), None
    lasts = format_go(_seconds(shortest))
    approval = Approval(shortest["reason"], lasts, until)
    ends = f"{duration_in_words(lasts)}, until {clock_time(until, context.clock.now())}"
    return Step(DECISION, OK, f"yes for {who} for {ends}: {approval.why}"), approval


def _seconds(answer: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=int(answer["duration_seconds"]))
