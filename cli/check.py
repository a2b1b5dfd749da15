"""`oncall check`: whether what is deployed works, by signed calls to it."""

from __future__ import annotations

import argparse
import shlex
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from auditlog import explain as telling
from cli import arguments
from cli.context import Context
from cli.diagnosis import (
    NO,
    Approval,
    Step,
    approval_of,
    log_remedy,
    refused,
    told_of_bots,
    told_of_decision,
    told_of_info,
    unreachable,
)
from cli.errors import CommandError
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Deployed, deployed
from cli.webhook_client import Answer, SendError, request_event, send
from handler.callers.indent import BOT_KIND, GET_DECISION, GET_INFO, PULL_UPDATE
from handler.durations import format_instant
from handler.json_fields import ShapeError
from handler.settings import LABELS, POLICY, SettingsError, parse_labels, parse_text

EXAMPLES = """examples:
  . .sandbox/env && oncall check
  oncall check --stack dev --as jane@example.com
  oncall check --stack prod --as jane@example.com \\
    --resource postgres.v1.Role:db-1 --label Env=Prod

--stack asks the Pulumi CLI for the stack's webhook_url and
INDENT_WEBHOOK_SECRET, and needs PULUMI_CONFIG_PASSPHRASE where a passphrase
encrypts the config; without it both come from the environment (WEBHOOK_URL,
INDENT_WEBHOOK_SECRET). The secret is never shown.

--as asks for a real decision, which is a line in the audit log: its petition
is called oncall-check-..., and its reason is "oncall check". It grants
nothing: a claim is an answer, only the access system applies one, and it never
asked.

exit status: 0 it works, and approves WHO where one is given, 1 it does not,
2 could not be carried out"""
ANY_RESOURCE = ("example.v1.Resource", "oncall-check")
PETITION, REASON = "oncall-check-", "oncall check"
_INDENT = 9
_MARKS = {OK: telling.YES, PROBLEM: telling.NO, NO: telling.NO, NOTE: ""}


def add(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="check what is deployed, by signed calls to it",
        description="Call the deployed webhook as the access system does, and tell what it means.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--stack",
        type=arguments.stack,
        metavar="NAME",
        help="whose webhook, by the Pulumi CLI",
    )
    parser.add_argument(
        "--as", dest="who", type=arguments.email, metavar="EMAIL", help="ask for a decision, too"
    )
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        type=arguments.resource,
        metavar="KIND:ID",
        help="for what; again for more; without a policy file any resource will do",
    )
    arguments.for_labels(parser, "that the resources carry")
    arguments.for_scripts(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, context: Context) -> int:
    """Make the calls, and print what came of each."""
    if not options.who and (options.resource or options.label):
        raise CommandError("--resource and --label are for a request: add --as EMAIL")
    webhook = deployed(options.stack, context)
    checking = Checking(webhook, context)
    steps = [*checking.steps(_event(options, webhook.settings) if options.who else None)]
    works = all(each.level != PROBLEM for each in steps)
    good = works and bool(checking.approval or not options.who)
    out = context.output(options)
    if options.json:
        out.json(
            {
                "ok": works,
                "approved": bool(checking.approval) if options.who and works else None,
                "url": checking.webhook.url,
                "steps": [each._asdict() for each in steps],
                "approval": _as_data(checking.approval),
            }
        )
        return 0 if good else 1
    for each in steps:
        out.line(f"{each.level:8} {each.call}: {each.text}", _MARKS[each.level], _INDENT)
        if each.remedy:
            out.line(f"{'':8} remedy: {each.remedy}", indent=_INDENT)
    return 0 if good else 1


def _event(options: argparse.Namespace, settings: Mapping[str, str]) -> dict[str, Any]:
    """Make the request; for what is not said, since the settings know resources by labels only."""
    named = settings.get(POLICY, "").strip()
    if named and not options.resource:
        raise CommandError(f"the rules of {named} are for resources: add --resource KIND:ID")
    try:
        labels = "" if options.resource else parse_text(LABELS, settings.get(LABELS, ""))
        wanted = parse_labels(LABELS, labels)
    except SettingsError as error:
        raise CommandError(f"{error}") from None
    return request_event(
        options.who,
        [f"{kind}:{id_}" for kind, id_ in options.resource or [ANY_RESOURCE]],
        resource_labels={**dict(wanted), **dict(options.label)},
        reason=REASON,
        petition=f"{PETITION}{uuid.uuid4()}",
    )


def _as_data(approval: Approval | None) -> dict[str, str] | None:
    return approval and {**approval._asdict(), "until": format_instant(approval.until)}


class Checking:
    """The calls to one webhook, each made only if the one before was answered as it should be."""

    def __init__(self, webhook: Deployed, context: Context) -> None:
        self.webhook = webhook
        self.approval: Approval | None = None
        self._world = context

    def steps(self, event: Mapping[str, Any] | None) -> Iterator[Step]:
        """Make the calls; the decision only where there is a request."""
        steps = [*self._info()]
        if steps[-1].level != PROBLEM:
            steps.append(self._bots())
        if event and steps[-1].level != PROBLEM:
            steps.append(self._decision(event))
        yield from steps

    def _info(self) -> Iterator[Step]:
        answer = self._call(GET_INFO, {"info": True})
        if isinstance(answer, Step):
            yield answer
        else:
            yield from told_of_info(GET_INFO, answer, self.webhook)

    def _bots(self) -> Step:
        answer = self._call(PULL_UPDATE, {"kinds": [BOT_KIND]})
        if isinstance(answer, Step):
            return answer
        return told_of_bots(PULL_UPDATE, answer, self.webhook)

    def _decision(self, event: Mapping[str, Any]) -> Step:
        answer = self._call(GET_DECISION, {"events": [event]})
        if isinstance(answer, Step):
            return answer
        petition = event["meta"]["labels"]["petition"]
        log = log_remedy(self.webhook, petition)
        try:
            self.approval = approval_of(answer, event)
        except ShapeError as error:
            return Step(GET_DECISION, PROBLEM, f"the claim is wrong: {error}", log)
        now = self._world.clock.now()
        step = told_of_decision(GET_DECISION, self.approval, event, self.webhook, now)
        if step.level != NO or step.remedy:
            return step
        why = f"`{_explain(event, self.webhook)}` says why"
        named = "a provider that fails or refuses its key is named there"
        return step._replace(remedy=f"{why}; or {log}: {named}")

    def _call(self, name: str, body: Mapping[str, Any]) -> Answer | Step:
        signed_at = self._world.clock.now()
        try:
            answer = send(
                self.webhook.url,
                self.webhook.secret,
                body,
                signed_at=signed_at,
                connect=self._world.connect,
            )
        except SendError as error:
            return unreachable(name, error, self.webhook)
        if answer.http == HTTPStatus.OK:
            return answer
        return refused(name, answer, self.webhook, self._world.clock.now())


def _explain(event: Mapping[str, Any], webhook: Deployed) -> str:
    """Give the command that decides the same here, and tells all about it."""
    resources = event["resources"]
    words = ["oncall", "explain", "--as", event["actor"]["email"]]
    for each in resources:
        words += ["--resource", f"{each['kind']}:{each['id']}"]
    for name, value in resources[0]["labels"].items():
        words += ["--label", f"{name}={value}"]
    return shlex.join([*words, *(["--stack", webhook.stack] if webhook.stack else [])])
