"""`oncall check --notify`: sends a test notice to each address of the settings.

It shows that the address works and that the receiver accepts the signature. The function isn't
involved, so it doesn't show what is deployed.
"""

from __future__ import annotations

from cli.context import Context
from cli.diagnosis import Step
from cli.errors import CommandError
from cli.preflight_checks import NOTE, OK, PROBLEM
from cli.target import Target, with_secret
from handler.clock import Deadline
from handler.http import Client, HttpError
from handler.notices import MOST_SECONDS, Channel, channels_of, make_test
from handler.setting_parsers import Problems, SettingsError
from handler.settings import (
    BY_NAME,
    NOTIFY_KEYS,
    NOTIFY_SECRET,
    NOTIFY_SLACK_URL,
    NOTIFY_URL,
    notice_settings,
)
from policy.remedies import config_set

NAME = "Notices"
# More than the function waits, to say how long the receiver takes.
SECONDS = 10.0


def send_tests(target: Target, context: Context) -> list[Step]:
    """Send a test notice to each address, and say what came of it.

    Raises:
        CommandError: no address is set, or the Pulumi CLI can't read one.
    """
    keys = [key for key in (NOTIFY_URL, NOTIFY_SLACK_URL) if target.has(key)]
    if not keys:
        remedy = "run `. .sandbox/env` while `make up` runs"
        if target.stack:
            remedy = f"run {config_set(NOTIFY_SLACK_URL, target.stack)}, then deploy"
        problem = f"no notices are sent: neither {NOTIFY_URL} nor {NOTIFY_SLACK_URL} is set"
        raise CommandError(f"{problem}; {remedy}")
    if NOTIFY_URL in keys:
        keys += [NOTIFY_SECRET, *(key for key in NOTIFY_KEYS[1:] if target.has(key))]
    values = {key: with_secret(target, key, context).secret for key in keys}
    problems = Problems()
    rows = (BY_NAME[key] for key in (NOTIFY_URL, NOTIFY_SLACK_URL, *NOTIFY_KEYS))
    read = {row.name: problems.read(row.read, values) for row in rows}
    try:
        problems.check()
    except SettingsError as error:
        return [
            Step(one.key, PROBLEM, str(one), _remedy(one.key, target)) for one in error.problems
        ]
    settings = notice_settings(read)
    client = context.client()
    try:
        channels = channels_of(settings) if settings else ()
        return [_send(channel, client, target, context) for channel in channels]
    finally:
        client.close()


def _send(channel: Channel, client: Client, target: Target, context: Context) -> Step:
    clock = context.clock
    deadline = Deadline(clock, SECONDS)
    try:
        channel.send(make_test(clock.now()), client, clock.now(), deadline)
    except HttpError as error:
        text = f"the test notice to {channel.host} failed: {error}"
        return Step(channel.setting, PROBLEM, text, _remedy(channel.setting, target))
    seconds = SECONDS - deadline.left()
    text = f"{channel.host} accepted a test notice"
    if seconds > MOST_SECONDS:
        limit = f"the function waits for {MOST_SECONDS} s"
        return Step(channel.setting, NOTE, f"{text}, but only after {seconds:.1f} s; {limit}")
    return Step(channel.setting, OK, text)


def _remedy(key: str, target: Target) -> str:
    if not target.stack:
        return "run `. .sandbox/env` again: a new sandbox has new addresses and secrets"
    return f"compare it with the receiver's: {config_set(key, target.stack)} changes it"
