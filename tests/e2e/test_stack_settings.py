"""A stack's settings, and its secret, change the deployed webhook's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from sandbox.demo_data import JANE, seed_incidentio
from sandbox.stack import Sandbox
from tests.e2e.webhook_calls import Webhook, duration_of, over_http, request_of
from tests.support.projects import project_in

Start = Callable[..., tuple[Sandbox, Webhook]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sandbox with other settings than the dev stack's."""
    with ExitStack() as stack:

        def started(**config: str) -> tuple[Sandbox, Webhook]:
            sandbox = stack.enter_context(Sandbox(project_in(tmp_path), config=config))
            assert sandbox.double
            seed_incidentio(sandbox.double)
            return sandbox, Webhook(sandbox.webhook_secret, over_http(sandbox.url))

        yield started


def test_dry_run_claims_nothing(start: Start) -> None:
    """In dry run the decision is logged, and no claim is sent."""
    sandbox, webhook = start(AUTO_APPROVAL_DRY_RUN="true")
    assert webhook.ask(request_of(JANE)) == []
    line = sandbox.log.wait_for(lambda line: line.get("message") == "decision", seconds=30)
    assert line
    assert (line["outcome"], line["dry_run"]) == ("approve", True)


def test_no_concurrency_shuts_the_url(start: Start) -> None:
    """With RESERVED_CONCURRENCY=0 every call gets 429."""
    _, webhook = start(RESERVED_CONCURRENCY="0")
    assert webhook.call({"info": True}).http == 429


def test_unreadable_secret_is_a_503_until_it_is_back(start: Start) -> None:
    """After a missing secret is restored, the function reads it within seconds.

    The stack also sets AUTO_APPROVAL_DURATION=3, so it approves for 3h0m0s.
    """
    sandbox, webhook = start(AUTO_APPROVAL_DURATION="3")
    secrets, arn = sandbox.aws.client("secretsmanager"), sandbox.deployment.outputs["secret_arn"]
    secrets.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    gone = webhook.call({"events": [request_of(JANE)]})
    assert (gone.http, gone.body["status"]["code"]) == (503, 14)
    line = sandbox.log.wait_for(lambda line: line.get("message") == "failed", seconds=30)
    assert line
    assert line["why"].startswith("Secrets Manager: answered 400")
    secrets.restore_secret(SecretId=arn)
    patience, pause = monotonic() + 30, Event()
    while webhook.call({"info": True}).http == 503 and monotonic() < patience:
        pause.wait(0.2)
    (claim,) = webhook.ask(request_of(JANE))
    assert duration_of(claim) == "3h0m0s"
