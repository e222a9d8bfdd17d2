"""What rules change about a request's head: the client's own copies go, and nothing else does."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.addons import fieldroles as roles
from proxy_addons.gate.changes import HeadChanges, head_changes, names_of_changes
from proxy_addons.policy.effects import Change, Effects
from proxy_addons.settings.effect_kinds import why_not

SAFE = HeadChanges(frozenset(), (), (("safe", "active"),))

PATHS = [
    ("/search", "/search?safe=active"),
    ("/search?", "/search?safe=active"),
    ("/search?q=a+b&hl=en", "/search?q=a+b&hl=en&safe=active"),
    ("/search?safe=off", "/search?safe=active"),
    ("/search?safe=off&q=a", "/search?q=a&safe=active"),
    ("/search?q=a&safe=off&safe=images&hl=en", "/search?q=a&hl=en&safe=active"),
    ("/search?q=a&s%61fe=off", "/search?q=a&safe=active"),
    ("/search?q=a;safe=off&b=c", "/search?q=a&b=c&safe=active"),
    ("/search?safe", "/search?safe=active"),
    ("/search?SAFE=off&unsafe=1", "/search?SAFE=off&unsafe=1&safe=active"),
    ("/search?q=safe=off", "/search?q=safe=off&safe=active"),
    ("/search?q=%zz&&;x", "/search?q=%zz&&;x&safe=active"),
    ("*", "*"),
]


@pytest.mark.parametrize(("path", "sent"), PATHS)
def test_a_parameter_is_in_place_of_the_clients_own(path: str, sent: str):
    assert SAFE.path(path) == sent


pieces = st.text("safe=&;%61+off?/", max_size=30)


@given(st.text("/a", max_size=5), pieces)
def test_whatever_is_asked_there_is_one_and_it_is_ours(before: str, query: str):
    sent = SAFE.path(f"/{before}?{query}")
    assert urlsplit(f"http://x.test{sent}").path == f"/{before}"
    query = sent.partition("?")[2]
    assert [value for name, value in parse_qsl(query) if name == "safe"] == ["active"]
    pieces = re.split("[&;]", query)  # some servers part by both
    assert [each for each in pieces if unquote_plus(each.partition("=")[0]) == "safe"] == [
        "safe=active"
    ]


@given(pieces.filter(lambda text: "safe" not in text and "%61" not in text))
def test_the_rest_stays_byte_for_byte(query: str):
    assert SAFE.path(f"/?{query}") == (f"/?{query}&safe=active" if query else "/?safe=active")


def test_values_are_encoded():
    changes = HeadChanges(frozenset(), (), (("q", "a&b=c d"),))
    assert changes.path("/") == "/?q=a%26b%3Dc+d"


def test_of_two_rules_the_first_counts():
    changes = [
        Change("one", Effects(set_headers=(("X-Tenant", "one"),), set_query=(("safe", "on"),))),
        Change("two", Effects(remove_headers=("x-tenant", "X-Gone"), set_query=(("safe", "off"),))),
        Change("three", Effects(set_headers=(("X-Gone", "here"), ("X-New", "here")))),
    ]
    made = head_changes(changes)
    sent = made.fields([(b"X-TENANT", b"mine"), (b"Accept", b"*/*"), (b"x-gone", b"?")])
    assert sent == [(b"Accept", b"*/*"), (b"X-Tenant", b"one"), (b"X-New", b"here")]
    assert made.query == (("safe", "on"),)
    assert names_of_changes(changes) == (
        "header:X-Tenant@one", "query:safe@one", "no-header:x-tenant@two", "no-header:X-Gone@two",
        "query:safe@two", "header:X-Gone@three", "header:X-New@three",
    )  # fmt: skip


def test_no_rule_changes_what_lanes_write_themselves():
    """What a head has to say of itself, and what is never sent on, is not for rules."""
    told_only = {
        roles.ACCEPT, roles.FETCH_DEST, roles.FETCH_MODE, roles.FETCH_SITE,
        roles.FETCH_USER, roles.PURPOSE, roles.USER_AGENT,
    }  # fmt: skip
    for name, role in roles.ROLES.items():
        assert bool(why_not(name.decode())) is (role not in told_only), name
    for name in ("Proxy-Status", "TE", "Content-Length", "COOKIE", "X-HTTP-Method-Override"):
        assert why_not(name), name
    for name in ("Restrict-Access-To-Tenants", "sec-Restrict-Tenant-Access-Policy", "Referer"):
        assert not why_not(name), name
