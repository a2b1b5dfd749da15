"""What people may do to petitions through the space's API."""

from __future__ import annotations

from datetime import datetime

import pytest

from sandbox.space import Space
from sandbox.space.claims import INDEFINITE
from tests.sandbox.asked import Watch
from tests.sandbox.running_space import ADA, HOUR, JANE, NOON, OMAR, Client, Json

TEST = {"kind": "okta.v1.Group", "id": "test"}
PROD = {"kind": "okta.v1.Group", "id": "prod"}
JANE_S = {"kind": "user", "id": JANE, "email": JANE}


@pytest.mark.parametrize(
    ("who", "event", "status"),
    [
        ("ada", "access/approve", 200),
        ("ada", "access/deny", 200),
        ("ada", "access/revoke", 400),
        ("jane", "access/approve", 403),
        ("jane", "access/deny", 200),
        ("jane", "access/revoke", 403),
        ("omar", "access/approve", 403),
        ("omar", "access/deny", 403),
        ("ada", "access/grant", 400),
        ("ada", "", 400),
    ],
)
def test_who_may_do_what_to_an_open_petition(
    who: str, event: str, status: int, request: pytest.FixtureRequest, jane: Client
) -> None:
    """Administrators review; a petitioner may only cancel; nobody else may do anything."""
    name = jane.request(TEST)["name"]
    by: Client = request.getfixturevalue(who)
    assert by.review(name, event)[0] == status
    after = {"access/approve": "granted", "access/deny": "closed"}
    assert jane.phase(name) == (after[event] if status == 200 else "open")


@pytest.mark.parametrize(
    ("who", "event", "status"),
    [
        ("ada", "access/revoke", 200),
        ("ada", "access/approve", 400),
        ("ada", "access/deny", 400),
        ("jane", "access/revoke", 403),
        ("jane", "access/deny", 400),
        ("omar", "access/revoke", 403),
    ],
)
def test_who_may_do_what_to_a_granted_petition(
    who: str, event: str, status: int, request: pytest.FixtureRequest, jane: Client, ada: Client
) -> None:
    """A grant can be revoked by an administrator, and nothing else."""
    name = jane.request(TEST)["name"]
    ada.review(name, "access/approve")
    by: Client = request.getfixturevalue(who)
    assert by.review(name, event)[0] == status
    assert jane.phase(name) == ("revoked" if status == 200 else "granted")


def test_the_actor_is_the_token_s_owner(jane: Client, ada: Client) -> None:
    """Nobody makes a claim in another's name, be it the bot's."""
    name = jane.request(TEST)["name"]
    bot = {"kind": "indent.v1.Bot", "id": "played-bot", "email": "bot@indent.com"}
    for path, extra in (
        (f"/petitions/{name}/claims", {}),
        ("/claims", {"meta": {"labels": {"petition": name}}}),
    ):
        claim = {"event": "access/approve", "actor": bot, "resources": [JANE_S, TEST], **extra}
        assert jane("POST", path, {"claim": claim})[0] == 403
    status, kept = ada.review(name, "access/approve", actor=bot)
    assert (status, kept["actor"]["email"]) == (200, ADA)


@pytest.mark.parametrize("others", [[], [{"email": JANE}]])
@pytest.mark.parametrize("resources", [[], [JANE_S, TEST]])
def test_nobody_approves_their_own(
    others: list[Json], resources: list[Json], ada: Client, jane: Client
) -> None:
    """An administrator neither, nor for whom they share it with; it takes another one's eyes."""
    assert jane.token
    name = ada.request(TEST, petitioners=[{"email": ADA}, *others])["name"]
    status, body = ada.review(name, "access/approve", resources=resources)
    assert (status, body["message"]) == (403, "Nobody approves a petition of their own.")
    assert ada.phase(name) == "open"


def test_another_administrator_approves(space: Space, ada: Client) -> None:
    """Who has it may give it back."""
    bea = Client(space, space.token_for("bea@acme.example", admin=True))
    name = ada.request(TEST)["name"]
    assert bea.review(name, "access/approve")[0] == 200
    assert ada.phase(name) == "granted"
    assert ada.review(name, "access/revoke")[0] == 200


def test_requesting_for_others(jane: Client, omar: Client, ada: Client) -> None:
    """Administrators only; and for somebody whom the space knows."""
    assert omar.token
    for petitioners in ([{"email": OMAR}], [{"email": JANE}, {"kind": "user", "id": OMAR}]):
        body = {"petition": {"resources": [TEST], "petitioners": petitioners}}
        assert jane("POST", "/petitions", body)[0] == 403
        assert ada("POST", "/petitions", body)[0] == 200
    nobody = {"petition": {"resources": [TEST], "petitioners": [{"email": "no@acme.example"}]}}
    assert ada("POST", "/petitions", nobody)[0] == 400


@pytest.mark.parametrize(
    ("labels", "asked", "until"),
    [
        ({"indent.com/time/duration": "3h0m0s"}, "", NOON + 3 * HOUR),
        ({"indent.com/time/duration": "3h"}, "3600s", NOON + 3 * HOUR),
        ({"indent.com/time/duration": "0s"}, "3600s", NOON + HOUR),
        ({"indent.com/time/expires": "2026-03-02T13:00:00Z"}, "", NOON + HOUR),
        (
            {
                "indent.com/time/duration": "3h",
                "indent.com/time/expires": "2026-03-02T13:00:00Z",
            },
            "",
            NOON + HOUR,
        ),
        ({}, "3600s", NOON + HOUR),
        ({}, {"seconds": 3600}, NOON + HOUR),
        ({}, "", None),
        ({"indent.com/time/duration": "-1ns"}, "3600s", None),
        ({"indent.com/time/indefinite": "true"}, "3600s", None),
    ],
)
def test_how_long_a_human_s_approval_lasts(
    labels: Json, asked: object, until: datetime | None, jane: Client, ada: Client, watch: Watch
) -> None:
    """What the claim says, else what was asked for, else until revoked."""
    name = jane.request(TEST, defaultDuration=asked)["name"]
    assert ada.review(name, "access/approve", meta={"labels": labels})[0] == 200
    watch.time = (until or NOON + 500 * HOUR) - HOUR / 3600
    assert jane.phase(name) == "granted"
    if until:
        watch.time = until
        assert jane.phase(name) == "revoked"


@pytest.mark.parametrize(
    "claim",
    [
        {"resources": [JANE_S, PROD]},
        {"resources": [JANE_S, TEST, PROD]},
        {"resources": [{"kind": "user", "id": OMAR}, TEST]},
        {"resources": "all"},
        {"meta": {"labels": {"indent.com/time/duration": "long"}}},
        {"meta": {"labels": {"indent.com/time/expires": "2026-03-02T12:00:00Z"}}},
    ],
)
def test_claims_that_are_refused(claim: Json, jane: Client, ada: Client) -> None:
    """A claim for other people or things, or for no sensible time, is an error of its maker."""
    name = jane.request(TEST)["name"]
    status, body = ada.review(name, "access/approve", **claim)
    assert (status, body["code"]) == (400, 3)
    assert jane.phase(name) == "open"


@pytest.mark.parametrize("resources", [[], [TEST], [JANE_S, TEST], [{"email": JANE}, TEST]])
def test_forms_of_a_claim(resources: list[Json], jane: Client, ada: Client) -> None:
    """Clients name the petitioner and the resources, or the resources, or nothing."""
    name = jane.request(TEST)["name"]
    assert ada.review(name, "access/approve", resources=resources)[0] == 200
    _, kept = ada("GET", f"/petitions/{name}/claims")
    assert [each["id"] for each in kept["claims"][0]["resources"]] == [JANE, "test"]


def test_a_partial_approval_can_be_withdrawn(jane: Client, omar: Client, ada: Client) -> None:
    """As long as it has led to nothing, and by an administrator."""
    assert omar.token
    two = [{"email": JANE}, {"email": OMAR}]
    name = ada.request(TEST, petitioners=two)["name"]
    claim = ada.review(name, "access/approve", resources=[{"email": JANE}])[1]["meta"]["name"]
    assert jane("DELETE", f"/claims/{claim}")[0] == 403
    assert ada("DELETE", f"/claims/{claim}")[0] == 200
    assert ada("DELETE", f"/claims/{claim}")[0] == 404
    ada.review(name, "access/approve", resources=[{"email": OMAR}])
    assert jane.phase(name) == "open"
    last = ada.review(name, "access/approve")[1]["meta"]["name"]
    assert jane.phase(name) == "granted"
    assert ada("DELETE", f"/claims/{last}")[0] == 400
    assert ada("GET", f"/claims/{last}")[0] == 200
    assert ada("GET", f"/petitions/{name}/claims/{last}")[1]["event"] == "access/approve"


def test_changing_and_deleting(jane: Client, omar: Client, ada: Client) -> None:
    """A petition's own people may, as long as it is open; a grant has to be revoked first."""
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


def test_a_petition_s_own_labels_do_not_date_its_claims(jane: Client, ada: Client) -> None:
    """What a petitioner's labels say of time stands on his request, and on no claim or grant."""
    asked = {INDEFINITE: "true", "indent.com/time/expires": "2030-01-01T00:00:00Z"}
    name = jane.request(TEST, meta={"labels": asked}, defaultDuration="3600s")["name"]
    kept = ada.review(name, "access/approve")[1]["meta"]["labels"]
    assert kept["indent.com/time/expires"] == "2026-03-02T13:00:00.000Z"
    history = jane("GET", f"/petitions/{name}")[1]["state"]["eventHistory"]
    labelled = [event["event"] for event in history if INDEFINITE in event["meta"]["labels"]]
    assert labelled == ["access/request"]
