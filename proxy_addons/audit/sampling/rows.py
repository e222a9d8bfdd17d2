"""Plans, draws and samples out of their tables, and what is written there.

In: a connection. Out: the frozen values of plan.py.
Must never: join a sample with its name, but for the one that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from proxy_addons.audit.sampling.plan import Draw, DrawState, Outcome, Plan, PlanState, Sample
from proxy_addons.audit.sampling.strata import Entry, Stratum, strata_of
from proxy_addons.standing.problems import UnknownReferenceError
from proxy_addons.standing.tables_sampling import (
    DIGEST,
    sampling_draws,
    sampling_names,
    sampling_plans,
    sampling_roster,
    sampling_samples,
    sampling_snapshots,
    sampling_strata,
)
from proxy_addons.standing.weeks import Week

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Connection, Row

    from proxy_addons.audit.sampling.drawing import Drawn
    from proxy_addons.audit.sampling.roster import Snapshot

_AT_ONCE = 1000  # rows of one statement


def plan_of(connection: Connection, reference: str) -> Plan:
    """One plan.

    Raises:
        UnknownReferenceError: there is none of this reference.
    """
    wanted = reference.strip().upper()
    row = connection.execute(
        select(sampling_plans).where(sampling_plans.c.reference == wanted)
    ).one_or_none()
    if row is None:
        raise UnknownReferenceError(reference)
    return _plan(row)


def plans(connection: Connection) -> tuple[Plan, ...]:
    """All of them, the oldest first."""
    rows = connection.execute(select(sampling_plans).order_by(sampling_plans.c.id))
    return tuple(map(_plan, rows))


def plan_with(connection: Connection, sample: Sample) -> Plan:
    """The plan of a sample."""
    return _plan(
        connection.execute(select(sampling_plans).where(sampling_plans.c.id == sample.plan)).one()
    )


def draws_of(connection: Connection, plan: Plan) -> tuple[Draw, ...]:
    """The draws of a plan, the first one first."""
    columns = sampling_draws.c
    rows = connection.execute(
        select(sampling_draws).where(columns.plan == plan.id).order_by(columns.number)
    )
    return tuple(map(_draw, rows))


def last_draw(connection: Connection, plan: Plan) -> Draw | None:
    """The draw that counts, if there is any."""
    found = draws_of(connection, plan)
    return found[-1] if found else None


def samples_of(connection: Connection, plan: Plan) -> tuple[Sample, ...]:
    """The samples of all draws of a plan."""
    return _samples(connection, sampling_samples.c.plan == plan.id)


def all_samples(connection: Connection) -> tuple[Sample, ...]:
    """The samples of all plans."""
    return _samples(connection, sampling_samples.c.id > 0)


def sample_of(connection: Connection, pseudonym: str) -> Sample:
    """One sample.

    Raises:
        UnknownReferenceError: there is none of this pseudonym.
    """
    found = _samples(connection, sampling_samples.c.pseudonym == pseudonym.strip().upper())
    if not found:
        raise UnknownReferenceError(pseudonym)
    return found[0]


def name_of(connection: Connection, sample: Sample) -> str | None:
    """Whose sample it is; None once that was deleted."""
    found: str | None = connection.execute(
        select(sampling_names.c.person).where(sampling_names.c.sample == sample.id)
    ).scalar_one_or_none()
    return found


def first_for(connection: Connection, plan: Plan, draw: Draw, reviewer: str) -> Sample | None:
    """The next sample of a draw that nobody has taken, and that is not the reviewer's own."""
    columns = sampling_samples.c
    row = connection.execute(
        select(sampling_samples)
        .join(sampling_names, sampling_names.c.sample == columns.id)
        .where(
            columns.plan == plan.id,
            columns.draw == draw.number,
            columns.reviewer.is_(None),
            sampling_names.c.person != reviewer,
        )
        .order_by(columns.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _sample(row)


def put_roster(
    connection: Connection, draw: int, entries: Collection[Entry], seen: Snapshot
) -> None:
    """Keep the roster of a draw, and its hashes."""
    values = {"draw": draw, "salt": seen.salt.hex(), "hashes": "".join(seen.hashes)}
    connection.execute(insert(sampling_snapshots).values(values))
    strata = [
        {"draw": draw, "service": each.service, "unit": each.unit, "people": len(people)}
        for each, people in strata_of(entries).items()
    ]
    connection.execute(insert(sampling_strata), strata)
    rows = [
        {
            "draw": draw,
            "person": entry.person,
            "service": entry.stratum.service,
            "unit": entry.stratum.unit,
        }
        for entry in sorted(entries)
    ]
    for first in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(sampling_roster), rows[first : first + _AT_ONCE])


def roster_of(connection: Connection, draw: Draw) -> tuple[Entry, ...]:
    """The roster of a draw; empty once it was disposed of."""
    columns = sampling_roster.c
    rows = connection.execute(
        select(sampling_roster).where(columns.draw == draw.id).order_by(columns.person)
    )
    return tuple(Entry.of(row.person, row.service, row.unit) for row in rows)


def hashes_of(connection: Connection, draw: Draw) -> tuple[str, tuple[str, ...]]:
    """The salt and the hashes of a draw's roster, in hexadecimal digits."""
    row = connection.execute(
        select(sampling_snapshots).where(sampling_snapshots.c.draw == draw.id)
    ).one()
    joined: str = row.hashes
    return row.salt, tuple(
        joined[first : first + DIGEST] for first in range(0, len(joined), DIGEST)
    )


def secrets_of(connection: Connection, draw: Draw) -> tuple[str | None, str | None]:
    """What was revealed: PSD's, the second party's."""
    row = connection.execute(
        select(sampling_draws.c.psd_secret, sampling_draws.c.second_secret).where(
            sampling_draws.c.id == draw.id
        )
    ).one()
    return row.psd_secret, row.second_secret


def tickets_of(connection: Connection, plan: Plan, draw: Draw) -> tuple[str, ...]:
    """The tickets of a draw, in the order of its samples."""
    columns = sampling_samples.c
    rows = connection.execute(
        select(columns.ticket)
        .where(columns.plan == plan.id, columns.draw == draw.number)
        .order_by(columns.id)
    )
    return tuple(rows.scalars())


def put_samples(connection: Connection, plan: Plan, draw: Draw, drawn: Iterable[Drawn]) -> None:
    """Keep what was drawn: the samples, and their names apart."""
    for number, each in enumerate(drawn, 1):
        made = connection.execute(
            insert(sampling_samples)
            .values(
                plan=plan.id,
                draw=draw.number,
                pseudonym=f"{plan.reference}/{draw.number}-{number:03}",
                monday=each.week.monday,
                service=each.stratum.service,
                unit=each.stratum.unit,
                ticket=each.ticket,
                note="",
            )
            .returning(sampling_samples.c.id)
        ).scalar_one()
        connection.execute(insert(sampling_names).values(sample=made, person=each.person))


def forget_name(connection: Connection, sample: Sample) -> None:
    """From now on nobody can tell from here whose sample it was."""
    connection.execute(delete(sampling_names).where(sampling_names.c.sample == sample.id))


def _samples(connection: Connection, where: ColumnElement[bool]) -> tuple[Sample, ...]:
    rows = connection.execute(select(sampling_samples).where(where).order_by(sampling_samples.c.id))
    return tuple(map(_sample, rows))


def _plan(row: Row[Any]) -> Plan:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for it
    values["state"] = PlanState(values["state"])
    values["first_week"] = Week(values.pop("first_day"))
    values["codes"] = {code: Outcome(means) for code, means in values["codes"].items()}
    return Plan(**values)


def _draw(row: Row[Any]) -> Draw:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    values["state"] = DrawState(values["state"])
    for party in ("psd", "second"):
        values[f"{party}_revealed"] = values.pop(f"{party}_secret") is not None
    return Draw(**values)


def _sample(row: Row[Any]) -> Sample:
    values = dict(row._mapping)  # noqa: SLF001 - as above
    values["week"] = Week(values.pop("monday"))
    values["stratum"] = Stratum(values.pop("service"), values.pop("unit"))
    values["outcome"] = None if values["outcome"] is None else Outcome(values["outcome"])
    del values["ticket"]
    return Sample(**values)
