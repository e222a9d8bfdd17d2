"""Scenes: settings and times that many end-to-end tests share."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import holidays
from mitmproxy.connection import Client, ConnectionState

if TYPE_CHECKING:
    from support.web import Web

LONDON = ZoneInfo("Europe/London")
BANK_HOLIDAYS = holidays.country_holidays("GB", subdiv="ENG")


def through(web: Web, **more: Any) -> dict[str, Any]:
    """Settings of a gateway whose web is the tests' own, behind a parent proxy."""
    return {
        "network": {"upstream_proxy": f"http://127.0.0.1:{web.parent}"},
        "tls": {"trusted_ca_file": str(web.authority.file)},
        **more,
    }


def working_time(clock: str) -> str:
    """`clock` on the day of `working_day`, as faketime takes it."""
    return f"{working_day(datetime.now(LONDON).date())} {clock}"


def working_day(today: date) -> date:
    """The latest Tuesday that is a working day; where that was a bank holiday, another working day.

    At most six days back and never in the future: a leaf that the gateway signs by that day's clock
    (valid from a day before for a week after) is then valid by the browser's real clock as well.
    """
    latest = [today - timedelta(days=back) for back in range(7)]
    working = [day for day in latest if day.isoweekday() <= 5 and day not in BANK_HOLIDAYS]
    return next((day for day in working if day.isoweekday() == 2), working[0])


def a_client(**fields: Any) -> Client:
    """mitmproxy's idea of a client, connected from loopback."""
    return Client(
        peername=("127.0.0.1", 50000),
        sockname=("127.0.0.1", 8080),
        timestamp_start=0.0,
        state=ConnectionState.OPEN,
        **fields,
    )
