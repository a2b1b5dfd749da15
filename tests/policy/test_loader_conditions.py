"""What is wrong with a condition is told; every path of an approving rule needs a duty."""

from __future__ import annotations

import pytest

from tests.policy.texts import ON_CALL, changed, errors_of

PATH = (
    "no duty is needed on this path, so that anybody would be approved for asking: "
    "put it under all, beside on_call or incident_role"
)
ASKED = "{requester: {domains: [example.com]}}"
ONE = 'a condition is one of its kind, and here are "{}" and "{}": list them under any or all, or '
WHOLE = "whole numbers from 1 to 999 are allowed, without quotes"
BARE = "one is needed without @ and *, such as example.com"
LEVELS = '"max_level" goes with "provider: pagerduty" only: elsewhere there are no levels'
OF_THAT_NAME = "would be the name of one: any stands alone, where it is allowed at all"

CONDITIONS = [
    ("an empty condition", "{}", [(4, "a condition is empty: name something in it")]),
    ("an empty any", "{any: []}", [(4, '"any" is empty: name something in it')]),
    (
        "a misspelt condition has a nearest word",
        "{oncall: {schedules: [DBA]}}",
        [(4, '"oncall" is no condition; the nearest is "on_call"')],
    ),
    (
        "two conditions side by side are neither any nor all",
        "{on_call: {schedules: [DBA]}, requester: {emails: [a@b.c]}}",
        [(4, ONE.format("on_call", "requester") + "mend the indentation")],
    ),
    (
        "fields beside their condition are told as a slip of the indentation",
        "\n      on_call:\n      schedules: [DBA]",
        [(5, ONE.format("on_call", "schedules") + "mend the indentation")],
    ),
    (
        "any and all are nested once",
        "{any: [{all: [{any: [{on_call: {schedules: [DBA]}}]}]}]}",
        [(4, "any and all are nested once, not deeper: make two rules of it")],
    ),
    ("a rule that asks for the requester only approves for asking", ASKED, [(4, PATH)]),
    (
        "a rule that asks for a short time only approves for asking",
        "{requested_duration: {up_to: 1h}}",
        [(4, PATH)],
    ),
    (
        "each branch of any needs a duty",
        f"\n      any:\n        - {ON_CALL}\n        - {ASKED}\n        - {ASKED}",
        [(7, PATH), (8, PATH)],
    ),
    (
        "one member of all needs a duty",
        f"\n      all:\n        - {ASKED}\n        - requested_duration: {{up_to: 1h}}",
        [(5, PATH)],
    ),
    (
        "a branch of an inner any needs one, too",
        f"\n      any:\n        - {ON_CALL}\n        - any:\n          - {ASKED}",
        [(8, PATH)],
    ),
    (
        "an inner all in any needs one",
        f"\n      any:\n        - {ON_CALL}\n        - all:\n          - {ASKED}",
        [(7, PATH)],
    ),
    (
        "an any of which one branch needs no duty does not make an all safe",
        f"\n      all:\n        - {ASKED}\n        - any: [{ON_CALL}, {ASKED}]",
        [(5, PATH)],
    ),
    (
        "being on call is for a schedule",
        "{on_call: {provider: incidentio}}",
        [(4, 'on_call has no "schedules"')],
    ),
    (
        "a schedule is in a list",
        "{on_call: {schedules: DBA}}",
        [(4, '"schedules" is "DBA": a list is needed ([a, b]), or any')],
    ),
    (
        "any is in lower case",
        "{on_call: {schedules: Any}}",
        [(4, '"schedules" is "Any": a list is needed ([a, b]), or any')],
    ),
    (
        "any in a list would be a schedule of that name",
        "{on_call: {schedules: [DBA, Any]}}",
        [(4, f'"schedules" lists Any, which {OF_THAT_NAME}')],
    ),
    (
        "a schedule once",
        "{on_call: {schedules: [DBA, API, DBA]}}",
        [(4, '"schedules": "DBA" is here twice: first in line 4')],
    ),
    (
        "a schedule without white space around it",
        '{on_call: {schedules: ["DBA "]}}',
        [(4, '"schedules" begins or ends with white space')],
    ),
    (
        "a provider has a nearest word, whatever its case",
        "{on_call: {provider: Incident.io, schedules: [DBA]}}",
        [(4, '"Incident.io" is no provider; the nearest is "incidentio"')],
    ),
    (
        "levels are PagerDuty's",
        "{on_call: {provider: incidentio, schedules: [DBA], max_level: 2}}",
        [(4, LEVELS)],
    ),
    ("levels are of one provider", "{on_call: {schedules: [DBA], max_level: 2}}", [(4, LEVELS)]),
    *[
        (
            f"the level {told} is no whole number from 1",
            f"{{on_call: {{provider: incidentio, schedules: [DBA], max_level: {told}}}}}",
            [
                (4, f'"max_level" is {told}: {WHOLE}'),
                (4, LEVELS),
            ],
        )
        for told in ("0", "-1", "1.5", '"2"', "1000", "true", "01")
    ],
    (
        "a role in an incident is named",
        "{incident_role: {severities: [Major]}}",
        [(4, 'incident_role has no "roles"')],
    ),
    *[
        (
            f"{wrong} is no e-mail, and is not repeated",
            f"{{all: [{ON_CALL}, {{requester: {{emails: ['{wrong}']}}}}]}}",
            [(4, '"emails" holds what is no e-mail: one whole address is needed')],
        )
        for wrong in ("jane", "@b.c", "a@", "*@b.c", "a@b@c", "a @b.c", "a@b.c, d@e.f")
    ],
    (
        "an e-mail once, whatever its case",
        f"{{all: [{ON_CALL}, {{requester: {{emails: [a@b.c, A@B.C]}}}}]}}",
        [(4, '"emails": this e-mail is here twice: first in line 4')],
    ),
    *[
        (
            f"{wrong} is no domain",
            f"{{all: [{ON_CALL}, {{requester: {{domains: ['{wrong}']}}}}]}}",
            [
                (4, f'"domains" holds what is no domain: {BARE}'),
            ],
        )
        for wrong in (
            *("@example.com", "*.example.com", "a b", ".example.com", "example.com.", "a..b"),
            *("http://x", "-", "-a.b", "a-", "[example.com]", "example.com:443", "_"),
        )
    ],
    (
        "a requested duration has a bound",
        f"{{all: [{ON_CALL}, {{requested_duration: 1h}}]}}",
        [(4, 'requested_duration is "1h": a mapping (key: value) is needed')],
    ),
]


@pytest.mark.parametrize(
    ("condition", "said"), [row[1:] for row in CONDITIONS], ids=[row[0] for row in CONDITIONS]
)
def test_wrong_condition_is_told(condition: str, said: list[tuple[int, str]]) -> None:
    """The same of conditions."""
    assert errors_of(changed(ON_CALL, condition)) == said
