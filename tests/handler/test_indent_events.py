"""Indent's events, the meaning of their labels, and the claim that answers them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handler.callers.indent import DURATION, EXPIRES, Event, claim, read_events, read_request
from handler.json_fields import ShapeError
from handler.request import Request, Resource

NOW = datetime(2026, 3, 4, 12, 0, 0, 123_456, tzinfo=UTC)
JANE = {"kind": "slack/user", "id": "T1/U1", "displayName": "Jane", "email": "jane@example.com"}
GROUP = {"kind": "okta.v1.Group", "id": "00g1", "labels": {"Env": "Prod"}, "altIds": ["x"]}
BOT = {"kind": "indent.v1.Bot", "id": "a-bot"}
NAMELESS = "Approved by a duty whose name isn't shown here; find it in the log by its id"


def asking(**fields: object) -> dict[str, Any]:
    """An `access/request` event."""
    return {"event": "access/request", "actor": JANE, "resources": [GROUP], **fields}


def labelled(**labels: str) -> Request:
    """A request with these labels; `__` is replaced by a slash."""
    named = {name.replace("__", "/"): value for name, value in labels.items()}
    return read_request(Resource(), (), named)


class TestReading:
    """Every field may be absent or null, but must not have another type."""

    def test_a_whole_request(self) -> None:
        """A request has requester, resources with labels, and its own labels."""
        _, (event,) = read_events([asking(meta={"labels": {"petition": "p-1"}})])
        assert event == Event(
            Resource("slack/user", "T1/U1", "jane@example.com"),
            (Resource("okta.v1.Group", "00g1", "", {"Env": "Prod"}),),
            {"petition": "p-1"},
            (JANE, GROUP),
        )
        assert event.request == Request(event.actor, event.resources, groups=("p-1",))

    @pytest.mark.parametrize(
        "event",
        [
            {"event": "access/request"},
            {"event": "access/request", "actor": None, "resources": None, "meta": None},
            {"event": "access/request", "actor": {}, "resources": [], "meta": {"labels": None}},
            {"event": "access/request", "meta": {}, "unknown": [1, {"a": 2}]},
        ],
    )
    def test_empty_requests(self, event: dict[str, Any]) -> None:
        """Requests without fields are read as empty; the original crashed."""
        assert read_events([event])[1] == (Event(Resource(), (), {}, ({},)),)

    def test_names_and_order(self) -> None:
        """All event names are returned, and the requests in order; others aren't read."""
        first, second = asking(actor={"id": "1"}), asking(actor={"id": "2"})
        names, events = read_events(
            [{"event": "sso.login", "actor": 7}, first, {}, {"event": "access/grant"}, second]
        )
        assert names == {"sso.login", "access/request", "", "access/grant"}
        assert [event.actor.id for event in events] == ["1", "2"]

    @pytest.mark.parametrize("events", [[], None])
    def test_no_events(self, events: object) -> None:
        """An empty list is valid; the original crashed."""
        assert read_events(events) == (set(), ())

    @pytest.mark.parametrize("name", ["Access/Request", "access/request ", "access/request/x"])
    def test_only_the_exact_name_is_a_request(self, name: str) -> None:
        """Other spellings of the event's name are other events."""
        assert read_events([asking(event=name)])[1] == ()

    @pytest.mark.parametrize(
        ("events", "message"),
        [
            ("x", "events is not a list"),
            ([{}, 1], "events[1] is not an object"),
            ([{"event": ["access/request"]}], "events[0].event is not a string"),
            ([asking(actor=[])], "events[0].actor is not an object"),
            ([asking(actor={"email": 1})], "events[0].actor.email is not a string"),
            ([asking(actor={"kind": {}})], "events[0].actor.kind is not a string"),
            ([asking(resources={})], "events[0].resources is not a list"),
            ([asking(resources=[{}, "x"])], "events[0].resources[1] is not an object"),
            ([asking(resources=[{"id": 1}])], "events[0].resources[0].id is not a string"),
            ([{}, asking(meta=[])], "events[1].meta is not an object"),
            ([asking(meta={"labels": []})], "events[0].meta.labels is not an object"),
            (
                [asking(meta={"labels": {"her-own-words": 1}})],
                "a value of events[0].meta.labels is not a string",
            ),
            (
                [asking(resources=[{"labels": {"her-own-words": True}}])],
                "a value of events[0].resources[0].labels is not a string",
            ),
        ],
    )
    def test_the_wrong_type(self, events: object, message: str) -> None:
        """The error names the field, but neither the value nor a label's name."""
        with pytest.raises(ShapeError) as caught:
            read_events(events)
        assert str(caught.value) == message

    def test_a_label_that_is_null(self) -> None:
        """A null label is read as empty."""
        _, (event,) = read_events([asking(meta={"labels": {"a": None}})])
        assert event.labels == {"a": ""}


class TestLabels:
    """The meaning of a request's labels."""

    @pytest.mark.parametrize(
        ("labels", "petitions"),
        [
            ({}, ()),
            ({"petition": "p"}, ("p",)),
            ({"indent.com__petition": "q"}, ("q",)),
            ({"petition": "p", "indent.com__petition": "q"}, ("q", "p")),
            ({"petition": "p", "indent.com__petition": ""}, ("p",)),
            ({"Petition": " p "}, ("p",)),
        ],
    )
    def test_petitions(self, labels: dict[str, str], petitions: tuple[str, ...]) -> None:
        """Both labels can name a petition, in any spelling; an empty one doesn't."""
        assert labelled(**labels).groups == petitions

    @pytest.mark.parametrize(
        ("one", "other", "hours"),
        [
            ("2h", None, 2),
            (None, "3h", 3),
            ("2h", "3h", 2),
            ("3h", "2h", 2),
            ("2h", "-1ns", 2),
            ("forever", "2h", 2),
            ("indefinite", "2h", 2),
            ("3 hours", "120 min", 2),
            ("2h", "0", 2),
        ],
    )
    def test_duration(self, one: str | None, other: str | None, hours: int) -> None:
        """The shortest positive duration of the two labels counts."""
        labels = {"indent.com__time__duration": one, "indent.com__petition__duration": other}
        given = {name: value for name, value in labels.items() if value is not None}
        assert labelled(**given).requested_duration == timedelta(hours=hours)

    @pytest.mark.parametrize("value", ["", "0s", "-1ns", "-5h", "6", "six hours", "2562048h"])
    def test_no_duration(self, value: str) -> None:
        """A duration that isn't positive, readable or within limits is ignored here."""
        assert labelled(**{"indent.com/time/duration": value}).requested_duration is None

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            *((text, "") for text in ("", " ", "0", "0s", "-1ns", "-5h", "2h", "90 min", "1d")),
            *((text, "") for text in ("indefinite", " INDEFINITE\n")),
            *(
                (text, text)
                for text in ("soonish", "6", "1h1h", "1,5h", "NaN", "x" * 30, "5 \u00e5r")
            ),
            *((text, "...") for text in ("x" * 31, "1h" * 10**5, "joan@example.com", "a%40b.c")),
            *(
                (text, "...")
                for text in ('1h"', "1h\x1b[2J", "\u200b1h", "1\u202eh", "\ud800", "a\nb")
            ),
            # Invisible though printable: quoted, this would look like a plain 1h.
            *(
                (f"1h{sign}", "...")
                for sign in ("\u2800", "\u3164", "\uffa0", "\u115f", "\ufe0f", "\u034f")
            ),
        ],
    )
    @pytest.mark.parametrize("name", ["indent.com/time/duration", "Indent.com/Petition/Duration "])
    def test_unreadable_duration(self, name: str, value: str, expected: str) -> None:
        """An unreadable duration is reported, and quoted only if it's short and plain.

        Its replacement can't be read either, so a replay of the log line decides the same.
        """
        assert labelled(**{name: value}).unreadable_duration == expected
        assert labelled(**{name: expected}).unreadable_duration == expected

    @pytest.mark.parametrize("value", [["1h"], True, 3600, 1.5, {"seconds": 3600}, 0, False, []])
    @pytest.mark.parametrize("name", [DURATION, "indent.com/petition/duration", EXPIRES])
    def test_a_time_of_another_type(self, name: str, value: object) -> None:
        """A time label that isn't a text refuses the whole call."""
        with pytest.raises(ShapeError, match=r"meta\.labels is not a string$"):
            read_events([asking(meta={"labels": {name: value}})])
        request = labelled(**{name: ""})
        assert request.requested_duration is None
        assert request.unreadable_duration == request.unreadable_expiry == ""

    def test_expiry(self) -> None:
        """The expiry is read as an instant in UTC; an unreadable one is reported."""
        label = "indent.com/time/expires"
        expiry = labelled(**{label: "2026-03-04T15:00:00+02:00"}).requested_expiry
        assert expiry == datetime(2026, 3, 4, 13, 0, tzinfo=UTC)
        for unreadable in ("", "tomorrow", "2026-03-04", "2026-03-04T15:00:00"):
            assert labelled(**{label: unreadable}).requested_expiry is None
            assert labelled(**{label: unreadable}).unreadable_expiry == unreadable
        assert labelled(**{label: "2026-03-04T15:00:00Z"}).unreadable_expiry == ""
        assert labelled(expires="2026-03-04T15:00:00Z").requested_expiry is None

    @pytest.mark.parametrize(
        "label",
        [
            "indent.com/petition/duration",
            "Indent.com/Time/Duration",
            " indent.com/time/duration",
            "INDENT.COM/petition/duration",
            "\ufeffindent.com/time/duration",
            "\tindent.com/time/duration",
            "indent.com/time/duration\n",
            "\x7findent.com/petition/duration",
        ],
    )
    def test_any_spelling_of_a_time_label_counts(self, label: str) -> None:
        """A label that the claim drops as a time label also limits the time."""
        event = Event(Resource(), (), {label: " 5m "})
        assert event.request.requested_duration == timedelta(minutes=5)
        made = claim(event, actor={}, reason="", now=NOW, duration=timedelta(minutes=1))
        assert set(made["meta"]["labels"]) == {DURATION, EXPIRES}

    @pytest.mark.parametrize(
        ("labels", "emails"),
        [
            ({}, ()),
            ({"indent.com/resource/email": " Mary@example.com"}, ("Mary@example.com",)),
            ({"Indent.com/Resource/Email": "m@x"}, ("m@x",)),
            ({"indent.com/resource/email": " "}, ()),
        ],
    )
    def test_emails(self, labels: dict[str, str], emails: tuple[str, ...]) -> None:
        """A label can add an e-mail to the requester or a resource."""
        one = Resource(email="jane@example.com", labels=labels)
        request = read_request(one, (one,), {})
        assert request.requester.other_emails == emails
        assert request.resources[0].other_emails == emails


class TestClaim:
    """The approval event."""

    def test_whole_claim(self) -> None:
        """The claim has requester and resources unchanged, our times, and the other labels."""
        labels = {"petition": "p-1", "indent.com/workflow/origin/id": "wf-1", "team": "DB"}
        _, (event,) = read_events([asking(meta={"labels": labels})])
        made = claim(event, actor=BOT, reason="Approved", now=NOW, duration=timedelta(hours=6))
        assert made == {
            "event": "access/approve",
            "timestamp": "2026-03-04T12:00:00.123Z",
            "actor": BOT,
            "reason": "Approved",
            "resources": [JANE, GROUP],
            "meta": {
                "labels": {
                    **labels,
                    "indent.com/time/duration": "6h0m0s",
                    "indent.com/time/expires": "2026-03-04T18:00:00.123Z",
                }
            },
        }

    @pytest.mark.parametrize(
        "label",
        [
            "indent.com/time/duration",
            "indent.com/time/expires",
            "indent.com/time/indefinite",
            "indent.com/time/",
            "indent.com/time/anything/else",
            "indent.com/petition/duration",
            "expires",
            "Expires",
            " expires\t",
            "INDENT.COM/TIME/INDEFINITE",
            "\u00a0indent.com/time/indefinite",
            "Indent.com/Petition/Duration ",
        ],
    )
    def test_time_labels_are_dropped(self, label: str) -> None:
        """Time labels are dropped from the claim in any spelling, since readers may be lax."""
        event = Event(Resource(), (), {label: "true", "petition": "p"})
        made = claim(event, actor=BOT, reason="", now=NOW, duration=timedelta(minutes=90))
        assert made["meta"]["labels"] == {
            "petition": "p",
            "indent.com/time/duration": "1h30m0s",
            "indent.com/time/expires": "2026-03-04T13:30:00.123Z",
        }

    @pytest.mark.parametrize(
        "label",
        ["", "time", "indent.com/timezone", "indent.com/petition", "expires/at", "x/expires"],
    )
    def test_other_labels_are_echoed(self, label: str) -> None:
        """Other labels are returned, since Indent finds the petition by them."""
        event = Event(Resource(), (), {label: "value"})
        made = claim(event, actor=BOT, reason="", now=NOW, duration=timedelta(hours=1))
        assert made["meta"]["labels"][label] == "value"

    def test_the_request_is_unchanged(self) -> None:
        """Dropping labels from the claim doesn't change the request."""
        labels = {"indent.com/time/duration": "9h"}
        claim(Event(Resource(), (), labels), actor=BOT, reason="", now=NOW, duration=timedelta(1))
        assert labels == {"indent.com/time/duration": "9h"}

    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            ("Approved: on call for DBA (PagerDuty)", "Approved: on call for DBA (PagerDuty)"),
            ("on call for Z\u00fcrich \u2705", "on call for Z\u00fcrich \u2705"),
            ("<!channel> approve", "(!channel) approve"),
            ("<https://evil.example|Approve here>\n", "(https: evil.example|Approve here)"),
            ("<script>x()</script>&lt;", "(script)x()(/script)+lt;"),
            ("[here](https://evil.example) `x`", "[here] (https: evil.example) 'x'"),
            ("see www.evil.example, WWW.evil", "see www .evil.example, WWW .evil"),
            ("@here a\r\nb\u2028c\td", "(at)here a b c d"),
            ("a\u202eb\u200bc\x1b[31md\ud800", "abc[31md"),
            ("on call for bob @example.com", NAMELESS),
            ("x" * 500, "x" * 500),
            ("x" * 501, f"{'x' * 499}\u2026"),
        ],
    )
    def test_the_reason_is_one_plain_line(self, reason: str, expected: str) -> None:
        """The reason is one line without markup, mentions or links, whatever names it has."""
        made = claim(
            Event(Resource(), (), {}), actor=BOT, reason=reason, now=NOW, duration=timedelta(1)
        )
        assert made["reason"] == expected
        assert len(made["reason"]) <= 500
        assert not set("<>&@`\n") & set(made["reason"])
