"""Writing alerts into the queue: each once, whoever says it and how often.

In: episodes, as they are now. Out: rows of the standing store, with what is to be delivered, in the
transaction that raises the alert.
Must never: add to a count: what is written is the whole, so that writing it again changes nothing.

An alert is of one id, one person and one time. What another gateway counted of the same person at
the same time becomes part of the same alert.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, insert, or_, select, update

from proxy_addons.audit.alerts.letters import document
from proxy_addons.standing.actor import CLOCK
from proxy_addons.standing.numbering import next_reference
from proxy_addons.standing.steps import Step, append
from proxy_addons.standing.tables_alerts import alert_deliveries, alert_parts, alert_steps, alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from proxy_addons.audit.alerts.windows import Episode
    from proxy_addons.settings.alerts import Alert
    from proxy_addons.standing.store import Store

PREFIX: Final = "AL"
WATCHHOUSE: Final = "watchhouse"


class Raising:
    """Writes episodes.

    Args:
        store: where the queue is.
        known: all alerts of the settings.
        gateway: name of this one.
        clock: the time now, aware.
    """

    def __init__(
        self, store: Store, known: Iterable[Alert], gateway: str, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._known = {each.id: each for each in known}
        self._gateway = gateway
        self._clock = clock

    def write(self, episodes: Iterable[Episode]) -> int:
        """Write episodes as they are now.

        Returns:
            How many alerts were raised.

        Raises:
            StandingUnavailableError: the store does not answer. Write them again.
        """
        listed = list(episodes)
        if not listed:
            return 0
        with self._store.noting() as connection:
            new = [each for each in listed if not self._updated(connection, each)]
        if not new:
            return 0
        raised = 0
        with self._store.changing() as connection:  # one after another, of all gateways
            for each in new:
                if not self._updated(connection, each):
                    raised += self._added(connection, each)
        return raised

    def _updated(self, connection: Connection, episode: Episode) -> bool:
        parts = alert_parts.c
        done = connection.execute(
            update(alert_parts)
            .where(
                parts.gateway == self._gateway,
                parts.alert == episode.alert,
                parts.kind == episode.kind,
                parts.who == episode.who,
                parts.window_start == _moment(episode.start * 60),
            )
            .values(**_counted(episode))
        )
        return done.rowcount > 0

    def _added(self, connection: Connection, episode: Episode) -> bool:
        """Write a part that is new. Returns whether it is an alert that is new."""
        entry = self._other(connection, episode)
        raised = entry is None
        if entry is None:
            entry = self._raised(connection, episode)
        connection.execute(
            insert(alert_parts).values(
                entry=entry,
                gateway=self._gateway,
                alert=episode.alert,
                kind=episode.kind,
                who=episode.who,
                window_start=_moment(episode.start * 60),
                **_counted(episode),
            )
        )
        return raised

    def _other(self, connection: Connection, episode: Episode) -> int | None:
        """An alert of the same at the same time that other gateways raised."""
        columns, parts = alerts.c, alert_parts.c
        start, until = _moment(episode.start * 60), _moment(episode.until * 60)
        ours = select(parts.entry).where(parts.gateway == self._gateway)
        overlaps = and_(
            columns.window_start < until, columns.until > start, columns.id.not_in(ours)
        )
        found: int | None = connection.execute(
            select(columns.id)
            .where(
                columns.alert == episode.alert,
                columns.kind == episode.kind,
                columns.who == episode.who,
                or_(columns.window_start == start, overlaps),
            )
            .order_by(columns.id)
            .limit(1)
        ).scalar_one_or_none()
        return found

    def _raised(self, connection: Connection, episode: Episode) -> int:
        now = self._clock()
        alert = self._known[episode.alert]
        reference = next_reference(connection, PREFIX, now.astimezone(UTC).year)
        number: int = connection.execute(
            insert(alerts)
            .values(
                reference=reference,
                alert=alert.id,
                severity=alert.severity,
                clause=alert.clause,
                words=alert.words,
                measure=alert.measure,
                threshold=alert.threshold,
                within=alert.within,
                kind=episode.kind,
                who=episode.who,
                window_start=_moment(episode.start * 60),
                until=_moment(episode.until * 60),
                raised_at=now,
                state="new",
            )
            .returning(alerts.c.id)
        ).scalar_one()
        # The trail has this step too: which alert, and not about whom.
        said = {"alert": alert.id, "severity": alert.severity}
        append(
            connection, alert_steps, number, Step(now, "alert-raised", WATCHHOUSE, CLOCK, "", said)
        )
        body = document(reference, alert, episode, self._gateway, now)
        targets = [("mail", each) for each in alert.mails]
        targets += [("webhook", each) for each in alert.webhooks]
        for way, target in dict.fromkeys(targets):
            connection.execute(
                insert(alert_deliveries).values(
                    entry=number,
                    gateway=self._gateway,
                    way=way,
                    target=target,
                    body=body,
                    state="waiting",
                    attempts=0,
                    next_at=now,
                    problem="",
                )
            )
        return number


def _counted(episode: Episode) -> dict[str, Any]:
    return {
        "first_at": _moment(episode.first),
        "last_at": _moment(episode.last),
        "records": episode.records,
        "amount": episode.amount,
        "late": episode.late,
        "ids": list(episode.ids),
    }


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
