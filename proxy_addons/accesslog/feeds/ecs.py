"""A record in the Elastic Common Schema (ECS 9.4).

In: a masked record. Out: a document of nested fields.
Must never: call somebody `user.name` who only claimed to be; leave a field of the record out.

`FIELDS` says where each field of the record goes; what has no place in ECS goes under `watchhouse`,
as ECS asks of fields of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds import shape
from proxy_addons.accesslog.feeds.where import PRODUCT

if TYPE_CHECKING:
    from proxy_addons.accesslog.feeds.shape import Record
    from proxy_addons.accesslog.feeds.where import Gateway

VERSION: Final = "9.4.0"

FIELDS: Final[dict[str, str]] = {
    "schema": "watchhouse.schema",
    "event": "watchhouse.event",
    "id": "http.request.id",
    "worker": "watchhouse.worker",
    "seq": "event.sequence",
    "start": "event.start",
    "duration_ms": "event.duration",
    "person": "user.name",
    "person_how": "watchhouse.person_how",
    "claimed": "watchhouse.claimed",
    "client_ip": "source.ip",
    "client_port": "source.port",
    "kind": "watchhouse.kind",
    "method": "http.request.method",
    "url": "url.full",
    "host": "destination.domain",
    "port": "url.port",
    "sni": "tls.client.server_name",
    "judged_host": "watchhouse.judged_host",
    "categories": "watchhouse.categories",
    "list_version": "watchhouse.list_version",
    "action": "event.action",
    "rule": "rule.id",
    "clause": "watchhouse.clause",
    "reason": "event.reason",
    "profile": "watchhouse.profile",
    "exemption": "watchhouse.exemption",
    "handling": "watchhouse.handling",
    "status": "http.response.status_code",
    "bytes_up": "source.bytes",
    "bytes_down": "destination.bytes",
    "content_type": "http.response.mime_type",
    "server_ip": "destination.ip",
    "server_port": "destination.port",
    "policy_version": "rule.version",
    "error": "error.message",
    "altered": "watchhouse.altered",
    "balancer_ip": "watchhouse.balancer_ip",
    "states": "watchhouse.states",
    "counted": "watchhouse.counted",
    "findings": "watchhouse.findings",
    "virus": "watchhouse.virus",
    "members": "watchhouse.members",
    "opened": "watchhouse.opened",
    "changed": "watchhouse.changed",
    "would_block": "watchhouse.would_block",
}
"""Field of the record → field of ECS. `watchhouse.…` is our own."""

_TYPES: Final = {
    "allow": ["access", "allowed"],
    "coach": ["access", "denied"],
    "redirect": ["access", "denied"],
    "block": ["access", "denied"],
}
_OUTCOMES: Final = {
    "allow": "success",
    "coach": "failure",
    "redirect": "failure",
    "block": "failure",
}
_PROTOCOLS: Final = {"http": "http", "https": "http", "websocket": "http", "tunnel": "tls"}
_ADDRESSES: Final = {"source.ip": "source.address", "destination.ip": "destination.address"}


def ecs(record: Record, gateway: Gateway, *, resent: bool = False) -> dict[str, Any]:
    """Map a record.

    Args:
        record: masked.
        gateway: that wrote it.
        resent: whether the receiver may have it already.
    """
    document: dict[str, Any] = {}
    for name, place in FIELDS.items():
        value = record.get(name)
        if place in _ADDRESSES:
            _put(document, _ADDRESSES[place], value)  # also where it is no address any more
            value = shape.ip(value)
        elif name == "duration_ms":
            value = round(value * 1e6) if isinstance(value, int | float) else None  # nanoseconds
        elif name == "content_type" and isinstance(value, str):
            value = value.partition(";")[0].strip().lower()
        _put(document, place, value)
    start, end, action = shape.started(record), shape.ended(record), record.get("action")
    lost = record.get("event") == "gap"
    moment = end or start
    _put(document, "@timestamp", shape.stamp(moment) if moment else None)
    _put(document, "ecs.version", VERSION)
    document["event"] |= {
        "id": shape.identity(record, gateway),
        "kind": "event",
        "category": ["web"] if lost else ["network", "web"],
        "type": ["error"] if lost else _TYPES.get(str(action), ["access"]),
        "outcome": _outcome(record),
        "module": "watchhouse",
        "dataset": "watchhouse.access",
        "end": shape.stamp(end) if end and record.get("event") == "transaction" else None,
    }
    for name, value in shape.address(record).items():
        _put(document, f"url.{name}", value)
    _put(document, "url.domain", record.get("host"))
    sizes = [record.get("bytes_up"), record.get("bytes_down")]
    known = [size for size in sizes if isinstance(size, int)]
    _put(document, "network.bytes", sum(known) if known else None)
    _put(document, "network.protocol", _PROTOCOLS.get(str(record.get("kind"))))
    _put(document, "network.transport", None if lost else "tcp")
    client = shape.ip(record.get("client_ip"))
    _put(document, "network.type", client and ("ipv6" if ":" in client else "ipv4"))
    _put(document, "rule.name", record.get("rule"))
    _put(document, "rule.description", record.get("reason"))
    document["observer"] = {
        "hostname": gateway.name, "product": PRODUCT, "vendor": PRODUCT, "type": "proxy",
        "version": gateway.version,
    }  # fmt: skip
    if resent:
        document["tags"] = ["resent"]
    return shape.without_nothing(document)


def _outcome(record: Record) -> str:
    if record.get("event") != "transaction":
        return "failure" if record.get("event") == "gap" else "unknown"
    if record.get("action") == "allow" and record.get("error") is not None:
        return "failure"
    return _OUTCOMES.get(str(record.get("action")), "unknown")


def _put(document: dict[str, Any], place: str, value: Any) -> None:
    *above, last = place.split(".")
    for name in above:
        document = document.setdefault(name, {})
    document[last] = value
