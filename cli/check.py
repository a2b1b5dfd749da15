"""`oncall check`: whether what is deployed works, by calls to it as each caller makes them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from auditlog.explain import NO as AGAINST
from auditlog.explain import YES
from cli import (
    arguments,
    check_authzen,
    check_conductorone,
    check_indent,
    check_notices,
    options,
)
from cli.access_request import AccessRequest
from cli.console import Output
from cli.context import Context
from cli.diagnosis import NO, ApprovalClaim, Step
from cli.errors import CommandError
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Target, find_target, with_secret
from handler.callers import CALLERS
from handler.durations import format_instant
from handler.setting_parsers import SettingsError
from handler.settings import AUTHZEN_TOKEN, BY_NAME, LABELS, POLICY
from policy.setting_hints import check_typed_text

EPILOG = """examples:
  . .sandbox/env && oncall check
  oncall check --stack dev --as jane@example.com
  oncall check --stack dev --caller authzen --as jane@example.com
  oncall check --stack prod --as jane@example.com \\
    --resource postgres.v1.Role:db-1 --label Env=Prod

Without --caller, every caller that is switched on is checked.

--stack asks the Pulumi CLI for the stack's webhook_url and the callers'
secrets, and needs PULUMI_CONFIG_PASSPHRASE if a passphrase encrypts the
config. Without --stack, they come from the environment (WEBHOOK_URL,
INDENT_WEBHOOK_SECRET, AUTHZEN_TOKEN), as `. .sandbox/env` sets them. No secret
is ever shown.

--as asks for a real decision, which is a line in the audit log: its petition
(Indent) or its caller_request (AuthZEN) begins with oncall-check-. It grants
nothing: only the access system grants access, and it didn't ask.

--notify sends a test notice from this machine to NOTIFY_URL and
NOTIFY_SLACK_URL, as they are set. It shows that they work, not that they are
deployed.

ConductorOne has no secret: only the tenant can sign a call. So --as asks for
no decision as ConductorOne, except in the sandbox, which has its own tenant.

exit status: 0 it works, and EMAIL would be approved if one is given; 1 it
doesn't, or EMAIL wouldn't; 2 the check could not run"""
ANY_RESOURCE = ("", "oncall-check")
REASON = "oncall check"
_INDENT = 9
# Characters of a text, as part of which an answer may have an endless one.
_MOST_TEXT = 2000
_MARKS = {OK: YES, PROBLEM: AGAINST, NO: AGAINST, NOTE: ""}


class _CallerCheck(Protocol):
    """What each caller's file provides: the vendor's name, and the setting with its secret."""

    NAME: str
    SECRET: str

    def check(
        self, target: Target, context: Context, request: AccessRequest | None
    ) -> tuple[list[Step], ApprovalClaim | None]: ...


CHECKS: Mapping[str, _CallerCheck] = MappingProxyType(
    {"indent": check_indent, "authzen": check_authzen, "conductorone": check_conductorone}
)


class CallerResult(NamedTuple):
    """What came of the calls as one caller.

    Attributes:
        caller: its name in `CALLERS`.
        steps: the calls.
        approval: the approval of the request; None without one.
        asked: whether a decision was asked for.
    """

    caller: str
    steps: list[Step]
    approval: ApprovalClaim | None
    asked: bool

    @property
    def works(self) -> bool:
        """Whether no call had a problem."""
        return _works(self.steps)

    @property
    def approved(self) -> bool | None:
        """Whether the request would be approved; None if that is unknown."""
        return bool(self.approval) if self.asked and self.works else None


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = options.add_command(
        commands,
        "check",
        run,
        summary="call what is deployed as its callers do",
        description="Call the deployed webhook as each caller does, and say what the answers mean.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--caller",
        choices=tuple(CHECKS),
        help="check this caller only",
    )
    parser.add_argument(
        "--stack", type=arguments.stack, metavar="NAME", help="the stack whose webhook is checked"
    )
    options.add_request(
        parser,
        required=False,
        who="also ask for a decision about this person",
        resource="what they request; may be repeated; needed only with a policy file",
    )
    parser.add_argument(
        "--notify", action="store_true", help="also send a test notice to NOTIFY_URL and Slack"
    )
    options.add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Make the calls, and print the results."""
    if not args.who and (args.resource or args.label):
        raise CommandError("--resource and --label are for a request: add --as EMAIL")
    target = find_target(args.stack, context)
    request = _request(args, target.settings) if args.who else None
    notices = check_notices.send_tests(target, context) if args.notify else []
    results = []
    for caller in [args.caller] if args.caller else _callers_on(target):
        secret = CHECKS[caller].SECRET
        as_caller = with_secret(target, secret, context) if secret else target
        steps, approval = CHECKS[caller].check(as_caller, context, request)
        asked = request is not None and steps[-1].level != NOTE
        steps = [step._replace(text=_cut(step.text)) for step in steps]
        if approval:
            approval = approval._replace(why=_cut(approval.why), duration=_cut(approval.duration))
        results.append(CallerResult(caller, steps, approval, asked))
    out = context.output(args)
    if args.json:
        out.json(_as_data(results, notices, target))
    else:
        _print(results, notices, out)
    is_good = all(result.works and result.approved is not False for result in results)
    return 0 if is_good and _works(notices) else 1


def _works(steps: Iterable[Step]) -> bool:
    return all(step.level != PROBLEM for step in steps)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def _callers_on(target: Target) -> list[str]:
    """Give the callers that are switched on: in the stack's file, or in the environment.

    Raises:
        CommandError: none is.
    """
    on = [entry.name for entry in CALLERS if target.has(entry.key)]
    if not on:
        where, remedy = "the environment", "run `. .sandbox/env` while `make up` runs"
        if target.stack:
            where = f"Pulumi.{target.stack}.yaml"
            command = f"pulumi config set --secret {AUTHZEN_TOKEN} --stack {target.stack}"
            remedy = f"for example, run `{command}`, then deploy"
        keys = ", ".join(entry.key for entry in CALLERS)
        raise CommandError(f"no caller is on: {where} sets none of {keys}; {remedy}")
    return on


def _request(args: argparse.Namespace, settings: Mapping[str, str]) -> AccessRequest:
    """Make the request. Without a policy file, resources differ in their labels only."""
    policy = settings.get(POLICY, "").strip()
    if policy and not args.resource:
        raise CommandError(f"the rules of {policy} are for resources: add --resource KIND:ID")
    try:
        needed = () if args.resource else BY_NAME[LABELS].read(settings, check_typed_text)
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    resources = tuple(args.resource or [ANY_RESOURCE])
    return AccessRequest(args.who, resources, {**dict(needed), **dict(args.label)}, reason=REASON)


def _print(results: Sequence[CallerResult], notices: Sequence[Step], out: Output) -> None:
    groups = [(CHECKS[result.caller].NAME, result.steps) for result in results]
    groups += [(check_notices.NAME, list(notices))] if notices else []
    for name, steps in groups:
        if len(groups) > 1:
            out.line(f"{name}:")
        for step in steps:
            out.line(f"{step.level:8} {step.call}: {step.text}", _MARKS[step.level], _INDENT)
            if step.remedy:
                out.line(f"{'':8} remedy: {step.remedy}", indent=_INDENT)


def _as_data(
    results: Sequence[CallerResult], notices: Sequence[Step], target: Target
) -> dict[str, Any]:
    decisions = [result.approved for result in results if result.approved is not None]
    return {
        "ok": all(result.works for result in results) and _works(notices),
        "approved": all(decisions) if decisions else None,
        "url": target.url,
        "callers": [
            {
                "caller": result.caller,
                "ok": result.works,
                "approved": result.approved,
                "steps": [step._asdict() for step in result.steps],
                "approval": result.approval
                and {**result.approval._asdict(), "until": format_instant(result.approval.until)},
            }
            for result in results
        ],
        "notices": [step._asdict() for step in notices],
    }
