"""A record in the Open Cybersecurity Schema Framework: HTTP Activity (4002), OCSF 1.8.

In: a masked record. Out: an event of nested attributes.
Must never: call somebody the actor's user who only claimed to be; leave a field of the record out
(what has no place is in `unmapped`).

Two of its profiles are used: `host` (actor) and `security_control` (action, policy, rule).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds import shape
from proxy_addons.accesslog.feeds.where import PRODUCT

if TYPE_CHECKING:
    from proxy_addons.accesslog.feeds.shape import Record
    from proxy_addons.accesslog.feeds.where import Gateway

VERSION: Final = "1.8.0"
CLASS: Final = 4002
_OTHER: Final = 99

ACTIVITIES: Final = {
    "CONNECT": (1, "Connect"),
    "DELETE": (2, "Delete"),
    "GET": (3, "Get"),
    "HEAD": (4, "Head"),
    "OPTIONS": (5, "Options"),
    "POST": (6, "Post"),
    "PUT": (7, "Put"),
    "TRACE": (8, "Trace"),
    "PATCH": (9, "Patch"),
}
"""HTTP method → activity_id and its caption, as far as every 1.x has them; others are `Other`,
and their name is in `activity_name` and `unmapped.method`: `http_method` has no room for it."""

ACTIONS: Final = {
    "allow": (1, "Allowed", 1, "Allowed"),
    "coach": (2, "Denied", 2, "Blocked"),
    "redirect": (2, "Denied", 2, "Blocked"),
    "block": (2, "Denied", 2, "Blocked"),
}
"""Action → action_id, action, disposition_id, disposition."""

MAPPED: Final = frozenset({
    *("id", "seq", "start", "person", "client_ip", "client_port", "method", "url", "host", "port"),
    *("action", "rule", "reason", "status", "bytes_up", "bytes_down", "content_type", "server_ip"),
    *("server_port", "policy_version", "error", "categories"),
})  # fmt: skip
"""Fields of the record that have an attribute; all others are in `unmapped`."""

_INFORMATIONAL, _LOW, _HIGH = (1, "Informational"), (2, "Low"), (4, "High")


def ocsf(record: Record, gateway: Gateway, *, resent: bool = False) -> dict[str, Any]:
    """Map a record.

    Args:
        record: masked.
        gateway: that wrote it.
        resent: whether the receiver may have it already.
    """
    activity, activity_name = _activity(record)
    severity, severity_name = _severity(record)
    status, status_name = _status(record)
    method = record.get("method")
    moment = shape.ended(record) or shape.started(record)
    event: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": 4,
        "category_name": "Network Activity",
        "class_uid": CLASS,
        "class_name": "HTTP Activity",
        "type_uid": CLASS * 100 + activity,
        "type_name": f"HTTP Activity: {activity_name}",
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "status_detail": record.get("error"),
        "time": shape.milliseconds(moment) if moment else 0,
        "message": record.get("reason"),
        "metadata": _metadata(record, gateway),
        "src_endpoint": _endpoint(record, "client_ip", "client_port", None),
        "dst_endpoint": _endpoint(record, "server_ip", "server_port", "host"),
        "http_request": {
            "uid": record.get("id"),
            "http_method": method if method in ACTIVITIES else None,
            "url": _url(record),
            "length": record.get("bytes_up"),
        },
        "traffic": _traffic(record),
        "actor": {"user": {"name": record.get("person")}},
        "policy": {"name": "Watchhouse policy", "version": record.get("policy_version")},
        "firewall_rule": {
            "uid": record.get("rule"), "name": record.get("rule"), "desc": record.get("reason"),
        },
        "unmapped": {
            **{name: value for name, value in record.items() if name not in MAPPED},
            "method": None if method in ACTIVITIES else method,
            "resent": True if resent else None,
        },
    }  # fmt: skip
    if not record.get("rule"):
        event["firewall_rule"] = None  # it must have a name or a uid
    if isinstance(record.get("status"), int):
        event["http_response"] = {
            "code": record["status"],
            "content_type": record.get("content_type"),
            "length": record.get("bytes_down"),
        }
    elif record.get("content_type") is not None:
        event["unmapped"]["content_type"] = record["content_type"]
    action = ACTIONS.get(str(record.get("action")))
    event |= dict(
        zip(
            ("action_id", "action", "disposition_id", "disposition"),
            action or (0, "Unknown", 0, "Unknown"),
            strict=True,
        )
    )
    if action is None:
        event["unmapped"]["action"] = record.get("action")
    event = shape.without_nothing(event)
    event.setdefault("src_endpoint", {"name": "unknown"})  # one endpoint must be there (gaps)
    event.setdefault("http_request", {"uid": "-"})  # request or response must be there
    return event


def _metadata(record: Record, gateway: Gateway) -> dict[str, Any]:
    return {
        "version": VERSION,
        "uid": shape.identity(record, gateway),
        "sequence": record.get("seq"),
        "original_time": record.get("start"),
        "log_name": "access",
        "log_provider": gateway.name,
        "profiles": ["host", "security_control"],
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": gateway.version},
    }


def _activity(record: Record) -> tuple[int, str]:
    method = record.get("method")
    if method is None:
        return (1, "Connect") if record.get("kind") in {"tunnel", "connect"} else (0, "Unknown")
    return ACTIVITIES.get(str(method), (_OTHER, str(method)))


def _severity(record: Record) -> tuple[int, str]:
    if record.get("event") == "gap" or record.get("virus") is not None:
        return _HIGH
    return _INFORMATIONAL if record.get("action") in {"allow", None} else _LOW


def _status(record: Record) -> tuple[int, str]:
    if record.get("event") == "open":
        return 0, "Unknown"
    if record.get("action") != "allow" or record.get("error") is not None:
        return 2, "Failure"
    return 1, "Success"


def _endpoint(record: Record, ip: str, port: str, host: str | None) -> dict[str, Any] | None:
    """Null unless it has what names it: an endpoint with a port only is none."""
    address = shape.ip(record.get(ip))
    name = None if address else record.get(ip)  # hashed by the mask
    hostname = record.get(host) if host else None
    if not (address or name or hostname):
        return None
    return {"ip": address, "name": name, "hostname": hostname, "port": record.get(port)}


def _url(record: Record) -> dict[str, Any] | None:
    parts = shape.address(record)
    found = {
        "url_string": record.get("url"),
        "scheme": parts.get("scheme"),
        "hostname": record.get("host"),
        "port": record.get("port"),
        "path": parts.get("path"),
        "query_string": parts.get("query"),
        "categories": record.get("categories"),
    }
    if not found["url_string"]:
        found["url_string"] = found["hostname"]  # url_string or path must be there
    return found if found["url_string"] else None


def _traffic(record: Record) -> dict[str, Any]:
    up, down = record.get("bytes_up"), record.get("bytes_down")
    known = [size for size in (up, down) if isinstance(size, int)]
    return {"bytes": sum(known) if known else None, "bytes_out": up, "bytes_in": down}
