"""A PagerDuty account, and what people do to it in the vendor's own pages. No HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.vendors.pagerduty_records import Person, Policy, Schedule, Shift
from sandbox.vendors.store import Tables, find

Target = Schedule | Person | str


class Account(Tables):
    """People, schedules and escalation policies, as they are now.

    Whatever it returns is the thing as it was then. Things are named by themselves or by what
    people call them: an e-mail, a schedule's or policy's name, any id.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._people: dict[str, Person] = {}
        self._schedules: dict[str, Schedule] = {}
        self._policies: dict[str, Policy] = {}

    @property
    def people(self) -> tuple[Person, ...]:
        """Every user; those deleted are not among them."""
        with self._lock:
            return tuple(each for each in self._people.values() if each.deleted_at is None)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Every schedule, of layers or of shifts."""
        with self._lock:
            return tuple(self._schedules.values())

    @property
    def escalation_policies(self) -> tuple[Policy, ...]:
        """Every escalation policy."""
        with self._lock:
            return tuple(self._policies.values())

    def add_person(self, name: str, email: str | None) -> Person:
        """A new user."""
        with self._lock:
            return self._keep(self._people, Person(self._id(), name, email))

    def delete_person(self, who: Person | str) -> Person:
        """Delete a user, who stays wherever he was on call, as a bare reference."""
        with self._lock:
            kept = find(self._people, who, "email")
            gone = replace(kept, email=None, deleted_at=self.now())
            return self._keep(self._people, gone)

    def add_schedule(self, name: str, *, v3: bool = False, id: str | None = None) -> Schedule:  # noqa: A002 - the vendor's word
        """A schedule with nobody on it, in no policy; names may be shared."""
        with self._lock:
            made = id or (self._long_id() if v3 else self._id())
            return self._keep(self._schedules, Schedule(made, name, v3))

    def upgrade_schedule(self, schedule: Schedule | str) -> Schedule:
        """Make a shift-based schedule of one of layers; its id stays."""
        with self._lock:
            kept = find(self._schedules, schedule, "name")
            return self._keep(self._schedules, replace(kept, v3=True, shifts=kept.final))

    def put_on_shift(
        self,
        schedule: Schedule | str,
        who: Person | str | None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        for_good: bool = False,
    ) -> Shift:
        """Add a shift, by default from now for 8 hours; `who` None leaves the slot unassigned.

        In a schedule of layers it takes the place of whom it overlaps, as an override does.
        """
        with self._lock:
            kept = find(self._schedules, schedule, "name")
            begin = start or self.now()
            finish = None if for_good else end or begin + timedelta(hours=8)
            person_id = None if who is None else find(self._people, who, "email").id
            shift = Shift(self._long_id(), person_id, begin, finish)
            self._keep(self._schedules, replace(kept, shifts=(*kept.shifts, shift)))
            return shift

    def take_off_shift(self, schedule: Schedule | str, who: Person | str) -> None:
        """Remove every shift this person has in the schedule."""
        with self._lock:
            kept = find(self._schedules, schedule, "name")
            gone = find(self._people, who, "email").id
            rest = tuple(shift for shift in kept.shifts if shift.person_id != gone)
            self._keep(self._schedules, replace(kept, shifts=rest))

    def add_escalation_policy(self, name: str, *targets: Target) -> Policy:
        """A policy with these at its first level; names may be shared."""
        with self._lock:
            policy = self._keep(self._policies, Policy(self._id(), name))
            for target in targets:
                policy = self.add_target(policy, target)
            return policy

    def add_target(self, policy: Policy | str, target: Target, level: int = 1) -> Policy:
        """Let a level of the policy page a schedule, or a person directly: he is always on call."""
        with self._lock:
            kept = find(self._policies, policy, "name")
            levels = list(kept.levels)
            if not 1 <= level <= len(levels) + 1:
                raise ValueError(f"level {level}: {kept.name!r} has {len(levels)}, add the next")
            if level > len(levels):
                levels.append(())
            levels[level - 1] += (self._target(target),)
            return self._keep(self._policies, replace(kept, levels=tuple(levels)))

    def _target(self, target: Target) -> str:
        """The id of it: a string may be what a schedule or a person is called."""
        if isinstance(target, Person) or (isinstance(target, str) and "@" in target):
            return find(self._people, target, "email").id
        if isinstance(target, str) and target in self._people:
            return target
        return find(self._schedules, target, "name").id

    def _id(self) -> str:
        """As short as the vendor's first ids, and the same in every run."""
        return f"P{next(self._numbers):06d}"

    def _long_id(self) -> str:
        """As long as its newer ones: whoever takes the short form for granted, trips."""
        return f"Q{next(self._numbers):013d}"
