"""Steps in any order, on both engines: never an approval by somebody who may not give it.

A plain model beside the register says, of each step, whether it must be taken, and what holds then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.authority import NOW, World, person, wanted

from proxy_addons.audit.authority.compiled import NotCoveredError, compile_bounds
from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.standing import StepRefusedError

if TYPE_CHECKING:
    from datetime import datetime

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.standing import Actor, Store

# Everybody may be anything, offices and role together, so that names alone keep them apart.
ALL = ("head-of-acu", "head-of-hr", "head-of-psd")
PEOPLE = {
    "ann": person("ann", *ALL, roles=("psd",)),
    "bob": person("bob", "head-of-acu", roles=("psd",)),
    "cat": person("cat", "head-of-hr", roles=("psd",)),
    "dan": person("dan", roles=("psd",)),
    "eve": person("eve", "head-of-acu"),
    "fay": person("fay"),
    "ops": replace(person("ops", roles=("operator",)), how="command-line"),
}
CLASS_OFFICE = {SubjectClass.OFFICER: "head-of-acu", SubjectClass.STAFF: "head-of-hr"}
HOUR = timedelta(hours=1)
_runs = count()


@dataclass
class Plain:
    """An authorisation, as simply as can be."""

    applicant: str
    subjects: dict[str, SubjectClass]
    investigators: frozenset[str]
    until: datetime
    state: str = "requested"
    conflicts: set[str] = field(default_factory=set)
    given: dict[str, str] = field(default_factory=dict)
    """Office → who, in the present round."""
    renewal: datetime | None = None

    @property
    def needs(self) -> set[str]:
        return {CLASS_OFFICE[each] for each in self.subjects.values()}

    def open(self, now: datetime) -> bool:
        return self.state in {"requested", "approved"} and now < self.until

    def concerned(self, name: str) -> bool:
        return name in {self.applicant, *self.investigators, *self.subjects, *self.conflicts}

    def may_approve(self, actor: Actor, held: frozenset[str], now: datetime) -> bool:
        waits = self.state == "requested" or self.renewal is not None
        return (
            self.open(now)
            and waits
            and not self.concerned(actor.name)
            and actor.name not in self.given.values()
            and bool(held & (self.needs - self.given.keys()))
        )


class Machine(RuleBasedStateMachine):
    store: Store
    entries = Bundle("entries")
    names = st.sampled_from(sorted(PEOPLE))
    classes = st.sampled_from(list(CLASS_OFFICE))

    def who(self, name: str) -> str:
        """Each run has people of its own: the store keeps what was before."""
        return f"{name}{self.number}"

    def actor(self, name: str) -> Actor:
        return replace(PEOPLE[name], name=self.who(name))

    @initialize()
    def begin(self) -> None:
        self.number = next(_runs)
        self.world = World(self.store)
        self.plain: dict[str, Plain] = {}
        self.deputies: list[tuple[str, str, datetime]] = []

    def held(self, actor: Actor) -> frozenset[str]:
        given = {o for o, who, ends in self.deputies if who == actor.name and self.world.now < ends}
        return actor.offices | given

    def take(self, name: str, actor: Actor, reference: str, **more: Any) -> bool:
        found = self.world.register.find(reference)
        assert found is not None
        try:
            self.world.take(name, actor, found, **more)
        except StepRefusedError:
            assert self.world.register.find(reference) == found, "nothing was changed"
            return False
        return True

    @rule(
        target=entries,
        name=names,
        about=st.dictionaries(names, classes, min_size=1, max_size=2),
        others=st.frozensets(names, max_size=1),
        days=st.integers(1, 5),
    )
    def apply(
        self,
        name: str,
        about: dict[str, SubjectClass],
        others: frozenset[str],
        days: int,
    ) -> str:
        by = self.actor(name)
        subjects = {self.who(each): part for each, part in about.items()}
        investigators = frozenset(map(self.who, others))
        until = self.world.now + timedelta(days=days)
        asked = wanted(
            subjects=subjects,
            investigators=investigators,
            begins=NOW - HOUR,
            ends=NOW,
            valid_from=self.world.now,
            valid_until=until,
        )
        may = "psd" in by.roles and by.name not in subjects and not investigators & subjects.keys()
        try:
            found: Authorisation | None = self.world.applied(asked, by)
        except StepRefusedError:
            found = None
        assert (found is not None) == may
        if found is None:
            return ""
        self.plain[found.reference] = Plain(by.name, subjects, investigators - {by.name}, until)
        return found.reference

    @rule(reference=entries, name=names)
    def approve(self, reference: str, name: str) -> None:
        if not reference:
            return
        by = self.actor(name)
        plain, held = self.plain[reference], self.held(by)
        may = plain.may_approve(by, held, self.world.now)
        assert self.take("approve", by, reference) == may
        if not may:
            return
        found = self.world.register.find(reference)
        assert found is not None
        plain.given[found.approvals[-1].office] = by.name
        assert found.approvals[-1].office in held
        if plain.given.keys() == plain.needs:
            plain.given.clear()
            if plain.renewal is not None:
                plain.until, plain.renewal = plain.renewal, None
            plain.state = "approved"

    @rule(reference=entries, name=names)
    def refuse(self, reference: str, name: str) -> None:
        if not reference:
            return
        by = self.actor(name)
        plain = self.plain[reference]
        waits = plain.state == "requested" or plain.renewal is not None
        may = waits and plain.open(self.world.now) and not plain.concerned(by.name)
        may = may and bool(self.held(by) & plain.needs)
        assert self.take("refuse", by, reference) == may
        if may and plain.renewal is None:
            plain.state = "refused"
        if may:
            plain.renewal = None
            plain.given.clear()

    @rule(reference=entries, name=names)
    def cancel(self, reference: str, name: str) -> None:
        if not reference:
            return
        by = self.actor(name)
        plain = self.plain[reference]
        may = plain.open(self.world.now) and not plain.concerned(by.name)
        may = may and bool(self.held(by) & (plain.needs | {"head-of-psd"}))
        assert self.take("cancel", by, reference) == may
        if may:
            plain.state = "cancelled"

    @rule(reference=entries, name=names)
    def renew(self, reference: str, name: str) -> None:
        if not reference:
            return
        by = self.actor(name)
        plain = self.plain[reference]
        until = plain.until + timedelta(days=1)
        found = self.world.register.find(reference)
        assert found is not None
        may = (
            plain.state == "approved"
            and plain.open(self.world.now)
            and plain.renewal is None
            and found.renewals < self.world.settings.renewals
            and by.name in {plain.applicant, *plain.investigators}
            and by.name not in plain.conflicts
            and "psd" in by.roles
        )
        assert self.take("renew", by, reference, until=until) == may
        if may:
            plain.renewal = until

    @rule(reference=entries, name=names)
    def declare(self, reference: str, name: str) -> None:
        if not reference:
            return
        by = self.actor(name)
        plain = self.plain[reference]
        if self.take("declare_conflict", by, reference):
            assert by.name not in plain.subjects
            plain.conflicts.add(by.name)

    @rule(name=names, other=names, office=st.sampled_from(ALL), hours=st.integers(1, 60))
    def deputise(self, name: str, other: str, office: str, hours: int) -> None:
        by, deputy = self.actor(name), self.who(other)
        ends = self.world.now + hours * HOUR
        why = "Annual leave of the holder."
        try:
            self.world.deputies.give(by, office, deputy, begins=self.world.now, ends=ends, why=why)
        except StepRefusedError:
            assert office not in by.offices or deputy == by.name
        else:
            assert office in by.offices
            self.deputies.append((office, deputy, ends))

    @rule(hours=st.integers(1, 60))
    def later(self, hours: int) -> None:
        self.world.now += hours * HOUR

    @invariant()
    def only_those_look_who_may(self) -> None:
        now = self.world.now
        for reference, plain in self.plain.items():
            found = self.world.register.find(reference)
            for actor in map(self.actor, PEOPLE):
                may = (
                    plain.state == "approved"
                    and now < plain.until
                    and actor.name in {plain.applicant, *plain.investigators}
                    and "psd" in actor.roles
                    and actor.name not in plain.conflicts
                )
                try:
                    compile_bounds(found, actor, now, self.world.settings)
                except NotCoveredError:
                    assert not may, (reference, actor.name)
                else:
                    assert may, (reference, actor.name)


def _run(store: Store, examples: int) -> None:
    machine = type("ForThisStore", (Machine,), {"store": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_any_steps_in_any_order(shared: Store):
    _run(shared, 12)


@pytest.mark.heavy
def test_any_steps_in_any_order_at_length(shared: Store):
    _run(shared, 400)
