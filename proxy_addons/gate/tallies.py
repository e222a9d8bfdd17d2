"""Tallies: what happened since the last heartbeat, counted in plain numbers.

In: calls from the worker's hot path. Out: once a second, sums for Prometheus (metrics.py).
Must never: cost a request more than an addition; grow without bound while nobody takes the sums.

A count in prometheus_client's shared files takes some microseconds, and a request makes seven.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

OTHER = "other"


class Tally[K: Hashable]:
    """Counts by key.

    Args:
        most: keys that are kept apart; what more come count as `other`.
        other: the key that stands for them.
    """

    __slots__ = ("_counts", "_most", "_other")

    def __init__(self, most: int, other: K) -> None:
        self._counts: dict[K, int] = {}
        self._most = most
        self._other = other

    def add(self, key: K) -> None:
        """One more of this key."""
        counts = self._counts
        if key not in counts and len(counts) >= self._most:
            key = self._other
        counts[key] = counts.get(key, 0) + 1

    def take(self) -> dict[K, int]:
        """The counts since the last call."""
        taken, self._counts = self._counts, {}
        return taken


class Spread:
    """Values, counted by the bucket they fall in.

    Args:
        bounds: upper bounds of the buckets, ascending, without infinity.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """One more value; as in Prometheus one on a bound belongs below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def pour(self, histogram: Any) -> None:
        """Put the values since the last call into a histogram of the same bounds.

        prometheus_client offers `observe` alone, one value at a time; what it adds to is used
        instead, and tests/gate/test_metrics.py fails if a new version keeps it elsewhere.
        """
        counts, self._counts = self._counts, [0] * len(self._counts)
        total, self._sum = self._sum, 0.0
        if any(counts):
            histogram._sum.inc(total)  # noqa: SLF001 - see above
            for bucket, count in zip(histogram._buckets, counts, strict=True):  # noqa: SLF001 - no other way
                if count:
                    bucket.inc(count)
