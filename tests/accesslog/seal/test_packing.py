"""Lines are read by a faster library where it reads what the standard library does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.seal.packing import moment_of, record_of, start_of, who_of

TEXTS = ("person", "client_ip", "start", "policy_version", "list_version")
USED = (*TEXTS, "seq")


def plainly(line: bytes) -> dict[str, Any]:
    """As the stand-alone verifier reads it."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def said(record: dict[str, Any]) -> list[str | int | None]:
    """All that sealing makes of a record."""
    texts = [value if isinstance(value := record.get(name), str) else None for name in TEXTS]
    seq = value if isinstance(value := record.get("seq"), int) else None
    return [*texts, seq, who_of(record), start_of(record)]


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
objects = st.dictionaries(st.sampled_from(USED) | st.text(max_size=3), values)


@given(objects, st.booleans())
def test_objects_are_read_alike(record: dict[str, Any], ascii_only: bool):
    text = json.dumps(record, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert said(record_of(text)) == said(plainly(text))


@given(objects, st.binary(max_size=3), st.integers(0, 400), st.booleans())
def test_damaged_lines_are_read_alike(record: dict[str, Any], octets: bytes, place: int, cut: bool):
    text = json.dumps(record).encode()
    place %= len(text)
    text = text[:place] + octets + text[place + (len(octets) if cut else 0) :]
    assert said(record_of(text)) == said(plainly(text))


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq":NaN,"person":"A"}',
        b'{"seq":1e999,"person":"A"}',
        b'{"seq":18446744073709551616}',
        b'{"seq":-0}',
        b'{"seq":1.0}',
        b'{"seq":1,"seq":2,"person":"A","person":"B"}',
        b'{"person":"\\ud800"}',
        b'{"person":"\\ud83d\\ude00"}',
        b'{"person":"a\x01b"}',
        b'\xef\xbb\xbf{"person":"A"}',
        b' \t{"person":"A"} \r',
        b'{"person":"A"}x',
        b'{"person":"\xff"}',
        b'{"seq":1,"x":' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"seq":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"seq":' + b"9" * 5000 + b"}",
        b'{"start":"2026-02-30T00:00:00.000000Z"}',
        b'{"start":"2026-11-21T20:15:60.000000Z"}',
        b'{"start":"1969-11-21T20:15:03.000001Z"}',
        b"[]",
        b"",
    ],
)
def test_edges_are_read_alike(line: bytes):
    assert said(record_of(line)) == said(plainly(line))


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware below
def test_moments_are_microseconds_since_1970(when: datetime):
    aware = when.replace(tzinfo=UTC)
    stamp = aware.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    whole = aware - datetime(1970, 1, 1, tzinfo=UTC)
    micros = (whole.days * 86400 + whole.seconds) * 1_000_000 + whole.microseconds
    assert start_of({"start": stamp}) == micros


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-21T24:00:00.000000Z",  # Python 3.14 would take it for the next day's midnight
        "2026-11-21T23:60:00.000000Z",
        "2026-02-29T23:00:00.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "2026-11-21T20:15:03.000001",
        "2026-11-21T20:15:03.000001+00:00",
        "2026-11-21T20:15:03.000001+00:00Z",
        "2026-11-21 20:15:03.000001Z",
        "2026-W47-6T20:15:03.000001Z",
        "２026-11-21T20:15:03.000001Z",  # noqa: RUF001 - a digit of another script is none here
        20261121,
        None,
    ],
)
def test_what_is_no_moment(stamp: object):
    assert moment_of(stamp) is None
