"""Runs the real Pulumi program in this process, with a stand-in for Pulumi's engine.

What the program registers is recorded with its options, and goes to the caller's mocks
(`pulumi.runtime.Mocks`), which may create it on a local AWS (`sandbox.local_aws.deployment`).
"""

from __future__ import annotations

import asyncio
import contextvars
import runpy
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi.runtime import rpc, set_all_config, settings
from pulumi.runtime.mocks import MockEngine, MockMonitor, MockSettings
from pulumi.runtime.proto import engine_pb2
from pulumi.runtime.stack import Stack, run_in_stack

from infra.program_exit import EXIT_STATUS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pulumi.runtime.proto import resource_pb2

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "oncall-approvals"
PROGRAM = ROOT / "infra" / "__main__.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One resource as the program registered it.

    Attributes:
        type: its type token, such as `aws:s3/bucket:Bucket`.
        name: its logical name.
        urn: what Pulumi calls it.
        parent: its parent's urn.
        inputs: its properties in camelCase; a secret one is in Pulumi's secret envelope.
        protect: whether `pulumi destroy` refuses to delete it.
        retain_on_delete: whether it outlives its stack.
        dependencies: urns of what must exist before it.
        imported: the physical id of an imported resource; empty for a new one.
        ignored: the inputs whose changes are ignored.
    """

    type: str
    name: str
    urn: str
    parent: str
    inputs: Mapping[str, Any] = field(repr=False)
    protect: bool
    retain_on_delete: bool
    dependencies: frozenset[str]
    imported: str = ""
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """The result of one run of the program.

    Attributes:
        outputs: the stack's outputs by name, as plain values; an unknown one is None.
        secret_outputs: names of those that are marked secret.
        registrations: every resource but the stack itself, in any order.
        component_outputs: what each component registered as its outputs, by urn.
        notes: the program's messages to the user, such as warnings.
    """

    outputs: Mapping[str, Any]
    secret_outputs: frozenset[str]
    registrations: tuple[Registration, ...]
    component_outputs: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]


def run_program(
    config: Mapping[str, str],
    secret_keys: Collection[str],
    mocks: pulumi.runtime.Mocks,
    *,
    root: Path = ROOT,
    stack: str = "dev",
    preview: bool = False,
) -> ProgramRun:
    """Run `infra/__main__.py` as the CLI does, and wait for everything that it started.

    Args:
        config: the stack's config, defaults too, by qualified key (`oncall-approvals:MEMORY_MB`).
        secret_keys: which of its keys are secret.
        mocks: asked for each resource and each call, from several threads.
        root: the project's folder, where policy files are named from; the program stays ours.
        stack: the stack's name.
        preview: whether outputs that only a deployment would know are unknown.

    Raises:
        Exception: what the program or the mocks raised; `pulumi.RunError` is meant for the user.
    """
    # Pulumi keeps its state in context variables: each run has a context of its own.
    return contextvars.copy_context().run(
        _run, dict(config), list(secret_keys), mocks, root, stack, preview
    )


def _run(
    config: dict[str, str],
    secret_keys: list[str],
    mocks: pulumi.runtime.Mocks,
    root: Path,
    stack: str,
    preview: bool,  # noqa: FBT001 - Context.run passes positions
) -> ProgramRun:
    monitor, engine = _RecordingMonitor(mocks), _RecordingEngine()
    set_all_config(config, secret_keys)
    features = monitor.GetDeploymentInfo(None).supportedFeatures  # type: ignore[no-untyped-call] # pulumi's
    mocked = MockSettings(  # type: ignore[no-untyped-call] # pulumi's
        monitor=monitor,
        monitor_features=set(features),
        engine=engine,
        project=PROJECT,
        stack=stack,
        dry_run=preview,
        organization="organization",
        root_directory=str(root),
        callbacks=None,
        # Pulumi's mocks don't reset this: a failed run would leave its own to the next one.
        outputs=set(),
    )
    settings.configure(mocked)
    with _event_loop() as loop:
        try:
            outputs, secret = loop.run_until_complete(_outputs_of_program())
        except SystemExit as ended:
            if ended.code != EXIT_STATUS:
                raise
            # What the CLI would print about it.
            raise pulumi.RunError("\n".join(engine.errors)) from None
    return ProgramRun(
        outputs=outputs,
        secret_outputs=secret,
        registrations=tuple(monitor.registrations),
        component_outputs=monitor.component_outputs,
        notes=tuple(engine.notes),
    )


def _program() -> None:
    path = sys.path.copy()
    try:
        with warnings.catch_warnings():
            # About its own names; they would end the program under PYTHONWARNINGS=error.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="pulumi_aws")
            runpy.run_path(str(PROGRAM), run_name="__main__")
    finally:
        sys.path[:] = path


async def _outputs_of_program() -> tuple[dict[str, Any], frozenset[str]]:
    await run_in_stack(_program)
    root = cast("Stack", settings.get_root_resource())
    values, secret = {}, set()
    for name, value in root.outputs.items():
        output = pulumi.Output.from_input(value)
        values[name] = await output.future()
        if await output.is_secret():
            secret.add(name)
    return values, frozenset(secret)


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give the program a loop, and the mock monitor one in each thread that it is called from.

    Pulumi would make them itself, and never close them.
    """
    loop, loops_of_threads = asyncio.new_event_loop(), []

    def give_thread_a_loop() -> None:
        loops_of_threads.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops_of_threads[-1])

    # Others may wait for a resource that failed: the first error is the cause.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        with ThreadPoolExecutor(initializer=give_thread_a_loop) as threads:
            loop.set_default_executor(threads)
            yield loop
    finally:
        # As asyncio.run ends: cancel what still waits for a resource that failed.
        waiting = asyncio.all_tasks(loop)
        for task in waiting:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        asyncio.set_event_loop(None)
        for open_loop in (loop, *loops_of_threads):
            open_loop.close()


class _RecordingMonitor(MockMonitor):
    """Pulumi's own mock monitor, which drops a resource's options; this one keeps them."""

    def __init__(self, mocks: pulumi.runtime.Mocks) -> None:
        super().__init__(mocks)
        self.registrations: list[Registration] = []
        self.component_outputs: dict[str, dict[str, Any]] = {}

    def RegisterResource(  # noqa: N802 - the name of the call
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        response = cast(
            "resource_pb2.RegisterResourceResponse",
            super().RegisterResource(request),  # type: ignore[no-untyped-call] # pulumi's
        )
        if request.type != "pulumi:pulumi:Stack":
            self.registrations.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    inputs=rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    dependencies=frozenset(request.dependencies),
                    imported=request.importId,
                    ignored=frozenset(request.ignoreChanges),
                )
            )
        return response

    def RegisterResourceOutputs(  # noqa: N802 - the name of the call
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> object:
        self.component_outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call] # pulumi's


class _RecordingEngine(MockEngine):
    """Pulumi's own mock engine, which drops messages to the user; this one keeps them."""

    def __init__(self) -> None:
        super().__init__(None)
        self.notes: list[str] = []
        self.errors: list[str] = []

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 - the name of the call
        if request.severity == engine_pb2.ERROR:
            self.errors.append(request.message)
        elif request.severity != engine_pb2.DEBUG:
            self.notes.append(request.message)
