"""A segment keeps whole batches or nothing, and knows what is on the disk."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import orjson
import pytest

from proxy_addons.accesslog.segment import (
    Segment,
    SegmentError,
    SegmentName,
    broken_marker,
    counted_bytes,
    hour_of,
    segments_in,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Disk

NAME = SegmentName("20261121T20", 1, 1)


@pytest.fixture
def segment(tmp_path: Path, disk: Disk) -> Segment:
    return Segment.create(tmp_path, NAME, disk)


def test_names_say_worker_hour_and_number_and_sort_by_time() -> None:
    assert str(NAME) == "access-w01-20261121T20Z-0001.jsonl"
    names = [
        SegmentName("20261121T20", 3, 1),
        SegmentName("20261121T20", 1023, 2),
        SegmentName("20270101T00", 1, 1),
    ]
    assert [SegmentName.parse(str(name)) for name in names] == names
    assert sorted([names[2], names[0], names[1]]) == names
    assert NAME.begins.isoformat() == "2026-11-21T20:00:00+00:00"
    assert hour_of(NAME.begins.timestamp() + 3599.9) == NAME.hour


@pytest.mark.parametrize(
    "name",
    [
        "access-w01.lock",
        "access-w01-20261121T20Z-0001.jsonl.torn",
        "access-w01-20261121T20Z-0001.jsonl.broken",
        "access-w1-20261121T20Z-0001.jsonl",
        "access-w01-20261121T20Z-0001.jsonl\n",
        "\u0661ccess-w01-20261121T20Z-0001.jsonl",
    ],
)
def test_other_files_are_no_segments(name: str) -> None:
    assert SegmentName.parse(name) is None


def test_a_new_file_has_its_mode_whatever_the_umask(tmp_path: Path, disk: Disk) -> None:
    before = os.umask(0o777)
    try:
        segment = Segment.create(tmp_path, NAME, disk)
    finally:
        os.umask(before)
    assert segment.path.stat().st_mode & 0o777 == 0o640
    segment.end()
    assert segment.path.stat().st_mode & 0o777 == 0o440


def test_its_name_is_durable_before_it_is_used(tmp_path: Path, disk: Disk) -> None:
    segment = Segment.create(tmp_path, NAME, disk)
    assert disk.calls == ["open", "open", "fsync"]
    segment.append(b"one\n")
    assert disk.calls[3:] == ["write", "fdatasync"]


def test_an_existing_file_is_never_taken_over(segment: Segment, disk: Disk) -> None:
    with pytest.raises(FileExistsError):
        Segment.create(segment.path.parent, NAME, disk)
    assert segment.path.exists()


def test_a_file_whose_name_cannot_be_made_durable_is_not_left_behind(
    tmp_path: Path, disk: Disk
) -> None:
    disk.always["fsync"] = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        Segment.create(tmp_path, NAME, disk)
    assert list(tmp_path.iterdir()) == []


def test_a_short_write_goes_on_where_it_ended(segment: Segment, disk: Disk) -> None:
    disk.short = [3, 1]
    segment.append(b"one\ntwo\n")
    assert segment.path.read_bytes() == b"one\ntwo\n"
    assert segment.good == 8


def test_a_disk_that_fills_up_in_the_middle_keeps_nothing_of_the_batch(
    segment: Segment, disk: Disk
) -> None:
    segment.append(b"one\n")
    disk.short = [6]
    disk.fail_write = [errno.ENOSPC]
    with pytest.raises(SegmentError, match="No space left") as caught:
        segment.append(b"two\nthree\n")
    assert caught.value.usable
    assert segment.path.read_bytes() == b"one\n"
    segment.append(b"two\nthree\n")
    assert segment.path.read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE])
def test_any_other_write_error_ends_the_segment(segment: Segment, disk: Disk, number: int) -> None:
    segment.append(b"one\n")
    disk.short = [2]
    disk.fail_write = [number]
    with pytest.raises(SegmentError) as caught:
        segment.append(b"two\n")
    assert not caught.value.usable
    segment.abandon("why")
    assert segment.path.read_bytes() == b"one\n"


def test_a_write_of_nothing_does_not_go_on_for_ever(segment: Segment, disk: Disk) -> None:
    disk.short = [0]
    with pytest.raises(SegmentError, match="nothing was written"):
        segment.append(b"one\n")


def test_a_failed_sync_is_never_tried_again_and_what_it_covered_does_not_count(
    segment: Segment, disk: Disk
) -> None:
    segment.append(b"one\n")
    disk.fail_datasync = [errno.EIO]
    with pytest.raises(SegmentError, match="syncing") as caught:
        segment.append(b"two\n")
    assert not caught.value.usable
    segment.abandon("disk on fire")
    assert disk.calls.count("fdatasync") == 2
    assert segment.path.read_bytes() == b"one\n"
    assert orjson.loads(broken_marker(segment.path).read_bytes()) == {
        "good_bytes": 4,
        "cut": True,
        "reason": "disk on fire",
    }
    assert segment.path.stat().st_mode & 0o777 == 0o440


def test_a_segment_that_cannot_be_cut_is_marked(segment: Segment, disk: Disk) -> None:
    segment.append(b"one\n")
    disk.fail_datasync = [errno.EIO]
    with pytest.raises(SegmentError):
        segment.append(b"two\n")
    disk.fail_truncate = [errno.EIO]
    segment.abandon("disk on fire")
    assert segment.path.read_bytes() == b"one\ntwo\n"
    assert counted_bytes(segment.path) == 4


def test_one_that_can_be_neither_cut_nor_marked_must_be_asked_again(
    segment: Segment, disk: Disk
) -> None:
    segment.append(b"one\n")
    disk.fail_truncate = [errno.EIO]
    disk.fail_open = [errno.ENOSPC]
    with pytest.raises(OSError, match="No space left"):
        segment.abandon("disk on fire")
    segment.abandon("disk on fire")
    assert counted_bytes(segment.path) == 4


def test_one_that_was_cut_needs_no_mark(segment: Segment, disk: Disk) -> None:
    segment.append(b"one\n")
    disk.fail_open = [errno.ENOSPC]
    segment.abandon("disk full")
    assert counted_bytes(segment.path) == 4
    assert not broken_marker(segment.path).exists()


def test_one_in_which_nothing_counts_is_removed(segment: Segment, disk: Disk) -> None:
    disk.fail_datasync = [errno.EIO]
    with pytest.raises(SegmentError):
        segment.append(b"one\n")
    segment.abandon("disk on fire")
    assert list(segment.path.parent.iterdir()) == []


def test_a_removed_file_is_noticed_and_can_still_be_read(segment: Segment) -> None:
    segment.append(b"one\n")
    segment.path.unlink()
    with pytest.raises(SegmentError, match="was removed") as caught:
        segment.append(b"two\n")
    assert not caught.value.usable
    assert segment.removed
    assert segment.read(100, 0) == b"one\n"
    assert segment.read(100, 2) == b"e\n"


def test_a_moved_file_is_noticed_and_keeps_only_what_counted(segment: Segment) -> None:
    segment.append(b"one\n")
    moved = segment.path.rename(segment.path.with_name("moved"))
    with pytest.raises(SegmentError, match="not there any more"):
        segment.append(b"two\n")
    segment.abandon("moved")
    assert moved.read_bytes() == b"one\n"
    assert not broken_marker(segment.path).exists()


def test_a_file_put_in_its_place_is_noticed_and_left_alone(segment: Segment) -> None:
    segment.append(b"one\n")
    segment.path.rename(segment.path.with_name("moved"))
    segment.path.write_bytes(b"forged\n")
    with pytest.raises(SegmentError, match="replaced by another"):
        segment.verify()
    segment.abandon("replaced")
    assert segment.path.read_bytes() == b"forged\n"
    assert not broken_marker(segment.path).exists()


def test_what_somebody_else_wrote_is_marked_and_kept(segment: Segment) -> None:
    segment.append(b"one\n")
    with segment.path.open("ab") as file:
        file.write(b"forged\n")
    with pytest.raises(SegmentError, match="changed by somebody else"):
        segment.append(b"two\n")
    segment.abandon("forged")
    assert segment.path.read_bytes().startswith(b"one\nforged\n")
    assert counted_bytes(segment.path) == 4


def test_a_segment_that_somebody_else_cut_is_noticed(segment: Segment) -> None:
    segment.append(b"one\n")
    os.truncate(segment.path, 2)
    with pytest.raises(SegmentError, match="2 bytes instead of 4"):
        segment.verify()


@pytest.mark.parametrize("mark", [b"", b"{", b"[]", b'{"good_bytes": "4"}', b"{}"])
def test_a_mark_that_was_cut_short_leaves_the_size_to_count(segment: Segment, mark: bytes) -> None:
    segment.append(b"one\n")
    broken_marker(segment.path).write_bytes(mark)
    assert counted_bytes(segment.path) == 4


def test_segments_are_listed_by_worker_and_in_order(tmp_path: Path) -> None:
    names = [SegmentName("20261121T21", 1, 1), SegmentName("20261121T20", 2, 1), NAME]
    for name in names:
        (tmp_path / str(name)).touch()
    (tmp_path / "access-w01.lock").touch()
    assert [name for name, _ in segments_in(tmp_path)] == sorted(names)
    assert [name for name, _ in segments_in(tmp_path, 1)] == [NAME, names[0]]
