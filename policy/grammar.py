"""All keys of policy files and of their tests.

Each line of a table has a key (with ! if it is required), its type, and a description. The type
names the method of `Reader`, or of a subclass, that reads the key, and its definition in
`schema.py`, which makes the JSON schemas for editors. A new key of a policy needs a line here, a
field in `handler/rules/model.py` or `conditions.py`, and a line in `handler/rules/codec.py`, which
reads the deployed policy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# The provider with escalation levels, and the one with incident roles.
HAS_LEVELS, HAS_ROLES = "pagerduty", "incidentio"
# Callers, by the names of their files in `handler/callers/`.
CALLERS = ("indent", "authzen", "conductorone")
_CONTINUED = re.compile(r"\n {8,}")


class Key(NamedTuple):
    """A key of a mapping."""

    name: str
    type: str
    doc: str
    required: bool


class Shape(NamedTuple):
    """A mapping; errors call it `what`."""

    what: str
    keys: tuple[Key, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its keys."""
        return tuple(key.name for key in self.keys)


def _shape(what: str, table: str) -> Shape:
    keys = []
    for line in _CONTINUED.sub(" ", table).strip().splitlines():
        name, kind, doc = line.split(maxsplit=2)
        keys.append(Key(name.removesuffix("!"), kind, doc, name.endswith("!")))
    return Shape(what, tuple(keys))


POLICY = _shape(
    "a policy",
    """
    rules!   rules    Denying rules win. Of the approving rules, the one that grants the longest
            access to a resource counts.
    aliases  aliases  Maps the e-mail in a request to the same person's e-mails at the providers.
            Exact, and in this direction only.
    identities  identities  For each caller, maps its names for people to their e-mails, and for
            each provider, its users' ids. Exact.
    """,
)
RULE = _shape(
    "a rule",
    """
    name!           rule_name  The rule's unique name in the log and in reasons: one line.
    resources!      selector   Which resources the rule covers: every given key has to match. For
            all resources, write any.
    when            condition  One condition. In an approving rule, every alternative needs on_call
            or incident_role.
    duration        duration   The longest time for which access lasts.
    end_with_shift  shift_end  Access ends with the duty.
    dry_run         switch     The rule is evaluated and logged, but approves nothing.
    deny            switch     Requests for any of these resources are left to humans. A label also
            covers resources that don't have it at all.
    """,
)
SELECTOR = _shape(
    "resources",
    """
    kinds   exact_texts   Kinds, compared exactly.
    ids     patterns      Ids; * stands for any characters.
    labels  exact_labels  Labels and their values, compared exactly. Whoever sets labels decides
            what they open.
    actions  exact_texts  Requested actions, compared exactly. Without it, an approving rule covers
            only access, and a denying rule every action.
    """,
)
SHIFT_END = _shape(
    "end_with_shift",
    """
    grace        grace     How long access continues after the shift; at most 24h.
    without_end  duration  How long access lasts for a duty without an end, such as a role. Without
            it, such a duty does not count.
    """,
)
# A condition has exactly one of these.
CONDITION = _shape(
    "a condition",
    """
    any                 conditions          At least one of these has to hold.
    all                 conditions          All of these have to hold.
    on_call             on_call             The requester is on call for a schedule.
    incident_role       incident_role       The requester holds a role in a live incident.
    requester           requester           The requester has one of these e-mails or domains.
    requested_duration  requested_duration  The request is for at most this long. A request without
            a duration asks for the maximum.
    """,
)
GROUPS, DUTIES, LIMITS = CONDITION.names[:2], CONDITION.names[2:4], CONDITION.names[4:]
ON_CALL = _shape(
    "on_call",
    """
    provider    provider  The provider of the schedule; any provider if left out.
    schedules!  names     Schedules by name or id, or any.
    max_level   level     The highest escalation level that counts; 1 if left out. PagerDuty only.
    """,
)
INCIDENT_ROLE = _shape(
    "incident_role",
    """
    roles!      names  Roles by name, shortform or id, or any (except the reporter's).
    severities  texts  Severities of the incident, by name or id.
    types       texts  Types of the incident, by name or id.
    """,
)
REQUESTER = _shape(
    "requester",
    """
    emails   emails   E-mails, compared exactly.
    domains  domains  Domains without @, compared exactly: a subdomain is another domain.
    """,
)
REQUESTED_DURATION = _shape(
    "requested_duration",
    """
    up_to!  duration  The longest duration that may be requested.
    """,
)

TESTS = _shape(
    "a test file",
    """
    at      instant  The time of all cases without their own.
    cases!  cases    The cases; each is decided on its own.
    """,
)
CASE = _shape(
    "a case",
    """
    name!          case_name      A sentence that says what is tested.
    who!           person         The requester's e-mail, or their name at a caller, which
            identities may map: {authzen: jane}.
    asks_for!      resources      One resource, or a list of them.
    action         text           The requested action; access if left out.
    duration       long_duration  The requested duration; the maximum if left out.
    at             instant        The time of the request; that of the file if left out.
    providers_say  sayings        Who is on duty, and which providers fail.
    expect!        expected       The expected decision.
    """,
)
# One key for each caller that knows people by names.
PERSON = _shape(
    "who",
    """
    authzen!  text  The name by which AuthZEN's callers know the requester.
    """,
)
RESOURCE = _shape(
    "a resource",
    """
    kind!   text    Its kind.
    id!     text    Its id.
    labels  labels  Its labels.
    """,
)
SAYING = _shape(
    "what a provider says",
    """
    on_call        duty_on_call  Somebody is on call for a schedule.
    incident_role  duty_role     Somebody holds a role in a live incident.
    failure        failure       A provider fails to answer.
    """,
)
DUTY_ON_CALL = _shape(
    "on_call",
    """
    provider!  provider     The provider of the schedule.
    schedule!  text         The name of the schedule.
    who        email        Who is on call, as e-mail at the provider; the requester if left out.
    user       text         Their user id at the provider, which identities may map. Without who,
            the provider shows no e-mail.
    level      level        The escalation level; 1 if left out.
    from       instant      The start of the shift; already started if left out.
    until      shift_until  The end of the shift, or never; if left out, it could not be read.
    """,
)
DUTY_ROLE = _shape(
    "incident_role",
    """
    role!        text   The name of the role; reporter is whoever declared the incident.
    who          email  Who holds it, as e-mail at the provider; the requester if left out.
    user         text   Their user id at the provider, which identities may map. Without who, the
            provider shows no e-mail.
    incident     text   The incident; INC-1 if left out.
    severity     text   The incident's severity.
    type         text   The incident's type.
    declared_by  email  Who declared the incident; somebody else if left out.
    """,
)
FAILURE = _shape(
    "failure",
    """
    provider!  provider  The provider that fails.
    problem    text      The problem; no answer in time if left out.
    """,
)
EXPECTED_YES = _shape(
    "expect",
    """
    approved!  switch     Whether the request is approved.
    rule       rule       The rule that approves it.
    rules      rule_list  The rules that approve it.
    duration   duration   How long access lasts.
    evidence   texts      The schedules and roles on which the approval is based.
    """,
)
EXPECTED_NO = _shape(
    "expect",
    """
    approved!   switch  Whether the request is approved.
    denied_by   rule    A rule that denies it.
    dry_run_of  rule    A rule in dry run that would approve it.
    why         text    Part of the reason.
    """,
)
