"""What people may do with petitions through the space's API."""

from __future__ import annotations

from datetime import datetime

import pytest

from sandbox.space import Space
from sandbox.space.claims import INDEFINITE
from tests.sandbox.manual_clock import HOUR, NOON, ManualClock
from tests.sandbox.running_space import ADA, JANE, OMAR, PROD, TEST, Client, Json

JANE_USER = {"kind": "user", "id": JANE, "email": JANE}
DURATION, EXPIRES = "indent.com/time/duration", "indent.com/time/expires"


@pytest.mark.parametrize(
    ("phase", "who", "event", "status", "after"),
    [
        ("open", "ada", "access/approve", 200, "granted"),
        ("open", "ada", "access/deny", 200, "closed"),
        ("open", "ada", "access/revoke", 400, "open"),
        ("open", "jane", "access/approve", 403, "open"),
        ("open", "jane", "access/deny", 200, "closed"),
        ("open", "jane", "access/revoke", 403, "open"),
        ("open", "omar", "access/approve", 403, "open"),
        ("open", "omar", "access/deny", 403, "open"),
        ("open", "ada", "access/grant", 400, "open"),
        ("open", "ada", "", 400, "open"),
        ("granted", "ada", "access/revoke", 200, "revoked"),
        ("granted", "ada", "access/approve", 400, "granted"),
        ("granted", "ada", "access/deny", 400, "granted"),
        ("granted", "jane", "access/revoke", 403, "granted"),
        ("granted", "jane", "access/deny", 400, "granted"),
        ("granted", "omar", "access/revoke", 403, "granted"),
    ],
)
def test_who_may_do_what(
    phase: str,
    who: str,
    event: str,
    status: int,
    after: str,
    request: pytest.FixtureRequest,
    jane: Client,
    ada: Client,
) -> None:
    """Administrators review, petitioners may only cancel, and others may do nothing."""
    name = jane.request(TEST)["name"]
    if phase == "granted":
        ada.review(name, "access/approve")
    reviewer: Client = request.getfixturevalue(who)
    assert reviewer.review(name, event)[0] == status
    assert jane.phase(name) == after


def test_the_actor_is_the_token_s_owner(jane: Client, ada: Client) -> None:
    """Nobody can make a claim in another's name, not even the bot's."""
    name = jane.request(TEST)["name"]
    bot = {"kind": "indent.v1.Bot", "id": "test-bot", "email": "bot@indent.com"}
    for path, extra in (
        (f"/petitions/{name}/claims", {}),
        ("/claims", {"meta": {"labels": {"petition": name}}}),
    ):
        claim = {"event": "access/approve", "actor": bot, "resources": [JANE_USER, TEST], **extra}
        assert jane("POST", path, {"claim": claim})[0] == 403
    status, claim = ada.review(name, "access/approve", actor=bot)
    assert (status, claim["actor"]["email"]) == (200, ADA)


@pytest.mark.parametrize("others", [[], [{"email": JANE}]])
@pytest.mark.parametrize("resources", [[], [JANE_USER, TEST]])
@pytest.mark.usefixtures("jane")
def test_nobody_approves_their_own(
    others: list[Json], resources: list[Json], space: Space, ada: Client
) -> None:
    """Administrators can't approve petitions that include their own access."""
    name = ada.request(TEST, petitioners=[{"email": ADA}, *others])["name"]
    status, body = ada.review(name, "access/approve", resources=resources)
    assert (status, body["message"]) == (403, "You cannot approve your own petition.")
    assert ada.phase(name) == "open"
    bea = Client(space, space.token_for("bea@acme.example", admin=True))
    assert bea.review(name, "access/approve")[0] == 200
    assert ada.phase(name) == "granted"


@pytest.mark.usefixtures("omar")
def test_requesting_for_others(jane: Client, ada: Client) -> None:
    """Only administrators may, and only for people whom the space knows."""
    for petitioners in ([{"email": OMAR}], [{"email": JANE}, {"kind": "user", "id": OMAR}]):
        body = {"petition": {"resources": [TEST], "petitioners": petitioners}}
        assert jane("POST", "/petitions", body)[0] == 403
        assert ada("POST", "/petitions", body)[0] == 200
    nobody = {"petition": {"resources": [TEST], "petitioners": [{"email": "no@acme.example"}]}}
    assert ada("POST", "/petitions", nobody)[0] == 400


@pytest.mark.parametrize(
    ("labels", "requested", "until"),
    [
        ({DURATION: "3h0m0s"}, "", NOON + 3 * HOUR),
        ({DURATION: "3h"}, "3600s", NOON + 3 * HOUR),
        ({DURATION: "0s"}, "3600s", NOON + HOUR),
        ({EXPIRES: "2026-03-02T13:00:00Z"}, "", NOON + HOUR),
        ({DURATION: "3h", EXPIRES: "2026-03-02T13:00:00Z"}, "", NOON + HOUR),
        ({}, "3600s", NOON + HOUR),
        ({}, "", None),
        ({DURATION: "-1ns"}, "3600s", None),
        ({INDEFINITE: "true"}, "3600s", None),
    ],
)
def test_how_long_a_human_s_approval_lasts(
    labels: Json,
    requested: str,
    until: datetime | None,
    jane: Client,
    ada: Client,
    clock: ManualClock,
) -> None:
    """The claim's time counts, else the requested one, else there is no end."""
    name = jane.request(TEST, defaultDuration=requested)["name"]
    assert ada.review(name, "access/approve", meta={"labels": labels})[0] == 200
    clock.time = (until or NOON + 500 * HOUR) - HOUR / 3600
    assert jane.phase(name) == "granted"
    if until:
        clock.time = until
        assert jane.phase(name) == "revoked"


@pytest.mark.parametrize(
    "claim",
    [
        {"resources": [JANE_USER, PROD]},
        {"resources": [JANE_USER, TEST, PROD]},
        {"resources": [{"kind": "user", "id": OMAR}, TEST]},
        {"resources": "all"},
        {"meta": {"labels": {DURATION: "long"}}},
        {"meta": {"labels": {EXPIRES: "2026-03-02T12:00:00Z"}}},
    ],
)
def test_claims_that_are_refused(claim: Json, jane: Client, ada: Client) -> None:
    """A claim for other people or resources, or with an invalid time, is an error."""
    name = jane.request(TEST)["name"]
    status, body = ada.review(name, "access/approve", **claim)
    assert (status, body["code"]) == (400, 3)
    assert jane.phase(name) == "open"


@pytest.mark.parametrize("resources", [[], [TEST], [JANE_USER, TEST], [{"email": JANE}, TEST]])
def test_forms_of_a_claim(resources: list[Json], jane: Client, ada: Client) -> None:
    """A claim may name petitioner and resources, only resources, or nothing."""
    name = jane.request(TEST)["name"]
    status, claim = ada.review(name, "access/approve", resources=resources)
    assert (status, [item["id"] for item in claim["resources"]]) == (200, [JANE, "test"])


@pytest.mark.usefixtures("omar")
def test_a_partial_approval_can_be_withdrawn(jane: Client, ada: Client) -> None:
    """A claim can be deleted until the petition is granted."""
    name = ada.request(TEST, petitioners=[{"email": JANE}, {"email": OMAR}])["name"]
    claim = ada.review(name, "access/approve", resources=[{"email": JANE}])[1]["meta"]["name"]
    assert ada("DELETE", f"/claims/{claim}")[0] == 200
    assert ada("DELETE", f"/claims/{claim}")[0] == 404
    ada.review(name, "access/approve", resources=[{"email": OMAR}])
    assert jane.phase(name) == "open"
    last = ada.review(name, "access/approve")[1]["meta"]["name"]
    assert jane.phase(name) == "granted"
    assert ada("DELETE", f"/claims/{last}")[0] == 400


def test_changing_and_deleting(jane: Client, omar: Client, ada: Client) -> None:
    """Petitioners may change an open petition; a granted one must be revoked first."""
    name = jane.request(TEST)["name"]
    path = f"/petitions/{name}"
    better = {"petition": {"reason": "INC-7", "petitioners": [{"email": OMAR}]}}
    assert omar("PUT", path, better)[0] == 403
    status, body = jane("PUT", path, better)
    assert (status, body["reason"], body["petitioners"][0]["id"]) == (200, "INC-7", JANE)
    ada.review(name, "access/approve")
    assert jane("PUT", path, better)[0] == 400
    assert jane("DELETE", path)[0] == 400
    assert omar("DELETE", path)[0] == 403
    ada.review(name, "access/revoke")
    assert jane("DELETE", path)[1]["state"]["status"]["phase"] == "deleted"
    assert jane("GET", path)[0] == 404


def test_petitions_are_closed_by_an_update(jane: Client, omar: Client, ada: Client) -> None:
    """An update can close a petition, which then can't be approved."""
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
def test_updates_cannot_set_other_phases(phase: str, jane: Client, ada: Client) -> None:
    """An update can't grant, revoke or delete; a granted petition can't be closed."""
    name = jane.request(TEST)["name"]
    update = {"petition": {"state": {"status": {"phase": phase}}}}
    for client in (jane, ada):
        assert client("PUT", f"/petitions/{name}", update)[0] == 400
    assert jane.phase(name) == "open"
    ada.review(name, "access/approve")
    update = {"petition": {"state": {"status": {"phase": "closed"}}}}
    assert ada("PUT", f"/petitions/{name}", update)[0] == 400
    assert jane.phase(name) == "granted"


def test_a_petition_s_own_labels_do_not_date_its_claims(jane: Client, ada: Client) -> None:
    """Time labels of a petition stay off its claims and grants."""
    labels = {INDEFINITE: "true", EXPIRES: "2030-01-01T00:00:00Z"}
    name = jane.request(TEST, meta={"labels": labels}, defaultDuration="3600s")["name"]
    claim = ada.review(name, "access/approve")[1]
    assert claim["meta"]["labels"][EXPIRES] == "2026-03-02T13:00:00.000Z"
    history = jane("GET", f"/petitions/{name}")[1]["state"]["eventHistory"]
    labelled = [event["event"] for event in history if INDEFINITE in event["meta"]["labels"]]
    assert labelled == ["access/request"]
