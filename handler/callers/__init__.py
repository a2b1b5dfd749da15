"""Who asks: one file for each caller, and the list of them."""

from __future__ import annotations

from handler.typing import NamedTuple


class CallerEntry(NamedTuple):
    """A caller.

    Attributes:
        name: of its file and in the log.
        paths: those of the function's URL that it calls.
        key: the setting that switches it on.
        maps_names: whether its names for people become e-mails by the policy's `identities`.
    """

    name: str
    paths: tuple[str, ...]
    key: str
    maps_names: bool = False


# The variable in which the Pulumi program lists the callers that are on. The setting itself may be
# a secret, and calls of strangers should not have it fetched.
SWITCHED_ON = "HANDLER_CALLERS"
EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
METADATA = "/.well-known/authzen-configuration"
CALLERS = (
    CallerEntry("indent", ("/", "/indent"), "INDENT_WEBHOOK_SECRET"),
    CallerEntry("authzen", (EVALUATION, EVALUATIONS, METADATA), "AUTHZEN_TOKEN", maps_names=True),
    CallerEntry("conductorone", ("/conductorone",), "CONDUCTORONE_TENANT"),
)
