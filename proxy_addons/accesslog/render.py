r"""Rendering: a scrubbed record to the bytes of its line.

In: a record in the order of the table. Out: one line of JSON, UTF-8, ending in a newline.
Must never: raise for the sake of a value; write a character that a terminal would act on.

JSON escapes only U+0000 to U+001F. The characters below act on screens all the same (C1 controls,
line separators, direction overrides, zero-width characters), so they are written as \u escapes:
the value stays what it was, and `cat`, `less` and `grep` show it safely.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from proxy_addons.accesslog.record import TEXT_LIMIT, empty_record
from proxy_addons.accesslog.scrub import mend_values

if TYPE_CHECKING:
    from proxy_addons.accesslog.scrub import Record

_ACTING = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)


def _as_escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def dump(record: Record) -> bytes:
    """Renders without mending.

    Raises:
        TypeError: a value that JSON or UTF-8 cannot hold.
    """
    line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    if not line.isascii() or b"\x7f" in line:
        line = _ACTING.sub(_as_escape, line)
    return line


def render(_logger: object, _method: str, record: Record) -> bytes:
    """Structlog processor, the last one: the record's line.

    A line of at most TEXT_LIMIT bytes cannot hold a text that is too long, so that only longer
    lines, and those that do not render, are looked at field by field.
    """
    try:
        line = dump(record)
    except TypeError:
        # A lone surrogate or a number beyond 64 bits: mended below, the request goes on.
        line = b""
    if not line or len(line) > TEXT_LIMIT:
        mend_values(record)
        line = dump(record)
    return line


def render_fault(record: Record, fault: BaseException) -> bytes:
    """Renders what is left of a record that scrubbing or rendering failed for: no record is lost.

    Args:
        record: at least schema, event, worker and seq, as the pipeline stamped them.
        fault: what was raised; only its type is written, its text might hold what must not be.
    """
    kept = empty_record()
    for name in ("schema", "event", "id", "worker", "seq", "start"):
        value = record.get(name)
        # Exact types: an instance of something derived may be what could not be rendered.
        kept[name] = value if type(value) in {str, int} else None
    kept["error"] = f"access log: the record could not be rendered ({type(fault).__name__})"
    kept["altered"] = ("record:lost",)
    return dump(kept)
