"""What a worker knows of exemptions and withdrawals: one frozen reading of the store.

In: a connection for `read`; names and moments for the questions. Out: answers from memory.
Must never: ask the store, or a clock, for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from sqlalchemy import select

from proxy_addons.standing import tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class LiveExemption:
    """An exemption that is approved and not revoked; perhaps not begun, perhaps ended.

    Attributes:
        reference: `EX-2026-0001`.
        person: canonical name.
        everything: whether it opens everything but security threats.
        categories: what it opens by name.
        begins: aware, UTC; included.
        ends: aware, UTC; excluded.
    """

    reference: str
    person: str
    everything: bool
    categories: frozenset[str]
    begins: datetime
    ends: datetime

    def covers(self, at: datetime) -> bool:
        """Whether it is live at that moment."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the store, true as a whole.

    Attributes:
        version: of the store when it was read.
        withdrawn: canonical name → reference of the withdrawal in force.
        exemptions: canonical name → exemptions that are approved and not revoked.
    """

    version: int
    withdrawn: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    exemptions: Mapping[str, tuple[LiveExemption, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def exemption(self, name: str, at: datetime) -> LiveExemption | None:
        """The live exemption of somebody.

        The register approves no two for the same time. Should there be two all the same, that for
        everything counts, and among equals the one that lasts longest.

        Args:
            name: canonical.
            at: aware.
        """
        live = [each for each in self.exemptions.get(name, ()) if each.covers(at)]
        return max(
            live, key=lambda each: (each.everything, each.ends, each.reference), default=None
        )

    def changes(self, name: str, at: datetime) -> datetime | None:
        """The next moment after `at` at which `exemption(name, …)` may answer otherwise.

        Returns:
            Aware, UTC; None when the clock alone changes nothing any more.
        """
        moments = (
            moment
            for each in self.exemptions.get(name, ())
            for moment in (each.begins, each.ends)
            if moment > at
        )
        return min(moments, default=None)


EMPTY = Snapshot(0, MappingProxyType({}), MappingProxyType({}))
"""Nobody is withdrawn, nobody is exempt."""


def read(connection: Connection) -> Snapshot:
    """Read the whole of it.

    Args:
        connection: of `Store.reading`, so that the parts belong together.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    versions = tables.versions.c
    version = connection.execute(
        select(versions.version).where(versions.name == tables.STANDING)
    ).scalar_one()
    withdrawals = tables.withdrawals.c
    withdrawn = {
        row.person: row.reference
        for row in connection.execute(
            select(withdrawals.person, withdrawals.reference).where(withdrawals.lifted_at.is_(None))
        )
    }
    columns = tables.exemptions.c
    exemptions: dict[str, tuple[LiveExemption, ...]] = {}
    for row in connection.execute(
        select(
            columns.reference,
            columns.person,
            columns.everything,
            columns.categories,
            columns.begins,
            columns.ends,
        )
        .where(columns.state == "approved")
        .order_by(columns.id)
    ):
        live = LiveExemption(
            row.reference,
            row.person,
            row.everything,
            frozenset(row.categories),
            row.begins,
            row.ends,
        )
        exemptions[row.person] = (*exemptions.get(row.person, ()), live)
    return Snapshot(version, MappingProxyType(withdrawn), MappingProxyType(exemptions))
