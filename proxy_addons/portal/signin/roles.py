"""Which roles somebody has in the portal.

In: groups from the directory, the login name, `portal.roles`, who manages whom.
Out: a set of roles.
Must never: give a role for a name that nobody has proven (the caller has), or for a group's
part-name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.settings.people import RoleGroups

STAFF: Final = "staff"
LINE_MANAGER: Final = "line-manager"
INFORMATION_SECURITY: Final = "information-security"
PSD: Final = "psd"
AUDITOR: Final = "auditor"
OPERATOR: Final = "operator"

WORDS: Final = {
    STAFF: "Officer or staff member",
    LINE_MANAGER: "Line manager",
    INFORMATION_SECURITY: "Information security",
    PSD: "Professional Standards",
    AUDITOR: "Auditor",
    OPERATOR: "Operator",
}
"""What pages call them."""


def roles_of(
    name: str, groups: frozenset[str], manages: frozenset[str], entries: Iterable[RoleGroups]
) -> frozenset[str]:
    """The roles of somebody who has signed in.

    Args:
        name: canonical login name.
        groups: case-folded common names of the person's groups.
        manages: canonical names of the people whose manager this is.
        entries: `portal.roles`.
    """
    found = {STAFF}
    if manages:
        found.add(LINE_MANAGER)
    for entry in entries:
        by_group = any(group.casefold() in groups for group in entry.groups)
        if by_group or name in entry.people:
            found.add(entry.role)
    return frozenset(found)


def in_words(roles: frozenset[str]) -> list[str]:
    """The roles as pages name them, in a steady order."""
    return [words for role, words in WORDS.items() if role in roles]
