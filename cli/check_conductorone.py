"""`oncall check` for ConductorOne: the address, the tenant's keys, and signed calls in the sandbox.

Only the tenant can sign a call. The sandbox's own tenant does so for whoever knows the address in
`CALLS_URL`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from cli.access_request import AccessRequest, UnsupportedRequestError
from cli.context import Context
from cli.diagnosis import (
    NO,
    ApprovalClaim,
    Step,
    check_decision,
    is_of_api,
    log_remedy,
    refused,
    unreachable,
    why_approved,
)
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Target
from cli.webhook_client import SendError, WebhookAnswer, call
from handler.callers import CALLERS
from handler.callers.base import unauthenticated
from handler.callers.conductorone import (
    APP_LABEL,
    ENTITLEMENT_KIND,
    KEYS_PATH,
    LEFT_TO_HUMANS,
    VERSION,
    read_usable_keys,
)
from handler.connection import Connect
from handler.durations import format_go
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.setting_parsers import SettingsError
from handler.settings import BY_NAME, CONDUCTORONE_BASE_URL, CONDUCTORONE_TENANT
from handler.settings import DURATION as LONGEST

NAME, SECRET = "ConductorOne", ""
ADDRESS, KEYS, TEST, DECISION = "address", "keys", "test", "policy step"
(PATH,) = next(entry.paths for entry in CALLERS if entry.key == CONDUCTORONE_TENANT)
CALLS_URL = "CONDUCTORONE_CALLS_URL"
DEFAULT_APP = "app-1"
_UNSIGNED = unauthenticated("").message
_REQUESTED = timedelta(hours=1)
_IN_CONDUCTORONE = "in ConductorOne, open Integrations > Webhooks, and choose Test webhook"


def check(
    target: Target, context: Context, request: AccessRequest | None
) -> tuple[list[Step], ApprovalClaim | None]:
    """Make the calls, each only if the previous one was answered correctly.

    The last ones are signed: in the sandbox only. Elsewhere, a note says who can sign them.
    """
    steps = [_check_address(target, context)]
    if steps[-1].level != PROBLEM:
        steps.append(_check_keys(target, context))
    if steps[-1].level == PROBLEM:
        return steps, None
    if target.stack or not context.environment.get(CALLS_URL):
        text = "only ConductorOne can sign a call, so no signed call was made"
        return [*steps, Step(TEST, NOTE, text, _IN_CONDUCTORONE)], None
    steps.append(_check_test(target, context))
    if steps[-1].level == PROBLEM or not request:
        return steps, None
    step, approval = _check_decision(request, target, context)
    return [*steps, step], approval


def url_of(target: Target) -> str:
    """Give the address that ConductorOne calls, as it is reached from here."""
    return target.url.rstrip("/") + PATH


def _check_address(target: Target, context: Context) -> Step:
    """Check that an unsigned call is refused, by our function."""
    try:
        answer = call(url_of(target), "POST", {}, b"{}", connect=context.connect)
    except SendError as error:
        return unreachable(ADDRESS, error, target)
    if is_of_api(answer):
        return refused(ADDRESS, answer, target, context.clock.now())
    message = answer.body.get("message") if isinstance(answer.body, dict) else None
    if answer.http == HTTPStatus.NOT_FOUND:
        text = f"HTTP 404: ConductorOne is off at {target.url}"
        return Step(ADDRESS, PROBLEM, text, f"set {CONDUCTORONE_TENANT}, then deploy")
    if answer.http == HTTPStatus.UNAUTHORIZED and message == _UNSIGNED:
        return Step(ADDRESS, OK, f"{url_of(target)} refuses an unsigned call, as it should")
    if answer.http == HTTPStatus.OK or (answer.http == HTTPStatus.UNAUTHORIZED and message):
        text = f"what answers at {target.url} isn't this project's function"
        return Step(ADDRESS, PROBLEM, text, log_remedy(target))
    return refused(ADDRESS, answer, target, context.clock.now())


def _check_keys(target: Target, context: Context) -> Step:
    """Check that the tenant publishes a key that the function can use."""
    try:
        tenant = BY_NAME[CONDUCTORONE_TENANT].read(target.settings)
        base_url = BY_NAME[CONDUCTORONE_BASE_URL].read(target.settings)
    except SettingsError as error:
        return Step(KEYS, PROBLEM, str(error), "correct it, then deploy")
    url = f"{base_url or f'https://{tenant}.conductor.one'}{KEYS_PATH}"
    remedy = (
        f"open {url} in a browser; if it shows no keys, {CONDUCTORONE_TENANT} ({tenant!r}) "
        "isn't the first part of your tenant's address"
    )
    try:
        answer = call(url, "GET", {}, connect=context.connect)
    except SendError as error:
        return Step(KEYS, PROBLEM, str(error), f"let this machine reach it, or {remedy}")
    if answer.http != HTTPStatus.OK:
        return Step(KEYS, PROBLEM, f"HTTP {answer.http} at {url}", remedy)
    try:
        count = len(read_usable_keys(answer.body))
    except ShapeError as error:
        text = f"{url}: {error}"
        return Step(KEYS, PROBLEM, text, f"choose RS256 in ConductorOne, or {remedy}")
    return Step(KEYS, OK, f"tenant {tenant} publishes {count} usable key{'s'[: count != 1]}")


def signed_call(
    calls_url: str, request: AccessRequest | None, connect: Connect | None = None
) -> tuple[dict[str, str], bytes]:
    """Have the sandbox's tenant make a call: its headers and body. Without a request, a test call.

    Raises:
        UnsupportedRequestError: ConductorOne can't request that.
        SendError: the tenant doesn't answer, or refuses.
    """
    values = {} if request is None else step_arguments(request)
    raw = json.dumps(values).encode()
    try:
        answer = call(calls_url, "POST", {"Content-Type": "application/json"}, raw, connect=connect)
        made = as_object(answer.body, "the answer")
        headers = {name: str(value) for name, value in get_object(made, "headers").items()}
        body = get_str(made, "body")
    except (SendError, ShapeError):
        headers, body = {}, ""
    if not body:
        raise SendError(f"the sandbox's tenant at {_host_of(calls_url)} makes no call")
    return headers, body.encode()


def _host_of(calls_url: str) -> str:
    """Give host and port; the rest of the address may be a secret."""
    with suppress(ValueError):
        return urlsplit(calls_url).netloc.rpartition("@")[2]
    return CALLS_URL


def step_arguments(request: AccessRequest) -> dict[str, Any]:
    """Give the arguments of the sandbox's policy step.

    Raises:
        UnsupportedRequestError: it is for more or for something else than one entitlement.
    """
    if len(request.resources) != 1:
        raise UnsupportedRequestError(
            "ConductorOne requests one entitlement at a time: give --resource once"
        )
    ((kind, entitlement),) = request.resources
    if kind not in {"", ENTITLEMENT_KIND}:
        raise UnsupportedRequestError(
            f"ConductorOne requests entitlements, not {kind}:{entitlement}: give for example "
            f"--resource {ENTITLEMENT_KIND}:{entitlement} --label {APP_LABEL}={DEFAULT_APP}"
        )
    if others := request.labels.keys() - {APP_LABEL}:
        raise UnsupportedRequestError(
            f"an entitlement of ConductorOne has the label {APP_LABEL} only, not {min(others)}"
        )
    if request.action != AccessRequest._field_defaults["action"]:
        raise UnsupportedRequestError("ConductorOne requests access only: leave out --action")
    values: dict[str, Any] = {
        "email": request.email,
        "entitlement": entitlement,
        "app": request.labels.get(APP_LABEL, DEFAULT_APP),
        "reason": request.reason,
    }
    if request.duration is not None:
        values["seconds"] = int(request.duration.total_seconds())
    return values


def read_step_answer(body: object) -> tuple[bool, str]:
    """Read whether a policy step is accepted, and the comment.

    Raises:
        ShapeError: it is another answer.
    """
    answer = as_object(body, "the answer")
    if "replacePolicy" in answer:
        policy = get_object(answer, "replacePolicy")
        steps = [*get_list(policy, "policySteps")]
        if len(steps) == 1 and [*as_object(steps[0], "policySteps[]")] == ["accept"]:
            return True, get_str(policy, "comment")
    elif "approve" in answer:
        comment = get_str(get_object(answer, "approve"), "comment")
        if comment.startswith(LEFT_TO_HUMANS):
            return False, comment.removeprefix(LEFT_TO_HUMANS)
    raise ShapeError("it neither accepts the request nor leaves it to humans")


def _send(
    name: str, target: Target, context: Context, request: AccessRequest | None
) -> WebhookAnswer | Step:
    try:
        calls_url = context.environment[CALLS_URL]
        headers, body = signed_call(calls_url, request, context.connect)
    except SendError as error:
        remedy = "run `make up` again, then `. .sandbox/env`"
        return Step(name, PROBLEM, str(error), remedy)
    try:
        answer = call(url_of(target), "POST", headers, body, connect=context.connect)
    except SendError as error:
        return unreachable(name, error, target)
    if answer.http == HTTPStatus.UNAUTHORIZED:
        text = "HTTP 401: the function refuses the tenant's signature"
        return Step(name, PROBLEM, text, log_remedy(target))
    if answer.http != HTTPStatus.OK:
        return refused(name, answer, target, context.clock.now())
    return answer


def _check_test(target: Target, context: Context) -> Step:
    answer = _send(TEST, target, context, None)
    if isinstance(answer, Step):
        return answer
    if answer.body != {"version": VERSION}:
        return Step(TEST, PROBLEM, "the answer to a test call is wrong", log_remedy(target))
    return Step(TEST, OK, "a signed test call is answered")


def _check_decision(
    request: AccessRequest, target: Target, context: Context
) -> tuple[Step, ApprovalClaim | None]:
    now = context.clock.now()
    duration = _duration(target.settings)
    request = request.with_kind(ENTITLEMENT_KIND)._replace(duration=duration)
    try:
        answer = _send(DECISION, target, context, request)
        if isinstance(answer, Step):
            return answer, None
        accepted, comment = read_step_answer(answer.body)
    except UnsupportedRequestError as error:
        return Step(DECISION, NOTE, f"no decision was asked for: {error}"), None
    except ShapeError as error:
        return Step(DECISION, PROBLEM, f"the answer is wrong: {error}", log_remedy(target)), None
    approval = None
    if accepted:
        approval = ApprovalClaim(why_approved(comment), format_go(duration), now + duration)
    step = check_decision(DECISION, approval, request, target, now, comment)
    if step.level == NO and not step.remedy:
        step = step._replace(remedy=log_remedy(target))
    return step, approval


def _duration(settings: Mapping[str, str]) -> timedelta:
    """Choose for how long to ask: ConductorOne can't shorten access, so not for too long."""
    try:
        longest: timedelta = BY_NAME[LONGEST].read(settings)
    except SettingsError:
        return _REQUESTED
    return min(_REQUESTED, longest)
