"""The requests that each collection's verbs and filters send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from indentapi import IndentAPI, IndentError, UnexpectedAnswerError
from scripted_api import ScriptedApi

S = "/spaces/acmecorp"
Call = Callable[[IndentAPI], object]
Json = dict[str, Any]
GROUP: Any = {"kind": "okta.v1.Group", "id": "00g1", "labels": {"Env": "Prod"}}
POLICY: Any = {"base": {"selector": {"matchLabels": {"Env": "Prod"}}}}
HOOK: Any = {"displayName": "on call", "url": "https://hook.example"}
CLAIM: Any = {"event": "access/approve"}
PETITION: Any = {"name": "p", "spaceName": "acmecorp"}
BOT = "indent.v1.Bot"
TABLE: list[tuple[Call, str, Any]] = [
    (lambda i: i.resource.list(), f"GET {S}/resources", None),
    (lambda i: i.resource.get("r"), f"GET {S}/resources/r", None),
    (lambda i: i.resource.members("r"), f"GET {S}/resources/r/members", None),
    (lambda i: i.resource.create(GROUP), f"POST {S}/resources", {"resource": GROUP}),
    (lambda i: i.resource.create(GROUP, ephemeral=True), f"POST {S}/resources",
     {"resource": GROUP, "ephemeral": True}),
    (lambda i: i.resource.update("r", GROUP), f"PUT {S}/resources/r", {"resource": GROUP}),
    (lambda i: i.resource.delete("r"), f"DELETE {S}/resources/r", None),
    (lambda i: i.resource.bulk_update([GROUP]), f"PUT {S}/resources:bulkUpdate",
     {"resources": [GROUP]}),
    (lambda i: i.resource.bulk_delete(["r"]), f"POST {S}/resources:bulkDelete",
     {"resourceNames": ["r"]}),
    (lambda i: i.resource.pull_update([BOT], flags={"a": "b"}), f"PUT {S}/resources:pullUpdate",
     {"kinds": [BOT], "flags": {"a": "b"}}),
    (lambda i: i.petition.list(), f"GET {S}/petitions", None),
    (lambda i: i.petition.get("p"), f"GET {S}/petitions/p", None),
    (lambda i: i.petition.update("p", PETITION), f"PUT {S}/petitions/p", {"petition": PETITION}),
    (lambda i: i.petition.delete("p"), f"DELETE {S}/petitions/p", None),
    (lambda i: i.petition.claims("p").list(), f"GET {S}/petitions/p/claims", None),
    (lambda i: i.petition.claims("p").get("c"), f"GET {S}/petitions/p/claims/c", None),
    (lambda i: i.petition.claims("p").create(CLAIM), f"POST {S}/petitions/p/claims",
     {"claim": CLAIM}),
    (lambda i: i.claim.list(), f"GET {S}/claims", None),
    (lambda i: i.claim.get("c"), f"GET {S}/claims/c", None),
    (lambda i: i.claim.create(CLAIM), f"POST {S}/claims", {"claim": CLAIM}),
    (lambda i: i.claim.delete("c"), f"DELETE {S}/claims/c", None),
    (lambda i: i.space.list(), "GET /spaces", None),
    (lambda i: i.space.get("other"), "GET /spaces/other", None),
    (lambda i: i.block.list(), f"GET {S}/blocks", None),
    (lambda i: i.block.get("b"), f"GET {S}/blocks/b", None),
    (lambda i: i.webhook.list(), f"GET {S}/webhooks", None),
    (lambda i: i.webhook.get("w"), f"GET {S}/webhooks/w", None),
    (lambda i: i.webhook.create(HOOK), f"POST {S}/webhooks", {"webhook": HOOK}),
    (lambda i: i.webhook.update("w", HOOK), f"PATCH {S}/webhooks/w", {"webhook": HOOK}),
    (lambda i: i.webhook.delete("w"), f"DELETE {S}/webhooks/w", None),
    (lambda i: i.webhook.policies.list(), f"GET {S}/webhookPolicies", None),
    (lambda i: i.webhook.policies.get("p"), f"GET {S}/webhookPolicies/p", None),
    (lambda i: i.webhook.policies.create(POLICY), f"POST {S}/webhookPolicies", {"policy": POLICY}),
    (lambda i: i.webhook.policies.update("p", POLICY), f"PUT {S}/webhookPolicies/p",
     {"policy": POLICY}),
    (lambda i: i.webhook.policies.delete("p"), f"DELETE {S}/webhookPolicies/p", None),
    (lambda i: i.webhook.test_policy([POLICY]), f"POST {S}/webhooks:testPolicy",
     {"spaceName": "acmecorp", "policies": [POLICY]}),
    (lambda i: i.webhook.test_policy([POLICY, POLICY], view="v"), f"POST {S}/webhooks:testPolicy",
     {"spaceName": "acmecorp", "policies": [POLICY, POLICY], "view": "v"}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "target", "body"), TABLE, ids=[row[1] for row in TABLE])
def test_verb(call: Call, target: str, body: object, api: ScriptedApi, indent: IndentAPI) -> None:
    """Each verb sends the method, path and body of the API's table."""
    call(indent)
    (request,) = api.requests
    assert f"{request.method} {request.path}" == target
    assert request.body == body


@pytest.mark.parametrize(
    ("collection", "missing"),
    [
        ("space", ("create", "update", "delete")),
        ("block", ("create", "update", "delete")),
        ("claim", ("update",)),
    ],
)
def test_no_verb_that_the_api_lacks(
    collection: str, missing: tuple[str, ...], indent: IndentAPI
) -> None:
    """A collection has only the verbs of the table."""
    assert not any(hasattr(getattr(indent, collection), verb) for verb in missing)


def test_filters_are_camel_case(api: ScriptedApi, indent: IndentAPI) -> None:
    """Filters are sent with the API's names, except those that are None."""
    indent.petition.list(
        label_selector="Env in (a,b)", among=["p", "q"], full=True, ascending=None, page_size=50
    )
    assert api.requests[0].query == {
        "labelSelector": ["Env in (a,b)"],
        "among": ["p", "q"],
        "full": ["true"],
        "pageSize": ["50"],
    }


def test_a_misspelt_filter_is_an_error(api: ScriptedApi, indent: IndentAPI) -> None:
    """An unknown filter is an error, since the API would list everything."""
    untyped: Any = indent
    with pytest.raises(TypeError, match=r"'lable_selector'; did you mean 'label_selector'\?"):
        untyped.resource.list(lable_selector="Env=Prod")
    with pytest.raises(TypeError, match=r"cannot be filtered by 'view'; known: page_size, parent"):
        untyped.space.iter(view="x")
    with pytest.raises(TypeError, match="page_size must be"):
        untyped.claim.list(page_size=1.5)
    assert not api.requests


FILTERS: list[tuple[str, Call, Json]] = [
    ("webhook", lambda i: i.webhook.list(among=["w"], kinds=["k"], capabilities=["GetDecision"]),
     {"among": ["w"], "kinds": ["k"], "capabilities": ["GetDecision"]}),
    ("policies", lambda i: i.webhook.policies.list(among=["a", "b"], label_selector="k=v"),
     {"among": ["a", "b"], "labelSelector": ["k=v"]}),
    ("block", lambda i: i.block.list(latest=True, among=["b"], label_selector="k"),
     {"latest": ["true"], "among": ["b"], "labelSelector": ["k"]}),
    ("space", lambda i: i.space.list(parent="acme", page_size=5),
     {"parent": ["acme"], "pageSize": ["5"]}),
    ("resource", lambda i: i.resource.list(view="v", latest=False, among=["r"]),
     {"view": ["v"], "latest": ["false"], "among": ["r"]}),
    ("claim", lambda i: i.claim.list(label_selector="k"), {"labelSelector": ["k"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "query"), [row[1:] for row in FILTERS], ids=[r[0] for r in FILTERS]
)
def test_filters(call: Call, query: Json, api: ScriptedApi, indent: IndentAPI) -> None:
    """Each collection has the filters of Indent's API."""
    call(indent)
    assert api.requests[0].query == query


def test_lists_follow_pages(api: ScriptedApi, indent: IndentAPI) -> None:
    """A list has all pages; each request has the filters."""
    api.respond_with(
        {"resources": [{"id": "1"}], "nextPageToken": "t/1="},
        {"nextPageToken": "t2"},
        {"resources": [{"id": "2"}, {"id": "3"}], "nextPageToken": ""},
    )
    assert [r["id"] for r in indent.resource.list(view="requestable")] == ["1", "2", "3"]
    assert [request.query.get("pageToken") for request in api.requests] == [None, ["t/1="], ["t2"]]
    assert all(request.query["view"] == ["requestable"] for request in api.requests)


def test_iter_is_lazy(api: ScriptedApi, indent: IndentAPI) -> None:
    """The second page is requested once the first is used up."""
    api.respond_with(
        {"claims": [{"event": "a"}], "nextPageToken": "t"}, {"claims": [{"event": "b"}]}
    )
    claims = indent.claim.iter()
    assert not api.requests
    assert next(claims)["event"] == "a"
    assert len(api.requests) == 1
    assert [c["event"] for c in claims] == ["b"]


def test_a_repeated_page_token_raises(api: ScriptedApi, indent: IndentAPI) -> None:
    """Cyclic page tokens are an error, whatever the length of the cycle."""
    api.respond_with(*({"blocks": [], "nextPageToken": t} for t in ("a", "b", "a", "")))
    with pytest.raises(UnexpectedAnswerError, match="token"):
        indent.block.list()
    assert len(api.requests) == 3


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_change_the_path(name: str, api: ScriptedApi, indent: IndentAPI) -> None:
    """A name that would address the collection or its parent is refused."""
    with pytest.raises(ValueError, match="isn't a valid name"):
        indent.petition.delete(name)
    with pytest.raises(ValueError, match="isn't a valid name"):
        indent.petition.claims(name)
    assert not api.requests


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: i.petition.get({"name": "p"}), "a name must be a text"),
        (lambda i: i.petition.get(None), "a name must be a text"),
        (lambda i: i.petition.get("p", within="5"), "within must be a number of seconds"),
        (lambda i: i.resource.create([GROUP]), "resource must be a dict, not a list"),
        (lambda i: i.resource.bulk_update(GROUP), "resources must be a list, not a dict"),
        (lambda i: i.resource.bulk_delete("r"), "names must be a list, not 'r'"),
        (lambda i: i.resource.pull_update("indent.v1.Bot"), "kinds must be a list"),
        (lambda i: i.resource.pull_update([""]), r"kinds\[0\] is empty"),
        (lambda i: i.resource.pull_update(["k"], flags={"a": 1}), "flags"),
        (lambda i: i.webhook.test_policy(POLICY), "policies must be a list, not a dict"),
        (lambda i: i.webhook.test_policy([POLICY], view=1), "view must be a text, not 1"),
        (lambda i: i.petition.deny("p", reason=None), "reason must be a text, not None"),
        (lambda i: i.petition.wait_for("p", timeout="30"), "timeout must be a number of seconds"),
    ],
)
def test_wrong_arguments(call: Any, message: str, api: ScriptedApi, indent: IndentAPI) -> None:  # noqa: ANN401 - wrong on purpose
    """Each mistake is one sentence, and nothing is sent."""
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call(indent)
    assert "\n" not in str(caught.value)
    assert not api.requests


def test_names_are_quoted(api: ScriptedApi, indent: IndentAPI) -> None:
    """No character in a name changes the path."""
    indent.resource.get("a/../b?c#d%2e é")
    assert api.requests[0].path == f"{S}/resources/a%2F..%2Fb%3Fc%23d%252e%20%C3%A9"


def test_a_failed_pull_raises(api: ScriptedApi, indent: IndentAPI) -> None:
    """A webhook's failure in a successful answer raises an error with its code."""
    api.respond_with({"resources": [], "status": {"code": 14, "message": "webhook is down"}})
    with pytest.raises(IndentError, match="webhook is down") as caught:
        indent.resource.pull_update(["indent.v1.Bot"])
    assert caught.value.code == 14
