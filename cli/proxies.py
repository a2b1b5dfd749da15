"""How an operator's machine reaches the Internet: directly, or through the proxy that it names.

Only commands on that machine use this: the function in Lambda has no proxy. CONNECT opens a tunnel,
and TLS goes through it to the host itself, so the proxy sees neither requests nor keys.
"""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from handler.clock import Clock, Deadline
from handler.connection import Connect, Connection, encode_request, seconds_left
from handler.hedging import HedgedRequest
from handler.http import Client, HttpError

# The variables that curl and boto3 also read. Lower case comes first, even if it is empty, so that
# a single command can go without the proxy.
VARIABLES = (("https_proxy", "HTTPS_PROXY"), ("all_proxy", "ALL_PROXY"))
EXCEPTIONS = ("no_proxy", "NO_PROXY")
NAMES = frozenset(name for names in (*VARIABLES, EXCEPTIONS) for name in names)
PROXY_REMEDY = "if this machine reaches the Internet through a proxy, export HTTPS_PROXY"
_EXAMPLE = "http://proxy.example.com:3128"
# Schemes that curl knows. Anything else may be the beginning of a password.
_OTHER_SCHEMES = frozenset({"https", "socks", "socks4", "socks4a", "socks5", "socks5h"})
_DEFAULT_PORT = 80
# Of the time for a whole request, so that a slow proxy can still be named in the error.
_SHARE = 0.75
_LONGEST_HEAD = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_SUCCESS = range(200, 300)
_WANTS_PASSWORD = 407
_ENTRY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?")
# Not an untrusted certificate: then something did answer.
_UNRESOLVED = "cannot be resolved"
_UNANSWERED = (
    "connection failed (OSError",
    "connection failed (Connection",
    "no complete answer in time",
)

_Address = IPv4Address | IPv6Address


class UnreachableError(HttpError):
    """A host cannot be reached.

    Attributes:
        problem: what is wrong, in words that are safe to print.
        remedy: what to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class _Proxy(NamedTuple):
    """A proxy of the environment; `named` is its name in errors, without the password."""

    variable: str
    host: str
    port: int
    credentials: bytes | None

    @property
    def named(self) -> str:
        return f"the proxy {_authority(self.host, self.port)} ({self.variable})"


def connector(environment: Mapping[str, str]) -> Connect:
    """Make a function that connects to an HTTPS host and port through the proxy, if any.

    It returns None for this machine itself and for what NO_PROXY names: connect to them directly.
    It raises UnreachableError if the proxy opens no tunnel.
    """

    def connect(host: str, port: int, deadline: Deadline) -> socket.socket | None:
        variable, value = _setting(environment)
        if not value or _is_this_machine(host) or _is_excepted(host, port, environment):
            return None
        return _through(_proxy(variable, value), host, port, deadline.part(_SHARE))

    return connect


class OperatorClient(Client):
    """A client whose errors say what may help on a machine behind a proxy."""

    def __init__(self, clock: Clock, environment: Mapping[str, str]) -> None:
        super().__init__(clock, connector(environment))
        self._environment = environment

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        *,
        once: bool = False,
    ) -> bytes:
        """Send a request; it raises what the function's client raises."""
        try:
            return super().send(method, url, headers, body, deadline, once=once)
        except UnreachableError:
            raise
        except HttpError as error:
            problem = str(error)
            if not (problem.startswith(_UNANSWERED) or problem.endswith(_UNRESOLVED)):
                raise
            parts = urlsplit(url)
            remedy = remedy_for(parts.hostname or "", parts.port or 443, self._environment)
            raise HttpError("; ".join(filter(None, (problem, remedy)))) from error


def remedy_for(host: str, port: int, environment: Mapping[str, str]) -> str:
    """Say what may help to reach a host; "" if nothing here would."""
    variable, value = _setting(environment)
    if _is_this_machine(host):
        return ""
    if not value:
        return PROXY_REMEDY
    if _is_excepted(host, port, environment):
        return f"NO_PROXY excludes it from the proxy of {variable}"
    return ""


def _setting(environment: Mapping[str, str]) -> tuple[str, str]:
    for names in VARIABLES:
        variable, value = _first(names, environment)
        if value:
            return variable, value
    return "", ""


def _first(names: tuple[str, str], environment: Mapping[str, str]) -> tuple[str, str]:
    name = next((name for name in names if name in environment), names[0])
    return name, environment.get(name, "").strip()


def _is_this_machine(host: str) -> bool:
    name = host.rstrip(".").lower()
    address = _address(name)
    if address is None:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_excepted(host: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names it, as `*`, a domain or one above it, an address or a network.

    Each may have a port.
    """
    _, value = _first(EXCEPTIONS, environment)
    name = host.rstrip(".").lower()
    return any(_covers(entry, name, port) for entry in re.split(r"[\s,]+", value.lower()) if entry)


def _covers(entry: str, name: str, port: int) -> bool:
    if entry == "*":
        return True
    address, excepted = _address(name), _address(entry)
    if excepted is None and (parts := _ENTRY.fullmatch(entry)) and parts[2]:
        if int(parts[2]) != port:
            return False
        entry = parts[1]
        excepted = _address(entry)
    if address is None:
        domain = entry.removeprefix("*").strip(".")
        return bool(domain) and (name == domain or name.endswith(f".{domain}"))
    if excepted is not None:
        return address == excepted
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False


def _proxy(variable: str, value: str) -> _Proxy:
    """Read a proxy's address. Errors do not repeat it: it may contain a password."""
    scheme, colon, _ = value.partition("://")
    scheme = scheme.lower() if colon else "http"
    if scheme in _OTHER_SCHEMES:
        raise UnreachableError(
            f"{variable} begins with {scheme}://, which isn't supported here",
            f"set HTTPS_PROXY to an http:// proxy, for example {_EXAMPLE}",
        )
    try:
        parts = urlsplit(value if colon else f"http://{value}")
        host, port = _encoded(parts.hostname or ""), parts.port or _DEFAULT_PORT
        user, separator, password = parts.netloc.rpartition("@")[0].partition(":")
    except ValueError:
        scheme = host = ""
    # What follows the host may be the rest of a password that contains a slash.
    if scheme != "http" or not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UnreachableError(
            f"{variable} isn't a valid proxy address",
            f"write it like {_EXAMPLE}, with special characters of a password percent-encoded",
        )
    credentials = None
    if user or separator:
        credentials = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return _Proxy(variable, host, port, credentials)


def _why_not(named: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"{named} can't be resolved"
    if isinstance(error, TimeoutError):
        return f"{named} doesn't answer in time"
    return f"{named} can't be reached ({error.strerror or type(error).__name__})"


def _through(proxy: _Proxy, host: str, port: int, deadline: Deadline) -> socket.socket:
    check = f"check {proxy.variable}"
    way = urlsplit(f"http://{_authority(proxy.host, proxy.port)}")
    try:
        # Not socket.create_connection: its time-out is for each address, and the resolver has none.
        with HedgedRequest(lambda _: Connection(way, None), None, deadline) as hedged:
            hedged.start()
            raw = hedged.wait().raw_socket
    except OSError as error:
        raise UnreachableError(_why_not(proxy.named, error), check) from error
    is_open = False
    try:
        raw.settimeout(seconds_left(deadline))
        raw.sendall(_request(proxy, host, port))
        status = _status(raw, deadline)
        is_open = status in _SUCCESS
    except OSError as error:
        raise UnreachableError(_why_not(proxy.named, error), check) from error
    except ValueError:
        raise UnreachableError(f"{host!r} isn't a valid host name", "correct it") from None
    finally:
        if not is_open:
            raw.close()
    if not is_open:
        raise _refusal(proxy, _authority(host, port), status)
    return raw


def _request(proxy: _Proxy, host: str, port: int) -> bytes:
    headers = {}
    if proxy.credentials is not None:
        encoded = base64.b64encode(proxy.credentials).decode("ascii")
        headers["Proxy-Authorization"] = f"Basic {encoded}"
    target = _authority(_encoded(host), port)
    return encode_request("CONNECT", urlsplit(f"//{target}"), headers, target=target)


def _status(raw: socket.socket, deadline: Deadline) -> int:
    """Read the answer's head, and no byte of the host after it; 0 means that it isn't HTTP."""
    head = bytearray()
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        raw.settimeout(seconds_left(deadline))
        byte = raw.recv(1)
        if not byte or len(head) >= _LONGEST_HEAD:
            return 0
        head += byte
    status = _STATUS.match(head)
    return int(status[1]) if status else 0


def _refusal(proxy: _Proxy, target: str, status: int) -> UnreachableError:
    if not status:
        problem = f"{proxy.named} doesn't answer as an HTTP proxy"
        return UnreachableError(problem, f"check {proxy.variable}")
    if status != _WANTS_PASSWORD:
        problem = f"{proxy.named} refuses to connect to {target} (HTTP {status})"
        return UnreachableError(problem, "ask its administrator to allow that host")
    if proxy.credentials is None:
        problem = f"{proxy.named} requires a user name and a password (HTTP {status})"
        return UnreachableError(problem, f"set {proxy.variable} to http://USER:PASSWORD@HOST:PORT")
    problem = f"{proxy.named} does not accept the user name and password (HTTP {status})"
    return UnreachableError(problem, f"correct them in {proxy.variable}")


def _encoded(host: str) -> str:
    """Write a host as DNS does; raises UnicodeError, a ValueError, if it isn't one."""
    return host if _address(host) else host.encode("idna").decode("ascii")


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
