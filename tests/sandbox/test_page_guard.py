"""Who may call the page, and what its answers allow a browser.

`test_local_server.py` tests every Host, Origin and path that the server refuses.
"""

from __future__ import annotations

import pytest

from sandbox.demo_data import JANE
from sandbox.space import Space
from tests.sandbox.page_client import PROD, PageClient

FORM = {"who": JANE, "resource": PROD}
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/nothing"])
def test_nothing_is_answered_without_key_and_host(client: PageClient, path: str) -> None:
    """Calls without the page's key or host are refused."""
    assert client.get(path, Host="evil.example").status == 421
    assert client.get(path, Host=f"localhost:{client.port}").status == 421
    key, token = client.key, client.token
    for wrong in ("", "/guessed", f"{key}x", key[:-1]):
        client.key = wrong
        answer = client.get(path)
        assert answer.status == 403
        assert key not in answer.html
        assert token not in answer.html


@pytest.mark.parametrize("path", ["/requests", "/duties", "/requests/any", "/"])
def test_form_without_the_token_is_refused(client: PageClient, space: Space, path: str) -> None:
    """A form without its token is refused, even if the address has the token."""
    token = client.token
    for wrong in ("", "guessed", "ß", token[:-1], f"{token}x"):
        client.token = wrong
        answer = client.send(f"{path}?csrf={token}", FORM)
        assert answer.status == 403
        assert (
            "This form belongs to an earlier run of the sandbox. Open the page again."
            in answer.words
        )
    assert space.petitions.all() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_form_of_another_site_is_refused(
    client: PageClient, space: Space, headers: dict[str, str]
) -> None:
    """A form from another site is refused, even with the right token."""
    assert client.send("/requests", FORM, **headers).status in {403, 421}
    assert space.petitions.all() == []


def test_own_form_is_accepted(client: PageClient, space: Space) -> None:
    """The Origin may be null (no-referrer), the page's own, or missing (old browsers)."""
    assert client.send("/requests", FORM, Origin="null").status == 303
    assert client.send("/requests", FORM, Origin=f"http://{client.authority}").status == 303
    body = f"csrf={client.token}&who={JANE}&resource={PROD}"
    assert client.call("POST", "/requests", body, {}).status == 303
    assert len(space.petitions.all()) == 3


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/static/page.css", 200, "text/css; charset=utf-8"),
        ("/static/page.js", 200, "text/javascript; charset=utf-8"),
        ("/static/icon.svg", 200, "image/svg+xml; charset=utf-8"),
        ("/nothing", 404, "text/html; charset=utf-8"),
        ("/requests", 303, "text/html; charset=utf-8"),
    ],
)
def test_every_answer_has_the_headers(
    client: PageClient, path: str, status: int, kind: str
) -> None:
    """Headers forbid foreign content, framing, CORS and caching."""
    answer = client.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, kind)
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "sandbox"
    assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(answer.headers)


@pytest.mark.parametrize("path", ["/requests", "/duties", "/requests/any"])
def test_reloading_a_form_s_address_leads_back(client: PageClient, path: str) -> None:
    """Opening a form's address leads to the page."""
    answer = client.get(path)
    assert (answer.status, answer.headers["Location"]) == (303, "/#main")


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nothing", 404, "There is no such page."),
        ("PUT", "/", 405, "This address doesn't accept that kind of call."),
        ("TRACE", "/", 405, "This address doesn't accept that kind of call."),
    ],
)
def test_errors_are_sentences(
    client: PageClient, method: str, path: str, status: int, sentence: str
) -> None:
    """An error page has a sentence, and a link back to the page."""
    answer = client.call(method, path, None, {})
    assert answer.status == status
    assert sentence in answer.words
    assert '<a href="/">Open the page</a>' in answer.html


def test_huge_form_is_refused(client: PageClient, space: Space) -> None:
    """A form over 32 kB is refused."""
    answer = client.request(JANE, reason="x" * 40_000)
    assert answer.status == 413
    assert "That is too long. A form can hold 32 kB." in answer.words
    assert space.petitions.all() == []
