"""Somebody's own copy, over real HTTP: names proposed, looked at, given, recorded."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from support.console import asked, console, records
from support.ldap import Slapd, Someone

from proxy_addons.accesslog.seal.logs import trail_of
from proxy_addons.audit.authority.model import Kind, Regime
from proxy_addons.audit.trailreader import TrailFilter, TrailReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.console import Console
    from support.portal import Seen, Visitor

    from proxy_addons.audit.authority.model import Wanted

NAMED = (
    ("jane", "https://news.test/of/petra?to=kim%40home.example"),
    ("jane", "https://news.test/find?q=Kim+Smith&u=ab1234"),
    ("jane", "https://news.test/jane/in"),
    ("john", "https://news.test/of/john?to=paul@home.example"),
)


def given() -> list[dict[str, Any]]:
    """A morning, and a minute of it in which others are named."""
    made = records()
    for number, (person, url) in enumerate(NAMED):
        made[number] |= {"person": person, "url": url, "host": "news.test", "categories": ["news"]}
    made[0] |= {"claimed": "audrey"}
    return made


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Console]:
    async with console(tmp_path, given()) as made:
        yield made


def own_access(**changes: Any) -> Wanted:
    return asked(kind=Kind.SUBJECT_ACCESS, regime=Regime.DATA_PROTECTION, **changes)


def allowed(at: Console, **changes: Any) -> str:
    return at.authorised(
        own_access(**changes), by="dpo", office="data-protection-officer"
    ).reference


async def copied(visitor: Visitor, reference: str, **fields: str) -> tuple[Seen, bytes]:
    """The form, sent to where its button says; what came, and its octets."""
    form = await visitor.get(f"/psd/copy?au={reference}")
    sent = {"csrf": form.token, "au": reference, "reads": "yes", **fields}
    headers = {"Origin": visitor.base, "Sec-Fetch-Site": "same-origin"}
    async with visitor._session.post(
        f"{visitor.base}/psd/copy/file", data=sent, headers=headers
    ) as answer:
        octets = await answer.read()
        text = "" if octets.startswith(b"PK") else octets.decode()
        return type(form)(answer.status, answer.headers, text, [], ""), octets


def trail(at: Console) -> list[dict[str, Any]]:
    """What the trail has of looks and exports, the newest first."""
    log = trail_of(at.settings)
    page = TrailReader(log.segments, log.sealed).page(TrailFilter(authorisation=""), most=100)
    return [each.record for each in page.records if each.record["event"] in {"look", "export"}]


async def test_names_are_proposed_looked_at_and_cut(at: Console) -> None:
    reference = allowed(at)
    paul = await at.house.visitor("paul")
    page = await paul.get(f"/psd/authorisations/{reference}")
    assert f'href="/psd/copy?au={reference}"' in page.text
    form = await paul.get(f"/psd/copy?au={reference}")
    assert form.status == 200, form.words
    area = re.search(r'<textarea id="others"[^>]*>\n(.*?)</textarea>', form.text, re.DOTALL)
    assert area is not None
    assert area[1].split() == ["audrey", "petra"], "claimed; in an address: they have accounts"
    assert "ab1234" in form.words
    assert "kim (before an @" in form.words
    seen = await paul.fill(
        f"/psd/copy?au={reference}", au=reference, others="Kim Smith\nPETRA", own="ab1234"
    )
    assert seen.status == 200, seen.words
    assert "Read the copy before it goes out" in seen.words
    assert "https://news.test/of/[cut: name]?to=[cut: e-mail]" in html.unescape(seen.text)
    assert "https://news.test/find?q=[cut: name]&u=ab1234" in html.unescape(seen.text)
    refused, _ = await copied(paul, reference, reads="")
    assert refused.status == 400
    assert "read before it goes out" in refused.words
    answer, octets = await copied(paul, reference, others="Kim Smith\nPETRA")
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(octets)) as inside:
        files = {name: inside.read(name) for name in inside.namelist()}
    assert set(files) == {"records.html", "records.csv", "records.json"}
    told = json.loads(files["records.json"])
    mine = [each for each in given() if each["person"] == "jane"]
    assert len(told["rows"]) == told["records"] == len(mine)
    assert told["cut"] == {"name": 2, "e-mail": 1}
    assert "clinic.test" in {row["host"] for row in told["rows"]}, "nothing is masked to oneself"
    everything = b"".join(files.values())
    for name in (b"petra", b"kim%40", b"Kim+Smith", b"john", b"paul"):
        assert name not in everything


async def test_each_is_recorded_with_figures_alone(at: Console) -> None:
    reference = allowed(at)
    paul = await at.house.visitor("paul")
    await copied(
        paul, reference, others="petra", since="2026-11-23T08:00", until="2026-11-23T08:02"
    )
    made, looked, *_ = trail(at)
    assert (made["event"], looked["event"]) == ("export", "look")
    outcome = dict(made["outcome"])
    assert len(outcome.pop("sha256")) == 64
    assert outcome == {
        "form": "subject-access",
        "rows": 2,
        "cut": {"name": 1, "e-mail": 1},
        "words": 1,
    }
    assert looked["outcome"]["preview"] is True
    assert (made["person"], made["authorisation"]) == ("paul", reference)
    assert set(made["question"]) == {"since", "until", "newest_first"}
    for secret in ("petra", "kim", "news.test"):
        assert secret not in json.dumps([made, looked])


async def test_no_other_authorisation_makes_one(at: Console) -> None:
    ordinary = at.authorised().reference
    paul = await at.house.visitor("paul")
    assert "/psd/copy" not in (await paul.get(f"/psd/authorisations/{ordinary}")).text
    seen = await paul.get(f"/psd/copy?au={ordinary}")
    assert seen.status == 403
    assert "not for somebody's own copy" in html.unescape(seen.words)
    form = await paul.get(f"/psd/copy?au={allowed(at)}")
    for path in ("/psd/copy", "/psd/copy/file"):
        refused = await paul.post(path, {"csrf": form.token, "au": ordinary, "reads": "yes"})
        assert refused.status == 403
        assert not refused.text.startswith("PK")
        assert trail(at)[0]["outcome"]["refused"].startswith(f"{ordinary} is not for")


async def test_only_for_who_looks_by_it_while_it_holds(at: Console) -> None:
    reference = allowed(at, investigators=frozenset())
    petra = await at.house.visitor("petra")
    nobody = await petra.get("/psd/copy?au=AU-2026-0999")
    hers = await petra.get(f"/psd/copy?au={reference}")
    assert (hers.status, nobody.status) == (403, 403)
    assert hers.words == nobody.words
    assert (await petra.get("/psd/copy")).status == 404
    at.clock.go_on(days=29)
    assert (await (await at.house.visitor("paul")).get(f"/psd/copy?au={reference}")).status == 403


async def test_a_copy_that_would_not_be_whole_is_none(at: Console) -> None:
    reference = allowed(at, row_cap=10)
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/copy?au={reference}")
    assert seen.status == 403
    assert "fewer than 10 records" in seen.words
    day = "since=2026-11-23T08:00&until=2026-11-23T08:10"
    assert (await paul.get(f"/psd/copy?au={reference}&{day}")).status == 200


async def test_pseudonyms_are_nobodys_copy(at: Console) -> None:
    reference = allowed(at, names_shown=False)
    paul = await at.house.visitor("paul")
    seen = await paul.get(f"/psd/copy?au={reference}")
    assert seen.status == 403
    assert "pseudonyms" in seen.words


async def test_what_was_typed_is_checked_and_kept(at: Console) -> None:
    reference = allowed(at)
    paul = await at.house.visitor("paul")
    long = "x" * 200
    seen = await paul.fill(f"/psd/copy?au={reference}", au=reference, others=f"petra\n{long}")
    assert seen.status == 400
    assert "At most 128 characters" in seen.words
    assert long in seen.text
    seen = await paul.fill(f"/psd/copy?au={reference}", au=reference, since="tomorrow")
    assert seen.status == 400


async def test_colleagues_are_proposed_by_name_and_as_they_are_called(tmp_path: Path) -> None:
    force = (
        Someone("jane", display="Jane Doe", manager="mona"),
        Someone("kim", display="Kim Smith", manager="mona"),
        Someone("mona", display="Mona Vale"),
        Someone("zoe", display="Zoe Else", manager="boss"),
        Someone("boss", display="The Boss"),
    )
    found = given()
    found[2] |= {"url": "https://news.test/kim+smith/jane+doe/of/mona/zoe/zoe+else"}
    found[2] |= {"person": "jane"}
    with Slapd(tmp_path / "slapd", everybody=force, groups={}) as slapd:
        async with console(tmp_path, found, directory=slapd.settings()) as at:
            paul = await at.house.visitor("paul")
            form = await paul.get(f"/psd/copy?au={allowed(at)}")
    area = re.search(r'<textarea id="others"[^>]*>\n(.*?)</textarea>', form.text, re.DOTALL)
    assert area is not None
    assert area[1].splitlines() == ["audrey", "kim", "kim smith", "mona", "petra"]
