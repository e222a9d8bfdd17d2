"""Sealing and room: what the keeper's own steps do to the files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.keeping import NOON, ORIGIN, Room
from support.segments import write

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.compact.index import Index
from proxy_addons.accesslog.feeds.keeping import feeds_dir
from proxy_addons.accesslog.feeds.position import Position, file_of, save
from proxy_addons.accesslog.keeper.compaction import Compaction
from proxy_addons.accesslog.keeper.removal import Removal
from proxy_addons.accesslog.keeper.seals import SealAccess, SealTrail
from proxy_addons.accesslog.reader import LogReader
from proxy_addons.accesslog.seal.checking import check
from proxy_addons.accesslog.seal.notes import Verifier
from proxy_addons.accesslog.seal.sealing import SealError
from proxy_addons.accesslog.segment import broken_marker
from proxy_addons.accesslog.unpacked import sealed_in
from proxy_addons.settings.feeds import Feed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 86400.0


def test_what_has_ended_is_sealed_and_the_key_made_once(room: Room) -> None:
    room.fill(2)
    first = room.run(SealAccess())
    assert (first.known["size"], first.known["origin"], first.known["waiting"]) == (4, ORIGIN, [])
    assert first.said == "4 segments sealed, 40 records"
    key = room.access.key.read_bytes()
    room.fill(3)
    assert room.run(SealAccess()).known["size"] == 6
    assert room.run(SealAccess()).said == ""
    assert room.access.key.read_bytes() == key
    assert check(room.access.seals, [room.key], access=room.access.segments).faults == ()


def test_the_trail_has_a_log_and_a_key_of_its_own(room: Room) -> None:
    assert room.run(SealTrail()).known == {}, "nothing is there yet"
    assert not room.trail.sealed.exists()
    room.fill(1, log=room.trail)
    done = room.run(SealTrail())
    assert (done.known["origin"], done.known["size"]) == (f"{ORIGIN}/trail", 2)
    assert not room.access.key.exists()
    key = Verifier.parse(done.known["key"])
    assert check(room.trail.seals, [key]).faults == ()


@pytest.mark.parametrize("shown", [True, False])
def test_a_key_that_is_gone_is_not_replaced(room: Room, shown: bool) -> None:
    room.fill(1)
    room.run(SealAccess())
    room.access.key.unlink()
    if not shown:
        (room.access.sealed / "checkpoint").unlink()
    with pytest.raises(SealError, match="is gone"):
        room.run(SealAccess())
    assert not room.access.key.exists()


def test_its_public_half_is_written_again(room: Room) -> None:
    room.fill(1)
    public = room.run(SealAccess()).known["key"]
    path = room.access.key.with_name("seal.pub")
    assert path.read_text() == f"{public}\n"
    path.unlink()
    room.run(SealAccess())
    assert path.read_text() == f"{public}\n"


def indexed(room: Room) -> None:
    """Make Parquet of what is sealed, as the step does; in this process, which is quicker."""
    folder = room.settings.paths.parquet_dir
    if room.access.seals.note():
        compact(room.access.segments, room.access.seals, folder, now=room.now)


def removed(room: Room, days: float) -> int:
    indexed(room)
    room.now = NOON + days * DAY
    return int(room.run(Removal()).known.get("removed", 0))


def test_what_is_sealed_goes_after_its_days_and_is_still_read(room: Room) -> None:
    paths = room.fill(3)
    room.run(SealAccess())
    before = [entry.raw for entry in LogReader(room.access.segments).entries()]
    assert removed(room, 6.8) == 0
    assert removed(room, 8) == 4, "but for the last of each worker"
    assert {path.name for path in paths if path.exists()} == {
        "access-w01-20261121T10Z-0001.jsonl",
        "access-w02-20261121T10Z-0001.jsonl",
    }
    reader = LogReader(room.access.segments, sealed=room.access.sealed)
    assert [entry.raw for entry in reader.entries()] == before
    assert check(room.access.seals, [room.key], access=room.access.segments).faults == ()
    assert removed(room, 9) == 0


def test_nothing_goes_before_it_is_sealed(room: Room) -> None:
    assert removed(room, 0) == 0
    room.fill(2)
    assert removed(room, 30) == 0
    room.now = NOON
    room.run(SealAccess())
    room.fill(4)
    assert removed(room, 30) == 2
    assert len(list(room.access.segments.iterdir())) == 6


def test_the_number_of_days_is_a_setting(room: Room) -> None:
    room.set(keep_plain=30)
    room.fill(2)
    room.run(SealAccess())
    assert (removed(room, 29), removed(room, 31)) == (0, 2)


def test_empty_last_segments_do_not_take_the_numbers_with_them(room: Room) -> None:
    room.fill(2)
    empty = write(room.access.segments, "20261121T11", [])
    room.run(SealAccess())
    assert removed(room, 30) == 2
    assert empty.exists()
    assert (room.access.segments / "access-w01-20261121T09Z-0001.jsonl").exists()


def _plain_changed(_room: Room, path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"AB1234", b"ZZ9999"))


def _packed_cut(room: Room, path: Path) -> None:
    packed = _packed(room, path)
    packed.write_bytes(packed.read_bytes()[:-1])


def _packed_of_another(room: Room, path: Path) -> None:
    other = next(each for _, each in sealed_in(room.access.sealed) if path.name not in each.name)
    _packed(room, path).write_bytes(other.read_bytes())


def _packed_gone(room: Room, path: Path) -> None:
    _packed(room, path).unlink()


def _more_behind(_room: Room, path: Path) -> None:
    good = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b"something of somebody else\n")
    broken_marker(path).write_text(json.dumps({"good_bytes": good, "cut": False, "reason": "x"}))


def _packed(room: Room, path: Path) -> Path:
    (found,) = (each for name, each in sealed_in(room.access.sealed) if str(name) == path.name)
    found.chmod(0o600)
    return found


CHANGES = [_plain_changed, _packed_cut, _packed_of_another, _packed_gone, _more_behind]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_in_the_copy_octet_for_octet_is_kept(
    room: Room, change: Callable[[Room, Path], None]
) -> None:
    path, *_ = room.fill(2)
    room.run(SealAccess())
    indexed(room)
    change(room, path)
    room.now = NOON + 30 * DAY
    done = room.run(Removal())
    assert path.exists()
    assert (len(done.problems), done.known["removed"]) == (1, 1), "the other worker's went"
    assert path.name in done.problems[0]


def test_the_mark_of_a_segment_that_was_cut_goes_with_it(room: Room) -> None:
    path, *_ = room.fill(2)
    mark = broken_marker(path)
    mark.write_text(json.dumps({"good_bytes": path.stat().st_size, "cut": True, "reason": "full"}))
    room.run(SealAccess())
    assert removed(room, 30) == 2
    assert not path.exists()
    assert not mark.exists()


def test_the_step_makes_parquet(room: Room) -> None:
    assert room.run(Compaction()).said == "", "nothing was sealed yet"
    room.fill(2)
    room.run(SealAccess())
    done = room.run(Compaction())
    assert (done.known["hours"], done.problems) == (4, ())
    assert len(Index.read(room.settings.paths.parquet_dir).segments) == 4
    assert room.run(Compaction()).said == "", "nothing is new"
    room.fill(3)
    room.run(SealAccess())
    assert room.run(Compaction()).known["hours"] == 2


def test_what_nobody_could_search_stays(room: Room) -> None:
    room.fill(3)
    room.run(SealAccess())
    room.now = NOON + 30 * DAY
    assert room.run(Removal()).known["removed"] == 0
    indexed(room)
    assert room.run(Removal()).known["removed"] == 4


def test_what_a_feed_has_not_passed_stays(room: Room) -> None:
    paths = room.fill(3)
    room.run(SealAccess())
    indexed(room)
    feed = Feed("lake", "file", "ecs", path=room.data / "lake", beginning="beginning")
    room.settings = replace(room.settings, feeds=(feed,))
    room.now = NOON + 30 * DAY
    assert room.run(Removal()).known["removed"] == 0, "it has not begun"
    position = Position()
    for path in paths:
        position.begin(path.name)
    position.passed = {paths[0].name}
    del position.begun[paths[0].name]
    save(file_of(feeds_dir(room.settings), "lake"), position)
    assert room.run(Removal()).known["removed"] == 1
    assert not paths[0].exists()
