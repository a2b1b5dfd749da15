"""What the rooms share: a whole sandbox, running, and that every decision can be made again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.cast import put_on_stage
from sandbox.running import Sandbox
from tests.projects import project_in
from tests.replayed import all_decisions_replayed, replay_all


# Of a module, not of the session: there is one moto in a process, and other tests start their own.
@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with the dev stack's defaults and the demo's cast."""
    with Sandbox(project_in(tmp_path_factory.mktemp("project"))) as running:
        assert running.double
        put_on_stage(running.double)
        yield running
        replay_all(running.log.records, running.settings.policy)


@pytest.fixture(autouse=True)
def _replayed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Record and policy give every decision of a test again, offline."""
    with all_decisions_replayed(request.module, monkeypatch):
        yield
