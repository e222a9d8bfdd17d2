"""Giving up root: whom to become, what is handed over, and that there is no way back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.reach import opened

from proxy_addons.rights.account import (
    DEFAULT_USER,
    Account,
    PrivilegeError,
    account_for,
    give_data_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
NOBODY = Account("nobody", "nogroup", 65534, 65534, (65534,), "/nonexistent")


@pytest.fixture
def run(public: Path) -> Callable[..., str]:
    """Runs Python as root, or as nobody, where everybody can reach it; gives what it prints."""

    def run(program: str, *arguments: str, nobody: bool = False) -> str:
        (stage := public / f"stage-{len(list(public.iterdir()))}").mkdir()
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if nobody else []
        done = subprocess.run(
            [*opened(stage), *user, sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd="/",
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_user_that_is_not_there() -> None:
    with pytest.raises(PrivilegeError, match=r"no user or group no-such-user.*adduser"):
        account_for("no-such-user")
    with pytest.raises(PrivilegeError, match="no user or group root:no-such-group"):
        account_for("root:no-such-group")


@pytest.mark.root
def test_whom_to_become() -> None:
    assert account_for("root") is None
    assert account_for("nobody") == NOBODY == account_for("nobody:nogroup")
    other = account_for("nobody:daemon")
    assert other is not None
    assert (other.group, set(other.groups)) == ("daemon", {other.gid})
    with pytest.raises(PrivilegeError, match="group of nobody:root is root's"):
        account_for("nobody:root")


@pytest.mark.root
def test_left_out_it_is_the_default_user_where_there_is_one(
    run: Callable[..., str], public: Path
) -> None:
    program = "from proxy_addons.rights.account import account_for; print(account_for(None))"
    users = Path("/etc/passwd").read_text()
    if f"\n{DEFAULT_USER}:" not in users:
        assert run(program) == "None\n"
        users += f"{DEFAULT_USER}:x:64999:65534::/:/bin/false\n"
    (public / "passwd").write_text(users)
    shell = f"import os; os.system('mount --bind {public}/passwd /etc/passwd');"
    assert run(shell + program).startswith(f"{DEFAULT_USER}:")


@pytest.mark.root
def test_who_is_not_root_becomes_nobody_else(run: Callable[..., str]) -> None:
    said = run(
        "from proxy_addons.rights.account import *\n"
        "print(account_for(None), account_for('nobody'))\n"
        "try: account_for('daemon')\n"
        "except PrivilegeError as problem: print(problem)",
        nobody=True,
    )
    assert said.startswith("None None\nrun_as: only root can become daemon, and this is nobody.")


@pytest.mark.root
def test_a_new_or_empty_data_folder_is_given_and_no_other(public: Path) -> None:
    made, empty, full = public / "a/new", public / "empty", public / "full"
    empty.mkdir()
    full.mkdir()
    (full / "evidence").touch()
    for folder in (made, empty, full):
        give_data_folder(folder, NOBODY)
    owners = [folder.stat().st_uid for folder in (made, empty, full, made.parent)]
    assert owners == [65534, 65534, 0, 0]
    assert [folder.stat().st_mode & 0o777 for folder in (made, empty)] == [0o750, 0o750]


WAYS_BACK = """
import os, socket
from proxy_addons.rights.account import account_for, become
from proxy_addons.rights.confine import harden
become(account_for("nobody")); harden()
ways = {
    "user": lambda: os.setuid(0), "effective": lambda: os.seteuid(0),
    "saved": lambda: os.setresuid(0, 0, 0), "group": lambda: os.setgid(0),
    "groups": lambda: os.setgroups([0]), "root": lambda: os.chroot("/"),
    "port": lambda: socket.create_server(("127.0.0.1", 81)),
    "file": lambda: open("/etc/shadow"), "owner": lambda: os.chown("/tmp", 0, 0),
    "kill": lambda: os.kill(1, 0),
}
for name, way in ways.items():
    try:
        way()
    except PermissionError:
        continue
    print(name)
print(os.getresuid(), os.getresgid(), os.getgroups(), os.environ["HOME"])
"""


@pytest.mark.root
def test_there_is_no_way_back(run: Callable[..., str]) -> None:
    nobody = "(65534, 65534, 65534)"
    assert run(WAYS_BACK) == f"{nobody} {nobody} [65534] /nonexistent\n"
