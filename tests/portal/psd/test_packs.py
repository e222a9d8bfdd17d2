"""A pack over real HTTP: made of a search, handed out, checked on another Python."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.alone import verified_alone
from support.console import asked, console, records, seal_all

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen, Visitor

DAY = {"since": "2026-11-23T08:00", "until": "2026-11-23T10:00"}
NOTE = "For the hearing of case 12."


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path) as made:
        seal_all(made.settings)
        yield made


async def make(visitor: Visitor, reference: str, note: str = NOTE, **fields: str) -> Seen:
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    return await visitor.fill(
        f"/psd/pack?au={reference}&{query}", au=reference, note=note, **fields
    )


async def fetched(visitor: Visitor, reference: str, seen: Seen) -> bytes:
    path = seen.text.partition('href="/psd/packs/')[2].partition('"')[0]
    async with visitor._session.get(f"{visitor.base}/psd/packs/{path}") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "application/zip"
        assert reference in path
        return await answer.read()


def changed(pack: Path, name: str, old: bytes, new: bytes) -> None:
    """The same pack with a file changed."""
    with zipfile.ZipFile(pack) as inside:
        files = {each: inside.read(each) for each in inside.namelist()}
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    with zipfile.ZipFile(pack, "w") as made:
        for each, octets in files.items():
            made.writestr(each, octets)


async def test_a_complete_pack_is_verified_by_who_has_nothing_of_ours(
    at: Console, tmp_path: Path
) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await make(paul, reference, **DAY)
    assert seen.status == 200, seen.words
    assert "no other record of jane" in seen.words
    octets = await fetched(paul, reference, seen)
    pack = tmp_path / "pack.zip"
    pack.write_bytes(octets)
    with zipfile.ZipFile(io.BytesIO(octets)) as inside:
        names = inside.namelist()
        lines = b"".join(inside.read(name) for name in names if name.startswith("lines/"))
        assert {"report.html", "report.pdf", "verify.py", "manifest.sig"} <= set(names)
        text = b"".join(inside.read(name) for name in names if not name.endswith(".pdf"))
    shown = [record for record in records() if record["person"] == "jane"]
    masked = [record for record in shown if record["host"] == "clinic.test"]
    assert lines.count(b'"jane"') == len(shown) - len(masked)
    assert b"john" not in text
    assert b"clinic.test" not in text, "it is masked"
    key = await asyncio.to_thread(at.settings.paths.seal_key.with_suffix(".pub").read_text)
    status, said = await asyncio.to_thread(verified_alone, pack, key.strip())
    assert status == 0, said
    first = next(name for name in names if name.startswith("lines/") and name.endswith(".jsonl"))
    changed(pack, first, b"news.test", b"nows.test")
    status, said = await asyncio.to_thread(verified_alone, pack, key.strip())
    assert status == 1
    assert first in said


async def test_a_filter_proves_less(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await make(paul, reference, host="news.test")
    assert seen.status == 200, seen.words
    with zipfile.ZipFile(io.BytesIO(await fetched(paul, reference, seen))) as inside:
        assert json.loads(inside.read("proofs.json")).get("whole") is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "clinic.test"}, "nothing fits"),
        ({"person": "john"}, "nothing fits"),
        ({"since": "2026-11-23T08:00"}, "seal first"),
    ],
)
async def test_what_cannot_be_packed(at: Console, fields: dict[str, str], words: str) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    seen = await make(paul, reference, **fields)
    assert seen.status == 403
    assert words in seen.words
    assert not at.settings.paths.packs_dir.exists()


async def test_it_takes_a_reason_and_is_recorded(at: Console) -> None:
    reference = at.authorised().reference
    paul = await at.house.visitor("paul")
    assert (await make(paul, reference, note="because", **DAY)).status == 400
    seen = await make(paul, reference, **DAY)
    await fetched(paul, reference, seen)
    log = trail_of(at.settings)
    fetch, made = TrailReader(log.segments, log.sealed).page(TrailFilter(event="export")).records
    assert made.record["outcome"]["note"] == NOTE
    assert made.record["outcome"]["sha256"] in seen.words
    assert fetch.record["outcome"] == {"form": "pack", "name": made.record["outcome"]["name"]}


async def test_only_for_who_may_look_still(at: Console) -> None:
    reference = at.authorised(asked(investigators=frozenset())).reference
    paul = await at.house.visitor("paul")
    seen = await make(paul, reference, **DAY)
    path = f"/psd/packs/{seen.text.partition('/psd/packs/')[2].partition(chr(34))[0]}"
    petra = await at.house.visitor("petra")
    assert (await petra.get(path)).status == 403
    other = at.authorised().reference
    assert (await paul.get(path.replace(reference, other))).status == 404
    assert (await paul.get(f"/psd/packs/{reference}/..")).status == 404
    at.clock.go_on(days=29)
    again = await at.house.visitor("paul")
    assert (await again.get(path)).status == 403
