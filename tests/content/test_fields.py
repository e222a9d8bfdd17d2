"""What a short text that is sent says: markings, and the force's addresses."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.fields import (
    AddressWatch,
    findings_of_field,
    findings_of_name,
    force_addresses_in,
)
from proxy_addons.content.sent import Field

DOMAINS = ("westmidlands.police.uk", "@WMP.police.uk")


@pytest.mark.parametrize(
    "text",
    [
        "a.smith@westmidlands.police.uk",
        "A.Smith@WestMidlands.Police.UK",
        "pc1234+shop@mail.wmp.police.uk",
        "write to o'hara@wmp.police.uk.",
        "a.smith%40wmp.police.uk",
        "a.smith%2540wmp.police.uk",
        "email=a.smith%40wmp%2Epolice%2Euk&x=1",
        '{"email":"a.smith\\u0040wmp.police.uk"}',
        "a.smith&#64;wmp.police.uk",
        "a.smith&commat;wmp.police.uk",
        '"a smith"@wmp.police.uk',
        "<a.smith@wmp.police.uk>, b@example.com",
        "a.smith\uff20wmp.police.uk",
    ],
)
def test_an_address_of_the_force(text: str) -> None:
    assert force_addresses_in(text, DOMAINS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "westmidlands.police.uk",
        "https://www.westmidlands.police.uk/contact",
        "a@example.com",
        "a@wmp.police.uk.example.com",
        "a@xwmp.police.uk",
        "a@wmp.police.ukx",
        "@wmp.police.uk",
        "a@police.uk",
        "%40%40%40%40",
    ],
)
def test_no_address_of_the_force(text: str) -> None:
    assert not force_addresses_in(text, DOMAINS)


def test_without_domains_there_is_none() -> None:
    assert not force_addresses_in("a@wmp.police.uk", ())


@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    force_addresses_in(text, DOMAINS)
    findings_of_field(Field(text[:10], text), DOMAINS)


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(min_value=1, max_value=50))
def test_an_address_is_seen_in_bytes_however_they_are_cut(
    before: bytes, after: bytes, step: int
) -> None:
    body = before + b" a.smith" + quote("@").encode() + b"wmp.police.uk " + after
    watch = AddressWatch(DOMAINS)
    for place in range(0, len(body), step):
        watch.feed(body[place : place + step])
    assert watch.seen


def test_a_watch_that_sees_none() -> None:
    watch = AddressWatch(DOMAINS)
    watch.feed(b"a@example.com wmp.police.uk")
    assert not watch.seen


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("message", "OFFICIAL-SENSITIVE\n\nHi Jo", {"marking=official-sensitive"}),
        ("message", "<div>RESTRICTED</div><p>Parade at six.</p>", {"marking=restricted"}),
        ("subject", "RESTRICTED - Operation Falcon", {"marking=restricted"}),
        ("title", "SECRET", set()),
        ("status", "RESTRICTED", set()),
        ("scope", "CONFIDENTIAL", set()),
        ("email", "a.smith@wmp.police.uk", {"sends=force-address"}),
        ("message", "Where is the restricted area?", set()),
        ("password", "secret", set()),
    ],
)
def test_findings_of_a_field(name: str, text: str, wanted: set[str]) -> None:
    assert findings_of_field(Field(name, text), DOMAINS) == wanted


def test_findings_of_names() -> None:
    assert findings_of_name("minutes.docx\nOp Falcon RESTRICTED.docx") == {"marking=restricted"}
    assert findings_of_name("restricted area.docx") == frozenset()
