"""The keys of policy files and of their tests: the one list of them.

`reader.py` and its subclasses read a value of each type; `schema.py` makes the JSON schemas for
editors of this. A new key of a policy takes a row here, a field in `handler/rules/model.py` or
`conditions.py`, and its line in `handler/rules/codec.py`, which reads what is deployed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

# The provider whose schedules are reached level by level, and the one with roles in incidents.
HAS_LEVELS, HAS_ROLES = "pagerduty", "incidentio"


class Type(StrEnum):
    """What a value is. Its own value is the name of the method of `Reader` that reads it."""

    # Of any file.
    DURATION = "duration"
    EMAIL = "email"
    INSTANT = "instant"
    LABELS = "labels"
    LEVEL = "level"
    PROVIDER = "provider"
    SWITCH = "switch"
    TEXT = "text"
    TEXTS = "texts"
    # Of a policy.
    ALIASES = "aliases"
    CONDITION = "condition"
    CONDITIONS = "conditions"
    DOMAINS = "domains"
    EMAILS = "emails"
    EXACT_LABELS = "exact_labels"
    EXACT_TEXTS = "exact_texts"
    GRACE = "grace"
    INCIDENT_ROLE = "incident_role"
    NAMES = "names"
    ON_CALL = "on_call"
    PATTERNS = "patterns"
    REQUESTED_DURATION = "requested_duration"
    REQUESTER = "requester"
    RULES = "rules"
    RULE_NAME = "rule_name"
    SELECTOR = "selector"
    SHIFT_END = "shift_end"
    # Of the tests of a policy.
    CASES = "cases"
    CASE_NAME = "case_name"
    DUTY_ON_CALL = "duty_on_call"
    DUTY_ROLE = "duty_role"
    EXPECTED = "expected"
    FAILURE = "failure"
    LONG_DURATION = "long_duration"
    RESOURCES = "resources"
    RULE = "rule"
    RULE_LIST = "rule_list"
    SAYINGS = "sayings"
    SHIFT_UNTIL = "shift_until"


class Key(NamedTuple):
    """A key of a mapping."""

    name: str
    type: Type
    doc: str
    required: bool = False


class Shape(NamedTuple):
    """A mapping; `what` is what errors call it."""

    what: str
    keys: tuple[Key, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that there are."""
        return tuple(key.name for key in self.keys)


POLICY = Shape(
    "a policy",
    (
        Key(
            "rules",
            Type.RULES,
            "A rule that denies wins. Of those that approve, the one counts for each resource "
            "whose access lasts longest.",
            required=True,
        ),
        Key(
            "aliases",
            Type.ALIASES,
            "By the e-mail in the request, the e-mails of the same person at the providers. Exact, "
            "and one way.",
        ),
    ),
)
RULE = Shape(
    "a rule",
    (
        Key(
            "name",
            Type.RULE_NAME,
            "What the log and the claim call the rule: one line, once in the file.",
            required=True,
        ),
        Key(
            "resources",
            Type.SELECTOR,
            "Which resources the rule is for: each line that is given has to fit. any has to be "
            "written out.",
            required=True,
        ),
        Key(
            "when",
            Type.CONDITION,
            "One condition. Every path of an approving rule needs on_call or incident_role.",
        ),
        Key("duration", Type.DURATION, "How long access lasts at most."),
        Key("end_with_shift", Type.SHIFT_END, "Access ends with the duty."),
        Key("dry_run", Type.SWITCH, "Decides and logs, and claims nothing."),
        Key(
            "deny",
            Type.SWITCH,
            "No claim for a request that touches any of these resources. By label it also hits "
            "what does not carry that label at all.",
        ),
    ),
)
SELECTOR = Shape(
    "resources",
    (
        Key("kinds", Type.EXACT_TEXTS, "Kinds, compared whole."),
        Key("ids", Type.PATTERNS, "Ids, in which * is any run of characters."),
        Key(
            "labels",
            Type.EXACT_LABELS,
            "Labels and their values, compared whole. They are as trustworthy as who sets them.",
        ),
    ),
)
SHIFT_END = Shape(
    "end_with_shift",
    (
        Key("grace", Type.GRACE, "How much longer access lasts than the shift; at most 24h."),
        Key(
            "without_end",
            Type.DURATION,
            "How long access lasts by a duty that has no end, such as a role. Left out, such a "
            "duty does not count.",
        ),
    ),
)
# Of these, a condition has one.
CONDITION = Shape(
    "a condition",
    (
        Key("any", Type.CONDITIONS, "One of these is enough."),
        Key("all", Type.CONDITIONS, "All of these are needed."),
        Key("on_call", Type.ON_CALL, "Being on call for a schedule."),
        Key("incident_role", Type.INCIDENT_ROLE, "Holding a role in a live incident."),
        Key("requester", Type.REQUESTER, "Being one of these people, or of one of these domains."),
        Key(
            "requested_duration",
            Type.REQUESTED_DURATION,
            "Asking for no longer than this. Who asks for no time asks for all there is.",
        ),
    ),
)
GROUPS, DUTIES, LIMITS = CONDITION.names[:2], CONDITION.names[2:4], CONDITION.names[4:]
ON_CALL = Shape(
    "on_call",
    (
        Key("provider", Type.PROVIDER, "Whose schedule it is; left out, whichever provider's."),
        Key("schedules", Type.NAMES, "Schedules by name or id, or any.", required=True),
        Key(
            "max_level",
            Type.LEVEL,
            "The last escalation level that counts, 1 if left out. PagerDuty's only.",
        ),
    ),
)
INCIDENT_ROLE = Shape(
    "incident_role",
    (
        Key(
            "roles",
            Type.NAMES,
            "Roles by name, shortform or id, or any (but the reporter's).",
            required=True,
        ),
        Key("severities", Type.TEXTS, "The incident has one of these severities, by name or id."),
        Key("types", Type.TEXTS, "The incident is of one of these types, by name or id."),
    ),
)
REQUESTER = Shape(
    "requester",
    (
        Key("emails", Type.EMAILS, "E-mails, compared whole."),
        Key(
            "domains",
            Type.DOMAINS,
            "Domains without @, compared whole: a subdomain is another one.",
        ),
    ),
)
REQUESTED_DURATION = Shape(
    "requested_duration",
    (Key("up_to", Type.DURATION, "The longest time that may be asked for.", required=True),),
)

TESTS = Shape(
    "a test file",
    (
        Key("at", Type.INSTANT, "When all of this happens; a case may have a time of its own."),
        Key("cases", Type.CASES, "Each is decided by itself.", required=True),
    ),
)
CASE = Shape(
    "a case",
    (
        Key("name", Type.CASE_NAME, "A sentence that states the fact.", required=True),
        Key("who", Type.EMAIL, "Who asks.", required=True),
        Key("asks_for", Type.RESOURCES, "One resource, or a list of them.", required=True),
        Key("duration", Type.LONG_DURATION, "The time that is asked for; left out, all there is."),
        Key("at", Type.INSTANT, "When; left out, as the file says."),
        Key("providers_say", Type.SAYINGS, "Who is on duty, and which providers fail."),
        Key("expect", Type.EXPECTED, "What has to come of it.", required=True),
    ),
)
RESOURCE = Shape(
    "a resource",
    (
        Key("kind", Type.TEXT, "Its kind.", required=True),
        Key("id", Type.TEXT, "Its id.", required=True),
        Key("labels", Type.LABELS, "Its labels."),
    ),
)
SAYING = Shape(
    "what a provider says",
    (
        Key("on_call", Type.DUTY_ON_CALL, "Somebody is on call for a schedule."),
        Key("incident_role", Type.DUTY_ROLE, "Somebody holds a role in a live incident."),
        Key("failure", Type.FAILURE, "What a provider could not be asked."),
    ),
)
DUTY_ON_CALL = Shape(
    "on_call",
    (
        Key("provider", Type.PROVIDER, "Whose schedule it is.", required=True),
        Key("schedule", Type.TEXT, "Its name.", required=True),
        Key(
            "who",
            Type.EMAIL,
            "Who is on call, by the e-mail at the provider; left out, who asks.",
        ),
        Key("level", Type.LEVEL, "The escalation level, 1 if left out."),
        Key("from", Type.INSTANT, "When the shift begins; left out, it has begun."),
        Key(
            "until",
            Type.SHIFT_UNTIL,
            "When the shift ends, or never; left out, the end could not be read.",
        ),
    ),
)
DUTY_ROLE = Shape(
    "incident_role",
    (
        Key("role", Type.TEXT, "Its name; reporter is the role of who declared it.", required=True),
        Key("who", Type.EMAIL, "Who holds it, by the e-mail at the provider; left out, who asks."),
        Key("incident", Type.TEXT, "The incident, INC-1 if left out."),
        Key("severity", Type.TEXT, "The incident's severity."),
        Key("type", Type.TEXT, "The incident's type."),
        Key("declared_by", Type.EMAIL, "Who declared the incident; left out, somebody else."),
    ),
)
FAILURE = Shape(
    "failure",
    (
        Key("provider", Type.PROVIDER, "Which one fails.", required=True),
        Key("problem", Type.TEXT, "What is wrong; left out, it does not answer in time."),
    ),
)
_APPROVED = Key("approved", Type.SWITCH, "Whether it is a yes.", required=True)
EXPECTED_YES = Shape(
    "expect",
    (
        _APPROVED,
        Key("rule", Type.RULE, "The rule that approves."),
        Key("rules", Type.RULE_LIST, "The rules that approve."),
        Key("duration", Type.DURATION, "How long access lasts."),
        Key("evidence", Type.TEXTS, "The schedules and roles that the approval rests on."),
    ),
)
EXPECTED_NO = Shape(
    "expect",
    (
        _APPROVED,
        Key("denied_by", Type.RULE, "A rule that denies it."),
        Key("dry_run_of", Type.RULE, "A rule in dry run that would approve."),
        Key("why", Type.TEXT, "Words of the reason."),
    ),
)
