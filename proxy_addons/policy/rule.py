"""One rule, compiled.

In: checked values from settings/; the facts of a request (facts.py), what the clock says.
Out: whether the rule is met; what it looks at.
Must never: decide (decide.py does), or look at a time by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_addons.policy.conditions import CATEGORIES, FINDINGS, PROFILES, STATE, TIME
from proxy_addons.policy.effects import NO_EFFECTS, Effects
from proxy_addons.policy.model import AFTER_ALL, REFUSALS, Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.policy.conditions import Condition, Leaf
    from proxy_addons.policy.facts import Facts
    from proxy_addons.policy.findings import Wanted
    from proxy_addons.policy.timespaces import Reading, TimeCondition

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. A condition that is None is always met; a set is met by any one of its members.

    Attributes:
        id: kebab-case, unique; the same in configuration, log, block page, metrics and tests.
        clause: the clause of the force's policy that the rule carries out; may be empty.
        reason: a plain sentence for the person concerned.
        action: what it does. A rule that coaches decides only where those after it would allow;
            one that modifies, splices or inspects never does.
        profiles: profiles that it is for.
        categories: category ids, groups expanded, list aliases included.
        category_names: the categories and groups as written, for the trace.
        hosts: canonical hosts; their subdomains are meant as well.
        methods: upper case.
        states: what stands for the person (states.py).
        findings: what has to have been found in a body, each kind by itself. Before a body has been
            looked at, such a rule never matches.
        time: when it applies.
        also: conditions on what else is known, and any, all and not of conditions (conditions.py).
        effects: what it does besides (effects.py).
        ends: whether nothing after it is looked at: it allows, redirects or blocks, and is not on
            trial.
        coaches: whether it does, and is not on trial.
        passed_by: whether it does not see the categories that an exemption opens.
    """

    id: str
    clause: str
    reason: str
    action: Action
    profiles: frozenset[str] | None = None
    categories: frozenset[str] | None = None
    category_names: tuple[str, ...] = ()
    hosts: frozenset[str] | None = None
    methods: frozenset[str] | None = None
    states: frozenset[str] | None = None
    findings: tuple[Wanted, ...] = ()
    time: TimeCondition | None = None
    also: Condition | None = None
    effects: Effects = NO_EFFECTS
    ends: bool = field(init=False, repr=False, compare=False)
    coaches: bool = field(init=False, repr=False, compare=False)
    passed_by: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", self.action in AFTER_ALL and not self.effects.stealth)
        coaches = self.action is Action.COACH and not self.effects.stealth
        object.__setattr__(self, "coaches", coaches)
        opened = {*REFUSALS, Action.COACH} if not self.effects.never_overridden else ()
        object.__setattr__(self, "passed_by", self.action in opened)

    @property
    def is_catch_all(self) -> bool:
        """Whether the rule has no condition."""
        conditions = (
            self.profiles, self.categories, self.hosts, self.methods, self.states, self.time,
            self.also,
        )  # fmt: skip
        return not self.findings and all(condition is None for condition in conditions)

    def told(self, facts: Facts) -> tuple[str, ...]:
        """Of what was found, that which the rule looks at, sorted."""
        wanted = self.wanted
        if not wanted:
            return ()
        meant = frozenset[str]().union(*(each.meant for each in wanted))
        return tuple(sorted(meant & facts.findings))

    def leaves(self, kind: str) -> Iterator[Leaf]:
        """The conditions of a kind in `also`."""
        if self.also is not None:
            yield from (leaf for leaf in self.also.leaves() if leaf.kind == kind)

    @property
    def all_categories(self) -> frozenset[str]:
        """All categories that it names, at its top and deeper."""
        return (self.categories or _NONE).union(*(leaf.meant for leaf in self.leaves(CATEGORIES)))

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All that it looks for in a body, at its top and deeper."""
        if self.also is None:
            return self.findings
        deeper = (leaf.wanted for leaf in self.leaves(FINDINGS))
        return (*self.findings, *(wanted for wanted in deeper if wanted is not None))

    @property
    def times(self) -> tuple[TimeCondition, ...]:
        """All its conditions on the time, at its top and deeper."""
        top = () if self.time is None else (self.time,)
        if self.also is None:
            return top
        deeper = (leaf.time for leaf in self.leaves(TIME))
        return (*top, *(time for time in deeper if time is not None))

    @property
    def timed(self) -> bool:
        """Whether the clock has a say in it."""
        return self.time is not None or (self.also is not None and bool(self.times))

    @property
    def stated(self) -> bool:
        """Whether what stands for the person has."""
        return self.states is not None or (self.also is not None and any(self.leaves(STATE)))

    @property
    def profiled(self) -> bool:
        """Whether it is for some profiles as such."""
        return self.profiles is not None or any(self.leaves(PROFILES))

    def concerns(self, facts: Facts, *, whatever: bool = False) -> bool:
        """Whether every condition is met at some time: all but the clock's.

        A rule that is against something does not see the categories that an exemption opens, unless
        it is never overridden.

        Args:
            facts: of the request.
            whatever: whether states and findings may be any; `facts` has all of them.
        """
        categories = facts.categories
        if facts.exempted and self.passed_by:
            categories = categories - facts.exempted
        return (
            (self.categories is None or not self.categories.isdisjoint(categories))
            and (self.profiles is None or facts.profile in self.profiles)
            and (self.hosts is None or not self.hosts.isdisjoint(facts.hosts))
            and (self.methods is None or facts.method in self.methods)
            and (self.states is None or not self.states.isdisjoint(facts.states))
            and (
                not self.findings
                or all(not each.meant.isdisjoint(facts.findings) for each in self.findings)
            )
            and (
                self.also is None
                or (self.also.could(facts) if whatever else self.also.holds(facts, None))
            )
        )

    def holds(self, facts: Facts, now: Reading) -> bool:
        """Whether the time is right, of a rule that concerns a request."""
        return (self.time is None or self.time.holds(now)) and (
            self.also is None or self.also.holds(facts, now)
        )
