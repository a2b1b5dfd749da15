"""What the tests on the real engine share. Without a `pulumi` on PATH they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.aws import Aws
from tests.engine.project import Project

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip it where it cannot run."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.engine)
            if shutil.which("pulumi") is None:
                reason = "no `pulumi` on PATH: https://www.pulumi.com/docs/install/"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of the project, and an empty local AWS."""
    with Aws("us-west-2") as aws:
        yield Project(tmp_path_factory.mktemp("engine"), aws)
