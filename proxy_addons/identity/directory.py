"""The directory: people and their groups from LDAP, for an event loop.

In: login names and passwords. Out: entries, kept for a time.
Must never: block the event loop, keep a password, take silence for an answer, or give an answer
older than `directory.ttl` + `directory.stale`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy_addons.identity.entries import (
    DirectorySettingsError,
    DirectoryUnavailableError,
    Entry,
    Found,
    WrongPasswordError,
    group_name,
)
from proxy_addons.identity.remembering import Remembered
from proxy_addons.identity.threads import BusyError, Threads
from proxy_addons.policy.people import canonical_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.settings import people

__all__ = [
    "Directory",
    "DirectorySettingsError",
    "DirectoryUnavailableError",
    "Entry",
    "Found",
    "WrongPasswordError",
    "group_name",
]

_PEOPLE = 8192  # kept; those not seen for longest go first and are asked for again
_TEAMS = 512
_BINDING = 64  # sign-ins by password at a time
_WAITING = 256  # questions at a time; more would wait longer than anybody does


class Directory:
    """One for each process; its methods are for the event loop that it is used on.

    Args:
        settings: of the directory, with at least one server.
        clock: seconds, monotonic.
        threads: questions on their way at a time, and as many sign-ins by password.

    Raises:
        DirectorySettingsError: a URL or the CA file cannot be used. No server is contacted yet.
    """

    def __init__(
        self,
        settings: people.Directory,
        *,
        clock: Callable[[], float] = time.monotonic,
        threads: int = 4,
    ) -> None:
        # Gateways without a directory need not load ldap3.
        from proxy_addons.identity.ldap import Servers  # noqa: PLC0415 - only where there is one
        from proxy_addons.identity.questions import Questions  # noqa: PLC0415 - only where there is one

        self._servers = Servers(settings, keep=threads, clock=clock)
        self._questions = Questions(settings)
        # A bind may try all servers twice: for the entry, and for the password.
        patience = settings.timeout * max(1, len(settings.servers)) * 2 + 1
        self._threads = Threads("directory", threads=threads, waiting=_WAITING, patience=patience)
        # Of their own: whoever floods us with names and passwords must not keep those who have
        # proven who they are from their groups.
        self._binds = Threads(
            "directory-bind", threads=threads, waiting=_BINDING, patience=patience
        )
        self._people = Remembered[Entry | None](
            self._find, ttl=settings.ttl, stale=settings.stale, size=_PEOPLE, clock=clock
        )
        self._teams = Remembered[tuple[Entry, ...]](
            self._find_team, ttl=settings.ttl, stale=settings.stale, size=_TEAMS, clock=clock
        )

    def cached(self, name: str) -> Found | None:
        """What is known about somebody without asking.

        Args:
            name: canonical login name.

        Returns:
            None if nothing usable is: never asked, or older than `ttl` + `stale`.
        """
        known = self._people.cached(name)
        return None if known is None else Found(*known)

    async def look_up(self, name: str) -> Found:
        """Somebody by their login name.

        An answer older than `ttl` is given at once (`fresh` is False) and renewed in the
        background; however many ask about one person, one question is on its way.

        Raises:
            DirectoryUnavailableError: no server answers, and no usable answer is kept.
        """
        try:
            name = canonical_name(name)
        except ValueError:
            # Nobody can have that name.
            return Found(None, fresh=True)
        return Found(*await self._people.get(name))

    async def bind(self, name: str, password: str) -> Entry:
        """Somebody who has proven who they are by their password (RFC 4513 5.1.3).

        Each call asks the directory, twice: for the entry, and for the password.

        Raises:
            WrongPasswordError: there is no such person, or it is not their password; an empty one
                never is.
            DirectoryUnavailableError: no server says.
        """
        try:
            name = canonical_name(name)
        except ValueError:
            # Nobody can have that name.
            raise WrongPasswordError from None
        if not password:
            raise WrongPasswordError

        def prove() -> Entry | None:
            entry = self._servers.ask(lambda link: self._questions.person(link, name))
            if entry is not None:
                self._servers.prove(entry.dn, password)
            return entry

        entry = await _in_thread(self._binds, prove)
        if entry is None:
            # Not kept where nobody was: guessed names must not push people out.
            if self._people.cached(name) is not None:
                self._people.put(name, None)
            raise WrongPasswordError
        self._people.put(name, entry)
        return entry

    async def people_of(self, manager: str) -> tuple[Entry, ...]:
        """The people whose line manager somebody is, by login name; their groups are left out.

        Kept, stale and coalesced as `look_up`.

        Raises:
            DirectoryUnavailableError: no server answers, and no usable answer is kept.
        """
        try:
            manager = canonical_name(manager)
        except ValueError:
            # Nobody can have that name, so nobody has them as a manager.
            return ()
        return (await self._teams.get(manager))[0]

    def close(self) -> None:
        """Stop: who waits gets `DirectoryUnavailableError`, or an answer that was on its way."""
        self._threads.close()
        self._binds.close()
        self._servers.close()

    async def _find(self, name: str) -> Entry | None:
        return await _in_thread(
            self._threads,
            lambda: self._servers.ask(lambda link: self._questions.person(link, name)),
        )

    async def _find_team(self, manager: str) -> tuple[Entry, ...]:
        return await _in_thread(
            self._threads,
            lambda: self._servers.ask(lambda link: self._questions.team(link, manager)),
        )


async def _in_thread[T](threads: Threads, job: Callable[[], T]) -> T:
    """Put a question in a thread."""
    try:
        return await threads.run(job)
    except BusyError:
        # Whoever asks uses what is kept, or refuses.
        msg = "too many questions are waiting, or the gateway is stopping"
        raise DirectoryUnavailableError(msg) from None
    except TimeoutError:
        # As before. Questions have limits of their own; looking up a server's name has none.
        msg = "no answer in time"
        raise DirectoryUnavailableError(msg) from None
