"""Each defect of Indent's original webhook, with a test that this webhook doesn't have it.

The original is Indent's Lambda runtime and base handler with its incident.io integration (public
sources of 2024). Each defect has one or two cases here; more are in the tests of the handler.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.webhook_client import WebhookAnswer
from handler.app import App
from handler.callers.indent import sign
from handler.clock import Clock
from handler.durations import format_instant, parse_instant
from sandbox.demo_data import JANE, OMAR
from sandbox.stack import Sandbox
from sandbox.vendors import faults
from sandbox.vendors.incidentio import IncidentIO
from tests.e2e.webhook_calls import (
    BINARY,
    JSON,
    NOTHING,
    PATIENCE,
    Webhook,
    duration_of,
    in_process,
    over_http,
    request_of,
)
from tests.handler.edited_answers import drop

SECRET, API_KEY = "wks0-secret-of-the-defects", "inc-key-of-the-defects"
RITA, UMA = "rita@example.com", "uma@example.com"
DATABASE = {"kind": "example.v1.Resource", "id": "prod-db"}
Open = Callable[..., Webhook]


@pytest.fixture
def deployed(sandbox: Sandbox) -> Webhook:
    """The deployed zip, at its URL."""
    return Webhook(sandbox.webhook_secret, over_http(sandbox.url))


@pytest.fixture
def provider() -> Iterator[IncidentIO]:
    """An organisation where Jane leads what Rita declared, and Omar is on shift."""
    with IncidentIO(API_KEY) as double:
        for email in (JANE, OMAR, RITA, UMA):
            double.add_person(email.partition("@")[0].title(), email)
        double.add_schedule("DBA")
        double.put_on_shift("DBA", OMAR)
        double.declare_incident("Payroll leaked", by=RITA, lead=JANE)
        yield double


@pytest.fixture
def log() -> list[Mapping[str, Any]]:
    """What the handler logs in process."""
    return []


@pytest.fixture
def handler(provider: IncidentIO, log: list[Mapping[str, Any]]) -> Iterator[Open]:
    """Make in-process handlers with these settings: `handler(AUTO_APPROVAL_DURATION="3")`."""
    clock = Clock(lambda: datetime.now(UTC), time.monotonic, lambda _: None)
    with ExitStack() as stack:

        def opened(budget: float = PATIENCE, **settings: str) -> Webhook:
            environment = {
                "INDENT_WEBHOOK_SECRET": SECRET,
                "INCIDENTIO_API_KEY": API_KEY,
                "INCIDENTIO_BASE_URL": provider.url,
                **settings,
            }
            app = App(environment, clock, log.append, budget)
            stack.callback(app.client.close)
            return Webhook(SECRET, in_process(app))

        yield opened


class TestRuntime:
    """Defects of the Lambda wrapper and of the signature check."""

    def test_base64_is_decoded(self, deployed: Webhook) -> None:
        """The original verified the base64 text, not the body, so the signature never matched."""
        assert deployed.call({"info": True}, headers=BINARY).http == 200

    def test_bad_signature_is_no_server_error(self, deployed: Webhook) -> None:
        """The original answered HTTP 500 and the reason; this one answers a plain 401."""
        forged = deployed.call({"info": True}, secret="some-other-secret-00")
        missing = deployed.post(b'{"info": true}', JSON)
        assert (forged.http, forged.body["status"]["code"]) == (401, 16)
        assert missing == forged

    def test_stale_call_is_refused(self, deployed: Webhook) -> None:
        """The original never checked the signed timestamp, so calls could be replayed forever."""
        assert deployed.call({"info": True}, age=timedelta(minutes=6)).http == 401
        assert deployed.call({"info": True}, age=timedelta(minutes=4)).http == 200

    def test_comparison_takes_constant_time(
        self, handler: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The original compared strings, whose time reveals how many characters are right."""
        compared = []
        compare = hmac.compare_digest

        def recording(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return compare(one, other)

        monkeypatch.setattr(hmac, "compare_digest", recording)
        assert handler().call({"info": True}).http == 200
        ((ours, theirs),) = compared
        assert ours == theirs

    @pytest.mark.parametrize("name", ["X-INDENT-{}", "x-indent-{}", "x-Indent-{}"])
    def test_header_names_in_any_case(self, handler: Open, name: str) -> None:
        """The original knew two spellings; with any other, the header was "undefined"."""
        raw, timestamp = b'{"info": true}', format_instant(datetime.now(UTC))
        signed = {"Timestamp": timestamp, "Signature": sign(SECRET, timestamp, raw)}
        headers = {name.format(key): value for key, value in signed.items()}
        assert handler().post(raw, {**JSON, **headers}).http == 200

    def test_signature_covers_the_bytes_sent(self, handler: Open) -> None:
        """The original verified a reserialized body, which lost spaces and escapes."""
        assert handler().call(' {"info" :  "\\u00e9\\/"}\n').http == 200

    @pytest.mark.parametrize("secret", ["", "s123"])
    def test_no_key_is_assumed(self, handler: Open, secret: str) -> None:
        """Without a secret, the original used a default or empty one; this one answers nobody."""
        answer = handler(INDENT_WEBHOOK_SECRET="").call({"info": True}, secret=secret)
        assert (answer.http, answer.body["status"]["code"]) == (500, 13)

    def test_provider_key_comes_from_secrets_manager(
        self, sandbox: Sandbox, deployed: Webhook
    ) -> None:
        """The original sent the secret's name as key, as it read keys too early."""
        assert len(deployed.ask(request_of(JANE))) == 1
        assert sandbox.variables()["INCIDENTIO_API_KEY"] not in str(
            sandbox.deployment.function.config.environment
        )

    def test_log_holds_no_body_and_no_other_e_mail(
        self, handler: Open, log: list[Mapping[str, Any]]
    ) -> None:
        """The original logged unverified bodies, and everybody's on-call e-mail."""
        handler().ask(request_of(UMA, reason="the password is hunter2"))
        handler().call({"events": [request_of(UMA)]}, secret="some-other-secret-00")
        written = json.dumps(log)
        assert UMA in written
        assert not any(text in written for text in ("hunter2", JANE, OMAR, RITA, SECRET, API_KEY))

    def test_each_decision_leaves_a_record(
        self, handler: Open, log: list[Mapping[str, Any]]
    ) -> None:
        """The original didn't log reasons; this one logs each decision with its reasons."""
        handler().ask(request_of(JANE), request_of(UMA))
        assert [(line["requester"], line["outcome"]) for line in log] == [
            (JANE, "approve"),
            (UMA, "abstain"),
        ]
        assert all(line["trace"] and line["policy"] for line in log)


class TestRouting:
    """Defects of the base handler."""

    @pytest.mark.parametrize("body", ["{", "null", "[]", ""])
    def test_bad_json_is_the_callers_error(self, deployed: Webhook, body: str) -> None:
        """The original answered HTTP 500 and the exception's text."""
        answer = deployed.call(body)
        assert (answer.http, answer.body["status"]["code"]) == (400, 3)
        assert set(answer.body["status"]) == {"code", "message"}

    @pytest.mark.parametrize("body", [{"x": 1}, {"events": [{"event": "access/grant"}]}])
    def test_unanswered_call_is_not_found(self, deployed: Webhook, body: object) -> None:
        """The original answered HTTP 500 and a list of all its integrations."""
        answer = deployed.call(body)
        assert (answer.http, answer.body["status"]["code"]) == (404, 5)

    def test_exception_tells_nothing(self, handler: Open) -> None:
        """The original answered with the exception's text."""
        answer = handler(AUTO_APPROVAL_DURATION="hunter2").call({"info": True})
        assert (answer.http, answer.body["status"]["code"]) == (500, 13)
        assert "hunter2" not in json.dumps(answer.body)

    @pytest.mark.parametrize("kind", ["foo.indent.v1.Botany", "INDENT.V1.BOT", "bot"])
    def test_kinds_are_compared_whole(self, deployed: Webhook, kind: str) -> None:
        """The original returned the bot for any kind that contains its kind's name."""
        assert deployed.call({"kinds": [kind]}).body["resources"] == []

    @pytest.mark.parametrize("body", [{"events": []}, {"events": [{"event": "sso.login"}]}])
    def test_no_request_is_no_crash(self, deployed: Webhook, body: object) -> None:
        """The original crashed with HTTP 500 if no event was a request."""
        assert deployed.call(body) == WebhookAnswer(200, NOTHING)

    @pytest.mark.parametrize("field", ["actor", "resources", "reason", "timestamp", "meta"])
    def test_missing_field_is_no_crash(self, deployed: Webhook, field: str) -> None:
        """The original crashed with HTTP 500 without actor, resources or meta."""
        event = {key: value for key, value in request_of(JANE).items() if key != field}
        needed = field in {"actor", "resources"}
        assert len(deployed.ask(event)) == (0 if needed else 1)

    def test_every_request_is_decided(self, handler: Open) -> None:
        """The original decided a call's first request, and gave the others the same answer."""
        claims = handler().ask(request_of(UMA), request_of(JANE), request_of(OMAR))
        assert [claim["resources"][0]["email"] for claim in claims] == [JANE, OMAR]


class TestClaim:
    """Defects of the claim that all integrations made."""

    @pytest.mark.parametrize(
        "labels",
        [
            {"indent.com/time/duration": "8760h"},
            {"indent.com/time/duration": "-1ns", "indent.com/time/indefinite": "true"},
            {"indent.com/time/expires": "2999-01-01T00:00:00Z"},
            {"expires": "2999-01-01T00:00:00Z", "indent.com/petition/duration": "8760h"},
        ],
    )
    def test_request_cannot_lengthen_its_access(
        self, deployed: Webhook, labels: Mapping[str, str]
    ) -> None:
        """In the original, the request's own labels could extend the access."""
        (claim,) = deployed.ask(request_of(JANE, meta={"labels": {**labels, "team": "db"}}))
        decided_at = parse_instant(claim["timestamp"])
        assert decided_at is not None
        assert claim["meta"]["labels"] == {
            "team": "db",
            "indent.com/time/duration": "6h0m0s",
            "indent.com/time/expires": format_instant(decided_at + timedelta(hours=6)),
        }

    def test_duration_and_expiry_never_contradict(self, handler: Open) -> None:
        """In the original, the request could replace one of the two labels."""
        labels = {"indent.com/petition/duration": "45m"}
        (claim,) = handler().ask(request_of(JANE, meta={"labels": labels}))
        decided_at = parse_instant(claim["timestamp"])
        expires = parse_instant(claim["meta"]["labels"]["indent.com/time/expires"])
        assert decided_at is not None
        assert expires == decided_at + timedelta(minutes=45)
        assert duration_of(claim) == "45m0s"

    def test_fraction_of_an_hour_is_a_duration(self, handler: Open) -> None:
        """The original wrote 1.5 hours as `1.5h0m0s`."""
        (claim,) = handler(AUTO_APPROVAL_DURATION="1.5").ask(request_of(JANE))
        assert duration_of(claim) == "1h30m0s"

    def test_reason_says_what_it_was(self, deployed: Webhook) -> None:
        """The original called everybody with an incident role "on call"."""
        (claim,) = deployed.ask(request_of(JANE))
        lead = "Incident Lead of INC-1 (incident.io) for as long as the incident is live"
        assert claim["reason"] == f"Approved: {lead}"

    @pytest.mark.parametrize("email", ["JANE@Example.com", " jane@example.com "])
    def test_e_mail_in_any_case(self, handler: Open, email: str) -> None:
        """The original compared addresses exactly, so case and spaces mattered."""
        assert len(handler().ask(request_of(email))) == 1

    def test_resources_have_a_rule(self, handler: Open) -> None:
        """The original approved people on call for any resource."""
        prod = {**DATABASE, "labels": {"Env": "Prod"}}
        hook = handler(AUTO_APPROVAL_RESOURCE_LABELS="Env=Prod")
        assert len(hook.ask(request_of(JANE, resources=[prod]))) == 1
        assert hook.ask(request_of(JANE, resources=[prod, DATABASE])) == []


class TestSettings:
    """Defects in reading settings."""

    def test_entries_are_trimmed(self, handler: Open) -> None:
        """In the original, `API, DBA` (the guide's example) named a schedule " DBA"."""
        assert len(handler(AUTO_APPROVAL_SCHEDULES="API, DBA").ask(request_of(OMAR))) == 1

    @pytest.mark.parametrize("value", [",", " , "])
    def test_list_without_an_entry_is_refused(self, handler: Open, value: str) -> None:
        """The original matched nobody or an empty name; if unset, anybody would match."""
        assert handler(AUTO_APPROVAL_SCHEDULES=value).call({"info": True}).http == 500

    def test_false_is_false(self, provider: IncidentIO, handler: Open) -> None:
        """In the original, any text switched participants on, even `false`."""
        provider.post_update("INC-1", by=UMA)
        assert handler(INCIDENTIO_APPROVE_PARTICIPANTS="false").ask(request_of(UMA)) == []
        assert handler(INCIDENTIO_APPROVE_PARTICIPANTS="0").call({"info": True}).http == 500

    @pytest.mark.parametrize("value", ["soon", "NaN", "-1", "0", "1e3"])
    def test_wrong_duration_is_refused(self, handler: Open, value: str) -> None:
        """The original accepted `-1` and `1e3` hours, and failed late on `soon`."""
        assert handler(AUTO_APPROVAL_DURATION=value).call({"info": True}).http == 500

    def test_without_a_list_not_everybody_counts(self, provider: IncidentIO, handler: Open) -> None:
        """Without a list, the original accepted any role, even that of reporters."""
        provider.declare_incident("Trust me", by=UMA, lead=UMA)
        assert handler().ask(request_of(RITA), request_of(UMA)) == []


class TestIncidentIO:
    """Defects of the incident.io integration."""

    def test_every_page_of_incidents_is_read(self, provider: IncidentIO, handler: Open) -> None:
        """The original read only the first 250 incidents."""
        for number in range(251):
            provider.declare_incident(f"Newer {number}", by=RITA)
        assert len(handler().ask(request_of(JANE))) == 1

    def test_every_page_of_updates_is_read(self, provider: IncidentIO, handler: Open) -> None:
        """The original read only the first 250 updates of an incident."""
        provider.post_update("INC-1", by=UMA)
        for _ in range(251):
            provider.post_update("INC-1", by=RITA)
        assert len(handler(INCIDENTIO_APPROVE_PARTICIPANTS="true").ask(request_of(UMA))) == 1

    def test_update_of_an_api_key_is_no_crash(self, provider: IncidentIO, handler: Open) -> None:
        """An update by an API key made the original fail for everybody."""
        provider.post_update("INC-1", by=None)
        provider.post_update("INC-1", by=UMA)
        assert len(handler(INCIDENTIO_APPROVE_PARTICIPANTS="true").ask(request_of(UMA))) == 1

    def test_incident_without_roles_is_no_crash(self, provider: IncidentIO, handler: Open) -> None:
        """An incident without a list of roles made the original fail for everybody."""
        provider.declare_incident("Newest", by=UMA)
        provider.fail("/v2/incidents", drop("incidents", 0, "incident_role_assignments"))
        assert len(handler().ask(request_of(JANE))) == 1

    @pytest.mark.parametrize("mode", ["test", "tutorial", "retrospective"])
    def test_only_real_incidents_count(
        self,
        provider: IncidentIO,
        handler: Open,
        mode: Any,  # noqa: ANN401 - a literal of the double's
    ) -> None:
        """In the original, leading a drill gave access to production."""
        provider.declare_incident("Drill", by=RITA, lead=UMA, mode=mode)
        assert handler().ask(request_of(UMA)) == []

    def test_list_of_roles_holds_for_participants(
        self, provider: IncidentIO, handler: Open
    ) -> None:
        """The original accepted anybody who posted an update, whatever the list."""
        provider.post_update("INC-1", by=UMA)
        hook = handler(
            INCIDENTIO_APPROVE_PARTICIPANTS="true", AUTO_APPROVAL_INCIDENTIO_ROLES="lead"
        )
        assert len(hook.ask(request_of(UMA), request_of(JANE))) == 1

    def test_calls_are_bounded(self, provider: IncidentIO, handler: Open) -> None:
        """The original made one call for each live incident, all at once."""
        for number in range(30):
            provider.declare_incident(f"Incident {number}", by=RITA)
        handler(INCIDENTIO_APPROVE_PARTICIPANTS="true").ask(request_of(UMA))
        assert provider.calls.paths().count("/v2/incident_updates") == 20

    @pytest.mark.parametrize(
        "fault",
        [
            faults.Status(401),
            faults.Status(500),
            faults.TooManyRequests(seconds=3600),
            faults.HangUp(),
            faults.Garbage(),
        ],
        ids=lambda fault: type(fault).__name__,
    )
    def test_provider_error_is_no_error_of_ours(
        self,
        provider: IncidentIO,
        handler: Open,
        fault: Any,  # noqa: ANN401 - any of the faults
    ) -> None:
        """The original answered HTTP 500 and the exception's text."""
        provider.fail("/", fault)
        assert handler().call({"events": [request_of(JANE)]}) == WebhookAnswer(200, NOTHING)

    def test_a_hanging_provider_delays_nobody(self, provider: IncidentIO, handler: Open) -> None:
        """The original had no timeout, so a call hung until Lambda ended it."""
        provider.fail("/v2/schedules", faults.Hang())
        assert len(handler(budget=0.5).ask(request_of(JANE))) == 1

    @pytest.mark.parametrize("fault", [faults.Status(503), faults.TooManyRequests(seconds=1)])
    def test_passing_error_is_tried_again(
        self,
        provider: IncidentIO,
        handler: Open,
        fault: Any,  # noqa: ANN401 - any of the faults
    ) -> None:
        """The original gave up after a single 503 or 429."""
        provider.fail("/v2/incidents", fault, times=1)
        assert len(handler().ask(request_of(JANE))) == 1
