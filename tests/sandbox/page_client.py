"""A client of the page: it sends plain HTTP like a browser, and extracts what a person reads."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from handler.settings import load
from sandbox.demo_data import JANE, OMAR, PEOPLE, RITA
from sandbox.space import Space
from sandbox.space.petition import Petition
from sandbox.vendors.incidentio import Organisation

PROD, TEST = "okta.v1.Group:prod", "okta.v1.Group:test"
SETTINGS = load(
    {"INDENT_WEBHOOK_SECRET": "wks0-of-the-page-tests", "INCIDENTIO_API_KEY": "inc-page-tests"}
)
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
_TAGS = re.compile(r"<[^>]*>")


def demo_organisation(now: Callable[[], datetime]) -> Organisation:
    """The demo's people, with Omar on shift and Jane leading an incident that Rita declared."""
    organisation = Organisation(now)
    for email, name in PEOPLE.items():
        organisation.add_person(name, email)
    organisation.add_schedule("Production")
    organisation.put_on_shift("Production", OMAR)
    organisation.declare_incident("Checkout answers 500", by=RITA, lead=JANE)
    return organisation


@dataclass(frozen=True)
class Answer:
    """An answer of the page."""

    status: int
    headers: Mapping[str, str]
    html: str

    @property
    def words(self) -> str:
        """The text that a person reads, with single spaces."""
        return " ".join(unescape(_TAGS.sub("", self.html)).split())

    @property
    def pressed(self) -> list[str]:
        """The labels of the pressed switches."""
        return re.findall(r'aria-pressed="true".*</span> (.*)</button>', self.html)

    @property
    def is_problem(self) -> bool:
        """Whether the form had no effect; the address that it leads to shows why."""
        return self.status == HTTPStatus.SEE_OTHER and "/?problem=" in self.headers["Location"]

    def part(self, id_: str) -> str:
        """The HTML from the start tag with this id to the end of its form, section or article."""
        start = self.html.index(f'id="{id_}"')
        end = re.compile(r"</(form|section|article)>").search(self.html, start)
        return self.html[start : end.start() if end else None]


class PageClient:
    """A browser with the page open; paths are relative to the page's address."""

    def __init__(self, url: str) -> None:
        self.authority = urlsplit(url).netloc
        self.key = urlsplit(url).path.rstrip("/")
        self.port = urlsplit(url).port or 0
        token = _TOKEN.search(self.get().html)
        assert token
        self.token = token[1]

    def get(self, path: str = "/", **headers: str) -> Answer:
        """Open an address."""
        return self.call("GET", path, None, headers)

    def send(self, path: str, fields: object, **headers: str) -> Answer:
        """Send a form with its token; in header names, `_` stands for `-`."""
        pairs = list(fields.items()) if isinstance(fields, Mapping) else fields
        assert isinstance(pairs, list)
        body = urlencode([("csrf", self.token), *pairs])
        usual = {"Origin": "null", "Sec_Fetch_Site": "same-origin"}
        return self.call("POST", path, body, {**usual, **headers})

    def call(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        """Call with only these headers and those that HTTP needs."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, f"{self.key}{path}", body, sent)
            answer = connection.getresponse()
            text = answer.read().decode().replace(f"{self.key}/", "/")
            headers = {name: value.replace(self.key, "") for name, value in answer.getheaders()}
            return Answer(answer.status, headers, text)

    def follow(self, answer: Answer) -> Answer:
        """Open the address to which a form led, with its problem."""
        assert answer.is_problem
        return self.get(answer.headers["Location"])

    def request(self, who: str = JANE, *resources: str, **fields: str) -> Answer:
        """Send the form that requests access, by default to Production."""
        pairs = [("resource", resource) for resource in resources or (PROD,)]
        return self.send("/requests", [("who", who), *pairs, *fields.items()])

    def review(self, name: str, decision: str, **fields: str) -> Answer:
        """Press one of the reviewer's buttons."""
        return self.send(f"/requests/{name}", {"decision": decision, **fields})

    def switch(self, provider: str, slot: str, **person: str) -> Answer:
        """Press a duty's switch for the person with this e-mail."""
        return self.send("/duties", {"provider": provider, "slot": slot, **person})


def request_access(
    space: Space, client: PageClient, who: str = JANE, *resources: str, **fields: str
) -> Petition:
    """Send the form, and return the petition once the webhook has answered."""
    answer = client.request(who, *resources, **fields)
    assert answer.status == 303, answer.words
    petition = space.petitions.all()[-1]
    assert answer.headers["Location"] == f"/#petition-{petition.name}"
    return space.petitions.wait_for_webhooks(petition.name)
