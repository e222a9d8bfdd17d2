"""Reading back: complete records only, in order, and nothing is left out in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog.reader import Filter, Follower, LogReader, snapshot
from proxy_addons.accesslog.reference import References
from proxy_addons.accesslog.segment import broken_marker

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def line(seq: int, minute: float = 0.0, **fields: Any) -> bytes:
    start = (NOON + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = {"seq": seq, "start": start, "duration_ms": 0.0, "event": "transaction", **fields}
    return orjson.dumps(record) + b"\n"


def write(folder: Path, worker: int, hour: int, *lines: bytes, number: int = 1) -> Path:
    path = folder / f"access-w{worker:02d}-20261121T{hour:02d}Z-{number:04d}.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def numbers(reader: LogReader, *arguments: Any, **options: Any) -> list[int]:
    return [entry.record["seq"] for entry in reader.entries(*arguments, **options)]


def test_workers_and_hours_come_in_the_order_of_time_both_ways(tmp_path: Path) -> None:
    write(tmp_path, 1, 12, line(1, 1), line(3, 30), line(5, 59))
    write(tmp_path, 2, 12, line(2, 2), line(4, 58))
    write(tmp_path, 1, 13, line(7, 62))
    write(tmp_path, 2, 13, line(6, 61), line(8, 63))
    assert numbers(LogReader(tmp_path)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert numbers(LogReader(tmp_path), newest_first=True) == [8, 7, 6, 5, 4, 3, 2, 1]


def test_a_long_transaction_stands_where_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, 1, 12, line(2, 0, duration_ms=10 * 60_000.0))
    write(tmp_path, 2, 12, line(1, 5))
    assert numbers(LogReader(tmp_path)) == [1, 2]


def test_several_segments_of_one_worker_in_an_hour_keep_their_order(tmp_path: Path) -> None:
    write(tmp_path, 1, 12, line(1, 30), line(2, 10))
    write(tmp_path, 1, 12, line(3, 5), number=2)
    assert numbers(LogReader(tmp_path)) == [1, 2, 3]
    assert numbers(LogReader(tmp_path), newest_first=True) == [3, 2, 1]


def test_a_torn_last_line_is_counted_and_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 12, line(1), line(2)[:-1])
    for newest_first in (False, True):
        reader = LogReader(tmp_path)
        assert numbers(reader, newest_first=newest_first) == [1]
        assert (reader.torn, reader.unreadable) == ([path], [])


def test_what_is_no_record_is_counted_and_its_place_named(tmp_path: Path) -> None:
    first = line(1)
    path = write(tmp_path, 1, 12, first, b"\0\0\0\n", line(2), b"[]\n", b"{\n")
    reader = LogReader(tmp_path)
    assert numbers(reader) == [1, 2]
    assert reader.unreadable[0] == (path, len(first))
    assert len(reader.unreadable) == 3
    assert reader.torn == []


def test_what_follows_the_good_part_of_a_given_up_segment_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 12, line(1), line(2))
    broken_marker(path).write_bytes(b'{"good_bytes":%d}' % len(line(1)))
    write(tmp_path, 1, 12, line(2), number=2)
    assert numbers(LogReader(tmp_path)) == [1, 2]
    assert numbers(LogReader(tmp_path), newest_first=True) == [2, 1]


def test_a_segment_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    (tmp_path / "access-w01-20261121T12Z-0001.jsonl").mkdir()
    write(tmp_path, 2, 12, line(1))
    reader = LogReader(tmp_path)
    assert numbers(reader) == [1]
    assert len(reader.problems) == 1
    assert "access-w01-20261121T12Z-0001.jsonl: Is a directory" in reader.problems[0]


def test_records_without_a_time_are_shown_all_the_same(tmp_path: Path) -> None:
    write(
        tmp_path,
        1,
        12,
        line(1, start=None),
        line(2, start="yesterday"),
        line(3, start="2026-11-21"),
    )
    assert sorted(numbers(LogReader(tmp_path))) == [1, 2, 3]
    assert numbers(LogReader(tmp_path), Filter(since=NOON)) == []


RECORDS = [
    line(1, 0, person="AB1234", host="www.example.com", action="allow", id="A"),
    line(2, 1, person="AB1234", host="badexample.com", action="block", id="B"),
    line(3, 2, person="ab1234", host="example.com", action="block", id="C"),
    line(4, 3, person=None, host=None, action=None, id="D"),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(person="AB1234"), [1, 2]),
        (Filter(host="example.com"), [1, 3]),
        (Filter(host="Example.COM."), [1, 3]),
        (Filter(host="www.example.com"), [1]),
        (Filter(host="xample.com"), []),
        (Filter(actions={"block"}), [2, 3]),
        (Filter(reference="C"), [3]),
        (Filter(since=NOON + timedelta(minutes=1)), [2, 3, 4]),
        (Filter(until=NOON + timedelta(minutes=1)), [1]),
        (Filter(since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=3)), [2, 3]),
        (Filter(person="AB1234", actions={"block"}), [2]),
    ],
)
def test_filters(tmp_path: Path, wanted: Filter, found: list[int]) -> None:
    write(tmp_path, 1, 12, *RECORDS)
    assert numbers(LogReader(tmp_path), wanted) == found


def test_since_skips_no_segment_that_may_hold_a_wanted_record(tmp_path: Path) -> None:
    for hour in range(9, 16):
        write(tmp_path, 1, hour, line(hour, (hour - 12) * 60 + 59.9))
    assert numbers(LogReader(tmp_path), Filter(since=NOON)) == [12, 13, 14, 15]
    # A clock that was set back by nearly an hour goes on in the segment of the later hour.
    write(tmp_path, 2, 11, line(99, 30))
    assert 99 in numbers(LogReader(tmp_path), Filter(since=NOON))


def reference(worker: int, when: datetime) -> str:
    return References(worker, entropy=bytes).next(when.timestamp())


def test_a_transaction_is_found_with_its_opening_record(tmp_path: Path) -> None:
    number = reference(2, NOON)
    write(tmp_path, 1, 12, line(1, id=reference(1, NOON)))
    write(tmp_path, 2, 12, line(1, id=number, event="open"), line(2, id="other"))
    write(tmp_path, 2, 14, line(3, id=number))
    entries = LogReader(tmp_path).find(number)
    assert [(entry.record["event"], entry.record["seq"]) for entry in entries] == [
        ("open", 1),
        ("transaction", 3),
    ]
    assert entries[0].offset == 0


def test_one_whose_clock_ran_ahead_is_found_too(tmp_path: Path) -> None:
    number = reference(2, NOON + timedelta(days=3650))
    write(tmp_path, 2, 12, line(1, id=number))
    assert [entry.record["seq"] for entry in LogReader(tmp_path).find(number)] == [1]


def test_a_number_that_stands_in_another_field_is_not_taken_for_the_record(tmp_path: Path) -> None:
    number = reference(2, NOON)
    write(tmp_path, 2, 12, line(1, id="other", url=f"http://example.com/{number}"))
    assert LogReader(tmp_path).find(number) == []


def test_a_follower_hands_out_each_new_record_once(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 12, line(1))
    follower = Follower(tmp_path, snapshot(tmp_path))
    assert follower.poll() == []
    with path.open("ab") as file:
        file.write(line(2) + line(3)[:10])
    write(tmp_path, 1, 13, line(4, 60))
    assert [entry.record["seq"] for entry in follower.poll()] == [2, 4]
    with path.open("ab") as file:
        file.write(line(3)[10:])
    assert [entry.record["seq"] for entry in follower.poll()] == [3]
    assert follower.poll() == []


def test_a_follower_goes_on_after_a_segment_was_cut_back(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 12, line(1), line(2))
    follower = Follower(tmp_path, {})
    assert len(follower.poll()) == 2
    path.write_bytes(line(1))
    assert follower.poll() == []
    with path.open("ab") as file:
        file.write(line(2) + line(3))
    assert [entry.record["seq"] for entry in follower.poll()] == [2, 3]


def test_reading_stops_at_the_snapshot(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 12, line(1), line(2)[:-1])
    ends = snapshot(tmp_path)
    path.write_bytes(line(1) + line(2))
    write(tmp_path, 1, 13, line(3))
    assert numbers(LogReader(tmp_path, ends)) == [1]
