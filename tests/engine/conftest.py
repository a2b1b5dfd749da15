"""What the tests on the real engine share. Without a `pulumi` on PATH they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import put_on_stage
from sandbox.local_aws.moto_server import Aws
from sandbox.vendors.incidentio import create_double
from tests.engine.gate import Gate
from tests.engine.project import Project

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder that runs the CLI, and skip it where there is none."""
    for item in items:
        if HERE in item.path.parents and "project" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)
            if shutil.which("pulumi") is None:
                reason = "no `pulumi` on PATH: https://www.pulumi.com/docs/install/"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """An empty local AWS."""
    with Aws("us-west-2") as aws:
        yield aws


@pytest.fixture(scope="module")
def gate(aws: Aws) -> Iterator[Gate]:
    """The door by which the CLI comes to that AWS."""
    with Gate(aws) as gate:
        yield gate


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, gate: Gate) -> Project:
    """A copy of the project, for that AWS."""
    return Project(tmp_path_factory.mktemp("engine"), aws, gate.endpoint)


@pytest.fixture(scope="module")
def provider() -> Iterator[Mapping[str, str]]:
    """The settings of a provider, with the demo's cast on stage."""
    with create_double() as double:
        put_on_stage(double)
        yield double.settings
