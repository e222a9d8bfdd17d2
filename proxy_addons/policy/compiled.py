"""The compiled policy: rules as sets, ready to be asked.

In: checked values from settings/ (which reads `policy.yaml`), the bank holidays as dates.
Out: a frozen `Policy`, of rules (rule.py); a request's `Facts` (facts.py).
Must never: do I/O, read a clock, or decide (decide.py does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_addons.policy.conditions import (
    HOSTS,
    METHODS,
    STATE,
)
from proxy_addons.policy.effects import NOTHING_MASKED, QueryMask
from proxy_addons.policy.facts import Facts, host_and_parents
from proxy_addons.policy.gathering import atoms_of, deeper, uncompiled
from proxy_addons.policy.model import OF_TUNNELS
from proxy_addons.policy.rule import Rule
from proxy_addons.policy.timespaces import Reading, reading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    from proxy_addons.policy.atoms import Atoms, Compile
    from proxy_addons.policy.model import Moment, Person, Resource
    from proxy_addons.policy.timespaces import TimeSpace

__all__ = ["BY_NAME_ONLY", "Facts", "Policy", "Rule", "host_and_parents"]

_NO_HOSTS: frozenset[str] = frozenset()
_NONE: frozenset[str] = frozenset()


BY_NAME_ONLY = frozenset({"malware", "phishing"})
"""Categories that an exemption for everything does not open, where the policy names no others."""


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
        compiled: makes a matcher of an expression of a rule; settings/ gives one in linear time.
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
    compiled: Compile = uncompiled
    _rules_of: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _tunnels_of: Mapping[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)
    _hosts: frozenset[str] = field(init=False, repr=False, compare=False)
    _methods: frozenset[str] = field(init=False, repr=False, compare=False)
    _states: frozenset[str] = field(init=False, repr=False, compare=False)
    _findings: frozenset[str] = field(init=False, repr=False, compare=False)
    _atoms: Atoms | None = field(init=False, repr=False, compare=False)

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
            *(each.meant for rule in self.rules for each in rule.wanted)
        )
        if any(rule.also is not None for rule in self.rules):
            hosts |= deeper(self.rules, HOSTS)
            states |= deeper(self.rules, STATE)
            if named := deeper(self.rules, METHODS):
                methods |= named | {"CONNECT"}
        # A frozen dataclass has no other way to hold what is derived once.
        object.__setattr__(self, "_rules_of", rules_of)
        object.__setattr__(self, "_tunnels_of", tunnels_of)
        object.__setattr__(self, "_hosts", hosts)
        object.__setattr__(self, "_methods", methods)
        object.__setattr__(self, "_states", states)
        object.__setattr__(self, "_findings", findings)
        atoms = atoms_of(self.rules, self.compiled, self.strictest_profile)
        object.__setattr__(self, "_atoms", atoms)

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
        atoms = _NONE if self._atoms is None else self.atoms(person, resource)
        return Facts(profile, categories, hosts, method, exempted, states, findings, atoms)

    def atoms(self, person: Person, resource: Resource) -> frozenset[str]:
        """What is known of the atoms that rules name; empty where they name none."""
        atoms = self._atoms
        if atoms is None:
            return _NONE
        profile = person.profile if person.profile in self._rules_of else self.strictest_profile
        about = atoms.about(None, None) if resource.about is None else resource.about
        here = atoms.of_key(resource.key, self._hosts_named(resource), resource.categories)
        return about | here | atoms.of_person(person, profile)

    def about(self, client: str | None, user_agent: str | None) -> frozenset[str]:
        """What is known by whom a request comes from, for `Resource.about`.

        Args:
            client: numeric address of the client; None: not known.
            user_agent: what it says of its program, "" nothing; None: not known yet.
        """
        return _NONE if self._atoms is None else self._atoms.about(client, user_agent)

    @property
    def names_atoms(self) -> bool:
        """Whether rules look at more of a request than its host, method and body."""
        return self._atoms is not None

    @property
    def groups(self) -> frozenset[str]:
        """The groups of the directory that rules name, folded."""
        return _NONE if self._atoms is None else self._atoms.groups

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
            facts.profile in self.otherwise
            and rule.profiled
            and not self.by_name_only.isdisjoint(facts.categories - facts.exempted)
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
