"""The process of the alerts: one thread follows the log, one tells others.

In: settings. Out: alerts in the queue and delivered; `run_dir/alerts.json`, whole, once a second.
Must never: let telling hold up following; end because one of them fails.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.feeds.running import write_state
from proxy_addons.accesslog.feeds.source import Source
from proxy_addons.audit.alerts.checkpoint import Checkpoint
from proxy_addons.audit.alerts.counting import Counting
from proxy_addons.audit.alerts.following import Following
from proxy_addons.audit.alerts.letters import letter
from proxy_addons.audit.alerts.outbox import Outbox
from proxy_addons.audit.alerts.raising import Raising
from proxy_addons.audit.alerts.webhook import Webhooks
from proxy_addons.audit.mailserver import open_connection
from proxy_addons.standing.problems import StandingUnavailableError
from proxy_addons.standing.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.alerts.outbox import Waiting, Way
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.alerts")

STATE_FILE: Final = "alerts.json"
_STATE_EACH: Final = 1.0  # seconds
_GRACE: Final = 3.0  # seconds for what is in hand at the end; a kill does no harm either
_AFTER_A_FAULT: Final = 30.0  # seconds


class Running:
    """Runs until it is told to stop.

    Args:
        settings: of the gateway.
        gateway: its name.
        clock: Unix time.
        entropy: numbers from 0 to 1.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: str,
        clock: Callable[[], float],
        entropy: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        paths = settings.paths
        store = open_store(settings.standing, paths)

        def now() -> datetime:
            return datetime.fromtimestamp(clock(), UTC)

        self._following = Following(
            Source(paths.access_log_dir, paths.sealed_dir),
            Checkpoint(paths.data_dir / "alerts"),
            Counting(settings.alerts, settings.policy),
            Raising(store, settings.alerts, gateway, now),
            max((each.within for each in settings.alerts), default=0),
            clock,
        )
        webhooks = Webhooks(settings.alert_webhooks, clock)
        ways: dict[str, Way] = {"mail": self._mail, "webhook": webhooks}
        self._outbox = Outbox(store, ways, gateway, clock, entropy)
        self._waiting: tuple[Waiting, ...] = ()
        self._delivering = ""

    def stop(self) -> None:
        """Stop soon. From any thread or signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run until `stop`.

        Raises:
            OSError: the folder of what was counted cannot be made.
        """
        folder = self._settings.paths.data_dir / "alerts"
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            if self._alone(lock):
                self._run()
        finally:
            os.close(lock)  # and the kernel gives it back however the process ends

    def _alone(self, lock: int) -> bool:
        """Wait until no other process counts here. False: told to stop meanwhile."""
        while not self._stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Two would write over each other's state; this one takes over when the other ends.
                self._following.progress.problem = "another process counts already"
                self._tell()
                self._stop.wait(_STATE_EACH)
            else:
                return True
        return False

    def _run(self) -> None:
        following = threading.Thread(
            target=self._repeat, args=(self._following.step,), name="following", daemon=True
        )
        telling = threading.Thread(
            target=self._repeat, args=(self._tell_others,), name="telling", daemon=True
        )
        following.start()
        telling.start()
        self._tell()
        while not self._stop.wait(_STATE_EACH):
            self._tell()
        following.join(_GRACE)
        if not following.is_alive():
            self._following.close()
        telling.join(_GRACE)
        self._tell()

    def _repeat(self, step: Callable[[], float]) -> None:
        while not self._stop.is_set():
            try:
                pause = step()
            except Exception:
                # A fault of ours: the log waits, and so does what is to be delivered.
                logger.exception("alerts: a fault")
                pause = _AFTER_A_FAULT
            if pause:
                self._stop.wait(pause)

    def _tell_others(self) -> float:
        try:
            pause = self._outbox.step()
            self._waiting = self._outbox.waiting()
        except StandingUnavailableError as problem:
            # It waits in the store, which is tried again; how much there is was said before.
            self._delivering = str(problem)
            return _STATE_EACH
        self._delivering = ""
        return pause

    def _mail(self, reference: str, target: str, body: str) -> None:
        del reference  # it is in the body
        reports = self._settings.shifts.reports
        made = letter(body, reports.sender, target, self._settings.page.portal)
        with open_connection(reports) as connection:
            connection.send(made)

    def _tell(self) -> None:
        progress, now = self._following.progress, self._clock()
        told = {
            "at": now,
            "pid": os.getpid(),
            "status": "stopped" if progress.stopped else "ok",
            "records": progress.records,
            "raised": progress.raised,
            "unreadable": progress.unreadable,
            "lag_seconds": _age(progress.oldest, now),
            "problem": progress.stopped or progress.problem or self._delivering,
            "deliveries": [
                {
                    "way": each.way,
                    "waiting": each.waiting,
                    "failing": each.failing,
                    "oldest_seconds": _age(each.oldest, now),
                    "given_up": each.given_up,
                }
                for each in self._waiting
            ],
        }
        try:
            write_state(self._settings.paths.run_dir / STATE_FILE, told)
        except OSError as problem:
            # It is told again in a second; who reads it sees that it is old.
            logger.warning("alerts: their state cannot be written: %s", problem)


def _age(moment: float, now: float) -> float:
    return round(max(0.0, now - moment), 3) if moment else 0.0
