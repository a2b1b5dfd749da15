"""`oncall check` as an AuthZEN caller: the metadata, the token, then a decision."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from cli.access_request import CHECK_ID, AccessRequest
from cli.context import Context
from cli.diagnosis import (
    MOST_QUOTED,
    ApprovalClaim,
    Step,
    check_decision,
    explain_command,
    is_in_front,
    is_of_api,
    log_remedy,
    message_of,
    refused,
    unreachable,
    why_approved,
)
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Target
from cli.webhook_client import DEFAULT_KIND, SendError, WebhookAnswer, call
from handler.callers import EVALUATION, EVALUATIONS, METADATA
from handler.callers.authzen import REQUEST_ID, AuthZen
from handler.durations import format_go, parse_instant
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.rules.model import LONGEST_APPROVAL
from handler.settings import AUTHZEN_TOKEN

NAME, SECRET = "AuthZEN", AUTHZEN_TOKEN
DISCOVERY, AUTHENTICATION, DECISION = "metadata", "token", "evaluation"
# A decision's id begins with a call's id of Lambda, or of API Gateway, which is in base64. It
# becomes part of a command that people paste: a shell leaves these characters alone in quotes.
_ID = re.compile(r"[A-Za-z0-9+/=_-]{0,100}")


def _error(http: int, message: str) -> object:
    return json.loads(AuthZen.failure(http, message, {}, None)["body"])


# What the function of this version answers to a question without any field.
_NO_SUBJECT = "subject is missing"
_ANSWERED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)


class Evaluation(NamedTuple):
    """The answer to one question.

    Attributes:
        decision: whether it is a yes.
        reason: why.
        duration: how long access lasts, in whole seconds; zero for a no.
        expires_at: when access ends, in UTC; None for a no.
        decision_id: the decision's id in the function's log.
    """

    decision: bool
    reason: str
    duration: timedelta
    expires_at: datetime | None
    decision_id: str


def questions(request: AccessRequest) -> list[dict[str, Any]]:
    """Make a question for each resource of a request."""
    context = {"reason": request.reason}
    if request.duration is not None:
        context["duration"] = format_go(request.duration)
    return [
        {
            "subject": {"type": "user", "id": request.email},
            "action": {"name": request.action},
            "resource": {"type": kind, "id": id_, "properties": dict(request.labels)},
            "context": context,
        }
        for kind, id_ in request.resources
    ]


def headers(token: str) -> dict[str, str]:
    """Make the headers of a question."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def read_evaluations(body: object, count: int) -> list[Evaluation]:
    """Read the answers to a batch of questions.

    Raises:
        ShapeError: they have another form, or another number.
    """
    items = get_list(as_object(body, "the answer"), "evaluations")
    if len(items) != count:
        raise ShapeError(f"{len(items)} answers came to {count} questions")
    return [_read_evaluation(as_object(item, "evaluations[]")) for item in items]


def _read_evaluation(item: Mapping[str, Any]) -> Evaluation:
    decision, context = item.get("decision"), get_object(item, "context")
    if not isinstance(decision, bool):
        raise ShapeError("decision isn't true or false")
    seconds = context.get("duration_seconds", 0)
    is_length = type(seconds) is int and 0 <= seconds <= LONGEST_APPROVAL.total_seconds()
    if not is_length or decision != bool(seconds):
        raise ShapeError("context.duration_seconds isn't the length of an approval")
    expires_at = parse_instant(get_str(context, "expires_at"))
    if decision != (expires_at is not None):
        raise ShapeError("context.expires_at isn't the end of an approval")
    id_ = get_str(context, "decision_id")
    if not _ID.fullmatch(id_):
        raise ShapeError("context.decision_id isn't an id")
    reason = get_str(context, "reason")
    return Evaluation(decision, reason, timedelta(seconds=seconds), expires_at, id_)


def check(
    target: Target, context: Context, request: AccessRequest | None
) -> tuple[list[Step], ApprovalClaim | None]:
    """Make the calls, each only if the previous one was answered correctly.

    The last one asks for a decision, if there is a request. All of its resources must be approved.
    """
    answer = _call(METADATA, None, target, context)
    step = answer if isinstance(answer, Step) else _check_metadata(answer, target, context)
    if step.level == PROBLEM:
        return [step], None
    steps = [step]
    answer = _call(EVALUATION, {}, target, context)
    steps.append(answer if isinstance(answer, Step) else _check_token(answer, target, context))
    if steps[-1].level == PROBLEM or not request:
        return steps, None
    request = request.with_kind(DEFAULT_KIND)
    items = questions(request)
    answer = _call(EVALUATIONS, {"evaluations": items}, target, context)
    if isinstance(answer, Step):
        return [*steps, answer], None
    step, approval = _check_decision(answer, request, target, context)
    return [*steps, step], approval


def _call(
    path: str, body: Mapping[str, Any] | None, target: Target, context: Context
) -> WebhookAnswer | Step:
    raw, method = (b"", "GET") if body is None else (json.dumps(body).encode(), "POST")
    sent = {} if body is None else headers(target.secret)
    sent[REQUEST_ID] = f"{CHECK_ID}{uuid.uuid4()}"
    try:
        return call(target.url.rstrip("/") + path, method, sent, raw, connect=context.connect)
    except SendError as error:
        return unreachable(path, error, target)


def _check_metadata(answer: WebhookAnswer, target: Target, context: Context) -> Step:
    if answer.http == HTTPStatus.NOT_FOUND and not is_of_api(answer):
        text = f"HTTP 404: AuthZEN is off at {target.url}"
        return Step(DISCOVERY, PROBLEM, text, f"set {SECRET}, then deploy")
    if answer.http != HTTPStatus.OK:
        return refused(DISCOVERY, answer, target, context.clock.now())
    url = answer.body.get("policy_decision_point") if isinstance(answer.body, dict) else None
    if not isinstance(url, str):
        text = f"what answers at {target.url} isn't this project's function"
        return Step(DISCOVERY, PROBLEM, text, log_remedy(target))
    return Step(DISCOVERY, OK, f"AuthZEN is on at {url}")


def _check_token(answer: WebhookAnswer, target: Target, context: Context) -> Step:
    """Check the answer to a question without any field: with the right token, it is a 400.

    The deployed version may use other words than this one.
    """
    message = message_of(answer)
    quoted = ""
    # Some gateways quote the Authorization header that they don't understand.
    if isinstance(message, str) and target.secret not in message:
        quoted = repr(message[:MOST_QUOTED])
    is_of_function = isinstance(message, str) and answer.body == _error(answer.http, message)
    if answer.http == HTTPStatus.BAD_REQUEST and is_of_function:
        right = "the token is the deployed one"
        if message == _NO_SUBJECT:
            return Step(AUTHENTICATION, OK, right)
        text = f"{right}, but the function answers {quoted or 'in other words'}"
        remedy = "another version is deployed than is here, or a proxy or firewall changes the call"
        return Step(AUTHENTICATION, NOTE, text, f"{remedy}: {log_remedy(target)}")
    if answer.http == HTTPStatus.UNAUTHORIZED and is_of_function:
        remedy = f"run `make deploy STACK={target.stack}`, which deploys the token that is set here"
        if not target.stack:
            remedy = "run `. .sandbox/env` again: a new sandbox has a new token"
        return Step(AUTHENTICATION, PROBLEM, "HTTP 401: the token isn't the deployed one", remedy)
    if answer.http not in _ANSWERED or is_of_api(answer) or is_in_front(answer):
        return refused(AUTHENTICATION, answer, target, context.clock.now())
    text = f"HTTP {answer.http}: this isn't the function's answer to this call"
    if quoted:
        text += f" but {quoted}"
    remedy = (
        f"a proxy or firewall may change the call, or another program answers at {target.url}: "
        f"{log_remedy(target)}"
    )
    return Step(AUTHENTICATION, PROBLEM, text, remedy)


def _check_decision(
    answer: WebhookAnswer, request: AccessRequest, target: Target, context: Context
) -> tuple[Step, ApprovalClaim | None]:
    now = context.clock.now()
    if answer.http != HTTPStatus.OK:
        return refused(DECISION, answer, target, now), None
    try:
        evaluations = read_evaluations(answer.body, len(request.resources))
    except ShapeError as error:
        return Step(DECISION, PROBLEM, f"the answer is wrong: {error}", log_remedy(target)), None
    shortest: ApprovalClaim | None = None
    for resource, evaluation in zip(request.resources, evaluations, strict=True):
        until = evaluation.expires_at
        if until is None:
            left = request._replace(resources=(resource,))
            step = check_decision(DECISION, None, left, target, now, evaluation.reason)
            log = log_remedy(target, evaluation.decision_id)
            remedy = f"`{explain_command(left, target)}` explains why; or {log}"
            return step._replace(remedy=step.remedy or remedy), None
        if shortest is None or until < shortest.until:
            lasts = format_go(evaluation.duration)
            shortest = ApprovalClaim(why_approved(evaluation.reason), lasts, until)
    return check_decision(DECISION, shortest, request, target, now), shortest
