"""The file of a day: sorted however big it is, and knowing which opening records are closed."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from support.sealkill import SIGNER
from support.segments import record, write

from proxy_addons.accesslog.compact.compacting import compact
from proxy_addons.accesslog.compact.days import day_file
from proxy_addons.accesslog.compact.lines import looked_through
from proxy_addons.accesslog.compact.making import Means
from proxy_addons.accesslog.record import NAMES, empty_record
from proxy_addons.accesslog.render import dump
from proxy_addons.accesslog.seal.sealing import Seals, seal
from proxy_addons.audit.duckstore import DuckStore
from proxy_addons.audit.store import Bounds, Question

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_addons.accesslog.compact.index import Index

DAY = datetime(2026, 11, 21, tzinfo=UTC)
LATE = DAY + timedelta(hours=23, minutes=59)
NEXT = DAY + timedelta(days=1)


def line(seq: int, event: str, number: str, start: datetime = LATE, **more: Any) -> dict[str, Any]:
    return {**empty_record(), **record(seq, 1, start, event=event, id=number, **more)}


def sealed(folder: Path, now: datetime, parquet: str = "parquet") -> Index:
    seals, chance = Seals(folder / "seals"), random.Random(1)
    at = now.timestamp()
    seal(folder / "access", seals, SIGNER, now=at, entropy=chance.randbytes, software="x")
    return compact(folder / "access", seals, folder / parquet, now=at).index


@pytest.mark.parametrize("at_once", [1, 7, 50, 1000])
def test_a_day_that_is_sorted_in_parts_is_the_same(tmp_path: Path, at_once: int):
    chance = random.Random(at_once)
    for hour in range(3):
        made = [
            line(
                n,
                chance.choice(("transaction", "open")),
                f"n{chance.randrange(90)}",
                DAY + timedelta(hours=hour, seconds=chance.randrange(60)),
                person=chance.choice(("AB1234", "ab", "Ä", "", None)),
                client_ip=chance.choice(("192.0.2.1", "2001:db8::1", None)),
            )
            for n in range(60)
        ]
        write(tmp_path / "access", f"20261121T{hour:02d}", made)
    hours = sealed(tmp_path, DAY + timedelta(hours=5))
    folder = tmp_path / "parquet"
    means, found = Means(folder, 200_000_000, 2), []
    for big in (1000, 0):
        file = day_file(
            "20261121", list(hours.files), means, taken=frozenset(), big=big, at_once=at_once
        )
        found.append(
            duckdb.execute(
                "SELECT * EXCLUDE (start), epoch_us(start) FROM read_parquet(?)",
                [str(folder / file.name)],
            ).fetchall()
        )
        assert (file.rows, file.pending > 0, file.abroad > 0) == (180, True, True)
    assert len(found[0]) == 180
    assert found[0] == found[1]
    assert not list((folder / "spill").iterdir())


def numbers(folder: Path, bounds: Bounds) -> list[tuple[Any, Any]]:
    with closing(
        DuckStore(
            folder / "parquet",
            folder / "access",
            zone=ZoneInfo("Europe/London"),
            monotonic=lambda: 0.0,
            entropy=bytes,
        )
    ) as store:
        return [(row.values["event"], row.values["id"]) for row in store.every(bounds, Question())]


ALL = Bounds(DAY, NEXT + timedelta(days=1), frozenset(NAMES), None)


@pytest.mark.parametrize("compacted", [True, False])
def test_what_closes_after_midnight_is_counted_once(tmp_path: Path, compacted: bool):
    write(tmp_path / "access", "20261121T23", [line(1, "open", "A"), line(2, "open", "B")])
    first = sealed(tmp_path, NEXT + timedelta(minutes=30))
    assert [each.pending for each in first.files] == [2]
    write(tmp_path / "access", "20261122T01", [line(3, "transaction", "A", person="AB1234")])
    if compacted:
        (file,) = [f for f in sealed(tmp_path, NEXT + timedelta(days=2)).files if not f.pending]
        assert (file.abroad, file.ids) == (1, None)
    assert set(numbers(tmp_path, ALL)) == {("open", "B"), ("transaction", "A")}
    # Whoever may not see the closing record sees one that is open, as if there were no other.
    mine = Bounds(ALL.since, ALL.until, ALL.fields, frozenset({"CD5678"}))
    assert numbers(tmp_path, mine) == [("open", "A")]


def test_an_ordinary_day_has_nothing_to_look_for(tmp_path: Path):
    made = [line(1, "open", "A", person="AB1234"), line(2, "transaction", "A", person="AB1234")]
    write(tmp_path / "access", "20261121T23", made)
    (file,) = sealed(tmp_path, NEXT + timedelta(days=1)).files
    assert (file.pending, file.abroad, file.ids) == (0, 0, ("A", "A"))
    assert numbers(tmp_path, ALL) == [("transaction", "A")]


@pytest.mark.parametrize(
    ("more", "closed"),
    [
        ({}, [0]),
        ({"person": "EF9012"}, []),
        ({"start": "2026-11-21T23:59:00.000001Z"}, []),
        ({"categories": ["health"]}, []),
        ({"categories": None}, []),
        ({"id": "B"}, []),
        ({"event": "gap"}, []),
    ],
)
def test_only_records_that_are_seen_together_stand_for_each_other(
    more: dict[str, Any], closed: list[int]
):
    opened = line(1, "open", "A", person="AB1234")
    end = line(2, "transaction", "A", person="AB1234") | more
    assert looked_through(map(dump, (opened, end))) == (0, closed)


@pytest.mark.parametrize(
    "other",
    [
        b'{"seq": "1", "start": "2026-11-21T23:59:00.000000Z"}',
        b'{"seq": 1.0, "start": "2026-11-21T23:59:00.000000Z"}',
        b'{"url": "\xff", "start": "2026-11-21T23:59:00.000000Z"}',
        b'{"counted": 1, "start": "2026-11-21T23:59:00.000000Z"}',
        b'{"states": [1], "start": "2026-11-21T23:59:00.000000Z"}',
        b'{"start": "2026-02-30T23:59:00.000000Z"}',
        b'{"start": 3}',
        b"[]",
        b"",
    ],
)
def test_lines_that_are_no_records_are_counted(other: bytes):
    good = dump(line(1, "transaction", "A"))
    added = good.strip()[:-1] + b', "added": 1}'
    assert looked_through([good, other, added, other]) == (2, [])
