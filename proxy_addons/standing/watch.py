"""A worker's view of the standing store: looks twice a second, reads on change.

In: a store. Out: the last `Snapshot`, its age, and a call when it changes.
Must never: block the event loop; look later because something is being written; forget what it read
because the store has gone; say the same trouble twice.

Why it looks and is not told (LISTEN/NOTIFY): docs/adr/0012-standing-store.md.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from proxy_addons.standing.expiry import note_expiries
from proxy_addons.standing.rounds import Rounds
from proxy_addons.standing.snapshot import Snapshot, read
from proxy_addons.standing.use import note_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.standing.store import Store

logger = logging.getLogger("watchhouse.standing")

EVERY = 0.5  # seconds between two looks: a change is seen well within 2 s
MINUTE = 60.0
"""Seconds after which uses and ends are written down, and all is read anew, changed or not: a
database that was restored from a backup may have an old version number with other rows."""

PATIENCE = 10.0  # seconds for one look; a store that takes longer counts as gone


class Watch:
    """Watches one store for one worker. Made and used in one event loop.

    Args:
        store: opened in this process; stays the caller's to close, after `stop`.
        every: seconds between two looks.
        patience: seconds for one look.
        clock: monotonic seconds.
        wall: aware time now.

    Attributes:
        snapshot: the last one read; None until there was one.
        on_change: called in the event loop after each change of `snapshot`.
    """

    def __init__(
        self,
        store: Store,
        *,
        every: float = EVERY,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.on_change: Callable[[], None] | None = None
        self._store = store
        self._patience = patience
        self._clock = clock
        self._wall = wall
        self._looked: float | None = None
        self._read_at = 0.0
        self._used: set[tuple[date, str]] = set()
        self._trouble: str | None = None
        self._rounds = Rounds(
            "standing",
            store.place,
            every=every,
            note_every=MINUTE,
            look=self._look,
            note=self._note,
            clock=clock,
        )

    async def start(self) -> None:
        """Read for the first time, and go on looking. A failure is logged, not raised."""
        await self._look()
        self._rounds.start()

    async def stop(self) -> None:
        """Look no more; what was used is written down if the store answers in time."""
        await self._rounds.stop()

    def age(self) -> float:
        """Seconds since the store last answered; infinite until it did."""
        return float("inf") if self._looked is None else max(0.0, self._clock() - self._looked)

    def note_use(self, reference: str) -> None:
        """Note that an exemption was used today. Cheap: written down once a minute."""
        self._used.add((self._wall().astimezone(UTC).date(), reference))

    async def _look(self) -> None:
        began = self._clock()  # what is answered is at least as new as the question
        try:
            found = await self._rounds.read(lambda: self._read(began), self._patience)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the watch goes on
            # No request is in hand. The last reading stays in force, and its age tells the gate
            # how far to trust it.
            self._say(str(problem) or type(problem).__name__)
            return
        self._looked = began
        self._say(None)
        if found is None or found == self.snapshot:
            return
        self.snapshot = found
        if self.on_change is not None:
            self.on_change()

    def _read(self, began: float) -> Snapshot | None:
        """In its thread: a whole reading when there is something new, else None."""
        known = self.snapshot
        if (
            known is not None
            and began - self._read_at < MINUTE
            and self._store.version() == known.version
        ):
            return None
        with self._store.reading() as connection:
            found = read(connection)
        self._read_at = began
        return found

    async def _note(self) -> None:
        now = self._wall()
        used, known = frozenset(self._used), self.snapshot
        ended = known is not None and any(
            each.ends <= now for all_of_one in known.exemptions.values() for each in all_of_one
        )
        if not used and not ended:
            return
        try:
            await self._rounds.write(lambda: self._write(used, ended, now), self._patience)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is tried again
            # No request is in hand. Nothing is forgotten: the same is written in a minute.
            self._say(str(problem) or type(problem).__name__)
            return
        self._used -= used

    def _write(self, used: frozenset[tuple[date, str]], ended: bool, now: datetime) -> None:
        for day in sorted({each for each, _ in used}):
            note_use(self._store, (reference for each, reference in used if each == day), day)
        if ended:
            note_expiries(self._store, now)

    def _say(self, trouble: str | None) -> None:
        """Log the beginning and the end of a trouble, once each."""
        if trouble is not None and self._trouble is None:
            logger.error(
                "%s; the last reading of exemptions and withdrawals stays in force (%s)",
                trouble,
                "there is none yet"
                if self.snapshot is None
                else f"version {self.snapshot.version}",
            )
        elif trouble is None and self._trouble is not None:
            logger.warning("the standing store (%s) answers again", self._store.place)
        self._trouble = trouble
