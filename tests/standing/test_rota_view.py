"""From a file of duty times to what a worker says: entries that overlap, odd days, both engines."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.policy import states
from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing.dayreading import read_whole
from proxy_addons.standing.dayview import DayView
from proxy_addons.standing.dutyday import day_of
from proxy_addons.standing.rota_csv import read_csv
from proxy_addons.standing.rota_import import RotaImport

if TYPE_CHECKING:
    import pytest

    from proxy_addons.standing import Store

LONDON = ZoneInfo("Europe/London")
FIVE = time(5)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
NUMBERS = itertools.count()
BASES = st.sampled_from(
    [
        datetime.fromisoformat(text).replace(tzinfo=LONDON).astimezone(UTC)
        for text in (
            "2026-11-23 00:00",  # midnight
            "2026-11-23 05:00",  # the day turns
            "2026-03-29 01:00",  # an hour is left out
            "2026-10-25 01:00",  # an hour comes twice
            "2028-02-29 00:00",
            "2028-03-01 00:00",
            "2027-03-01 00:00",
            "2027-01-01 00:00",
        )
    ]
)
IN_DOUBT = {"2026-03-29", "2026-10-25"}


class Entry(NamedTuple):
    """Minutes after the base, and how long; with an offset, or as the clock on the wall shows."""

    begins: int
    lasts: int
    is_local: bool


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(-40, 80).map(lambda each: each * 15),
        st.sampled_from([15, 30, 60, 480, 600, 780]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def written(at: datetime, *, is_local: bool) -> str:
    here = at.astimezone(LONDON)
    if is_local and f"{here:%Y-%m-%d}" not in IN_DOUBT:
        return f"{here:%Y-%m-%d %H:%M}"
    return f"{at:%Y-%m-%dT%H:%MZ}"


@settings(max_examples=30, deadline=None)
@given(base=BASES, entries=ENTRIES)
# The second begins while the first runs, and ends before it; the third goes on without a gap.
@example(
    base=datetime(2026, 11, 23, tzinfo=UTC),
    entries=[Entry(0, 780, is_local=True), Entry(60, 30, is_local=True), Entry(780, 60, False)],  # noqa: FBT003 - a short row
)
def test_on_duty_while_any_entry_says_so(
    shared: Store, tmp_path_factory: pytest.TempPathFactory, base: datetime, entries: list[Entry]
) -> None:
    person = f"view{next(NUMBERS)}"
    duties = [
        (base + each.begins * MINUTE, base + (each.begins + each.lasts) * MINUTE)
        for each in entries
    ]
    rows = [
        ",".join((person, *(written(at, is_local=entry.is_local) for at in duty), "early"))
        for duty, entry in zip(duties, entries, strict=True)
    ]
    path = tmp_path_factory.mktemp("rota") / "duties.csv"
    path.write_text("\n".join(("person,begins,ends,kind", *rows)))
    file = read_csv(path, LONDON)
    RotaImport(shared, LONDON, clock=lambda: base, pause=lambda _: None).take_over(file, "lee")
    view = DayView(Shifts(), LONDON)
    view.take(read_whole(shared, view, base))
    days = [begins.astimezone(LONDON).date() for begins, _ in duties]
    edges = {each for duty in duties for each in duty}
    for edge in sorted(edges):
        for at in (edge - SECOND, edge, edge + 7 * MINUTE):
            if any(begins <= at < ends for begins, ends in duties):
                expected = states.ON_DUTY
            elif min(days) <= day_of(at, LONDON, FIVE) <= max(days):
                expected = states.OFF_DUTY
            else:
                expected = states.NO_ROTA
            assert view.states(person, at) == {expected}, at
