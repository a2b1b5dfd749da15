"""The AWS region of a stack."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from handler.setting_parsers import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "aws:region"
# Where the aws provider looks if the stack doesn't set it.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
EXAMPLE = "eu-west-1"
# Of the partitions aws, China, European sovereign cloud, and governments. A test compares them with
# `pulumi_aws`, whose import takes too long for a command.
REGIONS = frozenset(
    {
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2"),
        *("ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2"),
        *("ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6"),
        *("ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2"),
        *("eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
        *("cn-north-1", "cn-northwest-1", "eusc-de-east-1", "us-gov-east-1", "us-gov-west-1"),
        *("us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1"),
        *("eu-isoe-west-1", "us-isof-east-1", "us-isof-south-1"),
    }
)
# Not supported there (AWS Lambda developer guide, "Function URLs"). The list gets shorter.
WITHOUT_FUNCTION_URLS = frozenset(
    {
        *("ap-south-2", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7"),
        *("ap-east-2", "ca-west-1", "eu-south-2", "eu-central-2", "il-central-1", "me-central-1"),
    }
)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def parse_region(value: str, source: str = REGION) -> str:
    """Check the form of a region's name, as there are new regions each year.

    Args:
        value: the name.
        source: the setting or the variable that sets it.

    Raises:
        SettingsError: it isn't set, or can't be a region.
    """
    if not value:
        raise SettingsError(REGION, "is not set", EXAMPLE)
    if _REGION.fullmatch(value) is None:
        meant = _meant(value)
        by = "" if source == REGION else f" (from {source})"
        problem = f"is {value!r}{by}, which isn't a region"
        if meant in REGIONS:
            raise SettingsError(REGION, problem, fixes={REGION: meant})
        raise SettingsError(REGION, problem, nearest_region(meant) or EXAMPLE)
    return value


def region_of(config: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the region, and the name of the setting or variable that sets it."""
    candidates = [(config.get(REGION, "").strip(), REGION)]
    candidates += [(environment.get(name, ""), name) for name in REGION_VARIABLES]
    return next((candidate for candidate in candidates if candidate[0]), ("", REGION))


def nearest_region(name: str) -> str:
    """Return the region with the most similar name, or ""."""
    near = difflib.get_close_matches(name, REGIONS, n=len(REGIONS))
    likeness = {region: difflib.SequenceMatcher(None, region, name).ratio() for region in near}
    return min(near, key=lambda region: (-likeness[region], region), default="")


def _meant(value: str) -> str:
    """Remove quotes, spaces, capitals, and the letter of an availability zone."""
    plain = _NO_LETTER.sub("-", value.lower()).strip("-")
    return plain if plain in REGIONS else plain.rstrip("abcdef")
