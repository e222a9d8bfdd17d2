"""Feeds to files: each line once, whatever is moved, cut short or full."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.disk import fill, small
from support.feeding import Log, delivery, until_idle

from proxy_addons.accesslog.feeds import file as file_module
from proxy_addons.settings.feeds import Feed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "data")


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(
        "lines", "file", "ecs", path=tmp_path / "out" / "log.ndjson", beginning="beginning",
        records=10,
    )  # fmt: skip


def numbers(*paths: Path) -> list[int]:
    """In the order of the files."""
    return [
        json.loads(line)["event"]["sequence"]
        for path in paths
        for line in path.read_text().splitlines()
    ]


def test_lines_and_a_file_that_is_moved_away(feed: Feed, log: Log):
    assert feed.path is not None
    made = delivery(feed, log)
    log.write(25)
    until_idle(made)
    old = feed.path.rename(feed.path.with_suffix(".1"))
    log.write(7)
    until_idle(made)
    assert numbers(old, feed.path) == list(range(1, 33))


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 700, 2000, 10**6])
def test_a_batch_that_was_cut_short_is_gone_on_with(
    kept: int,
    moved: bool,
    feed: Feed,
    log: Log,
):
    assert feed.path is not None
    made = delivery(feed, log)
    log.write(10)
    until_idle(made)
    begin = feed.path.stat().st_size
    log.write(10)
    made._unsaved = True
    saved = made._save
    made._save = lambda position: saved(position) if position.sending else _killed()  # type: ignore[method-assign]
    made._unsaved = False
    made.step()
    with feed.path.open("r+b") as written:
        written.truncate(min(begin + kept, feed.path.stat().st_size))
    paths = [feed.path]
    if moved:
        paths = [feed.path.rename(feed.path.with_suffix(".1"))]
    log.write(3)
    until_idle(delivery(feed, log))
    if moved:
        paths.append(feed.path)
    assert numbers(*paths) == list(range(1, 24))


def _killed() -> None:
    raise OSError("killed")


def test_a_file_that_was_taken_away_whole_is_begun_anew_marked(feed: Feed, log: Log):
    assert feed.path is not None
    made = delivery(feed, log)
    log.write(10)
    made._save = lambda _: _killed()  # type: ignore[method-assign]
    made.step()
    feed.path.unlink()
    until_idle(delivery(feed, log))
    assert numbers(feed.path) == list(range(1, 11))
    assert json.loads(feed.path.read_text().splitlines()[0])["tags"] == ["resent"]


def test_after_an_fsync_that_failed_the_batch_is_written_again_marked(
    feed: Feed, log: Log, monkeypatch: pytest.MonkeyPatch
):
    assert feed.path is not None
    made = delivery(feed, log)
    log.write(4)
    real, calls = file_module.os.fsync, []

    def fails_once(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(file_module, "_fsync", fails_once)
    until_idle(made)
    assert numbers(feed.path) == [*range(1, 5), *range(1, 5)]


@pytest.mark.root
def test_a_full_disk_stops_nothing_but_the_feed(feed: Feed, tmp_path: Path):
    with small(tmp_path / "disk") as disk:
        log = Log(tmp_path / "data")
        (disk / "feeds").mkdir()
        log.write(10)
        (log.folder / "feeds").symlink_to(disk / "feeds")
        made = delivery(feed, log)
        made.step()
        ballast = fill(disk)
        log.write(30)
        before = numbers(feed.path) if feed.path else []
        for _ in range(3):
            made.step()
        assert "No space left" in made.progress.problem
        assert len(numbers(feed.path)) <= len(before) + 10  # type: ignore[arg-type]
        ballast.unlink()
        until_idle(made)
        assert numbers(feed.path) == list(range(1, 41))  # type: ignore[arg-type]
