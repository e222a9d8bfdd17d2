"""What both JSON formats need of a record: its times, its address taken apart, its identity.

In: a masked record. Out: plain values.
Must never: guess; what is not in the record is None.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.accesslog.feeds.where import Gateway

type Record = Mapping[str, Any]

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{6}Z", re.ASCII)  # record.py


def started(record: Record) -> datetime | None:
    """When the transaction began; None where the record does not say so in our way."""
    start = record.get("start")
    if not isinstance(start, str) or _STAMP.fullmatch(start) is None:
        return None
    try:
        return datetime.fromisoformat(start)
    except ValueError:
        # The thirtieth of February: no time.
        return None


def ended(record: Record) -> datetime | None:
    """When the record was made: its start and how long it took."""
    start, duration = started(record), record.get("duration_ms")
    if start is None:
        return None
    if isinstance(duration, int | float) and 0 <= duration < 1e12:
        return start + timedelta(milliseconds=duration)
    return start


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000


def identity(record: Record, gateway: Gateway) -> str:
    """What tells this record from all others: gateway, worker and number.

    The same however often it is sent: a receiver that keeps one of each has nothing twice.
    """
    return f"{gateway.name}/{record.get('worker')}/{record.get('seq')}"


def address(record: Record) -> dict[str, Any]:
    """The parts of the URL that are in it: scheme, path, query."""
    url = record.get("url")
    if not isinstance(url, str):
        return {}
    try:
        parts = urlsplit(url)
    except ValueError:
        # No address that can be taken apart; it is still shown whole.
        return {}
    if not parts.netloc:
        return {}
    found = {"scheme": parts.scheme, "path": parts.path, "query": parts.query}
    return {name: value for name, value in found.items() if value}


def ip(value: Any) -> str | None:
    """An address of the internet; None for anything else (a hashed one is none)."""
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        # Hashed by the mask: it is shown where texts are.
        return None


def without_nothing(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what is null or empty, at any depth."""
    found = {}
    for name, value in values.items():
        held = without_nothing(value) if isinstance(value, dict) else value
        if held is not None and (held or isinstance(held, int | float)):
            found[name] = held
    return found
