r"""ArcSight's Common Event Format, which most SIEMs read.

In: a record, the gateway that wrote it. Out: one line.
Must never: name somebody as the user who has proven nothing; let a value end its field.

`CEF:0|Vendor|Product|Version|Event class|Name|Severity|key=value …`. In the header `\` and `|` are
escaped, in values `\`, `=` and line ends. `KEYS` says where each field of the record goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from proxy_addons.accesslog.feeds import shape
from proxy_addons.accesslog.feeds.where import PRODUCT
from proxy_addons.accesslog.formats.values import is_refused, media_type, names, number

if TYPE_CHECKING:
    from proxy_addons.accesslog.feeds.where import Gateway
    from proxy_addons.accesslog.formats.values import Record

KEYS: Final[dict[str, str]] = {
    "event": "cat",
    "id": "externalId",
    "worker": "deviceExternalId",
    "seq": "cn3",
    "duration_ms": "cn2",
    "person": "suser",
    "client_port": "spt",
    "kind": "app",
    "method": "requestMethod",
    "url": "request",
    "host": "dhost",
    "action": "act",
    "reason": "reason",
    "status": "cn1",
    "bytes_up": "in",
    "bytes_down": "out",
    "content_type": "fileType",
    "server_port": "dpt",
    "error": "msg",
    "categories": "cs1",
    "profile": "cs2",
    "clause": "cs3",
    "exemption": "cs4",
    "policy_version": "cs5",
    "findings": "cs6",
    "virus": "flexString1",
    "port": "flexNumber1",
}
"""Field of the record → key of CEF's dictionary. `in` and `out` are as CEF has them: from source to
destination, and back. Addresses and times have several keys each, see `cef`."""

LABELS: Final[dict[str, str]] = {
    "cn1": "HTTP status",
    "cn2": "Duration in ms",
    "cn3": "Sequence",
    "cs1": "Categories",
    "cs2": "Profile",
    "cs3": "Clause",
    "cs4": "Exemption",
    "cs5": "Policy version",
    "cs6": "Findings",
    "flexString1": "Virus",
    "flexNumber1": "Port asked for",
    "c6a2": "Source IPv6 Address",
    "c6a3": "Destination IPv6 Address",
}
"""What keys without a meaning of their own hold."""

_NUMBERS: Final = frozenset({
    "duration_ms", "client_port", "server_port", "port", "status", "bytes_up", "bytes_down", "seq",
})  # fmt: skip
_NAMES: Final = {
    "allow": "Request allowed",
    "coach": "Person warned",
    "block": "Request refused",
    "redirect": "Request redirected",
}
_ADDRESSES: Final = {"client_ip": ("src", "c6a2"), "server_ip": ("dst", "c6a3")}


def cef(record: Record, gateway: Gateway) -> str:
    """The line of a record; opening records and gaps have theirs."""
    event = record.get("event")
    name = _NAMES.get(str(record.get("action")), "Request")
    if event == "gap":
        name = "Records were lost"
    elif event == "open":
        name = "Request goes on"
    kind = record.get("rule") or event or "record"
    titles = (PRODUCT, PRODUCT, gateway.version, kind, name, _severity(record))
    return f"CEF:0|{'|'.join(map(_title, titles))}|{' '.join(_extension(record, gateway))}"


def _severity(record: Record) -> int:
    """0 to 10: 0 to 3 low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high."""
    if record.get("virus") is not None:
        return 9
    if record.get("event") == "gap":
        return 8
    if record.get("action") == "coach":
        return 3
    return 5 if is_refused(record) else 1


def _extension(record: Record, gateway: Gateway) -> list[str]:
    pairs: dict[str, Any] = {"dvchost": gateway.name}
    start, end = shape.started(record), shape.ended(record)
    if start is not None and end is not None:
        pairs["rt"] = pairs["end"] = shape.milliseconds(end)
        pairs["start"] = shape.milliseconds(start)
    for field, (four, six) in _ADDRESSES.items():
        if (address := shape.ip(record.get(field))) is not None:
            pairs[six if ":" in address else four] = address
    for field, key in KEYS.items():
        value = media_type(record) if field == "content_type" else record.get(field)
        if field in _NUMBERS:
            value = number(value)
        elif isinstance(value, list | tuple):
            value = ",".join(names(value))
        if value is not None and value != "":
            pairs[key] = value
    if record.get("event") == "transaction":
        pairs["outcome"] = "failure" if is_refused(record) or record.get("error") else "success"
    labels = {f"{key}Label": LABELS[key] for key in pairs if key in LABELS}
    return [f"{key}={_value(value)}" for key, value in (pairs | labels).items()]


def _plain(text: str) -> str:
    """Line ends become spaces, what else acts on a screen an escape of Python's."""
    text = " ".join(text.splitlines())
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _title(value: object) -> str:
    return _plain(str(value)).replace("\\", "\\\\").replace("|", "\\|")


def _value(value: object) -> str:
    return _plain(str(value)).replace("\\", "\\\\").replace("=", "\\=")
