"""The human reviewer's buttons, and a petition's way from open to its end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox.demo_data import JANE, NORA, RITA
from sandbox.space import Space
from tests.sandbox.asked import Watch
from tests.sandbox.page_client import PROD, TEST, Visitor, asked
from tests.sandbox.running_space import HOUR, FakeWebhook, approve_all


@pytest.fixture
def name(space: Space, visitor: Visitor) -> str:
    """A petition of Jane's that is open."""
    return asked(space, visitor).name


def part(visitor: Visitor, name: str) -> str:
    """What the page shows of a petition."""
    html = visitor.get().html
    return html[html.index(f'id="petition-{name}"') : html.index("</article>", html.index(name))]


def verbs(visitor: Visitor, name: str) -> list[str]:
    """The buttons that a petition has."""
    shown = part(visitor, name)
    return [each for each in ("approve", "deny", "revoke") if f'value="{each}"' in shown]


def test_approve(space: Space, visitor: Visitor, name: str) -> None:
    """It is granted by the administrator, for as long and for the reason that he gives."""
    assert verbs(visitor, name) == ["approve", "deny"]
    answer = visitor.review(name, "approve", length="30m", reason="go ahead")
    assert (answer.status, answer.headers["Location"]) == (303, f"/#petition-{name}")
    petition = space.petitions.get(name)
    assert petition.phase == "granted"
    assert petition.expires_at == space.now() + timedelta(minutes=30)
    assert petition.claims[0].event["actor"]["email"] == NORA
    words = visitor.get().words
    assert "✓ Granted until 2 Mar 12:30 UTC" in words
    assert "Nora Falk, a human, approves until 2 Mar 12:30 UTC “go ahead”" in words
    assert "Access is granted until 2 Mar 12:30 UTC" in words
    assert verbs(visitor, name) == ["revoke"]


@pytest.mark.parametrize(
    ("who", "reviewer", "called"),
    [(JANE, NORA, "Nora Falk"), (NORA, RITA, "Rita Mora"), (RITA, NORA, "Nora Falk")],
)
def test_somebody_else_reviews(
    space: Space, visitor: Visitor, who: str, reviewer: str, called: str
) -> None:
    """The page is never the eyes of who asks, and says whose they are."""
    name = asked(space, visitor, who).name
    assert f"You review as {called}, a human." in part(visitor, name)
    assert visitor.review(name, "approve", length="30m").status == 303
    (claim,) = space.petitions.get(name).claims
    assert claim.event["actor"]["email"] == reviewer


def test_grant_of_several_things_is_one_step(space: Space, visitor: Visitor) -> None:
    """The space keeps an event for each; the page tells what happened, and that happened once."""
    name = asked(space, visitor, JANE, PROD, TEST).name
    visitor.review(name, "approve", length="1h")
    assert len(space.petitions.get(name).events) == 4
    assert visitor.get().words.count("Access is granted") == 1


def test_approve_as_long_as_asked(space: Space, visitor: Visitor) -> None:
    """Where somebody asked for a time, that is what is offered first."""
    name = asked(space, visitor, JANE, PROD, duration="2h").name
    assert '<option value="">as long as asked</option>' in part(visitor, name)
    visitor.review(name, "approve", length="")
    assert space.petitions.get(name).expires_at == space.now() + 2 * HOUR


def test_approve_until_revoked(space: Space, visitor: Visitor, name: str) -> None:
    """Where nobody asked for a time, none can be given; the page says so."""
    assert '<option value="">until revoked</option>' in part(visitor, name)
    visitor.review(name, "approve", length="")
    assert space.petitions.get(name).expires_at is None
    words = visitor.get().words
    assert "✓ Granted until revoked" in words
    assert "Access is granted until revoked" in words


def test_deny(space: Space, visitor: Visitor, name: str) -> None:
    """It is closed, and can be reviewed no more."""
    assert visitor.review(name, "deny", reason="not today").status == 303
    assert space.petitions.get(name).phase == "closed"
    words = visitor.get().words
    assert "✕ Denied" in words
    assert "Nora Falk denies it. “not today”" in words
    assert verbs(visitor, name) == []


def test_revoke(space: Space, visitor: Visitor, watch: Watch, name: str) -> None:
    """The access ends, and the page says who ended it, also once the petition has closed."""
    visitor.review(name, "approve", length="1h")
    assert visitor.review(name, "revoke").status == 303
    for _ in range(2):
        assert "■ Revoked" in visitor.get().words
        assert "Nora Falk revokes it: the access ends." in visitor.get().words
        assert "No reason given" not in visitor.get().words
        assert verbs(visitor, name) == []
        watch.time += HOUR
    assert space.petitions.get(name).phase == "closed"


def test_access_that_expires(visitor: Visitor, watch: Watch, name: str) -> None:
    """When its time is up the page says so by itself."""
    visitor.review(name, "approve", length="1h")
    watch.time += HOUR
    words = visitor.get().words
    assert "■ Expired" in words
    assert "The time is up: the access ends." in words
    assert verbs(visitor, name) == []


def test_what_comes_too_late_is_told_at_the_petition(
    space: Space, visitor: Visitor, name: str
) -> None:
    """Somebody else was faster: the sentence stands at the petition, which shows how it is now."""
    visitor.review(name, "deny")
    answer = visitor.review(name, "approve")
    assert answer.status == 400
    begin = answer.html.index(f'id="petition-{name}"')
    shown = answer.html[begin : answer.html.index("</article>", begin)]
    assert "A petition that is closed takes no access/approve." in shown
    assert space.petitions.get(name).phase == "closed"
    assert "Not done" not in visitor.get().words


def test_petition_that_is_gone_is_told_above_the_others(visitor: Visitor) -> None:
    """There is no place of its own to tell it at."""
    answer = visitor.review("none", "approve")
    assert answer.status == 404
    assert "There is no petition 'none' in this space." in answer.words
    assert 'id="problem-petitions"' in answer.html


def test_wrong_length_is_told_at_the_petition(space: Space, visitor: Visitor, name: str) -> None:
    """The form offers none; one that is sent all the same approves nothing."""
    answer = visitor.review(name, "approve", length="long")
    assert answer.status == 400
    assert "“long” isn't a duration: use for example 90m or 1h30m." in answer.words
    assert space.petitions.get(name).phase == "open"


@pytest.mark.parametrize("verb", ["", "access/grant", "explode"])
def test_unknown_verb_does_nothing(space: Space, visitor: Visitor, name: str, verb: str) -> None:
    """A reviewer can approve, deny and revoke, and nothing else."""
    answer = visitor.review(name, verb)
    assert answer.status == 400
    assert "A claim's event is one of access/approve, access/deny and" in answer.words
    assert space.petitions.get(name).phase == "open"


def test_webhooks_grant_can_be_revoked(
    space: Space, visitor: Visitor, webhook: FakeWebhook
) -> None:
    """A human can end what the webhook began."""
    webhook.claims = approve_all
    name = asked(space, visitor).name
    assert verbs(visitor, name) == ["revoke"]
    visitor.review(name, "revoke", reason="incident is over")
    assert space.petitions.get(name).phase == "revoked"
    assert "“incident is over”" in visitor.get().words
