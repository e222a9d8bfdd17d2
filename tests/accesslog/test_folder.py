"""One process a worker, and a folder that only its group may read."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from proxy_addons.accesslog.folder import AccessLogError, Folder, Note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Disk


@pytest.fixture
def folder(directory: Path, disk: Disk) -> Iterator[Folder]:
    folder = Folder(directory, 1, disk)
    yield folder
    folder.release()


def test_folder_and_lock_have_their_modes_whatever_the_umask(folder: Folder) -> None:
    before = os.umask(0)
    try:
        folder.acquire()
    finally:
        os.umask(before)
    assert folder.directory.stat().st_mode & 0o777 == 0o750
    assert (folder.directory / "access-w01.lock").stat().st_mode & 0o777 == 0o640


def test_a_second_one_for_the_same_worker_is_refused_and_told_who_has_it(
    folder: Folder, directory: Path, disk: Disk
) -> None:
    folder.acquire()
    folder.note(0)
    with pytest.raises(AccessLogError) as caught:
        Folder(directory, 1, disk).acquire()
    message = str(caught.value)
    assert f"process {os.getpid()}" in message
    assert "access-w01.lock" in message
    assert "another worker number" in message


def test_another_worker_is_not_kept_out(folder: Folder, directory: Path, disk: Disk) -> None:
    folder.acquire()
    other = Folder(directory, 2, disk)
    assert other.acquire() == Note()
    other.release()


def test_the_last_numbers_are_remembered_without_any_segment(
    folder: Folder, directory: Path, disk: Disk
) -> None:
    folder.acquire()
    folder.numbered_until = 1795292100
    folder.note(12345)
    folder.note(99)
    folder.release()
    after = Folder(directory, 1, disk)
    assert after.acquire() == Note(os.getpid(), 99, 1795292100)
    after.release()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"last_seq": "x"}'])
def test_a_lock_file_with_no_sense_in_it_does_no_harm(
    folder: Folder, directory: Path, content: bytes
) -> None:
    directory.mkdir(parents=True)
    (directory / "access-w01.lock").write_bytes(content)
    assert folder.acquire() == Note()


def test_numbers_of_segments_go_on_within_the_hour(folder: Folder) -> None:
    folder.acquire()
    segments = [folder.new_segment(hour) for hour in ("20261121T20", "20261121T20", "20261121T21")]
    assert [(segment.name.hour, segment.name.number) for segment in segments] == [
        ("20261121T20", 1),
        ("20261121T20", 2),
        ("20261121T21", 1),
    ]
    for segment in segments:
        segment.close()


def test_a_removed_folder_is_made_and_locked_again(
    folder: Folder, directory: Path, disk: Disk
) -> None:
    folder.acquire()
    shutil.rmtree(directory)
    segment = folder.new_segment("20261121T20")
    assert segment.path.exists()
    segment.close()
    with pytest.raises(AccessLogError, match="already written"):
        Folder(directory, 1, disk).acquire()


def test_a_removed_folder_that_another_process_took_over_is_not_written_to(
    folder: Folder, directory: Path, disk: Disk
) -> None:
    folder.acquire()
    shutil.rmtree(directory)
    usurper = Folder(directory, 1, disk)
    usurper.acquire()
    with pytest.raises(AccessLogError, match="already written"):
        folder.new_segment("20261121T20")
    assert list(directory.glob("*.jsonl")) == []
    usurper.release()


def test_a_folder_that_cannot_be_had_is_named_with_the_way_out(folder: Folder) -> None:
    folder.directory.parent.write_text("a file, not a folder")
    with pytest.raises(AccessLogError) as caught:
        folder.acquire()
    assert str(folder.directory) in str(caught.value)
    assert "data_dir" in str(caught.value)


def test_a_lock_that_cannot_be_made_is_an_error_in_words(folder: Folder, disk: Disk) -> None:
    disk.always["open"] = errno.EACCES
    with pytest.raises(AccessLogError, match="Permission denied"):
        folder.acquire()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_parent_that_may_not_be_read_is_not_ours_to_sync(
    folder: Folder, disk: Disk, code: int
) -> None:
    disk.always["fsync"] = code
    folder.acquire()
    assert disk.calls.count("fsync") == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_new_folder_that_cannot_be_made_durable_is_an_error_in_words(
    folder: Folder, disk: Disk, code: int
) -> None:
    disk.always["fsync"] = code
    with pytest.raises(AccessLogError, match=os.strerror(code)):
        folder.acquire()
