"""A portal with alerts in its queue.

In: a folder. Out: the served portal; paul and pia are of professional standards.
Must never: write past the way by which alerts are raised.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy_addons.audit.alerts.raising import Raising
from proxy_addons.audit.alerts.windows import Episode
from proxy_addons.standing import open_store
from support.alerting import alert
from support.portal import NOON, House, roles, served, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MINUTE = int(NOON.timestamp() // 60)
ONE = Episode(
    *("evasion", "person", "jane", MINUTE, MINUTE + 60, NOON.timestamp(), NOON.timestamp() + 90),
    *(3, 3),
    ids=("0TRG-P701-4HM6", "0TRG-P702-4HM7"),
)
ALERTS = (
    alert("evasion", measure="hosts", threshold=3, severity="high", mails=("psd@force.example",)),
    alert("excessive-upload", measure="up", threshold=2 * 10**9),
)


@asynccontextmanager
async def alerted(folder: Path) -> AsyncIterator[House]:
    """The portal: an alert about jane, one about a computer with an odd name, one about paul."""
    given = roles(psd="paul pia", auditor="audrey")
    names = ("jane", "paul", "pia", "audrey")
    settings = settings_for(folder, given=given, names=names, alerts=ALERTS)
    store = open_store(settings.standing, settings.paths)
    odd = replace(ONE, who="<b>x", kind="client", alert="excessive-upload", amount=2_500_000_000)
    writer = Raising(store, ALERTS, "gw1", lambda: datetime(2026, 11, 23, 12, 2, tzinfo=UTC))
    writer.write([ONE, odd, replace(ONE, who="paul")])
    store.close()
    async with served(settings) as made:
        yield made
