"""A decision in words a person can read: one line, or all of it as a tree. No I/O.

It explains the decision's log record: so last month's log, the sandbox's page and `oncall explain`
all use the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from auditlog.record import Record, duties_of, is_decision, moment_of
from handler.durations import in_words, parse_duration
from handler.providers.registry import BY_ID
from handler.request import ACCESS
from handler.rules.conditions import NOT_LISTED

YES, NO, NOTE = "yes", "no", "note"
DEFAULT_RULE = "default rule"
_IDS_OF_A_CALL = {
    "request": "caller_request",
    "requester": "requester_id",
    "decision": "decision_id",
}


class Line(NamedTuple):
    """One line of an explanation.

    Attributes:
        text: the line.
        mark: `YES` speaks for an approval, `NO` against it, `NOTE` for neither.
        under: the lines that belong to it.
    """

    text: str
    mark: str = NOTE
    under: tuple[Line, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "text": self.text,
            "mark": self.mark,
            "under": [line.as_data() for line in self.under],
        }


def why(record: Record) -> str:
    """Say in one line why: the reason of an approval, or the main obstacle to one.

    Also takes the record of a call that was refused or that failed.
    """
    if not is_decision(record):
        return str(record.get("reason") or record.get("why") or "")
    reason = str(record["reason"])
    if record["outcome"] == "approve":
        words = reason.removeprefix("Approved: ")
        return f"dry run: {words}" if record["dry_run"] else words
    if not _rests_on_duties(record):
        return reason
    objection = next(_objections(record), "")
    failures = _failures(record)[:1]
    if not (objection or failures):
        objection = reason if _duty_names(record) else _no_duty(record)
    return "; ".join(filter(None, (objection, *failures, *hidden_emails(record).values())))


def _no_duty(record: Record) -> str:
    """Say that the requester has no duty, of those for which the providers were asked."""
    queries = record["trace"]["wanted"].values()

    def is_wanted(field: str) -> bool:
        return any(query.get(field) for query in queries)

    if is_wanted("any_schedule"):
        missing = ["is not on call"]
    else:
        missing = ["is not on call for a schedule of the policy"] if is_wanted("schedules") else []
    if is_wanted("roles"):
        missing.append("holds no incident role")
    if is_wanted("updates"):
        missing.append("posted no update to a live incident")
    if not missing:
        return str(record["reason"])
    *most, last = missing
    sentence = f"{', '.join(most)} and {last}" if most else last
    read = ", as far as the providers answered" if record["provider_failures"] else ""
    return f"{record['requester'] or 'the requester'} {sentence}{read}"


def _rests_on_duties(record: Record) -> bool:
    """Whether humans decide because no duty counts, so that its objection says more.

    It compares values: the words of the reason may be those of an older version.
    """
    trace = record["trace"]
    verdicts = {rule["verdict"] for rule in trace["rules"]}
    if "grants" in verdicts and trace["request"].get("all_or_nothing"):
        return False
    return bool(verdicts) and verdicts <= {"no", "grants"} and not trace["limits"]


def _objections(record: Record) -> Iterator[str]:
    """Say why rules do not match, the most helpful reason first."""
    names, of_duties, others = _duty_names(record), [], []
    for rule in record["trace"]["rules"]:
        if rule["verdict"] != "no":
            continue
        duties = rule.get("duties", ())
        why_not = f"{rule_title(rule['rule'])}: {rule['why']}" if rule.get("why") else ""
        if why_not and not all(duty["why"] for duty in duties):
            # A duty counts: something else is missing.
            yield why_not
        for duty in duties:
            objection = f"{names[duty['duty']]}: {duty['why']}"
            if duty["why"] == NOT_LISTED:
                others.append(objection)
            elif duty["why"]:
                of_duties.append(objection)
        if why_not and not duties:
            others.append(why_not)
    yield from of_duties
    yield from others


def tree(record: Record) -> Line:
    """Explain all of a decision: what was asked, each rule, duty and provider, and how long.

    Raises:
        ValueError: it is not the record of a decision, or it has an older form.
    """
    if not is_decision(record):
        raise ValueError("this is not the record of a decision, or it has an older form")
    at = moment_of(record["decided_at"])
    return Line(
        _headline(record, at),
        _mark(record),
        (
            Line(f"why: {why(record)}"),
            *_rules(record, at),
            *_duties(record),
            *_limits(record),
            _providers(record),
            *_remarks(record),
            *_call(record),
            Line(f"decided at {record['decided_at']} by policy {record['policy']}"),
        ),
    )


def reasons(record: Record) -> tuple[Line, ...]:
    """Give the part of the tree that says why: each rule, each duty, and how long."""
    rules = _rules(record, moment_of(record["decided_at"]))
    return (*rules, *_duties(record), *_limits(record))


def _call(record: Record) -> Iterator[Line]:
    """Say who asked, and by which ids caller and log know request, requester and decision."""
    if record.get("caller"):
        ids = [
            f"{what} {record[name]}" for what, name in _IDS_OF_A_CALL.items() if record.get(name)
        ]
        yield Line(", ".join([f"caller: {record['caller']}", *ids]))


def _mark(record: Record) -> str:
    if record["outcome"] != "approve":
        return NO
    return NOTE if record["dry_run"] else YES


def _headline(record: Record, at: datetime | None) -> str:
    who, what = record["requester"] or "somebody without an e-mail", resources_in_words(record)
    if record["outcome"] != "approve":
        return f"left to humans: {who} requests {what}"
    access = f"{what} for {duration_in_words(record['duration'])}{_until(record, at)}"
    if record["dry_run"]:
        return f"left to humans, in dry run: {who} would get {access}"
    return f"approved: {who} gets {access}"


def resources_in_words(record: Record) -> str:
    """List what was requested, as far as the record has it."""
    named, count = record["resources"], record["resource_count"]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    action = record["trace"]["request"].get("action", ACCESS)
    to = f" (action {action})" if action != ACCESS else ""
    return (", ".join(named) or "nothing") + more + to


def _until(record: Record, at: datetime | None) -> str:
    lasts = parse_duration(record["duration"])
    return f", until {clock_time(at + lasts, at)}" if at and lasts else ""


def duration_in_words(duration: str) -> str:
    """Write a duration of a log line or a claim in words; what isn't one stays as it is."""
    read = parse_duration(duration)
    return duration if read is None else in_words(read)


def clock_time(moment: datetime, now: datetime) -> str:
    """Say when something is: with its date, unless that is today's."""
    moment = moment.astimezone(UTC)
    form = "%H:%M" if moment.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
    return f"{moment:{form}} UTC"


def _rules(record: Record, at: datetime | None) -> Iterable[Line]:
    names = _duty_names_with_users(record)
    for rule in record["trace"]["rules"]:
        under = tuple(_duty_line(duty, names) for duty in rule.get("duties", ()))
        yield Line(*_verdict(rule, at), under)
    for reason, rules in record["trace"]["other_rules"].items():
        yield Line(f"{', '.join(map(rule_title, rules))}: {reason}")


def _verdict(rule: Record, at: datetime | None) -> tuple[str, str]:
    until = moment_of(rule.get("until"))
    by = f" until {clock_time(until, at)}" if until and at else ""
    name = rule_title(rule["rule"])
    match rule["verdict"]:
        case "grants":
            return f"{name}: approves{by}", YES
        case "dry_run":
            return f"{name}: would approve{by}, but is in dry run", NOTE
        case "denies":
            return f"{name}: denies the request", NO
        case _:
            why_not = f": {rule['why']}" if rule.get("why") else ""
            return f"{name}: not matched{why_not}", NO


def _duty_line(duty: Record, names: Sequence[str]) -> Line:
    name, objection = names[duty["duty"]], duty["why"]
    return Line(f"{name}: {objection}", NO) if objection else Line(f"{name}: counts", YES)


def _duties(record: Record) -> Iterable[Line]:
    """List the duties that no rule checked, or say that there are none."""
    looked_at = {
        duty["duty"] for rule in record["trace"]["rules"] for duty in rule.get("duties", ())
    }
    names = _duty_names(record)
    has_answer = any(not provider["failures"] for provider in record["trace"]["providers"])
    if has_answer and not names and (sentence := _no_duty(record)) not in why(record):
        yield Line(sentence, NO)
    for place, name in enumerate(_duty_names_with_users(record)):
        if place not in looked_at:
            yield Line(f"{name}: no rule checked it")


def _duty_names(record: Record) -> list[str]:
    now = moment_of(record["decided_at"])
    return [duty.describe(now) for duty in duties_of(record)] if now else []


def _duty_names_with_users(record: Record) -> list[str]:
    """Describe the duties, with the ids by which the policy's `identities` name the holder."""
    duties = zip(_duty_names(record), record["trace"]["duties"], strict=False)
    return [
        f"{name}, by the user id {duty['user']}" if duty.get("user") else name
        for name, duty in duties
    ]


def _limits(record: Record) -> Iterable[Line]:
    limits = record["trace"]["limits"]
    if len(limits) == 1:
        yield Line(f"how long: {limits[0]}")
    elif limits:
        *others, last = limits
        yield Line("how long", NOTE, (*map(Line, others), Line(f"{last} (this decides)")))


def _providers(record: Record) -> Line:
    providers = record["trace"]["providers"]
    if not providers:
        return Line("providers: none was asked, since no answer could change the decision")
    failures = [
        Line(f"no answer from {provider['provider']} {failure}", NO)
        for provider in providers
        for failure in provider["failures"]
    ]
    names = [provider["provider"] for provider in providers if not provider["failures"]]
    answered = f"{', '.join(names)} answered"
    hidden = [
        Line(f"{sentence}, so they cannot be matched")
        for sentence in hidden_emails(record).values()
    ]
    if not (failures or hidden):
        return Line(f"providers: {answered}", YES)
    return Line("providers", NOTE, (*failures, *([Line(answered, YES)] if names else []), *hidden))


def hidden_emails(record: Record) -> dict[str, str]:
    """Say of which people on duty the providers show no e-mail, by the provider's name."""
    counts = record.get("without_email", {}).items()
    names = ((BY_ID[id_].name if id_ in BY_ID else id_, count) for id_, count in counts)
    return {name: emails_missing(name, count["people"], count["of"]) for name, count in names}


def emails_missing(provider: str, people: int, of: int) -> str:
    """Say how many people on duty at a provider show no e-mail."""
    who = f"{people} of {of} people" if of > 1 else "the only person"
    return f"{who} on duty at {provider} {'shows' if people == 1 else 'show'} no e-mail"


def _failures(record: Record) -> list[str]:
    return [f"no answer from {failure}" for failure in record["provider_failures"]]


def _remarks(record: Record) -> Iterable[Line]:
    omitted = record.get("omitted", {})
    if omitted or not record["whole"]:
        counts = tuple(Line(f"{name} left out or cut: {count}") for name, count in omitted.items())
        remark = "the record was cut to size or hides an e-mail, so some facts are missing"
        yield Line(remark, NOTE, counts)


def rule_title(rule: str) -> str:
    """Name a rule; the one that plain settings make has no name of its own."""
    return f'rule "{rule}"' if rule else DEFAULT_RULE
