"""A decision in words a person can read: one line, or all of it as a tree. No I/O.

What is told is the decision's log record: so last month's log, the sandbox's page and a question
about now all say it in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from auditlog.record import Record, duties_of, is_decision, moment_of
from handler.durations import in_words, parse_duration
from handler.providers.registry import BY_ID
from handler.rules.conditions import NOT_LISTED
from handler.rules.evaluate import NO_DUTY

YES, NO, NOTE = "yes", "no", "note"
SETTINGS = "the settings"


class Told(NamedTuple):
    """One line of what is told.

    Attributes:
        text: the line.
        mark: `YES` speaks for an approval, `NO` against it, `NOTE` is just said.
        under: what belongs to it.
    """

    text: str
    mark: str = NOTE
    under: tuple[Told, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {"text": self.text, "mark": self.mark, "under": [e.as_data() for e in self.under]}


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
    telling = next(_objections(record), "")
    failures = _failures(record)[:1]
    if not (telling or failures):
        telling = reason
    return "; ".join(filter(None, (telling, *failures, *hidden_emails(record).values())))


def _objections(record: Record) -> Iterator[str]:
    """Give what speaks against the rules that do not grant, the most telling first."""
    names, said, unnamed = _duty_names(record), [], []
    for rule in record["trace"]["rules"]:
        if rule["verdict"] != NO:
            continue
        judged = rule.get("duties", ())
        if rule["why"] != NO_DUTY and not all(each["why"] for each in judged):
            # Its duties would do: something else is missing.
            yield f"{called(rule['rule'])}: {rule['why']}"
        for each in judged:
            told = f"{names[each['duty']]}: {each['why']}"
            if each["why"] == NOT_LISTED:
                unnamed.append(told)
            elif each["why"]:
                said.append(told)
        if rule["why"] != NO_DUTY and not judged:
            unnamed.append(f"{called(rule['rule'])}: {rule['why']}")
    yield from said
    yield from unnamed


def tree(record: Record) -> Told:
    """Tell all of a decision: what was asked, each rule, duty and provider, and how long.

    Raises:
        ValueError: it is no decision's record, or one of an older form.
    """
    if not is_decision(record):
        raise ValueError("this is no record of a decision, or one of an older form")
    at = moment_of(record["decided_at"])
    return Told(
        _headline(record, at),
        _mark(record),
        (
            Told(f"why: {why(record)}"),
            *_rules(record, at),
            *_duties(record),
            *_limits(record),
            Told("providers", NOTE, tuple(_providers(record))),
            *_remarks(record),
            Told(f"decided at {record['decided_at']} by policy {record['policy']}"),
        ),
    )


def _mark(record: Record) -> str:
    if record["outcome"] != "approve":
        return NO
    return NOTE if record["dry_run"] else YES


def _headline(record: Record, at: datetime | None) -> str:
    who, what = record["requester"] or "somebody without an e-mail", _resources(record)
    if record["outcome"] != "approve":
        return f"no: humans decide whether {who} gets {what}"
    until = _until(record, at)
    says = "in dry run, so no claim is made: else" if record["dry_run"] else "yes:"
    return f"{says} {who} gets {what} for {spoken(record['duration'])}{until}"


def _resources(record: Record) -> str:
    named, count = record["resources"], record["resource_count"]
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return (", ".join(named) or "nothing") + more


def _until(record: Record, at: datetime | None) -> str:
    lasts = parse_duration(record["duration"])
    return f", until {clock_time(at + lasts, at)}" if at and lasts else ""


def spoken(duration: str) -> str:
    """Say a duration of a log line or a claim in words; what isn't one stays as it is."""
    read = parse_duration(duration)
    return duration if read is None else in_words(read)


def clock_time(moment: datetime, now: datetime) -> str:
    """Say when something is: with its date, unless that is today's."""
    moment = moment.astimezone(UTC)
    form = "%H:%M" if moment.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
    return f"{moment:{form}} UTC"


def _rules(record: Record, at: datetime | None) -> Iterable[Told]:
    names = _duty_names(record)
    for rule in record["trace"]["rules"]:
        under = tuple(_judged(each, names) for each in rule.get("duties", ()))
        yield Told(*_verdict(rule, at), under)
    for reason, rules in record["trace"]["other_rules"].items():
        yield Told(f"{' and '.join(map(called, rules))}: {reason}")


def _verdict(rule: Record, at: datetime | None) -> tuple[str, str]:
    until = moment_of(rule.get("until"))
    by = f" until {clock_time(until, at)}" if until and at else ""
    name = called(rule["rule"])
    match rule["verdict"]:
        case "grants":
            return f"{name}: matched, and opens it{by}", YES
        case "dry_run":
            return f"{name}: matched, and would open it{by}, but is in dry run", NOTE
        case "denies":
            return f"{name}: denies it", NO
        case _:
            return f"{name}: not matched: {rule.get('why', 'the record does not say why')}", NO


def _judged(judged: Record, names: Sequence[str]) -> Told:
    duty, objection = names[judged["duty"]], judged["why"]
    return Told(f"{duty}: {objection}", NO) if objection else Told(f"{duty}: counts", YES)


def _duties(record: Record) -> Iterable[Told]:
    """Tell the duties at which no rule looked; and that there are none."""
    looked_at = {
        each["duty"] for rule in record["trace"]["rules"] for each in rule.get("duties", ())
    }
    names = _duty_names(record)
    if not names and (asked := record["trace"]["providers"]):
        read = ", by what could be read" if any(each["failures"] for each in asked) else ""
        yield Told(f"the providers state no duty of the requester{read}", NO)
    for place, name in enumerate(names):
        if place not in looked_at:
            yield Told(f"{name}: no rule looked at it")


def _duty_names(record: Record) -> list[str]:
    now = moment_of(record["decided_at"])
    return [each.told(now) for each in duties_of(record)] if now else []


def _limits(record: Record) -> Iterable[Told]:
    limits = record["trace"]["limits"]
    if limits:
        *others, last = limits
        under = (*(Told(each) for each in others), Told(f"{last}: this decides"))
        yield Told("how long", NOTE, under)


def _providers(record: Record) -> Iterable[Told]:
    asked = record["trace"]["providers"]
    for each in asked:
        if each["failures"]:
            for failure in each["failures"]:
                yield Told(f"no answer from {each['provider']} {failure}", NO)
        else:
            yield Told(f"{each['provider']}: answered", YES)
    for each in hidden_emails(record).values():
        yield Told(f"{each}: nobody can be matched with them")
    if not asked:
        yield Told("none was asked: nothing that they could say would change it")


def hidden_emails(record: Record) -> dict[str, str]:
    """Say of which people on duty the providers show no e-mail, by the provider's name."""
    counts = record.get("without_email", {}).items()
    named = ((BY_ID[id_].name if id_ in BY_ID else id_, each) for id_, each in counts)
    return {name: emails_missing(name, each["people"], each["of"]) for name, each in named}


def emails_missing(provider: str, people: int, of: int) -> str:
    """Say how many people on duty at a provider show no e-mail."""
    who = f"{people} of {of} people" if of > 1 else "the only person"
    return f"{who} on duty at {provider} {'shows' if people == 1 else 'show'} no e-mail"


def _failures(record: Record) -> list[str]:
    return [f"no answer from {each}" for each in record["provider_failures"]]


def _remarks(record: Record) -> Iterable[Told]:
    omitted = record.get("omitted", {})
    if omitted or not record["whole"]:
        counts = tuple(Told(f"{name} left out or cut: {count}") for name, count in omitted.items())
        said = "the record was cut to size, or hides an e-mail: not all is told"
        yield Told(said, NOTE, counts)


def called(rule: str) -> str:
    """Name a rule: by its name, or as the settings' one."""
    return f'rule "{rule}"' if rule else SETTINGS
