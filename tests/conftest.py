"""Fixtures for all tests: a running sandbox, and the replay of every decision."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Generator, Iterator
from functools import cache
from itertools import cycle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.hooks import EventAliaser
from botocore.loaders import create_loader

from tests.support.decision_replay import all_decisions_replayed, replay_all

if TYPE_CHECKING:
    from sandbox.stack import Sandbox


def pytest_collection_finish() -> None:
    """Exclude modules and tests from garbage collection, since they live until the end.

    Searching them repeatedly took a tenth of the tests' time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, None, None]:
    """Repeat every decision of a test offline, from its record and policy.

    An automatic fixture would do the same, but there are thousands of tests, and it costs more.
    """
    with pytest.MonkeyPatch.context() as patch, all_decisions_replayed(item.module, patch):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_aws_of_this_machine() -> Iterator[None]:
    """Hide the developer's AWS profile and files from the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # Otherwise each boto3 session reads the services' descriptions again, which takes 100 ms.
        patch.setattr(botocore.session, "create_loader", cache(create_loader))
        # The same applies to each event's name.
        alias, names = EventAliaser._alias_event_name, dict[str, str]()

        def alias_once(aliaser: EventAliaser, name: str) -> str:
            if name not in names:
                names[name] = alias(aliaser, name)
            return names[name]

        patch.setattr(EventAliaser, "_alias_event_name", alias_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _spare_work_that_no_test_looks_at() -> Iterator[None]:
    """Skip work that is slow and that no test needs.

    That is Pulumi's call stack of each resource, which only the engine shows; a new RSA key for
    each tenant and each KMS key; and making the page's templates and Moto's routes again.
    """
    with pytest.MonkeyPatch.context() as patch:
        # Only if they are already imported; most test files need none of them.
        if resource := sys.modules.get("pulumi.runtime.resource"):
            patch.setattr(resource, "_get_stack_trace", resource.source_pb2.StackTrace)
            # It waits for hundreds of outputs anew whenever one is there; a failure is enough.
            stack = sys.modules["pulumi.runtime.stack"]
            at_failures = {"FIRST_COMPLETED": asyncio.FIRST_EXCEPTION}
            patch.setattr(stack, "asyncio", SimpleNamespace(**{**vars(asyncio), **at_failures}))
        users = ("sandbox.callers.conductorone", "moto.kms.utils")
        if modules := [sys.modules[name] for name in users if name in sys.modules]:
            few_keys = _rsa_with_few_keys()
            for module in modules:
                patch.setattr(module, "rsa", few_keys)
        if moto_server := sys.modules.get("sandbox.local_aws.moto_server"):
            patch.setattr(moto_server, "create_backend_app", cache(moto_server.create_backend_app))
        if backends := sys.modules.get("moto.backends"):
            # Each call of AWS lists Moto's folder.
            services = tuple(backends.list_of_moto_modules())
            patch.setattr(backends, "list_of_moto_modules", lambda: services)
        if jinja2 := sys.modules.get("jinja2"):
            compile_template, compiled = jinja2.Environment.compile, dict[Any, Any]()

            def compile_once(environment: Any, *text_and_name: str | None) -> Any:  # noqa: ANN401
                key = (type(environment), environment.undefined, text_and_name)
                if key not in compiled:
                    compiled[key] = compile_template(environment, *text_and_name)
                return compiled[key]

            patch.setattr(jinja2.Environment, "compile", compile_once)
        yield


def _rsa_with_few_keys() -> SimpleNamespace:
    """Stand in for the module `rsa`: it makes three keys of each size, and gives them in turn."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - only where needed

    numbers = cycle(range(3))

    @cache
    def key(_number: int, **size: int) -> object:
        return rsa.generate_private_key(**size)

    def next_key(**size: int) -> object:
        return key(next(numbers), **size)

    return SimpleNamespace(**{**vars(rsa), "generate_private_key": next_key})


# One per module, since a process can run only one Moto, and other tests start their own.
@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with the demo's people, access for six hours, and defaults otherwise."""
    # Moto and Pulumi take a second to import, so only tests that need them do.
    from sandbox.demo_data import seed_incidentio  # noqa: PLC0415
    from sandbox.stack import Sandbox  # noqa: PLC0415
    from tests.support.projects import project_in  # noqa: PLC0415

    project = project_in(tmp_path_factory.mktemp("project"), AUTO_APPROVAL_DURATION="6")
    with Sandbox(project) as running:
        assert running.double
        seed_incidentio(running.double)
        yield running
        replay_all(running.log.records, running.settings.policy)
