"""A space with a webhook, its page, and a PagerDuty account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandbox.demo_data import PEOPLE
from sandbox.function_log import FunctionLog
from sandbox.page import Page
from sandbox.page.duty_board import DutyBoard, IncidentIOBoard
from sandbox.space import Space
from sandbox.vendors.incidentio import Organisation
from sandbox.vendors.pagerduty import PagerDuty
from tests.sandbox.manual_clock import ManualClock
from tests.sandbox.page_client import SETTINGS, PageClient, demo_organisation
from tests.sandbox.running_space import ADA, JANE, OMAR, SECRET, Client, FakeWebhook
from tests.sandbox.vendor_accounts import ANA, BO, KEY


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the space and its webhook."""
    return ManualClock()


@pytest.fixture
def webhook(clock: ManualClock) -> Iterator[FakeWebhook]:
    """A running webhook."""
    with FakeWebhook(clock) as webhook:
        yield webhook


@pytest.fixture
def space(clock: ManualClock, webhook: FakeWebhook) -> Iterator[Space]:
    """A space that asks the webhook about resources with the label Env=Prod."""
    with Space(now=clock, webhook_pauses=(0, 0)) as space:
        space.add_resource("okta.v1.Group", "prod", "Production", {"Env": "Prod"})
        space.add_resource("okta.v1.Group", "test", "Testing", {"Env": "Test"})
        hook = space.add_webhook(f"{webhook.url}/hook", SECRET, "on-call")
        space.add_policy(hook, {"Env": "Prod"})
        yield space


@pytest.fixture
def jane(space: Space) -> Client:
    """The client of Jane, who requests access."""
    return Client(space, space.token_for(JANE))


@pytest.fixture
def omar(space: Space) -> Client:
    """The client of another person."""
    return Client(space, space.token_for(OMAR))


@pytest.fixture
def ada(space: Space) -> Client:
    """The client of an administrator."""
    return Client(space, space.token_for(ADA, admin=True))


@pytest.fixture
def account(clock: ManualClock) -> Iterator[PagerDuty]:
    """Two people and one without an e-mail at PagerDuty, with nobody on call."""
    with PagerDuty(KEY, now=clock) as account:
        account.add_person("Ana Lima", ANA)
        account.add_person("Bo Berg", BO)
        account.add_person("Cy Nomail", None)
        yield account


@pytest.fixture
def organisation(clock: ManualClock) -> Organisation:
    """An organisation at incident.io: Omar on shift, and an incident that Jane leads."""
    return demo_organisation(clock)


@pytest.fixture
def log(tmp_path: Path) -> FunctionLog:
    """The function's log, empty."""
    return FunctionLog(tmp_path / "function.log")


@pytest.fixture
def boards(organisation: Organisation) -> Sequence[DutyBoard]:
    """The duties on the page: those at incident.io, unless a test module overrides this."""
    return [IncidentIOBoard(organisation)]


@pytest.fixture
def page(
    request: pytest.FixtureRequest, space: Space, boards: Sequence[DutyBoard], log: FunctionLog
) -> Iterator[Page]:
    """The page; with the parameter "live" it has no switches."""
    live = getattr(request, "param", "") == "live"
    for email, name in PEOPLE.items():
        space.add_person(email, name)
    with Page(space, [] if live else boards, log, SETTINGS) as page:
        yield page


@pytest.fixture
def client(page: Page) -> PageClient:
    """A browser with the page open."""
    return PageClient(page.url)
