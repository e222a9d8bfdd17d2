"""Telling others: what waits in the outbox is delivered, again and again, until it is given up.

In: the outbox in the standing store, ways of delivery. Out: rows marked as delivered, waiting for
another attempt, or given up, which the alert's page shows.
Must never: hold up counting (it has a thread of its own); call delivered what nobody answered for.

An attempt that was cut off by a kill is made again: a receiver tells it by the reference, which is
the message's id and the idempotency key.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select, update

from proxy_addons.audit.mailserver import MailingError
from proxy_addons.standing.tables_alerts import alert_deliveries, alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Row

    from proxy_addons.standing.store import Store

logger = logging.getLogger("watchhouse.alerts")

POLL: Final = 1.0  # seconds between looks while nothing is due
FIRST_PAUSE: Final = 5.0  # seconds; doubled after each failure
LONGEST_PAUSE: Final = 3600.0
GIVEN_UP: Final = timedelta(days=3)
RECENT: Final = timedelta(days=1)
"""For so long it is said that something was given up."""
_AT_ONCE: Final = 20
_PROBLEM: Final = 300  # characters kept


class UndeliveredError(Exception):
    """It was not delivered; the text says why. No secret is in it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How telling others goes, by one way.

    Attributes:
        way: `mail` or `webhook`.
        waiting: how many messages are not delivered yet.
        failing: how many of these were tried and came back.
        oldest: when the alert of the oldest one was raised (Unix time); 0: none waits.
        given_up: how many were given up since `RECENT`.
    """

    way: str
    waiting: int
    failing: int
    oldest: float
    given_up: int


type Way = Callable[[str, str, str], None]
"""Delivers (reference, target, body). Raises `UndeliveredError` or `MailingError`."""


class Outbox:
    """Delivers. For one thread.

    Args:
        store: where the outbox is.
        ways: `mail` and `webhook`.
        gateway: only what this one raised is delivered.
        clock: Unix time.
        entropy: numbers from 0 to 1, for pauses that differ between gateways.
    """

    def __init__(
        self,
        store: Store,
        ways: Mapping[str, Way],
        gateway: str,
        clock: Callable[[], float],
        entropy: Callable[[], float],
    ) -> None:
        self._store = store
        self._ways = ways
        self._gateway = gateway
        self._clock = clock
        self._entropy = entropy

    def step(self) -> float:
        """Try what is due, once each.

        Returns:
            Seconds to wait before the next step.

        Raises:
            StandingUnavailableError: the store does not answer; nothing is lost.
        """
        due = self._due()
        for row in due:
            self._try(row)
        return 0.0 if len(due) == _AT_ONCE else POLL

    def waiting(self) -> tuple[Waiting, ...]:
        """How it goes, by each way that has something to say.

        Raises:
            StandingUnavailableError: the store does not answer.
        """
        columns = alert_deliveries.c
        waits, gone = columns.state == "waiting", columns.state == "given-up"
        question = (
            select(
                columns.way,
                func.count().filter(waits),
                func.count().filter(waits, columns.attempts > 0),
                func.min(alerts.c.raised_at).filter(waits),
                func.count().filter(gone),
            )
            .join(alerts, alerts.c.id == columns.entry)
            .where(
                columns.gateway == self._gateway,
                or_(waits, and_(gone, columns.ended_at > self._now() - RECENT)),
            )
            .group_by(columns.way)
            .order_by(columns.way)
        )
        with self._store.looking() as connection:
            return tuple(
                Waiting(way, waiting, failing, oldest.timestamp() if oldest else 0.0, given_up)
                for way, waiting, failing, oldest, given_up in connection.execute(question)
            )

    def _due(self) -> list[Row[Any]]:
        columns = alert_deliveries.c
        question = (
            select(alert_deliveries, alerts.c.reference, alerts.c.raised_at)
            .join(alerts, alerts.c.id == columns.entry)
            .where(
                columns.state == "waiting",
                columns.gateway == self._gateway,
                columns.next_at <= self._now(),
            )
            .order_by(columns.next_at, columns.id)
            .limit(_AT_ONCE)
        )
        with self._store.looking() as connection:
            return list(connection.execute(question))

    def _try(self, row: Row[Any]) -> None:
        try:
            self._ways[row.way](row.reference, row.target, row.body)
        except (UndeliveredError, MailingError) as problem:
            # It stays in the outbox, or is marked as given up.
            self._failed(row, str(problem)[:_PROBLEM])
            return
        self._mark(row, state="delivered", problem="", ended_at=self._now())

    def _failed(self, row: Row[Any], problem: str) -> None:
        now = self._now()
        if now - row.raised_at >= GIVEN_UP:
            logger.error(
                "alerts: %s is given up for %s %s: %s", row.reference, row.way, row.target, problem
            )
            self._mark(row, state="given-up", problem=problem, ended_at=now)
            return
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts, 12))
        pause *= 0.5 + self._entropy() / 2
        if row.attempts in {0, 5} or row.attempts % 20 == 0:
            logger.warning(
                "alerts: %s does not reach %s %s: %s", row.reference, row.way, row.target, problem
            )
        self._mark(row, state="waiting", problem=problem, next_at=now + timedelta(seconds=pause))

    def _mark(self, row: Row[Any], **values: Any) -> None:
        columns = alert_deliveries.c
        with self._store.noting() as connection:
            connection.execute(
                update(alert_deliveries)
                .where(columns.id == row.id)
                .values(attempts=row.attempts + 1, **values)
            )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
