"""`requires_approval`: functions that run only when their call has been approved."""

from __future__ import annotations

import functools
import inspect
import string
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar, Unpack, cast

from indentapi import Resource
from indentapi.validation import most_similar

from approvals.approval import approval, approval_sync
from approvals.request import ApprovalOptions, Request, check_options, check_request

P = ParamSpec("P")
R = TypeVar("R")


def requires_approval(
    *, reason: str, resources: Iterable[Resource], **options: Unpack[ApprovalOptions]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Request approval before each call of the function, sync or async.

    `reason` and every text in `resources` may name the function's parameters, as
    `"reset the password of {user_id}"`; double a brace that is to stay one. The options and the
    exceptions of a call that is not approved are those of `approval`.

    Where an event loop runs, a function that is not async blocks it while it waits: make it async,
    unless you are in a notebook.

    Raises:
        TypeError, ValueError: when the function is decorated: an argument is wrong, or a text names
            what is not a parameter of the function.
    """
    checked = check_request({"reason": reason, "resources": resources}, options.get("petitioners"))
    check_options(options)
    # Checked, they are a list: an iterator would be used up by the first call.
    options["petitioners"] = checked.get("petitioners")
    template = {"reason": checked["reason"], "resources": checked["resources"]}

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        _check_placeholders(template, signature.parameters)

        def request(*args: P.args, **kwargs: P.kwargs) -> Request:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return cast("Request", _fill(template, bound.arguments))

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def async_wrapper(*args: P.args, **kwargs: P.kwargs) -> object:
                await approval(request(*args, **kwargs), **options)
                return await cast("Awaitable[object]", function(*args, **kwargs))

            return cast("Callable[P, R]", async_wrapper)

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            approval_sync(request(*args, **kwargs), **options)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def _fill(template: object, arguments: Mapping[str, object]) -> object:
    match template:
        case str():
            return template.format_map(arguments)
        case dict():
            return {key: _fill(value, arguments) for key, value in template.items()}
        case list():
            return [_fill(item, arguments) for item in template]
        case _:
            return template


def _check_placeholders(template: object, parameters: Mapping[str, inspect.Parameter]) -> None:
    match template:
        case str():
            for _, field, _, _ in string.Formatter().parse(template):
                if field is None:
                    continue
                name = field.partition(".")[0].partition("[")[0]
                if name not in parameters:
                    similar = most_similar(name, parameters)
                    hint = (
                        f"did you mean {similar!r}?"
                        if similar
                        else f"there is {', '.join(parameters)}"
                    )
                    raise TypeError(
                        f"{template!r} names {field!r}, which isn't a parameter; {hint}"
                    )
        case dict():
            _check_placeholders([*template.values()], parameters)
        case list():
            for item in template:
                _check_placeholders(item, parameters)
        case _:
            pass
