"""Fixtures of the tests with the real engine, which are skipped without `pulumi` on PATH."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sandbox.demo_data import seed_incidentio
from sandbox.local_aws.moto_server import Aws
from sandbox.vendors.incidentio import create_double
from tests.engine.aws_proxy import AwsProxy
from tests.engine.pulumi_project import PulumiProject

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder that runs the CLI, or skip it without one."""
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
def proxy(aws: Aws) -> Iterator[AwsProxy]:
    """The proxy through which the CLI reaches that AWS."""
    with AwsProxy(aws) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, aws: Aws, proxy: AwsProxy) -> PulumiProject:
    """A copy of the project, for that AWS."""
    return PulumiProject(tmp_path_factory.mktemp("engine"), aws, proxy.endpoint)


@pytest.fixture(scope="module")
def provider() -> Iterator[Mapping[str, str]]:
    """The settings of a provider that has the demo's people and duties."""
    with create_double() as double:
        seed_incidentio(double)
        yield double.settings
