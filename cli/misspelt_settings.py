"""Names that are nearly those of settings: nothing reads them, and nobody notices. No I/O."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from handler.settings import PROVIDER_KEYS
from infra.config_key_check import SYNONYMS, nearest_setting
from infra.settings import KEYS

# Variables that begin so are ours, and these others may be.
_OWN_PREFIX, _NEARLY_OWN_PREFIX = "AUTO_APPROVAL_", "AUTO_"
_PROVIDER_PREFIXES = tuple(f"{key.partition('_')[0]}_" for key in PROVIDER_KEYS)
_CLOSE = 0.9


def misspelt_variables(environment: Mapping[str, str], *, with_policy: bool) -> list[str]:
    """Name variables that nothing reads, and what was probably meant.

    One that doesn't begin as ours do may be for another program, so it must be close to a missing
    setting.

    Args:
        environment: the process's.
        with_policy: whether the policy is read from there.
    """
    warnings = []
    for name in sorted(environment):
        if name in KEYS or not name.startswith((_NEARLY_OWN_PREFIX, *_PROVIDER_PREFIXES)):
            continue
        meant = nearest_setting(name)
        if not with_policy and (name.startswith(_OWN_PREFIX) or meant.startswith(_OWN_PREFIX)):
            continue
        is_missing = not environment.get(meant)
        is_close = is_missing and (name in SYNONYMS or _is_close(name, meant))
        if is_close or name.startswith(_OWN_PREFIX):
            warnings.append(_misspelt(name, "the environment", meant))
    return warnings


def _is_close(name: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, name, other, autojunk=False).ratio() > _CLOSE


def misspelt_keys(settings: Mapping[str, str], file: str) -> list[str]:
    """Name keys of a stack's file that nothing reads, and what was probably meant."""
    return [
        _misspelt(name, file, nearest_setting(name))
        for name in sorted(settings)
        if name not in KEYS and ":" not in name
    ]


def _misspelt(name: str, place: str, meant: str) -> str:
    hint = f"; did you mean {meant}?" if meant else ""
    return f"{name} in {place} is not a setting and has no effect{hint}"
