"""`oncall check` as Indent: its own calls, then a decision."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from cli.access_request import CHECK_ID, AccessRequest
from cli.context import Context
from cli.diagnosis import (
    NO,
    ApprovalClaim,
    Step,
    approval_of,
    check_bots,
    check_decision,
    check_info,
    explain_command,
    log_remedy,
    refused,
    unreachable,
)
from cli.preflight_checks import PROBLEM
from cli.target import Target
from cli.webhook_client import (
    DEFAULT_KIND,
    SendError,
    WebhookAnswer,
    request_event,
    send,
)
from handler.callers.indent import BOT_KIND, GET_DECISION, GET_INFO, PULL_UPDATE
from handler.json_fields import ShapeError
from handler.settings import SIGNING_SECRET

NAME, SECRET = "Indent", SIGNING_SECRET


def check(
    target: Target, context: Context, request: AccessRequest | None
) -> tuple[list[Step], ApprovalClaim | None]:
    """Make the calls, each only if the previous one was answered correctly.

    The last one asks for a decision, if there is a request.
    """
    answer = _call(GET_INFO, {"info": True}, target, context)
    if isinstance(answer, Step):
        return [answer], None
    steps = [*check_info(GET_INFO, answer, target)]
    if steps[-1].level == PROBLEM:
        return steps, None
    answer = _call(PULL_UPDATE, {"kinds": [BOT_KIND]}, target, context)
    if not isinstance(answer, Step):
        answer = check_bots(PULL_UPDATE, answer, target)
    steps.append(answer)
    if steps[-1].level == PROBLEM or not request:
        return steps, None
    step, approval = _decision(request, target, context)
    return [*steps, step], approval


def _decision(
    request: AccessRequest, target: Target, context: Context
) -> tuple[Step, ApprovalClaim | None]:
    request = request.with_kind(DEFAULT_KIND)
    petition = f"{CHECK_ID}{uuid.uuid4()}"
    event = request_event(
        request.email,
        [f"{kind}:{id_}" for kind, id_ in request.resources],
        resource_labels=request.labels,
        reason=request.reason,
        petition=petition,
    )
    answer = _call(GET_DECISION, {"events": [event]}, target, context)
    if isinstance(answer, Step):
        return answer, None
    log = log_remedy(target, petition)
    try:
        approval = approval_of(answer, event)
    except ShapeError as error:
        return Step(GET_DECISION, PROBLEM, f"the claim is wrong: {error}", log), None
    step = check_decision(GET_DECISION, approval, request, target, context.clock.now())
    if step.level == NO and not step.remedy:
        why = f"`{explain_command(request, target)}` explains why"
        hint = "it names a provider that failed or refused its key"
        step = step._replace(remedy=f"{why}; or {log}: {hint}")
    return step, approval


def _call(
    name: str, body: Mapping[str, Any], target: Target, context: Context
) -> WebhookAnswer | Step:
    """Make one call; give a step if the function didn't answer it."""
    signed_at = context.clock.now()
    try:
        answer = send(target.url, target.secret, body, signed_at=signed_at, connect=context.connect)
    except SendError as error:
        return unreachable(name, error, target)
    if answer.http == HTTPStatus.OK:
        return answer
    return refused(name, answer, target, context.clock.now())
