"""A space with three people, two resources and a webhook that a test plays; a PagerDuty account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.doubles.pagerduty import PagerDuty
from sandbox.space import Space
from tests.sandbox import pagerduty_asked
from tests.sandbox.asked import Watch
from tests.sandbox.space_played import ADA, JANE, OMAR, SECRET, Client, PlayedWebhook


@pytest.fixture
def watch() -> Watch:
    """The clock of the space and its webhook."""
    return Watch()


@pytest.fixture
def webhook(watch: Watch) -> Iterator[PlayedWebhook]:
    """A webhook that runs."""
    with PlayedWebhook(watch) as one:
        yield one


@pytest.fixture
def space(watch: Watch, webhook: PlayedWebhook) -> Iterator[Space]:
    """A space that asks the webhook about what is labelled Env=Prod."""
    with Space(now=watch, webhook_pauses=(0, 0)) as one:
        one.add_resource("okta.v1.Group", "prod", "Production", {"Env": "Prod"})
        one.add_resource("okta.v1.Group", "test", "Testing", {"Env": "Test"})
        hook = one.add_webhook(f"{webhook.url}/hook", SECRET, "on-call")
        one.add_policy(hook, {"Env": "Prod"})
        yield one


@pytest.fixture
def jane(space: Space) -> Client:
    """Somebody who requests."""
    return Client(space, space.token_for(JANE))


@pytest.fixture
def omar(space: Space) -> Client:
    """Somebody else."""
    return Client(space, space.token_for(OMAR))


@pytest.fixture
def ada(space: Space) -> Client:
    """An administrator."""
    return Client(space, space.token_for(ADA, admin=True))


@pytest.fixture
def account(watch: Watch) -> Iterator[PagerDuty]:
    """Two people and one who has no e-mail, at PagerDuty; nobody is on call."""
    with PagerDuty(pagerduty_asked.KEY, now=watch) as one:
        one.add_person("Ana Lima", pagerduty_asked.ANA)
        one.add_person("Bo Berg", pagerduty_asked.BO)
        one.add_person("Cy Nomail", None)
        yield one
