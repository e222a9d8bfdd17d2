"""All feeds of a gateway: a thread for each, and a file that says how they go.

In: settings. Out: threads; `run_dir/feeds.json`, whole, once a second.
Must never: end because one feed fails; hold up the end of the process.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

import orjson

from proxy_addons.accesslog.feeds.delivery import Delivery
from proxy_addons.accesslog.feeds.file import File
from proxy_addons.accesslog.feeds.https import Https
from proxy_addons.accesslog.feeds.keeping import STATE_FILE, feeds_dir
from proxy_addons.accesslog.feeds.position import file_of
from proxy_addons.accesslog.feeds.source import Source
from proxy_addons.accesslog.feeds.syslog import Syslog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.accesslog.feeds.ways import Way
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.settings.feeds import Feed
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.feeds")

_STATE_EACH: Final = 1.0  # seconds
_GRACE: Final = 3.0  # seconds that batches in progress get at the end; a kill does no harm either
_AFTER_A_FAULT: Final = 30.0  # seconds


def way_of(feed: Feed, gateway: Gateway) -> Way:
    """The way of a feed."""
    if feed.kind == "syslog":
        return Syslog(feed, gateway)
    if feed.kind == "https":
        return Https(feed, gateway)
    if feed.path is None:
        raise ValueError(feed.name)  # feeds_build.py refuses it
    return File(feed, feed.path, gateway)


def delivery_of(
    feed: Feed,
    settings: Settings,
    gateway: Gateway,
    clock: Callable[[], float],
    entropy: Callable[[], float],
) -> Delivery:
    """A feed, ready to be run in a thread."""
    paths = settings.paths
    return Delivery(
        feed,
        Source(paths.access_log_dir, paths.sealed_dir),
        way_of(feed, gateway),
        file_of(feeds_dir(settings), feed.name),
        clock,
        entropy,
    )


class Running:
    """Runs all feeds until it is told to stop.

    Args:
        settings: of the gateway.
        gateway: its name.
        clock: Unix time.
        entropy: numbers from 0 to 1.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        clock: Callable[[], float],
        entropy: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._feeds = [
            (feed, delivery_of(feed, settings, gateway, clock, entropy)) for feed in settings.feeds
        ]

    def stop(self) -> None:
        """Stop soon. From any thread or signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run until `stop`."""
        threads = [
            threading.Thread(target=self._deliver, args=(each,), name=feed.name, daemon=True)
            for feed, each in self._feeds
        ]
        for thread in threads:
            thread.start()
        self._tell()
        while not self._stop.wait(_STATE_EACH):
            self._tell()
        until = _GRACE / max(1, len(threads))
        for thread in threads:
            thread.join(until)
        self._tell()

    def _deliver(self, delivery: Delivery) -> None:
        while not self._stop.is_set():
            try:
                pause = delivery.step()
            except Exception:
                # A fault of ours. Other feeds go on; this one's position has not moved.
                logger.exception("feeds: a fault")
                delivery.progress.problem = "a fault of the program, see the operational log"
                pause = _AFTER_A_FAULT
            if pause:
                self._stop.wait(pause)
        delivery.close()

    def _tell(self) -> None:
        now = self._clock()
        told = {
            "at": now,
            "pid": os.getpid(),
            "feeds": [_shown(feed, each, now) for feed, each in self._feeds],
        }
        try:
            write_state(self._settings.paths.run_dir / STATE_FILE, told)
        except OSError as problem:
            # It is told again in a second; who reads it sees that it is old.
            logger.warning("feeds: their state cannot be written: %s", problem)


def _shown(feed: Feed, delivery: Delivery, now: float) -> dict[str, Any]:
    progress = delivery.progress
    lag = max(0.0, now - progress.oldest) if progress.oldest else 0.0
    behind = lag > feed.behind
    return {
        "name": feed.name,
        "kind": feed.kind,
        "status": "stopped" if progress.stopped else "behind" if behind else "ok",
        "lag_seconds": round(lag, 3),
        "delivered": progress.delivered,
        "repeated": progress.repeated,
        "unreadable": progress.unreadable,
        "acknowledged": progress.acknowledged,
        "problem": progress.stopped or progress.problem,
    }


def write_state(path: Path, told: dict[str, Any]) -> None:
    """Write a file whole. It tells of the present only: it need not outlive the power.

    Raises:
        OSError: what was there before still is.
    """
    half = path.with_name(f"{path.name}.half")
    path.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
    half.rename(path)
