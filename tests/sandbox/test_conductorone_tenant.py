"""The sandbox's ConductorOne tenant makes genuine calls and gets answers."""

from __future__ import annotations

import json
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt as pyjwt
import pytest
from conductorone_sdk.models import shared

from cli.access_request import AccessRequest
from cli.check_conductorone import read_step_answer, signed_call
from cli.webhook_client import SendError, call
from sandbox.callers.conductorone import Tenant, button_test, policy_step
from sandbox.demo_data import JANE
from sandbox.lambda_url.event import domain_name
from sandbox.stack import Sandbox
from tests.support.projects import project_in

REGION = "us-west-2"
ADDRESS = f"https://{domain_name(REGION)}/conductorone"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def tenant(sandbox: Sandbox) -> Tenant:
    """The sandbox's own tenant."""
    return sandbox.tenant


def post(sandbox: Sandbox, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send a body over HTTP to the path of the webhook's address."""
    connection = HTTPConnection(urlsplit(sandbox.url).netloc, timeout=20)
    try:
        connection.request("POST", urlsplit(ADDRESS).path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_its_calls_are_genuine(tenant: Tenant) -> None:
    """An independent library verifies the token with the tenant's keys; the SDK reads the body."""
    assert tenant.webhook_url == ADDRESS
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


def test_answers_to_its_calls(tenant: Tenant, sandbox: Sandbox) -> None:
    """Jane is accepted for an hour but not for a day; another body or key is refused."""

    def answer(body: bytes, signed: bytes | None = None) -> tuple[int, dict[str, Any]]:
        return post(sandbox, body, tenant.headers(ADDRESS, signed or body))

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
        assert post(sandbox, hour, other.headers(ADDRESS, hour))[0] == 401


def test_a_call_that_it_makes_for_a_shell(tenant: Tenant, sandbox: Sandbox) -> None:
    """Only those who know the secret address get a signed call."""
    request = AccessRequest(JANE, (("", "e-1"),), {"app": "aws"}, HOUR, "the database is down")
    headers, body = signed_call(tenant.calls_url, request)
    payload = shared.PayloadPolicyApprovalStep.model_validate(json.loads(body)["payload"])
    assert payload.task_view
    assert payload.task_view.task
    assert payload.task_view.task.description == "the database is down"
    grant = json.loads(body)["payload"]["taskView"]["task"]["type"]["grant"]
    assert (grant["appId"], grant["appEntitlementId"]) == ("aws", "e-1")
    assert grant["grantDuration"] == "3600s"
    assert post(sandbox, body, headers)[0] == 200
    assert read_step_answer(post(sandbox, body, headers)[1]) == (
        True,
        "Approved: Incident Lead of INC-1 (incident.io) for as long as the incident is live",
    )
    headers, body = signed_call(tenant.calls_url, request._replace(duration=None))
    assert read_step_answer(post(sandbox, body, headers)[1])[0] is False
    with pytest.raises(SendError):
        signed_call(f"{tenant.calls_url}x", request)


@pytest.mark.parametrize(
    "body",
    [
        b"?",
        b"\xff",
        b"[1]",
        b"7",
        b'{"seconds": "x"}',
        b'{"seconds": 1e30}',
        b'{"email": 7}',
        b'{"email": "a@b", "entitlement": "e", "duration": 1}',
    ],
)
def test_an_invalid_body(tenant: Tenant, capfd: pytest.CaptureFixture[str], body: bytes) -> None:
    """A malformed body gets a 400, and the sandbox prints no stack trace."""
    assert call(tenant.calls_url, "POST", {}, body).http == 400
    assert capfd.readouterr() == ("", "")


def test_a_tenant_in_place_of_its_own(tmp_path: Path) -> None:
    """A stack's tenant doesn't replace the sandbox's; a test's tenant does."""
    project_in(tmp_path, CONDUCTORONE_TENANT="acme")
    hour = policy_step(JANE, HOUR, entitlement="e-1")
    with Tenant() as other:
        for config, trusted in ((None, False), (other.settings, True)):
            with Sandbox(tmp_path, config=config) as sandbox:
                theirs = post(sandbox, hour, other.headers(ADDRESS, hour))[0]
                assert theirs == (200 if trusted else 401)
                own = post(sandbox, hour, sandbox.tenant.headers(ADDRESS, hour))[0]
                assert own == (401 if trusted else 200)
