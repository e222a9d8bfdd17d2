"""Values of records as line formats write them: in ASCII, with nothing that ends a field.

In: a value of a record. Out: text.
Must never: raise for the sake of a value; write white space, a control character or a character
beyond ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from proxy_addons.accesslog.feeds import shape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

type Record = Mapping[str, Any]

NOTHING: Final = "-"
"""What stands for nothing in the formats of Squid and of the W3C."""

_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))
_REFUSED: Final = frozenset({"block", "coach", "redirect"})


def escaped(value: object, *, without: str = "") -> str:
    """A text in ASCII without white space: what is not printable is percent-encoded (RFC 3986 2.1).

    Args:
        value: it; None or an empty text gives `-`.
        without: printable characters that are encoded too.
    """
    if value is None or value == "":
        return NOTHING
    safe = _PRINTABLE.translate({ord(char): None for char in without}) if without else _PRINTABLE
    return quote(str(value), safe=safe, errors="surrogatepass")


def number(value: object) -> int | None:
    """A whole number that is not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 63:
        return None
    return round(value)


def names(value: object) -> tuple[str, ...]:
    """The members of a list of texts; none for anything else."""
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def media_type(record: Record) -> str | None:
    """The media type of the answer without its parameters, in lower case."""
    value = record.get("content_type")
    return value.partition(";")[0].strip().lower() if isinstance(value, str) else None


def is_refused(record: Record) -> bool:
    """Whether the person did not get what was asked for because of a rule."""
    return str(record.get("action")) in _REFUSED


def is_tunnel(record: Record) -> bool:
    """Whether it was a CONNECT of which nothing was read."""
    return str(record.get("kind")) in {"tunnel", "connect"}


def is_over(record: Record) -> bool:
    """Whether it is of a transaction that has ended, with a time: all that most formats have."""
    return record.get("event") == "transaction" and ended(record) is not None


def ended(record: Record) -> datetime | None:
    """When the record was made (`feeds/shape.py`)."""
    return shape.ended(record)


def place(record: Record) -> str | None:
    """Host and port, as CONNECT names them; an IPv6 address in brackets."""
    host, port = record.get("host"), record.get("port")
    if not isinstance(host, str):
        return None
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"
