"""The callers' side: what each access system sends, and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.callers.authzen import AuthZen
from sandbox.callers.base import Sender
from sandbox.callers.conductorone import ConductorOne
from sandbox.callers.indent import Indent

SENDERS: Mapping[str, type[Sender]] = MappingProxyType(
    {"indent": Indent, "authzen": AuthZen, "conductorone": ConductorOne}
)
"""By the caller's name in `handler.callers`."""
