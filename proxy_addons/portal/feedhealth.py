"""How the feeds of the access log go, as their process tells it.

In: the file that it writes (accesslog/feeds/running.py), the names of the feeds, the time.
Out: a `FeedHealth` for each, for `/healthz` and `/metrics`.
Must never: take an old file for the present; fail because it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Metric

SILENT_AFTER = 15.0
"""Seconds after which what was told does not count any more; it is told once a second."""


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """How one feed goes.

    Attributes:
        name: of the settings.
        status: `ok`, `behind`, `stopped`, or `silent`: its process does not tell.
        lag_seconds: age of the oldest record that is not acknowledged; None: not known.
        problem: what last went wrong; empty: nothing since the last acknowledgement.
    """

    name: str
    status: str
    lag_seconds: float | None
    problem: str

    def sentence(self) -> str | None:
        """What somebody should look at; None when it goes well."""
        match self.status:
            case "ok":
                return None
            case "silent":
                return f"the process of the feed {self.name} does not tell how it goes"
            case "stopped":
                return f"the feed {self.name} stands still: {self.problem}"
            case _:
                return f"the feed {self.name} is {self.lag_seconds or 0:.0f} s behind"


def read(file: Path, names: Sequence[str], now: float) -> tuple[FeedHealth, ...]:
    """How the feeds go now.

    Args:
        file: what their process tells.
        names: of the feeds there should be.
        now: Unix time.
    """
    told: dict[str, dict[str, Any]] = {}
    try:
        document = orjson.loads(file.read_bytes())
        if -SILENT_AFTER <= now - document["at"] <= SILENT_AFTER:
            told = {each["name"]: each for each in document["feeds"]}
        return tuple(_one(name, told.get(name)) for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Not there, or not ours: nothing is known of any feed.
        return tuple(_one(name, None) for name in names)


def families(feeds: Sequence[FeedHealth]) -> Iterator[Metric]:
    """The same as metrics."""
    lag = GaugeMetricFamily(
        "watchhouse_feed_lag_seconds",
        "Age of the oldest record that a feed's receiver has not acknowledged; 0: there is none.",
        labels=["feed"],
    )
    stopped = GaugeMetricFamily(
        "watchhouse_feed_stopped",
        "1 while a feed stands still until somebody acts, or does not tell; else 0.",
        labels=["feed"],
    )
    for feed in feeds:
        if feed.lag_seconds is not None:
            lag.add_metric([feed.name], feed.lag_seconds)
        stopped.add_metric([feed.name], float(feed.status in {"stopped", "silent"}))
    if feeds:
        yield lag
        yield stopped


def _one(name: str, told: dict[str, Any] | None) -> FeedHealth:
    if told is None:
        return FeedHealth(name, "silent", None, "")
    return FeedHealth(
        name, str(told["status"]), float(told["lag_seconds"]), str(told.get("problem", ""))
    )
