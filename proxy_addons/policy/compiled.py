"""The compiled policy: rules as sets, ready to be asked.

In: checked values from settings/ (which reads `policy.yaml`), the bank holidays as dates.
Out: frozen `Policy` and `Rule`, and the `Facts` of a request that rules look at.
Must never: do I/O, read a clock, or decide (decide.py does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.effects import NO_EFFECTS, NOTHING_MASKED, Effects, QueryMask
from proxy_addons.policy.model import AFTER_ALL, REFUSALS, Action
from proxy_addons.policy.timespaces import Reading, reading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from proxy_addons.policy.findings import Wanted
    from proxy_addons.policy.model import Moment, Person, Resource
    from proxy_addons.policy.timespaces import TimeCondition, TimeSpace

_NO_HOSTS: frozenset[str] = frozenset()
_NONE: frozenset[str] = frozenset()

OF_TUNNELS = frozenset({Action.SPLICE, Action.INSPECT})
"""Actions of rules on whether a tunnel is decrypted; what else is decided is nothing to them."""

BY_NAME_ONLY = frozenset({"malware", "phishing"})
"""Categories that an exemption for everything does not open, where the policy names no others."""


class Facts(NamedTuple):
    """What of a request rules can look at, apart from the time. Hashable: a cache's key.

    Attributes:
        profile: the profile that applies.
        categories: of the resource.
        hosts: of the hosts that the policy names, those that the resource's host is or is under.
        method: upper case; empty when no rule of the policy looks at methods.
        exempted: categories that a live exemption opens; rules that block or coach pass them by.
        states: of what stands for the person (states.py), that which rules of the policy name.
        findings: of what was found in a body (findings.py), that which rules name; none before one
            has been looked at.
    """

    profile: str
    categories: frozenset[str]
    hosts: frozenset[str]
    method: str
    exempted: frozenset[str] = _NONE
    states: frozenset[str] = _NONE
    findings: frozenset[str] = _NONE


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
        )  # fmt: skip
        return not self.findings and all(condition is None for condition in conditions)

    def told(self, facts: Facts) -> tuple[str, ...]:
        """Of what was found, that which the rule looks at, sorted."""
        if not self.findings:
            return ()
        meant = frozenset[str]().union(*(each.meant for each in self.findings))
        return tuple(sorted(meant & facts.findings))

    def concerns(self, facts: Facts) -> bool:
        """Whether every condition but the time is met.

        A rule that is against something does not see the categories that an exemption opens, unless
        it is never overridden.
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
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the force allows, compiled. Built by settings/, never changed: a new one replaces it.

    Attributes:
        profiles: profile id → description.
        strictest_profile: for people who are not known, and for a profile that does not exist.
        time_zone: in which time spaces are read.
        time_spaces: name → time space.
        rules: in order; the first that matches decides.
        category_groups: group name → category ids.
        category_aliases: category id of an imported list → the id that this policy uses for it.
            Rules and groups already hold both; categorisation/ may rename while it compiles.
        never_inspect_categories: categories that are not decrypted (`tls.never_inspect`), list
            aliases included.
        never_inspect_hosts: canonical hosts that, with their subdomains, are not decrypted.
        bank_holidays: dates that are a kind of day of their own.
        otherwise: exempt profile → the profile of people who have it without a live exemption
            (Inf/27 5.1). In the order of the file: the first is what an exemption for everything
            gives to people whose own profile is none of these.
        by_name_only: categories that an exemption for everything does not open; it has to name
            them. List aliases included.
        personal: categories whose use counts as personal use (`personal_use.categories`), list
            aliases included (Inf/27 2.9.1).
        social: those of them that count as social networks too, list aliases included.
        personal_names: the categories and groups of both as written.
        masks: of what no query is logged.
    """

    profiles: Mapping[str, str]
    strictest_profile: str
    time_zone: ZoneInfo
    rules: tuple[Rule, ...]
    time_spaces: Mapping[str, TimeSpace] = field(default_factory=dict)
    category_groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    category_aliases: Mapping[str, str] = field(default_factory=dict)
    never_inspect_categories: frozenset[str] = frozenset()
    never_inspect_hosts: frozenset[str] = frozenset()
    bank_holidays: frozenset[date] = frozenset()
    otherwise: Mapping[str, str] = field(default_factory=dict)
    by_name_only: frozenset[str] = BY_NAME_ONLY
    personal: frozenset[str] = _NONE
    social: frozenset[str] = _NONE
    personal_names: tuple[str, ...] = ()
    masks: QueryMask = NOTHING_MASKED
    _rules_of: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _tunnels_of: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _hosts: frozenset[str] = field(init=False, repr=False, compare=False)
    _methods: frozenset[str] = field(init=False, repr=False, compare=False)
    _states: frozenset[str] = field(init=False, repr=False, compare=False)
    _findings: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # What is never overridden is tried before all else, wherever it is written.
        rules = sorted(self.rules, key=lambda rule: not rule.effects.never_overridden)
        object.__setattr__(self, "rules", tuple(rules))
        if self.strictest_profile not in self.profiles:
            msg = f"the strictest profile {self.strictest_profile!r} is not among the profiles"
            raise ValueError(msg)
        rules_of = {
            profile: tuple(
                rule for rule in self.rules if rule.profiles is None or profile in rule.profiles
            )
            for profile in self.profiles
        }
        tunnels_of = {
            profile: tuple(rule for rule in rules if rule.action in OF_TUNNELS)
            for profile, rules in rules_of.items()
        }
        rules_of = {
            profile: tuple(rule for rule in rules if rule.action not in OF_TUNNELS)
            for profile, rules in rules_of.items()
        }
        hosts = self.never_inspect_hosts.union(*(rule.hosts or () for rule in self.rules))
        methods = frozenset[str]().union(*(rule.methods or () for rule in self.rules))
        states = frozenset[str]().union(*(rule.states or () for rule in self.rules))
        findings = frozenset[str]().union(
            *(each.meant for rule in self.rules for each in rule.findings)
        )
        # A frozen dataclass has no other way to hold what is derived once.
        object.__setattr__(self, "_rules_of", rules_of)
        object.__setattr__(self, "_tunnels_of", tunnels_of)
        object.__setattr__(self, "_hosts", hosts)
        object.__setattr__(self, "_methods", methods)
        object.__setattr__(self, "_states", states)
        object.__setattr__(self, "_findings", findings)

    def facts(self, person: Person, resource: Resource, findings: frozenset[str] = _NONE) -> Facts:
        """What the rules can see of this request, and of what was found in its body.

        A profile that the policy does not know is judged as the strictest one: rules that name
        profiles would all pass it by.
        """
        profile = person.profile if person.profile in self._rules_of else self.strictest_profile
        method = resource.method if resource.method in self._methods else ""
        hosts, states = self._hosts_named(resource), person.states
        if states:
            states = states & self._states
        if findings:
            findings = findings & self._findings
        categories, exempted = resource.categories, person.exempted
        return Facts(profile, categories, hosts, method, exempted, states, findings)

    def with_aliases(self, categories: Collection[str]) -> frozenset[str]:
        """Categories together with the names that imported lists have for them."""
        spelt = (alias for alias, name in self.category_aliases.items() if name in categories)
        return frozenset(categories).union(spelt)

    def expanded(self, names: Collection[str]) -> frozenset[str]:
        """Categories of which some may be groups: these expanded, all with their list aliases."""
        groups = [self.category_groups[name] for name in names if name in self.category_groups]
        own = self.with_aliases([name for name in names if name not in self.category_groups])
        return own.union(*groups)

    def withholds(self, facts: Facts, rule: Rule) -> bool:
        """Whether what a rule allows or coaches stays refused: no exemption names its category.

        Only what is allowed to an exempt profile as such is withheld, not what the policy allows
        to everybody.
        """
        return (
            rule.profiles is not None
            and facts.profile in self.otherwise
            and not self.by_name_only.isdisjoint(facts.categories - facts.exempted)
        )

    def turns_on(self, facts: Facts) -> tuple[bool, bool]:
        """What could make the decision on these facts another one, as it stands in the rules.

        Returns:
            Whether the time could, with what stands for the person now, and whether what stands for
            them could, at whatever time.
        """
        seen = [facts]
        if facts.exempted or facts.profile in self.otherwise:
            # Decided as well, for comparison: without the exemption (decide.py).
            profile = self.otherwise.get(facts.profile, facts.profile)
            seen.append(facts._replace(profile=profile, exempted=_NONE))
        return any(map(self._turns_on_time, seen)), any(map(self._turns_on_states, seen))

    def _turns_on_time(self, facts: Facts) -> bool:
        for rule in self.rules_of(facts.profile):
            if rule.concerns(facts):
                if rule.time is not None:
                    return True
                if rule.ends:
                    break  # it decides at the latest, whenever
        return any(rule.time and rule.concerns(facts) for rule in self.tunnel_rules(facts))

    def _turns_on_states(self, facts: Facts) -> bool:
        anything = facts._replace(states=self._states)
        for rule in self.rules_of(facts.profile):
            if rule.concerns(anything):
                if rule.states is not None:
                    return True
                if rule.time is None and rule.ends:
                    break  # it decides at the latest, whatever stands
        return any(rule.states and rule.concerns(anything) for rule in self.tunnel_rules(facts))

    def looks(self, facts: Facts) -> frozenset[str]:
        """The kinds of findings (findings.py) that could make the decision another one.

        Whatever the time, and whatever stands for the person: a body may come minutes later.
        """
        if not self._findings:
            return _NONE
        kinds: set[str] = set()
        open_to = facts._replace(states=self._states, findings=self._findings)
        for rule in self.rules_of(facts.profile):
            if not rule.concerns(open_to):
                continue
            if rule.findings:
                kinds.update(each.kind for each in rule.findings)
            elif rule.time is None and rule.states is None and rule.ends:
                break  # it decides at the latest
        return frozenset(kinds)

    def looks_anyhow(self, facts: Facts) -> frozenset[str]:
        """The same, if no rule that looks at something else decided."""
        open_to = facts._replace(states=self._states, findings=self._findings)
        return frozenset(
            each.kind
            for rule in self.rules_of(facts.profile)
            if rule.findings and rule.concerns(open_to)
            for each in rule.findings
        )

    def rules_of(self, profile: str) -> tuple[Rule, ...]:
        """The rules, as they are tried, that can concern a profile; without those on tunnels."""
        return self._rules_of[profile]

    def tunnel_rules(self, facts: Facts) -> tuple[Rule, ...]:
        """The rules on whether a tunnel is decrypted that can concern a request's profile."""
        return self._tunnels_of[facts.profile]

    @property
    def names_hosts(self) -> bool:
        """Whether anything in the policy looks at hosts; otherwise categories alone count."""
        return bool(self._hosts)

    @property
    def findings(self) -> frozenset[str]:
        """The findings that rules look at; all others make no difference."""
        return self._findings

    @property
    def stays(self) -> frozenset[str]:
        """Categories that no review takes from a site: of threats, of what is never overridden."""
        final = (rule.categories or () for rule in self.rules if rule.effects.never_overridden)
        return self.by_name_only.union(*final)

    @property
    def states(self) -> frozenset[str]:
        """The states that rules look at; all others make no difference."""
        return self._states

    def local(self, moment: Moment) -> datetime:
        """The moment in the policy's time zone.

        Raises:
            ValueError: the moment names no time zone. The caller refuses the request in hand.
        """
        local = moment.local
        if local.tzinfo is self.time_zone:
            return local
        if local.tzinfo is None:
            msg = "a moment without a time zone cannot be judged"
            raise ValueError(msg)
        return local.astimezone(self.time_zone)

    def reading(self, local: datetime) -> Reading:
        """What the wall clock says at a moment in the policy's time zone."""
        return reading(local, self.bank_holidays)

    def inspects(self, facts: Facts) -> bool:
        """Whether a connection with these facts may be decrypted."""
        return self.never_inspect_categories.isdisjoint(
            facts.categories
        ) and self.never_inspect_hosts.isdisjoint(facts.hosts)

    def _hosts_named(self, resource: Resource) -> frozenset[str]:
        if not self._hosts:
            return _NO_HOSTS
        key = resource.key
        if key.is_address:  # 3.4 is no parent of 1.2.3.4
            return self._hosts & {key.host}
        return self._hosts.intersection(host_and_parents(key.host))


def host_and_parents(host: str) -> Iterator[str]:
    """A name and every domain it is in: `a.b.c`, `b.c`, `c`."""
    yield host
    while (dot := host.find(".")) >= 0:
        host = host[dot + 1 :]
        yield host
