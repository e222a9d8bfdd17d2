"""After a crash: what is whole stays, what is torn is kept beside it, and numbers go on."""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy_addons.accesslog.recovery import recover
from proxy_addons.accesslog.segment import broken_marker

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Disk

NAME = "access-w01-20261121T20Z-0001.jsonl"


def line(seq: int) -> bytes:
    return b'{"seq":%d,"url":"http://example.com/\\n"}\n' % seq


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


def write(folder: Path, content: bytes, name: str = NAME, mode: int = 0o640) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_an_empty_folder_has_nothing_to_recover(tmp_path: Path, disk: Disk) -> None:
    report = recover(tmp_path, 1, disk)
    assert (report.torn, report.unended, report.last_seq) == ((), (), 0)
    assert report.last_write == 0.0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(lines(1, 2, 3))))
def test_wherever_a_segment_is_cut_the_whole_lines_stay_and_the_rest_is_kept(
    tmp_path: Path, disk: Disk, cut: int
) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    content = lines(1, 2, 3)[:cut]
    path = write(tmp_path, content)
    report = recover(tmp_path, 1, disk)

    whole = content.count(b"\n")
    kept = lines(*range(1, whole + 1))
    assert path.read_bytes() == kept
    assert report.last_seq == whole
    assert report.unended == (path,)
    rest = content[len(kept) :]
    if not rest:
        assert report.torn == ()
        assert list(tmp_path.iterdir()) == [path]
        return
    (tail,) = report.torn
    assert tail.segment == path
    assert tail.saved_as.read_bytes() == rest
    assert (tail.kept_bytes, tail.discarded_bytes) == (len(kept), len(rest))
    assert tail.sha256 == hashlib.sha256(rest).hexdigest()
    assert tail.saved_as.name == f"{NAME}.torn"


def test_a_second_start_finds_nothing_left_to_do(tmp_path: Path, disk: Disk) -> None:
    path = write(tmp_path, lines(1, 2) + b'{"seq":3')
    recover(tmp_path, 1, disk)
    assert path.stat().st_mode & 0o777 == 0o440
    again = recover(tmp_path, 1, disk)
    assert (again.torn, again.unended, again.last_seq) == ((), (), 2)


@pytest.mark.parametrize(
    "rest",
    [b"\0" * 5000, b"\0\0" + lines(3), b"half\0" + lines(3, 4) + b"\0"],
    ids=["zeros", "zeros then a line", "half a line, zeros, lines"],
)
def test_zeros_that_a_file_system_left_are_cut_with_all_that_follows(
    tmp_path: Path, disk: Disk, rest: bytes
) -> None:
    path = write(tmp_path, lines(1, 2) + rest)
    (tail,) = recover(tmp_path, 1, disk).torn
    assert path.read_bytes() == lines(1, 2)
    assert tail.saved_as.read_bytes() == rest


def test_whole_lines_at_the_end_that_are_no_records_are_cut_too(tmp_path: Path, disk: Disk) -> None:
    path = write(tmp_path, lines(1, 2) + b'"seq":3}\n[]\n\n')
    report = recover(tmp_path, 1, disk)
    assert path.read_bytes() == lines(1, 2)
    assert report.torn[0].saved_as.read_bytes() == b'"seq":3}\n[]\n\n'
    assert report.last_seq == 2


def test_a_tail_that_was_kept_before_is_not_overwritten(tmp_path: Path, disk: Disk) -> None:
    write(tmp_path, lines(1) + b"new")
    old = write(tmp_path, b"old", f"{NAME}.torn")
    (tail,) = recover(tmp_path, 1, disk).torn
    assert old.read_bytes() == b"old"
    assert tail.saved_as.name == f"{NAME}.torn-2"
    assert tail.saved_as.read_bytes() == b"new"


@pytest.mark.parametrize("call", ["write", "fsync", "ftruncate", "open"])
def test_a_full_disk_leaves_the_segment_as_it_is_and_says_so(
    tmp_path: Path, disk: Disk, call: str
) -> None:
    content = lines(1, 2) + b'{"seq":3'
    path = write(tmp_path, content)
    disk.always[call] = errno.ENOSPC
    report = recover(tmp_path, 1, disk)
    assert path.read_bytes() == content
    assert report.torn == ()
    assert report.unrepaired == ((path, f"[Errno {errno.ENOSPC}] No space left on device"),)
    assert report.last_seq == 2
    if call != "ftruncate":
        assert list(tmp_path.iterdir()) == [path]  # half a copy would be taken for the whole

    disk.mend()
    recover(tmp_path, 1, disk)
    assert path.read_bytes() == lines(1, 2)


def test_ended_segments_and_those_of_other_workers_are_not_touched(
    tmp_path: Path, disk: Disk
) -> None:
    ended = write(tmp_path, lines(7) + b"torn", mode=0o440)
    other = write(tmp_path, lines(70) + b"torn", "access-w02-20261121T20Z-0001.jsonl")
    report = recover(tmp_path, 1, disk)
    assert ended.read_bytes() == lines(7) + b"torn"
    assert other.read_bytes() == lines(70) + b"torn"
    assert (report.unended, report.last_seq) == ((), 7)


def test_the_highest_number_counts_also_when_a_clock_set_back_named_the_files(
    tmp_path: Path, disk: Disk
) -> None:
    write(tmp_path, lines(8, 9), "access-w01-20261121T18Z-0001.jsonl")
    write(tmp_path, lines(1, 2, 7), "access-w01-20261121T20Z-0001.jsonl")
    write(tmp_path, b"", "access-w01-20261121T21Z-0001.jsonl")
    assert recover(tmp_path, 1, disk).last_seq == 9


def test_of_a_given_up_segment_only_what_is_marked_good_counts(tmp_path: Path, disk: Disk) -> None:
    path = write(tmp_path, lines(1, 2, 3))
    mark = b'{"good_bytes":%d}' % len(lines(1, 2))
    broken_marker(path).write_bytes(mark)
    report = recover(tmp_path, 1, disk)
    assert report.last_seq == 2
    assert path.read_bytes() == lines(1, 2, 3)


def test_the_time_of_the_last_write_is_reported(tmp_path: Path, disk: Disk) -> None:
    path = write(tmp_path, lines(1), mode=0o440)
    assert recover(tmp_path, 1, disk).last_write == path.stat().st_mtime
