"""Feeds in the health document and in the metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from proxy_addons.portal import feedhealth, health

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1e9


def told(path: Path, at: float = NOW, **more: object) -> Path:
    one = {"name": "siem", "status": "ok", "lag_seconds": 2.5, "problem": "", **more}
    path.write_text(json.dumps({"at": at, "pid": 1, "feeds": [one]}))
    return path


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, None),
        ({"status": "behind", "lag_seconds": 400}, "the feed siem is 400 s behind"),
        ({"status": "stopped", "problem": "answered 401"}, "stands still: answered 401"),
        ({"at": NOW - 20}, "does not tell"),
        ({"at": NOW + 20}, "does not tell"),
        ({"name": "other"}, "does not tell"),
    ],
)
def test_what_somebody_should_look_at(more: dict[str, object], said: str | None, tmp_path: Path):
    feeds = feedhealth.read(told(tmp_path / "feeds.json", **more), ["siem"], NOW)  # type: ignore[arg-type]
    found = health.read(tmp_path / "none", 0, NOW, feeds=feeds)
    assert [each for each in found.problems if "feed" in each] == [
        each for each in found.problems if said is not None and said in each
    ]
    assert (feeds[0].sentence() is None) == (said is None)
    assert found.as_json()["feeds"][0]["name"] == "siem"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"at": "x"}', '{"at": 1e9, "feeds": [1]}'])
def test_a_file_that_says_nothing(text: str | None, tmp_path: Path):
    file = tmp_path / "feeds.json"
    if text is not None:
        file.write_text(text)
    (found,) = feedhealth.read(file, ["siem"], NOW)
    assert (found.status, found.lag_seconds) == ("silent", None)


def test_metrics(tmp_path: Path):
    feeds = feedhealth.read(told(tmp_path / "feeds.json", status="stopped"), ["siem"], NOW)
    text = health.exposition(tmp_path / "none", 0, NOW, "", feeds=feeds)[0].decode()
    assert 'watchhouse_feed_lag_seconds{feed="siem"} 2.5' in text
    assert 'watchhouse_feed_stopped{feed="siem"} 1.0' in text
    assert "watchhouse_feed" not in health.exposition(tmp_path / "none", 0, NOW, "")[0].decode()
