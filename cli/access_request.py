"""A request for access in no caller's protocol: what `oncall check` and the sandbox send."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

from handler.request import ACCESS

REASON = "to debug production"
# How the ids of `oncall check`'s requests begin, by which the function's log shows that it asked.
CHECK_ID = "oncall-check-"
_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class UnsupportedRequestError(ValueError):
    """A caller's protocol can't express a request; the message says what to type instead."""


class AccessRequest(NamedTuple):
    """Who requests what.

    Attributes:
        email: the requester's.
        resources: kind and id of each; the kind is "" for whatever the caller has.
        labels: of each of the resources.
        duration: for how long, or None.
        reason: why.
        action: what they want to do with it.
    """

    email: str
    resources: tuple[tuple[str, str], ...]
    labels: Mapping[str, str] = _NO_LABELS
    duration: timedelta | None = None
    reason: str = REASON
    action: str = ACCESS

    def with_kind(self, kind: str) -> AccessRequest:
        """Give the same request with a kind for resources that have none."""
        return self._replace(resources=tuple((own or kind, id_) for own, id_ in self.resources))
