"""What a valid policy file becomes: the JSON for the function, and warnings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.rules.codec import read_policy
from handler.rules.conditions import (
    AllOf,
    AnyOf,
    IncidentRole,
    OnCall,
    RequestedDuration,
    Requester,
)
from handler.rules.model import Policy, Rule, Selector, ShiftEnd
from policy.loader import load
from tests.handler.strategies import STEADY
from tests.policy.texts import ON_CALL, POLICY, SELECTOR, changed, with_condition

TIER = '{labels: {Tier: "0"}}'
BY_LABELS = (
    '"DBAs" opens resources of any kind and id with these labels: whoever can set the '
    "labels decides what it opens"
)
NO_END = (
    '"DBAs" ends access with the shift, but roles have no end, so they don\'t count: set '
    "end_with_shift: {without_end: 1h}, for example"
)
ALL_DENIED = '"DBAs" never approves: "nobody" denies all that it covers'
BY_VALUE = (
    '"nobody" names a requester by a value of an alias, which requests don\'t have: use the key '
    "of the alias"
)
NAMES_LET_NOBODY_IN = (
    "names of {0} let nobody in, since {0} identifies people by e-mail: a name only counts against "
    "somebody whose request has it in place of an e-mail"
)
NAMED_BY_VALUE = (
    "this name's e-mail is a value of an alias, so only its duties count: use the key of the alias"
)
MISSPELT = '"DBAs" names the action "Access", which no caller requests; did you mean access?'
IDENTITIES = f"{POLICY}identities:\n  authzen: NAMES\n"
OPEN = (
    'with "DBAs", anybody who is on call for any schedule opens any resource that no rule denies: '
    "name schedules, roles or resources in it to narrow it"
)
EITHER = f"{{any: [{ON_CALL}, {{incident_role: {{roles: any}}}}]}}"
WHOLE = """\
rules:
  - name: DBAs reach production databases
    duration: 3h
    dry_run: true
    end_with_shift: {without_end: 90m, grace: 0s}
    when:
      any:
        - on_call: {provider: pagerduty, schedules: [DBA, API], max_level: 2}
        - all:
            - incident_role: {roles: any, severities: [Major], types: [Outage]}
            - requester: {emails: [Jane@example.com], domains: [Example.com]}
            - requested_duration: {up_to: 1h}
    resources: {labels: {Env: Prod}, ids: ["db-*"], kinds: [postgres.v1.Role], actions: [deploy]}
  - {name: b, resources: any, when: {on_call: {schedules: any}}, duration: 1h, end_with_shift: true}
  - {name: nobody, resources: {labels: {Tier: "0"}}, deny: true}
aliases:
  Jane@example.com: [jane.doe@corp.example]
identities:
  authzen:
    Jane: Jane@example.com
    "00u1": jane@example.com
    jane.doe: jane@example.com
  indent: {jane: joan@example.com}
  pagerduty: {PJ4N3: Jane@example.com, PJ4N32: jane@example.com}
  jsm: {"712020:a-b": jane@example.com}
"""


def test_policy_is_deployed_as_the_function_reads_it() -> None:
    """Every part of a file reaches the function with its meaning."""
    loaded = load(WHOLE.encode())
    assert loaded.errors == ()
    assert loaded.lines == {"DBAs reach production databases": 2, "b": 14, "nobody": 15}
    either = AnyOf(
        (
            OnCall(("DBA", "API"), "PagerDuty", 2),
            AllOf(
                (
                    IncidentRole(None, ("Major",), ("Outage",)),
                    Requester(("jane@example.com",), ("example.com",)),
                    RequestedDuration(timedelta(hours=1)),
                )
            ),
        )
    )
    first = Rule(
        "DBAs reach production databases",
        Selector(("postgres.v1.Role",), ("db-*",), (("Env", "Prod"),), ("deploy",)),
        either,
        timedelta(hours=3),
        shift_end=ShiftEnd(timedelta(0), timedelta(minutes=90)),
        dry_run=True,
    )
    second = Rule("b", Selector(), OnCall(None), timedelta(hours=1), shift_end=ShiftEnd())
    third = Rule("nobody", Selector(labels=(("Tier", "0"),)), deny=True)
    aliases = {"jane@example.com": ("jane.doe@corp.example",)}
    jane = "jane@example.com"
    identities = {
        "authzen": {"Jane": jane, "00u1": jane, "jane.doe": jane},
        "indent": {"jane": "joan@example.com"},
        "PagerDuty": {"PJ4N3": jane, "PJ4N32": jane},
        "JSM Operations": {"712020:a-b": jane},
    }
    read = read_policy(loaded.json)
    expected = Policy((first, second, third), aliases, identities=identities)
    assert read._replace(digest="") == expected


def test_omitted_keys_are_not_deployed() -> None:
    """A policy without actions and identities has the same fingerprint as before they existed."""
    assert read_policy(load(POLICY.encode()).json).fingerprint == "29e672060b15c9b8"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rules:", "# Who may what.\n\nrules:"),
        ("duration: 3h", "duration: 180m   # as long as it takes"),
        (ON_CALL, "\n      on_call:\n        schedules:\n          - 'DBA'"),
        (f"    resources: {TIER}\n    deny: true", f"    deny: true\n    resources: {TIER}"),
        ("duration: 3h", "duration: 3h\n    dry_run: false"),
        ("rules:", "\ufeffrules:"),
    ],
)
def test_equal_policies_deploy_the_same(old: str, new: str) -> None:
    """Comments, layout and the order of keys don't change the deployed policy."""
    assert load(changed(old, new)).json == load(POLICY.encode()).json


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("duration: 3h", "duration: 2h"),
        ("[DBA]", "[API]"),
        ("deny: true", "deny: true\n    when: {requester: {domains: [example.com]}}"),
        ("jane.doe@", "j.doe@"),
    ],
)
def test_different_policies_deploy_differently(old: str, new: str) -> None:
    """A change of meaning changes the deployed policy."""
    assert load(changed(old, new)).json != load(POLICY.encode()).json


@pytest.mark.parametrize(
    "condition",
    [
        "{on_call: {schedules: any}}",
        "{on_call: {schedules: ['any rota']}}",
        "{incident_role: {roles: any}}",
        "{all: [{on_call: {schedules: any}}, {requester: {domains: [example.com]}}]}",
        "{all: [{any: [{requester: {domains: [a.b]}}]}, {on_call: {schedules: any}}]}",
        "{any: [{all: [{on_call: {schedules: any}}, {requested_duration: {up_to: 168h}}]}]}",
        "{any: [{any: [{on_call: {schedules: any}}]}]}",
    ],
)
def test_condition_with_a_duty_on_every_path_is_valid(condition: str) -> None:
    """A condition that needs a duty on every path is valid."""
    assert with_condition(condition).errors == ()


@pytest.mark.parametrize(
    ("what", "data", "expected"),
    [
        ("labels alone", changed(SELECTOR, "{labels: {Env: Prod}}"), [(2, BY_LABELS)]),
        ("all resources, written out", changed(SELECTOR, "any"), []),
        ("any duty", changed(ON_CALL, "{on_call: {schedules: any}}"), []),
        (
            "any duty, for all resources",
            changed(SELECTOR, "any").replace(b"[DBA]", b"any"),
            [(2, OPEN)],
        ),
        (
            "any duty, for all resources with a label",
            changed(SELECTOR, "{labels: {Env: Prod}}").replace(b"[DBA]", b"any"),
            [(2, BY_LABELS)],
        ),
        (
            "a role without an end, if access ends with the shift",
            changed(ON_CALL, EITHER).replace(b"3h", b"3h\n    end_with_shift: {grace: 5m}"),
            [(2, NO_END)],
        ),
        (
            "a shift alone, if access ends with it",
            changed("3h", "3h\n    end_with_shift: {grace: 5m}"),
            [],
        ),
        (
            "a role, with a time for it",
            changed(ON_CALL, EITHER).replace(b"3h", b"3h\n    end_with_shift: {without_end: 1h}"),
            [],
        ),
        ("everything is denied", changed(TIER, "any"), [(2, ALL_DENIED)]),
        ("the same resources are denied", changed(TIER, SELECTOR), [(2, ALL_DENIED)]),
        (
            "by label, a kind is denied among others",
            changed(TIER, "{kinds: [a, postgres.v1.Role], labels: {Env: Prod}}"),
            [(2, ALL_DENIED)],
        ),
        (
            "a role's action is denied, and all resources",
            changed(TIER, "{actions: [access]}"),
            [(2, ALL_DENIED)],
        ),
        ("another action is denied", changed(TIER, "{actions: [deploy]}"), []),
        (
            "one action of two is denied",
            changed(TIER, "{actions: [deploy]}").replace(
                b"{kinds: [", b"{actions: [access, deploy], kinds: ["
            ),
            [],
        ),
        (
            "access in other letters",
            changed("{kinds: [", "{actions: [deploy, Access], kinds: ["),
            [(2, MISSPELT)],
        ),
        (
            "any duty, for another action on all resources with a label",
            changed(SELECTOR, "{labels: {Env: Prod}, actions: [deploy]}").replace(b"[DBA]", b"any"),
            [(2, BY_LABELS)],
        ),
        (
            "a name for an e-mail that is an alias's value",
            changed("NAMES", "{jane: jane.doe@corp.example}", IDENTITIES),
            [(12, NAMED_BY_VALUE)],
        ),
        (
            "a user's id for an e-mail that is an alias's value",
            changed("authzen: NAMES", "jsm: {a: jane.doe@corp.example}", IDENTITIES),
            [],
        ),
        *(
            (
                f"a name at a caller that sends e-mails: {caller}",
                changed("authzen: NAMES", f"{caller}: {{jane: jane@example.com}}", IDENTITIES),
                [(12, NAMES_LET_NOBODY_IN.format(caller))],
            )
            for caller in ("indent", "conductorone")
        ),
        ("another label is denied", changed(TIER, "{labels: {Env: Test}}"), []),
        (
            "one kind of two is denied",
            changed("[postgres.v1.Role]", "[postgres.v1.Role, b]").replace(
                TIER.encode(), b"{kinds: [b]}"
            ),
            [],
        ),
        (
            "everything is denied to some",
            changed(TIER, "any\n    when: {requester: {domains: [example.com]}}"),
            [],
        ),
        (
            "a requester by an alias's value",
            changed(
                "true", "true\n    when: {any: [requester: {emails: [Jane.Doe@corp.example]}]}"
            ),
            [(6, BY_VALUE)],
        ),
        (
            "a requester by the e-mail used for requests",
            changed("true", "true\n    when: {requester: {emails: [jane@example.com]}}"),
            [],
        ),
    ],
)
def test_probably_unintended_rules_get_a_warning(
    what: str, data: bytes, expected: list[tuple[int, str]]
) -> None:
    """Valid but probably unintended rules are deployed with a warning."""
    loaded = load(data)
    assert loaded.errors == (), what
    assert [tuple(each) for each in loaded.warnings] == expected, what


ANY_TEXT = st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


@STEADY
@given(st.binary(max_size=200) | ANY_TEXT)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Any bytes are read or refused without a traceback; errors have lines of the file."""
    loaded = load(data)
    assert loaded.errors or read_policy(loaded.json)
    most = len(data.decode("utf-8", "replace").splitlines()) + 1
    assert all(1 <= each.line <= most for each in loaded.errors)


PIECES = st.sampled_from(
    [
        *("[", "]", "{", "}", ":", ", ", "- ", "\n", "\n  ", "#", "'", '"', "|", ">", "&a ", "*a"),
        *("? ", "<<: ", "!!x ", "---\n", "...\n", "%YAML 1.2\n", "\t", "\x85", "\u2028", "\ufeff"),
        *("any", "all", "null", "~", "true", "0", "1e9", "3h", "@", "*", "a@b.c", "deny", "rules"),
        *("when", "\\x", "\\ud8", "\\U00110000"),
    ]
)


@STEADY
@given(st.data())
def test_edited_policy_is_valid_or_refused(data: st.DataObject) -> None:
    """A randomly edited policy is refused, or the function can read it."""
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(PIECES) + text[end:]
    loaded = load(text.encode())
    assert bool(loaded.errors) == (not loaded.body)
    if loaded.body:
        assert read_policy(loaded.json).rules


@STEADY
@given(st.lists(PIECES, max_size=40).map("".join))
def test_random_yaml_is_refused(text: str) -> None:
    """Random pieces of YAML are refused without a traceback."""
    loaded = load(text.encode())
    assert loaded.errors
    assert not loaded.body
