"""The request and the options of `approval`, `approval_sync` and `requires_approval`.

Both are checked by the call itself, before anything is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Required, TypedDict

from indentapi import Duration, Resource
from indentapi.durations import parse_duration
from indentapi.validation import (
    check_bool,
    check_dict,
    check_keys,
    check_petitioners,
    check_resources,
    check_text,
    check_timeout,
    type_with_article,
)

from approvals.progress import OnEvent

DEFAULT_TIMEOUT = 10.0


class Request(TypedDict, total=False):
    """What is asked for: why, what and, if not the token's owner, for whom."""

    reason: Required[str]
    resources: Required[Iterable[Resource]]
    petitioners: Iterable[Resource]


class WaitOptions(TypedDict, total=False):
    """How to wait for a decision, and which API to call; `help(approval)` explains each."""

    timeout: float | None
    quiet: bool
    on_event: OnEvent | None
    space_name: str | None
    api_token: str | None
    base_url: str | None


class ApprovalOptions(WaitOptions, total=False):
    """The same for a new request: also for whom, and for how long."""

    petitioners: Iterable[Resource] | None
    duration: Duration | None


def check_request(request: Request, petitioners: Iterable[Resource] | None = None) -> Request:
    """The request with its iterables as lists; `petitioners` win over those in the request.

    Raises:
        TypeError, ValueError: a part of it is missing, misspelt or wrong.
    """
    check_dict(request, "the request")
    check_keys(request, Request.__annotations__, "the request has an unknown key")
    for key in ("reason", "resources"):
        if key not in request:
            raise TypeError(f"the request has no {key!r}; it needs a reason and resources")
    checked = Request(
        reason=check_text(request["reason"], "reason"),
        resources=check_resources(request["resources"]),
    )
    if petitioners is None:
        petitioners = request.get("petitioners")
    if petitioners is not None:
        checked["petitioners"] = check_petitioners(petitioners)
    return checked


def check_options(options: Mapping[str, Any], known: type[WaitOptions] = ApprovalOptions) -> None:
    """Check the options; `petitioners` are the request's to check, and the rest the client's.

    Raises:
        TypeError, ValueError: an option is misspelt or wrong.
    """
    check_keys(options, known.__annotations__, "unknown option")
    if options.get("duration") is not None:
        parse_duration(options["duration"])
    check_timeout(options.get("timeout"))
    check_bool(options.get("quiet", False), "quiet")
    on_event = options.get("on_event")
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be a function, not {type_with_article(on_event)}")
    if inspect.iscoroutinefunction(on_event):
        raise TypeError("on_event must be a plain function, not an async one: nobody awaits it")
