"""Indent's events, what their labels ask for, and the claim that answers one."""

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
    """A request with these labels; `__` stands for a slash."""
    named = {name.replace("__", "/"): value for name, value in labels.items()}
    return read_request(Resource(), (), named)


class TestReading:
    """Every field may be absent or null, and none may have another type."""

    def test_a_whole_request(self) -> None:
        """Requester, resources with their labels, and the labels of the request."""
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
    def test_nothing_but_the_name(self, event: dict[str, Any]) -> None:
        """The original crashed on each of these; they are requests of nobody for nothing."""
        assert read_events([event])[1] == (Event(Resource(), (), {}, ({},)),)

    def test_names_and_order(self) -> None:
        """All names are told; requests come in their order, other events are left unread."""
        first, second = asking(actor={"id": "1"}), asking(actor={"id": "2"})
        names, events = read_events(
            [{"event": "sso.login", "actor": 7}, first, {}, {"event": "access/grant"}, second]
        )
        assert names == {"sso.login", "access/request", "", "access/grant"}
        assert [event.actor.id for event in events] == ["1", "2"]

    @pytest.mark.parametrize("events", [[], None])
    def test_no_events(self, events: object) -> None:
        """The original crashed on an empty list."""
        assert read_events(events) == (set(), ())

    @pytest.mark.parametrize("name", ["Access/Request", "access/request ", "access/request/x"])
    def test_only_the_exact_name_is_a_request(self, name: str) -> None:
        """Other spellings are other events."""
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
        """The error names the field, and neither a value nor the name of a label."""
        with pytest.raises(ShapeError) as caught:
            read_events(events)
        assert str(caught.value) == message

    def test_a_label_that_is_null(self) -> None:
        """It is read as empty."""
        _, (event,) = read_events([asking(meta={"labels": {"a": None}})])
        assert event.labels == {"a": ""}


class TestWhatIsAsked:
    """What the labels of a request ask for."""

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
        """Both labels name one, in any spelling; an empty one is none."""
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
        """The shorter one of the two labels that is positive."""
        labels = {"indent.com__time__duration": one, "indent.com__petition__duration": other}
        given = {name: value for name, value in labels.items() if value is not None}
        assert labelled(**given).requested_duration == timedelta(hours=hours)

    @pytest.mark.parametrize("value", ["", "0s", "-1ns", "-5h", "6", "six hours", "2562048h"])
    def test_no_duration(self, value: str) -> None:
        """What is not positive, not readable or too large asks for nothing."""
        assert labelled(**{"indent.com/time/duration": value}).requested_duration is None

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            *((each, "") for each in ("", " ", "0", "0s", "-1ns", "-5h", "2h", "90 min", "1d")),
            *((each, "") for each in ("indefinite", " INDEFINITE\n")),
            *(
                (each, each)
                for each in ("soonish", "6", "1h1h", "1,5h", "NaN", "x" * 30, "5 \u00e5r")
            ),
            *((each, "...") for each in ("x" * 31, "1h" * 10**5, "joan@example.com", "a%40b.c")),
            *(
                (each, "...")
                for each in ('1h"', "1h\x1b[2J", "\u200b1h", "1\u202eh", "\ud800", "a\nb")
            ),
            # Printable, and yet nothing shows: it would be said of 1h that it can't be read.
            *(
                (f"1h{each}", "...")
                for each in ("\u2800", "\u3164", "\uffa0", "\u115f", "\ufe0f", "\u034f")
            ),
        ],
    )
    @pytest.mark.parametrize("name", ["indent.com/time/duration", "Indent.com/Petition/Duration "])
    def test_unreadable_duration(self, name: str, value: str, expected: str) -> None:
        """It is told from none, under each label, and repeated only if it is short and plain.

        What stands for it can't be read either: so it is the same when a log line is replayed.
        """
        assert labelled(**{name: value}).unreadable_duration == expected
        assert labelled(**{name: expected}).unreadable_duration == expected

    @pytest.mark.parametrize("value", [["1h"], True, 3600, 1.5, {"seconds": 3600}, 0, False, []])
    @pytest.mark.parametrize("name", [DURATION, "indent.com/petition/duration", EXPIRES])
    def test_a_time_of_another_type(self, name: str, value: object) -> None:
        """Labels are texts in Indent's protocol: the call is refused, so that humans decide."""
        with pytest.raises(ShapeError, match=r"meta\.labels is not a string$"):
            read_events([asking(meta={"labels": {name: value}})])
        request = labelled(**{name: ""})
        assert request.requested_duration is None
        assert request.unreadable_duration == request.unreadable_expiry == ""

    def test_expiry(self) -> None:
        """An instant in UTC, or nothing if it cannot be read."""
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
    def test_a_label_that_is_dropped_is_heeded(self, label: str) -> None:
        """Whatever spelling of a time label the claim would drop also limits the time."""
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
        """A label may state one more for the requester, or for a resource."""
        one = Resource(email="jane@example.com", labels=labels)
        request = read_request(one, (one,), {})
        assert request.requester.other_emails == emails
        assert request.resources[0].other_emails == emails


class TestClaim:
    """The approving event."""

    def test_to_the_letter(self) -> None:
        """Requester first, then the resources, as they came; our times, the other labels."""
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
    def test_labels_that_speak_of_time_are_dropped(self, label: str) -> None:
        """In any case and with blanks around: whoever reads the claim may be lax about them."""
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
        """Indent finds the petition by them."""
        event = Event(Resource(), (), {label: "value"})
        made = claim(event, actor=BOT, reason="", now=NOW, duration=timedelta(hours=1))
        assert made["meta"]["labels"][label] == "value"

    def test_the_request_is_left_as_it_was(self) -> None:
        """Dropping labels changes the claim, never what was asked."""
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
            ("@here a\r\nb\u2028c\td", "(at)here a b c d"),
            ("a\u202eb\u200bc\x1b[31md\ud800", "abc[31md"),
            ("on call for bob @example.com", NAMELESS),
            ("x" * 500, "x" * 500),
            ("x" * 501, f"{'x' * 499}\u2026"),
        ],
    )
    def test_the_reason_is_one_plain_line(self, reason: str, expected: str) -> None:
        """Names in it come from elsewhere: nothing in it is markup, a mention, a link or a line."""
        made = claim(
            Event(Resource(), (), {}), actor=BOT, reason=reason, now=NOW, duration=timedelta(1)
        )
        assert made["reason"] == expected
        assert len(made["reason"]) <= 500
        assert not set("<>&@`\n") & set(made["reason"])
