"""Positions and segments: what is read, in which order, and what a keeper may remove."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feeding import Log, delivery, end, until_idle
from support.gateway import ROOT

from proxy_addons.accesslog.feeds.keeping import oldest_unpassed, unpassed
from proxy_addons.accesslog.feeds.position import (
    Batch,
    Position,
    PositionError,
    Range,
    file_of,
    load,
    save,
)
from proxy_addons.accesslog.feeds.source import Source
from proxy_addons.settings.feeds import Feed
from proxy_addons.settings.load import load as load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy_addons.settings.model import Settings


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "data")


def drain(log: Log, position: Position, most: int = 7) -> list[tuple[int, int]]:
    """All that is new, as (worker, number); everything is acknowledged."""
    source = Source(log.plain, log.sealed)
    found = []
    for _ in range(400):
        batch = source.following(position, most)
        if batch is None:
            if source.following(position, most) is None:
                break
            continue
        records = [orjson.loads(line) for line in batch[1]]
        assert source.lines(batch[0]) == batch[1]
        found += [(record["worker"], record["seq"]) for record in records]
        position.acknowledge(batch[0], 1.0, 0)
    source.close()
    return found


def pack(log: Log, path: Path) -> None:
    """Seal and remove a segment, as far as a feed sees."""
    day = log.sealed / "segments" / "2026" / "11" / "21"
    day.mkdir(parents=True, exist_ok=True)
    (day / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def test_all_workers_and_hours_in_order(log: Log):
    for hour in ("20261121T20", "20261121T21"):
        for worker in (1, 2, 3):
            end(log.write(20, worker, hour))
    found = drain(log, Position())
    assert sorted(found) == sorted((w, n) for w in (1, 2, 3) for n in range(1, 41))
    for worker in (1, 2, 3):
        assert [n for w, n in found if w == worker] == list(range(1, 41))


def test_half_a_line_waits_for_its_end(log: Log):
    path = log.write(3)
    whole = path.read_bytes()
    position = Position()
    path.write_bytes(whole[:-5])
    assert drain(log, position) == [(1, 1), (1, 2)]
    path.write_bytes(whole)
    assert drain(log, position) == [(1, 3)]


def test_what_a_mark_gives_up_is_not_read(log: Log):
    path = log.write(3)
    good = len(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    mark = orjson.dumps({"good_bytes": good, "cut": False, "reason": "test"})
    path.with_name(f"{path.name}.broken").write_bytes(mark)
    assert drain(log, Position()) == [(1, 1), (1, 2)]


def test_lines_that_were_read_before_a_segment_was_cut_back_come_marked(log: Log, tmp_path: Path):
    feed = Feed("f", "file", "ecs", path=tmp_path / "out", beginning="beginning")
    path = log.write(3)
    made = delivery(feed, log)
    until_idle(made)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    end(path)
    log.write(0, number=2).write_bytes(b"".join(lines[1:]))
    log.write(1, number=2)
    until_idle(made)
    assert made.progress.repeated == 2
    assert made.progress.delivered == 6


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from("wreps"), max_size=14))
def test_whatever_happens_each_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[str]
):
    """w: a worker writes; r: the feed reads; e: a new hour; p: sealed and removed; s: restart."""
    log = Log(tmp_path_factory.mktemp("log"))
    file = file_of(log.folder / "feeds", "f")
    position, found, hour, path = Position(), [], 0, log.write(2, hour="20261121T00")
    for deed in deeds:
        if deed == "w":
            path = log.write(3, hour=f"20261121T{hour:02d}")
        elif deed == "r":
            found += drain(log, position)
        elif deed == "e":
            end(path)
            hour += 1
            path = log.write(1, hour=f"20261121T{hour:02d}")
        elif deed == "p":
            for each in sorted(log.plain.iterdir())[:-1]:
                pack(log, each)
        else:
            save(file, position)
            position = load(file) or Position()
    found += drain(log, position)
    assert found == [(1, number) for number in range(1, log.written[1] + 1)]


def test_a_feed_from_now_on(log: Log):
    pack(log, log.write(5, hour="20261121T18"))
    end(log.write(5, hour="20261121T19"))
    log.write(5)
    position = Source(log.plain, log.sealed).now()
    log.write(2)
    assert drain(log, position) == [(1, 16), (1, 17)]


def test_a_position_is_kept_whole(log: Log):
    file = file_of(log.folder, "f")
    batch = Batch((Range("access-w01-20261121T20Z-0001.jsonl", 0, 10),))
    position = Position(
        {"a": 1}, {"b"}, {1: "c"}, batch, [batch], [(1.5, batch)], {"size": 3}, {1: 9}
    )
    save(file, position)
    assert load(file) == position
    assert load(file_of(log.folder, "other")) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', '{"version": 1}', "\0\0"])
def test_a_damaged_position_stops_the_feed_and_is_left_as_it_is(
    text: str, log: Log, tmp_path: Path
):
    feed = Feed("f", "file", "ecs", path=tmp_path / "out", beginning="beginning")
    log.write(3)
    file = file_of(log.folder / "feeds", "f")
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(PositionError):
        load(file)
    made = delivery(feed, log)
    made.step()
    assert str(file) in made.progress.stopped
    assert file.read_text() == text
    assert not (tmp_path / "out").exists()


@pytest.fixture
def gateway(log: Log, tmp_path: Path) -> Callable[..., Settings]:
    read = load_settings(ROOT / "config", overrides={"data_dir": str(log.folder)}, environ={})

    def made(*beginnings: str) -> Settings:
        feeds = [
            Feed(f"f{n}", "file", "ecs", path=tmp_path / f"out{n}", beginning=each)
            for n, each in enumerate(beginnings)
        ]
        return replace(read, feeds=tuple(feeds))

    return made


def test_what_a_keeper_must_not_remove(log: Log, gateway: Callable[..., Settings]):
    first, second = log.write(3, hour="20261121T19"), log.write(3)
    end(first)
    assert unpassed(gateway("now")) == frozenset()
    assert unpassed(gateway()) == frozenset()
    both = gateway("now", "beginning")
    assert unpassed(both) == {first.name, second.name}
    assert str(oldest_unpassed(both)) == first.name
    for feed in both.feeds:
        until_idle(delivery(feed, log))
    assert unpassed(both) == {second.name}
    end(second)
    for feed in both.feeds:
        until_idle(delivery(feed, log))
    assert oldest_unpassed(both) is None
    file_of(log.folder / "feeds", "f0").write_text("damaged")
    assert unpassed(both) == {first.name, second.name}


def test_lines_are_on_the_disk_before_they_are_handed_out(
    log: Log, monkeypatch: pytest.MonkeyPatch
):
    log.write(3)
    monkeypatch.setattr(os, "fdatasync", _fails)
    position = Position()
    source = Source(log.plain, log.sealed)
    assert source.following(position, 10) is None
    monkeypatch.undo()
    assert source.following(position, 10) is not None


def _fails(_: int) -> None:
    raise OSError(5, "Input/output error")
