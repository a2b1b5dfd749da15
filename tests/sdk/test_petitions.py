"""Requests for access: made, watched and reviewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from indentapi import IndentAPI, IndentError, PetitionTimeoutError, durations
from indentapi import phase as phase_of
from scripted_api import Says, ScriptedApi, ScriptedClock, petition

PROD: Any = {"kind": "okta.v1.Group", "id": "00g1", "displayName": "Production"}
CONFIG = {"indent.com/app/config/id": "space:acmecorp"}


def test_create_as_in_the_guide(api: ScriptedApi, indent: IndentAPI) -> None:
    """A reason and resources make a petition of the token's owner; a plain dict comes back."""
    api.says(petition("open"))
    pet = indent.petition.create(reason="to debug production", resources=[PROD])
    assert f"{pet['spaceName']}/{pet['name']}" == "acmecorp/aec1b116"
    assert type(pet) is dict
    assert api.asked[0].body == {
        "petition": {
            "spaceName": "acmecorp",
            "reason": "to debug production",
            "resources": [PROD],
            "petitioners": [{"kind": "user", "email": "jane@example.com"}],
            "meta": {"labels": CONFIG},
        }
    }


def test_create_for_somebody_else(api: ScriptedApi, indent: IndentAPI) -> None:
    """Petitioners that are given are the ones."""
    mary: Any = {"kind": "user", "email": "mary@example.com"}
    indent.petition.create(reason="debug", resources=[PROD], petitioners=[mary])
    assert api.asked[0].body["petition"]["petitioners"] == [mary]


def test_create_with_a_token_that_names_nobody(api: ScriptedApi) -> None:
    """A service's token is no error; the API knows whose it is."""
    with IndentAPI("acmecorp", "opaque", base_url=api.url) as indent:
        indent.petition.create(reason="debug", resources=[PROD])
    assert "petitioners" not in api.asked[0].body["petition"]


def test_labels_are_merged(api: ScriptedApi, indent: IndentAPI) -> None:
    """The caller's labels are kept beside ours, and win over them."""
    indent.petition.create(reason="debug", resources=[PROD], labels={"ticket": "A-1"})
    indent.petition.create(
        reason="debug", resources=[PROD], labels={"indent.com/app/config/id": "mine"}
    )
    first, second = [asked.body["petition"]["meta"]["labels"] for asked in api.asked]
    assert first == {**CONFIG, "ticket": "A-1"}
    assert second == {"indent.com/app/config/id": "mine"}


@pytest.mark.parametrize("asked", [timedelta(hours=1.5), 1.5, "1.5", "1h30m", "90m", " 5400s "])
def test_duration(asked: timedelta | float | str, api: ScriptedApi, indent: IndentAPI) -> None:
    """However it is given, it goes as protobuf's text and as Go's in the label."""
    indent.petition.create(reason="debug", resources=[PROD], default_duration=asked)
    sent = api.asked[0].body["petition"]
    assert sent["defaultDuration"] == "5400s"
    assert sent["meta"]["labels"]["indent.com/petition/duration"] == "1h30m0s"


@pytest.mark.parametrize(
    "asked", ["", "soon", "1d", "-1h", "0", 0, -1, "nan", float("inf"), 1e300, "1e9", "h", "1h 2m"]
)
def test_no_duration(asked: float | str, api: ScriptedApi, indent: IndentAPI) -> None:
    """What is no duration is refused before anything is requested."""
    with pytest.raises(ValueError, match="is no duration"):
        indent.petition.create(reason="debug", resources=[PROD], default_duration=asked)
    assert not api.asked


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1s"), (60, "1m0s"), (3600, "1h0m0s"), (360_061, "100h1m1s")]
)
def test_go_durations(seconds: int, text: str) -> None:
    """Labels are written as Go writes them."""
    assert durations.go(seconds) == text


def test_nothing_is_not_requested(api: ScriptedApi, indent: IndentAPI) -> None:
    """A search that found nothing does not become a petition."""
    with pytest.raises(ValueError, match="resources is empty"):
        indent.petition.create(reason="debug", resources=[])
    assert not api.asked


def test_wait_for_reviewable(api: ScriptedApi, indent: IndentAPI) -> None:
    """The option goes beside the petition."""
    indent.petition.create(reason="debug", resources=[PROD], wait_for_reviewable=True)
    assert api.asked[0].body["waitForReviewable"] is True


@pytest.mark.parametrize("end", ["granted", "revoked", "closed", "deleted"])
def test_wait_for_a_decision(
    end: str, api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock
) -> None:
    """Any decision ends the waiting, and the petition comes back."""
    api.says(petition("draft"), petition("open"), petition(end))
    assert phase_of(indent.petition.wait_for("aec1b116")) == end
    assert clock.slept == pytest.approx([0.005, 0.0065])


def test_wait_for_is_over(api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock) -> None:
    """An undecided petition raises at the timeout, not before or after, and comes with it."""
    api.says(petition("open"))
    with pytest.raises(PetitionTimeoutError, match="undecided after 10 s") as caught:
        indent.petition.wait_for("aec1b116")
    assert caught.value.petition["name"] == "aec1b116"
    assert sum(clock.slept) == pytest.approx(10)
    assert len(api.asked) < 30


def test_wait_for_ever(api: ScriptedApi, indent: IndentAPI, clock: ScriptedClock) -> None:
    """Without a timeout it waits as long as it takes."""
    api.says(*[petition("open")] * 60, petition("granted"))
    indent.petition.wait_for("aec1b116", timeout=None)
    assert sum(clock.slept) > 60


def test_a_petition_that_is_gone(api: ScriptedApi, indent: IndentAPI) -> None:
    """Waiting for what the API does not know is its error."""
    api.says(Says({"code": 5, "message": "no such petition"}, 404))
    with pytest.raises(IndentError, match="no such petition"):
        indent.petition.wait_for("x")


def test_an_unknown_phase_is_no_decision() -> None:
    """What the API has not promised is taken for undecided, never for granted."""
    strange: Any = petition("on-fire")
    bare: Any = {"name": "n", "spaceName": "s"}
    assert [phase_of(strange), phase_of(bare)] == ["open", "open"]


def test_approve(api: ScriptedApi, indent: IndentAPI) -> None:
    """An approval names the petitioner first, then everything that was requested."""
    api.says(petition("open"), {"event": "access/approve"})
    claims = indent.petition.approve("aec1b116", reason="ok", duration="3h")
    assert claims == [{"event": "access/approve"}]
    assert api.targets()[1] == "POST /spaces/acmecorp/petitions/aec1b116/claims"
    assert api.asked[1].body == {
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
    """They carry no time."""
    api.says(petition("open"), {"event": f"access/{verb}"})
    getattr(indent.petition, verb)("aec1b116")
    claim = api.asked[1].body["claim"]
    assert claim["event"] == f"access/{verb}"
    assert "meta" not in claim


def test_every_petitioner_gets_a_claim(api: ScriptedApi, indent: IndentAPI) -> None:
    """A petition of two people takes two approvals."""
    two = petition("open")
    two["petitioners"].append({"kind": "user", "email": "mary@example.com"})
    api.says(two, {"event": "access/approve"})
    assert len(indent.petition.approve("aec1b116")) == 2
    people = [asked.body["claim"]["resources"][0]["email"] for asked in api.asked[1:]]
    assert people == ["jane@example.com", "mary@example.com"]


def test_a_petition_of_nobody_can_be_denied(api: ScriptedApi, indent: IndentAPI) -> None:
    """Where the API names no petitioner, the claim is about the resources."""
    nobody = {**petition("open"), "petitioners": []}
    api.says(nobody, {"event": "access/deny"})
    indent.petition.deny("aec1b116")
    assert api.asked[1].body["claim"]["resources"] == [{"kind": "okta.v1.Group", "id": "00g1"}]
