"""A policy file: from the project's folder to the deployed function's decision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pulumi
import pytest

from cli.webhook_client import request_event
from sandbox.demo import send_requests
from sandbox.demo_data import DAN, JANE, NORA, OMAR, RITA, seed_incidentio
from sandbox.stack import Sandbox
from tests.e2e.webhook_calls import Webhook, duration_of, over_http
from tests.support.projects import project_in

POLICY = """\
rules:
  - name: Production reaches databases
    resources: {kinds: [postgres.v1.Role, example.v1.Resource], ids: ["prod-*"]}
    when:
      any:
        - on_call: {provider: incidentio, schedules: [Production]}
        - incident_role: {roles: [Incident Lead]}
    duration: 2h
    end_with_shift: {grace: 15m, without_end: 1h}
  - name: nobody gets the innermost tier
    resources: {kinds: [postgres.v1.Role], labels: {Tier: "0"}}
    deny: true
aliases:
  nora@example.com: [rita@example.com]
"""
TESTS = """\
at: 2026-11-24T10:00:00Z
cases:
  - name: on shift
    who: omar@example.com
    asks_for: {kind: postgres.v1.Role, id: prod-db, labels: {Tier: "1"}}
    providers_say: [{on_call: {provider: incidentio, schedule: Production, until: never}}]
    expect: {approved: true, rule: Production reaches databases, duration: 1h}
  - name: the innermost tier
    who: omar@example.com
    asks_for: {kind: postgres.v1.Role, id: prod-ledger, labels: {Tier: "0"}}
    providers_say: [{on_call: {provider: incidentio, schedule: Production, until: never}}]
    expect: {approved: false, denied_by: nobody gets the innermost tier}
"""
NAMED = {"AUTO_APPROVAL_POLICY": "policy/prod.yaml"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a policy and its tests."""
    (tmp_path / "policy").mkdir()
    write(tmp_path, POLICY)
    return project_in(tmp_path, **NAMED)


def write(project: Path, policy: str, tests: str = TESTS) -> None:
    """Write the policy and its tests."""
    (project / "policy" / "prod.yaml").write_text(policy, encoding="utf-8")
    (project / "policy" / "prod.test.yaml").write_text(tests, encoding="utf-8")


def ask(
    sandbox: Sandbox, who: str, name: str = "prod-db", tier: str = "1"
) -> list[tuple[str, str]]:
    """Request a database, and return reason and duration of each claim."""
    webhook = Webhook(sandbox.webhook_secret, over_http(sandbox.url))
    event = request_event(who, [f"postgres.v1.Role:{name}"], resource_labels={"Tier": tier})
    return [(claim["reason"], duration_of(claim)) for claim in webhook.ask(event)]


def test_demo_expects_access_to_end_with_the_shift(project: Path) -> None:
    """The demo's expectations also hold if access ends with the shift."""
    write(project, POLICY.replace("duration: 2h", "duration: 24h"))
    with Sandbox(project) as sandbox:
        outcomes = send_requests(sandbox)
        assert [outcome.row for outcome in outcomes if not outcome.expected] == []
        of_omar = [outcome.verdict for outcome in outcomes if outcome.request.email == OMAR]
        assert [verdict.outcome for verdict in of_omar] == ["approved", "approved"]
        hours = [(verdict.duration or timedelta()) / timedelta(hours=1) for verdict in of_omar]
        assert all(8.1 < value < 8.3 for value in hours)


def test_function_decides_by_the_file(project: Path) -> None:
    """The reason names the rule; a changed policy changes the zip and the decision."""
    with Sandbox(project) as sandbox:
        # The demo derives the outcomes of its requests from the policy in the zip.
        assert [outcome.row for outcome in send_requests(sandbox) if not outcome.expected] == []
        ((reason, duration),) = ask(sandbox, OMAR)
        assert reason.startswith('Rule "Production reaches databases": on call for Production')
        assert duration == "2h0m0s"
        lead = (
            'Rule "Production reaches databases": Incident Lead of INC-1 (incident.io) '
            "for as long as the incident is live"
        )
        assert ask(sandbox, JANE) == [(lead, "1h0m0s")]
        # Not approved: people without a duty that counts, another resource, tier 0.
        for who in (RITA, DAN, NORA):
            assert ask(sandbox, who) == []
        assert ask(sandbox, OMAR, name="test-db") == []
        assert ask(sandbox, OMAR, tier="0") == []
        names = [rule.name for rule in sandbox.settings.policy.rules]
        assert names == ["Production reaches databases", "nobody gets the innermost tier"]
        before = sandbox.deployment.function.zip

    write(project, POLICY.replace("without_end: 1h", "without_end: 30m"))
    with pytest.raises(pulumi.RunError, match="run `make policy-test`"), Sandbox(project):
        pytest.fail("it was deployed against its tests")
    write(
        project,
        POLICY.replace("without_end: 1h", "without_end: 30m"),
        TESTS.replace("duration: 1h", "duration: 30m"),
    )
    with Sandbox(project) as sandbox:
        assert sandbox.deployment.function.zip != before
        assert sandbox.double
        seed_incidentio(sandbox.double)
        assert ask(sandbox, JANE) == [(lead, "30m0s")]
