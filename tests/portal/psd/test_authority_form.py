"""The form of application: what it refuses, which field that is about, what of it comes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.authoritypages import AUDIT, PATH, application, applied, settings_with_offices, step
from support.portal import NOON, House, served

from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.policy.people import canonical_name
from proxy_addons.portal.psd.authority.form import TEXTS, subjects_of, wanted
from proxy_addons.portal.register.forms import Form
from proxy_addons.standing import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NEW = f"{PATH}/new"
OFFICER = SubjectClass.OFFICER


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(settings_with_offices(tmp_path)) as made:
        yield made


WRONG = {
    "no kind": ({"kind": None}, "kind"),
    "a kind there is none of": ({"kind": "everything"}, "kind"),
    "nobody": ({"subjects": " "}, "subjects"),
    "no class": ({"subjects": "jane"}, "subjects"),
    "a class there is none of": ({"subjects": "jane, sergeant"}, "subjects"),
    "no name": ({"subjects": f"{'x' * 257}, officer"}, "subjects"),
    "two classes": ({"subjects": "jane, officer, staff"}, "subjects"),
    "twice": ({"subjects": "jane officer\njane officer"}, "subjects"),
    "oneself": ({"subjects": "paul, officer"}, "subjects"),
    "a subject looks": ({"investigators": "jane"}, "subjects"),
    "dip sample of somebody": ({"kind": "dip-sample", "names_shown": "pseudonyms"}, "subjects"),
    "no investigator": ({"investigators": f"sam, {'x' * 257}"}, "investigators"),
    "no purpose": ({"purpose": ""}, "purpose"),
    "no law": ({"regime": "lex"}, "regime"),
    "no allegation": ({"allegation": " "}, "allegation"),
    "a long allegation": ({"allegation": "x" * 201}, "allegation"),
    "no necessity": ({"necessity": ""}, "necessity"),
    "a short proportionality": ({"proportionality": "It is."}, "proportionality"),
    "no alternatives": ({"alternatives": "None."}, "alternatives"),
    "a long plan": ({"collateral": "x" * 4001}, "collateral"),
    "control characters": ({"collateral": "x" * 30 + "\x07"}, "collateral"),
    "no first day": ({"begins": ""}, "begins"),
    "no day": ({"begins": "2026-02-30"}, "begins"),
    "ends before it begins": ({"ends": "2026-10-01"}, "ends"),
    "of the future": ({"ends": "2026-12-01"}, "ends"),
    "a field there is none of": ({"field": "cookie"}, "fields"),
    "nothing special": ({"unmasked": "forums"}, "unmasked"),
    "no names": ({"names_shown": "x"}, "names_shown"),
    "names of support": (
        {"kind": "technical-support", "subjects": "", "begins": "2026-11-20", "ends": "2026-11-22"},
        "names_shown",
    ),
    "rows in words": ({"row_cap": "many"}, "row_cap"),
    "rows in other digits": ({"row_cap": "²"}, "row_cap"),
    "too many rows": ({"row_cap": "100001"}, "row_cap"),
    "too long": ({"valid_until": "2027-12-31"}, "valid_until"),
    "over already": ({"valid_from": "2026-11-23", "valid_until": "2026-11-22"}, "valid_until"),
    "begun already": ({"valid_from": "2026-11-01"}, "valid_until"),
    "a review too late": ({"review_at": "2027-01-01"}, "review_at"),
    "an urgent dip sample": (
        {"kind": "dip-sample", "subjects": "", "names_shown": "pseudonyms", "urgent": "yes"},
        "urgent",
    ),
}


async def test_what_is_wrong_leads_to_its_field_and_the_rest_comes_back(house: House):
    paul = await house.visitor("paul")
    form = await paul.get(NEW)
    assert form.status == 200
    for what, (changes, field) in WRONG.items():
        fields = application(**changes)
        seen = await paul.post(NEW, {"csrf": form.token, **fields})
        assert seen.status == 400, what
        assert f'<a href="#{field}">' in seen.text, what
        assert f'id="{field}"' in seen.text, what
        assert f'id="{field}-error"' in seen.text, what
        for name in set(TEXTS) - changes.keys():
            assert str(fields[name]) in seen.words, (what, name)
    # Nothing filled in: all of it is said at once, from the top to the bottom of the page.
    seen = await paul.post(NEW, {"csrf": form.token})
    named = re.findall(r'<a href="#(\w+)">', seen.text)
    places = [seen.text.index(f' id="{name}"') for name in named]
    assert len(named) == 11
    assert places == sorted(places)
    assert "AU-" not in (await paul.get(PATH)).text


async def test_everything_that_was_typed_is_applied_for(house: House):
    paul = await house.visitor("paul")
    reference = await applied(
        paul, field=["start", "person", "host"], other_categories="forums, Chat",
        unmasked=["health"], names_shown="pseudonyms", row_cap="50", criminal="yes",
        valid_from="2026-12-01", valid_until="2026-12-31", review_at="2026-12-10",
        purpose="prevent-or-detect-crime", regime="dpa-2018-part-3",
    )  # fmt: skip
    store = open_store(house.settings.standing, house.settings.paths)
    found = Authorisations(store, AUDIT).find(reference)
    store.close()
    assert found is not None
    assert found.applicant == "paul"
    assert found.subjects == {"jane": OFFICER}
    assert found.investigators == {"sam"}
    assert (found.kind, found.purpose, found.regime, found.criminal, found.allegation) == (
        "reactive", "prevent-or-detect-crime", "dpa-2018-part-3", True, "CM/123/26",
    )  # fmt: skip
    assert found.fields == {"start", "person", "host"}
    assert found.categories is not None
    assert {"forums", "chat"} <= found.categories
    assert found.unmasked == {"health", "sexual_education"}
    assert (found.names_shown, found.row_cap) == (False, 50)
    assert (found.begins, found.ends) == (datetime(2026, 11, 1, tzinfo=UTC),
                                          datetime(2026, 11, 15, tzinfo=UTC))  # fmt: skip
    assert (found.valid_from, found.valid_until) == (datetime(2026, 12, 1, tzinfo=UTC),
                                                     datetime(2027, 1, 1, tzinfo=UTC))  # fmt: skip
    assert found.review_at == datetime(2026, 12, 10, tzinfo=UTC)
    assert not found.urgent
    for name, least in TEXTS.items():
        assert len(getattr(found, name)) >= least


async def test_an_address_fills_in_what_a_dip_sample_found(house: House):
    paul = await house.visitor("paul")
    given = {"kind": "reactive", "subjects": "jane, officer", "necessity": '"><b>x</b>',
             "allegation": "SR-2026-0001", "urgent": "yes", "row_cap": "99999"}  # fmt: skip
    seen = await paul.get(f"{NEW}?{urlencode(given)}")
    assert seen.status == 200
    assert 'value="reactive" checked' in seen.text
    assert "jane, officer</textarea>" in seen.text
    assert "<b>x</b>" not in seen.text
    assert 'value="SR-2026-0001"' in seen.text
    assert 'value="99999"' not in seen.text
    assert 'name="urgent" value="yes" checked' not in seen.text
    assert "AU-" not in (await paul.get(PATH)).text


@pytest.mark.parametrize("name", ["jane", "acu", "ines", "oscar"])
async def test_others_cannot_apply(house: House, name: str):
    visitor = await house.visitor(name)
    assert (await visitor.get(NEW)).status == 403
    token = (await visitor.get("/you")).token
    seen = await visitor.post(NEW, {"csrf": token, **application()})
    assert seen.status == 403
    assert "Only Professional Standards" in seen.words


async def test_who_decides_sees_the_names_of_those_who_write_markup_as_text(house: House):
    paul, acu = await house.visitor("paul"), await house.visitor("acu")
    evil = "<script>alert(1)</script> is what the page said."
    reference = await applied(paul, necessity=evil, allegation="<i>CM</i>")
    seen = await acu.get(f"{PATH}/{reference}")
    assert evil in seen.words.replace("  ", " ") or "&lt;script&gt;" in seen.text
    assert "<script" not in seen.text
    assert "<i>" not in seen.text
    words = await step(acu, reference, "approve", why="<img src=x>")
    assert "<img src=x>" in words


DEPUTY = {"office": "head-of-acu", "deputy": "eve", "begins": "2026-11-23", "ends": "2026-12-06",
          "why": "Annual leave."}  # fmt: skip


async def test_a_deputy_is_named_for_ones_own_office_alone(house: House):
    acu, kim = await house.visitor("acu"), await house.visitor("kim")
    token = (await acu.get("/psd/deputies")).token
    for changes, field in (
        ({"office": "head-of-hr"}, "office"),
        ({"deputy": ""}, "deputy"),
        ({"deputy": "x" * 257}, "deputy"),
        ({"deputy": "acu"}, "deputy"),
        ({"ends": "2026-11-01"}, "ends"),
        ({"ends": "2028-01-01"}, "ends"),
        ({"begins": ""}, "begins"),
        ({"why": ""}, "why"),
        ({"why": "Leave."}, "why"),
    ):
        seen = await acu.post("/psd/deputies", {"csrf": token, **DEPUTY, **changes})
        assert seen.status == 400, changes
        assert f'<a href="#{field}">' in seen.text, changes
    assert "There are none of yours." in (await acu.get("/psd/deputies")).words
    assert (await acu.fill("/psd/deputies", **DEPUTY)).status == 303
    # Nobody else sees it, or takes it back.
    path = "/psd/deputies/DG-2026-0001/revoke"
    page = await kim.get("/psd/deputies")
    assert "DG-2026" not in page.text
    assert (await kim.get(path)).status == 404
    assert (await kim.post(path, {"csrf": page.token, "why": "Not needed."})).status == 404
    # And a holder confirms first.
    house.clock.go_on(minutes=6)
    assert (await acu.get(path)).location == f"/confirm?next={path}"
    assert (await acu.post("/psd/deputies", {"csrf": token, **DEPUTY})).location == (
        "/confirm?next=/psd/deputies"
    )


# --- the form's reading, by itself ----------------------------------------------------------------


def typed(**changes: object) -> Form:
    return Form({
        name: [str(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in application(**changes).items()
    })  # fmt: skip


def test_a_class_that_is_left_out_is_the_directorys():
    form = Form({"subjects": ["jane\nmona staff\n\nAda;OTHER\nof two words, other"]})
    found = subjects_of(form, {"jane": OFFICER})
    assert found == {"jane": OFFICER, "mona": SubjectClass.STAFF, "ada": SubjectClass.OTHER,
                     "of two words": SubjectClass.OTHER}  # fmt: skip
    assert form.problems == []


def test_today_means_until_now_and_from_now_on():
    zone = ZoneInfo("Europe/London")
    form = typed(ends="2026-11-23", valid_from="2026-11-23")
    found = wanted(form, {}, NOON, zone)
    assert found is not None
    assert (found.ends, found.valid_from) == (NOON, NOON)
    live = wanted(typed(kind="live", ends="2026-11-23"), {}, NOON, zone)
    assert live is not None
    assert live.ends == datetime(2026, 11, 24, tzinfo=UTC)


NAMES = st.text("abcxyz0.-_' ", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(
    people=st.dictionaries(NAMES.map(canonical_name), st.sampled_from(SubjectClass), max_size=4),
    between=st.sampled_from([", ", ",", " ; ", " "]),
    ending=st.sampled_from(["\n", "\r\n", " \n\n"]),
)
def test_every_line_is_one_person_as_it_was_typed(
    people: dict[str, SubjectClass], between: str, ending: str
):
    lines = [f"{name}{between}{each}" for name, each in people.items()]
    form = Form({"subjects": [ending.join(lines)]})
    assert subjects_of(form, {}) == people
    assert form.problems == []
