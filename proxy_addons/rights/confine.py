"""What no process of the gateway may do, whoever it runs as.

In: nothing. Out: this process, with less.
Must never: be undone; need a right to be done.
"""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

UMASK: Final = 0o027  # files 0640, folders 0750: the group may read, nobody else

# linux/prctl.h
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


class ConfinementError(OSError):
    """The kernel did not take a right away that was to be given up. Nothing is started."""


def harden() -> None:
    """Give up what no process of the gateway needs. Once in each process, after `account.become`.

    * No new privileges: no program that it starts, set-user-id or not, has more rights than it.
    * No core dumps, and its memory is closed to others of the same user: the inspection key and
      people's traffic are in it. The limit is not enough where dumps go to a program
      (core(5), "Piping core dumps to a program"); the process must not be dumpable at all.
    * What it writes is closed to others.

    Raises:
        ConfinementError: the kernel refused.
    """
    os.umask(UMASK)
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            msg = f"prctl({option}): {os.strerror(ctypes.get_errno())}"
            raise ConfinementError(msg)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
