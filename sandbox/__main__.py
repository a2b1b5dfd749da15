"""The sandbox's commands: `python -m sandbox up`, `demo` and `send`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pulumi

from auditlog.explain import NO, YES
from cli import arguments as typed
from cli.access_request import REASON, AccessRequest, UnsupportedRequestError
from cli.console import output
from cli.diagnosis import why_approved
from cli.options import add_action, add_labels
from cli.proxies import NAMES, connector
from cli.webhook_client import SendError
from handler.durations import in_words
from handler.providers.registry import PROVIDERS
from handler.setting_parsers import SettingsError
from handler.settings import BESIDE_POLICY, BY_NAME, POLICY
from infra.policy_file import path_in_project
from infra.settings import ENDPOINT, FUNCTION_URL, HTTP_API
from policy.setting_hints import check_typed_text
from policy.terminal import Parser, counted, json_text, safe, say, show_anything
from sandbox import env_file
from sandbox.callers import SENDERS
from sandbox.callers.base import (
    APPROVED,
    LEFT_TO_HUMANS,
    REFUSED,
    WRONG_ANSWER,
    Sender,
    verdict_of,
)
from sandbox.callers.conductorone import TENANT, ConductorOne
from sandbox.demo import (
    NOT_EXPECTED,
    count_notices,
    outcome_table,
    reasons_for_nobody,
    send_requests,
    summary,
)
from sandbox.demo_data import POLICY_FILE, RESOURCE, seed_all
from sandbox.demo_script import SCRIPT, must_approve_script, run_script
from sandbox.demo_space import open_space, variables
from sandbox.lambda_url.runtime import PROXIED
from sandbox.local_aws.program import PROJECT, ROOT
from sandbox.local_aws.resources.moto_workarounds import RefusedByAwsError
from sandbox.local_aws.resources.resource import UnknownToSandboxError
from sandbox.name_checks import check_names
from sandbox.page import Page, page_of
from sandbox.space import Space
from sandbox.stack import LOG, Sandbox

DEMO_LOG = Path(".sandbox") / "demo.log"
PIPED_WIDTH = 80


class UsageError(Exception):
    """A command that can't run; the message says why and what to type."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit status: 0 good, 1 refused or not as expected, 2 it could not run."""
    show_anything(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (UsageError, UnknownToSandboxError, RefusedByAwsError) as error:
        say(f"error: {error}", sys.stderr)
        return 2
    except pulumi.RunError as error:
        # A line for each value that is wrong.
        for line in f"error: {error}".split("\n"):
            say(line, sys.stderr)
        for note in _notes_on_commands([str(error)], options.stack):
            say(f"note: {note}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as shells report a command that Ctrl-C ended
    return status


def _notes_on_commands(texts: Iterable[str], stack: str) -> list[str]:
    """Say what to do instead of the commands in these texts, which need a stack of Pulumi's."""
    commands = [text for text in texts if "`pulumi config " in text]
    if not commands:
        return []
    start = "the sandbox works without the Pulumi CLI: instead of running `pulumi config`, write or"
    remedy = f"remove `{PROJECT}:KEY: VALUE` in Pulumi.{stack}.yaml"
    key = ", and export a provider's key" if any(" --secret " in text for text in commands) else ""
    return [f"{start} {remedy}{key}"]


def _up(options: argparse.Namespace) -> int:
    live = _live_settings() if options.live else {}
    config = _endpoint_settings(options.endpoint) | _policy_settings(options.policy, options.root)
    file = options.root / env_file.FILE
    lock = env_file.lock(file)
    if not lock:
        url = env_file.read(file).get("WEBHOOK_URL", "")  # none yet, while it starts
        where = f", at {url}" if url else ""
        raise UsageError(f"a sandbox is already running here{where}: stop it with Ctrl-C")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    say(f"Deploying stack {options.stack} to a local AWS ...")
    with (
        lock,
        Sandbox(
            options.root,
            options.stack,
            live=live,
            config=config,
            variables=_proxies() if live else {},
        ) as sandbox,
        open_space(sandbox) as space,
        page_of(sandbox, space) as page,
    ):
        seed_all(sandbox.doubles)
        values = {**sandbox.variables(), **variables(space), "SANDBOX_PAGE": page.url}
        env_file.write(file, values)
        try:
            _describe(sandbox, space, page, file, verbose=options.verbose)
            stop.wait()
            print("\nStopping ...", flush=True)
        finally:
            if env_file.read(file) == values:  # a later sandbox has its own
                file.unlink()
    return 0


def _live_settings() -> dict[str, str]:
    """Read the settings of every real provider whose key is in the environment."""
    settings = {
        name: value
        for provider in PROVIDERS
        if os.environ.get(provider.key)
        for name in provider.keys
        if (value := os.environ.get(name, ""))
    }
    if not settings:
        keys = " or ".join(provider.key for provider in PROVIDERS)
        raise UsageError(
            f"LIVE=1 asks the real providers and needs a key: set {keys}, "
            f"for example with `read -rs {PROVIDERS[0].key} && export {PROVIDERS[0].key}`"
        )
    return settings


def _policy_settings(file: str, root: Path) -> dict[str, str]:
    """Name a policy file in place of the plain settings that may not stand beside one.

    Raises:
        UsageError: its name is wrong. The program would suggest to change the stack's setting.
    """
    if not file:
        return {}
    try:
        path_in_project(BY_NAME[POLICY].read({POLICY: file}, check_typed_text), root)
    except SettingsError as error:
        raise UsageError(f"{error}; for example, run `make up POLICY={POLICY_FILE}`") from None
    return {**dict.fromkeys(BESIDE_POLICY, ""), POLICY: file}


def _endpoint_settings(endpoint: str) -> dict[str, str]:
    """Name an endpoint in place of the stack's, if one is given."""
    return {ENDPOINT: endpoint} if endpoint else {}


def _proxies() -> dict[str, str]:
    """Give the variables that make the function use this machine's proxy for real providers."""
    proxies = {name: os.environ[name] for name in NAMES & os.environ.keys()}
    return {**proxies, PROXIED: str(ROOT)} if proxies else {}


def _describe(sandbox: Sandbox, space: Space, page: Page, file: Path, *, verbose: bool) -> None:
    console = output(sys.stdout, os.environ, as_json=False)
    resources, region = sandbox.deployment.resources, sandbox.aws.region
    hint = "" if verbose else " (-v or VERBOSE=1 lists them)"
    console.line(f"Deployed {counted(len(resources), 'resource')} in {region}{hint}.")
    if verbose:
        rows = sorted((made.type.rpartition(":")[2], made.name) for made in resources)
        console.table(("type", "name"), rows)
        console.line()
    names = check_names(sandbox.settings, on_doubles=bool(sandbox.doubles))
    notes = dict.fromkeys((*sandbox.deployment.notes, *names))
    for note in (*notes, *_notes_on_commands(notes, sandbox.stack)):
        console.line(f"note: {note}", indent=len("note: "))
    console.line()
    console.line(f"Open {page.url}")
    console.line("in a browser: request access as somebody, and see who gets it and why.")
    width = max(map(len, [*sandbox.base_urls, *(sender.name for sender in SENDERS.values())]))
    variables = sandbox.variables()
    providers = "doubles, with the demo's people" if sandbox.doubles else "the real ones"
    for title, addresses in {
        "Where callers call the function": {
            sender.name: variables[sender.variables[0]] for sender in SENDERS.values()
        },
        "Access systems (doubles)": {
            "Indent": f"{space.url} (space {space.name})",
            "ConductorOne": f"{sandbox.tenant.url} (tenant {TENANT})",
        },
        f"Providers ({providers})": sandbox.base_urls,
        "This machine": {
            "local AWS": sandbox.aws.endpoint,
            "notices": sandbox.receivers.url,
            "log": _shown(sandbox.log.file),
        },
    }.items():
        console.line()
        console.line(title)
        for name, address in addresses.items():
            console.line(f"  {name:{width}}  {address}", indent=width + 4)
    console.line()
    console.line("In another terminal:")
    python = ".venv/bin/python -m sandbox"
    for command in (
        f". {shlex.quote(_shown(file))}",
        f"{python} send --as jane@example.com --resource prod-db",
        ".venv/bin/oncall check --as jane@example.com",
    ):
        print(f"  {safe(command)}")
    console.line(f"`{env_file.UNDO}` there restores its variables.")
    console.line("`send --help` says how to send as the other callers.")
    console.line()
    console.line("Ctrl-C here stops everything.")
    sys.stdout.flush()


def _shown(file: Path) -> str:
    """Name a file from where one stands, if it is below."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _demo(options: argparse.Namespace) -> int:
    say(f"Deploying stack {options.stack} to a local AWS ...")
    # Another log than that of a sandbox that is up.
    config = _endpoint_settings(options.endpoint)
    with Sandbox(options.root, options.stack, config=config, log=DEMO_LOG) as sandbox:
        settings, is_shut = sandbox.settings, sandbox.is_shut
        count = counted(len(sandbox.deployment.resources), "resource")
        say(f"{count} in {sandbox.aws.region}. Sending requests for {RESOURCE} ...")
        outcomes = send_requests(sandbox)
        say(f"Running {SCRIPT} ...")
        by_webhook = must_approve_script(settings, is_shut=is_shut)
        with open_space(sandbox) as space:
            script = run_script(space, by_webhook=by_webhook)
        notes = check_names(settings, on_doubles=True)
        approvals, notices = count_notices(sandbox)
    console = output(sys.stdout, os.environ, as_json=False)
    console = console._replace(width=console.width or PIPED_WIDTH)
    console.line()
    print(outcome_table(outcomes, console.width or PIPED_WIDTH, colour=console.colour))
    console.line()
    console.line(f"A script can also request approval. {SCRIPT}, as jane:")
    console.line()
    for line in script.output.split("\n"):
        console.line(f"  {line}", indent=2)
    if not script.expected:
        console.line(f"  {NOT_EXPECTED}", NO)
    if approvals or notices:
        came = f"Signed notices arrived for {notices} of {counted(approvals, 'approval')}."
        console.line()
        console.line(came, "" if notices == approvals else NO)
    verdicts = [(outcome.verdict.outcome, outcome.expected) for outcome in outcomes]
    verdicts.append((APPROVED if script.approved else LEFT_TO_HUMANS, script.expected))
    is_good = all(expected for _, expected in verdicts) and notices == approvals
    console.line()
    approved = any(outcome == APPROVED for outcome, _ in verdicts)
    if not approved:
        reasons = [*reasons_for_nobody(settings, notes, is_shut=is_shut)]
        console.line("Nobody was approved:" if reasons else "Nobody was approved.", NO)
    else:
        reasons = [f"note: {note}" for note in notes]
    for reason in reasons:
        console.line(f"- {reason}", indent=2)
    if reasons:
        console.line()
    console.line(summary(verdicts), NO if not is_good else YES if approved else "")
    return 0 if is_good else 1


def _send(options: argparse.Namespace) -> int:
    sender = _sender(options)
    request = AccessRequest(
        options.email,
        tuple(options.resource),
        dict(options.label),
        options.duration,
        options.reason,
        options.action,
    )
    try:
        answer = sender.send(request, connector(os.environ))
    except UnsupportedRequestError as error:
        raise UsageError(str(error)) from None
    except SendError as error:
        remedy = "check --url" if options.url else "the sandbox has stopped: run `make up` again"
        raise UsageError(f"{error}; {remedy}") from error
    verdict = verdict_of(sender, answer, request)
    if isinstance(answer.body, dict):
        print(json_text(answer.body))
    else:
        say(str(answer.body))
    if verdict.outcome == WRONG_ANSWER:
        problem = f"what answers there isn't this project's webhook: {verdict.reason}"
        raise UsageError(problem)
    if verdict.outcome == APPROVED:
        lasts = f" for {in_words(verdict.duration)}" if verdict.duration else ""
        say(f"approved{lasts}: {why_approved(verdict.reason)}", sys.stderr)
    elif verdict.outcome == REFUSED:
        say(f"refused ({verdict.http}){_log_hint(options)}", sys.stderr)
    else:
        why = f": {verdict.reason}" if verdict.reason else _log_hint(options)
        say(f"left to humans{why}", sys.stderr)
    return 1 if verdict.outcome == REFUSED else 0


def _log_hint(options: argparse.Namespace) -> str:
    return "; the function's log says why" + ("" if options.url else f" ({LOG})")


def _sender(options: argparse.Namespace) -> Sender:
    sender = SENDERS[options.caller]
    if bool(options.url) != bool(options.secret_file):
        raise UsageError("--url and --secret-file go together: give both, or neither")
    if options.url:
        if sender is ConductorOne:
            problem = "only ConductorOne itself can sign a call to another webhook"
            raise UsageError(f"{problem}: leave out --url and --secret-file")
        return sender(options.url, _secret_in(options.secret_file))
    running = env_file.read(options.root / env_file.FILE)
    if not running:
        remedy = "run `make up` in another terminal, or give --url and --secret-file"
        raise UsageError(f"no sandbox is running here: {remedy}")
    return sender.from_variables(running)


def _secret_in(file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--secret-file cannot be read: {error}") from error
    if not secret:
        raise UsageError(f"--secret-file {file} is empty")
    return secret


def _resource(text: str) -> tuple[str, str]:
    """Read `KIND:ID`, or an id alone, whose kind is the caller's default."""
    return typed.resource(text) if ":" in text else ("", text)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sandbox", description=__doc__)
    parser.set_defaults(root=ROOT)
    commands = parser.add_subparsers(required=True, metavar="command")

    up = commands.add_parser("up", help="run everything on this machine until Ctrl-C")
    up.add_argument(
        "--live",
        action="store_true",
        help="ask the real providers whose keys are in the environment",
    )
    up.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=bool(os.environ.get("VERBOSE")),
        help="list the deployed resources",
    )
    up.add_argument(
        "--policy",
        default="",
        metavar="FILE",
        help=f"decide by this policy, for example {POLICY_FILE}, and not by the stack's",
    )
    up.set_defaults(run=_up)
    demo = commands.add_parser("demo", help="run everything, send requests, and show who gets in")
    demo.set_defaults(run=_demo)
    for command in (up, demo):
        command.add_argument(
            "--stack", type=typed.stack, default="dev", help="the stack to deploy (default: dev)"
        )
        command.add_argument(
            "--endpoint",
            choices=(FUNCTION_URL, HTTP_API),
            default="",
            help="what callers call, in place of the stack's setting",
        )

    send_command = commands.add_parser("send", help="send one request and print the answer")
    send_command.add_argument(
        "--caller",
        choices=tuple(SENDERS),
        default="indent",
        help="the access system that asks (default: indent)",
    )
    send_command.add_argument(
        "--as",
        dest="email",
        required=True,
        type=typed.email,
        metavar="EMAIL",
        help="who requests access",
    )
    send_command.add_argument(
        "--resource",
        action="append",
        required=True,
        type=_resource,
        metavar="[KIND:]ID",
        help="what they request; may be repeated",
    )
    add_labels(send_command, "a label of the resources; conductorone has the label app only")
    send_command.add_argument(
        "--duration",
        type=typed.duration,
        metavar="1h30m",
        help="for how long; needed by conductorone, which cannot shorten access",
    )
    add_action(send_command)
    send_command.add_argument("--reason", default=REASON, help="why they request it")
    send_command.add_argument("--url", help="another webhook's URL, not the running sandbox's")
    send_command.add_argument(
        "--secret-file", type=Path, help="a file with that webhook's secret or token"
    )
    send_command.set_defaults(run=_send)
    return parser


if __name__ == "__main__":
    sys.exit(main())
