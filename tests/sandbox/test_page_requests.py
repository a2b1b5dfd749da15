"""Requests on the page: the form, the reviewer's buttons, and the history."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape as html_escape
from html import unescape

import pytest

from policy.duration_hints import EXAMPLE, hint
from sandbox.demo_data import JANE, NORA, RITA
from sandbox.function_log import FunctionLog
from sandbox.page import Page
from sandbox.page.app import MAX_PROBLEMS
from sandbox.page.presenter import MAX_REQUESTS
from sandbox.space import Space
from sandbox.space.tokens import Owner
from tests.sandbox.manual_clock import HOUR, ManualClock
from tests.sandbox.page_client import PROD, SETTINGS, TEST, Answer, PageClient, request_access
from tests.sandbox.running_space import Client, FakeWebhook, approve_all

HOSTILE = "<script>alert(1)</script><b onclick='x'>\"&amp;"
TEST_RESOURCE = {"kind": "okta.v1.Group", "id": "test"}


def escape(text: str) -> str:
    """Escape a text as the templates do."""
    return html_escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


@pytest.fixture
def name(space: Space, client: PageClient) -> str:
    """The name of Jane's open request."""
    return request_access(space, client).name


def verbs(client: PageClient, name: str) -> list[str]:
    """The buttons of a request."""
    html = client.get().html
    card = html[html.index(f'id="petition-{name}"') :].partition("</article>")[0]
    return [verb for verb in ("approve", "deny", "revoke") if f'value="{verb}"' in card]


def test_the_form_makes_a_request(space: Space, client: PageClient) -> None:
    """The form requests the chosen resources for the chosen person."""
    assert "No requests yet" in client.get().words
    petition = request_access(
        space, client, JANE, PROD, TEST, reason=" to fix it ", duration=" 90 Min "
    )
    assert [person["email"] for person in petition.petitioners] == [JANE]
    assert petition.as_json()["defaultDuration"] == "5400s"
    words = client.get().words
    assert "Jane Lind requests Production (prod), Testing (test) for 1 hour 30 minutes." in words
    assert "“to fix it”" in words
    assert "No requests yet" not in words


def test_an_approval(space: Space, client: PageClient, webhook: FakeWebhook) -> None:
    """A valid claim grants access despite invalid ones beside it; a human can revoke it."""
    webhook.claims = lambda events: [{**approve_all(events)[0], "actor": {}}, *approve_all(events)]
    petition = request_access(space, client)
    words = client.get().words
    assert "✓ Granted until 18:00 UTC" in words
    assert "The webhook on-call answered with 2 claims." in words
    assert "was ignored: its actor isn't an allowed reviewer" in words
    assert "Test Bot approves until 18:00 UTC “On call.”" in words
    assert verbs(client, petition.name) == ["revoke"]
    client.review(petition.name, "revoke", reason="incident is over")
    assert space.petitions.get(petition.name).phase == "revoked"
    assert "“incident is over”" in client.get().words


def test_while_the_webhook_is_asked(space: Space, client: PageClient, webhook: FakeWebhook) -> None:
    """Meanwhile the page says that it waits, and refreshes often."""
    answers: list[Answer] = []

    def look(_: object) -> list[object]:
        answers.append(client.get())
        return []

    webhook.claims = look
    request_access(space, client)
    (during,) = answers
    assert "Asking the webhook" in during.words
    assert "Waiting for the webhook's answer." in during.words
    assert 'data-busy="yes"' in during.html
    assert 'data-busy="no"' in client.get().html


def test_texts_are_escaped(space: Space, client: PageClient) -> None:
    """Reasons, names and resources are escaped, also in form fields."""
    space.add_resource("okta.v1.Group", f"id{HOSTILE}", f"name{HOSTILE}", {"Env": "Test"})
    space.add_person("eve@acme.example", f"Eve{HOSTILE}")
    resource = f"okta.v1.Group:id{HOSTILE}"
    request_access(space, client, "eve@acme.example", resource, reason=HOSTILE)
    html, text = client.get().html, escape(HOSTILE)
    for part in (f"“{text}”", f"name{text} (id{text})", f"Eve{text}", f'data-news="Eve{text}'):
        assert part in html
    answer = client.request(reason=HOSTILE, duration=HOSTILE)
    form = client.follow(answer).html
    assert f'name="reason" maxlength="500" autocomplete="off" value="{text}"' in form
    for page in (html, form):
        assert "<script>alert" not in page
        assert "<b onclick" not in page


@pytest.mark.parametrize(
    ("duration", "sentence"),
    [
        ("soon", f"isn't a duration: {EXAMPLE}."),
        ("0", f"is less than a second: {EXAMPLE}."),
        ("90", f"isn't a duration: {hint('90')}."),
        ("1.5", f"isn't a duration: {hint('1.5')}."),
    ],
)
def test_a_wrong_duration(space: Space, client: PageClient, duration: str, sentence: str) -> None:
    """Nothing is requested; the form keeps its values, and marks and focuses the field."""
    answer = client.request(NORA, reason="to look", duration=duration)
    answer = client.follow(answer)
    assert space.petitions.all() == []
    form = answer.part("request")
    assert escape(f"“{duration}” {sentence}") in form
    field = form[form.index('<input id="duration"') :]
    assert f'value="{duration}"' in field
    assert 'aria-describedby="duration-hint problem-request" aria-invalid="true" autofocus' in field
    assert f'value="{NORA}" selected' in form
    assert 'value="to look"' in form
    assert "<title>Error: On-call approvals, sandbox</title>" in answer.html


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("1 hour", "1 hour"),
        ("30 minutes", "30 minutes"),
        ("1h 30m", "1 hour 30 minutes"),
        ("1.5 hours", "1 hour 30 minutes"),
        ("1h30", "1 hour 30 minutes"),
        ("1 hour and 30 minutes", "1 hour 30 minutes"),
        ("1d", "24 hours"),
        ("999999h", "999999 hours"),
    ],
)
def test_durations_as_people_type_them(
    space: Space, client: PageClient, typed: str, words: str
) -> None:
    """Unambiguous durations are accepted, and shown in words."""
    request_access(space, client, duration=typed)
    assert f"Jane Lind requests Production (prod) for {words}." in client.get().words


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"who": "eve@acme.example", "resource": PROD}, "who", "Choose a person from the list."),
        ({"who": "", "resource": PROD}, "who", "Choose a person from the list."),
        ({"who": JANE, "resource": "x:none"}, "", "There is no x 'none' to request."),
        ({"who": JANE, "resource": "prod"}, "", "There is no prod '' to request."),
        ({"who": JANE}, "resource", "Choose at least one resource."),
    ],
)
def test_forms_that_are_refused(
    space: Space, client: PageClient, fields: dict[str, str], field: str, sentence: str
) -> None:
    """The form shows the error and keeps its values."""
    answer = client.follow(client.send("/requests", {**fields, "reason": "to try"}))
    form = answer.part("request")
    assert sentence in unescape(form)
    assert 'value="to try"' in form
    assert form.count(" checked") == (fields.get("resource") == PROD)
    assert form.count("autofocus") == 1
    if field:
        assert re.search(f'name="{field}"[^>]* autofocus', form)
    assert space.petitions.all() == []


def test_a_reload_sends_nothing(space: Space, client: PageClient) -> None:
    """Every form leads to an address that can be reloaded, with its problem.

    Only a limited number of problems is kept, the newest.
    """
    first = client.send("/requests", {"who": JANE})
    for _ in range(2):
        assert "Choose at least one resource." in client.follow(first).words
    for _ in range(MAX_PROBLEMS):
        client.send("/requests", {"who": JANE})
    assert "Choose at least one resource." not in client.follow(first).words
    assert space.petitions.all() == []


def test_the_form_remembers_the_last_request(space: Space, client: PageClient) -> None:
    """Person and resources of the last request stay selected, the reason doesn't."""
    boxes = client.get().part("request")
    assert re.findall(r'value="([^"]+)" checked', boxes) == [PROD]
    request_access(space, client, NORA, TEST, reason="only once", duration="1h")
    form = client.get().part("request")
    assert f'value="{NORA}" selected' in form
    assert re.findall(r'value="([^"]+)" checked', form) == [TEST]
    assert "only once" not in form
    assert 'value="1h"' not in form


def test_labels_are_shown(client: PageClient) -> None:
    """Resources show their labels, but not the space's internal ones."""
    form = client.get().part("request")
    assert "Production (prod) <span" in form
    assert "Env=Prod" in form
    assert "indent.com" not in form


def test_requests_from_code_are_shown(space: Space, client: PageClient, omar: Client) -> None:
    """Requests from code and form are listed newest first, up to a limit."""
    for number in range(MAX_REQUESTS + 1):
        omar.request(TEST_RESOURCE, reason=f"number {number}.")
    request_access(space, client)
    answer = client.get()
    order = [answer.html.index(f"{who} requests") for who in ("Jane Lind", "omar@acme.example")]
    assert order == sorted(order)
    assert "2 older requests are not shown." in answer.words
    assert "“number 2.”" in answer.words
    assert "“number 1.”" not in answer.words


def test_approve(space: Space, client: PageClient) -> None:
    """An administrator approves with a reason and a duration; the grant is one step."""
    name = request_access(space, client, JANE, PROD, TEST).name
    assert verbs(client, name) == ["approve", "deny"]
    answer = client.review(name, "approve", length="30m", reason="go ahead")
    assert (answer.status, answer.headers["Location"]) == (303, f"/#petition-{name}")
    assert space.petitions.get(name).expires_at == space.now() + timedelta(minutes=30)
    words = client.get().words
    assert "✓ Granted until 12:30 UTC" in words
    assert "Nora Falk approves until 12:30 UTC “go ahead”" in words
    assert words.count("Access is granted until 12:30 UTC") == 1
    assert verbs(client, name) == ["revoke"]


@pytest.mark.parametrize(
    ("who", "reviewer", "title"),
    [(JANE, NORA, "Nora Falk"), (NORA, RITA, "Rita Mora"), (RITA, NORA, "Nora Falk")],
)
def test_somebody_else_reviews(
    space: Space, client: PageClient, who: str, reviewer: str, title: str
) -> None:
    """The reviewer is never the requester, and the page names them."""
    petition = request_access(space, client, who)
    words = client.get().words
    assert f"You are reviewing as {title}" in words
    assert ("because nobody reviews their own request" in words) == (reviewer != NORA)
    assert client.review(petition.name, "approve", length="30m").status == 303
    (claim,) = space.petitions.get(petition.name).claims
    assert claim.event["actor"]["email"] == reviewer


@pytest.mark.parametrize(
    ("requested", "option", "hours"),
    [("2h", "as long as requested", 2), ("", "until revoked", None)],
)
def test_approve_without_a_length(
    space: Space, client: PageClient, requested: str, option: str, hours: int | None
) -> None:
    """Access lasts as long as requested, otherwise until revoked."""
    name = request_access(space, client, JANE, PROD, duration=requested).name
    assert f'<option value="">{option}</option>' in client.get().html
    client.review(name, "approve", length="")
    end = space.now() + hours * HOUR if hours else None
    assert space.petitions.get(name).expires_at == end
    assert ("Access is granted until revoked" in client.get().words) == (hours is None)


def test_deny(space: Space, client: PageClient, name: str) -> None:
    """A denied request is closed; reviewing it again shows a problem on its card."""
    assert client.review(name, "deny", reason="not today").status == 303
    words = client.get().words
    assert "✕ Denied by Nora Falk “not today”" in words
    assert "Nora Falk denies the request. “not today”" in words
    assert verbs(client, name) == []
    answer = client.follow(client.review(name, "approve"))
    place = answer.html[answer.html.index(f'id="petition-{name}"') :].partition("</article>")[0]
    assert "Nothing was changed: the request is no longer in that state." in place
    assert space.petitions.get(name).phase == "closed"


@pytest.mark.parametrize(
    ("is_revoked", "status", "sentence"),
    [
        (True, "■ Revoked by Nora Falk", "Nora Falk revokes the access."),
        (False, "■ Expired", "The time is up: the access has ended."),
    ],
)
def test_the_end_of_access(
    is_revoked: bool,  # noqa: FBT001 - drawn
    status: str,
    sentence: str,
    client: PageClient,
    clock: ManualClock,
    name: str,
) -> None:
    """The page shows how access ended, even after the petition has closed."""
    client.review(name, "approve", length="1h")
    if is_revoked:
        assert client.review(name, "revoke").status == 303
    else:
        clock.time += HOUR
    for _ in range(2):
        words = client.get().words
        assert status in words
        assert sentence in words
        assert "No reason given" not in words
        assert verbs(client, name) == []
        clock.time += HOUR


@pytest.mark.parametrize(
    ("verb", "length", "sentence"),
    [
        ("approve", "long", f"“long” isn't a duration: {EXAMPLE}."),
        ("access/grant", "", "The page does not offer this action."),
    ],
)
def test_reviews_that_are_refused(
    space: Space, client: PageClient, name: str, verb: str, length: str, sentence: str
) -> None:
    """Invalid reviews show an error and change nothing."""
    answer = client.follow(client.review(name, verb, length=length))
    assert sentence in answer.words
    assert space.petitions.get(name).phase == "open"


def test_a_request_that_is_gone(client: PageClient) -> None:
    """The problem of a missing request is shown above the others."""
    answer = client.follow(client.review("none", "approve"))
    assert "This request does not exist any more." in answer.words
    assert 'id="problem-requests"' in answer.html


def test_a_request_that_was_withdrawn(space: Space, client: PageClient, name: str) -> None:
    """The card says who closed the request."""
    space.petitions.update(Owner(JANE), name, {"state": {"status": {"phase": "closed"}}})
    words = client.get().words
    assert "■ Closed" in words
    assert f"{JANE} closed the request." in words
    assert "Revoked" not in words


def test_only_the_newest_is_unfolded(space: Space, client: PageClient) -> None:
    """Only the newest request, and one with a problem, are unfolded."""
    old, new = (request_access(space, client).name for _ in range(2))

    def unfolded(html: str) -> list[str]:
        return re.findall(r'id="story-petition-([^"]+)" data-default="open" open', html)

    assert unfolded(client.get().html) == [new]
    answer = client.follow(client.review(old, "approve", length="long"))
    assert unfolded(answer.html) == [new, old]


def test_requests_have_one_name(space: Space, client: PageClient) -> None:
    """The page says "request", except where it explains the protocol."""
    name = request_access(space, client).name
    client.review(name, "deny", reason="no")
    html = client.get().html
    card = html[html.index(f'id="petition-{name}"') :].partition("</article>")[0]
    body, _, _ = card.partition("Technical details")
    for part in (html.partition("<main")[2].partition('class="cards"')[0], body):
        assert "etition" not in re.sub(r'"[^"]*"', "", part)
    assert "calls a request a petition" in client.get().words


@pytest.mark.parametrize("page", ["live"], indirect=True)
class TestLive:
    """With real providers, anybody they know can request."""

    def test_there_are_no_switches(self, client: PageClient) -> None:
        """There are no switches; the page explains why."""
        answer = client.get()
        assert "This sandbox asks the real incident.io (LIVE=1), so duties can" in answer.words
        assert "aria-pressed" not in answer.html
        assert client.switch("incident.io", "x", on=JANE).is_problem

    def test_the_address_is_typed(self, space: Space, client: PageClient) -> None:
        """An unknown person can request with their address."""
        assert '<input id="who" name="who" type="email"' in client.get().html
        petition = request_access(space, client, " eve@acme.example ")
        assert [person["email"] for person in petition.petitioners] == ["eve@acme.example"]

    @pytest.mark.parametrize("who", ["", "eve", f"{'e' * 250}@acme.example"])
    def test_invalid_addresses(self, space: Space, client: PageClient, who: str) -> None:
        """The field is marked, and keeps what was typed."""
        form = client.follow(client.request(who)).part("request")
        assert "Enter the e-mail address that the provider knows you by." in form
        assert f'value="{who}" aria-describedby="who-hint problem-request" aria-invalid="t' in form
        assert space.petitions.all() == []


def test_a_dry_run(space: Space, log: FunctionLog) -> None:
    """In dry run the page says so."""
    with Page(space, [], log, SETTINGS._replace(dry_run=True)) as page:
        words = PageClient(page.url).get().words
        assert "Dry run: this stack sets AUTO_APPROVAL_DRY_RUN" in words
