"""`oncall check`: whether what is deployed works, by signed calls to it."""

from __future__ import annotations

import argparse
import shlex
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from auditlog.explain import NO as AGAINST
from auditlog.explain import YES
from cli import arguments, check_authzen, options
from cli.context import Context
from cli.diagnosis import (
    NO,
    Approval,
    Step,
    approval_of,
    check_bots,
    check_decision,
    check_info,
    log_remedy,
    refused,
    unreachable,
)
from cli.errors import CommandError
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Deployed, deployed
from cli.webhook_client import SendError, WebhookAnswer, request_event, send
from handler.callers.indent import BOT_KIND, GET_DECISION, GET_INFO, PULL_UPDATE
from handler.durations import format_instant
from handler.json_fields import ShapeError
from handler.setting_parsers import SettingsError
from handler.settings import AUTHZEN_TOKEN, BY_NAME, LABELS, POLICY
from policy.setting_hints import check_typed_text

EPILOG = """examples:
  . .sandbox/env && oncall check
  oncall check --stack dev --as jane@example.com
  oncall check --stack dev --caller authzen --as jane@example.com
  oncall check --stack prod --as jane@example.com \\
    --resource postgres.v1.Role:db-1 --label Env=Prod

--stack asks the Pulumi CLI for the stack's webhook_url and
INDENT_WEBHOOK_SECRET, and needs PULUMI_CONFIG_PASSPHRASE where a passphrase
encrypts the config; without it both come from the environment (WEBHOOK_URL,
INDENT_WEBHOOK_SECRET). --caller authzen takes AUTHZEN_TOKEN instead. The
secret is never shown.

--as asks for a real decision, which is a line in the audit log: its petition
is called oncall-check-..., and its reason is "oncall check". It grants
nothing: a claim is an answer, only the access system applies one, and it never
asked.

exit status: 0 it works, and approves WHO where one is given, 1 it does not,
2 could not be carried out"""
ANY_RESOURCE = ("example.v1.Resource", "oncall-check")
PETITION, REASON = "oncall-check-", "oncall check"
_INDENT = 9
_MARKS = {OK: YES, PROBLEM: AGAINST, NO: AGAINST, NOTE: ""}


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "check",
        run,
        summary="check what is deployed, by signed calls to it",
        description="Call the deployed webhook as the access system does, and tell what it means.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--caller",
        choices=("indent", "authzen"),
        default="indent",
        help="as which (default: indent)",
    )
    parser.add_argument(
        "--stack", type=arguments.stack, metavar="NAME", help="whose webhook, by the Pulumi CLI"
    )
    options.add_request(
        parser,
        required=False,
        who="ask for a decision, too",
        resource="for what; again for more; without a policy file any resource will do",
    )
    arguments.for_scripts(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Make the calls, and print what came of each."""
    if not args.who and (args.resource or args.label):
        raise CommandError("--resource and --label are for a request: add --as EMAIL")
    if args.caller == "authzen":
        webhook = deployed(args.stack, context, AUTHZEN_TOKEN)
        questions = check_authzen.questions(_event(args, webhook.settings)) if args.who else ()
        steps, approval = check_authzen.call_authzen(webhook, context, questions)
    else:
        webhook = deployed(args.stack, context)
        event = _event(args, webhook.settings) if args.who else None
        steps, approval = call_webhook(webhook, context, event)
    works = all(step.level != PROBLEM for step in steps)
    is_good = works and bool(approval or not args.who)
    out = context.output(args)
    if args.json:
        out.json(
            {
                "ok": works,
                "approved": bool(approval) if args.who and works else None,
                "url": webhook.url,
                "steps": [step._asdict() for step in steps],
                "approval": _as_data(approval),
            }
        )
        return 0 if is_good else 1
    for step in steps:
        out.line(f"{step.level:8} {step.call}: {step.text}", _MARKS[step.level], _INDENT)
        if step.remedy:
            out.line(f"{'':8} remedy: {step.remedy}", indent=_INDENT)
    return 0 if is_good else 1


def _event(args: argparse.Namespace, settings: Mapping[str, str]) -> dict[str, Any]:
    """Make the request; for what is not said, since the settings know resources by labels only."""
    policy = settings.get(POLICY, "").strip()
    if policy and not args.resource:
        raise CommandError(f"the rules of {policy} are for resources: add --resource KIND:ID")
    try:
        wanted = () if args.resource else BY_NAME[LABELS].read(settings, check_typed_text)
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    return request_event(
        args.who,
        [f"{kind}:{id_}" for kind, id_ in args.resource or [ANY_RESOURCE]],
        resource_labels={**dict(wanted), **dict(args.label)},
        reason=REASON,
        petition=f"{PETITION}{uuid.uuid4()}",
    )


def _as_data(approval: Approval | None) -> dict[str, str] | None:
    return approval and {**approval._asdict(), "until": format_instant(approval.until)}


def call_webhook(
    webhook: Deployed, context: Context, event: Mapping[str, Any] | None
) -> tuple[list[Step], Approval | None]:
    """Make the calls, each only if the one before was answered as it should be.

    The decision is asked for only where there is a request; its approval comes with the steps.
    """
    answer = _call(GET_INFO, {"info": True}, webhook, context)
    if isinstance(answer, Step):
        return [answer], None
    steps = [*check_info(GET_INFO, answer, webhook)]
    if steps[-1].level == PROBLEM:
        return steps, None
    answer = _call(PULL_UPDATE, {"kinds": [BOT_KIND]}, webhook, context)
    if not isinstance(answer, Step):
        answer = check_bots(PULL_UPDATE, answer, webhook)
    steps.append(answer)
    if steps[-1].level == PROBLEM or not event:
        return steps, None
    step, approval = _decision(event, webhook, context)
    return [*steps, step], approval


def _decision(
    event: Mapping[str, Any], webhook: Deployed, context: Context
) -> tuple[Step, Approval | None]:
    answer = _call(GET_DECISION, {"events": [event]}, webhook, context)
    if isinstance(answer, Step):
        return answer, None
    log = log_remedy(webhook, event["meta"]["labels"]["petition"])
    try:
        approval = approval_of(answer, event)
    except ShapeError as error:
        return Step(GET_DECISION, PROBLEM, f"the claim is wrong: {error}", log), None
    step = check_decision(GET_DECISION, approval, event, webhook, context.clock.now())
    if step.level == NO and not step.remedy:
        why = f"`{_explain_command(event, webhook)}` says why"
        hint = "a provider that fails or refuses its key is named there"
        step = step._replace(remedy=f"{why}; or {log}: {hint}")
    return step, approval


def _call(
    name: str, body: Mapping[str, Any], webhook: Deployed, context: Context
) -> WebhookAnswer | Step:
    """Make one call; a step, where it came to no answer of the function's."""
    signed_at = context.clock.now()
    try:
        answer = send(
            webhook.url, webhook.secret, body, signed_at=signed_at, connect=context.connect
        )
    except SendError as error:
        return unreachable(name, error, webhook)
    if answer.http == HTTPStatus.OK:
        return answer
    return refused(name, answer, webhook, context.clock.now())


def _explain_command(event: Mapping[str, Any], webhook: Deployed) -> str:
    """Give the command that decides the same here, and tells all about it."""
    resources = event["resources"]
    words = ["oncall", "explain", "--as", event["actor"]["email"]]
    for resource in resources:
        words += ["--resource", f"{resource['kind']}:{resource['id']}"]
    for name, value in resources[0]["labels"].items():
        words += ["--label", f"{name}={value}"]
    return shlex.join([*words, *(["--stack", webhook.stack] if webhook.stack else [])])
