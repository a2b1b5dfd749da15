"""The content of notices: who, what, until when and why, without markup from names."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from standardwebhooks import Webhook

from handler.duty import INCIDENT_ROLE, ON_CALL, Duty
from handler.notices import (
    Approval,
    Log,
    channels_of,
    look_up,
    make_approval,
    make_test,
    notice_of,
    sign,
    slack_body,
    webhook_body,
)
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from handler.setting_parsers import notice_key
from handler.settings import NoticeSettings
from tests.handler.conftest import NOW
from tests.handler.strategies import STEADY
from tests.support.filter_pattern import matches

SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
OLDER = f"whsec_{base64.b64encode(b'o' * 24).decode()}"
LOG = Log("approval-webhook-log-1a2b", "eu-west-1")
JANE = "jane@example.com"
SHIFT = Duty(
    "PagerDuty",
    ON_CALL,
    "PDBA",
    "DBA",
    JANE,
    end=NOW + timedelta(hours=3),
    link="https://acme.pagerduty.com/schedules#PDBA",
)
LEAD = Duty("incident.io", INCIDENT_ROLE, "01LEAD", "Lead", JANE, incident="INC-42")
DATABASE = Resource("postgres.v1.Role", "prod-db")
Change = Callable[[str], Decision]


def decide(*resources: Resource, email: str = JANE, **changes: Any) -> Decision:  # noqa: ANN401 - fields of both
    """An approval for Jane, with these changes to the request or the decision."""
    request = Request(Resource("user", email, email), resources or (DATABASE,))
    fields = {name: changes.pop(name) for name in {*changes} & {*Request._fields}}
    decision = Decision(
        request._replace(**fields),
        evidence=(SHIFT,),
        rules=("databases",),
        duration=timedelta(hours=2),
        now=NOW,
    )
    return decision._replace(**changes)


def approve(decision: Decision | None = None, id_: str = "call-1-0", by: str = "") -> Approval:
    """Make an AuthZEN caller's approval."""
    return make_approval(decision or decide(), id_, "authzen", by, LOG)


def webhook_data(*approvals: Approval) -> dict[str, Any]:
    """Give the data in a Standard Webhooks notice."""
    body = json.loads(webhook_body(notice_of(approvals), NOW))
    assert body.keys() == {"type", "timestamp", "data"}
    data: dict[str, Any] = body["data"]
    return data


def slack_message(*approvals: Approval) -> dict[str, Any]:
    """Give the message for Slack."""
    message: dict[str, Any] = json.loads(slack_body(notice_of(approvals)))
    return message


def test_a_published_signature() -> None:
    """The signature equals the vector of Standard Webhooks' own libraries."""
    body = (
        '{"type":"access.decided","timestamp":"2026-11-29T02:00:00Z","data":{"decision":'
        '"approved","user":"ada@example.com","reason":"läuft"}}'
    )
    assert sign("msg_01J000TEST", 1795917600, body.encode(), [notice_key(SECRET)]) == {
        "webhook-id": "msg_01J000TEST",
        "webhook-timestamp": "1795917600",
        "webhook-signature": "v1,S+1D/VbFrRoYX6FbZVVJKO0V33maj/V8dyKSxxE1Z74=",
    }


@STEADY
@given(body=st.text(), secrets=st.lists(st.binary(min_size=24, max_size=64), max_size=2))
def test_its_own_library_verifies(body: str, secrets: list[bytes]) -> None:
    """Standard Webhooks' library verifies notices with each of the secrets."""
    keys = [notice_key(SECRET), *secrets]
    raw = body.encode(errors="replace")
    headers = sign("msg_1", int(datetime.now(UTC).timestamp()), raw, keys)
    for key in keys:
        Webhook(f"whsec_{base64.b64encode(key).decode()}").verify(raw, headers, json_parse=False)


def test_content_of_a_webhook() -> None:
    """A notice has who, what, until when, why, the caller, and the command to look it up."""
    approval = approve(decide(evidence=(SHIFT, LEAD)), by="build-7")
    data = webhook_data(approval)
    command = (
        "aws logs tail approval-webhook-log-1a2b --region eu-west-1 --since 2026-03-04T12:00:00Z "
        "--filter-pattern '{ $.decision_id = \"call-1-0\" }'"
    )
    text = (
        "jane@example.com was approved for prod-db (postgres.v1.Role)\n"
        "Until: 2026-03-04 14:00 UTC (2 hours)\n"
        "Action: access\n"
        "Rule: databases\n"
        "Duty: on call for DBA (PagerDuty) until 15:00 UTC; Lead of INC-42 (incident.io)\n"
        "Caller: authzen build-7\n"
        f"Look it up: {command}"
    )
    assert data == {
        "text": text,
        "approvals": [
            {
                "decision_id": "call-1-0",
                "requester": "jane@example.com",
                "resources": [{"kind": "postgres.v1.Role", "id": "prod-db"}],
                "resource_count": 1,
                "action": "access",
                "until": "2026-03-04T14:00:00.000Z",
                "duration_seconds": 7200,
                "caller": "authzen",
                "caller_request": "build-7",
                "rules": ["databases"],
                "duties": [
                    {
                        "provider": "PagerDuty",
                        "kind": "on_call",
                        "title": "DBA",
                        "incident": "",
                        "description": "on call for DBA (PagerDuty) until 15:00 UTC",
                        "link": "https://acme.pagerduty.com/schedules#PDBA",
                    },
                    {
                        "provider": "incident.io",
                        "kind": "incident_role",
                        "title": "Lead",
                        "incident": "INC-42",
                        "description": "Lead of INC-42 (incident.io)",
                        "link": "",
                    },
                ],
                "look_up": command,
            }
        ],
        "approval_count": 1,
    }
    pattern = command.partition("'")[2].rstrip("'")
    assert matches(pattern, json.dumps({"decision_id": "call-1-0"}))
    assert not matches(pattern, json.dumps({"decision_id": "call-1-1"}))


def test_content_of_a_slack_message() -> None:
    """Slack gets the same text as plain text, and links to the duties."""
    approval = approve()
    assert slack_message(approval) == {
        "text": "jane@example.com was approved for prod-db (postgres.v1.Role)",
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [
            {
                "type": "section",
                "text": {"type": "plain_text", "text": approval.text, "emoji": False},
            },
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": "Duties: <https://acme.pagerduty.com/schedules#PDBA|PagerDuty>",
                        "verbatim": True,
                    }
                ],
            },
        ],
    }
    without_link = approve(decide(evidence=(LEAD,)))
    assert [block["type"] for block in slack_message(without_link)["blocks"]] == ["section"]


def test_the_id_of_a_petition() -> None:
    """For Indent, whose calls have no id, the petitions are the caller's request id."""
    fields = approve(decide(groups=("oncall-check-1", "<b>"))).fields
    assert fields["caller_request"] == "oncall-check-1 (b)"
    assert approve(decide(groups=("p",)), by="build-7").fields["caller_request"] == "build-7"


def test_the_default_rule_has_no_name() -> None:
    """The default rule is called `default rule`, as in all commands."""
    assert approve(decide(rules=("",))).fields["rules"] == ["default rule"]


def test_an_id_of_an_http_api() -> None:
    """API Gateway's ids are base64."""
    command = approve(id_="Sx8n+h3/DoEEPzw=-0").fields["look_up"]
    assert command.startswith("aws logs tail approval-webhook-log-1a2b ")
    pattern = command.partition("'")[2].rstrip("'")
    assert matches(pattern, json.dumps({"decision_id": "Sx8n+h3/DoEEPzw=-0"}))


def test_an_unknown_log() -> None:
    """If log or id aren't safe in a command, the notice names only the decision, or the call."""
    assert look_up("call-1-0", NOW, Log()) == "decision call-1-0 in the function's log"
    assert look_up("call-1", NOW, Log(), "call") == "call call-1 in the function's log"
    for id_ in ("$(id)", "a'b", "a b", ""):
        assert look_up(id_, NOW, LOG) == f"decision {id_} in the function's log"


HOSTILE = (
    "<!channel> <!here> <!everyone>",
    "<@U0123> @channel @here",
    "<https://evil.example|DBA>",
    "[DBA](https://evil.example)",
    "![DBA](//evil.example/x.png)",
    "[DBA]<//evil.example>",
    "[DBA][1]\n\n[1]: //evil.example",
    "https://evil.example/x",
    "www.evil.example WWW.evil.example",
    "<b>x</b> &lt;!channel&gt;",
    "a\nUntil: 2099-01-01",
    "a\r\n\u2028b\u202egnp",
    "eve@example.com",
    "eve%40example.com",
    "`code` ```x```",
    "\ud800 half a pair",
    "x" * 5000,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_markup_out_of_a_name(name: str) -> None:
    """Names can't add markup, mentions, links or lines to a notice."""
    duty = LEAD._replace(id=name, name=name, incident=name)
    decision = decide(
        Resource(name, name),
        email=f"<!channel> {name if '@' not in name else ''}@example.com",
        action=name,
        rules=(name,),
        evidence=(duty,),
    )
    approval = approve(decision, by=name)
    message, data = slack_message(approval), webhook_data(approval)
    assert len(approval.text.split("\n")) == 7
    (section,) = (block for block in message["blocks"] if block["type"] == "section")
    assert section["text"] == {"type": "plain_text", "text": approval.text, "emoji": False}
    values: list[Any] = [data["text"], message["text"], approval.fields]
    while values:
        value = values.pop()
        if isinstance(value, str):
            assert not {*"<>&`"} & {*value}
            assert value.replace("\n", "").isprintable()
            assert "eve@" not in value
            assert "eve%40" not in value
            assert "@" not in value.replace("@example.com", "")
            assert "](" not in value
            assert "://" not in value
            assert "www." not in value.lower()
            assert len(value) <= 3000
        elif isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value


@pytest.mark.parametrize("name", HOSTILE)
def test_no_link_out_of_a_name_in_markdown(name: str) -> None:
    """A program that shows the text as Markdown gets at most emphasis out of a name."""
    decision = decide(Resource(name, name), action=name, rules=(name, name))
    html = MarkdownIt("commonmark").render(webhook_data(approve(decision, by=name))["text"])
    assert {*re.findall(r"<(\w+)", html)} <= {"p", "em", "strong"}


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://acme.pagerduty.com/x",
        "https://x.example/|DBA> <!channel",
        "https://x.example/a b",
        "https://x.example/?a=1&b=2",
        "https://x.example/jane@example.com",
        f"https://x.example/{'x' * 400}",
        "",
    ],
)
def test_unsafe_links_are_omitted(link: str) -> None:
    """Links that Slack could misread, or that have an e-mail, are omitted."""
    approval = approve(decide(evidence=(SHIFT._replace(link=link),)))
    assert approval.fields["duties"][0]["link"] == ""
    assert len(slack_message(approval)["blocks"]) == 1


def test_nobody_hides_a_resource_behind_others() -> None:
    """All resources of an ordinary request are named, in the order in which they come."""
    names = [Resource("postgres.v1.Role", f"harmless-{number}") for number in range(30)]
    approval = approve(decide(*names, DATABASE))
    assert approval.fields["resources"][-1] == {"kind": "postgres.v1.Role", "id": "prod-db"}
    assert ", prod-db (postgres.v1.Role)\nUntil: " in approval.text
    assert "\nLook it up: aws logs tail " in approval.text


def test_a_large_request() -> None:
    """Of very many resources, only the first are named, and the others are counted."""
    names = [Resource("db", f"database-{number}") for number in range(200)]
    approval = approve(decide(*names))
    assert approval.fields["resource_count"] == 200
    listed = len(approval.fields["resources"])
    assert 50 < listed < 100
    assert f"database-{listed - 1} (db) and {200 - listed} more\n" in approval.text


def test_many_approvals_of_a_call() -> None:
    """Many approvals are one notice: the first are listed, the others counted."""
    approvals = [approve(decide(Resource("db", str(n))), f"call-1-{n}") for n in range(200)]
    data, message = webhook_data(*approvals), slack_message(*approvals)
    assert data["approval_count"] == 200
    listed = len(data["approvals"])
    assert 5 < listed <= 20
    texts = [block["text"]["text"] for block in message["blocks"] if block["type"] == "section"]
    assert texts[:-1] == [approval.text for approval in approvals[:listed]]
    more, _, command = texts[-1].partition(". Look them up: ")
    assert more == f"The same call was approved {200 - listed} more times"
    assert command.startswith("aws logs tail approval-webhook-log-1a2b --region eu-west-1 --since ")
    pattern = command.partition("'")[2].rstrip("'")
    assert matches(pattern, json.dumps({"decision_id": "call-1-199", "call": "call-1"}))
    assert not matches(pattern, json.dumps({"decision_id": "call-2-0", "call": "call-2"}))
    assert len(message["blocks"]) <= 50
    assert message["text"] == "jane@example.com was approved for 0 (db), and 199 more"
    # The same schedule is linked only once.
    assert message["blocks"][-1]["elements"][0]["text"].count("|PagerDuty>") == 1


@pytest.mark.parametrize("letter", ["x", "\u4e2d", "\U0001f600", '"', "\\"])
def test_whatever_is_approved_fits(letter: str) -> None:
    """Standard Webhooks recommends less than 20 kB; Slack counts a wide letter twice."""
    long, link = letter * 5000, f"https://a.example/{'x' * 290}"
    duties = [
        LEAD._replace(id=long, name=long, incident=long, link=f"{link}{number}")
        for number in range(9)
    ]
    decision = decide(
        *[Resource(long, long)] * 200, action=long, rules=(long,) * 50, evidence=tuple(duties)
    )
    approvals = [approve(decision, f"call-1-{number}", long) for number in range(3)]
    approvals += [approve(decide(Resource("db", f"{n}")), f"call-1-{n}") for n in range(3, 200)]
    for some in (approvals, approvals[2:]):
        assert len(webhook_body(notice_of(some), NOW)) < 20_000
        texts = notice_of(some).texts
        assert all(len(text.encode("utf-16-le")) / 2 < 3000 for text in texts)
        assert "\nUntil: 2026-03-04 14:00 UTC (2 hours)\n" in texts[0]


def same(one: Decision, other: Decision, by: tuple[str, str] = ("7", "7")) -> bool:
    """Check whether two notices have the same id."""
    ids = [
        notice_of([approve(decision, f"call-{number}-0", by[number])]).id
        for number, decision in enumerate((one, other))
    ]
    assert all(id_.startswith("msg_") and "." not in id_ and len(id_) == 36 for id_ in ids)
    return ids[0] == ids[1]


def later(seconds: float) -> Decision:
    """The same approval, decided later."""
    return decide(now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (decide(), True),
        (later(4), True),
        (later(299), True),
        (later(300), False),
        (later(3600), False),
        (decide(email="joan@example.com"), False),
        (decide(Resource("postgres.v1.Role", "prod-db-2")), False),
        (decide(Resource("mysql.v1.Role", "prod-db")), False),
        (decide(DATABASE._replace(labels={"Env": "Prod"})), False),
        (decide(DATABASE, DATABASE), False),
        (decide(action="deploy"), False),
        (decide(groups=("petition-2",)), False),
        (decide(duration=timedelta(hours=3)), False),
        # The same access with other evidence is the same approval.
        (decide(evidence=(LEAD,), rules=("leads",)), True),
    ],
)
def test_notice_ids(other: Decision, *, is_same: bool) -> None:
    """Notices have equal ids for the same person, resources, call and end of access."""
    assert same(decide(), other) == is_same


def test_another_call_is_another_approval() -> None:
    """Another request id of the caller gives another notice id."""
    assert same(decide(), decide(), ("7", "7"))
    assert not same(decide(), decide(), ("7", "8"))


def test_separators_in_names_do_not_matter() -> None:
    """Names with separators in them don't give equal notice ids."""
    assert not same(decide(Resource("a", "b,c")), decide(Resource("a,b", "c")))
    assert not same(decide(groups=("a", "b")), decide(groups=("a,b",)))


def test_channels() -> None:
    """Notices go only to configured addresses, which are logged by host."""
    both = NoticeSettings(
        "https://n8n.example.com:8443/t0ken?k=1", (SECRET, OLDER), "https://h/s/T"
    )
    webhook, slack = channels_of(both)
    assert (webhook.host, slack.host) == ("n8n.example.com", "h")
    assert webhook.keys == (notice_key(SECRET), b"o" * 24)
    assert f"{webhook!r} {slack}" == (
        "Channel(NOTIFY_URL, n8n.example.com) Channel(NOTIFY_SLACK_URL, h)"
    )
    assert channels_of(both._replace(url="", secrets=())) == (slack,)
    assert channels_of(both._replace(slack_url="")) == (webhook,)


def test_a_test_notice() -> None:
    """A test notice names nobody, and has a new id each time."""
    notice = make_test(NOW)
    assert json.loads(webhook_body(notice, NOW)) == {
        "type": "notice.test",
        "timestamp": "2026-03-04T12:00:00.000Z",
        "data": {
            "text": "This is a test of on-call approvals. Nobody was approved.",
            "test": True,
        },
    }
    assert make_test(NOW + timedelta(seconds=1)).id != notice.id
    assert json.loads(slack_body(notice))["blocks"][0]["text"]["text"] == notice.texts[0]
