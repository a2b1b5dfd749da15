"""What the rooms share: a whole sandbox, running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.cast import put_on_stage
from sandbox.running import Sandbox
from tests.projects import project_in


# Of a module, not of the session: there is one moto in a process, and other tests start their own.
@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with the dev stack's defaults and the demo's cast."""
    with Sandbox(project_in(tmp_path_factory.mktemp("project"))) as running:
        assert running.double
        put_on_stage(running.double)
        yield running
