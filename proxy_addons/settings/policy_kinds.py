"""Kinds of value that make up `policy.yaml`: times, days, named tables, rules.

In: a node of the file. Out: the pieces of a `PolicySource` (policy_file.py).
Must never: resolve a name of another section; that is done once all sections are read
(policy_names.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.effects import NO_EFFECTS, Effects
from proxy_addons.policy.findings import KINDS, Wanted, names_of, wanted
from proxy_addons.policy.model import Action
from proxy_addons.policy.states import STATES
from proxy_addons.policy.timespaces import DAY_NAMES, EVERY_DAY, MINUTES_A_DAY, TimeRange
from proxy_addons.settings.condition_kinds import METHOD, NAME, more_of
from proxy_addons.settings.effect_kinds import read_effects
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    Flag,
    Kind,
    ListOf,
    Located,
    Named,
    Pattern,
    Text,
    text_of,
)
from proxy_addons.settings.netkinds import Host
from proxy_addons.settings.problems import nearest, quoted
from proxy_addons.settings.tree import Mapping, describe, dotted

if TYPE_CHECKING:
    from proxy_addons.settings.condition_kinds import ConditionSource
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

RULE_ID = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "a rule id in kebab-case such as no-webmail")

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_WEEKDAYS = DAY_NAMES[:7]


@dataclass(frozen=True, slots=True)
class ProfileSource:
    """A profile as written.

    Attributes:
        description: who has it.
        strictest: whether it is that of people who are not known.
        otherwise: `without_exemption`: the profile that holds without a live exemption.
    """

    description: str
    strictest: bool
    otherwise: Located | None = None


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule as written; None for a condition that is not there.

    Attributes:
        place: file and line of the rule.
        key: its dotted key.
        within: time spaces, one of which must hold.
        outside: time spaces, none of which may hold.
        states: states of the person, one of which must hold.
        findings: what has to have been found in a body, each kind by itself.
        more: conditions of condition_kinds.py, all of which must be met.
        effects: what it does besides deciding.
    """

    place: str
    key: str
    id: Located
    clause: str
    reason: str
    action: Action
    profiles: tuple[Located, ...] | None
    categories: tuple[Located, ...] | None
    hosts: tuple[str, ...] | None
    methods: tuple[str, ...] | None
    within: tuple[Located, ...] | None
    outside: tuple[Located, ...] | None
    states: tuple[str, ...] | None
    findings: tuple[Wanted, ...] = ()
    more: tuple[ConditionSource, ...] = ()
    effects: Effects = NO_EFFECTS

    @property
    def is_catch_all(self) -> bool:
        """Whether no condition is written."""
        conditions = (
            self.profiles,
            self.categories,
            self.hosts,
            self.methods,
            self.within,
            self.outside,
            self.states,
        )
        return not (self.findings or self.more) and all(
            condition is None for condition in conditions
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, as minutes since midnight.

    Attributes:
        end: whether it ends a range: then `24:00` is allowed.
    """

    end: bool = False

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return 'a time such as "09:30"' + (', at most "24:00"' if self.end else ', at most "23:59"')

    def read(self, node: Node, key: str, report: Report) -> int | None:
        """See `Kind.read`."""
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if self.end and text == "24:00":
            return MINUTES_A_DAY
        match = _CLOCK.fullmatch(text)
        if match is None:
            report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}")
            return None
        return int(match[1]) * 60 + int(match[2])


@dataclass(frozen=True, slots=True)
class _DayWord:
    wanted: str = (
        "mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri, bank-holidays or daily"
    )

    def read(self, node: Node, key: str, report: Report) -> frozenset[int] | None:
        text = text_of(node, key, report, self.wanted)
        if text is None:
            return None
        if text == "daily":
            return EVERY_DAY
        if text in DAY_NAMES:
            return frozenset({DAY_NAMES.index(text)})
        first, _, last = text.partition("-")
        if first in _WEEKDAYS and last in _WEEKDAYS:
            start = _WEEKDAYS.index(first)
            length = (_WEEKDAYS.index(last) - start) % 7 + 1
            return frozenset((start + offset) % 7 for offset in range(length))
        hint = nearest(text, [*DAY_NAMES, "daily", "mon-fri", "sat-sun"])
        report.add(node.place, key, f"found {quoted(text)}; wanted {self.wanted}{hint}")
        return None


@dataclass(frozen=True, slots=True)
class Range:
    """One range of a time space."""

    wanted: str = "a table with the keys days, from and to"

    def read(self, node: Node, key: str, report: Report) -> TimeRange | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        days = fields.need("days", ListOf(_DayWord(), one=True, least=1), None)
        start = fields.need("from", Clock(), None)
        end = fields.need("to", Clock(end=True), None)
        fields.done()
        if not days or start is None or end is None:
            return None
        if start == end:
            message = 'begins and ends at the same time; for a whole day write "00:00" to "24:00"'
            report.add(node.place, key, message)
            return None
        if end < start:  # over midnight: one range, which belongs to the day it starts on
            end += MINUTES_A_DAY
        return TimeRange(frozenset[int]().union(*days), start, end)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile."""

    wanted: str = "a table with the keys description, strictest and without_exemption"

    def read(self, node: Node, key: str, report: Report) -> ProfileSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        description = fields.need("description", Text("a sentence that says who has it"), "")
        strictest = fields.take("strictest", Flag(), default=False)
        otherwise = fields.take("without_exemption", Named(PROFILE), None)
        fields.done()
        return ProfileSource(description, strictest, otherwise)


@dataclass(frozen=True, slots=True)
class MapOf[T]:
    """A table in which the writer chooses the keys."""

    name: Kind[str]
    value: Kind[T]
    least: int = 0

    @property
    def wanted(self) -> str:
        """See `Kind.wanted`."""
        return f"a table: {self.name.wanted} → {self.value.wanted}"

    def read(self, node: Node, key: str, report: Report) -> dict[str, tuple[Located, T]] | None:
        """See `Kind.read`. Each name comes with the place where it was written."""
        if not isinstance(node, Mapping) or len(node.entries) < self.least:
            report.add(node.place, key, f"{describe(node)}; wanted {self.wanted}")
            return None
        found = {}
        for name_node, value_node in node.entries:
            inner = dotted(key, name_node.text)
            name = self.name.read(name_node, inner, report)
            value = self.value.read(value_node, inner, report)
            if name is not None and value is not None:
                found[name] = (Located(name, name_node.place, inner), value)
        return found


@dataclass(frozen=True, slots=True)
class RuleKind:
    """One rule."""

    wanted: str = "a table with the keys id, clause, reason, action and when"

    def read(self, node: Node, key: str, report: Report) -> RuleSource | None:
        """See `Kind.read`."""
        fields = Fields(node, key, report, self.wanted)
        rule_id = fields.need("id", Named(RULE_ID), None)
        clause = fields.take("clause", Text("a clause such as Inf/27 2.10.1"), "")
        reason = fields.need("reason", Text("a plain sentence for the person concerned"), "")
        action = fields.need("action", Choice(tuple(Action)), "block")
        when = fields.node("when")
        effects = read_effects(fields, Action(action), node.place, key, report)
        fields.done()
        conditions = _Conditions(when, dotted(key, "when"), report)
        return RuleSource(
            place=node.place,
            key=key,
            id=rule_id or Located("", node.place, key),
            clause=clause,
            reason=reason,
            action=Action(action),
            profiles=conditions.profiles,
            categories=conditions.categories,
            hosts=conditions.hosts,
            methods=conditions.methods,
            within=conditions.within,
            outside=conditions.outside,
            states=conditions.states,
            findings=conditions.findings,
            more=conditions.more,
            effects=effects,
        )


class _Conditions:
    """The `when` of a rule."""

    profiles: tuple[Located, ...] | None = None
    categories: tuple[Located, ...] | None = None
    hosts: tuple[str, ...] | None = None
    methods: tuple[str, ...] | None = None
    within: tuple[Located, ...] | None = None
    outside: tuple[Located, ...] | None = None
    states: tuple[str, ...] | None = None
    findings: tuple[Wanted, ...] = ()
    more: tuple[ConditionSource, ...] = ()

    def __init__(self, node: Node | None, key: str, report: Report) -> None:
        if node is None:
            return
        fields = Fields(node, key, report, "a table of conditions")
        self.profiles = fields.take("profiles", _some(Named(PROFILE)), None)
        self.categories = fields.take("categories", _some(Named(CATEGORY)), None)
        self.hosts = fields.take("hosts", _some(Host()), None)
        self.methods = fields.take("methods", _some(METHOD), None)
        self.states = fields.take("state", _some(Choice(tuple(sorted(STATES)))), None)
        kinds = {kind: _some(Choice(tuple(sorted(names_of(kind))))) for kind in KINDS}
        given = {kind: fields.take(kind, some, None) for kind, some in kinds.items()}
        self.findings = tuple(wanted(kind, names) for kind, names in given.items() if names)
        time = fields.node("time")
        self.more = more_of(fields, key, report)
        fields.done()
        if time is not None:
            self._time(time, dotted(key, "time"), report)

    def _time(self, node: Node, key: str, report: Report) -> None:
        wanted = "a table with the key within or the key outside, and a time space"
        fields = Fields(node, key, report, wanted)
        self.within = fields.take("within", _some(Named(NAME)), None)
        self.outside = fields.take("outside", _some(Named(NAME)), None)
        fields.done()
        if isinstance(node, Mapping) and (len(node.entries) != 1):
            message = f"found {len(node.entries)} keys; wanted {wanted}"
            report.add(node.place, key, message)


def _some[T](item: Kind[T]) -> ListOf[T]:
    """One value or a list of at least one. An empty list would be a rule that never matches."""
    return ListOf(item, one=True, least=1)
