r"""Scrubbing: makes any value fit its field, and says in `altered` what was changed.

In: a record in the order of the table, with whatever a caller or an attacker put there.
Out: the same record, of the types of the table, without user name and password in addresses.
Must never: let a credential through because a value is odd; change a value and not say so.

What is changed, and how it is called in `altered`:

    url:userinfo      user name and password before the host removed (also host, error, reason)
    F:cut:N           text or list longer than its limit; N is the length it had
    F:escaped         lone surrogates, or bytes that are not UTF-8, written as \udcff or \xff
    F:type            a value of a wrong type, or a number beyond 64 bits, left out (null); this is
                      a fault of the gateway, so `error` says it too

Control characters need no change: JSON escapes them (see render.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from proxy_addons.accesslog.record import FIELDS, LIST_LIMIT, TEXT_LIMIT, URL_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

type Record = MutableMapping[str, Any]

# An authority ends at the first / \ ? or #; its last @ ends the user information (WHATWG URL 4.4).
# A scheme of the web may stand with one slash or none, and any authority without a scheme.
_LEADING_USERINFO = re.compile(
    r"\A([\x00-\x20]*(?:(?:[a-zA-Z][a-zA-Z0-9+.\-]*:)?[/\\]{2,}|(?:https?|wss?|ftp):[/\\]*|))"
    r"[^/\\?#]*@"
)
_USERINFO_IN_PROSE = re.compile(r"(//)[^/\\?#\s]*@")

_ADDRESSES = (
    ("url", _LEADING_USERINFO),
    ("host", _LEADING_USERINFO),
    ("error", _USERINFO_IN_PROSE),
    ("reason", _USERINFO_IN_PROSE),
)

_INT64 = 1 << 63
_MAX_SHAPES = 4096
_STR_ONLY = frozenset({str})

# Combinations of types that were checked once and need no second look: a worker sees few.
_sound_shapes: set[tuple[type, ...]] = set()


def _note(record: Record, change: str) -> None:
    record["altered"] = [*record["altered"], change]


def _drop(record: Record, name: str, value: object) -> None:
    record[name] = None
    _note(record, f"{name}:type")
    fault = f"access log: {name} left out, it was of type {type(value).__name__}"
    error = record["error"]
    record["error"] = f"{error}; {fault}" if isinstance(error, str) and error else fault


def _mend_string(record: Record, name: str, value: object) -> None:
    if isinstance(value, bytes | bytearray):
        text = value.decode("utf-8", "backslashreplace")
        record[name] = text
        if text.encode() != value:
            _note(record, f"{name}:escaped")
    elif value is not None and not isinstance(value, str):
        _drop(record, name, value)


def _mend_integer(record: Record, name: str, value: object) -> None:
    if value is None:
        return
    # Members of an IntEnum, like HTTPStatus, are whole numbers; True and False are not.
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        _drop(record, name, value)


def _mend_number(record: Record, name: str, value: object) -> None:
    if value is not None and type(value) not in {int, float}:
        _drop(record, name, value)


def _mend_boolean(record: Record, name: str, value: object) -> None:
    if value is not None and not isinstance(value, bool):
        _drop(record, name, value)


def _mend_strings(record: Record, name: str, value: object) -> None:
    if value is None:
        record[name] = []
    elif isinstance(value, str | bytes) or not isinstance(value, Collection):
        _drop(record, name, value)
        record[name] = []
    else:
        if not isinstance(value, list | tuple):
            # A set has no order of its own, and a record must not depend on chance.
            record[name] = value = sorted(value, key=str)
        if not all(isinstance(member, str) for member in value):
            record[name] = [str(member) for member in value]
            _note(record, f"{name}:type")


_MENDERS: dict[str, Callable[[Record, str, object], None]] = {
    "string": _mend_string,
    "timestamp": _mend_string,
    "integer": _mend_integer,
    "number": _mend_number,
    "strings": _mend_strings,
    "boolean": _mend_boolean,
}


def _mend_types(record: Record) -> None:
    for field in FIELDS:
        _MENDERS[field.type](record, field.name, record[field.name])


def _escape(text: str) -> str:
    r"""Returns text that UTF-8 can hold: each lone surrogate spelled out, as in `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _limit(record: Record, name: str, limit: int) -> None:
    """Cuts one text to its limit, then spells out what UTF-8 cannot hold."""
    text = record[name]
    if len(text) > limit:
        _note(record, f"{name}:cut:{len(text)}")
        text = text[:limit]
    escaped = _escape(text)
    if escaped != text:
        _note(record, f"{name}:escaped")
    record[name] = escaped


def _limit_list(record: Record, name: str, members: Iterable[str]) -> None:
    kept = list(members)
    if any(len(member) > TEXT_LIMIT for member in kept):
        _note(record, f"{name}:cut:{max(map(len, kept))}")
        kept = [member[:TEXT_LIMIT] for member in kept]
    escaped = [_escape(member) for member in kept]
    if escaped != kept:
        _note(record, f"{name}:escaped")
    record[name] = escaped


def mend_values(record: Record) -> None:
    """Cuts what is too long and spells out what UTF-8 cannot hold, in every field.

    Called only for a record that is long or would not render: most need none of it.
    """
    for field in FIELDS:
        value = record[field.name]
        if isinstance(value, str):
            limit = URL_LIMIT if field.name == "url" else TEXT_LIMIT
            _limit(record, field.name, limit)
        elif field.type == "strings" and field.name != "altered":
            _limit_list(record, field.name, value)
        elif field.type == "integer":
            _mend_integer(record, field.name, value)


def _strip(record: Record, name: str, value: str, pattern: re.Pattern[str]) -> None:
    stripped = pattern.sub(r"\1", value)
    if stripped != value:
        record[name] = stripped
        _note(record, f"{name}:userinfo")


def scrub(_logger: object, _method: str, record: Record) -> Record:
    """Structlog processor: types as in the table, no user name or password in any address."""
    shape = tuple(map(type, record.values()))
    if shape not in _sound_shapes or not _STR_ONLY.issuperset(map(type, record["categories"])):
        _mend_types(record)
        if tuple(map(type, record.values())) == shape and len(_sound_shapes) < _MAX_SHAPES:
            _sound_shapes.add(shape)
    count = len(record["categories"])
    if count > LIST_LIMIT:
        record["categories"] = record["categories"][:LIST_LIMIT]
        _note(record, f"categories:cut:{count}")
    for name, pattern in _ADDRESSES:
        value = record[name]
        if value is not None and "@" in value:
            _strip(record, name, value, pattern)
    return record
