"""The space's REST API: tokens, lists, changes and refusals. The SDK's tests use the rest."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sandbox.space import Space
from sandbox.vendors import faults
from tests.sandbox.manual_clock import NOON, ManualClock
from tests.sandbox.running_space import (
    ADA,
    JANE,
    SECRET,
    TEST,
    Client,
    FakeWebhook,
    Json,
    approve_all,
    phase_of,
)

NOT_FOUND = {"code": 5, "message": "Not Found.", "error": "Not Found.", "details": []}
HALF = "half \ud800 pair"


def ids(answer: tuple[int, Any], field: str = "resources") -> list[str]:
    """Return the ids in a list."""
    assert answer[0] == 200, answer[1]
    return [item["id"] for item in answer[1][field]]


def forge(token: str) -> str:
    """Make the owner an administrator without changing the signature."""
    head, middle, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(middle + "=="))
    assert claims["sub"] == JANE
    text = json.dumps({**claims, "admin": True}).encode()
    return f"{head}.{base64.urlsafe_b64encode(text).rstrip(b'=').decode()}.{signature}"


def test_invalid_tokens(space: Space, clock: ManualClock, jane: Client) -> None:
    """Missing, invalid, forged, unsigned, foreign and expired tokens get 401."""
    with Space("other") as other:
        strange = other.token_for(JANE)
    unsigned = jane.token.rpartition(".")[0] + "."
    for token in ("", "x", "a.b.c", "\xe9.b.c", forge(jane.token), unsigned, strange):
        for path in ("/resources", "/nothing"):
            status, body = Client(space, token)("GET", path)
            assert (status, body["code"]) == (401, 16), token
    clock.time = NOON + timedelta(days=30)
    assert jane("GET", "/resources")[0] == 401


def test_other_spaces_and_paths_do_not_exist(jane: Client) -> None:
    """Other spaces and unknown paths get the gateway's 404."""
    for path in ("/v1/spaces/other/resources", "/v1/spaces/acmecorp/nothing", "/"):
        assert jane.raw("GET", path) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"view": "requestable"}, ["prod", "test"]),
        ({"view": "people"}, [ADA, JANE]),
        ({"labelSelector": "Env=Prod"}, ["prod"]),
        ({"labelSelector": "Env,Env!=Prod"}, ["test"]),
        ({"labelSelector": "!Env"}, [ADA, JANE]),
        ({"view": "people", "labelSelector": "Env=Prod"}, [ADA, JANE]),
        # Indent's command line finds its user this way.
        ({"labelSelector": f"indent.com/resource/email={ADA}"}, [ADA]),
    ],
)
@pytest.mark.usefixtures("ada")
def test_views_and_selectors(query: Json, expected: list[str], jane: Client) -> None:
    """A view overrides the selector."""
    assert sorted(ids(jane("GET", f"/resources?{urlencode(query)}"))) == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/resources?view=all", 3),
        ("/resources?labelSelector=%3D", 3),
        ("/resources?pageSize=x", 3),
        ("/resources?pageToken=x", 3),
        ("/resources?pageToken=%C3%A9", 3),
        ("/webhooks?kinds=decision", 12),
        ("/webhooks?capabilities=GetDecision", 12),
    ],
)
def test_wrong_queries(path: str, code: int, jane: Client) -> None:
    """An unknown value or filter is an error; it doesn't return the whole list."""
    status, body = jane("GET", path)
    assert (status, body["code"]) == (400 if code == 3 else 501, code)


@pytest.mark.parametrize(
    "call",
    [
        *("POST /resources", "PUT /resources/x", "DELETE /resources/x"),
        *("PUT /resources:bulkUpdate", "POST /resources:bulkUpdate", "POST /resources:bulkDelete"),
        *("PUT /resources:pullUpdate", "DELETE /claims/x", "POST /webhooks:testPolicy"),
        *("POST /webhooks", "PATCH /webhooks/x", "DELETE /webhooks/x"),
        *("POST /webhookPolicies", "PUT /webhookPolicies/x", "DELETE /webhookPolicies/x"),
    ],
)
def test_administrators_only(call: str, jane: Client) -> None:
    """Only administrators may change the space."""
    method, path = call.split()
    status, body = jane(method, path, {})
    assert (status, body["message"]) == (403, "Only an administrator may change this.")


def test_a_resource_keeps_its_kind_id_and_name(jane: Client, ada: Client) -> None:
    """Updates and client labels can't change kind, id or name."""
    body = {"resource": {"kind": "db", "id": "a/b", "labels": {"indent.com/block": "mine"}}}
    status, resource = ada("POST", "/resources", body)
    name = resource["labels"]["indent.com/block"]
    assert (status, name == "mine") == (200, False)
    change = {"resource": {"kind": "x", "id": "y", "displayName": "B", "labels": {"t": "1"}}}
    changed = ada("PUT", f"/resources/{name}", change)[1]
    assert (changed["kind"], changed["id"], changed["displayName"]) == ("db", "a/b", "B")
    assert changed["labels"] == {"t": "1", "indent.com/block": name}
    assert jane("GET", f"/resources/{quote('a/b', safe='')}")[0] == 404


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_resources_change_in_bulk(method: str, jane: Client, ada: Client) -> None:
    """PUT and POST both work in bulk; one unknown name deletes nothing."""
    body = {"resources": [{**TEST, "displayName": "T"}, {"kind": "db", "id": "new"}]}
    _, answer = ada(method, "/resources:bulkUpdate", body)
    names = [item["labels"]["indent.com/block"] for item in answer["resources"]]
    assert ids(jane("GET", "/resources?view=requestable")) == ["prod", "test", "new"]
    assert ada("POST", "/resources:bulkDelete", {"resourceNames": [*names, "x"]})[0] == 404
    assert ada("POST", "/resources:bulkDelete", {"resourceNames": names}) == (200, {})
    assert ids(jane("GET", "/resources?view=requestable")) == ["prod"]


def test_resources_are_pulled(ada: Client, webhook: FakeWebhook) -> None:
    """PullUpdate brings a webhook's resources into the space."""
    body = {"kinds": ["indent.v1.Bot"], "flags": {}}
    assert ids(ada("PUT", "/resources:pullUpdate", body)) == ["test-bot"]
    webhook.fail("/hook", faults.Status(500))
    assert ada("PUT", "/resources:pullUpdate", body)[0] == 503


def test_a_webhook_made_through_the_api(jane: Client, ada: Client, webhook: FakeWebhook) -> None:
    """It is asked if a policy names it, except in dry run; its secret stays hidden."""
    labels = {"indent.com/webhook/kind:decision": "true"}
    body = {"webhook": {"url": f"{webhook.url}/hook", "secret": SECRET, "labels": labels}}
    status, hook = ada("POST", "/webhooks", body)
    assert status == 200
    assert SECRET not in json.dumps([hook, ada("GET", "/webhooks"), ada("GET", "/webhookPolicies")])
    expression = {"key": "Env", "operator": "In", "values": ["Test"]}
    base = {"selector": {"matchExpressions": [expression]}}
    policy = {"policy": {"base": base, "webhooks": [{"name": hook["name"]}]}}
    assert ada("POST", "/webhookPolicies", policy)[0] == 200
    webhook.claims = approve_all
    assert phase_of(jane.request(TEST)) == "granted"
    dry = {"webhook": {"dryRun": True}}
    assert ada("PATCH", f"/webhooks/{hook['name']}", dry)[1]["dryRun"] is True
    assert phase_of(jane.request(TEST)) == "open"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        *(({"url": url}, 400) for url in ("ftp://h/", "http://", "h/hook", "http://[::1/")),
        *(({"url": url}, 400) for url in ("http://h:99999/", "http://h:0/", "http://h/a b")),
        ({"url": "http://h/\u00e9"}, 400),
        ({"secret": ""}, 400),
        ({"secret": "\ud800"}, 400),
        # Fields that the space doesn't support are refused.
        ({"method": "PUT"}, 501),
        ({"headers": {"X-Key": {"value": "v"}}}, 501),
    ],
)
def test_webhooks_that_are_refused(fields: Json, status: int, ada: Client) -> None:
    """Webhooks that can't be called as described are refused, also on update."""
    (hook,) = ada("GET", "/webhooks")[1]["webhooks"]
    webhook = {"url": "http://127.0.0.1:9/", "secret": SECRET, **fields}
    assert ada("POST", "/webhooks", {"webhook": webhook})[0] == status
    assert ada("PATCH", f"/webhooks/{hook['name']}", {"webhook": fields})[0] == status
    assert ada("GET", "/webhooks")[1]["webhooks"] == [hook]


@pytest.mark.parametrize(
    ("base", "status"),
    [
        ({"conditions": [{"expression": "true"}]}, 501),
        ({"compiledConditions": [{"expr": {}}]}, 501),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, 400),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, 400),
        ({"selector": {"matchLabels": {"a": 1}}}, 400),
        ({"selector": "Env=Prod"}, 400),
    ],
)
def test_policies_that_are_refused(base: Json, status: int, ada: Client) -> None:
    """Policies that can't be evaluated are refused, also in tests."""
    assert ada("POST", "/webhookPolicies", {"policy": {"base": base}})[0] == status
    assert ada("POST", "/webhooks:testPolicy", {"policies": [{"base": base}]})[0] == status
    assert len(ada("GET", "/webhookPolicies")[1]["policies"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[1]", b"\xff", b"[" * 100_000, {"petition": 1}, {"petition": {"resources": []}}),
        {"petition": {"resources": [{"kind": "okta.v1.Group", "id": "none"}]}},
        {"petition": {"resources": [{"kind": "action"}]}},
        {"petition": {"resources": [7]}},
        {"petition": {"resources": [TEST], "meta": {"labels": {"a": 1}}}},
        {"petition": {"resources": [TEST], "reason": 1}},
        *(
            {"petition": {"resources": [TEST], "defaultDuration": duration}}
            for duration in (
                *("long", "-1s", "500ms", "90", "1h1h", ["1h"], True, 3600, {"seconds": True}),
                *({"seconds": seconds} for seconds in ("1h30m", "1h", "-5", -5, 1.5, [1], 10**30)),
                {"seconds": 1, "nanos": "5"},
            )
        ),
    ],
)
def test_petitions_that_are_refused(body: object, jane: Client) -> None:
    """An invalid petition gets the gateway's 400, and isn't stored."""
    status, answer = jane("POST", "/petitions", body)
    assert (status, answer["code"], answer["details"]) == (400, 3, [])
    assert answer["message"]
    assert jane("GET", "/petitions")[1]["petitions"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/petitions", {"petition": {"resources": [TEST], "meta": {"labels": {HALF: "x"}}}}),
        ("/claims", {"claim": {"event": "access/deny", "reason": HALF}}),
    ],
)
def test_half_a_surrogate_pair_is_refused(path: str, body: Json, ada: Client) -> None:
    """Half a surrogate pair is refused in any form; whole pairs are accepted."""
    escaped = json.dumps(body).encode()
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for data in (escaped, raw):
        status, answer = ada("POST", path, data)
        assert (status, answer["code"]) == (400, 3)
        assert answer["message"] == "The body cannot be read: it holds half a surrogate pair."
    assert ada.request(TEST, reason="\U0001f600")["reason"] == "\U0001f600"


@pytest.mark.parametrize(
    ("duration", "stored"),
    [
        *((text, "5400s") for text in ("5400s", "1h30m0s", "90 min", {"seconds": "5400"})),
        ({"seconds": 5400, "nanos": 999_999_999}, "5400s"),
        *((none, None) for none in (None, "", "0s", {}, {"seconds": 0}, {"seconds": None})),
    ],
)
def test_default_duration(duration: object, stored: str | None, jane: Client) -> None:
    """Both protobuf forms and human forms are accepted; an empty one means no limit."""
    assert jane.request(TEST, defaultDuration=duration).get("defaultDuration") == stored


@pytest.mark.parametrize(("status", "code"), [(400, 3), (401, 16), (422, 3), (429, 8), (503, 14)])
def test_faults_that_refuse(status: int, code: int, space: Space, jane: Client) -> None:
    """The fault answers with the gateway's error, and no petition is made."""
    space.fail("/v1/spaces", faults.Status(status), times=1)
    answer_status, body = jane("POST", "/petitions", {"petition": {"resources": [TEST]}})
    assert (answer_status, body["code"]) == (status, code)
    assert space.petitions.all() == []


def test_faults_that_spoil_the_answer(space: Space, jane: Client) -> None:
    """The answer breaks off, but the petition was made."""
    space.fail("/v1/spaces", faults.HangUp("body"), times=1)
    with pytest.raises(Exception, match=r"IncompleteRead|reset"):
        jane("POST", "/petitions", {"petition": {"resources": [TEST]}})
    assert len(space.petitions.all()) == 1
