"""Live observation: what somebody does, as it happens, under an authority for just that.

In: who asks, an authorisation for live monitoring (Inf/27 3.6), what was shown already.
Out: records that are new.
Must never: go on for a moment after the authority has ended; show what was there before it was
begun; leave an observation without a record of its begin and of its end.

A record is new when it was not there the last time, whenever its transaction began: one that was
long comes again when it is over.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.desk.calls import Live
from proxy_addons.audit.desk.wire import Refused, Who
from proxy_addons.audit.store import At, Question, StoreError
from proxy_addons.audit.trail import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from proxy_addons.audit.desk.calls import Newer
    from proxy_addons.audit.desk.desk import Desk
    from proxy_addons.audit.store import Bounds, RecordStore, Row

LEFT_AFTER: Final = 15.0
"""Seconds without a question after which an observation counts as ended."""
_BACK: Final = timedelta(hours=2)
"""How long before it was begun a transaction may have begun that ends while it goes on."""
_AT_ONCE: Final = 200
_MOST: Final = 32  # observations at a time
_GONE: Final = "This observation has ended. Open its page again to begin another."


@dataclass(slots=True)
class _Observation:
    who: Who
    authorisation: str
    since: datetime
    asked: float
    seen: set[At] = field(default_factory=set)
    shown: int = 0


class Observing:
    """Answers `Newer`. For several threads.

    Args:
        desk: bounds and records.
        store: answers questions.
        now: the time, aware.
        monotonic: seconds that never go back.
        entropy: gives secret octets.
    """

    def __init__(
        self,
        desk: Desk,
        store: RecordStore,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._desk = desk
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._entropy = entropy
        self._open: dict[str, _Observation] = {}
        self._lock = threading.Lock()

    def newer(self, who: Who, call: Newer) -> Live:
        """What is new.

        Raises:
            Refused: nothing is shown, and the observation is over.
        """
        try:
            bounds = self._desk.bounds(who, call.authorisation, None, live=True)
        except Refused:
            self._end(call.since)
            raise
        if not call.since:
            return self._begin(who, call.authorisation, bounds)
        with self._lock:
            found = self._open.get(call.since)
        if found is None or (found.who.name, found.authorisation) != (who.name, call.authorisation):
            raise Refused("unknown", _GONE)
        found.asked = self._monotonic()
        rows = [row for row in self._rows(bounds, found.since) if row.at not in found.seen]
        rows = rows[:_AT_ONCE]
        found.seen.update(row.at for row in rows)
        found.shown += len(rows)
        return Live(tuple(rows), bounds.until, call.since)

    def tick(self) -> None:
        """End what nobody asks for any more; called every second or so."""
        late = self._monotonic() - LEFT_AFTER
        with self._lock:
            left = [token for token, each in self._open.items() if each.asked < late]
        for token in left:
            self._end(token)

    def close(self) -> None:
        """End all."""
        for token in list(self._open):
            self._end(token)

    # --- inside -----------------------------------------------------------------------------

    def _begin(self, who: Who, reference: str, bounds: Bounds) -> Live:
        token = self._entropy(16).hex()
        since = max(bounds.since, self._now() - _BACK)
        begun = _Observation(who, reference, since, self._monotonic())
        begun.seen.update(row.at for row in self._rows(bounds, since))
        with self._lock:
            if len(self._open) >= _MOST:
                raise Refused("unavailable", "Too many observations go on; end one, or try later.")
            self._open[token] = begun
        try:
            self._desk.note(LOOK, who, reference, None, {"live": "began"})
        except Refused:
            with self._lock:
                del self._open[token]
            raise
        return Live((), bounds.until, token)

    def _end(self, token: str) -> None:
        with self._lock:
            found = self._open.pop(token, None)
        if found is not None:
            outcome = {"live": "ended", "rows": found.shown}
            self._desk.note(LOOK, found.who, found.authorisation, None, outcome)

    def _rows(self, bounds: Bounds, since: datetime) -> list[Row]:
        question = Question(since=since, newest_first=False)
        try:
            return list(self._store.every(bounds, question))
        except StoreError as problem:
            raise Refused("unavailable", f"Records cannot be read just now. ({problem})") from (
                problem
            )
