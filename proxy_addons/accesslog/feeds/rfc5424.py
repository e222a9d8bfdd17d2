"""A record as a syslog message (RFC 5424), framed for TLS (RFC 5425 4.3).

In: a masked record, its JSON form. Out: octets of one frame.
Must never: exceed what the receiver takes, which would cut the JSON; write a control character.

The structured data has `worker` and `seq`, which tell a record from all others, and `resent="1"`
where the receiver may have it already.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds import shape
from proxy_addons.accesslog.feeds.ecs import ecs
from proxy_addons.accesslog.feeds.ocsf import ocsf

if TYPE_CHECKING:
    from proxy_addons.accesslog.feeds.shape import Record
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.settings.feeds import Feed

_FACILITY: Final = 13  # log audit (RFC 5424 6.2.1)
# informational, notice, warning
_SEVERITIES: Final = {"allow": 6, "coach": 5, "redirect": 5, "block": 4}
_LOST: Final = 3  # error
_SHORTEST: Final = 16  # characters that are left of a text that was cut to fit
_NIL: Final = "-"


def framed(record: Record, feed: Feed, gateway: Gateway, *, resent: bool = False) -> bytes:
    """One message with its length before it.

    A message that would be larger than `feed.largest` has its longest texts cut until it fits;
    `cut` in the structured data says so. The segment has all of it.
    """
    message = _message(record, feed, gateway, resent=resent, cut=False)
    limit = 4096
    while len(message) > feed.largest and limit >= _SHORTEST:
        shorter = {name: _cut(value, limit) for name, value in record.items()}
        message = _message(shorter, feed, gateway, resent=resent, cut=True)
        limit //= 2
    return b"%d %b" % (len(message), message)


def _message(record: Record, feed: Feed, gateway: Gateway, *, resent: bool, cut: bool) -> bytes:
    body: dict[str, Any]
    if feed.format == "ecs":
        body = ecs(record, gateway, resent=resent)
    elif feed.format == "ocsf":
        body = ocsf(record, gateway, resent=resent)
    else:
        body = dict(record)
    severity = _SEVERITIES.get(str(record.get("action")), 6)
    if record.get("event") == "gap":
        severity = _LOST
    moment = shape.ended(record)
    data = [
        f"watchhouse@{feed.enterprise}",
        _parameter("worker", record.get("worker")),
        _parameter("seq", record.get("seq")),
        _parameter("id", record.get("id")),
    ]
    if resent:
        data.append(_parameter("resent", 1))
    if cut:
        data.append(_parameter("cut", 1))
    head = (
        f"<{_FACILITY * 8 + severity}>1",
        shape.stamp(moment) if moment else _NIL,
        gateway.name,
        "watchhouse",
        str(os.getpid()),
        "access",
        f"[{' '.join(data)}]",
    )
    # ASCII throughout: any receiver reads it, and RFC 5424 6.4 asks for no byte order mark, which
    # would stand before the JSON.
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return f"{' '.join(head)} {text}".encode("ascii")


def _parameter(name: str, value: Any) -> str:
    """RFC 5424 6.3.3: quote, backslash and bracket are escaped."""
    text = "" if value is None else str(value)
    shown = "".join(char if " " <= char <= "~" else "?" for char in text)[:64]
    for special in ("\\", '"', "]"):
        shown = shown.replace(special, f"\\{special}")
    return f'{name}="{shown}"'


def _cut(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, list):
        return [_cut(each, limit) for each in value[: max(1, limit // 64)]]
    return value
