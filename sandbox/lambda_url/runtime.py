"""Lambda's execution environment: a child process that runs awslambdaric, and its Runtime API.

Protocol: "Using the Lambda runtime API" and "Defined runtime environment variables" in the Lambda
developer guide. Linux only, as awslambdaric's client is.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Final, Literal, cast
from uuid import uuid4

from sandbox.local_server import LocalHandler, LocalServer, SecretPath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PAYLOAD_LIMIT: Final = 6 * 1024 * 1024
"""The largest event and answer of Lambda, in bytes (page "Lambda quotas")."""

INIT_LIMIT: Final = 10.0
"""Seconds a child has to import its handler (page "Lambda execution environment lifecycle")."""

_CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
PROXIED: Final = "SANDBOX_PROXIED"
"""The project's folder, for a child that should reach the Internet as this machine does.

In Lambda the handler connects directly, whatever its environment says, and so it does here without.
"""

# To report an import that failed, awslambdaric reads the Runtime API's address as a host
# and a port only. For everything else, its client in C accepts an address with a path.
_MAIN: Final = """
import os, sys
from awslambdaric.__main__ import main
from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient as Client

call_rapid = Client.call_rapid

def call_below_path(self, method, endpoint, *more):
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    self.lambda_runtime_address, _, path = address.partition("/")
    call_rapid(self, method, f"/{path}{endpoint}", *more)

Client.call_rapid = call_below_path
if project := os.environ.pop("SANDBOX_PROXIED", ""):
    sys.path.append(project)
    from functools import partialmethod
    from handler.http import Client as HttpClient
    from cli.proxies import connector

    HttpClient.__init__ = partialmethod(HttpClient.__init__, connect=connector(os.environ))
main(sys.argv)
"""


@dataclass(frozen=True)
class FunctionConfig:
    """A function's configuration; `handler` is "module.function", `timeout` in seconds."""

    name: str
    arn: str
    handler: str
    timeout: float
    memory_mb: int
    environment: Mapping[str, str]
    log_format: Literal["JSON", "Text"]
    log_group: str
    region: str


@dataclass(frozen=True)
class Answer:
    """The handler's return value, as the runtime's JSON."""

    payload: bytes


class Fault(StrEnum):
    """The ways in which a call can end without an answer."""

    RAISED = "raised"
    INIT_FAILED = "init failed"
    TIMED_OUT = "timed out"
    DIED = "died"
    TOO_LARGE = "too large"


@dataclass(frozen=True)
class Failure:
    """A call without an answer."""

    fault: Fault
    error_type: str
    message: str

    @property
    def is_fatal(self) -> bool:
        """Whether this was the worker's last call: not so for an exception of the handler."""
        return self.fault is not Fault.RAISED


Result = Answer | Failure
_Invocation = tuple[bytes, dict[str, str]]  # the event, and the headers that go with it


class _RuntimeApi(LocalServer):
    """The Runtime API of one child: hands out invocations, and receives the results.

    `outcomes` gets None each time the child asks for an event, else a Result; an invocation of None
    releases a child that waits. awslambdaric sends no credential: the path in `address` is one, and
    only the child gets it.
    """

    def __init__(self) -> None:
        self.invocations: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self.outcomes: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        secret = SecretPath()
        super().__init__(_RuntimeCall, secret)
        self.address = f"{self.authority}{secret.prefix}"
        self.start()

    def close(self) -> None:
        """End the threads; the child must be dead."""
        self.invocations.put(None)
        super().close()


class _RuntimeCall(LocalHandler):
    server: _RuntimeApi

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        """Answer `invocation/next` once there is an event, if ever."""
        self.server.outcomes.put(None)
        invocation = self.server.invocations.get()
        if invocation is None:
            self.close_connection = True
            return
        event, headers = invocation
        self.reply(HTTPStatus.OK, event, headers.items())

    def do_POST(self) -> None:  # noqa: N802 - the same
        """Receive an answer or an error of the handler, or an error of its import."""
        length = self.body_length() or 0
        if length > PAYLOAD_LIMIT:
            message = f"an answer of {length} bytes, {PAYLOAD_LIMIT} are allowed"
            error = Failure(Fault.TOO_LARGE, "Function.ResponseSizeTooLarge", message)
            self.server.outcomes.put(error)
        elif len(body := self.rfile.read(length)) == length:
            self.server.outcomes.put(_outcome(self.path, body))
            self.reply(HTTPStatus.ACCEPTED, b'{"status":"OK"}')
            return
        # Too large to read, or cut off by the child's death, which its watcher reports.
        self.close_connection = True


def _outcome(path: str, body: bytes) -> Result:
    if path.endswith("/response"):
        return Answer(body)
    error = json.loads(body)
    fault = Fault.INIT_FAILED if path.endswith("/init/error") else Fault.RAISED
    return Failure(fault, error["errorType"], error["errorMessage"])


class Worker:
    """A child process with the handler unpacked in `task_root`, for one call at a time.

    `log` gets each line that the child writes, and one for each call that was its last, from
    any thread. `extra_environment` overrides the function's own.
    """

    def __init__(
        self,
        config: FunctionConfig,
        task_root: Path,
        *,
        log: Callable[[str], None],
        extra_environment: Mapping[str, str],
    ) -> None:
        self._config = config
        self._log = log
        self._closing = threading.Lock()
        self._api = _RuntimeApi()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, config.handler],
            cwd=task_root,
            env={**_environment(config, task_root, self._api.address), **extra_environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A process group: what the handler starts can be killed with it, and Ctrl-C in the
            # terminal reaches the sandbox alone.
            start_new_session=True,
        )
        self._output = cast("IO[bytes]", self._process.stdout)
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()
        self._watcher.start()

    def invoke(self, event: bytes, request_id: str) -> Result:
        """Give the child one event (JSON), and wait for the result.

        The function's timeout counts from the moment the child takes the event; before that a new
        child has `INIT_LIMIT` for its import, as in Lambda. A fatal failure closes the worker.
        """
        if (early := self._outcome_within(INIT_LIMIT, "Init")) is not None:
            return self._ended(early, request_id)
        deadline = int((time.time() + self._config.timeout) * 1000)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self._config.arn,
        }
        self._api.invocations.put((event, headers))
        # None cannot come here: the runtime asks for the next event only when it has answered.
        result = cast("Result", self._outcome_within(self._config.timeout, "Task"))
        return self._ended(result, request_id)

    def close(self) -> None:
        """Kill the child and what it started, reap it, and end the threads; repeatable."""
        with self._closing:
            if self._process.returncode is not None:
                return
            # Not reaped yet, so the pid is still its own, even if it has ended by itself.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._watcher.join()
            self._process.wait()
            self._api.close()
            self._reader.join()
            self._output.close()

    def _outcome_within(self, seconds: float, phase: str) -> Result | None:
        try:
            return self._api.outcomes.get(timeout=seconds)
        except queue.Empty:
            message = f"{phase} timed out after {seconds:.2f} seconds"
            return Failure(Fault.TIMED_OUT, "Sandbox.Timedout", message)

    def _ended(self, result: Result, request_id: str) -> Result:
        if isinstance(result, Failure) and result.is_fatal:
            self.close()
            self._log(f"RequestId: {request_id} Error: {result.error_type}: {result.message}")
        return result

    def _read_output(self) -> None:
        for line in self._output:
            # In text format the runtime ends the lines of one error with CR, to keep it one event.
            self._log(line.decode("utf-8", "replace").rstrip("\n").replace("\r", "\n"))

    def _watch(self) -> None:
        # WNOWAIT: close() reaps the child, so that its pid stays its own until then.
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None  # noqa: S101 - None is for WNOHANG
        how = "exit status" if ended.si_code == os.CLD_EXITED else "signal"
        error = Failure(Fault.DIED, "Runtime.ExitError", f"exited with {how} {ended.si_status}")
        self._api.outcomes.put(error)


def _environment(config: FunctionConfig, task_root: Path, runtime_api: str) -> dict[str, str]:
    stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{uuid4().hex}"
    log_level = {"AWS_LAMBDA_LOG_LEVEL": "INFO"} if config.log_format == "JSON" else {}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        # Modes don't stop root, and in Lambda the task's directory is read-only.
        "PYTHONDONTWRITEBYTECODE": "1",
        **config.environment,
        **log_level,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "_HANDLER": config.handler,
        "LAMBDA_TASK_ROOT": str(task_root),
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_LOG_FORMAT": config.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": config.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_REGION": config.region,
        "AWS_DEFAULT_REGION": config.region,
        # Lambda gives every function credentials; a local AWS's are among the extra ones.
        **{name: secrets.token_urlsafe(15) for name in _CREDENTIALS},
        "TZ": ":UTC",
    }
