"""Who sits at the command line, as the registers record it.

In: the process's user, `sudo`'s word, the kernel's login number; settings; the directory.
Out: an `Actor` with `how` "command-line".
Must never: take an environment variable's word from anybody but root; give a role to a name that
nobody has: a step by "root" is root's, and the second person has to be another name.

Root, and the user that the data folder belongs to, count as `operator`: they could write the store
by hand. Which person that is: the one who called `sudo`, else the one who logged in (loginuid,
which the kernel sets once for a session), else the user's own name. Roles of people come from
`portal.roles` as in the portal.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.signin.roles import roles_of
from proxy_addons.standing.actor import COMMAND_LINE, OPERATOR, Actor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from proxy_addons.identity.directory import Directory
    from proxy_addons.identity.entries import Entry
    from proxy_addons.settings.model import Settings
    from proxy_addons.settings.people import Directory as DirectorySettings

NOBODY_LOGGED_IN: Final = 4294967295
"""The kernel's loginuid of a process that no login led to (credentials(7): an unset one)."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the system says of this process.

    Attributes:
        uid: its effective user's number.
        owner: the number of the user that the data folder belongs to; None when there is none.
        sudo_user: the variable SUDO_USER, or None.
        login_uid: the kernel's login number; None when it says nothing.
    """

    uid: int
    owner: int | None = None
    sudo_user: str | None = None
    login_uid: int | None = None


def login_of(data_dir: Path, environ: Mapping[str, str]) -> Login:
    """What the system says of this process."""
    try:
        owner = data_dir.stat().st_uid
    except OSError:
        # No folder yet: then nobody but root is its owner.
        owner = None
    try:
        login_uid = int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        # A kernel without auditing: the name is the user's own.
        login_uid = NOBODY_LOGGED_IN
    return Login(
        os.geteuid(),
        owner,
        environ.get("SUDO_USER") or None,
        None if login_uid == NOBODY_LOGGED_IN else login_uid,
    )


def named(login: Login) -> tuple[str, bool]:
    """Who that is.

    Returns:
        The canonical name, and whether it counts as operator.
    """
    is_root = login.uid == 0
    operator = is_root or login.uid == login.owner
    names: list[str | None] = []
    if is_root:
        # Anybody can set a variable; from root's environment it is sudo's word, or root's own.
        names.append(login.sudo_user)
    if operator and login.login_uid is not None:
        names.append(_user(login.login_uid))
    names.append(_user(login.uid) or f"uid-{login.uid}")
    for name in names:
        try:
            return canonical_name(name or ""), operator
        except ValueError:
            # No name that a register can hold: the next one.
            continue
    return f"uid-{login.uid}", operator


def actor_of(settings: Settings) -> Actor:
    """Who acts, with the roles that this person has.

    When the directory does not answer, a warning says so, and roles by group do not count.
    """
    name, operator = named(login_of(settings.paths.data_dir, os.environ))
    entry, team = asyncio.run(_known(settings.directory, name))
    groups = frozenset() if entry is None else entry.groups
    roles = roles_of(name, groups, team, settings.portal.roles) - {OPERATOR}
    if operator:
        roles |= {OPERATOR}
    return Actor(name, roles, COMMAND_LINE, team)


def entries_of(settings: DirectorySettings, names: Iterable[str]) -> dict[str, Entry | None]:
    """What the directory says of people: None for those whom it does not know.

    People of whom it says nothing, as it does not answer, are left out; a warning says so.
    """

    async def ask(directory: Directory) -> dict[str, Entry | None]:
        return {name: (await directory.look_up(name)).entry for name in names}

    return asyncio.run(_asked(settings, ask)) or {}


def units_of(settings: DirectorySettings, names: Iterable[str]) -> dict[str, str | None]:
    """The units of people, as far as the directory says."""
    found = entries_of(settings, names)
    return {name: entry.unit for name, entry in found.items() if entry is not None}


async def _known(settings: DirectorySettings, name: str) -> tuple[Entry | None, frozenset[str]]:
    async def ask(directory: Directory) -> tuple[Entry | None, frozenset[str]]:
        entry = (await directory.look_up(name)).entry
        team = await directory.people_of(name)
        return entry, frozenset(each.name for each in team)

    return await _asked(settings, ask) or (None, frozenset())


async def _asked[T](
    settings: DirectorySettings, ask: Callable[[Directory], Awaitable[T]]
) -> T | None:
    """Ask the directory; None without one, or with a warning when it does not answer."""
    if not settings.servers:
        return None
    from proxy_addons.identity.directory import (
        Directory,
        DirectorySettingsError,
        DirectoryUnavailableError,
    )

    try:
        directory = Directory(settings)
    except DirectorySettingsError as problem:
        # No request is in hand: whatever needs a role by group is refused.
        _warn(str(problem))
        return None
    try:
        return await ask(directory)
    except DirectoryUnavailableError as problem:
        # As above.
        _warn(f"the directory does not answer, so groups and units are not known: {problem}")
        return None
    finally:
        directory.close()


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _user(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # A number without a name.
        return None
