"""All providers, and the settings that switch them on. No I/O."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType

from handler.setting_parsers import Setting, parse_base_url, parse_email, parse_site
from handler.typing import NamedTuple

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
# P or Q and capital letters or digits: 7 or 14 characters, or another length with a digit. Ids are
# random, so hardly any begins with one of these words, which are common in names of schedules; but
# what has a digit and the length of an id may be one.
_WORDS = "PRIMARY|PROD|PLATFORM|PARTNER|PAYMENT|PAYROLL|PRIVACY|PHOENIX|QUALITY"
_PAGERDUTY_ID = (
    "(?=[A-Z]*[0-9])[PQ]([0-9A-Z]{6}|[0-9A-Z]{13})"
    f"|(?!{_WORDS})[PQ]([0-9A-Z]{{6}}|[0-9A-Z]{{13}}|(?=[A-Z]*[0-9])[0-9A-Z]{{4,}})"
)


class Provider(NamedTuple):
    """A provider of duties; its client is `handler/providers/<id>.py`.

    Attributes:
        id: its name in a policy.
        name: its display name.
        key: the secret setting that switches it on.
        settings: its plain settings, the URL of its API first.
        required: the settings that must be set along with the key.
        ids: a regular expression for the ids of its schedules and roles.
        regions: the URLs of its API; each only knows the keys of its own accounts.
    """

    id: str
    name: str
    key: str
    settings: tuple[Setting, ...]
    required: tuple[str, ...] = ()
    ids: str = ""
    regions: tuple[str, ...] = ()

    def may_have_id(self, text: str) -> bool:
        """Whether a text looks like an id of this provider; a few names do as well."""
        return bool(self.ids) and re.fullmatch(self.ids, text) is not None

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its settings, the secret one first."""
        return (self.key, *(row.name for row in self.settings))


def _base_url(name: str, provider: str, url: str, eu: str = "") -> Setting:
    doc = f"Where {provider} answers{f'; for the EU, {eu}' if eu else ''}."
    return Setting(name, partial(parse_base_url, example=url), doc, url)


_PAGERDUTY = ("https://api.pagerduty.com", "https://api.eu.pagerduty.com")
_OPSGENIE = ("https://api.opsgenie.com", "https://api.eu.opsgenie.com")
# One line registers a provider.
PROVIDERS = (
    Provider(
        "incidentio",
        "incident.io",
        "INCIDENTIO_API_KEY",
        (_base_url("INCIDENTIO_BASE_URL", "incident.io", "https://api.incident.io"),),
        ids=_ULID,
    ),
    Provider(
        "pagerduty",
        "PagerDuty",
        "PAGERDUTY_KEY",
        (_base_url("PAGERDUTY_BASE_URL", "PagerDuty", *_PAGERDUTY),),
        ids=_PAGERDUTY_ID,
        regions=_PAGERDUTY,
    ),
    Provider(
        "opsgenie",
        "Opsgenie",
        "OPSGENIE_KEY",
        (_base_url("OPSGENIE_BASE_URL", "Opsgenie", *_OPSGENIE),),
        ids=_UUID,
        regions=_OPSGENIE,
    ),
    Provider(
        "jsm",
        "JSM Operations",
        "JSM_API_TOKEN",
        (
            _base_url("JSM_BASE_URL", "JSM Operations", "https://api.atlassian.com"),
            Setting("JSM_SITE", parse_site, "Your Atlassian site, such as `acme`."),
            Setting("JSM_EMAIL", parse_email, "The e-mail of the account of `JSM_API_TOKEN`."),
        ),
        required=("JSM_SITE", "JSM_EMAIL"),
        ids=_UUID,
    ),
)
BY_ID = MappingProxyType({provider.id: provider for provider in PROVIDERS})
BY_NAME = MappingProxyType({provider.name: provider for provider in PROVIDERS})


def other_region(provider: Provider, base_url: str) -> str:
    """Return a hint at the other region, whose keys this one does not know."""
    other = [url for url in provider.regions if url != base_url][-1]
    setting = provider.settings[0].name
    return f", or the key belongs to the other region: run `pulumi config set {setting} {other}`"
