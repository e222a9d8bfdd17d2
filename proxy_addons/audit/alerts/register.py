"""The queue of alerts: what waits, and what was done about each.

In: who acts, on which alert, why. Out: alerts as they are then; their steps, for good.
Must never: raise an alert (raising.py does); show anything of the access log.

All methods block: callers in an event loop use a thread.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from proxy_addons.audit.alerts import rules
from proxy_addons.audit.alerts.model import AlertState, QueuedAlert, Told
from proxy_addons.standing import rules as texts
from proxy_addons.standing.problems import StaleViewError, UnknownReferenceError
from proxy_addons.standing.steps import Step, append, steps_of, steps_since
from proxy_addons.standing.tables_alerts import alert_deliveries, alert_parts, alert_steps, alerts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection, Row, RowMapping

    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

_IDS = 100  # references shown of an alert


class Alerts:
    """The queue.

    Every step may raise `StepRefusedError` (a rule; nothing is changed), `StaleViewError` and
    `StandingUnavailableError`.

    Args:
        store: where it is kept.
        clock: the time now, aware.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._clock = clock

    # --- questions --------------------------------------------------------------------------------

    def get(self, reference: str) -> QueuedAlert:
        """One alert.

        Raises:
            UnknownReferenceError: there is none of this reference.
        """
        with self._store.reading() as connection:
            return _get(connection, reference)

    def some(
        self,
        *,
        closed: bool | None = None,
        alert: str = "",
        severity: str = "",
        who: str = "",
        but: str = "",
        most: int = 200,
    ) -> tuple[QueuedAlert, ...]:
        """Those that meet all that is given; the newest first, at most so many.

        Args:
            closed: whether they are closed; None: both.
            alert: id.
            severity: of the alert.
            who: exact name or address.
            but: name of somebody about whom none are given.
            most: how many.
        """
        columns = alerts.c
        conditions: list[Any] = []
        if closed is not None:
            is_closed = columns.state == AlertState.CLOSED
            conditions.append(is_closed if closed else ~is_closed)
        for column, value in ((columns.alert, alert), (columns.severity, severity)):
            if value:
                conditions.append(column == value)
        if who:
            conditions.append(func.lower(columns.who) == who.lower())
        if but:
            about = (columns.kind == "person") & (func.lower(columns.who) == but.lower())
            conditions.append(~about)
        with self._store.reading() as connection:
            return _some(connection, conditions, most)

    def steps(self, reference: str) -> tuple[Step, ...]:
        """Its steps, oldest first."""
        with self._store.reading() as connection:
            return steps_of(connection, alert_steps, _get(connection, reference).id)

    def steps_since(self, number: int, most: int = 1000) -> tuple[tuple[int, str, Step], ...]:
        """Steps of all alerts after a number: what the trail has not recorded yet."""
        with self._store.reading() as connection:
            return steps_since(connection, alert_steps, alerts, number, most)

    def told(self, reference: str) -> tuple[Told, ...]:
        """Who was to be told of it, and whether they were."""
        columns = alert_deliveries.c
        with self._store.reading() as connection:
            entry = _get(connection, reference).id
            rows = connection.execute(
                select(alert_deliveries).where(columns.entry == entry).order_by(columns.id)
            )
            return tuple(
                Told(row.way, row.target, row.state, row.attempts, row.problem, row.ended_at)
                for row in rows
            )

    # --- steps ------------------------------------------------------------------------------------

    def see(self, actor: Actor, reference: str, *, seen: int) -> QueuedAlert:
        """Take note of it."""
        with self._step(actor, reference, seen, "take note of an alert") as (connection, found):
            rules.new(found)
            return self._taken(connection, found, actor, "alert-seen", "", AlertState.SEEN)

    def request(
        self, actor: Actor, reference: str, *, seen: int, authorisation: str
    ) -> QueuedAlert:
        """Note which authorisation was applied for.

        Args:
            actor: of professional standards.
            reference: of the alert.
            seen: the revision that the actor looked at.
            authorisation: reference of the application.
        """
        asked = rules.reference(authorisation)
        with self._step(actor, reference, seen, "ask for an authorisation") as (connection, found):
            rules.undecided(found)
            return self._taken(
                connection,
                found,
                actor,
                "alert-requested",
                "",
                AlertState.REQUESTED,
                authorisation=asked,
            )

    def close(
        self, actor: Actor, reference: str, *, seen: int, outcome: str, why: str
    ) -> QueuedAlert:
        """Close it.

        Args:
            actor: of professional standards.
            reference: of the alert.
            seen: the revision that the actor looked at.
            outcome: code of `OUTCOMES`.
            why: remark, at least 10 characters.
        """
        code = rules.outcome(outcome)
        why = texts.reason(why, clause=rules.CLAUSE)
        with self._step(actor, reference, seen, "close an alert") as (connection, found):
            rules.undecided(found)
            return self._taken(
                connection, found, actor, "alert-closed", why, AlertState.CLOSED, outcome=code
            )

    # --- inside -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(
        self, actor: Actor, reference: str, seen: int, doing: str
    ) -> Iterator[tuple[Connection, QueuedAlert]]:
        """One transaction on one alert, which is as the actor saw it and stays so meanwhile."""
        with self._store.changing() as connection:
            found = _get(connection, reference)
            rules.may_act(actor, found, doing)
            if found.revision != seen:
                steps = steps_of(connection, alert_steps, found.id)
                raise StaleViewError(found.reference, steps[max(0, seen) :])
            yield connection, found

    def _taken(
        self,
        connection: Connection,
        found: QueuedAlert,
        actor: Actor,
        kind: str,
        why: str,
        state: AlertState,
        **values: str,
    ) -> QueuedAlert:
        connection.execute(
            update(alerts).where(alerts.c.id == found.id).values(state=state, **values)
        )
        step = Step.by(actor, self._clock(), kind, why, values)
        append(connection, alert_steps, found.id, step)
        return _get(connection, found.reference)


def _get(connection: Connection, reference: str) -> QueuedAlert:
    found = _some(connection, [alerts.c.reference == reference.strip().upper()], 1)
    if not found:
        raise UnknownReferenceError(reference)
    return found[0]


def _some(connection: Connection, conditions: list[Any], most: int) -> tuple[QueuedAlert, ...]:
    revision = (
        select(func.count())
        .where(alert_steps.c.entry == alerts.c.id)
        .scalar_subquery()
        .label("revision")
    )
    question = select(alerts, revision).where(*conditions).order_by(alerts.c.id.desc()).limit(most)
    rows = connection.execute(question).all()
    parts: dict[int, list[Row[Any]]] = {row.id: [] for row in rows}
    counted = select(alert_parts).where(alert_parts.c.entry.in_(list(parts)))
    for part in connection.execute(counted.order_by(alert_parts.c.id)):
        parts[part.entry].append(part)
    return tuple(_from_rows(row._mapping, parts[row.id]) for row in rows)  # noqa: SLF001 - SQLAlchemy's documented name for it


def _from_rows(row: RowMapping, parts: Iterable[Row[Any]]) -> QueuedAlert:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    for name in ("window_start", "until"):
        del values[name]
    values["state"] = AlertState(values["state"])
    listed = list(parts)
    ids = dict.fromkeys(each for part in listed for each in part.ids)
    return QueuedAlert(
        **values,
        first_at=min(part.first_at for part in listed),
        last_at=max(part.last_at for part in listed),
        records=sum(part.records for part in listed),
        amount=sum(part.amount for part in listed),
        late=sum(part.late for part in listed),
        ids=tuple(ids)[:_IDS],
    )
