"""When how many records come: hours of days, shared among workers.

In: rows, days, workers. Out: what each segment has, and the numbers its records begin with.
Must never: depend on anything but its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

# Of a day's requests, by hour (UTC): an office by day, and those on duty all the time.
_HOURS = (9, 7, 6, 5, 5, 8, 18, 40, 72, 84, 88, 86, 95, 92, 82, 78, 66, 40, 30, 28, 26, 24, 18, 12)
_WEEKEND = 0.35
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One segment.

    Attributes:
        begins: its hour, aware, UTC.
        worker: who writes it.
        records: lines.
        first_seq: number of the first one.
    """

    begins: datetime
    worker: int
    records: int
    first_seq: int

    @property
    def hour(self) -> str:
        """As in the names of segments."""
        return self.begins.strftime("%Y%m%dT%H")


def parts(rows: int, days: int, first: datetime, workers: int = 2) -> list[Part]:
    """All segments, in the order of time.

    Args:
        rows: records in all.
        days: over how many they are spread.
        first: midnight of the first day, UTC.
        workers: that share them.
    """
    begins = [first.astimezone(UTC) + timedelta(hours=hour) for hour in range(24 * days)]
    weights = [
        _HOURS[each.hour] * (_WEEKEND if each.weekday() >= _SATURDAY and days > 1 else 1)
        for each in begins
        for _ in range(workers)
    ]
    # Rounded so that all of them together are exactly as many as were wanted.
    whole = sum(weights)
    ends = [round(rows * upto / whole) for upto in accumulate(weights)]
    counts = [end - before for before, end in zip([0, *ends], ends, strict=False)]
    seqs = [1] * workers
    made = []
    for place, count in enumerate(counts):
        hour, worker = divmod(place, workers)
        made.append(Part(begins[hour], worker + 1, count, seqs[worker]))
        seqs[worker] += count
    return made
