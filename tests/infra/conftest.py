"""Runs of the real program, as the tests of the room share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.infra.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.local_aws.program import ProgramRun, Registration


@pytest.fixture
def program() -> Program:
    """Give a program that has not run."""
    return Program()


@pytest.fixture(scope="session")
def dev() -> ProgramRun:
    """Run the program for a stack without settings of its own."""
    return Program().run()


@pytest.fixture(scope="session")
def registered(dev: ProgramRun) -> Mapping[str, Registration]:
    """Give that stack's resources by type, each of which occurs once; without the monitoring."""
    result = [each for each in dev.registrations if ":Monitoring" not in each.urn]
    by_type = {resource.type: resource for resource in result}
    assert len(by_type) == len(result)
    return by_type
