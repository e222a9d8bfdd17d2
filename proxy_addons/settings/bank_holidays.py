"""Bank holidays as dates, from the `holidays` library.

In: a country and a subdivision, as that library names them (ISO 3166-2).
Out: the dates of a span of years.
Must never: guess the nearest country; a wrong name is an error with a hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import holidays

from proxy_addons.settings.problems import nearest, quoted

if TYPE_CHECKING:
    from datetime import date

YEARS_BACK = 1
"""Years before the current one, so that `explain --at` can look back."""
YEARS_AHEAD = 10
"""Years after the current one: a gateway is not expected to run longer without a restart."""


def dates(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """The bank holidays around a year.

    Args:
        country: e.g. `GB`.
        subdivision: e.g. `ENG` (England), which has those of England and Wales; or None.
        year: the current year; `YEARS_BACK` and `YEARS_AHEAD` are counted from it.

    Returns:
        Dates, substitute days included.

    Raises:
        ValueError: the library knows no such country or subdivision; the message says which are.
    """
    supported = holidays.list_supported_countries()
    if country not in supported:
        msg = f"no bank holidays are known for the country {quoted(country)}"
        raise ValueError(msg + nearest(country, supported))
    if subdivision is not None and subdivision not in supported[country]:
        msg = f"no bank holidays are known for the subdivision {quoted(subdivision)}"
        raise ValueError(msg + nearest(subdivision, supported[country]))
    years = range(year - YEARS_BACK, year + YEARS_AHEAD + 1)
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=years))
