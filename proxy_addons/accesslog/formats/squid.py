"""Squid's native access.log, which calamaris, sarg, lightsquid and most report tools read.

In: a record. Out: one line of ten fields, or None for what Squid does not log.
Must never: name somebody as the user who has proven nothing.

The fields are those of Squid's `logformat squid`:
`%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt`. Squid writes a line when a
transaction is over, and its time is that moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.feeds.shape import milliseconds
from proxy_addons.accesslog.formats.values import (
    ended,
    escaped,
    is_over,
    is_refused,
    is_tunnel,
    media_type,
    number,
    place,
)

if TYPE_CHECKING:
    from proxy_addons.accesslog.formats.values import Record


def squid(record: Record) -> str | None:
    """The line of a transaction that is over; None for an opening record or a gap."""
    moment = ended(record)
    if not is_over(record) or moment is None:
        return None
    since_1970 = milliseconds(moment)
    status = number(record.get("status")) or 0
    tunnel = is_tunnel(record)
    method = "CONNECT" if tunnel else record.get("method")
    address = place(record) if tunnel else record.get("url") or place(record)
    fields = (
        f"{since_1970 // 1000}.{since_1970 % 1000:03}",
        f"{number(record.get('duration_ms')) or 0:6}",
        escaped(record.get("client_ip")),
        f"{_result(record)}/{status:03}",
        str(number(record.get("bytes_down")) or 0),
        escaped(method),
        escaped(address),
        escaped(record.get("person")),
        _hierarchy(record),
        escaped(media_type(record)),
    )
    return " ".join(fields)


def _result(record: Record) -> str:
    """Squid's result code. Nothing is ever answered from a cache: there is none."""
    if is_refused(record):
        return "TCP_DENIED"
    if is_tunnel(record):
        return "TCP_TUNNEL"
    if record.get("status") is None:
        return "TCP_MISS_ABORTED"  # the client left, or the server failed, before there was one
    return "TCP_MISS"


def _hierarchy(record: Record) -> str:
    server = record.get("server_ip")
    return "HIER_NONE/-" if server is None else f"HIER_DIRECT/{escaped(server)}"
