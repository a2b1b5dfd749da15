"""The form that requests access, and the petitions as they come in."""

from __future__ import annotations

from html import escape as escaped
from html import unescape

import pytest

from sandbox.demo_data import JANE, NORA
from sandbox.logbook import Logbook
from sandbox.page import Page
from sandbox.page.presenter import MAX_PETITIONS
from sandbox.space import Space
from tests.sandbox.page_client import PROD, SETTINGS, TEST, Answer, Visitor, asked
from tests.sandbox.running_space import Client, FakeWebhook, approve_all


def escape(text: str) -> str:
    """As the templates write it."""
    return escaped(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


EXAMPLE = "use for example 90m or 1h30m"
HOSTILE = "<script>alert(1)</script><b onclick='x'>\"&amp;"


def test_form_makes_a_petition(space: Space, visitor: Visitor) -> None:
    """It is made by the person himself, for what was chosen, as the form says."""
    made = asked(space, visitor, JANE, PROD, TEST, reason=" to fix it ", duration=" 90 Min ")
    assert [each["email"] for each in made.petitioners] == [JANE]
    assert [each["id"] for each in made.resources] == ["prod", "test"]
    assert (made.reason, made.as_json()["defaultDuration"]) == ("to fix it", "5400s")
    words = visitor.get().words
    assert "Jane Lind asks for Production (prod), Testing (test) for 1 hour 30 minutes." in words
    assert "“to fix it”" in words


def test_approval_is_shown(space: Space, visitor: Visitor, webhook: FakeWebhook) -> None:
    """What the webhook approves is granted, with its reason and until when."""
    webhook.claims = approve_all
    asked(space, visitor)
    words = visitor.get().words
    assert "✓ Granted until 2 Mar 18:00 UTC" in words
    assert "The webhook on-call answered with 1 claim." in words
    assert "Played Bot approves until 2 Mar 18:00 UTC “On call.”" in words


def test_refused_claim_is_shown(space: Space, visitor: Visitor, webhook: FakeWebhook) -> None:
    """A claim that does not count says why, and the petition stays open."""
    webhook.claims = lambda events: [{**approve_all(events)[0], "actor": {"kind": "user"}}]
    asked(space, visitor)
    words = visitor.get().words
    assert "does not count: its actor is no allowed reviewer." in words
    assert "Open: waits for a human" in words


def test_webhook_is_waited_for(space: Space, visitor: Visitor, webhook: FakeWebhook) -> None:
    """Until it answers, the page says so, and expects news at any moment."""
    assert 'data-busy="no"' in visitor.get().html
    seen: list[Answer] = []

    def look(_: object) -> list[object]:
        seen.append(visitor.get())
        return []

    webhook.claims = look
    asked(space, visitor)
    (during,) = seen
    assert "Open: the webhook is asked" in during.words
    assert "Waiting for the webhook's answer." in during.words
    assert 'data-busy="yes"' in during.html
    after = visitor.get()
    assert "Open: waits for a human" in after.words
    assert 'data-busy="no"' in after.html


def test_what_others_type_is_shown_as_typed(space: Space, visitor: Visitor) -> None:
    """A reason, a name or a label of a resource is text, whatever it looks like."""
    space.add_resource("okta.v1.Group", f"id{HOSTILE}", f"name{HOSTILE}", {"Env": "Test"})
    space.add_person("eve@acme.example", f"Eve{HOSTILE}")
    asked(space, visitor, "eve@acme.example", f"okta.v1.Group:id{HOSTILE}", reason=HOSTILE)
    html = visitor.get().html
    assert "<script>alert" not in html
    assert "<b onclick" not in html
    shown = escape(HOSTILE)
    for each in (f"“{shown}”", f"name{shown} (id{shown})", f"Eve{shown}", f'data-news="Eve{shown}'):
        assert each in html


def test_hostile_form_is_shown_as_typed(visitor: Visitor) -> None:
    """What is kept in the fields after a problem is text, too."""
    html = visitor.request(HOSTILE, reason=HOSTILE, duration=HOSTILE).html
    assert "<script>alert" not in html
    assert f'name="reason" maxlength="500" autocomplete="off" value="{escape(HOSTILE)}"' in html


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        *((each, f"isn't a duration: {EXAMPLE}.") for each in ("soon", "1h1h", "٣h", "1 month")),
        *((each, f"is less than a second: {EXAMPLE}.") for each in ("-1h", "0", "0.5s")),
        ("90", "isn't a duration: a number needs a unit, for example 90m or 90h."),
        ("1.5", "isn't a duration: a number needs a unit, for example 1.5m or 1.5h."),
        ("1h30", "isn't a duration: did you mean 1h30m?"),
    ],
)
def test_wrong_duration_is_told_at_its_field(
    space: Space, visitor: Visitor, duration: str, said: str
) -> None:
    """Nothing is requested; what was typed is kept, and the field is marked and focused."""
    answer = visitor.request(NORA, reason="to look", duration=duration)
    assert answer.status == 400
    assert space.petitions.all() == []
    form = answer.part("request")
    words = escape(f"“{duration}” {said}")
    assert words in form
    field = form[form.index('<input id="duration"') : form.index("For example")]
    assert f'value="{duration}"' in field
    assert 'aria-describedby="duration-hint problem-request" aria-invalid="true" autofocus' in field
    assert form.index(words) > form.index("For example")
    assert f'value="{NORA}" selected' in form
    assert 'value="to look"' in form
    assert answer.html.startswith("<!doctype html>")
    assert "<title>Not done: On-call approvals, sandbox</title>" in answer.html


@pytest.mark.parametrize(
    ("who", "resource", "status", "sentence"),
    [
        ("eve@acme.example", PROD, 400, "A petitioner is nobody of this space."),
        ("", PROD, 400, "A petitioner is nobody of this space."),
        (JANE, "okta.v1.Group:none", 400, "There is no okta.v1.Group 'none' to request."),
        (JANE, "prod", 400, "There is no prod '' to request."),
    ],
)
def test_what_the_space_refuses_is_told_in_the_form(
    space: Space, visitor: Visitor, who: str, resource: str, status: int, sentence: str
) -> None:
    """The page can do no more than the API: who and what is not there cannot be requested."""
    answer = visitor.request(who, resource, reason="to try")
    assert answer.status == status
    assert sentence in unescape(answer.part("request"))
    assert 'value="to try"' in answer.part("request")
    assert space.petitions.all() == []


def test_nothing_chosen_is_told_in_the_form(space: Space, visitor: Visitor) -> None:
    """Without a resource there is no petition; none is chosen in the form that comes back."""
    answer = visitor.send("/requests", {"who": JANE})
    assert answer.status == 400
    assert "A petition is for at least one resource." in answer.part("request")
    assert " checked" not in answer.part("request")
    assert visitor.get().part("request").count(" checked") == 2
    assert space.petitions.all() == []


def test_requests_of_the_api_are_shown(space: Space, visitor: Visitor, omar: Client) -> None:
    """Whoever requests from code appears beside those who use the form, the newest first."""
    omar.request({"kind": "okta.v1.Group", "id": "test"}, reason="from a script")
    asked(space, visitor)
    html = visitor.get().html
    assert 0 < html.index("Jane Lind asks") < html.index("omar@acme.example asks")
    assert "from a script" in html


def test_only_the_newest_are_shown(visitor: Visitor, omar: Client) -> None:
    """A script that requests a lot does not make the page too long to read."""
    thing = {"kind": "okta.v1.Group", "id": "test"}
    for number in range(MAX_PETITIONS + 2):
        omar.request(thing, reason=f"number {number}.")
    answer = visitor.get()
    assert "2 older ones are not shown." in answer.words
    assert "“number 2.”" in answer.words
    assert "“number 1.”" not in answer.words


def test_newcomer_is_told_what_to_do(space: Space, visitor: Visitor) -> None:
    """Without a petition the page says what this is, and what to do first."""
    words = visitor.get().words
    assert "Whoever is on duty gets access in seconds" in words
    assert "Nobody has asked for anything yet" in words
    asked(space, visitor)
    assert "Nobody has asked" not in visitor.get().words


@pytest.mark.parametrize("page", ["live"], indirect=True)
class TestLive:
    """Where the real provider is asked, anybody it knows can request."""

    def test_there_are_no_switches(self, visitor: Visitor) -> None:
        """The page says where duties are changed instead, and takes no switch."""
        answer = visitor.get()
        assert "The real incident.io is asked (LIVE=1), so there are no switches" in answer.words
        assert "aria-pressed" not in answer.html
        refused = visitor.send("/duties", {"provider": "incident.io", "slot": "x", "on": JANE})
        assert refused.status == 409
        assert "its duties cannot be switched" in refused.words

    def test_address_is_typed(self, space: Space, visitor: Visitor) -> None:
        """A person who was not known before requests by his address."""
        assert '<input id="who" name="who" type="email"' in visitor.get().html
        made = asked(space, visitor, " eve@acme.example ")
        assert [each["email"] for each in made.petitioners] == ["eve@acme.example"]

    @pytest.mark.parametrize("who", ["", "eve", f"{'e' * 250}@acme.example"])
    def test_what_is_no_address_is_told(self, space: Space, visitor: Visitor, who: str) -> None:
        """The field is marked, and what was typed is kept."""
        answer = visitor.request(who)
        form = answer.part("request")
        assert answer.status == 400
        assert "Give the e-mail address that the provider knows you by." in form
        assert f'value="{who}" aria-describedby="who-hint problem-request" aria-invalid="t' in form
        assert space.petitions.all() == []


def test_dry_run_is_told(space: Space, log: Logbook) -> None:
    """Where the stack only decides and logs, nobody has to wonder why nothing is granted."""
    with Page(space, [], log, SETTINGS._replace(dry_run=True)) as page:
        assert "Dry run: this stack sets AUTO_APPROVAL_DRY_RUN" in Visitor(page.url).get().words
