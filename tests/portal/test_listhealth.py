"""How fresh lists are, in the health document and in the metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from proxy_addons.categorisation.updates.state import State, write_state
from proxy_addons.portal import health, listhealth

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
YESTERDAY, LONG_AGO = "2026-11-22T09:00:00+00:00", "2026-11-20T09:00:00+00:00"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(succeeded=YESTERDAY), None),
        (State(succeeded=LONG_AGO), None),
        (State(succeeded=YESTERDAY, failed=YESTERDAY, why="x"), None),
        (State(succeeded=LONG_AGO, failed=YESTERDAY, why="x"), "the list ut1 cannot be updated"),
        (State(failed=YESTERDAY, why="http://inside.test/"), "the list ut1 cannot be updated"),
        (State(succeeded=YESTERDAY, held="v"), "the list ut1 is held back"),
    ],
)
def test_what_somebody_should_look_at(state: State, said: str | None, tmp_path: Path) -> None:
    write_state(tmp_path / ".history" / "ut1", state)
    lists = listhealth.read(tmp_path, NOW)
    found = health.read(tmp_path / "none", 0, NOW, lists=lists)
    spoken = [each for each in found.problems if "list" in each]
    assert [each.partition(" (")[0] for each in spoken] == ([] if said is None else [said])
    assert found.as_json()["lists"][0]["name"] == "ut1"
    assert "inside.test" not in str(found.as_json())


def test_metrics(tmp_path: Path) -> None:
    assert listhealth.read(tmp_path, NOW) == ()
    assert "watchhouse_list" not in health.exposition(tmp_path, 0, NOW, "")[0].decode()
    write_state(tmp_path / ".history" / "ut1", State(succeeded=YESTERDAY, held="v"))
    write_state(tmp_path / ".history" / "own", State(failed=YESTERDAY))
    lists = listhealth.read(tmp_path, NOW)
    text = health.exposition(tmp_path / "none", 0, NOW, "", lists=lists)[0].decode()
    assert 'watchhouse_list_age_seconds{list="ut1"} 86400.0' in text
    assert 'watchhouse_list_age_seconds{list="own"}' not in text
    assert 'watchhouse_list_held{list="ut1"} 1.0' in text
    assert 'watchhouse_list_failing{list="own"} 1.0' in text
