"""One proxy of the comparison: what every side has.

In: the run's place and origin. Out: a running proxy. A side that is not installed raises
`AbsentError`, and the run goes on without it and says so.
Must never: tune one side and not the others. docs/performance.md lists every setting and why.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchlib.logs import LineCount
from benchlib.place import Place, Program, SideError, free_port

if TYPE_CHECKING:
    from benchlib.origin import Origin

ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin"
START_SECONDS = 60


class AbsentError(Exception):
    """This cannot be measured here; the message says what is missing and how to install it."""


class Side(ABC):
    """One proxy, running.

    Args:
        place: where it is started.
        origin: what it is to reach.
        name: its name in this run, where there is another of its kind.

    Attributes:
        name: as in the report and for `--side`.
        what: how it is run, in a few words.
        log_files: pattern of its access log's files in its folder, one line a record.
        log_is_prompt: it promises that what it has answered is in its log 0.2 s later.
        inspects: it decrypts TLS; a side that does not is given plain HTTP where others inspect.
        share: of a scenario's operations, for a side that waits long between them.
        splices: it leaves `Origin.splice_host` encrypted end to end.
    """

    name: str
    what: ClassVar[str]
    log_files: ClassVar[str | None] = None
    log_is_prompt: ClassVar[bool] = False
    inspects: ClassVar[bool] = True
    share: ClassVar[float] = 1.0
    splices: ClassVar[bool] = False

    def __init__(self, place: Place, origin: Origin, *, name: str | None = None) -> None:
        self.name = name or self.name
        self.version = self.installed()
        self.folder = place.subfolder(self.name, self.user())
        self.address = ("127.0.0.1", free_port())
        self.program = self.start(place, origin)
        self.program.await_port(self.address)
        self._await_ca()
        self._log = LineCount(self.folder, self.log_files) if self.log_files else None

    def _await_ca(self) -> None:
        """Wait for the authority: a side may listen before it has made it."""
        limit = time.monotonic() + START_SECONDS
        while self.ca_file and not self.ca_file.exists():
            self.program.check()
            if time.monotonic() > limit:
                said = self.program.last_words()
                raise SideError(f"{self.name} made no {self.ca_file}; it printed:\n{said}")
            time.sleep(0.05)

    def logged(self) -> int | None:
        """Records in its access log up to now; None without one."""
        return self._log.total() if self._log else None

    def log_octets(self) -> int:
        """Size of its access log's files together."""
        return sum(path.stat().st_size for path in self.folder.glob(self.log_files or "-"))

    @property
    @abstractmethod
    def ca_file(self) -> Path | None:
        """The authority that its clients must trust; None where it decrypts nothing."""

    @abstractmethod
    def installed(self) -> str:
        """Its version.

        Raises:
            AbsentError: it is not installed.
        """

    @abstractmethod
    def start(self, place: Place, origin: Origin) -> Program:
        """Start it, listening at `self.address`."""

    def user(self) -> str | None:
        """The user that it drops to, where it does."""
        return None


def plain_environment() -> dict[str, str]:
    """The environment without what scripts/bench added, and without settings of a gateway."""
    ours = ("PYTHON", "WATCHHOUSE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
