"""The conditions of rules compiled: names resolved, each `not` carried down to the leaves.

In: conditions as written (condition_kinds.py), time spaces and categories of the whole policy.
Out: a `Condition` (policy/conditions.py).
Must never: change what is meant: `not` of any is all of what is negated, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.policy.atoms import ATOM_KINDS, Atom, meant
from proxy_addons.policy.conditions import (
    CATEGORIES,
    FINDINGS,
    TIME,
    All,
    Any,
    Leaf,
)
from proxy_addons.policy.findings import KINDS, wanted
from proxy_addons.policy.timespaces import TimeCondition
from proxy_addons.settings.condition_kinds import ANY, NOT, OUTSIDE, WITHIN, GroupSource
from proxy_addons.settings.condition_values import OF_HEADS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from proxy_addons.policy.conditions import Condition
    from proxy_addons.policy.timespaces import TimeSpace
    from proxy_addons.settings.condition_kinds import ConditionSource, LeafSource
    from proxy_addons.settings.kinds import Located


def names_in(sources: Sequence[ConditionSource], *kinds: str) -> Iterator[Located]:
    """The names of other sections that conditions of some kinds have.

    Args:
        sources: of one rule.
        kinds: `profiles`, `categories`, `within`, `outside`.
    """
    for source in sources:
        for leaf in source.leaves():
            if leaf.kind in kinds:
                yield from (each.at for each in leaf.values if each.at is not None)


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles the conditions of one rule.

    Attributes:
        spaces: time spaces by name.
        expanded: categories of which some may be groups, with their list aliases.
        strict: whether what is not known counts as holding (`Leaf.strict`).
        passed_by: whether the rule does not see what an exemption opens.
    """

    spaces: Mapping[str, TimeSpace]
    expanded: Callable[[Collection[str]], frozenset[str]]
    strict: bool
    passed_by: bool

    def compiled(self, sources: Sequence[ConditionSource]) -> Condition | None:
        """All of some conditions; None where there are none."""
        return _all([self._made(source, negated=False) for source in sources]) if sources else None

    def _made(self, source: ConditionSource, *, negated: bool) -> Condition:
        if not isinstance(source, GroupSource):
            return self._leaf(source, negated=negated)
        below = negated is not (source.how == NOT)
        parts = [self._made(part, negated=below) for part in source.parts]
        # De Morgan: under not, any is all and all is any.
        return _any(parts) if (source.how == ANY) is not below else _all(parts)

    def _leaf(self, source: LeafSource, *, negated: bool) -> Condition:
        kind, strict = source.kind, self.strict
        names = tuple(each.text for each in source.values)
        if kind in ATOM_KINDS:
            values = dict.fromkeys(each.value for each in source.values)
            atom = Atom(kind, tuple(sorted(values, key=str)))
            tokens = meant(atom, negated=negated, strict=strict)
            return Leaf(kind, names, tokens, negated, strict, atom=atom)
        if kind in {WITHIN, OUTSIDE}:
            spaces = tuple(self.spaces[name] for name in names)
            outside = (kind == OUTSIDE) is not negated
            return Leaf(TIME, names, time=TimeCondition(spaces, outside=outside))
        if kind in KINDS or kind in OF_HEADS:
            each = [str(each.value) for each in source.values]
            found = wanted(kind, each)._replace(names=names)
            return Leaf(FINDINGS, names, found.meant, wanted=found)
        texts = self.expanded(names) if kind == CATEGORIES else frozenset(names)
        return Leaf(kind, names, texts, negated, strict, passed_by=self.passed_by)


def _all(parts: Sequence[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _any(parts: Sequence[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Any(tuple(parts))
