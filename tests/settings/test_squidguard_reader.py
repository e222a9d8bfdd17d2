"""squidGuard.conf as it is read, and times and clients as they are computed."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.settings.squidguard.clients import clients_of
from proxy_addons.settings.squidguard.model import Source, Timed
from proxy_addons.settings.squidguard.of_sources import addresses_of
from proxy_addons.settings.squidguard.reader import GrammarError, read_conf
from proxy_addons.settings.squidguard.times import ALWAYS, DAY, days_of, ranges_of, week_of

END = "acl {\n default { pass none }\n}\n"


def test_all_of_the_grammar() -> None:
    conf = read_conf(
        """# first
dbhome /lists # where
logdir "/var/log/with space"
time office {
  weekly mtwhf 08:00 - 12:00 13:00-17:30
  weekly saturdays, sun 09:00-10:00
}
source a {
  ip 10.0.0.0/8, 192.0.2.1 - 192.0.2.9 172.16.0.0/255.240.0.0
  user root "Some Body"
  user x within office
}
src b { iplist ips
userlist users
outside office log anonymous verbose b.log }
destination porn {
  domainlist porn/domains
  expressionlist i /abs/expressions
  urllist -
  outside office
}
dest good {
}
rewrite r { s@://a b/@://c\\@/@ir
 log r.log }
acl {
  a within office { pass good !porn , !in-addr any redirect 302:http://b/?x=%u&y=1!
  } else { pass none }
  default { pass all }
}
""",
        "x.conf",
    )
    assert conf.dbhome == "/lists"
    a = conf.sources["a"]
    assert [tuple(map(str, each)) for each in a.ranges or ()] == [
        ("10.0.0.0", "10.255.255.255"),
        ("192.0.2.1", "192.0.2.9"),
        ("172.16.0.0", "172.31.255.255"),
    ]
    assert a.users == ["root", "some body", "x"]
    assert a.timed == Timed("office")
    assert conf.sources["b"].timed == Timed("office", outside=True)
    assert [(kind, path) for _, kind, path, _ in conf.files] == [
        ("iplist", "ips"),
        ("userlist", "users"),
    ]
    assert conf.destinations["porn"].lists == {
        "domains": ("porn/domains", 17),
        "expressions": ("/abs/expressions", 18),
        "urls": ("dest/porn/urllist", 19),
    }
    first, second, default = conf.access
    assert first.passes == [
        ("good", True, 27),
        ("porn", False, 27),
        ("in-addr", False, 27),
        ("any", True, 27),
    ]
    assert first.redirect == "302:http://b/?x=%u&y=1!"
    assert (second.is_else, second.source, default.source) == (True, "a", "default")
    assert ranges_of(conf.spaces["office"].week) == [
        (("mon", "tue", "wed", "thu", "fri"), "08:00", "12:00"),
        (("mon", "tue", "wed", "thu", "fri"), "13:00", "17:30"),
        (("sat", "sun"), "09:00", "10:00"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dest a {\n", "x.conf:2: found the end of the file; wanted }"),
        ("dest a {\n}\ndest a {\n}\n" + END, 'x.conf:3: the destination "a" is given twice'),
        ("frobnicate x\n", 'x.conf:1: found "frobnicate"'),
        ("src a {\n ip 10.0.0.300\n}\n", 'x.conf:2: found "10.0.0.300"; wanted an address'),
        ("src a {\n ip 10.0.0.0/33\n}\n", "x.conf:2: found"),
        ("src a {\n ip 10.0.0.9-10.0.0.1\n}\n", "x.conf:2: found"),
        ("src a {\n ip 10.0.0.0/255.0.255.0\n}\n", "x.conf:2: found"),
        ("time t {\n weekly xyz 08:00-09:00\n}\n", 'x.conf:2: found "xyz"; wanted days'),
        ("time t {\n weekly m 08:00-25:00\n}\n", 'x.conf:2: found "08:00-25:00"; wanted a range'),
        (
            "acl {\n default { pass !nothing any }\n}\n",
            'x.conf:2: there is no destination "nothing"',
        ),
        ("acl {\n a { pass any }\n" + END[6:], 'x.conf:2: there is no source "a"'),
        ("acl {\n default within t { pass any }\n}\n", 'x.conf:2: there is no time "t"'),
        ("acl {\n}\n", "x.conf:3: no acl has a block default"),
        ('dbhome "x\n', "x.conf:1: a quote that is not closed"),
        ("acl {\n default { pass ! }\n}\n", "wanted the name of a destination after !"),
        ("\x0c\n", "x.conf:1: found"),
    ],
)
def test_what_squidguard_would_not_take(text: str, problem: str) -> None:
    with pytest.raises(GrammarError) as raised:
        read_conf(text, "x.conf")
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("time t {\n date *.12.25 08:00-09:00 2026.01.01\n}\n", 2, "date *.12.25"),
        ("time t {\n weekly * 22:00-06:00\n}\n", 2, "22:00-06:00, which squidGuard never finds"),
        ("src a {\n domain example.com\n}\n", 2, "domain, of the source"),
        ("src a {\n ldapusersearch ldap://x/dc=a?b?sub?(&(a={b})(c=%s))\n}\n", 2, "ldapusersearch"),
        ("src a {\n execuserlist /bin/ls -l { } \n}\n", 2, "execuserlist"),
        ("src a {\n userquota 3600 300 daily\n}\n", 2, "userquota"),
        ("rew r {\n s@a@b@\n}\n", 1, "the rewrite"),
        ("dest d {\n log x\n}\n", 2, "log"),
        ("ldapbindpass secret\n", 1, "the setting ldapbindpass"),
    ],
)
def test_what_is_not_translated_is_told_with_its_line(text: str, line: int, what: str) -> None:
    (left,) = read_conf(text + END, "x.conf").left
    assert left.line == line
    assert left.what.startswith(what)
    assert left.instead
    assert "secret" not in left.what


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "days"),
    [
        ("*", range(7)),
        ("mtwhf", range(5)),
        ("as", (5, 6)),
        ("sat", (5,)),
        ("fridays", (4,)),
        ("tue", (1,)),
        ("TW", (1, 2)),
    ],
)
def test_days(word: str, days: range | tuple[int, ...]) -> None:
    assert days_of(word) == frozenset(days)


SPANS = st.tuples(st.frozensets(st.integers(0, 6)), st.integers(0, DAY), st.integers(0, DAY))


@given(st.lists(SPANS, max_size=4), st.booleans())
def test_ranges_hold_what_the_set_holds(
    spans: list[tuple[frozenset[int], int, int]], others: bool
) -> None:
    bits = 0
    for span in spans:
        bits |= week_of(*span)
    if others:
        bits = ALWAYS & ~bits
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    again = 0
    for days, start, end in ranges_of(bits):
        first, last = (int(each[:2]) * 60 + int(each[3:]) for each in (start, end))
        made = week_of(frozenset(map(names.index, days)), first, last)
        assert not made & again
        again |= made
    assert again == bits


def test_a_day_has_its_minutes() -> None:
    assert week_of(frozenset(range(7)), 0, DAY) == ALWAYS
    assert week_of(frozenset({0}), 60, 60) == 0
    assert ranges_of(week_of(frozenset({6}), 1439, 1440)) == [(("sun",), "23:59", "24:00")]


# --- clients -------------------------------------------------------------------------------------

SMALL = st.integers(0, 12)
RANGES = st.none() | st.lists(st.tuples(SMALL, SMALL).map(sorted), max_size=3)
USERS = st.none() | st.lists(st.sampled_from(["ann", "bob"]), max_size=2)
FLAGS = st.tuples(st.booleans(), st.booleans(), st.booleans())
SOURCES = st.lists(st.tuples(RANGES, USERS, FLAGS), max_size=4)


@given(SOURCES, SMALL, st.sampled_from([None, "ann", "bob", "eve"]))
def test_clients_have_the_sources_that_squidguard_finds(
    drawn: list[tuple[list[list[int]] | None, list[str] | None, tuple[bool, bool, bool]]],
    address: int,
    user: str | None,
) -> None:
    base = int(IPv4Address("10.0.0.0"))
    sources = [
        Source(
            f"s{number}",
            1,
            None
            if ranges is None
            else [(IPv4Address(base + a), IPv4Address(base + b)) for a, b in ranges],
            users,
            unknown=unknown,
            goes_on=goes_on,
            timed=Timed("t") if timed else Timed(),
        )
        for number, (ranges, users, (timed, unknown, goes_on)) in enumerate(drawn)
    ]
    chain = []
    for source in sources:  # sg.y, sgFindSource
        if source.unknown or not source.is_used:
            continue
        inside = source.ranges is None or any(
            int(first) <= base + address <= int(last) for first, last in source.ranges
        )
        if inside and (source.users is None or user in source.users):
            chain.append(source.name)
            if not source.timed.space and not source.goes_on:
                break
    clients = clients_of(sources)
    client = ip_address(base + address)
    found = next(
        (
            each
            for names, networks, each in clients.users
            if user in names and (networks is None or any(client in one for one in networks))
        ),
        None,
    )
    if found is None:
        found = next((each for network, each in clients.networks if client in network), ())
    assert found == tuple(chain)


@pytest.mark.parametrize(
    ("word", "first", "last"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.77/24", "192.0.2.0", "192.0.2.255"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0", "10.255.255.255"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("1.1.1.1-1.1.1.2", "1.1.1.1", "1.1.1.2"),
    ],
)
def test_addresses(word: str, first: str, last: str) -> None:
    assert tuple(map(str, addresses_of(word))) == (first, last)
