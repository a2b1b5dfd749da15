"""What a notice has in it: who, what, until when and why, and nothing that a name brings along."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    """An approval of Jane's, with these changes of the request or the decision."""
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
    """Put an approval into words, as AuthZEN's."""
    return make_approval(decision or decide(), id_, "authzen", by, LOG)


def webhook_data(*approvals: Approval) -> dict[str, Any]:
    """What Standard Webhooks' receivers get."""
    body = json.loads(webhook_body(notice_of(approvals), NOW))
    assert body.keys() == {"type", "timestamp", "data"}
    data: dict[str, Any] = body["data"]
    return data


def slack_message(*approvals: Approval) -> dict[str, Any]:
    """What Slack gets."""
    message: dict[str, Any] = json.loads(slack_body(notice_of(approvals)))
    return message


def test_a_signature_that_is_known() -> None:
    """The vector is that of Standard Webhooks' own libraries; the key is decoded first."""
    body = (
        '{"type":"access.decided","timestamp":"2026-11-29T02:00:00Z","data":{"decision":'
        '"approved","user":"ada@example.com","reason":"läuft"}}'
    )
    assert sign("msg_01J000TEST", 1795917600, body.encode(), [notice_key(SECRET)]) == {
        "webhook-id": "msg_01J000TEST",
        "webhook-timestamp": "1795917600",
        "webhook-signature": "v1,S+1D/VbFrRoYX6FbZVVJKO0V33maj/V8dyKSxxE1Z74=",
    }


@given(body=st.text(), secrets=st.lists(st.binary(min_size=24, max_size=64), max_size=2))
def test_its_own_library_verifies(body: str, secrets: list[bytes]) -> None:
    """With any secret, while another one is rotated in."""
    keys = [notice_key(SECRET), *secrets]
    raw = body.encode(errors="replace")
    headers = sign("msg_1", int(datetime.now(UTC).timestamp()), raw, keys)
    for key in keys:
        Webhook(f"whsec_{base64.b64encode(key).decode()}").verify(raw, headers, json_parse=False)


def test_what_a_webhook_says() -> None:
    """Who, what, until when, by which rule and duty and caller, and where to look it up."""
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


def test_what_slack_says() -> None:
    """The same text, in a form that Slack does not interpret, and links to the duties."""
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
    """A call of Indent has no id, but its petitions have."""
    fields = approve(decide(groups=("oncall-check-1", "<b>"))).fields
    assert fields["caller_request"] == "oncall-check-1 (b)"
    assert approve(decide(groups=("p",)), by="build-7").fields["caller_request"] == "build-7"


def test_the_default_rule_has_no_name() -> None:
    """It is called what every command calls it."""
    assert approve(decide(rules=("",))).fields["rules"] == ["default rule"]


def test_an_unknown_log() -> None:
    """Then there is no command; nothing in one is quoted for a shell."""
    assert look_up("call-1-0", NOW, Log()) == "decision call-1-0 in the function's log"
    for id_ in ("$(id)", "a'b", "a b", ""):
        assert look_up(id_, NOW, LOG) == f"decision {id_} in the function's log"


HOSTILE = (
    "<!channel> <!here> <!everyone>",
    "<@U0123> @channel @here",
    "<https://evil.example|DBA>",
    "[DBA](https://evil.example)",
    "https://evil.example/x",
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
    """Whoever names a schedule, a resource, a rule or a call can't mention, link or add a line."""
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
            assert len(value) <= 3000
        elif isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value


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
def test_links_that_are_left_out(link: str) -> None:
    """Only what Slack takes for one link, and without an address in it."""
    approval = approve(decide(evidence=(SHIFT._replace(link=link),)))
    assert approval.fields["duties"][0]["link"] == ""
    assert len(slack_message(approval)["blocks"]) == 1


def test_a_large_request() -> None:
    """The first of its resources are named, and the others are counted."""
    names = [Resource("db", f"database-{number}") for number in range(200)]
    approval = approve(decide(*names))
    assert approval.fields["resource_count"] == 200
    assert len(approval.fields["resources"]) == 5
    assert "database-4 (db) and 195 more\n" in approval.text


def test_many_approvals_of_a_call() -> None:
    """They are one notice; the first of them are listed, and the others are counted."""
    approvals = [approve(decide(Resource("db", str(n))), f"call-1-{n}") for n in range(200)]
    data, message = webhook_data(*approvals), slack_message(*approvals)
    assert data["approval_count"] == 200
    listed = len(data["approvals"])
    assert 5 < listed <= 20
    texts = [block["text"]["text"] for block in message["blocks"] if block["type"] == "section"]
    assert texts[:-1] == [approval.text for approval in approvals[:listed]]
    assert texts[-1] == f"The same call was approved {200 - listed} more times; see the log."
    assert len(message["blocks"]) <= 50
    assert message["text"] == "jane@example.com was approved for 0 (db), and 199 more"
    # The same schedule is linked once.
    assert message["blocks"][-1]["elements"][0]["text"].count("|PagerDuty>") == 1


def test_whatever_is_approved_fits() -> None:
    """Standard Webhooks recommends less than 20 kB."""
    long = "\u4e2d" * 5000
    duty = LEAD._replace(id=long, name=long, incident=long)
    decision = decide(
        *[Resource(long, long)] * 200, action=long, rules=(long,) * 50, evidence=(duty,) * 50
    )
    approvals = [approve(decision, f"call-1-{number}", long) for number in range(3)]
    assert len(webhook_body(notice_of(approvals), NOW)) < 30_000
    assert all(len(text) < 3000 for text in notice_of(approvals).texts)


def same(one: Decision, other: Decision, by: tuple[str, str] = ("7", "7")) -> bool:
    """Whether receivers take two notices for one."""
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
        (decide(DATABASE, DATABASE), False),
        (decide(action="deploy"), False),
        (decide(groups=("petition-2",)), False),
        (decide(duration=timedelta(hours=3)), False),
        # Other evidence for the same access is the same approval.
        (decide(evidence=(LEAD,), rules=("leads",)), True),
    ],
)
def test_which_notices_are_one(other: Decision, *, is_same: bool) -> None:
    """By what is approved for whom, which call asks for it, and when access ends."""
    assert same(decide(), other) == is_same


def test_another_call_is_another_approval() -> None:
    """By the caller's own id of it."""
    assert same(decide(), decide(), ("7", "7"))
    assert not same(decide(), decide(), ("7", "8"))


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    """Whatever separates them may be in a name."""
    assert not same(decide(Resource("a", "b,c")), decide(Resource("a,b", "c")))
    assert not same(decide(groups=("a", "b")), decide(groups=("a,b",)))


def test_where_it_is_sent() -> None:
    """Only to the addresses that are set; their names have the host alone."""
    both = NoticeSettings(
        "https://n8n.example.com:8443/t0ken?k=1", (SECRET, OLDER), "https://h/s/T"
    )
    webhook, slack = channels_of(both)
    assert (webhook.host, slack.host) == ("n8n.example.com", "h")
    assert webhook.keys == (notice_key(SECRET), b"o" * 24)
    assert channels_of(both._replace(url="", secrets=())) == (slack,)
    assert channels_of(both._replace(slack_url="")) == (webhook,)


def test_a_test_names_nobody() -> None:
    """Each is a new one, so that no receiver drops it."""
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
