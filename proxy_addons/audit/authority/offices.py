"""Offices: who holds one, and which have to approve what (Inf/27 3.6, 4.2.4, 4.2.6).

In: a proven name and groups, `audit.offices`; a kind, classes of subjects, the matrix.
Out: ids of offices. Must never: give an office for a group's part-name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.audit.authority.model import SubjectClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_addons.audit.authority.model import Kind
    from proxy_addons.settings.audit import Office


def offices_of(name: str, groups: frozenset[str], entries: Iterable[Office]) -> frozenset[str]:
    """The offices that somebody holds: what `Actor.offices` is made of.

    Args:
        name: canonical login name, proven.
        groups: case-folded common names of the person's groups.
        entries: `audit.offices`.
    """
    return frozenset(
        entry.office
        for entry in entries
        if name in entry.people or any(group.casefold() in groups for group in entry.groups)
    )


def needs_of(
    kind: Kind,
    classes: Iterable[SubjectClass],
    matrix: Mapping[tuple[str, str], tuple[str, ...]],
) -> tuple[tuple[str, ...], ...]:
    """Who has to approve: of each group of offices one.

    Args:
        kind: of the authorisation.
        classes: of its subjects; none: as for others.
        matrix: `audit.approvers`.
    """
    found = dict.fromkeys(
        matrix[kind, each] for each in sorted(set(classes) or {SubjectClass.OTHER})
    )
    return tuple(found)
