"""`scripts/records`: as many records as were wanted, as workers write them, always the same."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy_addons.accesslog.compact.lines import fitting
from proxy_addons.accesslog.record import NAMES
from proxy_addons.accesslog.reference import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _recordslib_importable() -> Iterator[None]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
    yield
    sys.path.pop(0)


def module(name: str) -> Any:
    return importlib.import_module(f"recordslib.{name}")


@pytest.mark.parametrize(("rows", "days"), [(1, 1), (999, 1), (5000, 9)])
def test_the_plan_has_all_rows_and_no_gap(rows: int, days: int):
    planned = module("plan").parts(rows, days, FIRST, 3)
    assert sum(each.records for each in planned) == rows
    assert len(planned) == days * 24 * 3
    for worker in (1, 2, 3):
        seq = 1
        for each in planned:
            if each.worker == worker:
                assert each.first_seq == seq
                seq += each.records


def test_lines_are_records(tmp_path: Path):
    force = module("force").Force(50, 3)
    part = module("plan").Part(FIRST, 2, 3000, 41)
    path = module("lines").write(tmp_path, force, part, 5)
    lines = path.read_bytes().splitlines()
    records = [orjson.loads(line) for line in lines]
    assert all(fitting(line) is not None and tuple(orjson.loads(line)) == NAMES for line in lines)
    assert [each["seq"] for each in records] == list(range(41, 3041))
    assert {each["event"] for each in records} == {"transaction", "open"}
    assert {each["action"] for each in records} == {"allow", "coach", "block"}
    assert {each["handling"] for each in records} >= {"spliced", "inspected", "none"}
    assert all(normalise(each["id"]) == each["id"] for each in records)
    assert all(each["start"].startswith("2026-11-21T00:") for each in records)
    closed = {each["id"] for each in records if each["event"] == "transaction"}
    assert all(each["id"] in closed for each in records)
    again = module("lines").lines(module("force").Force(50, 3), part, 5)
    assert [line.rstrip(b"\n") for line in again] == lines
