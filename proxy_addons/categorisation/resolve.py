"""What entries that match together come to: overrides, exceptions, and the union of the rest.

In: the category sets of the entries that match an address, in order of their entries' lengths.
Out: categories; or, for people, which entry stands.
Must never: let an exception of one list take a category that another list gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.tree import LOCAL, UNCATEGORISED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NONE: frozenset[str] = frozenset()
_RANKS = {
    kind: rank for rank, kind in enumerate((Kind.EXPRESSIONS, Kind.DOMAINS, Kind.HOSTS, Kind.URLS))
}


@dataclass(frozen=True, slots=True)
class CategorySet:
    """What the entries that carry it mean.

    Attributes:
        kind: what they are.
        labels: list and category.
        excepted: list and category of those that they except.
        listed: categories from starter and imported lists.
        local: categories from local overrides (empty for "none at all"), None without one.
    """

    kind: Kind
    labels: tuple[tuple[str, str], ...]
    excepted: tuple[tuple[str, str], ...]
    listed: frozenset[str]
    local: frozenset[str] | None


def category_set(kind: Kind, labels: Iterable[tuple[str, str, bool]]) -> CategorySet:
    """Makes a set of labels: list, category, whether it is an exception."""
    given = tuple(labels)
    positive = tuple((source, category) for source, category, excepts in given if not excepts)
    local = {category for source, category in positive if source == LOCAL}
    return CategorySet(
        kind=kind,
        labels=positive,
        excepted=tuple((source, category) for source, category, excepts in given if excepts),
        listed=frozenset(category for source, category in positive if source != LOCAL),
        local=frozenset(local - {UNCATEGORISED}) if local else None,
    )


def most_specific_local(sets: Sequence[CategorySet]) -> int | None:
    """The place of the local override that decides; None without one."""
    local = [place for place, item in enumerate(sets) if item.local is not None]
    return max(local, key=lambda place: (_RANKS[sets[place].kind], place), default=None)


def categories_of(
    sets: Sequence[CategorySet], expressions: Sequence[CategorySet]
) -> frozenset[str]:
    """The categories of an address.

    Args:
        sets: of the names, hosts and URLs that match.
        expressions: of the expressions that match.
    """
    deciding = most_specific_local(sets)
    if deciding is not None:
        return sets[deciding].local or _NONE
    local = [item.local for item in expressions if item.local is not None]
    if local:
        return _NONE.union(*local)
    together = (*sets, *expressions)
    if any(item.excepted for item in together):
        stands = standing(sets, expressions)
        return frozenset(category for (_, category), here in stands.items() if here)
    return _NONE.union(*(item.listed for item in together))


def standing(
    sets: Sequence[CategorySet], expressions: Sequence[CategorySet]
) -> dict[tuple[str, str], bool]:
    """Says of each list and category whether the address is in it by that list."""
    stands = {label: True for item in expressions for label in item.labels}
    for item in sorted(sets, key=lambda item: _RANKS[item.kind]):
        stands.update(dict.fromkeys(item.labels, True))
        stands.update(dict.fromkeys(item.excepted, False))
    stands.update({label: False for item in expressions for label in item.excepted})
    return stands
