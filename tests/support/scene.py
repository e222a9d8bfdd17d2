"""Scenes: settings and times that many end-to-end tests share."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import holidays

if TYPE_CHECKING:
    from support.web import Web


def through(web: Web, **more: Any) -> dict[str, Any]:
    """Settings of a gateway whose web is the tests' own, behind a parent proxy."""
    return {
        "network": {"upstream_proxy": f"http://127.0.0.1:{web.parent}"},
        "tls": {"trusted_ca_file": str(web.authority.file)},
        **more,
    }


def working_time(clock: str) -> str:
    """The latest Tuesday, not in the future, that is a working day, at `clock`; for faketime.

    Near enough to today that certificates made on one clock are valid on the other.
    """
    day = date.today()  # noqa: DTZ011 - the machine's own day is what is meant
    bank_holidays = holidays.country_holidays("GB", subdiv="ENG")
    while day.isoweekday() != 2 or day in bank_holidays:
        day -= timedelta(days=1)
        if (date.today() - day).days > 6:  # noqa: DTZ011 - that Tuesday was a bank holiday
            return f"{date.today() - timedelta(days=1)} {clock}"  # noqa: DTZ011
    return f"{day} {clock}"
