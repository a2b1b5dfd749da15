"""Says what a webhook's answer means, and what to do if it is wrong. No I/O."""

from __future__ import annotations

import json
import shlex
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from auditlog.explain import clock_time, duration_in_words
from cli.access_request import AccessRequest
from cli.console import join_words
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.proxies import UnreachableError
from cli.target import Target
from cli.webhook_client import TIMEOUT_SECONDS, SendError, WebhookAnswer
from handler import __version__
from handler.callers.base import UNREAD_KEYS, UNREAD_SECRET
from handler.callers.indent import APPROVE, DURATION, EXPIRES, NAME, bot_of
from handler.durations import parse_instant
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.providers.registry import PROVIDERS
from handler.response import ResponseTooLargeError
from handler.setting_parsers import SettingsError
from handler.settings import BY_NAME, DRY_RUN, max_age

NO = "no"
MOST_QUOTED = 80
# What API Gateway itself answers; the function's answers and a function URL's have other texts.
_API_MESSAGES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "Not Found",
    HTTPStatus.TOO_MANY_REQUESTS: "Too Many Requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal Server Error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Unavailable",
}
# What the reason of an approval begins with where there is no policy file.
_BY_DEFAULT_RULE = "Approved: "


class Step(NamedTuple):
    """One call that was made, and its result.

    Attributes:
        call: its name in the protocol.
        level: `OK`, `PROBLEM`, `NO` for a decision that is not an approval, or `NOTE`.
        text: the result, in a sentence.
        remedy: what to do about it.
    """

    call: str
    level: str
    text: str
    remedy: str = ""


class ApprovalClaim(NamedTuple):
    """What an approving answer says.

    Attributes:
        why: evidence and rule.
        duration: how long, as a Go duration.
        until: its end.
    """

    why: str
    duration: str
    until: datetime


def unreachable(call: str, error: SendError, target: Target) -> Step:
    """Report why nobody answered."""
    cause, remedy = error.__cause__, _address_remedy(target)
    match cause:
        case ssl.SSLCertVerificationError():
            problem = "has a certificate that this machine does not trust"
            remedy = "check this machine's clock, and whether a proxy replaces certificates"
        case ssl.SSLError():
            problem = "does not speak TLS correctly"
        case UnreachableError():
            problem = f"cannot be reached: {cause.problem}"
            remedy = f"{cause.remedy}; {remedy}"
        case TimeoutError():
            problem = f"does not answer within {TIMEOUT_SECONDS} s"
            remedy = f"let this machine reach it; then {log_remedy(target)}"
        case ConnectionRefusedError():
            problem = "refuses the connection: nothing listens there"
        case ConnectionError():
            problem = "hangs up before it answers"
            remedy = f"something between may cut the connection; {log_remedy(target)}"
        case ValueError():
            problem = f"can't be called: {cause}"
        case OSError():
            problem = f"cannot be reached: {cause.strerror}"
        case ResponseTooLargeError():
            problem = "answers with more than a webhook would"
        case _:
            problem = f"does not answer properly: {cause}"
    return Step(call, PROBLEM, f"{target.url} {problem}", remedy)


def refused(call: str, answer: WebhookAnswer, target: Target, now: datetime) -> Step:
    """Report what an HTTP error means."""
    if is_of_api(answer):
        problem, remedy = _meaning_of_api(answer.http, target)
    else:
        problem, remedy = _meaning(answer, target, now)
    return Step(call, PROBLEM, f"HTTP {answer.http}: {problem}", remedy)


def _meaning(answer: WebhookAnswer, target: Target, now: datetime) -> tuple[str, str]:
    remedy = log_remedy(target)
    host = urlsplit(target.url).hostname
    match answer.http:
        case _ if is_in_front(answer):
            problem = f"something in front of {host} (a firewall or proxy) refused the call"
            remedy = f"let this machine's calls to {host} through, or call from another network"
        case HTTPStatus.UNAUTHORIZED:
            problem, remedy = "the signature is refused", _signature_remedy(answer, target, now)
        case HTTPStatus.FORBIDDEN:
            problem, remedy = "AWS lets nobody call this URL", _permission_remedy(target)
        case HTTPStatus.TOO_MANY_REQUESTS:
            problem, remedy = "AWS lets no call through", _concurrency_remedy(target)
        case HTTPStatus.SERVICE_UNAVAILABLE if message_of(answer) == UNREAD_KEYS:
            problem = "the function cannot fetch the tenant's keys"
        case HTTPStatus.SERVICE_UNAVAILABLE if message_of(answer) == UNREAD_SECRET:
            problem = "the function cannot read its secret"
            remedy += (
                "; its role must be allowed to read the stack's secret (output secret_arn), in the"
                f" deployed version: {_deploy(target)} restores both"
            )
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = "the function failed, because of a wrong setting or a defect"
        case HTTPStatus.BAD_GATEWAY:
            problem = "the function cannot start, or died before it answered"
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            problem, remedy = "AWS itself failed", f"try again in a minute; {remedy}"
        case _:
            problem, remedy = "that isn't this project's function", _address_remedy(target)
    return problem, remedy


def is_of_api(answer: WebhookAnswer) -> bool:
    """Whether API Gateway answered by itself, from an HTTP API in front of the function."""
    return answer.http in _API_MESSAGES and answer.body == {"message": _API_MESSAGES[answer.http]}


def _meaning_of_api(status: int, target: Target) -> tuple[str, str]:
    refresh = f"`pulumi refresh --stack {target.stack}`, then " if target.stack else ""
    restore = f"run {refresh}{_deploy(target)}"
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
            problem = "API Gateway lets nobody call this API"
            remedy = "somebody changed the API by hand (an authorizer)"
            if status == HTTPStatus.NOT_FOUND:
                remedy = (
                    "somebody changed the API by hand (its route is gone, or its default endpoint"
                    " is disabled)"
                )
            if status == HTTPStatus.FORBIDDEN:
                remedy = (
                    "if this machine is in a VPC that has an interface endpoint for execute-api"
                    f" with private DNS, call from another network; otherwise {remedy}"
                )
            remedy = f"{remedy}: {restore}"
        case HTTPStatus.TOO_MANY_REQUESTS:
            problem = "API Gateway throttled the call"
            remedy = (
                "more calls come than THROTTLE_RATE and THROTTLE_BURST let through: try again, or"
                f" set them higher and run {_deploy(target)}; {_access_log_remedy(target)}"
            )
        case HTTPStatus.SERVICE_UNAVAILABLE:
            problem = "API Gateway got no answer from the function in time, or Lambda throttled it"
            remedy = f"{_concurrency_remedy(target)}; {_access_log_remedy(target)}"
        case _:
            problem = "API Gateway can't call the function, or the function died"
            remedy = (
                f"{_access_log_remedy(target)}; if it says that permissions are missing, {restore}"
            )
    return problem, remedy


def _access_log_remedy(target: Target) -> str:
    """Say where API Gateway's reasons are."""
    if not target.stack:
        return log_remedy(target)
    group = target.access_log or f"$(pulumi stack output access_log --stack {target.stack})"
    return f'see the access log: `aws logs tail "{group}" --since 10m`'


def is_in_front(answer: WebhookAnswer) -> bool:
    """Whether something between here and AWS answered: neither AWS nor our function sends pages."""
    body = answer.body
    is_page = isinstance(body, str) and body.lstrip("\ufeff \t\r\n").startswith("<")
    return answer.http == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED or (
        is_page
        and answer.http
        in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}
    )


def _permission_remedy(target: Target) -> str:
    return (
        f"`aws lambda get-policy --function-name {target.function or 'NAME'}` has to show both"
        " FunctionURLAllowPublicAccess and FunctionURLAllowInvokeAction (`aws lambda"
        " add-permission`); if it does, a service control policy of the organisation forbids"
        " public URLs"
    )


def _concurrency_remedy(target: Target) -> str:
    shut = f"to open it, {_unset('RESERVED_CONCURRENCY', target)}"
    if target.settings.get("RESERVED_CONCURRENCY", "").strip() == "0":
        return f"RESERVED_CONCURRENCY is 0, which shuts the URL: {shut}"
    return (
        f"if RESERVED_CONCURRENCY was deployed as 0, the URL is shut: {shut};"
        " otherwise too many calls run at once: set it higher, or try again"
    )


def _signature_remedy(answer: WebhookAnswer, target: Target, now: datetime) -> str:
    skew = _skew(answer.date, now)
    if skew and abs(skew) > _max_age(target.settings):
        way = "behind" if skew > timedelta(0) else "ahead of"
        seconds = abs(skew) // timedelta(seconds=1)
        return f"set this machine's clock: it is {seconds} s {way} the webhook's"
    if not target.stack:
        return "run `. .sandbox/env` again: a new sandbox has a new secret"
    return (
        f"run {_deploy(target)}: the deployed secret isn't the one in Pulumi.{target.stack}.yaml;"
        " the access system needs the same one"
    )


def _skew(date: str, now: datetime) -> timedelta | None:
    """Say by how much the server's clock is ahead of ours."""
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or UTC) - now
    return None


def _max_age(settings: Mapping[str, str]) -> timedelta:
    try:
        return max_age(settings)
    except SettingsError:
        return max_age({})


def message_of(answer: WebhookAnswer) -> object:
    """Find the message of an error, as the function answers it to each caller; None without one."""
    body = answer.body if isinstance(answer.body, dict) else {}
    errors = body, body.get("status"), body.get("error")
    return next(
        (error["message"] for error in errors if isinstance(error, dict) and "message" in error),
        None,
    )


def log_remedy(target: Target, words: str = "") -> str:
    """Say where the function's log is, and what to look for."""
    if not target.stack:
        return f"see the function's log (.sandbox/function.log){f' for {words}' if words else ''}"
    pattern = f" --filter-pattern '\"{words}\"'" if words else ""
    group = target.log_group or f"$(pulumi stack output log_group --stack {target.stack})"
    return f'see the log: `aws logs tail "{group}" --since 10m{pattern}`'


def _address_remedy(target: Target) -> str:
    if not target.stack:
        return "run `make up`, then `. .sandbox/env`: WEBHOOK_URL is not a running sandbox's"
    return f"run {_deploy(target)} first; the URL is the output webhook_url"


def _deploy(target: Target) -> str:
    """Name the command that deploys what is here; it also checks whose the state is."""
    return f"`make deploy STACK={target.stack}`" if target.stack else "a new `make up`"


def _unset(key: str, target: Target) -> str:
    """Say how to remove a setting, from the deployed function as well."""
    if not target.stack:
        return f"take {key} out of the stack's file, and run `make up` again"
    return f"run `pulumi config rm {key} --stack {target.stack}`, then {_deploy(target)}"


def check_info(call: str, answer: WebhookAnswer, target: Target) -> Iterator[Step]:
    """Check which function answers."""
    try:
        name, version = _integration(answer)
    except ShapeError:
        name = version = ""
    if name != NAME:
        claimed = f"calls itself {name[:MOST_QUOTED]!r}" if name else "does not say what it is"
        text = f"what answers at {target.url} is not {NAME}: it {claimed}"
        yield Step(call, PROBLEM, text, _address_remedy(target))
        return
    yield Step(call, OK, f"{NAME} {version[:MOST_QUOTED]} answers at {target.url}")
    if version != __version__:
        text = f"version {version[:MOST_QUOTED]} is deployed, and {__version__} is here"
        yield Step(call, NOTE, text, f"{_deploy(target)} deploys what is here")


def _integration(answer: WebhookAnswer) -> tuple[str, str]:
    """Read name and version, which travel as JSON text within a `DebugInfo`."""
    status = get_object(as_object(answer.body, "the answer"), "status")
    for entry in get_list(status, "details"):
        try:
            detail = json.loads(get_str(as_object(entry, "details[]"), "detail"))
        except (ValueError, RecursionError):
            continue
        for value in get_list(as_object(detail, "detail"), "integrations"):
            integration = as_object(value, "integrations[]")
            return get_str(integration, "name"), get_str(integration, "version")
    return "", ""


def check_bots(call: str, answer: WebhookAnswer, target: Target) -> Step:
    """Check which providers are switched on."""
    try:
        bots = get_list(as_object(answer.body, "the answer"), "resources")
        ids = {get_str(as_object(bot, "resources[]"), "id") for bot in bots}
    except ShapeError:
        ids = set()
    on = [provider.name for provider in PROVIDERS if bot_of(provider)["id"] in ids]
    if not on:
        return Step(call, PROBLEM, "it lists no provider's bot", log_remedy(target))
    return Step(call, OK, f"it asks {join_words(on)}, and has a bot to review for each")


def approval_of(answer: WebhookAnswer, event: Mapping[str, Any]) -> ApprovalClaim | None:
    """Read the claim; None where there is none.

    Raises:
        ShapeError: it isn't a claim, or is for something else.
    """
    claims = get_list(as_object(answer.body, "the answer"), "claims")
    if not claims:
        return None
    claim = as_object(claims[0], "claims[]")
    labels = get_object(get_object(claim, "meta"), "labels")
    until = parse_instant(get_str(labels, EXPIRES))
    petition = event["meta"]["labels"]["petition"]
    requested = [event["actor"], *event["resources"]]
    if (get_str(claim, "event"), len(claims), labels.get("petition")) != (APPROVE, 1, petition):
        raise ShapeError("it is not the approval of this one petition")
    if claim.get("resources") != requested or until is None:
        raise ShapeError("it approves something else")
    return ApprovalClaim(why_approved(get_str(claim, "reason")), get_str(labels, DURATION), until)


def why_approved(reason: str) -> str:
    """Name the evidence and the rule, as an approval's reason has them."""
    evidence = reason.removeprefix(_BY_DEFAULT_RULE)
    return reason if evidence == reason else f"{evidence}, by the default rule"


def check_decision(
    call: str,
    approval: ApprovalClaim | None,
    request: AccessRequest,
    target: Target,
    now: datetime,
    why: str = "",
) -> Step:
    """Report what was decided; `why` is the caller's reason where there is no approval."""
    who = request.email
    what = join_words(f"{kind}:{id_}" for kind, id_ in request.resources)
    if approval:
        lasts = f"{duration_in_words(approval.duration)} (until {clock_time(approval.until, now)})"
        return Step(call, OK, f"{who} would get {what} for {lasts}: {approval.why}")
    left = f"a request by {who} for {what} would be left to humans"
    with suppress(SettingsError):
        if BY_NAME[DRY_RUN].read(target.settings):
            text = f"{left}: with {DRY_RUN}, every request is"
            return Step(call, NO, text, _unset(DRY_RUN, target))
    return Step(call, NO, f"{left}: {why}" if why else left)


def explain_command(request: AccessRequest, target: Target) -> str:
    """Give the command that decides the same request here, and explains the decision."""
    words = ["oncall", "explain", "--as", request.email]
    for kind, id_ in request.resources:
        words += ["--resource", f"{kind}:{id_}"]
    for name, value in request.labels.items():
        words += ["--label", f"{name}={value}"]
    return shlex.join([*words, *(["--stack", target.stack] if target.stack else [])])
