"""A claim that the deployed webhook didn't make for this petition grants nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from indentapi import IndentAPI, PermissionDeniedError, Petition, Resource

from cli.webhook_client import DEFAULT_KIND
from sandbox.demo_data import JANE, NORA, OMAR, RESOURCE
from sandbox.space import Space
from sandbox.stack import Sandbox
from tests.e2e.proxied_space import OTHER, Json, Proxy, client_of, tampered_space

PROD: Resource = {"kind": DEFAULT_KIND, "id": RESOURCE}
TEST: Resource = {"kind": DEFAULT_KIND, "id": OTHER}


@pytest.fixture
def tampered(sandbox: Sandbox) -> Iterator[tuple[Space, Proxy]]:
    """A space, and the proxy in front of its webhook."""
    with tampered_space(sandbox) as both:
        yield both


def request_access(indent: IndentAPI, **fields: Any) -> Petition:  # noqa: ANN401 - any field of a petition
    """Request the database, and give the petition once the webhook has answered."""
    return indent.petition.create(
        reason="to debug", resources=[PROD], wait_for_reviewable=True, **fields
    )


def phase_of(petition: Petition) -> str:
    """Give the petition's phase."""
    return petition["state"]["status"]["phase"]


def with_fields(**fields: object) -> Callable[[Json], Json]:
    """Change fields of a claim."""
    return lambda claim: {**claim, **fields}


def with_labels(**labels: str) -> Callable[[Json], Json]:
    """Change labels of a claim; two underscores stand for `indent.com/`."""

    def change(claim: Json) -> Json:
        changes = {name.replace("__", "indent.com/"): value for name, value in labels.items()}
        all_labels = {**claim["meta"]["labels"], **changes}
        return {**claim, "meta": {"labels": all_labels}}

    return change


def with_resources(change: Callable[[list[Json]], list[Json]]) -> Callable[[Json], Json]:
    """Change the resources of a claim: the petitioner first, then those requested."""
    return lambda claim: {**claim, "resources": change(claim["resources"])}


def without_end(claim: Json) -> Json:
    """Remove the labels that limit the time."""
    labels = claim["meta"]["labels"].items()
    others = {name: value for name, value in labels if not name.startswith("indent.com/time/")}
    return {**claim, "meta": {"labels": others}}


FORGERIES: dict[str, Callable[[Json], Json]] = {
    "for another petition": with_labels(petition="8ef33e3e-2a1c-4a6e-9f3d-d4ba2f6f1d5a"),
    "for another petition, by both labels": with_labels(petition="other", __petition="other"),
    "for no petition": with_fields(meta={"labels": {"indent.com/time/duration": "6h0m0s"}}),
    "for more than was asked": with_resources(lambda them: [*them, dict(TEST)]),
    "for another resource": with_resources(lambda them: [them[0], dict(TEST)]),
    "for less than was asked": with_resources(lambda them: them[:1]),
    "for another person": with_resources(
        lambda them: [{"kind": "user", "id": OMAR, "email": OMAR}, *them[1:]]
    ),
    "by another bot": with_fields(actor={"kind": "indent.v1.Bot", "id": "another-bot"}),
    "by a person": with_fields(actor={"kind": "user", "id": NORA, "email": NORA}),
    "without an end": without_end,
    "a grant at once": with_fields(event="access/grant"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_claim_that_was_tampered_with(
    forge: Callable[[Json], Json], tampered: tuple[Space, Proxy]
) -> None:
    """The webhook's approval grants access; changed on its way, it doesn't."""
    space, proxy = tampered
    proxy.claims = lambda claims: [forge(claim) for claim in claims]
    with client_of(space, JANE) as jane:
        assert phase_of(request_access(jane)) == "open"
        assert len(proxy.answered[-1]) == 1
        assert jane.claim.list() == []
        proxy.claims = lambda claims: claims
        assert phase_of(request_access(jane)) == "granted"


def test_an_answer_given_before(tampered: tuple[Space, Proxy]) -> None:
    """A claim that granted one petition grants no later petition, of the same person or another."""
    space, proxy = tampered
    with client_of(space, JANE) as jane, client_of(space, NORA) as nora:
        assert phase_of(request_access(jane)) == "granted"
        (earlier,) = proxy.answered
        proxy.claims = lambda _: earlier
        assert phase_of(request_access(jane)) == "open"
        assert phase_of(request_access(nora)) == "open"


def test_a_request_that_was_tampered_with(tampered: tuple[Space, Proxy]) -> None:
    """If the requester is replaced on the way, the signature no longer matches."""
    space, proxy = tampered
    proxy.body = lambda body: body.replace(NORA.encode(), JANE.encode())
    with client_of(space, NORA) as nora:
        assert phase_of(request_access(nora)) == "open"
    assert NORA.encode() in proxy.calls[-1].body
    assert any("answered HTTP 401" in note.text for note in space.petitions.all()[-1].notes)


def test_the_requester_in_the_bot_s_name(tampered: tuple[Space, Proxy]) -> None:
    """A requester who posts a correct approval in the bot's name is refused."""
    space, proxy = tampered
    with client_of(space, JANE) as jane, client_of(space, NORA) as nora:
        request_access(jane)
        petition = request_access(nora)
        name = petition["name"]
        ((genuine,), nothing) = proxy.answered
        assert nothing == []
        copied = json.dumps(genuine).replace(JANE, NORA)
        forged = with_labels(petition=name, __petition=name)(json.loads(copied))
        # The claim is what the webhook would answer; only its sender makes it a forgery.
        for claims in (nora.petition.claims(name), nora.claim):
            with pytest.raises(PermissionDeniedError):
                claims.create(forged)  # type: ignore[arg-type] # a dict, as it was answered
        assert phase_of(nora.petition.get(name)) == "open"
        assert nora.claim.list(label_selector=f"petition={name}") == []


def test_every_petitioner_needs_a_claim(tampered: tuple[Space, Proxy]) -> None:
    """With two petitioners, nothing is granted unless both claims arrive."""
    space, proxy = tampered
    both: list[Resource] = [{"kind": "user", "email": email} for email in (JANE, OMAR)]
    for email in (JANE, OMAR):
        space.add_person(email)
    with client_of(space, NORA, admin=True) as boss:
        proxy.claims = lambda claims: claims[:1] * 2
        assert phase_of(request_access(boss, petitioners=both)) == "open"
        proxy.claims = lambda claims: claims
        assert phase_of(request_access(boss, petitioners=both)) == "granted"
    assert [len(claims) for claims in proxy.answered] == [2, 2]
