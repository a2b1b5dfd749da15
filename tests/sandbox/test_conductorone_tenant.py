"""The sandbox's tenant of ConductorOne: what it sends is genuine, what is deployed answers it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import jwt as pyjwt
import pytest
from conductorone_sdk.models import shared

from sandbox.callers.conductorone import Tenant, button_test, policy_step
from sandbox.demo_data import JANE, seed_incidentio
from sandbox.lambda_url.event import domain_name
from sandbox.stack import Sandbox
from tests.support.projects import project_in

REGION = "us-west-2"
ADDRESS = f"https://{domain_name(REGION)}/conductorone"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    """It answers to whoever asks for its keys."""
    with Tenant() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def called(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that it may call; Jane leads an incident there."""
    project = project_in(tmp_path_factory.mktemp("project"), region=REGION)
    with Sandbox(project, config=tenant.settings) as sandbox:
        assert sandbox.double
        seed_incidentio(sandbox.double)
        yield sandbox


def post(sandbox: Sandbox, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send over HTTP, to the path that the webhook's address has."""
    connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=20)
    try:
        connection.request("POST", urlsplit(ADDRESS).path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_what_it_sends(tenant: Tenant) -> None:
    """A token that an independent library verifies by its keys, a body that the SDK reads."""
    url = tenant.settings["CONDUCTORONE_BASE_URL"]
    body = policy_step(JANE, HOUR, entitlement="e-1")
    token = tenant.headers(ADDRESS, body)["Authorization"].removeprefix("bearer ")
    key = pyjwt.PyJWKClient(f"{url}/auth/v1/jwks").get_signing_key_from_jwt(token)
    claims = pyjwt.decode(token, key, ["RS256"], audience=domain_name(REGION))
    assert claims["htu"] == ADDRESS
    payload = shared.PayloadPolicyApprovalStep.model_validate(json.loads(body)["payload"])
    assert payload.task_view
    assert payload.task_view.task
    assert payload.task_view.task.state == shared.TaskState.TASK_STATE_OPEN


def test_what_it_is_answered(tenant: Tenant, called: Sandbox) -> None:
    """Jane is accepted for an hour, and not for a day; a stranger's word is none; a test is one."""

    def answer(body: bytes, signed: bytes | None = None) -> tuple[int, dict[str, Any]]:
        return post(called, body, tenant.headers(ADDRESS, signed or body))

    hour = policy_step(JANE, HOUR, entitlement="e-1")
    http, accepted = answer(hour)
    assert http == 200
    assert [*accepted["replacePolicy"]["policySteps"][0]] == ["accept"]
    day = policy_step(JANE, 24 * HOUR, entitlement="e-1")
    http, left = answer(day)
    assert http == 200
    assert left["approve"]["comment"].startswith("Left to humans: access for 24 hours")
    assert answer(day, signed=hour)[0] == 401
    assert answer(button_test()) == (200, {"version": "v1"})
    with Tenant() as other:
        assert post(called, hour, other.headers(ADDRESS, hour))[0] == 401
