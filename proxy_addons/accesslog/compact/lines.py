"""Which lines are records that fit the columns.

In: a line. Out: its record, or that it is none.
Must never: let a value through that its column cannot hold (it would be null there, in silence).

What is no record stays in the evidence; whoever makes rows counts it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import orjson

from proxy_addons.accesslog.record import FIELDS, NAMES
from proxy_addons.accesslog.seal.packing import moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_INT64: Final = 1 << 63
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "timestamp": (str,),
    "integer": (int,),
    "number": (int, float),
    "strings": (list,),
    "boolean": (bool,),
}
_EXPECTED: Final = {field.name: _TYPES[field.type] for field in FIELDS}
_LISTS: Final = tuple(field.name for field in FIELDS if field.type == "strings")
_MOST_SHAPES: Final = 4096
_TEXT: Final = frozenset({str})

_Whole = Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
_STRICT: Final[dict[str, Any]] = {
    "string": str | None,
    "timestamp": str | None,
    "integer": _Whole | None,
    "number": _Whole | float | None,
    "strings": list[str] | None,
    "boolean": bool | None,
}
_Plain = msgspec.defstruct(
    "_Plain",
    [(field.name, _STRICT[field.type], None) for field in FIELDS],
    forbid_unknown_fields=True,
    gc=False,
)
_plain: Final = msgspec.json.Decoder(_Plain)

# Combinations of types that were looked at once and are sound.
_sound: set[tuple[type, ...]] = set()


def fitting(line: bytes) -> dict[str, Any] | None:
    """The record of a line, with all its fields as they stand there; None where it is none.

    A record is an object whose fields have the types of the table, or are null, and that says when
    it began. Fields that it lacks (an older version) are null; others than the table's are left
    out by whoever makes the row.
    """
    try:
        record = orjson.loads(line)
    except ValueError:
        return None  # the caller counts it; the line itself stays sealed
    if not isinstance(record, dict) or moment_of(record.get("start")) is None:
        return None
    shape = tuple(map(type, record.values()))
    if shape not in _sound or tuple(record) != NAMES:
        if not all(_holds(name, record.get(name)) for name in NAMES):
            return None
        # A number beyond 64 bits has the same type as others: only the reader of Parquet sees it,
        # and then has each line looked at by `exact`.
        if tuple(record) == NAMES and len(_sound) < _MOST_SHAPES:
            _sound.add(shape)
    for name in _LISTS:
        if (members := record.get(name)) and not _TEXT.issuperset(map(type, members)):
            return None
    return record


def exact(line: bytes) -> bytes | None:
    """A line rendered anew with the fields of the table alone; None where it is no record."""
    record = fitting(line)
    if record is None or not all(_holds(name, record.get(name)) for name in NAMES):
        return None
    return orjson.dumps({name: record.get(name) for name in NAMES})


def looked_through(lines: Iterable[bytes]) -> tuple[int, list[int]]:
    """What whoever makes rows has to know of a segment.

    A reader that takes the types of the table and no others is ten times as fast as `fitting`; what
    it refuses, `fitting` decides.

    Returns:
        How many lines are no records; and which lines are opening records that a closing one of
        the segment stands for, with the same start, person and categories.
    """
    unreadable = 0
    opened: dict[str | None, dict[int, tuple[Any, ...]]] = {}
    closing: dict[str, list[tuple[Any, ...]]] = {}
    for place, line in enumerate(lines):
        try:
            record: Any = _plain.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            unreadable += fitting(line) is None  # one that fits has its row: `pending`, if it opens
            continue
        if moment_of(record.start) is None:
            unreadable += 1
        elif record.event == "open":
            opened.setdefault(record.id, {})[place] = _alike(record)
        elif record.event == "transaction" and record.id in opened:
            closing.setdefault(record.id, []).append(_alike(record))
    return unreadable, [
        place
        for number, closed in closing.items()
        for place, alike in opened[number].items()
        if alike in closed and None not in {number, alike[2]}
    ]


def _alike(record: Any) -> tuple[Any, ...]:
    inside = record.categories
    return record.start, record.person, None if inside is None else tuple(inside)


def _holds(name: str, value: object) -> bool:
    if value is None:
        return True
    kinds = _EXPECTED[name]
    if type(value) not in kinds:
        return False
    return not (isinstance(value, int) and int in kinds and not -_INT64 <= value < _INT64)
