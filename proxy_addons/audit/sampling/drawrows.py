"""A draw within a transaction: its roster, what is drawn, its record.

In: a connection, a plan, what the register has checked. Out: rows; what the step says of them.
Must never: be called before the rules (rules.py) have been asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, update

from proxy_addons.audit.sampling import rows
from proxy_addons.audit.sampling.commitment import Secret, seed_of
from proxy_addons.audit.sampling.drawing import draw as draw_from
from proxy_addons.audit.sampling.plan import DrawState
from proxy_addons.audit.sampling.record import DrawRecord
from proxy_addons.audit.sampling.roster import snapshot
from proxy_addons.audit.sampling.strata import RosterError
from proxy_addons.standing.problems import StepRefusedError
from proxy_addons.standing.tables_sampling import sampling_draws

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from proxy_addons.audit.sampling.plan import Draw, Plan
    from proxy_addons.audit.sampling.strata import Entry


@dataclass(frozen=True, slots=True)
class NewDraw:
    """What a draw begins with.

    Attributes:
        number: in its plan.
        reason: why it is drawn again; "" for the first.
        by: who begins it.
        at: when.
        salt: of its roster's hashes.
    """

    number: int
    reason: str
    by: str
    at: datetime
    salt: bytes = field(repr=False)


def begin(
    connection: Connection, plan: Plan, new: NewDraw, entries: tuple[Entry, ...]
) -> dict[str, Any]:
    """Write a draw and its roster.

    Raises:
        StepRefusedError: nobody could be drawn from that roster as it is.
    """
    try:
        seen = snapshot(entries, new.salt)
    except RosterError as problem:
        # Nothing is changed.
        raise StepRefusedError("roster", f"{problem}.") from problem
    draw = connection.execute(
        insert(sampling_draws)
        .values(
            plan=plan.id,
            number=new.number,
            state=DrawState.OPEN,
            reason=new.reason,
            made_by=new.by,
            made_at=new.at,
            people=len(entries),
            roster_digest=seen.digest,
        )
        .returning(sampling_draws.c.id)
    ).scalar_one()
    rows.put_roster(connection, draw, entries, seen)
    return {"draw": new.number, "people": len(entries), "roster": seen.digest}


def carry_out(connection: Connection, plan: Plan, draw: Draw, now: datetime) -> dict[str, Any]:
    """Draw, once both secrets are revealed."""
    psd, second = (Secret.parse(text or "") for text in rows.secrets_of(connection, draw))
    seed = seed_of(plan.reference, draw.number, psd, second)
    drawn = draw_from(seed, rows.roster_of(connection, draw), plan.period, plan.size)
    rows.put_samples(connection, plan, draw, drawn)
    connection.execute(
        update(sampling_draws)
        .where(sampling_draws.c.id == draw.id)
        .values(state=DrawState.DRAWN, drawn_at=now, taken=len(drawn))
    )
    return {"draw": draw.number, "taken": len(drawn), "roster": draw.roster_digest}


def record_of(connection: Connection, plan: Plan, draw: Draw) -> DrawRecord:
    """All that a draw that was carried out follows from."""
    psd_secret, second_secret = rows.secrets_of(connection, draw)
    salt, hashes = rows.hashes_of(connection, draw)
    return DrawRecord(
        plan=plan.reference,
        number=draw.number,
        reason=draw.reason,
        first_week=plan.first_week,
        weeks=plan.weeks,
        size=plan.size,
        roster_digest=draw.roster_digest,
        roster_salt=salt,
        roster_hashes=hashes,
        psd_commitment=draw.psd_commitment or "",
        second_commitment=draw.second_commitment or "",
        psd_secret=psd_secret or "",
        second_secret=second_secret or "",
        tickets=rows.tickets_of(connection, plan, draw),
    )
