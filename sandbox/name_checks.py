"""Compares the names in a stack's settings with the sandbox's organisation, as preflight does."""

from __future__ import annotations

from cli.context import process
from cli.preflight import check_providers
from cli.preflight_checks import PROBLEM
from handler.providers.registry import BY_ID
from handler.settings import Settings
from policy.lint import kinds_without_end, unnamed_kinds

_WITHOUT_PROXY = process()._replace(environment={})
MADE_UP = (
    "the sandbox's organisation is invented; `oncall preflight` checks names at the real providers"
)


def check_names(settings: Settings, *, on_doubles: bool) -> list[str]:
    """List the names that no double has, and the kinds of duty that open nothing.

    The real providers are not asked: `oncall preflight` does that.
    """
    on = [BY_ID[id_].name for id_ in settings.providers]
    checks = check_providers(settings, _WITHOUT_PROXY) if on_doubles else []
    problems = [check.text for check in checks if check.level == PROBLEM]
    return [
        *problems,
        *([MADE_UP] if problems else []),
        *unnamed_kinds(settings.policy, on),
        *kinds_without_end(settings.policy, on),
    ]
