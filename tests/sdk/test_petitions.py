"""Petitions: creating, waiting and reviewing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from indentapi import IndentAPI, IndentError, PetitionTimeoutError
from indentapi import phase as phase_of
from indentapi.durations import format_go
from scripted_api import Response, ScriptedApi, ScriptedClock, petition

PROD: Any = {"kind": "okta.v1.Group", "id": "00g1", "displayName": "Production"}
CONFIG = {"indent.com/app/config/id": "space:acmecorp"}


def test_create_as_in_the_guide(api: ScriptedApi, indent: IndentAPI) -> None:
    """A reason and resources make a petition of the token's owner, returned as a dict."""
    api.respond_with(petition("open"))
    pet = indent.petition.create(reason="to debug production", resources=[PROD])
    assert f"{pet['spaceName']}/{pet['name']}" == "acmecorp/aec1b116"
    assert type(pet) is dict
    assert api.requests[0].body == {
        "petition": {
            "spaceName": "acmecorp",
            "reason": "to debug production",
            "resources": [PROD],
            "petitioners": [{"kind": "user", "email": "jane@example.com"}],
            "meta": {"labels": CONFIG},
        }
    }


def test_create_for_somebody_else(api: ScriptedApi, indent: IndentAPI) -> None:
    """Given petitioners replace the token's owner."""
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    indent.petition.create(reason="debug", resources=[PROD], petitioners=[mary])
    assert api.requests[0].body["petition"]["petitioners"] == [mary]


def test_create_with_a_token_that_names_nobody(api: ScriptedApi) -> None:
    """With a service's token, the API sets the petitioner."""
    with IndentAPI("acmecorp", "opaque", base_url=api.url) as indent:
        indent.petition.create(reason="debug", resources=[PROD])
    assert "petitioners" not in api.requests[0].body["petition"]


def test_labels_are_merged(api: ScriptedApi, indent: IndentAPI) -> None:
    """The caller's labels are added to ours, and override them."""
    indent.petition.create(reason="debug", resources=[PROD], labels={"ticket": "A-1"})
    indent.petition.create(
        reason="debug", resources=[PROD], labels={"indent.com/app/config/id": "mine"}
    )
    first, second = [request.body["petition"]["meta"]["labels"] for request in api.requests]
    assert first == {**CONFIG, "ticket": "A-1"}
    assert second == {"indent.com/app/config/id": "mine"}


@pytest.mark.parametrize(
    "duration",
    [
        *(timedelta(hours=1.5), 1.5, "1h30m", "90m", " 5400s ", "1h 30m", "90 min", "1.5 H"),
        *("1 hour 30 minutes", "1hr30mins", "0.0625 days", "5400 seconds"),
    ],
)
def test_duration(duration: timedelta | float | str, api: ScriptedApi, indent: IndentAPI) -> None:
    """Any form of a duration is sent in protobuf's form, and in Go's form in the label."""
    indent.petition.create(reason="debug", resources=[PROD], default_duration=duration)
    petition = api.requests[0].body["petition"]
    assert petition["defaultDuration"] == "5400s"
    assert petition["meta"]["labels"]["indent.com/petition/duration"] == "1h30m0s"


@pytest.mark.parametrize(
    "duration",
    [
        *("soon", "-1h", 0, -1, float("nan"), float("inf"), 1e300, "5ms", "1h30", "90"),
        *("300 years", "1h" * 10**6),
    ],
)
def test_no_duration(duration: float | str, api: ScriptedApi, indent: IndentAPI) -> None:
    """An invalid duration is refused before anything is requested."""
    with pytest.raises(ValueError, match="isn't a valid duration"):
        indent.petition.create(reason="debug", resources=[PROD], default_duration=duration)
    assert not api.requests


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1s"), (60, "1m0s"), (3600, "1h0m0s"), (360_061, "100h1m1s")]
)
def test_go_durations(seconds: int, text: str) -> None:
    """Durations in labels have Go's form."""
    assert format_go(seconds) == text


def test_an_empty_list_is_not_requested(api: ScriptedApi, indent: IndentAPI) -> None:
    """An empty list of resources is an error."""
    with pytest.raises(ValueError, match="resources is empty"):
        indent.petition.create(reason="debug", resources=[])
    assert not api.requests


RESOURCE: Any = {"kind": "action", "id": "x"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reason": None}, "reason must be a text, not None"),
        ({"reason": 7}, "reason must be a text, not 7"),
        ({"reason": " "}, "reason is empty"),
        ({"resources": RESOURCE}, "resources must be a list, not a dict"),
        ({"resources": "prod"}, "resources must be a list, not 'prod'"),
        ({"resources": None}, "resources must be a list, not None"),
        ({"resources": ["prod"]}, r"resources\[0\] must be a dict, not 'prod'"),
        ({"resources": [{"kind": "action"}]}, r"resources\[0\] has no 'id'"),
        ({"resources": [RESOURCE, {"id": "x"}]}, r"resources\[1\] has no 'kind'"),
        ({"resources": [{"kind": "action", "id": ""}]}, r"resources\[0\]\['id'\] is empty"),
        ({"resources": [{"kind": "action", "id": 7}]}, r"resources\[0\]\['id'\] must be a text"),
        ({"resources": [{**RESOURCE, "display_name": "X"}]}, "did you mean 'displayName'"),
        ({"resources": [{"kind": "action", "ID": "x"}]}, "did you mean 'id'"),
        ({"resources": [{**RESOURCE, "labels": ["a"]}]}, "must be a dict, not a list"),
        ({"resources": [{**RESOURCE, "labels": {"a": 1}}]}, "must be a text, not 1"),
        ({"resources": [{**RESOURCE, "altIds": "a"}]}, "must be a list, not 'a'"),
        ({"petitioners": {"email": "m@example.com"}}, "petitioners must be a list, not a dict"),
        ({"petitioners": []}, "petitioners is empty"),
        ({"petitioners": [{"kind": "user"}]}, "needs an 'email', or a 'kind' and an 'id'"),
        ({"petitioners": [{"email": ""}]}, "is empty"),
        ({"default_duration": [1]}, "a duration must be"),
        ({"default_duration": True}, "a duration must be"),
        ({"labels": [("a", "b")]}, "labels must be a dict, not a list"),
        ({"labels": {"a": None}}, "must be a text, not None"),
        ({"wait_for_reviewable": "yes"}, "must be True or False, not 'yes'"),
    ],
)
def test_wrong_arguments(wrong: Any, message: str, api: ScriptedApi, indent: IndentAPI) -> None:  # noqa: ANN401 - wrong on purpose
    """Each mistake is one sentence, and nothing is requested."""
    arguments = {"reason": "debug", "resources": [RESOURCE], **wrong}
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        indent.petition.create(**arguments)
    assert "\n" not in str(caught.value)
    assert not api.requests


def test_unknown_fields_are_kept(api: ScriptedApi, indent: IndentAPI) -> None:
    """A resource's unknown fields are sent unchanged."""
    newer: Any = {**PROD, "risk": {"level": 3}, "labels": {"Env": "Prod"}, "altIds": ["a"]}
    indent.petition.create(reason="debug", resources=iter([newer]))
    assert api.requests[0].body["petition"]["resources"] == [newer]


def test_address_of_a_petition(indent: IndentAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is on Indent's site, or on the sandbox's page for its API."""
    pet: Any = petition("open")
    assert indent.petition.url(pet) == "https://indent.com/access/acmecorp/aec1b116"
    monkeypatch.setenv("SANDBOX_PAGE", "http://127.0.0.1:8080/")
    with IndentAPI("acmecorp", "t", base_url="http://127.0.0.1:9/v1") as local:
        assert local.petition.url(pet) == "http://127.0.0.1:8080/#petition-aec1b116"
    with IndentAPI("acmecorp", "t", base_url="https://api.example/v1") as remote:
        assert remote.petition.url(pet) == "https://indent.com/access/acmecorp/aec1b116"


def test_wait_for_reviewable(api: ScriptedApi, indent: IndentAPI) -> None:
    """The option is sent beside the petition."""
    indent.petition.create(reason="debug", resources=[PROD], wait_for_reviewable=True)
    assert api.requests[0].body["waitForReviewable"] is True


@pytest.mark.parametrize("end", ["granted", "revoked", "closed", "deleted"])
def test_wait_for_a_decision(
    end: str, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """Any decision ends the wait, and returns the petition."""
    api.respond_with(petition("draft"), petition("open"), petition(end))
    assert phase_of(indent.petition.wait_for("aec1b116")) == end
    assert clock.sleeps == pytest.approx([0.005, 0.0065])


def test_wait_timeout(api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock) -> None:
    """At the timeout an undecided petition raises, with the petition."""
    api.respond_with(petition("open"))
    with pytest.raises(
        PetitionTimeoutError, match=r"undecided after 10 s\..*decides at https.*timeout=SECONDS"
    ) as caught:
        indent.petition.wait_for("aec1b116")
    assert caught.value.petition["name"] == "aec1b116"
    assert sum(clock.sleeps) == pytest.approx(10)
    assert len(api.requests) < 30


def test_wait_for_ever(api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock) -> None:
    """Without a timeout it waits without limit."""
    api.respond_with(*[petition("open")] * 60, petition("granted"))
    indent.petition.wait_for("aec1b116", timeout=None)
    assert sum(clock.sleeps) > 60


def test_a_petition_that_is_gone(api: ScriptedApi, indent: IndentAPI) -> None:
    """Waiting for an unknown petition raises the API's error."""
    api.respond_with(Response({"code": 5, "message": "no such petition"}, 404))
    with pytest.raises(IndentError, match="no such petition"):
        indent.petition.wait_for("x")


def test_an_unknown_phase_is_undecided() -> None:
    """An unknown phase counts as undecided, never as granted."""
    strange: Any = petition("on-fire")
    bare: Any = {"name": "n", "spaceName": "s"}
    assert [phase_of(strange), phase_of(bare)] == ["open", "open"]


def test_approve(api: ScriptedApi, indent: IndentAPI) -> None:
    """An approval has the petitioner first, then all requested resources."""
    api.respond_with(petition("open"), {"event": "access/approve"})
    claims = indent.petition.approve("aec1b116", reason="ok", duration="3h")
    assert claims == [{"event": "access/approve"}]
    assert api.targets()[1] == "POST /spaces/acmecorp/petitions/aec1b116/claims"
    assert api.requests[1].body == {
        "claim": {
            "event": "access/approve",
            "reason": "ok",
            "resources": [
                {"kind": "user", "email": "jane@example.com"},
                {"kind": "okta.v1.Group", "id": "00g1"},
            ],
            "meta": {"labels": {"indent.com/time/duration": "3h0m0s"}},
        }
    }


@pytest.mark.parametrize("verb", ["deny", "revoke"])
def test_deny_and_revoke(verb: str, api: ScriptedApi, indent: IndentAPI) -> None:
    """They have no time."""
    api.respond_with(petition("open"), {"event": f"access/{verb}"})
    getattr(indent.petition, verb)("aec1b116")
    claim = api.requests[1].body["claim"]
    assert claim["event"] == f"access/{verb}"
    assert "meta" not in claim


def test_every_petitioner_gets_a_claim(api: ScriptedApi, indent: IndentAPI) -> None:
    """A petition of two people gets two approvals."""
    two = petition("open")
    two["petitioners"].append({"kind": "user", "email": "mary@example.com"})
    api.respond_with(two, {"event": "access/approve"})
    assert len(indent.petition.approve("aec1b116")) == 2
    people = [request.body["claim"]["resources"][0]["email"] for request in api.requests[1:]]
    assert people == ["jane@example.com", "mary@example.com"]


def test_a_petition_of_nobody_can_be_denied(api: ScriptedApi, indent: IndentAPI) -> None:
    """Without a petitioner, the claim has only the resources."""
    nobody = {**petition("open"), "petitioners": []}
    api.respond_with(nobody, {"event": "access/deny"})
    indent.petition.deny("aec1b116")
    assert api.requests[1].body["claim"]["resources"] == [{"kind": "okta.v1.Group", "id": "00g1"}]
