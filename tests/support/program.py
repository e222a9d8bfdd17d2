"""A server program of a test's own that may crash, stall and come back.

In: how it is started. Out: the same, ended with the test.
Must never: outlive the test; touch a process that it has not started.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Self

from support.waiting import come_about

if TYPE_CHECKING:
    import subprocess


class Program:
    """One. `start` is said by each; it sets `_process`.

    Attributes:
        GROUP: whether it has children of its own, which crash and stall with it. It is then to be
            started in a session of its own.
    """

    GROUP = False
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        raise NotImplementedError

    def kill(self) -> None:
        """As a crash: connections break, and new ones are refused."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def stall(self) -> None:
        """Connections are taken (by the kernel), and nothing is ever answered."""
        self._signal(signal.SIGSTOP)
        come_about(lambda: self._state() == "T")

    def resume(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if self.GROUP else os.kill)(self._process.pid, number)

    def _state(self) -> str:
        """What the kernel says of it (proc(5))."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]
