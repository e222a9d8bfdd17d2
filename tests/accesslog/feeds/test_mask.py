"""Masks: what is cut, dropped or hashed, and that nothing of it stays elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import GATEWAY, whole

from proxy_addons.accesslog.feeds.ecs import ecs
from proxy_addons.accesslog.feeds.mask import masked
from proxy_addons.accesslog.feeds.ocsf import ocsf
from proxy_addons.accesslog.feeds.rfc5424 import framed
from proxy_addons.settings.feeds import DEFAULT_MASK, SPECIAL, WHERE_IT_WENT, Feed, MaskRule

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("deed", "url", "left"),
    [
        ("query", "https://a.example/b?c=d#e", "https://a.example/b"),
        ("query", "https://a.example/b#e?f", "https://a.example/b"),
        ("query", "a.example:443", "a.example:443"),
        ("host", "https://a.example:8443/b?c=d", "https://a.example:8443/"),
        ("host", "https://[2001:db8::1]/x", "https://[2001:db8::1]/"),
        ("host", "a.example:443", "a.example:443"),
        ("host", "http://[bad/secret", None),
        ("host", "/secret", None),
        ("drop", "https://a.example/b", None),
        ("query", None, None),
    ],
)
def test_urls(deed: str, url: str | None, left: str | None):
    assert masked(whole(1, url=url), [MaskRule(deed, ("url",))])["url"] == left


def test_a_hash_is_the_same_for_the_same_and_needs_the_key():
    rule = [MaskRule("hash", ("person", "categories"))]
    one, two = (masked(whole(1, person="AB1234"), rule, KEY) for _ in range(2))
    other = masked(whole(1, person="AB1234"), rule, b"another key 1234")
    assert one["person"] == two["person"] != other["person"]
    assert one["person"].startswith("hmac:")
    assert len(one["categories"]) == 1
    assert "news" not in str(one["categories"])


def test_a_rule_is_about_its_categories_only_as_the_record_had_them():
    rules = [
        MaskRule("drop", ("categories",)),
        MaskRule("drop", ("host",), frozenset({"health"})),
    ]
    health = masked(whole(1, categories=["health", "news"]), rules)
    assert (health["categories"], health["host"]) == ([], None)
    assert masked(whole(1, categories=["news"]), rules)["host"] is not None


def test_what_was_cut_off_a_url_is_not_left_in_its_error():
    record = whole(
        1, url="https://a.example/b?token=s3cret", error="no answer: GET /b?token=s3cret"
    )
    left = masked(record, DEFAULT_MASK)
    assert "s3cret" not in json.dumps(left)
    assert record["url"].endswith("s3cret")


@pytest.mark.parametrize("category", SPECIAL)
@pytest.mark.parametrize("make", [ecs, ocsf, lambda r, g: framed(r, _FEED, g).decode()])
def test_of_special_categories_nothing_says_where_it_went(category: str, make: Any):
    telling: dict[str, Any] = dict.fromkeys(WHERE_IT_WENT, "telltale")
    telling |= {"categories": [category, "telltale"], "url": "https://telltale/x?y"}
    telling |= {"findings": ["telltale"], "members": ["telltale"]}
    telling |= {"port": 4747, "server_port": 4747}
    text = json.dumps(make(masked(whole(1, **telling), DEFAULT_MASK), GATEWAY))
    assert "telltale" not in text
    assert "4747" not in text
    assert f'"{category}"' not in text


_FEED = Feed("s", "syslog", "ecs")


@given(st.text(max_size=60), st.sampled_from(["query", "host"]))
def test_no_query_is_left(tail: str, deed: str):
    left = masked(whole(1, url=f"https://a.example/p?{tail}"), [MaskRule(deed, ("url",))])["url"]
    assert left in {"https://a.example/p", "https://a.example/"}
