"""The sandbox's commands: `python -m sandbox up`, `demo`, `send`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pulumi

from auditlog.explain import duration_in_words
from cli import arguments as typed
from cli.console import output
from cli.options import add_labels
from cli.proxies import NAMES, connector
from cli.webhook_client import SendError, WebhookAnswer, request_event, send
from handler.callers.indent import DURATION
from handler.json_fields import ShapeError, as_object, get_list, get_object, get_str
from handler.providers.registry import PROVIDERS
from handler.settings import BESIDE_POLICY, POLICY
from policy.terminal import Parser, json_text, safe, safe_lines, say, show_anything
from sandbox import env_file
from sandbox.demo import APPROVED, HEADINGS, LEFT_TO_HUMANS, NOT_EXPECTED, send_requests, summary
from sandbox.demo_data import POLICY_FILE, RESOURCE, seed_all
from sandbox.demo_script import SCRIPT, must_approve_script, run_script
from sandbox.demo_space import open_space, variables
from sandbox.lambda_url.runtime import PROXIED
from sandbox.local_aws.program import ROOT
from sandbox.local_aws.resources.moto_workarounds import RefusedByAwsError
from sandbox.local_aws.resources.resource import UnknownToSandboxError
from sandbox.name_checks import check_names
from sandbox.page import Page, page_of
from sandbox.space import Space
from sandbox.stack import Sandbox

DEMO_LOG = Path(".sandbox") / "demo.log"


class UsageError(Exception):
    """A command that cannot be carried out; the sentence says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 as asked, 1 not, 2 could not be carried out."""
    show_anything(sys.stdout, sys.stderr)
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (UsageError, UnknownToSandboxError, RefusedByAwsError) as error:
        say(f"error: {error}", sys.stderr)
        return 2
    except pulumi.RunError as error:
        # A line for each value that is wrong.
        refused = safe_lines(f"error: {error}")
        print(refused, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # what a shell says of a command that Ctrl-C ended
    return status


def _up(options: argparse.Namespace) -> int:
    live = _live_settings() if options.live else {}
    file = options.root / env_file.FILE
    if _is_listening(running := env_file.read(file).get("WEBHOOK_URL", "")):
        raise UsageError(f"a sandbox is running here already, at {running}: stop it with Ctrl-C")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    say(f"Deploying stack {options.stack} to a local AWS ...")
    with (
        Sandbox(
            options.root,
            options.stack,
            live=live,
            config=_policy_settings(options.policy),
            variables=_proxies() if live else {},
        ) as sandbox,
        open_space(sandbox) as space,
        page_of(sandbox, space) as page,
    ):
        seed_all(sandbox.doubles)
        values = {**sandbox.variables(), **variables(space), "SANDBOX_PAGE": page.url}
        env_file.write(file, values)
        try:
            _describe(sandbox, space, page, file)
            stop.wait()
            print("\nStopping ...", flush=True)
        finally:
            if env_file.read(file) == values:  # not those of one started later
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
            f"LIVE=1 asks the real providers, and {keys} is not set; "
            f"run `export {PROVIDERS[0].key}=...` first"
        )
    return settings


def _policy_settings(file: str) -> dict[str, str]:
    """Name a policy file in place of the plain settings that may not stand beside one."""
    return {**dict.fromkeys(BESIDE_POLICY, ""), POLICY: file} if file else {}


def _proxies() -> dict[str, str]:
    """The variables by which the function reaches real providers through this machine's proxy."""
    proxies = {name: os.environ[name] for name in NAMES & os.environ.keys()}
    return {**proxies, PROXIED: str(ROOT)} if proxies else {}


def _is_listening(url: str) -> bool:
    """Tell whether anything listens at a URL: a killed sandbox leaves its file, and no server."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), 1).close()
    except OSError:
        return False
    return True


def _describe(sandbox: Sandbox, space: Space, page: Page, file: Path) -> None:
    warnings = check_names(sandbox.settings, on_doubles=bool(sandbox.doubles))
    for note in dict.fromkeys((*sandbox.deployment.notes, *warnings)):
        say(f"  note: {note}")
    for resource in sandbox.deployment.resources:
        say(f"  + {resource.type.rpartition(':')[2]:42} {resource.id}")
    where = "the double, with the demo's cast" if sandbox.doubles else "the real one"
    width = max(map(len, ["webhook", *sandbox.base_urls]))
    providers = "\n".join(
        safe(f"  {name:{width}} {url} ({where})") for name, url in sandbox.base_urls.items()
    )
    print(
        f"""
  Open  {page.url}
        in a browser: request as somebody, and see who gets access and why.

  {"webhook":{width}} {sandbox.url}
{providers}
  {"Indent":{width}} {space.url} (space {space.name})
  {"AWS":{width}} {sandbox.aws.endpoint}
  {"log":{width}} {safe(str(sandbox.log.file))}

In another terminal:
  . {safe(shlex.quote(str(file)))}
  .venv/bin/python -m sandbox send --as jane@example.com --resource prod-db
`{env_file.UNDO}` in that terminal sets its variables back.

Ctrl-C stops all of it.""",
        flush=True,
    )


def _demo(options: argparse.Namespace) -> int:
    say(f"Deploying stack {options.stack} to a local AWS, and asking its webhook ...")
    # Beside a sandbox that is up, whose log is another.
    with Sandbox(options.root, options.stack, log=DEMO_LOG) as sandbox:
        outcomes = send_requests(sandbox)
        by_webhook = must_approve_script(sandbox.settings, is_shut=sandbox.is_shut)
        with open_space(sandbox) as space:
            script = run_script(space, by_webhook=by_webhook)
        notes = check_names(sandbox.settings, on_doubles=True)
        count, region = len(sandbox.deployment.resources), sandbox.aws.region
    console = output(sys.stdout, {}, as_json=False)
    console.line(f"{count} resources in {region}. Each asks for {RESOURCE}, by one signed request:")
    console.line()
    console.table(HEADINGS, [outcome.row for outcome in outcomes])
    print(f"\nThe same from code: {SCRIPT} asks as jane, and waits.\n")
    print(script.output + ("" if script.expected else NOT_EXPECTED))
    verdicts = [(outcome.verdict, outcome.expected) for outcome in outcomes]
    verdicts.append((APPROVED if script.approved else LEFT_TO_HUMANS, script.expected))
    print()
    for note in notes:
        say(f"note: {note}")
    for line in summary(verdicts):
        console.line(line)
    return 0 if all(expected for _, expected in verdicts) else 1


def _send(options: argparse.Namespace) -> int:
    url, secret = _target(options)
    event = request_event(
        options.email,
        options.resource,
        resource_labels=dict(options.label),
        duration=options.duration,
        reason=options.reason,
    )
    try:
        answer = send(url, secret, {"events": [event]}, connect=connector(os.environ))
    except SendError as error:
        remedy = "check --url" if options.url else "the sandbox is gone: run `make up` again"
        raise UsageError(f"{error}; {remedy}") from error
    if isinstance(answer.body, dict):
        print(json_text(answer.body))
    else:
        say(str(answer.body))
    if answer.http != HTTPStatus.OK:
        say(f"refused: HTTP {answer.http}", sys.stderr)
        return 1
    claims = _approvals_in(answer)
    for duration, reason in claims:
        say(f"approved for {duration_in_words(duration)}: {reason}", sys.stderr)
    if not claims:
        say("no claim: humans decide; the function's log says why", sys.stderr)
    return 0


def _approvals_in(answer: WebhookAnswer) -> list[tuple[str, str]]:
    """Read how long each claim approves for, and why."""
    try:
        claims = get_list(as_object(answer.body, "the answer"), "claims")
        approvals = [as_object(claim, "a claim") for claim in claims]
        return [
            (
                get_str(get_object(get_object(approval, "meta"), "labels"), DURATION),
                get_str(approval, "reason"),
            )
            for approval in approvals
        ]
    except ShapeError as error:
        raise UsageError(f"what answers is not this project's webhook: {error}") from None


def _target(options: argparse.Namespace) -> tuple[str, str]:
    if bool(options.url) != bool(options.secret_file):
        raise UsageError("--url and --secret-file go together: give both, or neither")
    if options.url:
        try:
            secret = options.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--secret-file cannot be read: {error}") from error
        if not secret:
            raise UsageError(f"--secret-file {options.secret_file} is empty")
        return options.url, secret
    running = env_file.read(options.root / env_file.FILE)
    if not running:
        raise UsageError(
            "no sandbox is running here; run `make up` in another terminal, "
            "or give --url and --secret-file"
        )
    return running["WEBHOOK_URL"], running["INDENT_WEBHOOK_SECRET"]


def _duration(text: str) -> str:
    """Check a duration, which is sent as it was typed."""
    if text:
        typed.duration(text)
    return text


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m sandbox", description=__doc__)
    parser.set_defaults(root=ROOT)
    commands = parser.add_subparsers(required=True, metavar="command")

    up = commands.add_parser("up", help="run all of it on this machine until Ctrl-C")
    up.add_argument(
        "--live",
        action="store_true",
        help="ask the real providers whose keys the environment holds",
    )
    up.add_argument(
        "--policy",
        default="",
        metavar="FILE",
        help=f"decide by this policy, for example {POLICY_FILE}, and not by the stack's",
    )
    up.set_defaults(run=_up)
    demo = commands.add_parser("demo", help="run all of it, send a cast's requests, show why")
    demo.set_defaults(run=_demo)
    for command in (up, demo):
        command.add_argument(
            "--stack", type=typed.stack, default="dev", help="whose config is deployed (dev)"
        )

    send_command = commands.add_parser("send", help="send one signed request and print the answer")
    send_command.add_argument(
        "--as", dest="email", required=True, type=typed.email, metavar="EMAIL", help="who asks"
    )
    send_command.add_argument(
        "--resource", action="append", required=True, metavar="[KIND:]ID", help="for what"
    )
    add_labels(send_command, "that resources carry")
    send_command.add_argument(
        "--duration", default="", type=_duration, metavar="1h30m", help="for how long"
    )
    send_command.add_argument("--reason", default="to debug production", help="why")
    send_command.add_argument("--url", help="a webhook's URL, instead of the running sandbox's")
    send_command.add_argument("--secret-file", type=Path, help="a file with that webhook's secret")
    send_command.set_defaults(run=_send)
    return parser


if __name__ == "__main__":
    sys.exit(main())
