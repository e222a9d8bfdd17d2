"""Somebody's shifts for the portal's tests: minutes used, breaks, duties, in a store of its own.

In: a store, a name, days. Out: rows, as the gateway writes them.
Must never: be a second opinion on what a rule is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from proxy_addons.settings.model import AddressEntry
from proxy_addons.settings.people import Identity
from proxy_addons.standing import tables_shifts as tables
from proxy_addons.standing.dutyday import day_of
from support.portal import NOON, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Store

both_engines = pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
"""For tests of what the store does: they run on both (tests/portal/own/conftest.py)."""
MORNING = NOON - timedelta(hours=1, minutes=30)
"""Monday 23 November 2026, 10:30: working hours, and no break of the time spaces."""


def known(folder: Path, *names: str, **changes: Any) -> Settings:
    """Settings of a portal whose gateway knows these people by their addresses."""
    addresses = tuple(
        AddressEntry(ip_network(f"10.0.{number}.0/24"), name, "standard")
        for number, name in enumerate(names, 1)
    )
    return settings_for(folder, identity=Identity(addresses=addresses), **changes)


def spend(
    store: Store, settings: Settings, person: str, at: datetime, personal: int, social: int = 0
) -> None:
    """Minutes of personal use, one after another up to a moment, the last ones social."""
    zone, turns = settings.policy.time_zone, settings.shifts.day_turns
    whole = at.replace(second=0, microsecond=0)
    with store.shifting() as (connection, change):
        for number in range(personal):
            minute = whole - timedelta(minutes=number + 1)
            connection.execute(
                insert(tables.minutes).values(
                    person=person, minute=minute, day=day_of(minute, zone, turns),
                    social=number < social, change=change,
                )
            )  # fmt: skip


def close_day(store: Store, person: str, at: datetime, personal: int, social: int) -> None:
    """A day's total, as it is kept once its minutes are not."""
    with store.noting() as connection:
        connection.execute(
            insert(tables.minute_totals).values(
                person=person, day=at.date(), personal=personal, social=social
            )
        )


def on_rota(
    store: Store, settings: Settings, person: str, duties: Iterable[tuple[datetime, datetime]]
) -> None:
    """Duties, and that the rota speaks of the days around them."""
    listed = list(duties)
    zone, turns = settings.policy.time_zone, settings.shifts.day_turns
    days = [day_of(begins, zone, turns) for begins, _ in listed]
    with store.shifting() as (connection, change):
        for begins, ends in listed:
            connection.execute(
                insert(tables.duties).values(
                    person=person, begins=begins, ends=ends, kind="duty", source="test",
                    change=change,
                )
            )  # fmt: skip
        connection.execute(
            insert(tables.rota_cover).values(
                person=person,
                first=min(days) - timedelta(days=3),
                last=max(days) + timedelta(days=3),
                change=change,
            )
        )


def with_shifts(settings: Settings, **changes: Any) -> Settings:
    """The same with other settings of personal use."""
    return replace(settings, shifts=replace(settings.shifts, **changes))
