"""What is asked of the directory about people: who they are, and which groups have them.

In: a connection, a login name. Out: entries.
Must never: take an entry for somebody whose login name it does not hold, or leave groups out
silently: half an answer about groups is none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from proxy_addons.identity.entries import Entry, group_name
from proxy_addons.identity.filters import (
    chain_filter,
    everybody_filter,
    groups_filter,
    person_filter,
    team_filter,
)
from proxy_addons.identity.link import AnswerError
from proxy_addons.identity.reports import reporter
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.identity.link import Link, Row
    from proxy_addons.settings import people

_DEPTH = 32  # levels of groups in groups
_GROUPS = 5000  # groups of one person; Windows itself ends at 1,015 in a token
_TOGETHER = 50  # DNs in one filter
_LONGEST = 200  # characters of a name for people, a unit or a kind
_CONTROL = "userAccountControl"
_DISABLED = 0x2  # ADS_UF_ACCOUNTDISABLE ([MS-ADTS] 2.2.16)


class Questions:
    """The questions, as the settings spell them.

    Args:
        settings: of the directory.
    """

    def __init__(self, settings: people.Directory) -> None:
        self._settings = settings
        self._report = reporter("directory")
        wanted = (
            settings.name_attribute,
            settings.display_attribute,
            settings.unit_attribute,
            settings.manager_attribute,
            settings.kind_attribute,
            _CONTROL,
        )
        self._attributes = [attribute for attribute in wanted if attribute]

    def person(self, link: Link, name: str) -> Entry | None:
        """Somebody with their groups.

        Args:
            link: to a server.
            name: canonical login name.

        Returns:
            None if no entry has the name, several have, or the one that has it is disabled.

        Raises:
            BrokenError: the connection does not work.
            AnswerError: the server's answer cannot be used.
        """
        row = self._row_of(link, name)
        if row is None:
            return None
        if self._settings.groups == "member-of-chain":
            groups = self._groups_by_chain(link, row.dn)
        else:
            groups = self._groups_by_members(link, row.dn)
        return self._entry(row, name, self._manager_of(link, row), groups)

    def team(self, link: Link, manager: str) -> tuple[Entry, ...]:
        """The people whose line manager this is, by name, without their groups.

        Raises:
            BrokenError: the connection does not work.
            AnswerError: the server's answer cannot be used.
        """
        settings = self._settings
        if not settings.manager_attribute:
            return ()
        above = self._row_of(link, manager)
        if above is None:
            return ()
        query = team_filter(settings.name_attribute, settings.manager_attribute, above.dn)
        return self._people(link, query, manager)

    def everybody(self, link: Link) -> tuple[Entry, ...]:
        """All people, by name, without their groups and managers.

        Raises:
            BrokenError: the connection does not work.
            AnswerError: the server's answer cannot be used.
        """
        return self._people(link, everybody_filter(self._settings.person_filter), None)

    def _people(self, link: Link, query: str, manager: str | None) -> tuple[Entry, ...]:
        found: dict[str, Entry] = {}
        for row in self._all(link, query, self._attributes):
            name = self._login_name(row)
            if name is not None and not _disabled(row):
                found[name] = self._entry(row, name, manager, frozenset())
        return tuple(found[name] for name in sorted(found))

    def _row_of(self, link: Link, name: str) -> Row | None:
        """The one entry that has a login name and is not disabled."""
        query = person_filter(self._settings.person_filter, name)
        rows = link.search(self._settings.base, query, self._attributes, at_most=2)
        if len(rows) > 1:
            self._report.warning(
                "directory: more than one entry has a login name, so nobody has it",
                entries=[ascii(row.dn) for row in rows],
            )
            return None
        # Servers compare more generously than we do, AD without accents: that would make two
        # people one. Only who has the very name (but for case) is that person.
        if not rows or name not in self._login_names(rows[0]) or _disabled(rows[0]):
            return None
        return rows[0]

    def _manager_of(self, link: Link, row: Row) -> str | None:
        if not self._settings.manager_attribute:
            return None
        dn = _text(row, self._settings.manager_attribute, longest=None)
        if dn is None:
            return None
        above = link.read(dn, [self._settings.name_attribute])
        return None if above is None else self._login_name(above)

    def _groups_by_chain(self, link: Link, dn: str) -> frozenset[str]:
        return _names(self._groups(link, chain_filter(dn)))

    def _groups_by_members(self, link: Link, dn: str) -> frozenset[str]:
        """Groups level by level; each is asked about once, so a circle ends."""
        seen = {dn}
        names: set[str] = set()
        level = [dn]
        for _ in range(_DEPTH):
            above: list[str] = []
            for start in range(0, len(level), _TOGETHER):
                query = groups_filter(level[start : start + _TOGETHER])
                rows = [row for row in self._groups(link, query) if row.dn not in seen]
                seen.update(row.dn for row in rows)
                above += (row.dn for row in rows)
                names |= _names(rows)
            if not above:
                return frozenset(names)
            if len(seen) > _GROUPS:
                msg = f"somebody is in more than {_GROUPS} groups"
                raise AnswerError(msg)
            level = above
        msg = f"groups are nested more than {_DEPTH} deep"
        raise AnswerError(msg)

    def _groups(self, link: Link, query: str) -> list[Row]:
        """Groups under `directory.group_base`: those elsewhere are not followed either."""
        settings = self._settings
        base = settings.group_base or settings.base
        return link.search(base, query, ["cn"], page=settings.page_size)

    def _all(self, link: Link, query: str, attributes: list[str]) -> list[Row]:
        settings = self._settings
        return link.search(settings.base, query, attributes, page=settings.page_size)

    def _login_names(self, row: Row) -> list[str]:
        names = []
        for value in row.values.get(self._settings.name_attribute.lower(), ()):
            try:
                names.append(canonical_name(value.decode()))
            except ValueError:
                # Not UTF-8, or no name: nobody can sign in with it.
                continue
        return names

    def _login_name(self, row: Row) -> str | None:
        return next(iter(self._login_names(row)), None)

    def _entry(self, row: Row, name: str, manager: str | None, groups: frozenset[str]) -> Entry:
        settings = self._settings
        return Entry(
            name=name,
            dn=row.dn,
            display=_text(row, settings.display_attribute),
            unit=_text(row, settings.unit_attribute),
            manager=manager,
            kind=_text(row, settings.kind_attribute),
            groups=groups,
        )


def _disabled(row: Row) -> bool:
    """Whether Active Directory has the account disabled. A value that is no number counts so."""
    for value in row.values.get(_CONTROL.lower(), ()):
        try:
            return bool(int(value) & _DISABLED)
        except ValueError:
            # Whatever it means, it does not say that the account may be used.
            return True
    return False


def _names(rows: Iterable[Row]) -> frozenset[str]:
    """Names of groups. The same text is kept once for all people who are in the group."""
    return frozenset(
        sys.intern(group_name(value.decode(errors="replace")))
        for row in rows
        for value in row.values.get("cn", ())
    )


def _text(row: Row, attribute: str, *, longest: int | None = _LONGEST) -> str | None:
    """The first value of an attribute as one line of text, or None."""
    for value in row.values.get(attribute.lower(), ()):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            # Not text: as if it were not there.
            continue
        line = "".join(each if each.isprintable() else " " for each in text).strip()
        if line:
            return line[:longest]
    return None
