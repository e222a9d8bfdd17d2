"""W3C Extended Log File Format with the fields of ProxySG's main log.

In: a record. Out: header lines; one line of 25 fields, or None for what is not over.
Must never: let a quotation mark in a value end it.

https://www.w3.org/TR/WD-logfile.html; the order of the fields is that of ProxySG's `main` format,
so that tools that know it read ours. Two things follow ProxySG where the W3C's draft says
otherwise: `time-taken` is in milliseconds, and `cs-uri-query` begins with its question mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from proxy_addons.accesslog.feeds.where import PRODUCT
from proxy_addons.accesslog.formats.values import (
    NOTHING,
    ended,
    escaped,
    is_over,
    is_refused,
    is_tunnel,
    media_type,
    names,
    number,
)

if TYPE_CHECKING:
    from datetime import datetime
    from urllib.parse import SplitResult

    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.accesslog.formats.values import Record

FIELDS: Final = (
    "date", "time", "time-taken", "c-ip", "cs-username", "cs-auth-group", "x-exception-id",
    "sc-filter-result", "cs-categories", "cs(Referer)", "sc-status", "s-action", "cs-method",
    "rs(Content-Type)", "cs-uri-scheme", "cs-host", "cs-uri-port", "cs-uri-path", "cs-uri-query",
    "cs-uri-extension", "cs(User-Agent)", "s-ip", "sc-bytes", "cs-bytes", "x-virus-id",
)  # fmt: skip
"""The fields in their order. `cs-auth-group`, `cs(Referer)`, `cs(User-Agent)` and `s-ip` are always
`-`: the record does not have them."""

_EMPTY: Final = urlsplit("")


def header(gateway: Gateway, moment: datetime) -> tuple[str, ...]:
    """The directives at the beginning of a file.

    Args:
        gateway: that wrote the log.
        moment: when this is written, in UTC.
    """
    return (
        f"#Software: {PRODUCT} {escaped(gateway.version)}",
        "#Version: 1.0",
        f"#Date: {moment:%Y-%m-%d %H:%M:%S}",
        f"#Fields: {' '.join(FIELDS)}",
    )


def elff(record: Record) -> str | None:
    """The line of a transaction that is over; None for an opening record or a gap."""
    moment = ended(record)
    if not is_over(record) or moment is None:
        return None
    address = _EMPTY if is_tunnel(record) else _taken_apart(record.get("url"))
    refused = is_refused(record)
    last = address.path.rpartition("/")[2]
    values = {
        "date": f"{moment:%Y-%m-%d}",
        "time": f"{moment:%H:%M:%S}",
        "time-taken": number(record.get("duration_ms")),
        "c-ip": record.get("client_ip"),
        "cs-username": record.get("person"),
        "x-exception-id": record.get("rule") if refused else None,
        "sc-filter-result": "DENIED" if refused else "OBSERVED",
        "cs-categories": ";".join(names(record.get("categories"))),
        "sc-status": number(record.get("status")) or 0,
        "s-action": _action(record, refused=refused),
        "cs-method": "CONNECT" if is_tunnel(record) else record.get("method"),
        "rs(Content-Type)": media_type(record),
        "cs-uri-scheme": "tcp" if is_tunnel(record) else address.scheme,
        "cs-host": record.get("host"),
        "cs-uri-port": number(record.get("port")),
        "cs-uri-path": address.path or ("/" if address.netloc else None),
        "cs-uri-query": f"?{address.query}" if address.query else None,
        "cs-uri-extension": last.rpartition(".")[2] if "." in last else None,
        "sc-bytes": number(record.get("bytes_down")),
        "cs-bytes": number(record.get("bytes_up")),
        "x-virus-id": record.get("virus"),
    }
    return " ".join(_written(values.get(name)) for name in FIELDS)


def _action(record: Record, *, refused: bool) -> str:
    if refused:
        return "TCP_DENIED"
    return "TCP_TUNNELED" if is_tunnel(record) else "TCP_NC_MISS"


def _taken_apart(url: object) -> SplitResult:
    try:
        return urlsplit(url) if isinstance(url, str) else _EMPTY
    except ValueError:
        # It cannot be taken apart: host and port stand in fields of their own.
        return _EMPTY


def _written(value: object) -> str:
    r"""A value; where a `-` would be taken for nothing, or a quotation mark for the end, quoted."""
    text = escaped(value)
    if '"' in text or (text == NOTHING and value is not None and value != ""):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text
