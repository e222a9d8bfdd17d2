"""How fresh category lists are, as their updates leave it.

In: the folder of imported lists, the time. Out: a `ListHealth` for each list that is fetched, for
`/healthz` and `/metrics`.
Must never: say where a list comes from (these pages are open to all), or fail because a file is
damaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from proxy_addons.categorisation.updates.state import read_state
from proxy_addons.categorisation.updates.versions import Versions, known_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Metric

OLD_AFTER = 2 * 86400.0
"""Seconds without success after which a failure is somebody's business: the timer tries hourly."""


@dataclass(frozen=True, slots=True)
class ListHealth:
    """How fresh one list is.

    Attributes:
        name: of the list.
        age_seconds: since it was last fetched, or found unchanged; None: never.
        failing: whether the last attempt failed.
        held: whether a version waits for somebody's word.
        pinned: whether it was gone back on, and nothing newer is fetched.
    """

    name: str
    age_seconds: float | None
    failing: bool
    held: bool
    pinned: bool

    def sentence(self) -> str | None:
        """What somebody should look at; None when it goes well."""
        if self.held:
            return f"the list {self.name} is held back (watchhouse categories held)"
        if self.failing and (self.age_seconds is None or self.age_seconds > OLD_AFTER):
            return f"the list {self.name} cannot be updated (watchhouse categories history)"
        return None


def read(lists_dir: Path, now: float) -> tuple[ListHealth, ...]:
    """How fresh lists are now.

    Args:
        lists_dir: where imported lists are.
        now: Unix time.
    """
    try:
        names = known_names(lists_dir)
    except OSError:
        return ()  # not ours to read: nothing is known of any list, and all else is still told
    return tuple(_one(lists_dir, name, now) for name in names)


def _one(lists_dir: Path, name: str, now: float) -> ListHealth:
    state = read_state(Versions(lists_dir, name).folder)
    age = None
    if state.succeeded is not None:
        age = max(0.0, now - datetime.fromisoformat(state.succeeded).timestamp())
    return ListHealth(
        name, age, state.failed is not None, state.held is not None, state.pinned is not None
    )


def families(lists: Sequence[ListHealth]) -> Iterator[Metric]:
    """The same as metrics."""
    age = GaugeMetricFamily(
        "watchhouse_list_age_seconds",
        "Since a category list was last fetched, or found unchanged at its source.",
        labels=["list"],
    )
    failing = GaugeMetricFamily(
        "watchhouse_list_failing", "1 while the last update of a list failed.", labels=["list"]
    )
    held = GaugeMetricFamily(
        "watchhouse_list_held", "1 while a version of a list is held back.", labels=["list"]
    )
    for each in lists:
        if each.age_seconds is not None:
            age.add_metric([each.name], each.age_seconds)
        failing.add_metric([each.name], float(each.failing))
        held.add_metric([each.name], float(each.held))
    if lists:
        yield from (age, failing, held)
