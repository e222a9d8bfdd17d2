"""Every row of the table of evasions, on the real gateway, on both lanes, both ways to the web.

The rows of each gateway are tried once, one after the other, by the code of `watchhouse selftest`;
here each row's outcome is a test, with what the origin got and what the access log says in it.
"""

from __future__ import annotations

import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.world import LANES, World

from proxy_addons.selftest.judge import Outcome
from proxy_addons.selftest.table import Row, find, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proxy_addons.selftest.run import Result

ROWS = read(find().read_text("utf-8"))
# A name server of ours answers on port 53: the direct way needs root.
WAYS = ("direct", "parent")
_ONLY_DIRECT = {"resolver", "people"}


def cases() -> Iterator[object]:
    for lane in LANES:
        for way in WAYS:
            for row in ROWS:
                if way == "parent" and row.needs & _ONLY_DIRECT:
                    continue
                marks = [pytest.mark.root] if way == "direct" else []
                if row.hole and row.lane in {"", lane}:
                    marks.append(pytest.mark.xfail(reason=row.hole, strict=True))
                yield pytest.param(lane, way, row, marks=marks, id=f"{lane}-{way}-{row.name}")


@pytest.fixture(scope="session")
def tried(
    request: pytest.FixtureRequest,
    index: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, str, Row], Result]]:
    """What came of a row in a world. All rows that were asked for are tried at first use."""
    wanted: dict[tuple[str, str], list[Row]] = {}
    for item in request.session.items:
        params = getattr(item, "callspec", None)
        if item.name.startswith("test_an_evasion[") and params is not None:
            world = params.params["lane"], params.params["way"]
            skipped = any(mark.name == "skip" for mark in item.iter_markers())
            wanted.setdefault(world, []).extend([] if skipped else [params.params["row"]])

    def run(lane: str, way: str) -> dict[str, Result]:
        folder = tmp_path_factory.mktemp(f"{lane}-{way}")
        order = {row.name: place for place, row in enumerate(ROWS)}
        rows = sorted(wanted[lane, way], key=lambda row: order[row.name])
        with World(folder / "world", index, lane=lane, direct=way == "direct") as world:
            return {result.row.name: result for result in world.run(rows)}

    with ThreadPoolExecutor(4) as pool:
        outcomes: dict[tuple[str, str], Future[dict[str, Result]]] = {
            world: pool.submit(run, *world) for world, rows in wanted.items() if rows
        }

        def outcome(lane: str, way: str, row: Row) -> Result:
            if (problem := outcomes[lane, way].exception()) is not None:
                # Not raised again: it would grow with each of the tests.
                said = "".join(traceback.format_exception(problem))
                pytest.fail(f"the world did not hold: {said[-2000:]}", pytrace=False)
            return outcomes[lane, way].result()[row.name]

        yield outcome


@pytest.mark.parametrize(("lane", "way", "row"), list(cases()))
def test_an_evasion(
    lane: str, way: str, row: Row, tried: Callable[[str, str, Row], Result]
) -> None:
    result = tried(lane, way, row)
    assert result.verdict.outcome is Outcome.OK, (
        f"{result.verdict.why}\nobserved: {result.seen.said}\n"
        f"origin: {result.seen.origin}\nrecords: {result.seen.records}"
    )
