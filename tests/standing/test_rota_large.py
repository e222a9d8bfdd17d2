"""A whole force's rota: how long it takes, and who waits meanwhile."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from proxy_addons.settings.shifts import Shifts
from proxy_addons.standing.breaks import Breaks
from proxy_addons.standing.rota import Rota
from proxy_addons.standing.rota_csv import read_csv
from proxy_addons.standing.rota_ics import read_ics
from proxy_addons.standing.rota_import import RotaImport
from proxy_addons.standing.rota_plan import Changes
from proxy_addons.standing.store import BUSY
from proxy_addons.standing.tables_shifts import duties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Place

    from proxy_addons.standing import Store
    from proxy_addons.standing.rota_entries import RotaFile

LONDON = ZoneInfo("Europe/London")
FIRST = date(2026, 12, 1)
# Begin, end, days until the end: two of each, then two days off.
SHAPES: Final = (("0700", "1700", 0), ("1400", "0000", 1), ("2200", "0700", 1), ("0800", "1600", 0))
SECONDS = 60  # for 13,000 people and 60 days (issue 5)


def rows(people: int, days: int) -> Iterator[tuple[str, date, tuple[str, str, int] | None]]:
    for person in range(people):
        for day in range(days):
            place = (person + day // 2) % (len(SHAPES) + 1)
            shape = SHAPES[place] if place < len(SHAPES) else None
            yield f"pc{person:05}", FIRST + timedelta(days=day), shape


def as_csv(path: Path, people: int, days: int) -> RotaFile:
    with path.open("w") as file:
        file.write("person,date,from,to,kind\n")
        for name, day, shape in rows(people, days):
            begins, ends, _ = shape or ("", "", 0)
            file.write(f"{name},{day},{begins},{ends},{'duty' if shape else 'rest day'}\n")
    return read_csv(path, LONDON)


def as_ics(path: Path, people: int, days: int) -> RotaFile:
    with path.open("w", newline="\r\n") as file:
        file.write("BEGIN:VCALENDAR\nVERSION:2.0\n")
        for number, (name, day, shape) in enumerate(rows(people, days)):
            if shape is None:
                when = f"DTSTART;VALUE=DATE:{day:%Y%m%d}\nSUMMARY:Rest day"
            else:
                begins, ends, later = shape
                last = day + timedelta(days=later)
                when = (
                    f"DTSTART;TZID=Europe/London:{day:%Y%m%d}T{begins}00\n"
                    f"DTEND;TZID=Europe/London:{last:%Y%m%d}T{ends}00"
                )
            file.write(
                f"BEGIN:VEVENT\nUID:{number}@force.example\nDTSTAMP:20261101T000000Z\n{when}\n"
                f"ATTENDEE;CN=Constable {name}:mailto:{name}@force.example\nEND:VEVENT\n"
            )
        file.write("END:VCALENDAR\n")
    return read_ics(path, LONDON)


def waited_for_processors() -> float:
    """Seconds for which this thread was ready to run, and others ran."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


class Clicks:
    """Somebody who starts and ends breaks in a thread of their own, all the time."""

    def __init__(self, store: Store) -> None:
        self.waits: list[float] = []
        self.failures: list[BaseException] = []
        self._breaks = Breaks(store, Shifts().breaks, Shifts().day_turns, LONDON)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._click)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _click(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            begin = time.monotonic()
            try:
                self._breaks.start(f"clicker{number}", 15, f"clicker{number}", "test")
            except Exception as problem:  # noqa: BLE001 - the test says which
                self.failures.append(problem)
            self.waits.append(time.monotonic() - begin)
            self._stop.wait(0.05)


@pytest.mark.parametrize("made", [as_csv, as_ics])
def test_both_formats_say_the_same_and_others_get_the_lock(
    place: Place, store: Store, tmp_path: Path, made: Callable[[Path, int, int], RotaFile]
):
    file = made(tmp_path / "x", 450, 20)
    assert (file.rows, len(file.people)) == (9000, 450)
    rota = RotaImport(store, LONDON)
    other = place.open()
    with Clicks(other) as clicks:
        changes = rota.take_over(file, "lee")
        again = rota.take_over(file, "lee")
    other.close()
    assert changes == Changes(people=450, changed=450, new=450, added=7200)
    assert again == Changes(people=450)
    assert not clicks.failures
    assert clicks.waits
    with store.reading() as connection:
        ends = connection.execute(select(func.min(duties.c.begins), func.max(duties.c.ends))).one()
        assert connection.execute(select(func.count()).select_from(duties)).scalar_one() == 7200
    assert tuple(ends) == (
        datetime(2026, 12, 1, 7, tzinfo=UTC),
        datetime(2026, 12, 21, 7, tzinfo=UTC),
    )


@pytest.mark.heavy
@pytest.mark.alone
@pytest.mark.parametrize("made", [as_csv, as_ics])
def test_a_whole_force_in_a_minute(
    place: Place,
    store: Store,
    tmp_path: Path,
    made: Callable[[Path, int, int], RotaFile],
    capsys: pytest.CaptureFixture[str],
):
    """13,000 people, 60 days; the time is that of reading and writing, not of making the file."""
    people, days = 13_000, 60
    path = tmp_path / "x"
    made(path, people, days)
    read = read_csv if made is as_csv else read_ics
    other = place.open()
    figures = []
    with Clicks(other) as clicks:
        for _ in range(2):
            begin, used, waited = time.monotonic(), time.process_time(), waited_for_processors()
            file = read(path, LONDON)
            after = time.monotonic()
            changes = RotaImport(store, LONDON).take_over(file, "lee")
            done = time.monotonic()
            waited = waited_for_processors() - waited
            used = time.process_time() - used
            figures.append((done - begin, after - begin, used, waited))
            added = changes.added
            assert added in {624_000, 0}
    other.close()
    with capsys.disabled():
        for what, (total, reading, used, waited) in zip(("first", "again"), figures, strict=True):
            print(  # noqa: T201 - figures are what it is for
                f"\n{place.engine}, {made.__name__}, {what}: {total:.1f} s, of these reading"
                f" {reading:.1f} s; processor {used:.1f} s, waiting for one {waited:.1f} s;"
                f" longest wait of {len(clicks.waits)} breaks {max(clicks.waits):.2f} s"
            )
    assert not clicks.failures
    assert max(clicks.waits) < BUSY  # beyond, a click is refused
    assert max(total for total, *_ in figures) < SECONDS
    assert Rota(store, LONDON).status().people == people
