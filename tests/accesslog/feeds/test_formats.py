"""ECS 9.4 and OCSF 1.8 as published, and syslog messages, for any record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feeding import GATEWAY, whole

from proxy_addons.accesslog.feeds.ecs import FIELDS, ecs
from proxy_addons.accesslog.feeds.ocsf import MAPPED, ocsf
from proxy_addons.accesslog.feeds.rfc5424 import framed
from proxy_addons.accesslog.record import FIELDS as RECORD
from proxy_addons.accesslog.record import NAMES
from proxy_addons.settings.feeds import KEPT_UNDER_ANY_MASK, MASKABLE, Feed

CASES = Path(__file__).parents[2] / "cases" / "feeds"
ECS = json.loads((CASES / "ecs.json").read_text())
OCSF = json.loads((CASES / "ocsf.json").read_text())

_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "integer": st.integers(0, 2**40),
    "number": st.floats(0, 1e9),
    "strings": st.lists(_TEXT, max_size=3),
    "boolean": st.booleans(),
    "timestamp": st.just("2026-11-21T20:15:03.123456Z"),
}
_SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "event": st.sampled_from(["transaction", "open", "gap"]),
    "action": st.sampled_from(["allow", "coach", "block", None]),
    "kind": st.sampled_from(["http", "https", "tunnel", "websocket", "connect", None]),
    "client_ip": st.sampled_from(["192.0.2.17", "2001:db8::1", "hmac:00", None]),
    "server_ip": st.sampled_from(["198.51.100.7", None]),
    "method": st.sampled_from(["GET", "POST", "CONNECT", "PROPFIND", None]),
    "url": st.sampled_from(
        [None, "", "https://a.example/b?c=d", "a.example:443", "http://[bad"]
    ),
    "status": st.sampled_from([200, 403, None]),
}  # fmt: skip
RECORDS = st.fixed_dictionaries({
    field.name: _SPECIAL.get(
        field.name, st.none() | _VALUES[field.type] if field.nullable else _VALUES[field.type]
    )
    for field in RECORD
})  # fmt: skip
FULL = whole(
    7, person="AB1234", claimed="Mallory", kind="https", method="GET", rule="news",
    url="https://www.example.com/a?b=c", host="www.example.com", port=443, sni="www.example.com",
    status=200, bytes_up=10, bytes_down=20, client_port=51234, server_ip="198.51.100.7",
    server_port=443, reason="Allowed.", content_type="text/html; charset=utf-8", policy_version="p",
)  # fmt: skip


def flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def test_every_field_of_the_record_has_its_place():
    assert set(FIELDS) == set(NAMES)
    assert set(NAMES) >= MAPPED
    assert {*MASKABLE, *KEPT_UNDER_ANY_MASK} == set(NAMES)
    assert not set(MASKABLE) & set(KEPT_UNDER_ANY_MASK)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.booleans())
def test_ecs_is_as_published(record: dict[str, Any], resent: bool):
    for name, value in flat(ecs(record, GATEWAY, resent=resent)).items():
        if name.startswith("watchhouse."):
            continue
        kind = ECS["types"][name]
        assert isinstance(value, list) == (name in ECS["arrays"]), name
        for each in value if isinstance(value, list) else [value]:
            if kind in {"long", "float"}:
                assert isinstance(each, int | float), name
            elif kind == "ip":
                assert re.fullmatch(r"[0-9a-f.:]+", each)
            elif kind == "date":
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", each)
            else:
                assert isinstance(each, str), name
            if name in ECS["allowed"]:
                assert each in ECS["allowed"][name]
    event = ecs(record, GATEWAY)["event"]
    expected = {each for name in event["category"] for each in ECS["expected_types"][name]}
    assert set(event["type"]) <= expected | {"allowed", "denied"}


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.booleans())
def test_ocsf_is_as_published(record: dict[str, Any], resent: bool):
    check(ocsf(record, GATEWAY, resent=resent), OCSF["class"])


def check(found: dict[str, Any], schema: dict[str, Any]) -> None:
    attributes = schema["attributes"]
    for name, said in attributes.items():
        assert name in found or said["requirement"] != "required", name
    wanted = schema["constraints"].get("at_least_one")
    assert not wanted or set(wanted) & set(found), wanted
    for name, value in found.items():
        said = attributes[name]
        for each in value if said.get("array") else [value]:
            kind = said["type"]
            if name == "unmapped":
                assert isinstance(each, dict)
            elif kind in OCSF["objects"]:
                check(each, OCSF["objects"][kind])
            elif kind in {"integer_t", "long_t", "port_t", "timestamp_t"}:
                assert type(each) is int, name
            else:
                assert isinstance(each, str), name
            if "enum" in said and not name.endswith("_uid"):
                assert str(each) in said["enum"], name


def test_ecs_of_a_record():
    document = ecs(FULL, GATEWAY)
    assert document["user"] == {"name": "AB1234"}
    assert document["watchhouse"]["claimed"] == "Mallory"
    assert document["event"]["id"] == "gw1/1/7"
    assert document["event"]["duration"] == 1_500_000
    assert document["event"]["type"] == ["access", "allowed"]
    assert document["url"] == {
        "full": "https://www.example.com/a?b=c", "domain": "www.example.com", "port": 443,
        "scheme": "https", "path": "/a", "query": "b=c",
    }  # fmt: skip
    assert document["source"] == {
        "ip": "192.0.2.0", "address": "192.0.2.0", "port": 51234, "bytes": 10,
    }  # fmt: skip
    assert document["network"]["bytes"] == 30


def test_ocsf_of_a_record():
    event = ocsf(FULL, GATEWAY)
    assert event["actor"] == {"user": {"name": "AB1234"}}
    assert event["unmapped"]["claimed"] == "Mallory"
    assert (event["class_uid"], event["type_uid"], event["activity_id"]) == (4002, 400203, 3)
    assert event["time"] == 1795291200008
    assert event["http_response"]["code"] == 200
    assert event["metadata"]["uid"] == "gw1/1/7"


@pytest.mark.parametrize("make", [ecs, ocsf])
def test_a_name_that_was_only_claimed_is_nobodys_name(make: Any):
    document = make({**FULL, "person": None, "claimed": "Mallory"}, GATEWAY)
    found = {name for name, value in flat(document).items() if value == "Mallory"}
    assert found == ({"watchhouse.claimed"} if make is ecs else {"unmapped.claimed"})


_FRAME = re.compile(
    rb"(\d+) <(\d+)>1 (\S+) gw1 watchhouse \d+ access "
    rb'\[watchhouse@32473 (?:[a-z]+="(?:[^"\\\]]|\\.)*" ?)+\] (\{.*\})',
    re.DOTALL,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.sampled_from(["rfc5424", "ecs", "ocsf"]), st.booleans())
def test_a_message_is_one_frame_of_rfc_5424(
    record: dict[str, Any],
    form: str,
    resent: bool,
):
    frame = framed(record, Feed("s", "syslog", form), GATEWAY, resent=resent)
    match = _FRAME.fullmatch(frame)
    assert match is not None, frame
    assert int(match[1]) == len(frame) - len(match[1]) - 1 <= 8192
    assert all(0x20 <= octet < 0x7F for octet in frame)
    assert (b'resent="1"' in frame[: match.start(4)]) == resent
    assert json.loads(match[4])


def test_a_message_that_is_too_long_is_cut_and_says_so():
    record = {**FULL, "url": "https://a.example/" + "é" * 8000, "members": ["x" * 2000] * 30}
    frame = framed(record, Feed("s", "syslog", "rfc5424"), GATEWAY)
    assert len(frame) <= 8200
    assert b'cut="1"' in frame
    assert json.loads(frame[frame.index(b"{") :])["host"] == "www.example.com"
