"""The space's REST API: tokens, lists, resources, webhooks, error bodies and faults."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sandbox.space import Space
from sandbox.vendors import faults
from tests.sandbox.asked import Watch
from tests.sandbox.running_space import (
    ADA,
    JANE,
    NOON,
    SECRET,
    Client,
    Json,
    PlayedWebhook,
    approve_all,
)

TEST = {"kind": "okta.v1.Group", "id": "test"}


def names(answer: tuple[int, Any], field: str = "resources") -> list[str]:
    """The ids in a list."""
    assert answer[0] == 200, answer[1]
    return [each["id"] for each in answer[1][field]]


def test_a_token_tells_its_owner(space: Space) -> None:
    """Its middle part is base64url of JSON whose `sub` is the e-mail."""
    middle = space.token_for(JANE).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    assert claims["sub"] == JANE


def _forged(token: str) -> str:
    head, middle, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(middle + "=="))
    claims["admin"] = True
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{forged}.{signature}"


def test_tokens_that_open_nothing(space: Space, watch: Watch, jane: Client) -> None:
    """None, nonsense, a forged one, one without signature, another space's, one that has ended."""
    with Space("other") as other:
        strange = other.token_for(JANE)
    unsigned = jane.token.rpartition(".")[0] + "."
    for token in ("", "x", "a.b.c", "\xe9.b.c", _forged(jane.token), unsigned, strange):
        status, body = Client(space, token)("GET", "/resources")
        assert (status, body["code"]) == (401, 16), token
    watch.time = NOON + timedelta(days=30)
    assert jane("GET", "/resources")[0] == 401


def test_spaces(space: Space, jane: Client) -> None:
    """A token's space, and no other."""
    about = jane("GET", "")[1]
    assert about["name"] == space.name
    assert jane.raw("GET", "/v1/spaces") == (200, {"spaces": [about]})
    assert jane.raw("GET", "/v1/spaces?parent=acme") == (200, {"spaces": []})
    assert jane.raw("GET", "/v1/spaces/other/resources") == (
        404,
        {"code": 5, "message": "Not Found.", "error": "Not Found.", "details": []},
    )


def test_people_are_found_by_their_label(jane: Client, ada: Client) -> None:
    """Indent's command line finds who it speaks for by the label of their address."""
    assert ada.token
    for email in (JANE, ADA):
        selector = urlencode({"labelSelector": f"indent.com/resource/email={email}"})
        (found,) = jane("GET", f"/resources?{selector}")[1]["resources"]
        assert (found["kind"], found["email"]) == ("user", email)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"view": "requestable"}, ["prod", "test"]),
        ({"view": "people"}, [JANE, ADA]),
        ({"labelSelector": "Env=Prod"}, ["prod"]),
        ({"labelSelector": "Env in (Prod, Test)"}, ["prod", "test"]),
        ({"labelSelector": "Env,Env!=Prod"}, ["test"]),
        ({"labelSelector": "!Env"}, [JANE, ADA]),
        ({"view": "people", "labelSelector": "Env=Prod"}, [JANE, ADA]),
    ],
)
def test_views_and_selectors(query: Json, ids: list[str], jane: Client, ada: Client) -> None:
    """A view shows its own, and overrides the selector."""
    assert ada.token
    assert names(jane("GET", f"/resources?{urlencode(query)}")) == ids


@pytest.mark.parametrize(
    "query", ["view=all", "labelSelector=%3D", "pageSize=x", "pageToken=x", "pageToken=%C3%A9"]
)
def test_queries_that_are_wrong(query: str, jane: Client) -> None:
    """An unknown value is an error, never the whole list."""
    status, body = jane("GET", f"/resources?{query}")
    assert (status, body["code"]) == (400, 3)


HALF = "half \ud800 pair"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/petitions", {"petition": {"reason": HALF, "resources": [TEST]}}),
        ("/petitions", {"petition": {"resources": [{"kind": "indent.v1.Action", "id": HALF}]}}),
        ("/petitions", {"petition": {"resources": [TEST], "meta": {"labels": {HALF: "x"}}}}),
        ("/resources", {"resource": {"kind": "x", "id": "y", "displayName": HALF}}),
        ("/claims", {"claim": {"event": "access/deny", "reason": HALF}}),
    ],
)
def test_text_that_cannot_be_shown_is_refused(path: str, body: Json, ada: Client) -> None:
    """Half a surrogate pair, escaped or in bytes, anywhere in a body; whole pairs are welcome."""
    escaped = json.dumps(body).encode()
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for data in (escaped, raw):
        status, answer = ada("POST", path, data)
        assert (status, answer["code"]) == (400, 3)
        assert answer["message"] == "The body cannot be read: it holds half a surrogate pair."
    assert ada.request(TEST, reason="\U0001f600")["reason"] == "\U0001f600"


def test_pages(space: Space, jane: Client) -> None:
    """Following the tokens gives every row once, and the last page has none."""
    for number in range(7):
        space.add_resource("x", str(number), labels={"n": "1"})
    seen: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        query = urlencode({"labelSelector": "n", "pageSize": 3, "pageToken": token})
        answer = jane("GET", f"/resources?{query}")
        seen += names(answer)
        token, pages = answer[1]["nextPageToken"], pages + 1
    assert (seen, pages) == ([str(number) for number in range(7)], 3)


def test_petitions_and_claims_are_listed(jane: Client, ada: Client) -> None:
    """Newest first unless asked otherwise, and selected by their labels."""
    ids = [jane.request(TEST)["name"] for _ in range(3)]
    ada.review(ids[1], "access/approve")

    def listed(query: str) -> list[str]:
        return [each["name"] for each in jane("GET", f"/petitions?{query}")[1]["petitions"]]

    assert listed("") == ids[::-1]
    assert listed("ascending=true") == ids
    assert listed(f"labelSelector=petition%3D{ids[0]}") == ids[:1]
    assert listed(f"among={ids[0]}&among={ids[2]}") == [ids[2], ids[0]]
    assert len(jane("GET", "/claims")[1]["claims"]) == 1
    assert jane("GET", "/claims?labelSelector=petition%3Dx")[1]["claims"] == []


def test_resources_change(jane: Client, ada: Client) -> None:
    """Administrators create, update and delete; a thing's kind and id stay, and are one's only."""
    body = {"resource": {"kind": "db", "id": "a/b", "labels": {"indent.com/block": "mine"}}}
    assert jane("POST", "/resources", body)[0] == 403
    status, made = ada("POST", "/resources", body)
    name = made["labels"]["indent.com/block"]
    assert (status, name == "mine") == (200, False)
    assert ada("POST", "/resources", body)[1]["code"] == 6
    assert ada("POST", "/resources", body)[0] == 409
    assert jane("GET", f"/resources/{name}")[1] == made
    change = {"resource": {"kind": "x", "id": "y", "displayName": "B", "labels": {"t": "1"}}}
    changed = ada("PUT", f"/resources/{name}", change)[1]
    assert (changed["kind"], changed["id"], changed["displayName"]) == ("db", "a/b", "B")
    assert changed["labels"] == {"t": "1", "indent.com/block": name}
    assert ada("DELETE", f"/resources/{name}")[0] == 200
    assert jane("GET", f"/resources/{name}")[0] == 404
    assert jane("GET", f"/resources/{quote('a/b', safe='')}")[0] == 404


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_resources_change_in_bulk(method: str, jane: Client, ada: Client) -> None:
    """Known ones are updated and others added; a deletion with a wrong name deletes nothing."""
    body = {"resources": [{**TEST, "displayName": "T"}, {"kind": "db", "id": "new"}]}
    _, answer = ada(method, "/resources:bulkUpdate", body)
    gone = [each["labels"]["indent.com/block"] for each in answer["resources"]]
    assert names(jane("GET", "/resources?view=requestable")) == ["prod", "test", "new"]
    assert ada("POST", "/resources:bulkDelete", {"resourceNames": [*gone, "x"]})[0] == 404
    assert ada("POST", "/resources:bulkDelete", {"resourceNames": gone}) == (200, {})
    assert names(jane("GET", "/resources?view=requestable")) == ["prod"]


def test_resources_are_pulled(ada: Client, webhook: PlayedWebhook) -> None:
    """PullUpdate brings a webhook's bots into the space."""
    body = {"kinds": ["indent.v1.Bot"], "flags": {}}
    assert names(ada("PUT", "/resources:pullUpdate", body)) == ["played-bot"]
    webhook.fail("/hook", faults.Status(500))
    assert ada("PUT", "/resources:pullUpdate", body)[0] == 503


def test_members_are_who_holds_it(jane: Client, ada: Client) -> None:
    """By petitions that are granted now."""
    (thing,) = [
        each
        for each in jane("GET", "/resources?view=requestable")[1]["resources"]
        if each["id"] == "test"
    ]
    path = f"/resources/{thing['labels']['indent.com/block']}/members"
    name = jane.request(TEST)["name"]
    assert names(jane("GET", path), "members") == []
    ada.review(name, "access/approve")
    assert names(jane("GET", path), "members") == [JANE]


def test_blocks(jane: Client) -> None:
    """The block by which clients find the configuration that petitions are made under."""
    selector = quote("indent.com/app=access-manager,indent.com/kind=indent.blocks.provider.v1.App")
    (block,) = jane("GET", f"/blocks?labelSelector={selector}")[1]["blocks"]
    assert block["labels"]["indent.com/app/config/id"] == "space:acmecorp"
    assert block["spaceName"] == "acmecorp"
    assert "meta" not in block
    assert jane("GET", f"/blocks/{block['name']}") == (200, block)
    assert jane("GET", "/blocks/x")[0] == 404


def test_a_webhook_made_through_the_api(jane: Client, ada: Client, webhook: PlayedWebhook) -> None:
    """It is asked once a policy names it, says nothing of its secret, and forgets on a change."""
    labels = {"indent.com/webhook/kind:decision": "true"}
    made = {"webhook": {"url": f"{webhook.url}/hook", "secret": SECRET, "labels": labels}}
    assert jane("POST", "/webhooks", made)[0] == 403
    status, hook = ada("POST", "/webhooks", made)
    assert status == 200
    assert SECRET not in json.dumps([hook, ada("GET", "/webhooks"), ada("GET", "/webhookPolicies")])
    expression = {"key": "Env", "operator": "In", "values": ["Test"]}
    base = {"selector": {"matchExpressions": [expression]}}
    policy = {"policy": {"base": base, "webhooks": [{"name": hook["name"]}]}}
    status, kept = ada("POST", "/webhookPolicies", policy)
    assert status == 200
    webhook.claims = approve_all
    assert jane.request(TEST)["state"]["status"]["phase"] == "granted"
    dry = {"webhook": {"dryRun": True}}
    assert ada("PATCH", f"/webhooks/{hook['name']}", dry)[1]["dryRun"] is True
    assert jane.request(TEST)["state"]["status"]["phase"] == "open"
    assert ada("DELETE", f"/webhookPolicies/{kept['meta']['name']}")[0] == 200
    assert ada("DELETE", f"/webhooks/{hook['name']}")[0] == 200
    assert ada("GET", f"/webhooks/{hook['name']}")[0] == 404


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("ftp://h/", "s"),
        ("http://", "s"),
        ("h/hook", "s"),
        ("http://[::1/", "s"),
        ("http://h:99999/", "s"),
        ("http://h:0/", "s"),
        ("http://h/a b", "s"),
        ("http://h/\u00e9", "s"),
        ("http://h/", ""),
        ("http://h/", "\ud800"),
    ],
)
def test_webhooks_that_are_refused(url: str, secret: str, ada: Client) -> None:
    """What could not be called, or not be signed for, is refused when it is made."""
    made = {"webhook": {"url": url, "secret": secret}}
    assert ada("POST", "/webhooks", made)[0] == 400
    assert len(ada("GET", "/webhooks")[1]["webhooks"]) == 1


def test_a_host_that_is_none(space: Space, jane: Client) -> None:
    """A webhook under a name that no host can have is asked in vain, and that is all."""
    space.add_policy(space.add_webhook(f"http://{'x' * 70}.test/", SECRET))
    assert jane.request(TEST)["state"]["status"]["phase"] == "open"


@pytest.mark.parametrize(
    "extra", [{"method": "PUT"}, {"headers": {"X-Key": {"value": "v"}}}, {"method": "post"}]
)
def test_calls_that_are_not_made_are_refused(extra: Json, ada: Client) -> None:
    """What the space would not send is not dropped in silence: on creation and on update."""
    made = {"url": "http://127.0.0.1:9/", "secret": SECRET}
    status, body = ada("POST", "/webhooks", {"webhook": {**made, **extra}})
    assert (status, body["code"]) == (501, 12)
    status, hook = ada("POST", "/webhooks", {"webhook": {**made, "method": "POST", "headers": {}}})
    assert (status, hook["method"]) == (200, "POST")
    assert ada("PATCH", f"/webhooks/{hook['name']}", {"webhook": extra})[0] == 501


@pytest.mark.parametrize("query", ["kinds=decision", "capabilities=GetDecision"])
def test_filters_of_webhooks_that_are_not_known(query: str, jane: Client) -> None:
    """They are refused, and do not list every webhook."""
    status, body = jane("GET", f"/webhooks?{query}")
    assert (status, body["code"]) == (501, 12)


def test_policies_are_replaced_by_put(ada: Client) -> None:
    """As Indent's API has it: PUT, with the whole policy; its name stays."""
    (hook,) = ada("GET", "/webhooks")[1]["webhooks"]
    (policy,) = ada("GET", "/webhookPolicies")[1]["policies"]
    path = f"/webhookPolicies/{policy['meta']['name']}"
    new = {"meta": {"name": "x", "labels": {"a": "b"}}, "webhooks": [{"name": hook["name"]}]}
    assert ada("PATCH", path, {"policy": new})[0] == 404
    status, replaced = ada("PUT", path, {"policy": new})
    assert status == 200
    assert replaced == {
        "meta": {**policy["meta"], "labels": {"a": "b"}}, "base": {}, "webhooks": new["webhooks"]
    }  # fmt: skip
    assert ada("GET", path)[1] == replaced
    assert ada("PUT", "/webhookPolicies/none", {"policy": new})[0] == 404


def test_policies_are_tested(jane: Client, ada: Client) -> None:
    """The webhooks that they select are told; nothing is kept, and no view is made up."""
    (hook,) = ada("GET", "/webhooks")[1]["webhooks"]
    policy = {"base": {}, "webhooks": [{"name": hook["name"]}]}

    def tested(*policies: Json, **more: str) -> tuple[int, Any]:
        return ada("POST", "/webhooks:testPolicy", {"policies": list(policies), **more})

    assert tested(policy, policy, spaceName="acmecorp") == (200, {"webhooks": [hook]})
    assert tested({"base": {}}) == (200, {"webhooks": []})
    assert tested() == (200, {"webhooks": []})
    assert tested({"webhooks": [{"name": "none"}]})[0] == 404
    assert tested({"base": {"conditions": [{"expression": "true"}]}})[0] == 501
    assert tested(policy, view="requestable")[0] == 404
    assert len(ada("GET", "/webhookPolicies")[1]["policies"]) == 1
    assert jane("POST", "/webhooks:testPolicy", {"policies": []})[0] == 403


def test_petitions_are_closed_by_an_update(jane: Client, omar: Client, ada: Client) -> None:
    """As Indent's command line closes them: what is closed cannot be approved any more."""
    for client in (jane, ada):
        petition = jane.request(TEST)
        path = f"/petitions/{petition['name']}"
        petition["state"]["status"]["phase"] = "closed"
        assert omar("PUT", path, {"petition": petition})[0] == 403
        assert jane.phase(petition["name"]) == "open"
        status, closed = client("PUT", path, {"petition": petition})
        assert (status, closed["state"]["status"]["phase"]) == (200, "closed")
        assert ada.review(petition["name"], "access/approve")[0] == 400


@pytest.mark.parametrize("phase", ["granted", "revoked", "deleted", "x"])
def test_phases_that_no_update_sets(phase: str, jane: Client, ada: Client) -> None:
    """Nobody gets in, or out, by writing a phase; a granted petition is not closed either."""
    name = jane.request(TEST)["name"]
    update = {"petition": {"state": {"status": {"phase": phase}}}}
    for client in (jane, ada):
        assert client("PUT", f"/petitions/{name}", update)[0] == 400
    assert jane.phase(name) == "open"
    ada.review(name, "access/approve")
    update = {"petition": {"state": {"status": {"phase": "closed"}}}}
    assert ada("PUT", f"/petitions/{name}", update)[0] == 400
    assert jane.phase(name) == "granted"


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
    """What cannot be evaluated is not taken for a match."""
    assert ada("POST", "/webhookPolicies", {"policy": {"base": base}})[0] == status
    assert len(ada("GET", "/webhookPolicies")[1]["policies"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b"\xff",
        b"[" * 100_000,
        {"petition": 1},
        {"petition": {"resources": []}},
        {"petition": {"resources": [{"kind": "okta.v1.Group", "id": "none"}]}},
        {"petition": {"resources": [{"kind": "action"}]}},
        {"petition": {"resources": [7]}},
        {"petition": {"resources": [TEST], "defaultDuration": "long"}},
        *(
            {"petition": {"resources": [TEST], "defaultDuration": each}}
            for each in ("-1s", "500ms", "90", "1h1h", ["1h"], True, 3600, {"seconds": True})
        ),
        *(
            {"petition": {"resources": [TEST], "defaultDuration": {"seconds": each}}}
            for each in ("1h30m", "1h", "-5", -5, 1.5, [1], {"seconds": 1})
        ),
        {"petition": {"resources": [TEST], "defaultDuration": {"seconds": 1, "nanos": "5"}}},
        {"petition": {"resources": [TEST], "defaultDuration": {"seconds": 10**30}}},
        {"petition": {"resources": [TEST], "meta": {"labels": {"a": 1}}}},
        {"petition": {"resources": [TEST], "reason": 1}},
    ],
)
def test_petitions_that_are_refused(body: object, jane: Client) -> None:
    """With the gateway's body, and nothing left behind."""
    status, answer = jane("POST", "/petitions", body)
    assert (status, answer["code"], answer["details"]) == (400, 3, [])
    assert answer["message"]
    assert jane("GET", "/petitions")[1]["petitions"] == []


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        *((each, "5400s") for each in ("5400s", "1h30m0s", "90 min", {"seconds": "5400"})),
        ({"seconds": 5400, "nanos": 999_999_999}, "5400s"),
        *((each, None) for each in (None, "", "0s", {}, {"seconds": 0}, {"seconds": None})),
    ],
)
def test_default_duration(asked: object, kept: str | None, jane: Client) -> None:
    """As protobuf writes it, in either form, or as people do; none is for as long as may be."""
    body = {"petition": {"resources": [TEST], "defaultDuration": asked}}
    status, answer = jane("POST", "/petitions", body)
    assert (status, answer.get("defaultDuration")) == (200, kept)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 3), (401, 16), (403, 7), (404, 5), (409, 6), (422, 3), (429, 8), (500, 13), (503, 14)],
)
def test_faults_that_refuse(status: int, code: int, space: Space, jane: Client) -> None:
    """An HTTP error of the gateway's own, by which no petition is made."""
    space.fail("/v1/spaces", faults.Status(status), times=1)
    answered, body = jane("POST", "/petitions", {"petition": {"resources": [TEST]}})
    assert (answered, body["code"]) == (status, code)
    assert space.petitions.all() == []


def test_faults_that_spoil_the_answer(space: Space, jane: Client) -> None:
    """A call that was done, whose answer breaks off: its petition is there."""
    space.fail("/v1/spaces", faults.HangUp("body"), times=1)
    with pytest.raises(Exception, match=r"IncompleteRead|reset"):
        jane("POST", "/petitions", {"petition": {"resources": [TEST]}})
    assert len(space.petitions.all()) == 1
