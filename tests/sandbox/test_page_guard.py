"""Who may call the page: not other sites, not other names for this machine, not other machines."""

from __future__ import annotations

import socket
import threading

import pytest

from sandbox.demo_data import JANE
from sandbox.logbook import Logbook
from sandbox.page import Page
from sandbox.space import Space
from tests.sandbox.page_client import PROD, SETTINGS, Visitor

FORM = {"who": JANE, "resource": PROD}
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def test_it_listens_on_loopback(page: Page) -> None:
    """No other machine reaches it."""
    assert page.url.startswith("http://127.0.0.1:")
    assert page._server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("key", ["", "/", "/guessed", "{key}x", "{short}", "/x{key}"])
def test_address_without_the_key_is_refused(visitor: Visitor, key: str) -> None:
    """Another account of this machine can connect, but does not know the page's path."""
    own, token = visitor.key, visitor.token
    for path in ("/", "/static/page.js", "/nothing"):
        visitor.key = key.format(key=own, short=own[:-1])
        answer = visitor.get(path)
        assert answer.status == 403
        assert "The address lacks the key of this run." in answer.html
        assert own not in answer.html
        assert token not in answer.html


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.evil.example",
        "127.1:{port}",
        "user@127.0.0.1:{port}",
        "127.0.0.1:{port}, evil.example",
        "",
    ],
)
def test_other_names_are_refused(visitor: Visitor, host: str) -> None:
    """A name that somebody else owns may point here: its pages read nothing, and get no token."""
    for path in ("/", "/static/page.js", "/nothing"):
        answer = visitor.get(path, Host=host.format(port=visitor.port))
        assert answer.status == 421
        assert f"This server answers at http://127.0.0.1:{visitor.port}/ only." in answer.words
        assert visitor.token not in answer.html


def test_other_names_send_nothing(visitor: Visitor, space: Space) -> None:
    """Even a right token does not help under another name."""
    assert visitor.send("/requests", FORM, Host="evil.example").status == 421
    assert space.petitions.all() == []


@pytest.mark.parametrize("path", ["/requests", "/duties", "/petitions/any", "/"])
def test_form_without_the_token_is_refused(visitor: Visitor, space: Space, path: str) -> None:
    """Another site can send a form here, but does not know the token."""
    for wrong in ("", "guessed", "ß", visitor.token[:-1], f"{visitor.token}x"):
        visitor.token = wrong
        answer = visitor.send(path, FORM)
        assert answer.status == 403
        assert "This form is not of the page that runs now: open the page anew." in answer.words
    assert space.petitions.all() == []


def test_token_in_the_query_does_not_count(visitor: Visitor, space: Space) -> None:
    """It belongs in a form, where no log and no history keeps it."""
    token, visitor.token = visitor.token, ""
    assert visitor.send(f"/requests?csrf={token}", FORM).status == 403
    assert space.petitions.all() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "null", "Sec_Fetch_Site": "same-site"},
        {"Origin": "null", "Sec_Fetch_Site": "none"},
    ],
)
def test_form_of_another_site_is_refused(
    visitor: Visitor, space: Space, headers: dict[str, str]
) -> None:
    """Where a form is from is told by the browser, and checked before the token."""
    told = {name: value.format(port=visitor.port) for name, value in headers.items()}
    answer = visitor.send("/requests", FORM, **told)
    assert answer.status == 403
    assert "Calls from another site are refused." in answer.words
    assert space.petitions.all() == []


@pytest.mark.parametrize("origin", ["null", "http://{authority}"])
def test_own_form_is_taken(visitor: Visitor, space: Space, origin: str) -> None:
    """A form's Origin is null under no-referrer, a script's is the page's."""
    answer = visitor.send("/requests", FORM, Origin=origin.format(authority=visitor.authority))
    assert answer.status == 303
    assert len(space.petitions.all()) == 1


def test_browser_that_tells_no_origin_is_answered(visitor: Visitor, space: Space) -> None:
    """Old browsers send neither header: the token alone has to do."""
    body = f"csrf={visitor.token}&who={JANE}&resource={PROD}"
    assert visitor.call("POST", "/requests", body, {}).status == 303
    assert len(space.petitions.all()) == 1


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
def test_every_answer_bears_the_headers(
    visitor: Visitor, path: str, status: int, kind: str
) -> None:
    """Nothing but its own parts is loaded, nobody frames it, nothing is kept or told to others."""
    answer = visitor.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, kind)
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "sandbox"
    assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(answer.headers)


def test_page_is_made_of_its_own_parts(visitor: Visitor) -> None:
    """No address of anybody else, no inline style or script: the policy would stop them."""
    html = visitor.get().html
    assert "http" not in html
    assert " style=" not in html
    assert "<style" not in html
    assert html.count("<script") == 1
    assert '<script src="/static/page.js" defer></script>' in html


def test_address_of_a_form_leads_back(visitor: Visitor) -> None:
    """Loading it anew, as after a problem, shows the page."""
    for path in ("/requests", "/duties", "/petitions/any"):
        answer = visitor.get(path)
        assert (answer.status, answer.headers["Location"]) == (303, "/#main")


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/nothing", 404, "There is no such page."),
        ("PUT", "/", 405, "That is no way to call this address."),
        ("TRACE", "/", 405, "That is no way to call this address."),
    ],
)
def test_wrong_call_is_told_in_a_sentence(
    visitor: Visitor, method: str, path: str, status: int, sentence: str
) -> None:
    """With a way back to the page."""
    answer = visitor.call(method, path, None, {})
    assert answer.status == status
    assert sentence in answer.words
    assert '<a href="/">To the page</a>' in answer.html


def test_huge_form_is_refused(visitor: Visitor, space: Space) -> None:
    """It is not read into memory."""
    answer = visitor.request(JANE, reason="x" * 40_000)
    assert answer.status == 413
    assert "That is too long: a form may hold 32 kB." in answer.words
    assert space.petitions.all() == []


def test_nothing_is_left(space: Space, log: Logbook) -> None:
    """With the context its port and threads are gone, though a browser keeps a connection open."""
    before = set(threading.enumerate())
    with Page(space, [], log, SETTINGS) as page:
        visitor = Visitor(page.url)
        silent = socket.create_connection(("127.0.0.1", visitor.port))
        visitor.get()
    with silent:
        assert silent.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        visitor.get()
    assert set(threading.enumerate()) <= before
