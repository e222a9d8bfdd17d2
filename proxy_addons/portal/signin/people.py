"""Who somebody is that has proven a name: directory entry, roles, the people they manage.

In: a canonical login name; the directory, the accounts file, `portal.roles`.
Out: a `Someone`, or None for a name that nobody here knows.
Must never: prove a name; give a role that is out of date for longer than a few minutes while the
directory answers, or one from a group that nobody could look up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import TTLCache

from proxy_addons.audit.authority.offices import offices_of
from proxy_addons.identity.entries import DirectoryUnavailableError
from proxy_addons.portal.signin.roles import roles_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy_addons.identity.directory import Directory
    from proxy_addons.identity.entries import Entry
    from proxy_addons.identity.passwords import PasswordFile
    from proxy_addons.portal.threads import Threads
    from proxy_addons.settings import people
    from proxy_addons.settings.audit import Office

_TEAM_FOR = 180.0  # seconds for which it is not asked again whom somebody manages
_TEAMS = 4096


@dataclass(frozen=True, slots=True)
class Someone:
    """A person whom the portal knows.

    Attributes:
        name: canonical login name.
        roles: what they may do here.
        entry: from the directory; None: it does not know them, or there is none.
        team: the people whose line manager this is, as the directory has them.
        partial: the directory did not answer: roles from groups, and the team, may be missing.
        offices: that they hold (`audit.offices`): what they approve of looking at records.
    """

    name: str
    roles: frozenset[str]
    entry: Entry | None = None
    team: tuple[Entry, ...] = ()
    partial: bool = False
    offices: frozenset[str] = frozenset()

    @property
    def display(self) -> str:
        """What to call them."""
        return (self.entry.display if self.entry else None) or self.name

    @property
    def manages(self) -> frozenset[str]:
        """Canonical names of their people."""
        return frozenset(entry.name for entry in self.team)


class People:
    """Looks people up.

    Args:
        settings: `portal`.
        directory: the directory, or None where there is none.
        accounts: the file of local accounts, or None.
        threads: for what blocks.
        clock: seconds that only ever go forward.
        offices: `audit.offices`.
    """

    def __init__(
        self,
        settings: people.Portal,
        directory: Directory | None,
        accounts: PasswordFile | None,
        threads: Threads,
        clock: Callable[[], float] = time.monotonic,
        *,
        offices: Sequence[Office] = (),
    ) -> None:
        self._offices = offices
        self._roles = settings.roles
        self._directory = directory
        self._accounts = accounts
        self._threads = threads
        self._teams: TTLCache[str, tuple[Entry, ...]] = TTLCache(_TEAMS, _TEAM_FOR, clock)

    async def someone(self, name: str) -> Someone | None:
        """The person of a name that was proven; None: neither directory nor accounts know it.

        The directory keeps answers for `directory.ttl` seconds itself, so that roles follow groups
        within minutes, in sessions that are open too.
        """
        entry, team, partial = await self._asked(name)
        groups = entry.groups if entry else frozenset()
        roles = roles_of(
            name,
            groups,
            frozenset(each.name for each in team),
            self._roles,
        )
        if entry is None and not await self._is_named(name):
            return None
        return Someone(name, roles, entry, team, partial, offices_of(name, groups, self._offices))

    async def display(self, name: str) -> str:
        """What to call somebody; the login name where nothing better is known."""
        entry = await self.entry(name)
        return (entry.display if entry else None) or name

    async def entry(self, name: str) -> Entry | None:
        """Somebody's entry in the directory, or None if it has none or does not answer."""
        if self._directory is None:
            return None
        try:
            return (await self._directory.look_up(name)).entry
        except DirectoryUnavailableError:
            # Pages then show the login name alone.
            return None

    async def exists(self, name: str) -> bool:
        """Whether a login name is anybody's. True where nobody can say: no directory, no answer."""
        if self._directory is None:
            return True
        try:
            found = await self._directory.look_up(name)
        except DirectoryUnavailableError:
            # The second person sees the name before it counts.
            return True
        return found.entry is not None or await self._is_named(name)

    async def is_known(self, name: str) -> bool:
        """Whether a login name is somebody's for certain; False where nobody can say."""
        return await self.entry(name) is not None or await self._is_named(name)

    async def around(self, name: str) -> frozenset[str]:
        """Login names, and what people are called, of those whom a person may have written about.

        Accounts, people with roles, the line manager and whoever else has that one; what a
        directory does not say just now is left out.
        """
        found = {each for entry in self._roles for each in entry.people}
        if self._accounts is not None:
            found |= await self._threads.run(self._accounts.names)
        entry = await self.entry(name)
        if entry is not None and entry.manager is not None and self._directory is not None:
            try:
                team = await self._directory.people_of(entry.manager)
            except DirectoryUnavailableError:
                team = ()  # whoever makes use of it completes it by hand
            boss = await self.entry(entry.manager)
            for each in (*team, *filter(None, [boss])):
                found |= {each.name, each.display or each.name}
        own = {name, (entry.display if entry else None) or name}
        return frozenset(found - own)

    async def _asked(self, name: str) -> tuple[Entry | None, tuple[Entry, ...], bool]:
        if self._directory is None:
            return None, (), False
        try:
            entry = (await self._directory.look_up(name)).entry
            if entry is None:
                return None, (), False
            team = self._teams.get(name)
            if team is None:
                team = self._teams[name] = await self._directory.people_of(name)
        except DirectoryUnavailableError:
            # No role by group, nobody's manager: less than they have, never more. Roles that the
            # configuration gives by name still hold, so that somebody can act meanwhile.
            return None, (), True
        return entry, team, False

    async def _is_named(self, name: str) -> bool:
        if any(name in entry.people for entry in self._roles):
            return True
        return self._accounts is not None and await self._threads.run(self._accounts.has, name)
