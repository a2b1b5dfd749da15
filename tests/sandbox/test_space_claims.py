"""Which claims of a webhook count, and that the space answers any input."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.space import Space
from sandbox.space.claims import InvalidClaimError, claim_from_webhook
from sandbox.space.petition import Petition, add_claim, open_petition
from sandbox.space.tokens import Owner
from sandbox.vendors.server import Request
from tests.handler.strategies import JSON, LABELS, STEADY, TEXT, rarely
from tests.sandbox.manual_clock import NOON
from tests.sandbox.running_space import ADA, BOT, JANE, OMAR, Json, approval

PROD: Json = {"kind": "okta.v1.Group", "id": "prod", "displayName": "Production", "labels": {}}
TEST: Json = {**PROD, "id": "test"}
PEOPLE: list[Json] = [{"kind": "user", "id": email, "email": email} for email in (JANE, OMAR)]
PETITION = open_petition(
    Petition("p-1", "acmecorp", "to debug", (PEOPLE[0],), (PROD,), {}, NOON, timedelta(hours=1))
)
GOOD = approval(PETITION.requests[0])


def with_fields(**fields: object) -> Json:
    """The valid claim with some fields changed."""
    return {**copy.deepcopy(GOOD), **fields}


def with_labels(**labels: str | None) -> Json:
    """The valid claim with labels changed, or removed by None; `__` means `indent.com/`."""
    claim = copy.deepcopy(GOOD)
    for name, value in labels.items():
        label = name.replace("__", "indent.com/")
        del claim["meta"]["labels"][label]
        if value is not None:
            claim["meta"]["labels"][label] = value
    return claim


def dated(label: str, value: str) -> Json:
    """The valid claim with a label about time."""
    claim = copy.deepcopy(GOOD)
    claim["meta"]["labels"][f"indent.com/time/{label}"] = value
    return claim


DECOYS: dict[str, object] = {
    "a bot of another id under the same name": with_fields(actor={**BOT, "id": "other-bot"}),
    "a person with the bot's id": with_fields(actor={**BOT, "kind": "user"}),
    "the bot's display name only": with_fields(actor={"displayName": "Test Bot"}),
    "the petitioner": with_fields(actor=PEOPLE[0]),
    "no actor": with_fields(actor=None),
    "another petition": with_labels(petition="p-2", __petition="p-2"),
    "two petitions": with_labels(petition="p-2"),
    "no petition": with_labels(petition=None, __petition=None),
    "no labels": with_fields(meta={}),
    "more resources": with_fields(resources=[PEOPLE[0], PROD, TEST]),
    "the resource twice": with_fields(resources=[PEOPLE[0], PROD, PROD]),
    "fewer resources": with_fields(resources=[PEOPLE[0]]),
    "another resource": with_fields(resources=[PEOPLE[0], TEST]),
    "another kind of that id": with_fields(resources=[PEOPLE[0], {**PROD, "kind": "x"}]),
    "no petitioner": with_fields(resources=[PROD]),
    "no resources": with_fields(resources=[]),
    "another petitioner": with_fields(resources=[PEOPLE[1], PROD]),
    "another's id beside the e-mail": with_fields(resources=[{**PEOPLE[0], "id": OMAR}, PROD]),
    "no time": {**GOOD, "meta": {"labels": {"petition": "p-1"}}},
    "no sensible time": dated("duration", "a while"),
    "no time at all left": dated("duration", "0s"),
    "a time that is over": dated("expires", "2026-03-02T12:00:00Z"),
    "half a time": dated("expires", "soon"),
    "a grant instead of an approval": with_fields(event="access/grant"),
    "a request": PETITION.requests[0],
    "null": None,
    "a number": 7,
    "a list": [GOOD],
    "resources that are texts": with_fields(resources=["a", "b"]),
    "an actor that is a text": with_fields(actor="test-bot"),
    "an id that is a number": with_fields(actor={**BOT, "id": 1}),
    "labels that are numbers": with_fields(meta={"labels": {"petition": 1}}),
}


@pytest.mark.parametrize("decoy", DECOYS.values(), ids=DECOYS)
def test_claims_that_do_not_count(decoy: object) -> None:
    """A valid claim with any one thing changed doesn't count."""
    assert claim_from_webhook(PETITION, GOOD, [BOT], NOON).kind == "access/approve"
    with pytest.raises(InvalidClaimError):
        claim_from_webhook(PETITION, decoy, [BOT], NOON)


PATHS = [
    *(("event",), ("actor",), ("actor", "kind"), ("actor", "id"), ("meta",), ("meta", "labels")),
    *(("resources",), ("resources", 0), ("resources", 1), ("resources", 0, "id")),
    *(("resources", 1, "id"), ("resources", 1, "kind"), ("resources", 0, "email")),
]
VALUES = st.sampled_from([*PEOPLE, PROD, TEST, BOT, "access/deny", "prod", JANE, [], {}]) | JSON


@st.composite
def almost_good(draw: st.DrawFn) -> object:
    """The claim that grants, with up to three changes."""
    claim = copy.deepcopy(GOOD)
    claim["meta"]["labels"].update(draw(rarely(LABELS, st.just({}))))
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=3)):
        *way, last = path
        place: Any = claim
        for step in way:
            place = place[step] if isinstance(place, dict) and step in place else {}
        if isinstance(place, dict):
            place[last] = copy.deepcopy(draw(VALUES))
    return draw(rarely(JSON, st.just(claim)))


@STEADY
@given(claim=almost_good())
def test_a_webhook_s_claim_counts_whole_or_not_at_all(claim: Any) -> None:  # noqa: ANN401 - anything
    """A claim counts only if bot, petition, person, resource and end fit."""
    try:
        counted = claim_from_webhook(PETITION, claim, [BOT], NOON)
    except InvalidClaimError:
        return
    assert [claim["actor"]["kind"], claim["actor"]["id"]] == [BOT["kind"], BOT["id"]]
    first, only = claim["resources"]
    assert first.get("id") == JANE or (not first.get("id") and first["email"] == JANE)
    assert [only["kind"], only["id"]] == [PROD["kind"], PROD["id"]]
    labels = claim["meta"]["labels"]
    assert {labels.get(name, "p-1") for name in ("petition", "indent.com/petition")} == {"p-1"}
    after = add_claim(PETITION, counted, NOON)
    if after.phase == "granted":
        assert claim["event"] == "access/approve"
        assert after.expires_at
        assert after.expires_at > NOON
    else:
        assert (after.phase, claim["event"]) == ("closed", "access/deny")


DURATION = rarely(JSON, st.sampled_from(["3600s", "1.5s", "9e9s", {"seconds": "60"}, "-1s"]))
WHOM = st.sampled_from([*PEOPLE, {"email": ADA}, {"kind": "user", "id": ADA}])
WHAT = st.sampled_from([PROD, TEST, {"kind": "action", "id": "reset:1"}])
PETITIONS = st.fixed_dictionaries(
    {"resources": rarely(JSON, st.lists(rarely(JSON, WHAT), max_size=3))},
    optional={
        "petitioners": rarely(JSON, st.lists(rarely(JSON, WHOM), max_size=2)),
        "reason": rarely(JSON, TEXT),
        "defaultDuration": DURATION,
        "meta": rarely(JSON, st.fixed_dictionaries({"labels": rarely(JSON, LABELS)})),
    },
)
CLAIMS = st.fixed_dictionaries(
    {"event": st.sampled_from(["access/approve", "access/deny", "access/revoke", "access/grant"])},
    optional={
        "resources": rarely(JSON, st.lists(rarely(JSON, WHAT | WHOM), max_size=3)),
        "meta": rarely(JSON, st.fixed_dictionaries({"labels": rarely(JSON, LABELS)})),
        "reason": rarely(JSON, TEXT),
    },
)
WEBHOOKS = st.fixed_dictionaries(
    {
        "url": rarely(JSON, st.sampled_from(["http://h", "http://h:99999/", "http://[", "x"])),
        "secret": rarely(JSON, TEXT),
    },
    optional={"labels": rarely(JSON, LABELS), "dryRun": JSON},
)
BODIES = st.one_of(
    st.tuples(
        st.just("POST"), st.just("/petitions"), st.fixed_dictionaries({"petition": PETITIONS})
    ),
    st.tuples(st.just("POST"), st.just("/claims"), st.fixed_dictionaries({"claim": CLAIMS})),
    st.tuples(st.just("POST"), st.just("/webhooks"), st.fixed_dictionaries({"webhook": WEBHOOKS})),
    st.tuples(
        st.sampled_from(["POST /resources", "PUT /resources:bulkUpdate", "POST /webhookPolicies"]),
        JSON,
    ).map(lambda both: (*both[0].split(), both[1])),
)


@STEADY
@given(call=BODIES, admin=st.booleans(), granted=st.booleans())
def test_every_call_is_answered(call: tuple[str, str, Any], admin: bool, granted: bool) -> None:  # noqa: FBT001 - drawn
    """Any body gets a valid answer, or a refusal in the gateway's form."""
    method, path, body = call
    with Space(now=lambda: NOON) as space:
        for resource in (PROD, TEST):
            space.add_resource(resource["kind"], resource["id"], resource["displayName"])
        tokens = {True: space.token_for(ADA, admin=True), False: space.token_for(JANE)}
        mine = space.petitions.create(Owner(JANE), {"resources": [PROD]})
        if granted:
            space.petitions.review(Owner(ADA, admin=True), mine.name, {"event": "access/approve"})
        if path == "/claims":
            path = f"/petitions/{mine.name}/claims"
        target, headers = f"/v1/spaces/acmecorp{path}", {"authorization": f"Bearer {tokens[admin]}"}
        answer = space.answer(Request(method, target, {}, headers, json.dumps(body).encode()))
        assert answer.status in {200, 400, 403, 404, 409, 501}
        assert json.loads(answer.body_bytes())
        if not admin and answer.status == 200:
            # Jane may only create or cancel petitions: she grants nothing.
            assert path.startswith("/petitions")
            assert sum(petition.phase == "granted" for petition in space.petitions.all()) == granted
