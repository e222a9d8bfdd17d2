"""The desk as a process: opened, served until it is told to stop, closed.

In: settings. Out: a socket in the run folder that is served.
Must never: touch browsing: it shares no lock and no listener with the workers, and only reads the
access log; serve while the trail cannot be written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.seal.logs import access_of, trail_of
from proxy_addons.audit.alerts.register import Alerts
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.audit.desk.calls import Export, FetchPack, MakePack, Newer, ReadTrail, Search
from proxy_addons.audit.desk.comparing import Compare, Comparing
from proxy_addons.audit.desk.copying import Copying, MakeCopy, PreviewCopy
from proxy_addons.audit.desk.desk import Desk
from proxy_addons.audit.desk.looks import Looks
from proxy_addons.audit.desk.mirror import Book, Mirror
from proxy_addons.audit.desk.observing import Observing
from proxy_addons.audit.desk.packing import Packing
from proxy_addons.audit.desk.sampling import SampleDesk, ViewSample
from proxy_addons.audit.desk.server import Server
from proxy_addons.audit.desk.wire import Refused
from proxy_addons.audit.duckstore import DuckStore
from proxy_addons.audit.retention.certificates import Certificates
from proxy_addons.audit.retention.collateral import Collateral
from proxy_addons.audit.retention.holds import Holds
from proxy_addons.audit.retention.orders import Orders
from proxy_addons.audit.sampling.drafting import Drafting
from proxy_addons.audit.sampling.hooks import NoViews
from proxy_addons.audit.sampling.register import Sampling
from proxy_addons.audit.sampling.reviewing import Reviewing
from proxy_addons.audit.trail import (
    ALERT,
    COLLATERAL,
    DISPOSAL,
    DRAW,
    ERASURE,
    HOLD,
    STEP,
    Trail,
    TrailError,
)
from proxy_addons.audit.trailreader import TrailReader
from proxy_addons.standing.problems import StandingUnavailableError
from proxy_addons.standing.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.audit.desk.wire import Call, Who
    from proxy_addons.settings.model import Settings

logger = logging.getLogger("watchhouse.desk")

_TICK: Final = 1.0  # seconds between looks at the register and the clock


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Service:
    """Everything that the desk needs, opened.

    Args:
        settings: of this gateway.
        now: the time, aware.

    Raises:
        TrailError: the trail cannot be written.
        StandingError: the standing store cannot be used.
        StoreError: the query engine does not start.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime] = now_utc) -> None:
        paths, log = settings.paths, trail_of(settings)
        self._standing = open_store(settings.standing, paths)
        authorisations = Authorisations(
            self._standing, settings.audit, expanded=settings.policy.expanded, clock=now
        )
        self._trail = Trail(log.segments, clock=lambda: now().timestamp())
        self._trail.start()
        reader = TrailReader(log.segments, log.sealed)
        zone = settings.policy.time_zone
        books = (
            Book(STEP, authorisations.steps_since),
            Book(DRAW, Sampling(self._standing, clock=now).steps_since),
            Book(HOLD, Holds(self._standing, zone=zone, clock=now).steps_since),
            Book(DISPOSAL, Certificates(self._standing, clock=now).steps_since),
            Book(COLLATERAL, Collateral(self._standing, clock=now).steps_since),
            Book(ERASURE, Orders(self._standing, clock=now).steps_since),
            Book(ALERT, Alerts(self._standing, clock=now).steps_since),
        )
        self._mirror = Mirror(books, self._trail, reader)
        self._records = DuckStore(
            paths.parquet_dir,
            paths.access_log_dir,
            zone=zone,
            monotonic=time.monotonic,
            entropy=os.urandom,
        )
        desk = Desk(self._records, authorisations, self._trail, settings.audit, now)
        self._observing = Observing(desk, self._records, now, time.monotonic, os.urandom)
        packing = Packing(
            desk, self._records, authorisations, access_of(settings), paths.packs_dir, now
        )
        copying = Copying(desk, self._records, authorisations, zone, now)
        reviewing = Reviewing(
            self._standing,
            requests=Drafting(authorisations, settings.audit.validity, clock=now),
            views=NoViews(),
            zone=zone,
            clock=now,
        )
        self.doing: dict[type[Call[Any]], Callable[[Who, Any], Any]] = {
            Search: desk.search,
            Export: desk.export,
            ReadTrail: Looks(desk, reader).read,
            MakePack: packing.make,
            FetchPack: packing.fetch,
            PreviewCopy: copying.preview,
            MakeCopy: copying.make,
            Newer: self._observing.newer,
            Compare: Comparing(desk, self._records, authorisations, settings.audit, zone).compare,
            ViewSample: SampleDesk(desk, self._records, reviewing).view,
        }

    async def serve(self, settings: Settings, stop: asyncio.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            OSError: there can be no socket.
        """
        ticking = asyncio.create_task(self._tick())
        try:
            await Server(self.doing).serve(settings.paths.desk_socket, stop)
        finally:
            ticking.cancel()
            await asyncio.to_thread(self.close)

    async def _tick(self) -> None:
        while True:
            for step in (self._mirror.copy, self._observing.tick, self._trail.tick):
                await self._tried(step)
            await asyncio.sleep(_TICK)

    @staticmethod
    async def _tried(step: Callable[[], object]) -> None:
        """Do one of what is done each second; that it fails keeps none of the others."""
        try:
            await asyncio.to_thread(step)
        except (StandingUnavailableError, TrailError, Refused, OSError) as problem:
            # Looks are refused by themselves where the trail cannot be written; the steps are in
            # the register, and are copied the next time.
            logger.error("the trail is behind: %s", problem)
        except Exception:
            # A fault of ours, in the outermost handler: said each second until it is mended.
            logger.exception("the trail is behind: a fault")

    def close(self) -> None:
        """Close everything. Blocks."""
        with contextlib.suppress(Refused):  # the trail cannot be written: it has said so itself
            self._observing.close()
        self._records.close()
        self._trail.close()
        self._standing.close()
