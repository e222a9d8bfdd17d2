"""Kinds of value for the conditions of rules: each condition, and any, all and not of them.

In: a node below the `when` of a rule. Out: a tree of `LeafSource` and `GroupSource`, as written.
Must never: resolve a name of another section (conditions_build.py); take a condition under `not`
that nobody can know not to be met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.conditions import CATEGORIES, HOSTS, METHODS, PROFILES, STATE, TIME
from proxy_addons.policy.findings import KINDS, names_of
from proxy_addons.policy.states import STATES
from proxy_addons.settings.condition_values import NEW, OF_HEADS, As, Written, located, plain
from proxy_addons.settings.entries import CATEGORY, PROFILE
from proxy_addons.settings.kinds import (
    Choice,
    Fields,
    ListOf,
    Named,
    Pattern,
)
from proxy_addons.settings.netkinds import Host
from proxy_addons.settings.tree import Mapping, Sequence, describe, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.settings.kinds import Kind
    from proxy_addons.settings.problems import Report
    from proxy_addons.settings.tree import Node

NAME = Pattern(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "a name in kebab-case such as working-hours")
METHOD = Pattern(r"[A-Z]+(?:-[A-Z]+)*", "an HTTP method in capitals such as POST")

ANY: Final = "any"
ALL: Final = "all"
NOT: Final = "not"
WITHIN: Final = "within"
OUTSIDE: Final = "outside"

_DEEPEST: Final = 5  # levels of any, all and not: what is deeper nobody can read


@dataclass(frozen=True, slots=True)
class LeafSource:
    """One condition as written.

    Attributes:
        kind: its key; `within` or `outside` for the two forms of `time`.
        values: any one of which is enough.
        place: where it was written.
        key: its dotted key.
    """

    kind: str
    values: tuple[Written, ...]
    place: str
    key: str

    def leaves(self) -> Iterator[LeafSource]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class GroupSource:
    """Any, all or not of some conditions; `not` has one part.

    Attributes:
        how: `any`, `all` or `not`.
        parts: what it is of.
    """

    how: str
    parts: tuple[ConditionSource, ...]

    def leaves(self) -> Iterator[LeafSource]:
        """All leaves."""
        for part in self.parts:
            yield from part.leaves()


type ConditionSource = LeafSource | GroupSource


_CHOICES: Final = {kind: Choice(tuple(sorted(names_of(kind)))) for kind in KINDS}
_DEEPER: Final[dict[str, Kind[Written]]] = {
    PROFILES: As(Named(PROFILE), located),
    CATEGORIES: As(Named(CATEGORY), located),
    HOSTS: As(Host(), plain),
    METHODS: As(METHOD, plain),
    STATE: As(Choice(tuple(sorted(STATES))), plain),
    **{kind: As(choice, plain) for kind, choice in _CHOICES.items()},
    **NEW,
}
_TABLE: Final = "a table of conditions"
_TIME: Final = "a table with the key within or the key outside, and a time space"


def more_of(fields: Fields, key: str, report: Report) -> tuple[ConditionSource, ...]:
    """The conditions of a rule's `when` that this file knows, any, all and not among them.

    Args:
        fields: of the `when`.
        key: its dotted key.
        report: takes the problems.
    """
    return (*_leaves(fields, NEW, key, report), *_groups(fields, key, report, 1, negated=False))


def _leaves(
    fields: Fields, kinds: dict[str, Kind[Written]], key: str, report: Report
) -> Iterator[LeafSource]:
    for name, kind in kinds.items():
        node = fields.node(name)
        if node is not None:
            inner = dotted(key, name)
            if isinstance(node, Mapping) and name in OF_HEADS:
                value = kind.read(node, inner, report)
                values: tuple[Written, ...] | None = None if value is None else (value,)
            else:
                values = ListOf(kind, one=True, least=1).read(node, inner, report)
            if values:
                yield LeafSource(name, values, node.place, inner)


def _groups(
    fields: Fields, key: str, report: Report, depth: int, *, negated: bool
) -> Iterator[GroupSource]:
    for how in (ANY, ALL, NOT):
        node = fields.node(how)
        if node is None:
            continue
        inner = dotted(key, how)
        if depth > _DEEPEST:
            message = f"any, all and not are nested more than {_DEEPEST} deep; use several rules"
            report.add(node.place, inner, message)
            continue
        below = negated is not (how == NOT)
        if how == NOT:
            items: tuple[tuple[Node, str], ...] = ((node, inner),)
        elif isinstance(node, Sequence) and node.items:
            items = tuple((item, f"{inner}[{n}]") for n, item in enumerate(node.items))
        else:
            what = "found an empty list" if isinstance(node, Sequence) else describe(node)
            message = f"{what}; wanted a list, each {_TABLE}"
            report.add(node.place, inner, message)
            continue
        parts = (_table(item, at, report, depth + 1, negated=below) for item, at in items)
        yield GroupSource(how, tuple(part for part in parts if part is not None))


def _table(
    node: Node, key: str, report: Report, depth: int, *, negated: bool
) -> ConditionSource | None:
    """All of the conditions of a table; None where there is none, which has been reported."""
    if isinstance(node, Mapping) and not node.entries:
        report.add(node.place, key, f"found an empty table; wanted {_TABLE}")
        return None
    fields = Fields(node, key, report, _TABLE)
    parts: list[ConditionSource] = [*_leaves(fields, _DEEPER, key, report)]
    time = fields.node(TIME)
    if time is not None:
        parts.extend(_time(time, dotted(key, TIME), report))
    parts.extend(_groups(fields, key, report, depth, negated=negated))
    fields.done()
    if negated:
        for leaf in parts:
            if isinstance(leaf, LeafSource) and leaf.kind in {*KINDS, *OF_HEADS}:
                message = (
                    f"{leaf.kind} cannot stand under not: what is found in a body comes piece by"
                    " piece, and that something is not in it nobody knows before its end; put a"
                    " rule for what is found before this one"
                )
                report.add(leaf.place, leaf.key, message)
    return parts[0] if len(parts) == 1 else GroupSource(ALL, tuple(parts))


def _time(node: Node, key: str, report: Report) -> Iterator[LeafSource]:
    fields = Fields(node, key, report, _TIME)
    yield from _leaves(
        fields, dict.fromkeys((WITHIN, OUTSIDE), As(Named(NAME), located)), key, report
    )
    fields.done()
    if isinstance(node, Mapping) and len(node.entries) != 1:
        report.add(node.place, key, f"found {len(node.entries)} keys; wanted {_TIME}")
