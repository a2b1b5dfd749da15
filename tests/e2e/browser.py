"""A real Chromium, driven by the W3C WebDriver protocol over plain HTTP.

The driver itself waits for elements, so no test sleeps.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
TIMEOUT_MS = 10_000
_TRIES = 5
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # which doesn't work as root in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)


class WebDriverError(Exception):
    """The driver refused a command, for the reason in the message."""


class Browser:
    """One browser with an empty profile, for as long as the context lasts."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._session = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # One of the browser's processes may write there after it has closed.
            profile = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
            )
            # The driver writes all files there, and inherits no proxy.
            environment = {"PATH": os.environ["PATH"], "HOME": profile, "TMPDIR": profile}
            port = _start_driver(stack, environment)
            self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            stack.callback(self._http.close)
            arguments = [*_ARGUMENTS, f"--user-data-dir={profile}/data"]
            options = {"binary": str(CHROMIUM), "args": arguments}
            capabilities = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "timeouts": {"implicit": TIMEOUT_MS, "pageLoad": 30_000, "script": 30_000},
            }
            session = self._call(
                "POST", "/session", {"capabilities": {"alwaysMatch": capabilities}}
            )
            self._session = f"/session/{session['sessionId']}"
            stack.callback(self._call, "DELETE", self._session)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, url: str) -> None:
        """Go to an address."""
        self("POST", "/url", url=url)

    def find(self, xpath: str) -> Element:
        """Find the first element, and wait until there is one.

        Raises:
            WebDriverError: there is none in time.
        """
        return Element(self, xpath, self.find_id(xpath))

    def find_id(self, xpath: str) -> str:
        """Find the first element, as `find` does, and give the driver's id of it."""
        element = self("POST", "/element", using="xpath", value=xpath)
        return str(element[_ELEMENT])

    def script(self, body: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the script gives
        """Run the body of a function in the page."""
        return self("POST", "/execute/sync", script=body, args=list(arguments))

    def press(self, *keys: str) -> None:
        """Press and release keys in the focused element, one after the other."""
        downs = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": downs}])

    def devtools(self, command: str, **parameters: object) -> None:
        """Send Chromium a command of the DevTools protocol."""
        self("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def set_viewport(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Set the page's size, and whether it prefers dark."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """The visible part of the page as a PNG."""
        return base64.b64decode(self("GET", "/screenshot"))

    def __call__(self, method: str, path: str, **body: object) -> Any:  # noqa: ANN401 - each command gives another thing
        """Send a command of the session, by its path in the protocol."""
        return self._call(method, self._session + path, body)

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - the same
        payload = json.dumps(body or {}) if method == "POST" else None
        self._http.request(method, path, payload, {"Content-Type": "application/json"})
        value = json.loads(self._http.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise WebDriverError(f"{value['error']}: {value['message']}")
        return value


class Element:
    """An element of the page. If the page has drawn it anew meanwhile, it is found again."""

    def __init__(self, browser: Browser, xpath: str, id_: str) -> None:
        self._browser = browser
        self._xpath = xpath
        self._id = id_

    def click(self) -> None:
        """Click it."""
        self._send("POST", "click")

    def type(self, text: str) -> None:
        """Type into it."""
        self._send("POST", "value", text=text)

    @property
    def text(self) -> str:
        """The text that a person reads."""
        return str(self._send("GET", "text"))

    @property
    def label(self) -> str:
        """The name that a screen reader announces."""
        return str(self._send("GET", "computedlabel"))

    def _send(self, method: str, command: str, **body: object) -> Any:  # noqa: ANN401 - as `Browser`
        for _ in range(_TRIES):
            try:
                return self._browser(method, f"/element/{self._id}/{command}", **body)
            except WebDriverError as error:
                if not str(error).startswith("stale element reference"):
                    raise
                self._id = self._browser.find_id(self._xpath)
        raise WebDriverError(f"the page keeps drawing {self._xpath} anew")


def missing_browser() -> str:
    """Return what is missing to run a browser, or ""."""
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    remedy = "on Debian: apt-get install chromium chromium-driver"
    return f"there is no {' and no '.join(missing)} ({remedy})" if missing else ""


def _start_driver(stack: ExitStack, environment: Mapping[str, str]) -> int:
    """Start a driver, and return its port.

    The driver ends if its port is free in IPv4 but taken in IPv6.
    """
    output: list[str] = []
    for _ in range(_TRIES):
        driver = stack.enter_context(
            subprocess.Popen(
                [str(DRIVER), "--port=0"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        stack.callback(driver.terminate)
        assert driver.stdout
        for line in driver.stdout:
            output.append(line)
            if "started successfully on port" in line:
                return int(line.rstrip().rstrip(".").rpartition(" ")[2])
    raise WebDriverError(f"the driver ended: {output}")
