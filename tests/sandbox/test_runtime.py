"""A child process under the real awslambdaric: its input, output and end."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.lambda_url.runtime import PROXIED, Answer, Failure, Fault, FunctionConfig, Worker
from sandbox.local_aws.program import ROOT
from tests.handler.scripted import Scripted, reply
from tests.sandbox.lambda_functions import CONFIG, ECHO, PATIENCE

KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
Start = Callable[..., Worker]


class Log:
    """Keeps the lines of a function's log, which may arrive after its answer."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = threading.Condition()

    def __call__(self, line: str) -> None:
        """Keep a line."""
        with self._more:
            self.lines.append(line)
            self._more.notify_all()

    def wait_for(self, text: str) -> str:
        """Return the first line with this text."""
        with self._more:
            assert self._more.wait_for(lambda: any(text in line for line in self.lines), PATIENCE)
            return next(line for line in self.lines if text in line)


@pytest.fixture
def log() -> Log:
    """The log of the test's workers."""
    return Log()


@pytest.fixture
def start(tmp_path: Path, log: Log) -> Iterator[Start]:
    """Start a worker with this source as `app.py`; each is closed after the test."""
    with ExitStack() as stack:

        def started(source: str, *, config: FunctionConfig = CONFIG, **extra: str) -> Worker:
            (tmp_path / "app.py").write_text(source, encoding="utf-8")
            worker = Worker(config, tmp_path, log=log, extra_environment=extra)
            stack.callback(worker.close)
            return worker

        yield started


def invoke(worker: Worker, event: object = None) -> Any:  # noqa: ANN401 - any JSON
    """Call the handler, which must answer, and return the answer."""
    result = worker.invoke(json.dumps(event).encode(), "request-1")
    assert isinstance(result, Answer), result
    return json.loads(result.payload)


def fail(worker: Worker, event: object = None) -> Failure:
    """Call the handler, which must fail."""
    result = worker.invoke(json.dumps(event).encode(), "request-1")
    assert isinstance(result, Failure), result
    return result


def test_environment_is_the_functions_and_lambdas_own(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child has the function's and Lambda's variables, not the caller's."""
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    worker = start(
        "import os\ndef handle(event, context):\n    return dict(os.environ)\n", OVERRIDDEN="extra"
    )
    seen = invoke(worker)
    stream = seen.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    api = seen.pop("AWS_LAMBDA_RUNTIME_API")
    seen.pop("LC_CTYPE", None)  # Python sets it
    made_up = {seen.pop(f"AWS_{name}") for name in KEYS}
    assert all(made_up)
    assert len(made_up) == len(KEYS)
    assert "[$LATEST]" in stream
    assert re.fullmatch(r"127\.0\.0\.1:\d+/[\w-]{32}", api)
    assert seen == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FROM_FUNCTION": "function",
        "OVERRIDDEN": "extra",
        "_HANDLER": "app.handle",
        "LAMBDA_TASK_ROOT": str(tmp_path),
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_FUNCTION_NAME": "webhook",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/webhook",
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        "TZ": ":UTC",
    }


def test_context_describes_the_call(start: Start) -> None:
    """The context has the request id, the function's ARN and the remaining time."""
    worker = start(
        "def handle(event, context):\n"
        "    return [context.aws_request_id, context.invoked_function_arn,\n"
        "            context.get_remaining_time_in_millis()]\n"
    )
    request_id, arn, left = invoke(worker)
    assert (request_id, arn) == ("request-1", CONFIG.arn)
    assert 0 < left <= PATIENCE * 1000


def test_handler_comes_from_the_task_directory(start: Start, tmp_path: Path) -> None:
    """The child imports from the zip, never from the repository."""
    package = tmp_path / "handler"
    package.mkdir()
    (package / "__init__.py").touch()
    source = """
import importlib.util
def handle(event, context):
    return [__file__, importlib.util.find_spec("sandbox") is None]
"""
    (package / "app.py").write_text(source, encoding="utf-8")
    worker = start(ECHO, config=replace(CONFIG, handler="handler.app.handle"))
    assert invoke(worker) == [str(package / "app.py"), True]


def test_a_child_of_real_providers_takes_the_machines_proxy(start: Start, tmp_path: Path) -> None:
    """The proxy is used only if the sandbox sets the variable for it."""
    (tmp_path / "handler").symlink_to(ROOT / "handler")
    source = """
import socket
def nowhere(host, *more, look_up=socket.getaddrinfo):
    if host not in {"127.0.0.1", b"127.0.0.1"}:
        raise socket.gaierror
    return look_up(host, *more)
socket.getaddrinfo = nowhere
from handler.app import SYSTEM_CLOCK
from handler.clock import Deadline
from handler.http import Client, HttpError
def handle(event, context):
    try:
        return Client(SYSTEM_CLOCK).get_json("https://api.test/", {}, Deadline(SYSTEM_CLOCK, 20))
    except HttpError as error:
        return str(error)
"""
    directly = "connection failed: api.test cannot be resolved"
    with Scripted(reply(status=403)) as proxy:
        error = invoke(start(source, HTTPS_PROXY=proxy.url, **{PROXIED: str(ROOT)}))
        assert error.startswith(
            f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY) refuses to connect"
        )
        assert [call.target for call in proxy.requests] == ["api.test:443"]
        assert invoke(start(source, HTTPS_PROXY=proxy.url)) == directly
        assert proxy.connections == 1


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        ("import no_such_module\n", "Runtime.ImportModuleError"),
        ("raise RuntimeError('at import')\n", "RuntimeError"),
    ],
)
def test_failed_import_is_an_init_error(start: Start, source: str, error_type: str) -> None:
    """If the handler can't be loaded, the call fails with the runtime's error type."""
    failure = fail(start(source))
    assert (failure.fault, failure.error_type) == (Fault.INIT_FAILED, error_type)


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import os\ndef handle(event, context):\n    os.kill(os.getpid(), 9)\n", "signal 9"),
        ("import os\nos._exit(4)\n", "exit status 4"),
    ],
)
def test_dead_child_is_noticed_at_once(start: Start, log: Log, source: str, how: str) -> None:
    """If the child ends, the call fails at once, and the log says how it ended."""
    failure = fail(start(source))
    assert failure == Failure(Fault.DIED, "Runtime.ExitError", f"exited with {how}")
    assert log.wait_for("Runtime.ExitError").endswith(how)


def test_partial_answer_does_not_count(start: Start) -> None:
    """Half an answer isn't an answer."""
    source = """
import os, socket
address, path = os.environ["AWS_LAMBDA_RUNTIME_API"].split("/")
host, port = address.split(":")
with socket.create_connection((host, int(port))) as api:
    target = f"/{path}/2018-06-01/runtime/invocation/1/response"
    head = f"POST {target} HTTP/1.1\\r\\nHost: {address}\\r\\nContent-Length: 10\\r\\n\\r\\n"
    api.sendall(head.encode() + b"12345")
os._exit(5)
"""
    assert fail(start(source)).fault is Fault.DIED


def test_json_log_has_records_and_prints(start: Start, log: Log) -> None:
    """Records from INFO on arrive with their extra fields, and prints unchanged."""
    worker = start(
        "import logging, sys\n"
        "def handle(event, context):\n"
        "    logging.getLogger().debug('too fine')\n"
        "    logging.getLogger('x').info('decided', extra={'outcome': 'approve'})\n"
        "    print('printed ✓')\n"
        "    print('to stderr', file=sys.stderr)\n"
    )
    invoke(worker)
    record = json.loads(log.wait_for("decided"))
    assert record["outcome"] == "approve"
    assert (record["level"], record["requestId"]) == ("INFO", "request-1")
    assert log.wait_for("printed") == "printed ✓"
    assert log.wait_for("to stderr") == "to stderr"
    assert not any("too fine" in line for line in log.lines)


def test_close_kills_what_the_handler_started(start: Start) -> None:
    """Processes that the handler started die with the child."""
    source = """
import socket, subprocess
def handle(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as connection:
        subprocess.Popen(["sleep", "infinity"], pass_fds=[connection.fileno()])
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        worker = start(source)
        invoke(worker, {"port": listener.getsockname()[1]})
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            worker.close()
            assert connection.recv(1) == b""  # the other end is closed
