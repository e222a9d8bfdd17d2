"""Records as lines for other programs: cases as data, and what holds for any record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.accesslog.feeds.where import Gateway
from proxy_addons.accesslog.formats import elff
from proxy_addons.accesslog.formats.cef import KEYS, LABELS, cef
from proxy_addons.accesslog.formats.squid import squid
from proxy_addons.accesslog.record import FIELDS, NAMES, empty_record
from proxy_addons.cli.log_show import FORMATS

TOP = Path(__file__).parents[3]
CASES = yaml.safe_load((TOP / "tests/cases/formats/lines.yaml").read_text("utf-8"))
GATEWAY = Gateway("gw1", "1.2")
USUAL = empty_record() | {
    "schema": 1, "event": "transaction", "id": "0TRG-P701-4HM6", "worker": 1, "seq": 7,
    "start": "2026-07-21T11:30:00.250000Z", "duration_ms": 412.337, "person": "AB1234",
    "person_how": "address", "client_ip": "192.0.2.17", "client_port": 51234, "kind": "https",
    "method": "GET", "url": "https://www.example.co.uk/shop/shoes.html?size=9&q=x",
    "host": "www.example.co.uk", "port": 443, "categories": ["shopping", "auctions"],
    "action": "allow", "rule": "personal-use-in-breaks", "clause": "Inf/27 2.9.1",
    "profile": "standard", "handling": "inspected", "status": 200, "bytes_up": 1234,
    "bytes_down": 56789, "content_type": "text/html; charset=utf-8", "server_ip": "198.51.100.4",
    "server_port": 443,
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_record_has_its_line(case: dict[str, Any]) -> None:
    record = USUAL | case["record"]
    line = squid(record)
    assert (line and re.sub(" +", " ", line)) == case["squid"]
    assert elff.elff(record) == case["elff"]
    found = cef(record, GATEWAY)
    assert [piece for piece in case["cef"] if piece not in f"{found} "] == []


def test_durations_stand_under_each_other() -> None:
    line = squid(USUAL)
    assert line is not None
    assert line.startswith("1784633400.662    412 ")


VALUES = st.one_of(
    st.none(), st.text(max_size=20), st.integers(), st.floats(), st.booleans(),
    st.sampled_from([
        *("-", "#Fields:", "a b", 'x"', "\\", "|", "=", "\r\n", "\x85", "\u2028", "\ud800"),
        *("http://[", "https://h/a.b?c d", "transaction", "CEF:0|"),
    ]),
    st.lists(st.text(max_size=5), max_size=3),
)  # fmt: skip
RECORDS = st.one_of(
    st.dictionaries(st.sampled_from(NAMES), VALUES),
    st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda some: USUAL | some),
)


@given(record=RECORDS)
def test_any_record_is_one_line_of_its_fields(record: dict[str, Any]) -> None:
    for line, fields in ((squid(record), 10), (elff.elff(record), len(elff.FIELDS))):
        if line is not None:
            assert line.isascii()
            assert line.isprintable()
            assert len(line.split()) == fields
            assert not line.startswith("#")
    line = cef(record, GATEWAY)
    assert line.isprintable()
    # Of the header seven parts, and no key twice: nothing in a value is taken for either.
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    assert len(parts) == 8
    keys = re.findall(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", parts[7])
    assert len(keys) == len(set(keys))


def test_keys_are_of_fields_and_have_labels() -> None:
    assert set(KEYS) <= {field.name for field in FIELDS}
    assert len(set(KEYS.values())) == len(KEYS)
    bare = {key for key in KEYS.values() if re.fullmatch(r"c[ns]\d|flex(String|Number)\d", key)}
    assert bare == {key for key in LABELS if not key.startswith("c6")}


DOCUMENT = (TOP / "docs/access-log.md").read_text("utf-8")


def test_every_field_of_a_format_is_documented() -> None:
    section = DOCUMENT.partition("## Formats of other programs")[2].partition("\n## ")[0]
    names = [*elff.FIELDS, *KEYS, *KEYS.values(), *LABELS, *LABELS.values(), *FORMATS]
    assert [name for name in names if f"`{name}`" not in section] == []
