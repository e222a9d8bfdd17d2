"""What stands beside an authorisation and goes when its period is over: what may go, and going.

In: the store, the schedule, holds. Out: items for `due`; rows that are gone, with certificates.
Must never: take anything of an authorisation that has not ended; erase what a hold covers, also one
that was placed a moment ago; leave an erasure without a certificate (both are one transaction).

These are saved searches (what somebody looked for) and the names of colleagues of a comparison.
The authorisation itself, its steps, and that there was a comparison, stay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from proxy_addons.audit.authority.model import State
from proxy_addons.audit.authority.rows import matching
from proxy_addons.audit.noted import no_trail
from proxy_addons.audit.retention.certificates import Erased, digest_of, issue
from proxy_addons.audit.retention.due import Fate, Item, due
from proxy_addons.audit.retention.holds import Holds
from proxy_addons.audit.retention.schedule import Class
from proxy_addons.standing.tables_audit import authorisations
from proxy_addons.standing.tables_searches import authorisation_colleagues, saved_searches

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from proxy_addons.audit.authority.model import Authorisation
    from proxy_addons.audit.noted import Trail
    from proxy_addons.audit.retention.certificates import Certificate
    from proxy_addons.audit.retention.schedule import Schedule
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.store import Store

_TABLES: Final = (saved_searches, authorisation_colleagues)
_ENDED: Final = frozenset({State.REFUSED, State.WITHDRAWN, State.CANCELLED})


class Details:
    """Saved searches, and colleagues of comparisons, of authorisations that have ended. Blocks.

    Args:
        store: of all of it.
        schedule: periods.
        clock: the time now, aware.
        trail: takes each certificate.
    """

    def __init__(
        self,
        store: Store,
        schedule: Schedule,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        trail: Trail = no_trail,
    ) -> None:
        self._store, self._schedule, self._clock, self._trail = store, schedule, clock, trail
        self._holds = Holds(store, zone=schedule.zone, clock=clock)

    def inventory(self) -> tuple[Item, ...]:
        """One item for each authorisation that has ended, and has such rows; in their order."""
        with self._store.reading() as connection:
            return self._inventory(connection)

    def erase_due(self, actor: Actor) -> list[Certificate]:
        """Erase what is due and not held.

        Args:
            actor: by whom, for the certificates.

        Raises:
            StandingUnavailableError: nothing of what was not certified is gone.
        """
        made = []
        for item in self.inventory():
            with self._store.changing() as connection:
                # No hold is placed meanwhile: that waits for the end of this change.
                now, holds = self._clock(), self._holds.in_force()
                still = [each for each in self._inventory(connection) if each.name == item.name]
                for verdict in due(now, self._schedule, holds, still):
                    if verdict.fate is Fate.ERASE:
                        erased = self._erased(connection, item.name, verdict.rule)
                        made.append(issue(connection, actor, erased, now, self._trail))
        return made

    # --- inside -----------------------------------------------------------------------------

    def _inventory(self, connection: Connection) -> tuple[Item, ...]:
        numbers = {
            number
            for table in _TABLES
            for (number,) in connection.execute(select(table.c.authorisation).distinct())
        }
        if not numbers:
            return ()
        found = []
        for each in matching(connection):
            ended = ended_at(each, self._clock()) if each.id in numbers else None
            if ended is not None:
                found.append(_item(each, ended, len(_rows(connection, each.id))))
        return tuple(found)

    def _erased(self, connection: Connection, reference: str, rule: str) -> Erased:
        (found,) = matching(connection, authorisations.c.reference == reference)
        rows = _rows(connection, found.id)
        for table in _TABLES:
            connection.execute(delete(table).where(table.c.authorisation == found.id))
        return Erased(
            kind=Class.DETAILS,
            # Certificates are read by who may not know that there was this authorisation.
            subject="saved searches, and colleagues of a comparison, of an authorisation",
            since=found.begins,
            until=found.ends,
            records=len(rows),
            segments=0,
            rule=rule,
            digest=digest_of(rows),
        )


def ended_at(found: Authorisation, now: datetime) -> datetime | None:
    """When an authorisation ended for good; None: it has not."""
    state = found.state_at(now)
    if state in _ENDED:
        return found.ended_at
    if state is not State.EXPIRED:
        return None
    return min(filter(None, (found.valid_until, found.written_by)))


def _item(found: Authorisation, ended: datetime, records: int) -> Item:
    return Item(
        name=found.reference,
        kind=Class.DETAILS,
        counted_from=ended,
        since=found.begins,
        until=found.ends,
        persons=frozenset(found.subjects) or None,
        authorisations=frozenset({found.reference}),
        records=records,
    )


def _rows(connection: Connection, number: int) -> list[str]:
    """What there is, as the certificate's digest is made of it."""
    return [
        "\n".join((table.name, *map(_text, row)))
        for table in _TABLES
        for row in connection.execute(select(table).where(table.c.authorisation == number))
    ]


def _text(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
