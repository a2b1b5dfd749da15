"""Functions that run only when their call has been approved."""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from indentapi import Duration, Resource, validation

from approvals.approval import (
    DEFAULT_TIMEOUT,
    Request,
    approval,
    approval_sync,
    check_options,
    checked_request,
)
from approvals.progress import OnEvent

P = ParamSpec("P")
R = TypeVar("R")


def requires_approval(
    *,
    reason: str,
    resources: Iterable[Resource],
    petitioners: Iterable[Resource] | None = None,
    duration: Duration | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    quiet: bool = False,
    on_event: OnEvent | None = None,
    space_name: str | None = None,
    api_token: str | None = None,
    base_url: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Ask for approval before each call of the function, sync or async.

    `reason` and every text in `resources` may name the function's parameters, as
    `"reset the password of {user_id}"`; a brace of its own is doubled. The rest is as for
    `approval`, which also says what is raised when the call is not approved.

    Where an event loop runs, a function that is not async blocks it while it waits: make it async,
    unless you are in a notebook.

    Raises:
        TypeError, ValueError: when the function is decorated: an argument is wrong, or a text names
            what is not a parameter of the function.
    """
    wanted = checked_request({"reason": reason, "resources": resources}, petitioners)
    check_options(duration=duration, timeout=timeout, quiet=quiet, on_event=on_event)
    options: dict[str, Any] = {
        "petitioners": wanted.get("petitioners"),
        "duration": duration,
        "timeout": timeout,
        "quiet": quiet,
        "on_event": on_event,
        "space_name": space_name,
        "api_token": api_token,
        "base_url": base_url,
    }
    texts = {"reason": wanted["reason"], "resources": wanted["resources"]}

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        _check(texts, signature.parameters)

        def request(*args: P.args, **kwargs: P.kwargs) -> Request:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return cast("Request", _filled(texts, bound.arguments))

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: P.args, **kwargs: P.kwargs) -> object:
                await approval(request(*args, **kwargs), **options)
                return await cast("Awaitable[object]", function(*args, **kwargs))

            return cast("Callable[P, R]", later)

        @functools.wraps(function)
        def now(*args: P.args, **kwargs: P.kwargs) -> R:
            approval_sync(request(*args, **kwargs), **options)
            return function(*args, **kwargs)

        return now

    return decorate


def _filled(value: object, arguments: Mapping[str, object]) -> object:
    match value:
        case str():
            return value.format_map(arguments)
        case dict():
            return {key: _filled(one, arguments) for key, one in value.items()}
        case list():
            return [_filled(one, arguments) for one in value]
        case _:
            return value


def _check(value: object, parameters: Mapping[str, inspect.Parameter]) -> None:
    match value:
        case str():
            for _, name, _, _ in string.Formatter().parse(value):
                first = name and name.partition(".")[0].partition("[")[0]
                if first is not None and first not in parameters:
                    near = validation.nearest(first, parameters)
                    known = (
                        f"did you mean {near!r}?" if near else f"there is {', '.join(parameters)}"
                    )
                    raise TypeError(f"{value!r} names {name!r}, which isn't a parameter; {known}")
        case dict():
            _check([*value.values()], parameters)
        case list():
            for one in value:
                _check(one, parameters)
        case _:
            pass
