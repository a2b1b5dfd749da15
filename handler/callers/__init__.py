"""Who asks: one file for each caller, and the list of them."""

from __future__ import annotations

from typing import NamedTuple


class CallerEntry(NamedTuple):
    """A caller's file, its paths of the function's URL, and the setting that switches it on."""

    name: str
    paths: tuple[str, ...]
    key: str


# The variable by which the program names those that are on: the setting may be a secret, which no
# stranger's call is worth fetching.
SWITCHED_ON = "HANDLER_CALLERS"
EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
METADATA = "/.well-known/authzen-configuration"
CALLERS = (
    CallerEntry("indent", ("/", "/indent"), "INDENT_WEBHOOK_SECRET"),
    CallerEntry("authzen", (EVALUATION, EVALUATIONS, METADATA), "AUTHZEN_TOKEN"),
    CallerEntry("conductorone", ("/conductorone",), "CONDUCTORONE_TENANT"),
)
