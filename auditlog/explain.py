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
from handler.rules.evaluate import NO_DUTY

YES, NO, NOTE = "yes", "no", "note"
SETTINGS = "the settings"


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
    """Say in one line why: for a yes its reason, for a no what tells most about it.

    Takes a call's record that is no decision, too: what was refused, and what failed.
    """
    if not is_decision(record):
        return str(record.get("reason") or record.get("why") or "")
    reason = str(record["reason"])
    if record["outcome"] == "approve":
        words = reason.removeprefix("Approved: ")
        return f"dry run: {words}" if record["dry_run"] else words
    if reason != NO_DUTY:
        return reason
    objection = next(_objections(record), "")
    failures = _failures(record)[:1]
    if not (objection or failures):
        objection = reason
    return "; ".join(filter(None, (objection, *failures, *hidden_emails(record).values())))


def _objections(record: Record) -> Iterator[str]:
    """Say why the rules that do not grant don't, the most telling reason first."""
    names, of_duties, others = _duty_names(record), [], []
    for rule in record["trace"]["rules"]:
        if rule["verdict"] != NO:
            continue
        duties = rule.get("duties", ())
        if rule["why"] != NO_DUTY and not all(duty["why"] for duty in duties):
            # Its duties would do: something else is missing.
            yield f"{rule_title(rule['rule'])}: {rule['why']}"
        for duty in duties:
            objection = f"{names[duty['duty']]}: {duty['why']}"
            if duty["why"] == NOT_LISTED:
                others.append(objection)
            elif duty["why"]:
                of_duties.append(objection)
        if rule["why"] != NO_DUTY and not duties:
            others.append(f"{rule_title(rule['rule'])}: {rule['why']}")
    yield from of_duties
    yield from others


def tree(record: Record) -> Line:
    """Explain all of a decision: what was asked, each rule, duty and provider, and how long.

    Raises:
        ValueError: it is no decision's record, or one of an older form.
    """
    if not is_decision(record):
        raise ValueError("this is no record of a decision, or one of an older form")
    at = moment_of(record["decided_at"])
    return Line(
        _headline(record, at),
        _mark(record),
        (
            Line(f"why: {why(record)}"),
            *_rules(record, at),
            *_duties(record),
            *_limits(record),
            Line("providers", NOTE, tuple(_providers(record))),
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
    """Say who asked, and by which ids caller and log know it."""
    if record.get("caller"):
        own = record.get("caller_request")
        known_as = f", by its id {own}" if own else ""
        id_ = f"; id {record['decision_id']}" if record.get("decision_id") else ""
        yield Line(f"asked by caller {record['caller']}{known_as}{id_}")


def _mark(record: Record) -> str:
    if record["outcome"] != "approve":
        return NO
    return NOTE if record["dry_run"] else YES


def _headline(record: Record, at: datetime | None) -> str:
    who, what = record["requester"] or "somebody without an e-mail", _resources(record)
    if record["outcome"] != "approve":
        return f"no: humans decide whether {who} gets {what}"
    until = _until(record, at)
    answer = "in dry run, so no claim is made: else" if record["dry_run"] else "yes:"
    return f"{answer} {who} gets {what} for {duration_in_words(record['duration'])}{until}"


def _resources(record: Record) -> str:
    named, count = record["resources"], record["resource_count"]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    action = record["trace"]["request"].get("action", ACCESS)
    to = f" (action {action})" if action != ACCESS else ""
    return (", ".join(named) or "nothing") + more + to


def _until(record: Record, at: datetime | None) -> str:
    lasts = parse_duration(record["duration"])
    return f", until {clock_time(at + lasts, at)}" if at and lasts else ""


def duration_in_words(duration: str) -> str:
    """Say a duration of a log line or a claim in words; what isn't one stays as it is."""
    read = parse_duration(duration)
    return duration if read is None else in_words(read)


def clock_time(moment: datetime, now: datetime) -> str:
    """Say when something is: with its date, unless that is today's."""
    moment = moment.astimezone(UTC)
    form = "%H:%M" if moment.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
    return f"{moment:{form}} UTC"


def _rules(record: Record, at: datetime | None) -> Iterable[Line]:
    names = _duty_names(record)
    for rule in record["trace"]["rules"]:
        under = tuple(_duty_line(duty, names) for duty in rule.get("duties", ()))
        yield Line(*_verdict(rule, at), under)
    for reason, rules in record["trace"]["other_rules"].items():
        yield Line(f"{' and '.join(map(rule_title, rules))}: {reason}")


def _verdict(rule: Record, at: datetime | None) -> tuple[str, str]:
    until = moment_of(rule.get("until"))
    by = f" until {clock_time(until, at)}" if until and at else ""
    name = rule_title(rule["rule"])
    match rule["verdict"]:
        case "grants":
            return f"{name}: matched, and opens it{by}", YES
        case "dry_run":
            return f"{name}: matched, and would open it{by}, but is in dry run", NOTE
        case "denies":
            return f"{name}: denies it", NO
        case _:
            return f"{name}: not matched: {rule.get('why', 'the record does not say why')}", NO


def _duty_line(duty: Record, names: Sequence[str]) -> Line:
    name, objection = names[duty["duty"]], duty["why"]
    return Line(f"{name}: {objection}", NO) if objection else Line(f"{name}: counts", YES)


def _duties(record: Record) -> Iterable[Line]:
    """List the duties at which no rule looked, or say that there are none."""
    looked_at = {
        duty["duty"] for rule in record["trace"]["rules"] for duty in rule.get("duties", ())
    }
    names = _duty_names(record)
    if not names and (providers := record["trace"]["providers"]):
        is_partial = any(provider["failures"] for provider in providers)
        read = ", by what could be read" if is_partial else ""
        yield Line(f"the providers state no duty of the requester{read}", NO)
    for place, name in enumerate(names):
        if place not in looked_at:
            yield Line(f"{name}: no rule looked at it")


def _duty_names(record: Record) -> list[str]:
    now = moment_of(record["decided_at"])
    return [duty.describe(now) for duty in duties_of(record)] if now else []


def _limits(record: Record) -> Iterable[Line]:
    limits = record["trace"]["limits"]
    if limits:
        *others, last = limits
        under = (*map(Line, others), Line(f"{last}: this decides"))
        yield Line("how long", NOTE, under)


def _providers(record: Record) -> Iterable[Line]:
    providers = record["trace"]["providers"]
    for provider in providers:
        name = provider["provider"]
        for failure in provider["failures"]:
            yield Line(f"no answer from {name} {failure}", NO)
        if not provider["failures"]:
            yield Line(f"{name}: answered", YES)
    for sentence in hidden_emails(record).values():
        yield Line(f"{sentence}: nobody can be matched with them")
    if not providers:
        yield Line("none was asked: nothing that they could say would change it")


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
        remark = "the record was cut to size, or hides an e-mail: not all is told"
        yield Line(remark, NOTE, counts)


def rule_title(rule: str) -> str:
    """Name a rule: by its name, or as the settings' one."""
    return f'rule "{rule}"' if rule else SETTINGS
