"""ConductorOne's policy step: which requests are accepted, and which are left to humans."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from conductorone_sdk.models import shared
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from handler.app import App
from handler.callers.base import HttpCall, Refusal
from handler.callers.conductorone import (
    answer_to,
    check_claims,
    has_no_human,
    read_authorization,
    read_duration,
    read_event,
    read_step,
)
from handler.clock import Deadline
from handler.duty import ON_CALL, Duty
from handler.http import HttpError
from handler.jwt import read_keys, verify_rs256
from handler.request import Request, Resource
from handler.rules.evaluate import Decision
from sandbox.vendors.incidentio import IncidentIO
from tests.handler import conductorone_calls as c1
from tests.handler.conftest import ANA, API_KEY, BO, SetClock
from tests.handler.scripted import Scripted, reply, write_and_close, write_and_hang
from tests.handler.strategies import STEADY

VECTOR = json.loads(Path(__file__).with_name("conductorone.json").read_text(encoding="utf-8"))
UNAUTHENTICATED = {"message": "The call is not authenticated."}
HUMANS = "Left to humans: "
NO_HUMAN = "Denied, since nobody reviews any later step of the policy: "
TOO_LONG = (
    "the call names and labels its resources in 50088 characters: at most 50000 are decided at once"
)
NOBODY = "the requester has no shift or incident role that the policy accepts"


class Endpoint:
    """An App that the tenant `acme` calls; a local server has the tenant's keys."""

    def __init__(self, double: IncidentIO, clock: SetClock, tenant: Scripted) -> None:
        self.double = double
        self.clock = clock
        self.tenant = tenant
        self.log: list[dict[str, Any]] = []
        self.environment = {
            "INDENT_WEBHOOK_SECRET": "wks0-current-secret-00",
            "INCIDENTIO_API_KEY": API_KEY,
            "INCIDENTIO_BASE_URL": double.url,
            "AUTO_APPROVAL_DURATION": "6",
            "CONDUCTORONE_TENANT": "acme",
            "CONDUCTORONE_BASE_URL": tenant.url,
        }
        self.policy_file = ""
        self.app = App(self.environment, clock.clock, self._write)

    def new_app(self, **changes: str) -> None:
        """Start a new environment with changed settings."""
        self.app.client.close()
        self.environment |= changes
        self.app = App(
            self.environment, self.clock.clock, self._write, policy_file=self.policy_file
        )

    def _write(self, line: Mapping[str, Any]) -> None:
        self.log.append(dict(line))

    def call(
        self, body: bytes, token: str | None = None, *, host: str = c1.HOST, **changes: object
    ) -> tuple[int, dict[str, Any]]:
        """Sign and send; `changes` are changes to the token's claims."""
        token = token or c1.sign(c1.claims_for(body, self.clock.now, **changes))
        answer = self.app.handle(c1.event_of(body, f"bearer {token}", host=host))
        assert answer["headers"] == {"Content-Type": "application/json"}
        assert token not in json.dumps(self.log)
        return answer["statusCode"], json.loads(answer["body"])

    def outcome(self, body: bytes, **changes: Any) -> str:  # noqa: ANN401 - as `call`
        """Send a step, expect 200, and read the answer with the vendor's types."""
        http, answer = self.call(body, **changes)
        assert http == 200
        return c1.outcome_of(json.dumps(answer))

    def refused(self, **call: Any) -> str:  # noqa: ANN401 - as `call`
        """Expect the same 401 as for any refusal, and no decision; return the logged reason."""
        http, answer = self.call(c1.step(), **call)
        assert (http, answer) == (401, UNAUTHENTICATED)
        assert not [line for line in self.log if line["message"] == "decision"]
        return str(self.log[-1]["why"])


@pytest.fixture
def tenant(serve: Callable[..., Scripted]) -> Scripted:
    """A tenant with one key."""
    return serve(reply(c1.key_set(k1=0)))


@pytest.fixture
def endpoint(double: IncidentIO, set_clock: SetClock, tenant: Scripted) -> Iterator[Endpoint]:
    """An endpoint where Ana is on call for DBA, and Bo is not on call."""
    double.add_schedule("DBA")
    double.put_on_shift("DBA", ANA)
    made = Endpoint(double, set_clock, tenant)
    yield made
    made.app.client.close()


def test_on_duty(endpoint: Endpoint) -> None:
    """A requester on duty is accepted: that replaces the policy's other steps, and is logged."""
    assert endpoint.outcome(c1.step()) == "accept"
    (line,) = endpoint.log
    assert (line["caller"], line["caller_request"]) == ("conductorone", "2fTask01")
    assert (line["outcome"], line["requester"], line["duration"]) == ("approve", ANA, "1h0m0s")
    assert line["resources"] == [f"c1.api.app.v1.AppEntitlement:{c1.ENTITLEMENT}"]
    assert endpoint.tenant.requests[0].target == "/auth/v1/jwks"


def test_a_replay(endpoint: Endpoint) -> None:
    """ConductorOne may resend a call with the same token: it gets the same answer."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    assert endpoint.call(c1.step(), token) == endpoint.call(c1.step(), token)


OTHER_TASKS = [
    {"task_type_revoke": shared.TaskTypeRevoke(app_id=c1.APP)},
    {"task_type_certify": shared.TaskTypeCertify(app_id=c1.APP)},
    {"task_type_offboarding": shared.TaskTypeOffboarding()},
    {"task_type_action": shared.TaskTypeAction()},
    {"task_type_grant": None},
    {
        "task_type_grant": shared.TaskTypeGrant(app_id=c1.APP, identity_user_id=c1.USER),
        "task_type_revoke": shared.TaskTypeRevoke(app_id=c1.APP),
    },
]
NO_END = "access without an end is requested, but the policy allows 6 hours"
OTHERS = "it is requested on behalf of somebody else"
NO_USER = "it doesn't include the user who gets access"
NO_ACCOUNT = "the account that gets access isn't known to be the user's"
ACCOUNT = {"id": "2fAcc01", "identity_user_id": c1.USER, "app_id": c1.APP}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
CLOSED = shared.TaskState.TASK_STATE_CLOSED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Allowed: as long as the policy allows, and no longer.
        ({"grant": {"grant_duration": "1s"}}, "accept"),
        ({"grant": {"grant_duration": "21600s"}}, "accept"),
        ({"grant": {"grant_duration": "21599.999999999s"}}, "accept"),
        ({"grant": {"grant_duration": "0.000000001s"}}, "accept"),
        ({"task": {"emergency_access": True}}, "accept"),
        ({"task": {"user_id": None}}, "accept"),
        ({"task": {"user_id": ""}}, "accept"),
        ({"user": {"email": "ANA@acme.example"}}, "accept"),
        # Longer than the policy allows, or without an end.
        (
            {"grant": {"grant_duration": "21600.000000001s"}},
            "access for 6 hours 1 second is requested, but the policy allows 6 hours",
        ),
        (
            {"grant": {"grant_duration": "86400s"}},
            "access for 24 hours is requested, but the policy allows 6 hours",
        ),
        *(
            ({"grant": {"grant_duration": text}}, NO_END)
            for text in (
                *(None, "", "0s", "0.000s", "-1s", "-0.5s", "1h", "60m", "3600", "1 s", "1e3s"),
                *("+1s", "1.s", ".5s", "1s ", "\u0663s", "inf", "1.0000000001s", "9999999999s"),
            )
        ),
        # For somebody else, or by an unknown user.
        ({"task": {"created_by_user_id": c1.OTHER}}, OTHERS),
        ({"task": {"created_by_user_id": None}}, OTHERS),
        ({"task": {"created_by_user_id": ""}}, OTHERS),
        ({"task": {"user_id": c1.OTHER}}, OTHERS),
        ({"grant": {"identity_user_id": c1.OTHER}}, OTHERS),
        ({"user": {"id": c1.OTHER}}, NO_USER),
        ({"user": {"id": None}}, NO_USER),
        *(
            (
                {
                    "grant": {"identity_user_id": nobody},
                    "task": {"created_by_user_id": nobody, "user_id": nobody},
                    "user": {"id": nobody},
                },
                NO_USER,
            )
            for nobody in (None, "")
        ),
        # A user who is disabled or deleted, isn't a person, or has no e-mail.
        *(
            ({"user": {"status": status}}, "the user is not enabled")
            for status in (*(status for status in shared.UserStatus if status != "ENABLED"), None)
        ),
        ({"user": {"directory_status": "ENABLED", "type": "USER_TYPE_HUMAN"}}, "accept"),
        *(
            ({"user": {"directory_status": status}}, "the user is not enabled")
            for status in (*shared.DirectoryStatus, "X")
            if status != "ENABLED"
        ),
        *(
            ({"user": {"type": kind}}, "the user isn't a person")
            for kind in (*shared.Type, "X")
            if kind != "USER_TYPE_HUMAN"
        ),
        ({"user": {"deleted_at": LONG_AGO}}, "the user is deleted"),
        ({"user": {"email": None}}, "the requester's e-mail is missing"),
        ({"user": {"email": ""}}, "the requester's e-mail is missing"),
        # An account in the app that isn't known to be the user's.
        (
            {
                "grant": {"app_user_id": "2fAcc01"},
                "account": ACCOUNT,
            },
            "accept",
        ),
        *(
            ({"grant": {"app_user_id": "2fAcc01"}, "account": {**ACCOUNT, **changes}}, expected)
            for changes, expected in (
                ({"app_user_type": "APP_USER_TYPE_USER"}, "accept"),
                *(
                    ({"app_user_type": kind}, NO_ACCOUNT)
                    for kind in (*shared.AppUserType, "X")
                    if kind != "APP_USER_TYPE_USER"
                ),
                ({"app_id": "2fApp02"}, NO_ACCOUNT),
                ({"app_id": ""}, NO_ACCOUNT),
                ({"app_id": None}, NO_ACCOUNT),
                ({"deleted_at": LONG_AGO}, NO_ACCOUNT),
            )
        ),
        *(
            ({"grant": {"app_user_id": "2fAcc01"}, "account": account}, NO_ACCOUNT)
            for account in (
                None,
                {**ACCOUNT, "identity_user_id": c1.OTHER},
                {**ACCOUNT, "identity_user_id": None},
                {**ACCOUNT, "id": "2fAcc02"},
            )
        ),
        # A task that isn't an open request for an entitlement.
        ({"task": {"state": CLOSED}}, "it is not open"),
        ({"task": {"state": None}}, "it is not open"),
        ({"task": {"deleted_at": LONG_AGO}}, "it is not open"),
        ({"grant": {"outcome": "GRANT_OUTCOME_UNSPECIFIED"}}, "accept"),
        *(
            ({"grant": {"outcome": outcome}}, "it has an outcome already")
            for outcome in (*shared.TaskTypeGrantOutcome, "X")
            if outcome != "GRANT_OUTCOME_UNSPECIFIED"
        ),
        ({"grant": {"app_id": None}}, "it doesn't name an entitlement of an app"),
        ({"grant": {"app_entitlement_id": ""}}, "it doesn't name an entitlement of an app"),
        # Every rule would compare this long id.
        ({"grant": {"app_entitlement_id": "2f" * 25_001}}, TOO_LONG),
        *(({"task_type": kind}, "it is not a request for access") for kind in OTHER_TASKS),
        # Not on duty.
        ({"user": {"email": BO}}, NOBODY),
        ({"user": {"email": "someone.else@acme.example"}}, NOBODY),
        ({"user": {"email": BO}, "task": {"emergency_access": True}}, NOBODY),
    ],
)
def test_decisions(endpoint: Endpoint, changes: dict[str, Any], expected: str) -> None:
    """Each step gets the expected answer, and the log line agrees with the answer."""
    body = c1.step(c1.grant_payload(**changes))
    expected = expected if expected == "accept" else f"{HUMANS}{expected}"
    assert endpoint.outcome(body) == expected
    (line,) = endpoint.log
    assert line["outcome"] == ("approve" if expected == "accept" else "abstain")
    assert expected in {"accept", f"{HUMANS}{line['reason']}"}


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("taskView", None, "it is not a request for access"),
        ("taskView", 7, "it cannot be read: taskView is not an object"),
        ("taskView.task", "x", "it cannot be read: task is not an object"),
        ("taskView.task.type", [], "it cannot be read: type is not an object"),
        ("taskView.task.type.grant", 7, "it cannot be read: grant is not an object"),
        ("taskView.task.type.unheardOf", {}, "it is not a request for access"),
        ("taskView.task.state", 1, "it cannot be read: state is not a string"),
        ("taskView.task.createdByUserId", 1, "it cannot be read: createdByUserId is not a string"),
        ("taskView.task.type.grant.grantDuration", 3600, NO_END),
        ("taskView.task.type.grant.appId", {}, "it cannot be read: appId is not a string"),
        ("expanded", None, NO_USER),
        ("expanded", {}, "it cannot be read: expanded is not a list"),
        ("expanded", [7], "it cannot be read: expanded is not an object"),
        ("expanded.1.email", ["ana@acme.example"], "it cannot be read: email is not a string"),
        ("expanded.1.@type", "type.googleapis.com/c1.api.app.v1.AppUser", NO_USER),
        ("expanded.1.@type", None, NO_USER),
        ("expanded.1.deletedAt", "", "the user is deleted"),
        ("expanded.1.type", 2, "it cannot be read: type is not a string"),
        ("taskView.task.deletedAt", {}, "it is not open"),
        ("expanded.0.@type", "x.User", ""),
    ],
)
def test_odd_shapes(endpoint: Endpoint, path: str, value: object, why: str) -> None:
    """A malformed field leaves the step to humans; the comment names the field, not its value."""
    payload = c1.grant_payload()
    at: Any = payload
    *parents, last = path.split(".")
    for name in parents:
        at = at[int(name)] if name.isdigit() else at[name]
    at[last] = value
    assert endpoint.outcome(c1.step(payload)) == (f"{HUMANS}{why}" if why else "accept")


def test_an_odd_payload(endpoint: Endpoint) -> None:
    """A policy step whose payload isn't an object is left to humans."""
    body = b'{"version":"v1","event":"c1.webhooks.v1.PayloadPolicyApprovalStep","payload":7}'
    assert endpoint.outcome(body) == f"{HUMANS}it cannot be read: payload is not an object"


def test_two_users_with_one_id(endpoint: Endpoint) -> None:
    """If two different users have the requested id, neither is the requester."""
    payload = c1.grant_payload()
    payload["expanded"].append({**payload["expanded"][1], "email": BO})
    assert endpoint.outcome(c1.step(payload)) == f"{HUMANS}{NO_USER}"


def test_the_same_user_twice(endpoint: Endpoint) -> None:
    """A user who is listed twice counts, unless the two entries differ."""
    payload = c1.grant_payload()
    payload["expanded"].append({**payload["expanded"][1]})
    assert endpoint.outcome(c1.step(payload)) == "accept"
    payload["expanded"].append({**payload["expanded"][1], "displayName": "Ana"})
    assert endpoint.outcome(c1.step(payload)) == f"{HUMANS}{NO_USER}"


def test_an_objection_asks_nobody(endpoint: Endpoint) -> None:
    """If the step itself is left to humans, no provider is queried."""
    endpoint.outcome(c1.step(c1.grant_payload(task={"state": CLOSED})))
    assert endpoint.log[0]["trace"]["providers"] == []


def _later(**approval: object) -> dict[str, Any]:
    """A later policy step, serialized by the vendor's types."""
    step = shared.PolicyStep(approval=shared.Approval.model_validate(approval))
    written: dict[str, Any] = json.loads(step.model_dump_json(by_alias=True, exclude_none=True))
    assert {*written["approval"]} >= {*approval}
    return written


CURRENT = {"id": "2fStep01", "approval": {"webhook": {"webhookId": "2fWebhook01"}}}
PROVISION = {"provision": {"assigned": True}}
MACHINES = [
    *(_later(**{kind: {}}, assigned=True) for kind in ("webhook", "agent", "expression", "self")),
    *({kind: {}} for kind in ("accept", "reject", "wait", "form", "action")),
    PROVISION,
]
# A step that isn't known to be a human's is not counted as one.
ODD_APPROVALS: list[object] = [7, {}, {"users": None}, {"users": 7}, {"x": {}}, {"assigned": True}]
ODD_STEPS: list[object] = [None, [], "users", [7], [None]]
WITHOUT_HUMANS: list[object] = [
    {"current": CURRENT},
    *({"current": CURRENT, "next": [step]} for step in MACHINES),
    {"current": CURRENT, "next": MACHINES},
    *({"current": CURRENT, "next": steps} for steps in ODD_STEPS),
    *({"next": [{"approval": approval}]} for approval in ODD_APPROVALS),
    # A human step that is already completed doesn't count.
    {"current": CURRENT, "history": [_later(users={})]},
    *({}, [], 7),
]
PEOPLE = ("users", "manager", "appOwners", "group", "entitlementOwners", "resourceOwners")


def _step_of(policy: object, **changes: Any) -> bytes:  # noqa: ANN401 - as `grant_payload`
    payload = c1.grant_payload(**changes)
    payload["taskView"]["task"]["policy"] = policy
    return c1.step(payload)


@pytest.mark.parametrize("policy", WITHOUT_HUMANS)
def test_no_human_step_follows(endpoint: Endpoint, policy: object) -> None:
    """Without a later human step, passing on could grant access: the step is denied instead."""
    assert endpoint.outcome(_step_of(policy, user={"email": BO})) == f"deny: {NO_HUMAN}{NOBODY}"
    decision, warning = endpoint.log
    assert decision["outcome"] == "abstain"
    assert (warning["level"], warning["message"]) == ("WARN", "denied")
    assert warning["why"] == "the policy has no later step that a human decides"
    for name in ("call", "caller", "caller_request"):
        assert warning[name] == decision[name]
    assert endpoint.outcome(_step_of(policy)) == "accept"


@pytest.mark.parametrize("kind", PEOPLE)
def test_a_human_step_follows(endpoint: Endpoint, kind: str) -> None:
    """If any later step is a human's, the request is passed on to it."""
    policy = {"current": CURRENT, "next": [*MACHINES, _later(**{kind: {}}), PROVISION]}
    assert endpoint.outcome(_step_of(policy, user={"email": BO})) == f"{HUMANS}{NOBODY}"
    assert [line["message"] for line in endpoint.log] == ["decision"]
    assert endpoint.outcome(_step_of(None, user={"email": BO})) == f"{HUMANS}{NOBODY}"


@pytest.mark.parametrize("kind", OTHER_TASKS)
def test_no_human_step_follows_another_task(endpoint: Endpoint, kind: dict[str, Any]) -> None:
    """A task of another type is also denied if no human step follows."""
    outcome = endpoint.outcome(_step_of({"current": CURRENT}, task_type=kind))
    assert outcome == f"deny: {NO_HUMAN}it is not a request for access"


def test_no_human_step_follows_in_dry_run(endpoint: Endpoint) -> None:
    """In dry run, a step that no human step follows is denied."""
    endpoint.new_app(AUTO_APPROVAL_DRY_RUN="true")
    outcome = endpoint.outcome(_step_of({"current": CURRENT}))
    assert outcome == f"deny: {NO_HUMAN}in dry run, humans decide"


def test_dry_run(endpoint: Endpoint) -> None:
    """In dry run, the log has the approval, but the request is left to humans."""
    endpoint.new_app(AUTO_APPROVAL_DRY_RUN="true")
    assert endpoint.outcome(c1.step()) == f"{HUMANS}in dry run, humans decide"
    assert (endpoint.log[0]["outcome"], endpoint.log[0]["dry_run"]) == ("approve", True)


def test_a_provider_that_is_down(endpoint: Endpoint) -> None:
    """If the provider is down, the step is left to humans, and the comment names the provider."""
    endpoint.double.close()
    expected = f"{HUMANS}{NOBODY}; no complete answer came from incident.io"
    assert endpoint.outcome(c1.step()) == expected
    assert endpoint.log[0]["provider_failures"]


def test_a_policy_names_entitlements_by_their_ids(endpoint: Endpoint, tmp_path: Path) -> None:
    """Policies name entitlements by id, since admins can change names; the app is a label."""
    resources: dict[str, Any] = {
        "kinds": ["c1.api.app.v1.AppEntitlement"],
        "ids": [c1.ENTITLEMENT],
        "labels": {"app": c1.APP},
    }
    file = tmp_path / "policy.json"
    when = {"on_call": {"schedules": ["DBA"]}}
    rule = {"name": "r", "resources": resources, "when": when, "duration": "2h"}
    file.write_text(json.dumps({"rules": [rule], "aliases": {}}))
    endpoint.policy_file = str(file)
    endpoint.new_app(AUTO_APPROVAL_POLICY="policy/x.yaml")
    assert endpoint.outcome(c1.step()) == "accept"
    for change in ({"app_id": "2fApp02"}, {"app_entitlement_id": "2fEnt02"}):
        why = endpoint.outcome(c1.step(c1.grant_payload(grant=change)))
        assert why.startswith(f"{HUMANS}no rule covers ")
    longer = c1.step(c1.grant_payload(grant={"grant_duration": "7201s"}))
    assert "the policy allows 2 hours" in endpoint.outcome(longer)


def test_the_test_event(endpoint: Endpoint) -> None:
    """The test event is answered with 200, and nothing is decided or logged."""
    assert endpoint.call(c1.test_event()) == (200, {"version": "v1"})
    assert endpoint.log == []


@pytest.mark.parametrize(
    "body",
    [
        c1.envelope("c1.webhooks.v1.PayloadProvisionStep", c1.grant_payload()),
        c1.envelope("c1.webhooks.v1.PayloadWorkflowStep", {}),
        c1.envelope("c1.webhooks.v1.PayloadPolicyPostAction", {}),
        c1.envelope("", {}),
        c1.step().replace(b'"v1"', b'"v2"', 1),
        c1.test_event().replace(b'"v1"', b'"v2"', 1),
        *(b"", b"{}", b"null", b"[]", b'"x"', b"{", b"\xff{}", b'{"event":7,"version":"v1"}'),
        b"[" * 100_000,
        c1.step().replace(b'{"version"', b'{"version":"v1","version"'),
        c1.step().replace(b"Grant Production", b"\\ud800"),
    ],
)
def test_other_events(endpoint: Endpoint, body: bytes) -> None:
    """Other events get 410, which stops ConductorOne's retries."""
    http, answer = endpoint.call(body)
    assert (http, {*answer}) == (410, {"message"})
    assert endpoint.log[-1]["level"] == "WARN"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "the body is not JSON in UTF-8"),
        (b"[]", "the body is not an object"),
        (b'{"event":7}', "event is not a string"),
        (b'{"version":7}', "version is not a string"),
        (
            c1.step().replace(b'{"version"', b'{"version":"v1","version"'),
            "an object in the body has a name twice",
        ),
        (c1.envelope("c1.Other", {}), "the event is neither a test nor a policy step"),
    ],
)
def test_why_an_event_is_not_answered(endpoint: Endpoint, body: bytes, why: str) -> None:
    """The 410 says what isn't supported; ConductorOne shows it in the webhook's history."""
    assert endpoint.call(body) == (410, {"message": f"This isn't supported here: {why}."})


def test_what_is_requested() -> None:
    """Requests use the ids of user, entitlement and app; an unreadable task has no id."""
    request, id_ = read_step(json.loads(c1.step()))
    assert id_ == "2fTask01"
    assert request == Request(
        Resource("c1.api.user.v1.User", c1.USER, ANA),
        (Resource("c1.api.app.v1.AppEntitlement", c1.ENTITLEMENT, labels={"app": c1.APP}),),
        requested_duration=timedelta(hours=1),
        all_or_nothing=True,
    )
    request, id_ = read_step({"payload": 7})
    assert id_ == ""
    assert request == Request(
        Resource(), (), objection="it cannot be read: payload is not an object"
    )


def test_an_approval() -> None:
    """An approval replaces the policy with one accept step that has the same comment."""
    duty = Duty("incident.io", ON_CALL, "S1", "DBA", ANA)
    approved = Decision(Request(Resource(), ()), "Approved: on call for DBA", (duty,))
    comment = "Approved: on call for DBA"
    assert answer_to(approved) == {
        "replacePolicy": {
            "comment": comment,
            "policySteps": [{"accept": {"acceptMessage": comment}}],
        }
    }


NOT_FROM = "the token's nbf is missing, more than 5 minutes ago, or in the future"
NOT_UNTIL = "the token's exp is missing, in the past, or more than 5 minutes ahead"
UNREADABLE = "the bearer token cannot be read: a part of it is malformed"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "evil.conductor.one"}, "the token's iss is not acme.conductor.one"),
        ({"iss": "https://acme.conductor.one"}, "the token's iss is not acme.conductor.one"),
        ({"iss": "ACME.conductor.one"}, "the token's iss is not acme.conductor.one"),
        ({"aud": "evil.example"}, f"the token's aud is not {c1.HOST}"),
        ({"aud": [c1.HOST]}, f"the token's aud is not {c1.HOST}"),
        ({"aud": f"https://{c1.HOST}"}, f"the token's aud is not {c1.HOST}"),
        ({"htu": f"https://{c1.HOST}/"}, f"the token's htu is not https://{c1.HOST}/conductorone"),
        (
            {"htu": f"http://{c1.HOST}{c1.PATH}"},
            f"the token's htu is not https://{c1.HOST}/conductorone",
        ),
        (
            {"htu": f"https://{c1.HOST}{c1.PATH}?a=b"},
            f"the token's htu is not https://{c1.HOST}/conductorone",
        ),
        ({"htm": "GET"}, "the token's htm is not POST"),
        ({"htm": "post"}, "the token's htm is not POST"),
        ({"c1typ": "at"}, "the token's c1typ is not wh"),
        *(({name: None}, f"the token's {name} is not ") for name in ("iss", "aud", "htu", "htm")),
        *(({name: None}, f"the token's {name} is not ") for name in ("c1typ", "htb_s256")),
        ({"htb_s256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}, "the token's htb_s256"),
        *(({"exp": end}, NOT_UNTIL) for end in (None, True, "1e99", [0], 10**400, -(10**400))),
        *(({"nbf": begin}, NOT_FROM) for begin in (None, "0", [0], 10**400, -(10**400), 0)),
        *(({name: float("nan")}, UNREADABLE) for name in ("exp", "nbf", "jti")),
        *(({name: float("inf")}, UNREADABLE) for name in ("exp", "jti")),
        ({"nbf": float("-inf")}, UNREADABLE),
    ],
)
def test_wrong_claims(endpoint: Endpoint, changes: dict[str, Any], why: str) -> None:
    """One wrong claim refuses a correctly signed token, before any key is fetched."""
    claims = {**c1.claims_for(c1.step(), endpoint.clock.now), **changes}
    token = c1.sign({name: value for name, value in claims.items() if value is not None})
    assert endpoint.refused(token=token).startswith(why)
    assert endpoint.tenant.requests == []


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [(-61, False), (-60, True), (0, True), (119, True), (119.9, True), (120, False), (180, False)],
)
def test_token_is_valid_from_nbf_until_exp(
    endpoint: Endpoint, seconds: float, *, accepted: bool
) -> None:
    """A token is valid from `nbf` until just before `exp`."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    endpoint.clock.advance(seconds)
    assert (endpoint.call(c1.step(), token)[0] == 200) is accepted


@pytest.mark.parametrize(
    ("begin", "end", "accepted"),
    [
        *((-300, 300, True), (-300, 1, True), (0, 300, True), (0, 1, True), (-0.5, 0.5, True)),
        *((-301, 60, False), (-60, 301, False), (-300.001, 1, False), (0, 300.001, False)),
        *((1, 60, False), (-60, 0, False), (-60, -1, False), (-(10**9), 10**9, False)),
    ],
)
def test_longest_validity_of_a_token(
    endpoint: Endpoint, begin: float, end: float, *, accepted: bool
) -> None:
    """`nbf` and `exp` may be at most 5 minutes from now, or the token is refused."""
    now = endpoint.clock.now.timestamp()
    http, _ = endpoint.call(c1.step(), nbf=now + begin, exp=now + end)
    assert (http == 200) is accepted


def test_another_body(endpoint: Endpoint) -> None:
    """A token is valid for one body only; one different byte is enough to refuse it."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    body = c1.step(c1.grant_payload(task={"description": "x"}))
    for other in (body, c1.step() + b" ", b"", c1.test_event()):
        assert endpoint.call(other, token) == (401, UNAUTHENTICATED)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bearer",
        "bearer ",
        "Basic {}",
        "{}",
        "bearer {} {}",
        "bearer {},",
        "bearer {}\n",
        "token {}",
        "bearer a.b.c",
    ],
)
def test_other_authorization(endpoint: Endpoint, header: str) -> None:
    """The Authorization header must hold exactly one bearer token."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    answer = endpoint.app.handle(c1.event_of(c1.step(), header.replace("{}", token)))
    assert (answer["statusCode"], json.loads(answer["body"])) == (401, UNAUTHENTICATED)
    if header != "bearer a.b.c":
        assert endpoint.log[-1]["why"] == "the Authorization header has no bearer token"


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
def test_the_scheme_in_any_case(endpoint: Endpoint, scheme: str) -> None:
    """The scheme may be in any case, as in RFC 9110; ConductorOne sends `bearer`."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    answer = endpoint.app.handle(c1.event_of(c1.step(), f"{scheme} {token}"))
    assert c1.outcome_of(answer["body"]) == "accept"


def test_no_authorization_at_all(endpoint: Endpoint) -> None:
    """A call without an Authorization header gets the same 401."""
    event = c1.event_of(c1.step(), "")
    del event["headers"]["authorization"]
    answer = endpoint.app.handle(event)
    assert (answer["statusCode"], json.loads(answer["body"])) == (401, UNAUTHENTICATED)


@pytest.mark.parametrize(
    ("token_of", "name"),
    [
        (lambda claims: pyjwt.encode(claims, "", "none", {"kid": "k1"}), "another algorithm"),
        (
            lambda claims: pyjwt.encode(claims, "k" * 64, "HS256", {"kid": "k1"}),
            "another algorithm",
        ),
        (
            lambda claims: pyjwt.encode(claims, c1.private_key(), "RS512", {"kid": "k1"}),
            "another algorithm",
        ),
        (
            lambda claims: pyjwt.encode(claims, c1.private_key(), "PS256", {"kid": "k1"}),
            "PS256",
        ),
        (
            lambda claims: pyjwt.encode(
                claims, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "k1"}
            ),
            "ES256",
        ),
        (
            lambda claims: pyjwt.encode(
                claims, ed25519.Ed25519PrivateKey.generate(), "EdDSA", {"kid": "k1"}
            ),
            "EdDSA",
        ),
    ],
)
def test_other_algorithms(
    endpoint: Endpoint, token_of: Callable[[dict[str, Any]], str], name: str
) -> None:
    """Only RS256 is accepted; the log says to choose it in ConductorOne."""
    token = token_of(c1.claims_for(c1.step(), endpoint.clock.now))
    assert endpoint.refused(token=token) == (
        f"the token is signed with {name}, and only RS256 is verified here: "
        "choose RS256 for the tenant's tokens in ConductorOne"
    )
    assert endpoint.tenant.requests == []


def test_the_public_key_as_a_secret(endpoint: Endpoint) -> None:
    """An HS256 token signed with the public key is refused, since HS256 isn't supported."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    encode = pyjwt.utils.base64url_encode
    header = encode(b'{"alg":"HS256","kid":"k1","typ":"JWT"}')
    claims = encode(json.dumps(c1.claims_for(c1.step(), endpoint.clock.now)).encode())
    signed = header + b"." + claims
    for secret in (c1.key_set(k1=0), json.loads(c1.key_set(k1=0))["keys"][0]["n"].encode()):
        signature = encode(hmac.new(secret, signed, hashlib.sha256).digest())
        assert "RS256" in endpoint.refused(token=(signed + b"." + signature).decode())


def test_another_key(endpoint: Endpoint) -> None:
    """A token signed with another key is refused, even with the tenant's key id."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now), number=1)
    assert endpoint.refused(token=token) == "the token's signature is wrong"


@pytest.mark.parametrize("kid", ["k2", None])
def test_an_unknown_key(endpoint: Endpoint, kid: str | None) -> None:
    """A token with an unknown or missing key id is refused."""
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now), kid=kid)
    assert endpoint.refused(token=token) == "the tenant has no RSA key of the token's kid"


@pytest.mark.parametrize("kid", ['["k1"]', '{"k1":1}', "7", "null"])
def test_a_kid_of_another_type(endpoint: Endpoint, kid: str) -> None:
    """A key id that isn't a string matches no key."""
    encode = pyjwt.utils.base64url_encode
    header = encode(f'{{"alg":"RS256","kid":{kid}}}'.encode())
    claims = encode(json.dumps(c1.claims_for(c1.step(), endpoint.clock.now)).encode())
    token = (header + b"." + claims + b".AAAA").decode()
    assert endpoint.refused(token=token) == "the tenant has no RSA key of the token's kid"


def test_keys_are_never_fetched_from_the_tokens_address(
    endpoint: Endpoint, serve: Callable[..., Scripted]
) -> None:
    """`jku`, `x5u` and `jwk` in the token's header are ignored."""
    evil = serve(reply(c1.key_set(k1=1)))
    jwk = json.loads(c1.key_set(k1=1))["keys"][0]
    header = {"kid": "k1", "jku": f"{evil.url}/auth/v1/jwks", "x5u": evil.url, "jwk": jwk}
    claims = c1.claims_for(c1.step(), endpoint.clock.now)
    token = pyjwt.encode(claims, c1.private_key(1), "RS256", header)
    assert endpoint.refused(token=token) == "the token's signature is wrong"
    assert evil.requests == []


def test_no_header_changes_the_address(endpoint: Endpoint) -> None:
    """No request header changes the address that the token must name."""
    claims = c1.claims_for(
        c1.step(), endpoint.clock.now, aud="evil.example", htu="https://evil.example/conductorone"
    )
    headers = dict.fromkeys(("host", "x-forwarded-host", "forwarded", ":authority"), "evil.example")
    answer = endpoint.app.handle(
        c1.event_of(c1.step(), f"bearer {c1.sign(claims)}", headers=headers)
    )
    assert answer["statusCode"] == 401


@pytest.mark.parametrize("url", ["https://oncall.example.com", "https://oncall.example.com:443/"])
def test_a_custom_domain(endpoint: Endpoint, url: str) -> None:
    """With `PUBLIC_URL`, tokens must name that URL instead of the function's own."""
    endpoint.new_app(PUBLIC_URL=url)
    there = {"aud": "oncall.example.com", "htu": "https://oncall.example.com/conductorone"}
    assert endpoint.call(c1.step(), **there)[0] == 200
    assert endpoint.call(c1.step()) == (401, UNAUTHENTICATED)


def test_without_an_address(endpoint: Endpoint) -> None:
    """If AWS gives no host, a token for an empty host is refused."""
    there = {"aud": "", "htu": "https:///conductorone"}
    assert endpoint.call(c1.step(), host="", **there) == (401, UNAUTHENTICATED)


def test_keys_are_kept(endpoint: Endpoint) -> None:
    """Keys are fetched once, again after an hour, and once in each new environment."""
    for _ in range(3):
        assert endpoint.outcome(c1.step()) == "accept"
        endpoint.clock.advance(1190)
    assert len(endpoint.tenant.requests) == 1
    endpoint.clock.advance(30)
    assert endpoint.outcome(c1.step()) == "accept"
    assert len(endpoint.tenant.requests) == 2
    endpoint.new_app()
    assert endpoint.outcome(c1.step()) == "accept"
    assert len(endpoint.tenant.requests) == 3


def test_a_revoked_key(endpoint: Endpoint, serve: Callable[..., Scripted]) -> None:
    """A revoked key works for at most an hour, even if keys can't be fetched then."""
    tenant = serve(reply(c1.key_set(k1=0)), reply(c1.key_set(k2=1)))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(3600)
    assert endpoint.call(c1.step()) == (401, UNAUTHENTICATED)
    tenant.close()
    endpoint.clock.advance(3600)
    assert endpoint.call(c1.step())[0] == 503


def test_a_new_key(endpoint: Endpoint, serve: Callable[..., Scripted]) -> None:
    """A token with an unknown key id triggers a fetch, at most once a minute."""
    tenant = serve(reply(c1.key_set(k1=0)), reply(c1.key_set(k1=0)), reply(c1.key_set(k1=0, k2=1)))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)

    def http(number: int, kid: str) -> int:
        claims = c1.claims_for(c1.step(), endpoint.clock.now)
        return endpoint.call(c1.step(), c1.sign(claims, number, kid))[0]

    assert (http(0, "k1"), len(tenant.requests)) == (200, 1)
    assert (http(1, "k2"), len(tenant.requests)) == (401, 1)
    endpoint.clock.advance(59)
    assert (http(1, "k2"), len(tenant.requests)) == (401, 1)
    endpoint.clock.advance(1)
    assert (http(1, "k2"), len(tenant.requests)) == (401, 2)
    assert (http(1, "k2"), len(tenant.requests)) == (401, 2)
    endpoint.clock.advance(60)
    assert (http(1, "k2"), len(tenant.requests)) == (200, 3)
    assert (http(0, "k1"), len(tenant.requests)) == (200, 3)


def test_a_tenant_that_fails_for_a_new_key(
    endpoint: Endpoint, serve: Callable[..., Scripted]
) -> None:
    """If fetching a new key fails, known keys still work, and fetches aren't repeated."""
    tenant = serve(reply(c1.key_set(k1=0)), reply(status=404))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(60)
    for expected in (503, 401):
        claims = c1.claims_for(c1.step(), endpoint.clock.now)
        assert endpoint.call(c1.step(), c1.sign(claims, 1, "k2"))[0] == expected
    assert len(tenant.requests) == 2
    assert endpoint.outcome(c1.step()) == "accept"


NO_USABLE_KEYS = (
    *(b"{}", b"null", b'{"keys":[]}', b'{"keys":null}'),
    json.dumps({"keys": VECTOR["jwks"]["keys"][1:]}).encode(),
)


@pytest.mark.parametrize("keys", NO_USABLE_KEYS)
def test_an_answer_without_keys_replaces_none(
    endpoint: Endpoint, serve: Callable[..., Scripted], keys: bytes
) -> None:
    """An answer without usable keys doesn't replace known keys, which expire after their hour."""
    tenant = serve(reply(c1.key_set(k1=0)), reply(keys))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(60)
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now), 1, "k2")
    assert endpoint.call(c1.step(), token)[0] == 503
    assert endpoint.log[-1]["why"].endswith("has no RSA key for RS256")
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(3540)
    assert endpoint.call(c1.step())[0] == 503
    assert len(tenant.requests) == 3


def test_a_failure_is_remembered(endpoint: Endpoint, serve: Callable[..., Scripted]) -> None:
    """After a failed fetch there is no other for 5 s, so callers can't cause one each."""
    tenant = serve(reply(status=404), reply(status=404), reply(c1.key_set(k1=0)))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    for seconds, http, fetches in (
        *((0, 503, 1), (0, 503, 1), (4.9, 503, 1), (0.1, 503, 2)),
        *((4.9, 503, 2), (0.1, 200, 3), (0, 200, 3)),
    ):
        endpoint.clock.advance(seconds)
        assert (endpoint.call(c1.step())[0], len(tenant.requests)) == (http, fetches)
    whys = [line["why"] for line in endpoint.log if line["message"] == "failed"]
    assert [why.endswith("less than 5 s ago") for why in whys] == [False, *[True] * 2, False, True]


def test_a_failure_after_the_keys_hour_is_remembered(
    endpoint: Endpoint, serve: Callable[..., Scripted]
) -> None:
    """If keys expired and the fetch fails, it isn't repeated with each call."""
    tenant = serve(reply(c1.key_set(k1=0)), reply(status=404))
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(3600)
    for _ in range(3):
        assert endpoint.call(c1.step())[0] == 503
    assert len(tenant.requests) == 2


def test_a_clock_set_back(endpoint: Endpoint) -> None:
    """If the clock was set back, the age of the keys is unknown, and they are fetched again."""
    endpoint.clock.advance(10)
    assert endpoint.outcome(c1.step()) == "accept"
    endpoint.clock.advance(-10)
    assert endpoint.outcome(c1.step()) == "accept"
    assert len(endpoint.tenant.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        reply(status=404),
        reply(status=500),
        reply(b"<html>"),
        reply(b"[]"),
        reply(b'{"keys":7}'),
        *map(reply, NO_USABLE_KEYS),
        reply(status=302, headers={"Location": "https://example.com/"}),
        write_and_close(),
    ],
)
def test_keys_that_cannot_be_fetched(
    endpoint: Endpoint,
    serve: Callable[..., Scripted],
    answer: Any,  # noqa: ANN401 - of a script
) -> None:
    """Without keys the answer is 503, so ConductorOne retries; the log has URL and reason."""
    tenant = serve(answer)
    endpoint.new_app(CONDUCTORONE_BASE_URL=tenant.url)
    message = "The tenant's keys can't be fetched; see the log for the reason."
    reasons = f"{tenant.url}/auth/v1/jwks: ", "fetching the tenant's keys failed less than 5 s ago"
    for reason in reasons:
        assert endpoint.call(c1.step()) == (503, {"message": message})
        assert endpoint.log[-1]["level"] == "ERROR"
        assert endpoint.log[-1]["why"].startswith(reason)


def test_a_tenant_that_hangs(endpoint: Endpoint, serve: Callable[..., Scripted]) -> None:
    """A tenant that hangs is given up before the deadline, in time to answer 503."""
    tenant = serve(write_and_hang())
    endpoint.environment["CONDUCTORONE_BASE_URL"] = tenant.url
    real = endpoint.clock.clock._replace(monotonic=time.monotonic)
    app = App(endpoint.environment, real, endpoint.log.append, budget=0.6)  # type: ignore[arg-type]
    token = c1.sign(c1.claims_for(c1.step(), endpoint.clock.now))
    began = time.monotonic()
    assert app.handle(c1.event_of(c1.step(), f"bearer {token}"))["statusCode"] == 503
    assert time.monotonic() - began > 0.25
    app.client.close()


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize(
    ("budget", "share", "is_remembered"),
    [(1.9, 1, False), (0.1, 1, False), (2, 1, True), (6, 1, True), (0.1, 0.5, True)],
)
def test_a_failure_for_lack_of_time_is_not_remembered(
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    *,
    budget: float,
    share: float,
    is_remembered: bool,
    is_new: bool,
) -> None:
    """A fetch with less than 1 s left isn't remembered as failed if time ran out."""
    clock = endpoint.clock
    app = App(endpoint.environment, clock.clock, endpoint.log.append)  # type: ignore[arg-type]

    def call(number: int, budget: float | None = None) -> int:
        app._budget = budget
        claims = c1.claims_for(c1.step(), clock.now)
        event = c1.event_of(c1.step(), f"bearer {c1.sign(claims, number, f'k{number + 1}')}")
        return int(app.handle(event)["statusCode"])

    def fail(_url: str, _headers: object, deadline: Deadline, _read: object) -> None:
        clock.advance(deadline.left() * share)
        raise HttpError("no complete answer in time")

    if is_new:
        assert call(0) == 200
        clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(app.client, "get_json", fail)
        assert call(int(is_new), budget) == 503
    fetches = len(endpoint.tenant.requests)
    call(int(is_new))
    app.client.close()
    assert len(endpoint.tenant.requests) == fetches + (not is_remembered)


def test_the_keys_address_by_the_tenants_name(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default keys come from the tenant's https address, within half of the deadline."""
    endpoint.new_app(CONDUCTORONE_BASE_URL="", CONDUCTORONE_TENANT=" Acme ")
    urls = []

    def get_json(url: str, headers: object, deadline: Deadline, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        urls.append((url, headers, deadline.left()))
        return read(json.loads(c1.key_set(k1=0)))

    monkeypatch.setattr(endpoint.app.client, "get_json", get_json)
    assert endpoint.call(c1.step())[0] == 200
    assert urls[0] == ("https://acme.conductor.one/auth/v1/jwks", {}, 3.0)


def test_without_a_tenant(endpoint: Endpoint) -> None:
    """Without CONDUCTORONE_TENANT, the path answers 404."""
    endpoint.new_app(CONDUCTORONE_TENANT="")
    assert endpoint.call(c1.step(), iss=".conductor.one")[0] == 404
    assert endpoint.tenant.requests == []


def test_switched_on_without_a_tenant(endpoint: Endpoint) -> None:
    """With a blank tenant, nothing is served, and no keys are fetched."""
    endpoint.new_app(CONDUCTORONE_TENANT=" ", HANDLER_CALLERS="indent,conductorone")
    answer = endpoint.call(c1.step(), iss=".conductor.one")
    assert answer == (404, {"message": "There is nothing here."})
    assert endpoint.log[-1]["why"].startswith("conductorone is off, since CONDUCTORONE_TENANT")
    assert endpoint.tenant.requests == []


def test_alone(endpoint: Endpoint) -> None:
    """ConductorOne needs no other caller's secret."""
    endpoint.new_app(INDENT_WEBHOOK_SECRET="")
    assert endpoint.outcome(c1.step()) == "accept"


@pytest.mark.parametrize(
    "changes",
    [
        {"AUTO_APPROVAL_DURATION": "ever"},
        {"HANDLER_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:1:secret:x"},
        {"CONDUCTORONE_BASE_URL": "http://example.com"},
    ],
)
def test_wrong_configuration(endpoint: Endpoint, changes: dict[str, str]) -> None:
    """Wrong settings or a missing secret give a 5xx, which ConductorOne retries."""
    endpoint.new_app(**changes)
    http, answer = endpoint.call(c1.step())
    assert http >= 500
    assert {*answer} == {"message"}


def test_an_unexpected_error(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception gives a 500 and no decision."""
    monkeypatch.setattr("handler.callers.conductorone.answer_to", lambda _: 1 / 0)
    http, answer = endpoint.call(c1.step())
    assert (http, {*answer}) == (500, {"message"})


def test_a_name_that_is_an_email() -> None:
    """A reason with an e-mail is replaced: others can read the comment. Long ones are cut."""
    refused = Decision(Request(Resource(), ()), reason="rule joan@example.com denies it")
    assert answer_to(refused) == {
        "approve": {"comment": "Left to humans: see the log for the reason"}
    }
    long = Decision(Request(Resource(), ()), reason="x " * 3000)
    comment = answer_to(long)["approve"]["comment"]
    assert len(comment) < 1024


def vector_call(body: bytes | None = None) -> HttpCall:
    """Give the vector's call; its path differs from ours."""
    now = datetime.fromtimestamp(VECTOR["now"], UTC)
    raw = VECTOR["body"].encode() if body is None else body
    return HttpCall("", "POST", "oncall.example.com", "/c1", {}, raw, now)


def test_the_vector() -> None:
    """An independently written vector is verified, in time, and read."""
    call, claims = vector_call(), json.loads(VECTOR["claims"])
    encode = pyjwt.utils.base64url_encode
    parts = [b'{"alg":"RS256","kid":"t-rs","typ":"JWT"}', VECTOR["claims"].encode()]
    text = b".".join(map(encode, parts)).decode() + "." + VECTOR["signatures"]["RS256"]
    token = read_authorization(f"bearer {text}")
    key = read_keys(VECTOR["jwks"])["t-rs"]
    assert verify_rs256(key, token.signed, token.signature)
    assert token.claims == claims
    check_claims(token.claims, call, "example.conductor.one")
    for seconds, ok in ((-60, True), (-60.001, False), (119.999, True), (120, False)):
        later = call._replace(received_at=call.received_at + timedelta(seconds=seconds))
        try:
            check_claims(claims, later, "example.conductor.one")
        except Refusal:
            assert not ok
        else:
            assert ok
    request, task_id = read_step(read_event(call.body))
    assert task_id == "2fTask01"
    assert request.requester.email == "ada@example.com"
    assert (request.objection, request.requested_duration) == ("", timedelta(hours=1))


@STEADY
@given(st.integers(0, len(VECTOR["body"].encode()) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_body(at: int, bits: int) -> None:
    """A change of any byte of the body is refused."""
    body = bytearray(VECTOR["body"].encode())
    body[at] ^= bits
    with pytest.raises(Refusal):
        check_claims(
            json.loads(VECTOR["claims"]), vector_call(bytes(body)), "example.conductor.one"
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@STEADY
@given(st.data())
def test_no_payload_raises_or_is_taken_for_another(data: st.DataObject) -> None:
    """Any JSON anywhere: the request is Ana's for one resource, or is left to humans."""
    payload = c1.grant_payload()
    at: Any = payload
    while True:
        name = data.draw(st.sampled_from([*at] if isinstance(at, dict) else [*range(len(at))]))
        inner = at[name]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        at = inner
    at[name] = data.draw(JSON)
    request, _ = read_step({"payload": payload})
    has_no_human({"payload": payload})
    if not request.objection:
        assert request.requester.id == c1.USER
        assert len(request.resources) == 1
        assert request.all_or_nothing


@STEADY
@given(st.text(max_size=20) | st.from_regex(r"\A-?[0-9]{0,12}\.?[0-9]{0,10}s?\Z"))
def test_durations_are_never_shorter_than_written(text: str) -> None:
    """No text is read as a duration shorter than written, or as zero."""
    duration = read_duration(text)
    if duration is not None:
        assert duration >= timedelta(seconds=1)
        assert duration.total_seconds() >= float(text.removesuffix("s"))


@STEADY
@given(st.text(max_size=60))
def test_no_reason_makes_an_accept(reason: str) -> None:
    """No reason text turns a decision without evidence into an accept."""
    body = json.dumps({"version": "v1", **answer_to(Decision(Request(Resource(), ()), reason))})
    assert c1.outcome_of(body).startswith(HUMANS)
