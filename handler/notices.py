"""Notices of approvals, by Standard Webhooks (1.0.0) and to a Slack incoming webhook.

Sources: https://github.com/standard-webhooks/standard-webhooks, and Slack's "Sending messages using
incoming webhooks" and "Text object". It is loaded only where an address is set.

A notice has no title of an incident, no e-mail but the requester's, and no markup out of a name.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import re
from _queue import Empty, SimpleQueue
from _thread import start_new_thread
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from handler import emails
from handler.callers.base import plain_text
from handler.clock import Clock, Deadline
from handler.durations import format_instant, in_words
from handler.duty import Duty
from handler.http import Client, HttpError
from handler.rules.evaluate import Decision
from handler.setting_parsers import notice_key
from handler.settings import NOTIFY_SLACK_URL, NOTIFY_URL, NoticeSettings
from handler.typing import Any, NamedTuple

APPROVED, TEST = "access.approved", "notice.test"
TEST_TEXT = "This is a test of on-call approvals. Nobody was approved."
# Together, the notices of a call delay its answer by less than a second, and leave the caller this
# much of its time.
MOST_SECONDS, RESERVED_SECONDS = 0.9, 0.25
# An approval that is repeated is not sent again, unless access ends later than was sent, by more
# than this.
REPEATED_WITHIN = timedelta(minutes=5)
MOST_REMEMBERED = 1000
# How many of an approval's rules and duties are listed, how many bytes of its resources, how many
# approvals of a call, and how many bytes of them, unless the first alone has more: less than 20 kB
# for the whole, which Standard Webhooks recommends.
MOST_LISTED, MOST_RESOURCE_BYTES, MOST_APPROVALS, MOST_BYTES = 5, 2000, 20, 9000
# In bytes. Slack's limit for a text is 3000 characters.
MOST_NAME, MOST_ID, MOST_TEXT = 100, 200, 2900
TOO_LATE = "the caller's time was over"
NO_ANSWER = "no complete answer in time"
_SLACK_ERROR = re.compile(rb"[a-z_]{3,60}")
# Without what ends a link in Slack's markup.
_LINK = re.compile(r"https://[!#-%'-;=?-{}~]{1,300}")
# With the characters of base64, which API Gateway's ids are.
_SHELL_SAFE = re.compile(r"[\w./+=-]+", re.ASCII)


class Log(NamedTuple):
    """Where the function's log is; empty if unknown."""

    group: str = ""
    region: str = ""


class Approval(NamedTuple):
    """An approval. Its words take time, so they are made only if it is listed.

    Attributes:
        decision: the approval.
        decision_id: its id in the log.
        caller: the caller's name.
        caller_request: the caller's own id of the call, or "".
        log: where to look it up.
        key: what it approves for which call; the same when the call is repeated.
    """

    decision: Decision
    decision_id: str
    caller: str
    caller_request: str
    log: Log
    key: str

    @property
    def until(self) -> datetime:
        """When access ends."""
        return self.decision.now + self.decision.duration

    @property
    def fields(self) -> dict[str, Any]:
        """What a notice has about it, as JSON."""
        decision, request = self.decision, self.decision.request
        email = emails.normal(request.requester.email)
        resources: list[dict[str, str]] = []
        for resource in request.resources:
            names = {"kind": plain(resource.kind, MOST_ID), "id": plain(resource.id, MOST_ID)}
            if len(_as_json([*resources, names])) > MOST_RESOURCE_BYTES:
                break
            resources.append(names)
        caller_request = self.caller_request or " ".join(request.groups)
        return {
            "decision_id": self.decision_id,
            "requester": "@".join(map(plain, email.split("@"))),
            "resources": resources,
            "resource_count": len(request.resources),
            "action": plain(request.action, MOST_ID),
            "until": format_instant(self.until),
            "duration_seconds": int(decision.duration.total_seconds()),
            "caller": self.caller,
            "caller_request": plain(caller_request, MOST_ID),
            "rules": [plain(rule) or "default rule" for rule in decision.rules[:MOST_LISTED]],
            "duties": [_duty(duty, decision.now) for duty in decision.evidence[:MOST_LISTED]],
            "look_up": look_up(self.decision_id, decision.now, self.log),
        }

    @property
    def text(self) -> str:
        """The same for people, in a few lines."""
        fields, until = self.fields, self.until.astimezone(UTC)
        names = [f"{resource['id']} ({resource['kind']})" for resource in fields["resources"]]
        more = fields["resource_count"] - len(names)
        what = f"{', '.join(names)}{f' and {more} more' if more else ''}"
        lines = (
            f"{fields['requester']} was approved for {what}",
            f"Until: {until:%Y-%m-%d %H:%M} UTC ({in_words(self.decision.duration)})",
            f"Action: {fields['action']}",
            f"Rule: {', '.join(fields['rules'])}",
            f"Duty: {'; '.join(duty['description'] for duty in fields['duties'])}",
            f"Caller: {self.caller} {fields['caller_request']}".rstrip(),
            f"Look it up: {fields['look_up']}",
        )
        return _cut("\n".join(lines), MOST_TEXT)


class Notice(NamedTuple):
    """What is sent.

    Attributes:
        id: by which receivers recognize a repetition.
        type: `APPROVED` or `TEST`.
        data: for a program.
        texts: for people.
        links: where to look up the duties, each with the provider's name.
    """

    id: str
    type: str
    data: Mapping[str, Any]
    texts: Sequence[str]
    links: Mapping[str, str]


class Channel(NamedTuple):
    """An address that notices are sent to.

    Attributes:
        setting: the setting that has it.
        url: the address; all but its host is secret.
        keys: those that sign, for Standard Webhooks; none for Slack.
    """

    setting: str
    url: str
    keys: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Hide the secrets, wherever the value is printed."""
        return f"Channel({self.setting}, {self.host})"

    @property
    def host(self) -> str:
        """The host, which may be logged."""
        return urlsplit(self.url).hostname or ""

    def send(self, notice: Notice, client: Client, now: datetime, deadline: Deadline) -> None:
        """Send a notice once: not every receiver recognizes a repetition.

        Raises:
            HttpError: it may not have arrived.
        """
        headers = {"Content-Type": "application/json"}
        if self.keys:
            body = webhook_body(notice, now)
            headers |= sign(notice.id, int(now.timestamp()), body, self.keys)
        else:
            body = slack_body(notice)
        try:
            client.send("POST", self.url, headers, body, deadline, once=True)
        except HttpError as error:
            if self.keys or not _SLACK_ERROR.fullmatch(error.body):
                raise
            problem = f"answered {error.status} ({error.body.decode()})"
            raise HttpError(problem, status=error.status) from None


class Failure(NamedTuple):
    """An approval whose notice may not have arrived: its setting and host, and why."""

    decision_id: str
    to: str
    problem: str


class Notifier:
    """Sends notices, and remembers those that this environment has sent."""

    def __init__(self, settings: NoticeSettings, client: Client, clock: Clock, log: Log) -> None:
        self._channels = channels_of(settings)
        self._client = client
        self._clock = clock
        self._log = log
        # When access ends, by setting and approval.
        self._sent: dict[tuple[str, str], datetime] = {}

    def send(
        self,
        decisions: Mapping[str, Decision],
        caller: str,
        caller_request: str,
        deadline: Deadline,
        spent: float = 0,
    ) -> list[Failure]:
        """Send a call's approvals to all addresses side by side, and give those that failed.

        Args:
            decisions: the approvals, by their ids in the log.
            caller: the caller's name.
            caller_request: the caller's own id of the call, or "".
            deadline: when the caller's time ends.
            spent: the seconds that loading this file has taken.
        """
        left = min(MOST_SECONDS - spent, deadline.left() - RESERVED_SECONDS)
        until = Deadline(self._clock, left)
        approvals = [
            make_approval(decision, id_, caller, caller_request, self._log)
            for id_, decision in decisions.items()
        ]
        unsent = {channel: self._unsent(channel, approvals) for channel in self._channels}
        unsent = {channel: chosen for channel, chosen in unsent.items() if chosen}
        problems = dict.fromkeys(unsent, NO_ANSWER if left > 0 else TOO_LATE)
        if left > 0:
            outcomes: SimpleQueue[tuple[Channel, str]] = SimpleQueue()
            for channel, chosen in unsent.items():
                start_new_thread(self._run, (channel, chosen, until, outcomes))
            try:
                for _ in unsent:
                    channel, problem = outcomes.get(timeout=until.left())
                    problems[channel] = problem
            except Empty:
                pass
        return [
            Failure(approval.decision_id, f"{channel.setting} ({channel.host})", problems[channel])
            for channel, chosen in unsent.items()
            for approval in chosen
            if problems[channel]
        ]

    def _run(
        self,
        channel: Channel,
        approvals: Sequence[Approval],
        deadline: Deadline,
        outcomes: SimpleQueue[tuple[Channel, str]],
    ) -> None:
        """Send one notice: one thread's work. The outcome is why it failed, or ""."""
        keys = {(channel.setting, approval.key): approval.until for approval in approvals}
        try:
            channel.send(notice_of(approvals), self._client, self._clock.now(), deadline)
        except HttpError as error:
            # What Slack may have shown is not sent again. Receivers of Standard Webhooks recognize
            # a repetition by its id.
            if not (channel.keys or error.status):
                self._sent |= keys
            outcomes.put((channel, str(error)))
        except Exception as error:  # noqa: BLE001 - nothing may keep the answer from its caller
            outcomes.put((channel, f"it couldn't be sent ({type(error).__name__})"))
        else:
            self._sent |= keys
            outcomes.put((channel, ""))

    def _unsent(self, channel: Channel, approvals: Iterable[Approval]) -> list[Approval]:
        """Give the approvals that this environment has not sent to an address."""
        now, sent = self._clock.now(), self._sent
        oldest = max(0, len(sent) - MOST_REMEMBERED)
        for place, (key, until) in enumerate(list(sent.items())):
            if until <= now or place < oldest:
                del sent[key]
        distinct: dict[str, Approval] = {}
        for approval in approvals:
            # A call may be approved for the same twice: people are told of the longer access.
            if approval.until > distinct.setdefault(approval.key, approval).until:
                distinct[approval.key] = approval
        return [
            approval
            for key, approval in distinct.items()
            if (known := sent.get((channel.setting, key))) is None
            or approval.until - known > REPEATED_WITHIN
        ]


def channels_of(settings: NoticeSettings) -> tuple[Channel, ...]:
    """Give each address that is set."""
    webhook = Channel(NOTIFY_URL, settings.url, tuple(map(notice_key, settings.secrets)))
    slack = Channel(NOTIFY_SLACK_URL, settings.slack_url)
    return tuple(channel for channel in (webhook, slack) if channel.url)


def make_approval(
    decision: Decision, decision_id: str, caller: str, caller_request: str, log: Log
) -> Approval:
    """Make an approval, with the key by which its repetition is recognized.

    Args:
        decision: an approval.
        decision_id: its id in the log.
        caller: the caller's name.
        caller_request: the caller's own id of the call, or "".
        log: where to look it up.
    """
    request = decision.request
    email = emails.normal(request.requester.email)
    key = _digest(
        *(caller, caller_request, request.groups, request.requester.id, email, request.action),
        [
            (resource.kind, resource.id, sorted(resource.labels.items()))
            for resource in request.resources
        ],
    )
    return Approval(decision, decision_id, caller, caller_request, log, key)


def _duty(duty: Duty, now: datetime) -> dict[str, str]:
    link = duty.link if _LINK.fullmatch(duty.link) and not emails.may_be_in(duty.link) else ""
    return {
        "provider": duty.provider,
        "kind": duty.kind,
        "title": plain(duty.title),
        "incident": plain(duty.incident),
        "description": plain(duty.describe(now), MOST_ID),
        "link": link,
    }


def plain(text: str, most: int = MOST_NAME) -> str:
    """Make a short line without markup, mentions, links or e-mails of a name."""
    return _cut(plain_text(text, emails.HIDDEN), most)


def _cut(text: str, most: int) -> str:
    """Cut a text to a number of bytes."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return f"{encoded[: most - len('…'.encode())].decode(errors='ignore')}…"


def look_up(id_: str, now: datetime, log: Log, field: str = "decision_id") -> str:
    """Say where the lines with an id are: with a command, if the log group is known."""
    if not all(map(_SHELL_SAFE.fullmatch, (id_, *log))):
        return f"{field.removesuffix('_id')} {plain(id_)} in the function's log"
    since = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    pattern = f'{{ $.{field} = "{id_}" }}'
    command = f"aws logs tail {log.group} --region {log.region} --since {since}"
    return f"{command} --filter-pattern '{pattern}'"


def notice_of(approvals: Sequence[Approval]) -> Notice:
    """Make the notice of a call's approvals.

    A repeated call is decided anew, maybe in another environment, and access then ends a little
    later. So the end counts in steps for the notice's id.
    """
    step = REPEATED_WITHIN.total_seconds()
    ends = [approval.until.timestamp() // step for approval in approvals]
    texts: list[str] = []
    listed: list[dict[str, Any]] = []
    size = 0
    for approval in approvals[:MOST_APPROVALS]:
        fields = approval.fields
        size += len(_as_json(fields))
        if not listed or size <= MOST_BYTES:
            texts.append(approval.text)
            listed.append(fields)
    if more := len(approvals) - len(listed):
        first = approvals[0]
        call = first.decision_id.rpartition("-")[0]
        where = look_up(call, first.decision.now, first.log, "call")
        texts.append(f"The same call was approved {more} more times. Look them up: {where}")
    duties = [duty for fields in listed for duty in fields["duties"] if duty["link"]]
    return Notice(
        f"msg_{_digest([approval.key for approval in approvals], ends)}",
        APPROVED,
        {"approvals": listed, "approval_count": len(approvals)},
        texts,
        {duty["link"]: duty["provider"] for duty in duties[:MOST_LISTED]},
    )


def make_test(now: datetime) -> Notice:
    """Make a notice that is about nobody."""
    return Notice(f"msg_{_digest(TEST, now.timestamp())}", TEST, {"test": True}, [TEST_TEXT], {})


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def webhook_body(notice: Notice, now: datetime) -> bytes:
    """Write a notice for Standard Webhooks."""
    data = {"text": _cut("\n\n".join(notice.texts), MOST_TEXT), **notice.data}
    return _as_json({"type": notice.type, "timestamp": format_instant(now), "data": data})


def sign(id_: str, timestamp: int, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """Make the headers of Standard Webhooks, with a signature by each key."""
    signed = f"{id_}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    signatures = (binascii.b2a_base64(digest, newline=False).decode() for digest in digests)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def slack_body(notice: Notice) -> bytes:
    """Write a notice for Slack. Names are only in texts that Slack doesn't interpret."""
    blocks: list[Any] = [
        {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}
        for text in notice.texts
    ]
    if notice.links:
        links = " · ".join(f"<{link}|{provider}>" for link, provider in notice.links.items())
        text = {"type": "mrkdwn", "text": f"Duties: {links}", "verbatim": True}
        blocks.append({"type": "context", "elements": [text]})
    first_line = notice.texts[0].partition("\n")[0]
    more = notice.data.get("approval_count", 1) - 1
    return _as_json(
        {
            "text": f"{first_line}, and {more} more" if more else first_line,
            "mrkdwn": False,
            "unfurl_links": False,
            "unfurl_media": False,
            "blocks": blocks,
        }
    )


def _as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
