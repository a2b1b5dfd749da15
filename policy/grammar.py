"""The keys of policy files and of their tests: the one list of them.

A line of a table is a key (with ! if it is required), its type, and what it is for. A type is the
name of the method of `Reader`, or of a subclass, that reads it, and of its definition in
`schema.py`, which makes the JSON schemas for editors. A new key of a policy takes a line here, a
field in `handler/rules/model.py` or `conditions.py`, and its line in `handler/rules/codec.py`,
which reads what is deployed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# The provider whose schedules are reached level by level, and the one with roles in incidents.
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
    """A mapping; `what` is what errors call it."""

    what: str
    keys: tuple[Key, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that there are."""
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
    rules!   rules    A rule that denies wins. Of those that approve, the one counts for each
            resource whose access lasts longest.
    aliases  aliases  By the e-mail in the request, the e-mails of the same person at the providers.
            Exact, and one way.
    identities  identities  By caller, what it calls a person, and that person's e-mail. Exact.
    """,
)
RULE = _shape(
    "a rule",
    """
    name!           rule_name  What the log and the claim call the rule: one line, once in the file.
    resources!      selector   Which resources the rule is for: each line that is given has to fit.
            any has to be written out.
    when            condition  One condition. Every path of an approving rule needs on_call or
            incident_role.
    duration        duration   How long access lasts at most.
    end_with_shift  shift_end  Access ends with the duty.
    dry_run         switch     Decides and logs, and claims nothing.
    deny            switch     No claim for a request that touches any of these resources. By label
            it also hits what does not carry that label at all.
    """,
)
SELECTOR = _shape(
    "resources",
    """
    kinds   exact_texts   Kinds, compared whole.
    ids     patterns      Ids, in which * is any run of characters.
    labels  exact_labels  Labels and their values, compared whole. They are as trustworthy as who
            sets them.
    actions  exact_texts  What is requested to be done with them, compared whole. Left out, an
            approving rule is for access only, and a denying one for every action.
    """,
)
SHIFT_END = _shape(
    "end_with_shift",
    """
    grace        grace     How much longer access lasts than the shift; at most 24h.
    without_end  duration  How long access lasts by a duty that has no end, such as a role. Left
            out, such a duty does not count.
    """,
)
# Of these, a condition has one.
CONDITION = _shape(
    "a condition",
    """
    any                 conditions          One of these is enough.
    all                 conditions          All of these are needed.
    on_call             on_call             Being on call for a schedule.
    incident_role       incident_role       Holding a role in a live incident.
    requester           requester           Being one of these people, or of one of these domains.
    requested_duration  requested_duration  Asking for no longer than this. Who asks for no time
            asks for all there is.
    """,
)
GROUPS, DUTIES, LIMITS = CONDITION.names[:2], CONDITION.names[2:4], CONDITION.names[4:]
ON_CALL = _shape(
    "on_call",
    """
    provider    provider  Whose schedule it is; left out, whichever provider's.
    schedules!  names     Schedules by name or id, or any.
    max_level   level     The last escalation level that counts, 1 if left out. PagerDuty's only.
    """,
)
INCIDENT_ROLE = _shape(
    "incident_role",
    """
    roles!      names  Roles by name, shortform or id, or any (but the reporter's).
    severities  texts  The incident has one of these severities, by name or id.
    types       texts  The incident is of one of these types, by name or id.
    """,
)
REQUESTER = _shape(
    "requester",
    """
    emails   emails   E-mails, compared whole.
    domains  domains  Domains without @, compared whole: a subdomain is another one.
    """,
)
REQUESTED_DURATION = _shape(
    "requested_duration",
    """
    up_to!  duration  The longest time that may be asked for.
    """,
)

TESTS = _shape(
    "a test file",
    """
    at      instant  When all of this happens; a case may have a time of its own.
    cases!  cases    Each is decided by itself.
    """,
)
CASE = _shape(
    "a case",
    """
    name!          case_name      A sentence that states the fact.
    who!           email          Who asks.
    asks_for!      resources      One resource, or a list of them.
    action         text           What is to be done with them, access if left out.
    duration       long_duration  The time that is asked for; left out, all there is.
    at             instant        When; left out, as the file says.
    providers_say  sayings        Who is on duty, and which providers fail.
    expect!        expected       What has to come of it.
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
    failure        failure       What a provider could not be asked.
    """,
)
DUTY_ON_CALL = _shape(
    "on_call",
    """
    provider!  provider     Whose schedule it is.
    schedule!  text         Its name.
    who        email        Who is on call, by the e-mail at the provider; left out, who asks.
    level      level        The escalation level, 1 if left out.
    from       instant      When the shift begins; left out, it has begun.
    until      shift_until  When the shift ends, or never; left out, the end could not be read.
    """,
)
DUTY_ROLE = _shape(
    "incident_role",
    """
    role!        text   Its name; reporter is the role of who declared it.
    who          email  Who holds it, by the e-mail at the provider; left out, who asks.
    incident     text   The incident, INC-1 if left out.
    severity     text   The incident's severity.
    type         text   The incident's type.
    declared_by  email  Who declared the incident; left out, somebody else.
    """,
)
FAILURE = _shape(
    "failure",
    """
    provider!  provider  Which one fails.
    problem    text      What is wrong; left out, it does not answer in time.
    """,
)
EXPECTED_YES = _shape(
    "expect",
    """
    approved!  switch     Whether it is a yes.
    rule       rule       The rule that approves.
    rules      rule_list  The rules that approve.
    duration   duration   How long access lasts.
    evidence   texts      The schedules and roles that the approval rests on.
    """,
)
EXPECTED_NO = _shape(
    "expect",
    """
    approved!   switch  Whether it is a yes.
    denied_by   rule    A rule that denies it.
    dry_run_of  rule    A rule in dry run that would approve.
    why         text    Words of the reason.
    """,
)
