"""Which hosts an address in the settings may have."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult

import pytest

from handler import setting_parsers
from handler.setting_parsers import SettingsError
from handler.settings import PLAIN_KEYS, PROVIDER_KEYS, load

ALL = {
    "INDENT_WEBHOOK_SECRET": "signing-secret-0123456789",
    **{key: f"k3y-of-{key}" for key in PROVIDER_KEYS},
    "JSM_SITE": "acme",
    "JSM_EMAIL": "bot@acme.example",
}


def refused(changes: Mapping[str, str]) -> SettingsError:
    """The error that these values give, where every provider is on."""
    with pytest.raises(SettingsError) as caught:
        load({**ALL, **changes})
    return caught.value


NOT_HOSTS = {
    "host name begins or ends with a dot, or has two in a row": (
        *("api..pagerduty.com", ".pagerduty.com", "api.pagerduty.com.", "...", "1..2.3"),
    ),
    "host name has more than 63 characters between two dots": (f"{'a' * 64}.example",),
    "host name has more than 253 characters": (".".join(["a" * 60] * 4 + ["a" * 10]),),
    "host name contains something other than letters, digits, hyphens and dots": (
        *("api_eu.example", "api!.example", "*.example", "a%20b", "api,eu.example"),
    ),
    "host name begins or ends with a hyphen, or has one beside a dot": (
        *("-api.example", "api-", "api.-eu.example", "api-.example", "-"),
    ),
    "host isn't an IPv4 address": (
        *("256.1.1.1", "1.2.3", "1.2.3.4.5", "127.1", "0x7f.0.0.1", "1.0x7f", "010.0.0.1", "1"),
        *("1.2.3.99999", "api.example.1"),
    ),
    "host isn't an IPv6 address": ("[::g]", "[1:2:3]", "[fe80::1%25eth0]"),
    "port is 0, where nothing can listen": ("api.example:0",),
}


@pytest.mark.parametrize(
    ("host", "problem"), [(host, problem) for problem, all_ in NOT_HOSTS.items() for host in all_]
)
def test_a_host_that_cannot_be_one(host: str, problem: str) -> None:
    """It is refused at the preview rather than found out in a call, for every address alike."""
    address = f"https://{host}/v2"
    for each in (each for each in PLAIN_KEYS if each.endswith("_BASE_URL")):
        error = refused({each: address})
        assert error.key == each
        if "[" not in host:  # some Pythons refuse these before we do
            assert str(error) == f"{each} is {address!r}, whose {problem}"
            assert error.example.startswith("https://")
    if "." in host:  # else it is a site's name
        assert refused({"JSM_SITE": host}).key == "JSM_SITE"


@pytest.mark.parametrize(
    "host",
    [
        *("intranet", "api.eu.pagerduty.com", "xn--bcher-kva.example", "1e100.net", "a--b.example"),
        *("1.example", "255.255.255.255", "8.8.8.8", "[2001:db8::1]", "[::ffff:1.2.3.4]"),
        *(f"{'a' * 63}.example", ".".join(["a" * 60] * 4 + ["a" * 9]), "API.Example", "a:65535"),
    ],
)
def test_a_host_that_can_be_one(host: str) -> None:
    """It is read as it is written."""
    result = load({**ALL, "INCIDENTIO_BASE_URL": f"https://{host}"})
    assert result.providers["incidentio"]["INCIDENTIO_BASE_URL"] == f"https://{host}"


@pytest.mark.parametrize("host", ["[::g]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[127.0.0.1]"])
def test_brackets_are_for_ipv6(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the Python that runs it looks into them."""
    lenient = SplitResult("https", host, "", "", "")
    monkeypatch.setattr(setting_parsers, "urlsplit", lambda _url: lenient)
    assert "IPv6 address" in str(refused({"INCIDENTIO_BASE_URL": "https://x"}))
