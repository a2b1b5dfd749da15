"""Refused calls of all providers, and the User-Agent of every call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handler.connection import USER_AGENT
from handler.duty import ProviderSnapshot
from handler.http import Client
from handler.providers.base import DutyQuery
from handler.providers.collect import load_clients
from handler.providers.registry import BY_ID, PROVIDERS, Provider, other_region
from handler.providers.runner import ask
from tests.handler.conftest import SetClock
from tests.handler.scripted import Scripted, reply

Serve = Callable[..., Scripted]
EVERYTHING = DutyQuery(any_schedule=True, roles=True, updates=True)


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.id)
@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_firewall_in_front(
    status: int, provider: Provider, client: Client, serve: Serve, set_clock: SetClock
) -> None:
    """A firewall's refusal isn't reported as a missing right; every call has our User-Agent."""
    server = serve(reply(b"<html>", status))
    settings = {provider.key: "k3y", "JSM_EMAIL": "bot@acme.example", "JSM_SITE": server.url}
    settings |= dict.fromkeys((name for name in provider.keys if "URL" in name), server.url)
    (asked,) = load_clients(client, set_clock.clock, {provider.id: settings}).values()
    snapshot = ask(asked.questions(EVERYTHING, ProviderSnapshot()), set_clock.deadline())
    output = f"a firewall or proxy in front of 127.0.0.1 refused the request ({status})"
    assert {failure.problem for failure in snapshot.failures} == {output}
    assert {request.headers["user-agent"] for request in server.requests} == {USER_AGENT}


@pytest.mark.parametrize(
    ("provider", "base_url", "command"),
    [
        ("opsgenie", "https://api.opsgenie.com", "OPSGENIE_BASE_URL https://api.eu.opsgenie.com"),
        ("opsgenie", "https://api.eu.opsgenie.com", "OPSGENIE_BASE_URL https://api.opsgenie.com"),
        ("opsgenie", "https://proxy.example", "OPSGENIE_BASE_URL https://api.eu.opsgenie.com"),
        (
            *("pagerduty", "https://api.pagerduty.com"),
            "PAGERDUTY_BASE_URL https://api.eu.pagerduty.com",
        ),
        (
            *("pagerduty", "https://api.eu.pagerduty.com"),
            "PAGERDUTY_BASE_URL https://api.pagerduty.com",
        ),
    ],
)
def test_the_other_region(provider: str, base_url: str, command: str) -> None:
    """The hint has the command that switches to the other region."""
    output = other_region(BY_ID[provider], base_url)
    assert output == f", or the key belongs to the other region: run `pulumi config set {command}`"


def test_the_usual_region_is_the_first() -> None:
    """A provider's first region is the default of the setting."""
    for provider in PROVIDERS:
        if provider.regions:
            assert provider.settings[0].default == provider.regions[0]
