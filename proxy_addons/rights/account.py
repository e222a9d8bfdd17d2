"""Which user the gateway's processes run as, when it is started as root.

In: `run_as`, the folders of the settings. Out: this process, and so all it starts, as a user that
has no rights but its own, before anything from outside is read.
Must never: go on as root where another user was asked for; give away a folder that holds anything;
leave a way back.

The listening sockets are bound first, so that ports below 1024 need no root afterwards. No process
stays behind as root: Squid's `cache_effective_user` and nginx's `user` keep a root master, which is
then the one worth taking over.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_USER: Final = "watchhouse"
DATA_MODE: Final = 0o750


class PrivilegeError(Exception):
    """The process cannot become who it should be. The gateway does not start."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user to become.

    Attributes:
        name: of the user.
        group: name of the group.
        uid: number of the user, never 0.
        gid: number of the group, never 0.
        groups: all groups of the user, `gid` among them.
        home: the user's home folder.
    """

    name: str
    group: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    def __str__(self) -> str:
        return f"{self.name}:{self.group}"


def account_for(run_as: str | None) -> Account | None:
    """Whom to become.

    Args:
        run_as: the setting: `user`, `user:group`, `root`; None for the user `watchhouse` where
            this machine has one.

    Returns:
        The account; None to stay who we are.

    Raises:
        PrivilegeError: there is no such user or group, or this process may not become it.
    """
    if run_as is None:
        if os.geteuid() != 0 or not _exists(DEFAULT_USER):
            return None
        run_as = DEFAULT_USER
    name, _, group_name = run_as.partition(":")
    try:
        user = pwd.getpwnam(name)
        group = grp.getgrnam(group_name) if group_name else grp.getgrgid(user.pw_gid)
    except KeyError:
        msg = (
            f"run_as: this machine has no user or group {run_as}. Make it (adduser --system --group"
            f" {name}), or name another in watchhouse.yaml."
        )
        raise PrivilegeError(msg) from None
    if os.geteuid() == user.pw_uid:
        return None
    if os.geteuid() != 0:
        msg = (
            f"run_as: only root can become {run_as}, and this is {_name_of(os.geteuid())}. Start it"
            f" as {name} or as root, or leave run_as out."
        )
        raise PrivilegeError(msg)
    if group.gr_gid == 0:
        msg = f"run_as: the group of {run_as} is root's. Name another: run_as: {name}:GROUP."
        raise PrivilegeError(msg)
    groups = {group.gr_gid, *os.getgrouplist(name, group.gr_gid)} - {0}
    return Account(name, group.gr_name, user.pw_uid, group.gr_gid, tuple(groups), user.pw_dir)


def give_data_folder(data_dir: Path, account: Account) -> None:
    """Make the data folder the account's where it is new or empty; any other is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=DATA_MODE)
    # By descriptor, so that nobody can put another folder in its place in between.
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == 0 and not os.listdir(descriptor):  # noqa: PTH208 - by descriptor
            os.fchown(descriptor, account.uid, account.gid)
            os.fchmod(descriptor, DATA_MODE)
    finally:
        os.close(descriptor)


def become(account: Account) -> None:
    """Become the account, for good: groups, group, user; no capability is kept.

    Raises:
        PrivilegeError: it did not work, or root could be had back.
    """
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as problem:
        msg = f"run_as: cannot become {account}: {problem.strerror}"
        raise PrivilegeError(msg) from problem
    if os.getresuid() != (account.uid,) * 3 or os.getresgid() != (account.gid,) * 3 or _powers():
        msg = f"run_as: this process became {account} but kept rights of root's"
        raise PrivilegeError(msg)
    os.environ |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}


def check_reach(account: Account, data_dir: Path, readable: Iterable[Path]) -> None:
    """See beforehand what the account, which this process has become, could not use.

    Args:
        account: whom this process has become.
        data_dir: must be writable, and all that is directly in it the account's.
        readable: files and folders that the gateway reads, now or at a reload.

    Raises:
        PrivilegeError: naming the first such path and the fix.
    """
    stay = "or set run_as to another user"
    for program in (Path(sys.executable), Path(__file__)):
        if not os.access(program, os.R_OK):
            msg = (
                f"{program} cannot be read by {account.name} (run_as). Install the gateway where "
                f"all may read, e.g. in /opt, {stay}."
            )
            raise PrivilegeError(msg)
    for path in readable:
        if not os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
            msg = (
                f"{path} cannot be read by {account.name} (run_as), so that a reload would fail. "
                f"chgrp {account.group} and chmod g+r (folders: g+rx) it and the folders above it, "
                f"{stay}."
            )
            raise PrivilegeError(msg)
    mend = f"chown -R {account} {data_dir}, {stay}."
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        msg = f"{data_dir} cannot be written by {account.name} (run_as). Once: {mend}"
        raise PrivilegeError(msg)
    for path in data_dir.iterdir():
        owner = path.lstat().st_uid
        if owner != account.uid:
            msg = (
                f"{path} belongs to {_name_of(owner)}, but the gateway runs as {account.name} "
                f"(run_as). Once: {mend}"
            )
            raise PrivilegeError(msg)


def is_root() -> bool:
    """Whether this process has root's rights."""
    return os.geteuid() == 0


def _powers() -> bool:
    """Whether the process holds any capability (capabilities(7))."""
    with Path("/proc/self/status").open() as status:
        sets = dict(line.split(":\t") for line in status if line.startswith("Cap"))
    return any(int(sets[name], 16) for name in ("CapPrm", "CapEff", "CapAmb"))


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        # Nothing is in hand yet; the caller says what that means.
        return False
    return True


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # A user that was removed; only a message is made of it.
        return f"user {uid}"
