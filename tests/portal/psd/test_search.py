"""Searching over real HTTP, with a real desk: what an authorisation covers, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import duckdb
import pytest
from support.console import MORNING, asked, console, records

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as made:
        yield made


def looks(at: Console, event: str = "") -> list[dict[str, object]]:
    log = trail_of(at.settings)
    page = TrailReader(log.segments, log.sealed).page(TrailFilter(event=event))
    return [each.record for each in page.records]


def janes(**values: object) -> int:
    """How many of jane's records say this."""
    return sum(
        record["person"] == "jane" and all(record[name] == value for name, value in values.items())
        for record in records()
    )


def found(seen: Seen) -> int:
    match = re.search(r"([\d,]+) records?\b", seen.words)
    assert match is not None, seen.words
    return int(match[1].replace(",", ""))


async def test_jane_and_nobody_else(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/search?au={reference}")
    assert seen.status == 200, seen.words
    assert found(seen) == 60
    assert "john" not in seen.text
    assert "192.0.2.2" not in seen.text
    (look,) = looks(at, "look")
    assert (look["person"], look["authorisation"]) == ("paul", reference)
    assert look["outcome"] == {"rows": 60, "records": 60, "page": False}
    assert found(await paul.get(f"/psd/search?au={reference}&person=john")) == 0


async def test_special_sites_are_masked_also_for_filters(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/search?au={reference}")
    assert "masked: special category" in seen.text
    assert "clinic.test" not in seen.text
    for question in ("host=clinic.test", "text=appointment", "category=health", "rule=health"):
        assert found(await paul.get(f"/psd/search?au={reference}&{question}")) == 0, question
    shown = at.authorised(asked(unmasked=frozenset({"health"}))).reference
    assert found(await paul.get(f"/psd/search?au={shown}&host=clinic.test")) > 0


async def test_filters_pages_and_sessions(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    for name, value in (("action", "block"), ("host", "news.test"), ("rule", "government")):
        seen = await paul.get(f"/psd/search?au={reference}&{name}={value}")
        assert found(seen) == janes(**{name: value})
    seen = await paul.get(
        f"/psd/search?au={reference}&since=2026-11-23T08:00&until=2026-11-23T08:30"
    )
    assert found(seen) == 15
    seen = await paul.get(f"/psd/search?au={reference}&view=sessions")
    assert "Sessions" in seen.words
    assert "119" not in seen.words
    assert re.search(r"23 Nov 2026 08:00:00 GMT\s+118\s+jane", seen.words), seen.words
    wrong = await paul.get(f"/psd/search?au={reference}&since=yesterday")
    assert wrong.status == 400
    assert "Write a day" in wrong.words


async def test_charts_say_what_the_tables_say(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/search?au={reference}")
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', seen.text, re.DOTALL)[1])  # type: ignore[index]
    by = {each["id"]: each for each in drawn}
    shown = janes() - janes(host="clinic.test")
    for name, number in (("chart-time", janes()), ("chart-sites", shown), ("chart-rules", shown)):
        assert sum(by[name]["allowed"]) + sum(by[name]["refused"]) == number, name
    assert sum(cell[2] for cell in by["chart-week"]["cells"]) == 60
    assert "script-src 'self'" in seen.headers["Content-Security-Policy"]
    for address in re.findall(r'<script src="([^"]+)"', seen.text):
        script = await paul.get(address)
        assert script.status == 200
        assert script.headers["Content-Type"].startswith("text/javascript")
        assert "immutable" in script.headers["Cache-Control"]


@pytest.mark.parametrize("who", ["jane", "audrey", "ines", "acu"])
async def test_others_cannot_open_it(at: Console, who: str) -> None:
    reference = at.authorised().reference
    visitor = await at.house.visitor(who)
    assert (await visitor.get(f"/psd/search?au={reference}")).status == 403
    assert (await visitor.get(f"/psd/export?au={reference}&form=csv")).status == 403


async def test_who_is_not_named_is_told_the_same_as_of_none(at: Console) -> None:
    reference = at.authorised(asked(investigators=frozenset())).reference
    petra = await at.house.visitor("petra")
    seen = await petra.get(f"/psd/search?au={reference}")
    none = await petra.get("/psd/search?au=AU-2026-0999")
    assert (seen.status, none.status) == (403, 403)
    assert seen.words.replace(reference, "") == none.words.replace("AU-2026-0999", "")
    assert [look["outcome"] for look in looks(at, "look")] != []


async def test_after_its_end_nothing_is_shown(at: Console) -> None:
    reference = at.authorised().reference
    at.clock.go_on(days=29)
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/search?au={reference}")
    assert seen.status == 403
    assert "ended on" in seen.words


async def test_files(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    rows = {}
    for form in ("csv", "jsonl", "parquet"):
        url = f"{at.house.base}/psd/export?au={reference}&form={form}&order=oldest"
        async with paul._session.get(url) as answer:
            assert answer.status == 200
            assert (
                f'filename="{reference.lower()}-20261123T120000Z.{form}"'
                in (answer.headers["Content-Disposition"])
            )
            rows[form] = await answer.read()
    table = list(csv.DictReader(io.StringIO(rows["csv"].decode("utf-8-sig"))))
    lines = [json.loads(line) for line in rows["jsonl"].splitlines()]
    file = at.settings.paths.data_dir / "out.parquet"
    file.write_bytes(rows["parquet"])
    (count, first) = duckdb.sql(f"SELECT count(*), epoch(min(start)) FROM '{file}'").fetchone()  # type: ignore[misc]
    assert len(table) == len(lines) == count == 60
    assert first == MORNING.timestamp()
    assert {line["person"] for line in lines} == {"jane"}
    assert {row["masked"] for row in table} == {"yes", "no"}
    assert [look["outcome"]["form"] for look in looks(at, "export")] == ["parquet", "jsonl", "csv"]  # type: ignore[index]


async def test_a_desk_that_is_down_is_said(at: Console) -> None:
    reference = at.authorised().reference
    at.settings.paths.desk_socket.rename(at.settings.paths.run_dir / "gone")
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/search?au={reference}")
    assert seen.status == 503
    assert "does not answer" in seen.words
    at.settings.paths.run_dir.joinpath("gone").rename(at.settings.paths.desk_socket)
    assert (await paul.get(f"/psd/search?au={reference}")).status == 200


async def test_a_trail_that_cannot_be_written_shows_nothing(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    folder = trail_of(at.settings).segments
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("no folder")
    seen = await paul.get(f"/psd/search?au={reference}")
    assert seen.status == 503, seen.words
    assert "Nothing is shown" in seen.words
    assert "jane" not in seen.words.split("Signed in as")[0]


async def test_the_trail_is_for_auditors(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    await paul.get(f"/psd/search?au={reference}&host=news.test")
    audrey = await at.house.visitor("audrey")
    seen = await audrey.get(f"/psd/trail?au={reference}")
    assert seen.status == 200
    assert "host: news.test" in seen.words
    assert "Steps of authorisations" in seen.words
    assert (await paul.get("/psd/trail")).status == 403
    assert (await audrey.get("/psd/trail?person=audrey&event=look")).status == 200
