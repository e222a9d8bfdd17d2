"""Which rules can decide: named cases, and against all requests there are."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import policy_of, read, rule_of

from proxy_addons.policy import search
from proxy_addons.policy.lint import findings
from proxy_addons.policy.matching import match_of
from proxy_addons.policy.model import Person, Resource
from proxy_addons.policy.search import Every, Formula, In, Some, Variables
from proxy_addons.urlkey import UrlKey

LONDON = ZoneInfo("Europe/London")
NEVER = "can never decide: its conditions exclude each other"
NO_TIME = "can never decide: its time never comes"


def said(*rules: tuple[Any, str], **changes: Any) -> dict[str, str]:
    """Rule → what is odd about it, of these and a last one that allows all."""
    policy = policy_of([rule_of(n, *rule) for n, rule in enumerate(rules)], **changes)
    return {
        each.name: each.message for each in findings(policy, ("staff",)) if each.where == "rules"
    }


def behind(*names: str) -> str:
    return f"can never decide: earlier rules always do ({', '.join(names)})"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"profiles": "staff", "not": {"profiles": ["staff", "special"]}}, NEVER),
        ({"all": [{"profiles": "staff"}, {"profiles": "strict"}]}, NEVER),
        ({"all": [{"methods": "GET"}, {"methods": "POST"}]}, NEVER),
        ({"all": [{"hosts": "a.test"}, {"hosts": "b.test"}]}, NEVER),
        ({"all": [{"url": "a.test/x"}, {"url": "a.test/y"}]}, NEVER),
        ({"url": "a.test/x", "not": {"hosts": "test"}}, NEVER),
        ({"url": "a.test/x", "not": {"url": "www.a.test/"}}, NEVER),
        ({"categories": "shop", "not": {"categories": "fun"}}, NEVER),
        ({"clients": "10.1.0.0/16", "not": {"clients": "10.0.0.0/8"}}, NEVER),
        ({"clients": "10.0.0.0/8", "not": {"clients": ["10.0.0.0/9", "10.128.0.0/9"]}}, NEVER),
        ({"ports": "80-90", "not": {"ports": ["80-85", "86-95"]}}, NEVER),
        ({"all": [{"persons": "a"}, {"persons": "b"}]}, NEVER),
        ({"state": "on-break", "not": {"state": "on-break"}}, NEVER),
        ({"time": {"within": "day"}, "not": {"time": {"within": "day"}}}, NO_TIME),
        ({"all": [{"time": {"within": "day"}}, {"any": [{"time": {"outside": "day"}}]}]}, NO_TIME),
        ({"not": {"any": [{"time": {"within": "day"}}, {"time": {"outside": "day"}}]}}, NO_TIME),
        # And what is like it, and can be.
        ({"all": [{"hosts": "a.test"}, {"hosts": "test"}]}, None),
        ({"all": [{"url": "a.test/x"}, {"url": "a.test/xy"}]}, None),
        ({"url": "a.test/x", "hosts": "www.a.test"}, None),
        ({"url": "a.test/x", "not": {"hosts": "www.a.test"}}, None),
        ({"clients": "10.0.0.0/8", "not": {"clients": ["10.0.0.0/9", "10.128.0.0/10"]}}, None),
        ({"ports": "80-90", "not": {"ports": ["80-85", "87-95"]}}, None),
        ({"all": [{"groups": "a"}, {"groups": "b"}, {"categories": "x"}]}, None),
        ({"time": {"within": "day"}, "not": {"time": {"within": "weekend"}}}, None),
    ],
)  # fmt: skip
def test_conditions_that_exclude_each_other(when: dict[str, Any], message: str | None):
    assert said((when, "block")) == ({} if message is None else {"rule-0": message})


def test_rules_behind_others():
    assert said(
        ({"any": [{"url": "a.test/x"}, {"clients": "10.0.0.0/8"}]}, "block"),
        ({"url": "a.test/xy", "ports": 443}, "allow"),
        ({"clients": "10.1.0.0/16", "categories": "shop"}, "allow"),
    ) == {"rule-1": behind("rule-0"), "rule-2": behind("rule-0")}
    assert said(
        ({"not": {"ports": 443}}, "block"),
        ({"ports": 443, "categories": "shop"}, "allow"),
        ({"categories": "news"}, "allow"),
        ({"categories": ["shop"]}, "block"),
    ) == {"rule-3": behind("rule-0", "rule-1")}
    # Somebody whom nobody knows is on no list, and not off it: only for rules that allow.
    on, off = {"persons": "a"}, {"not": {"persons": "a"}}
    assert said((on, "allow"), (off, "allow"), (None, "block")) == {
        "rule-3": behind("rule-0", "rule-1", "rule-2")
    }
    assert said((on, "block"), (off, "block"), (None, "block")) == {
        "rule-2": behind("rule-0", "rule-1"),
        "rule-3": behind("rule-0", "rule-1"),
    }


def test_a_rule_that_coaches_what_nothing_allows():
    shop = {"categories": "shop"}
    nowhere = "can never decide: no rule after it allows what it would coach"
    assert said(({"url": "a.test/"}, "coach"), ({"hosts": "test"}, "block")) == {"rule-0": nowhere}
    assert said(({"url": "a.test/"}, "coach"), ({"hosts": "test", **shop}, "block")) == {}


def test_pages_that_nobody_sees():
    def told(*rules: tuple[Any, str]) -> dict[str, str]:
        written = [rule_of(n, *rule) for n, rule in enumerate((*rules, (None, "allow")))]
        policy, _ = read(written, never=["bank", "health"])
        assert policy is not None
        return {f.name: f.message for f in findings(policy, ("staff",)) if "asked for" in f.message}

    why = (
        "refuses connections that are not decrypted ({}), as nobody sees which page is asked for"
        " there: put it below the rules that allow these, or name hosts or categories"
    )
    words = {"url_matches": "words"}
    assert told((words, "block")) == {"rule-0": why.format("bank, health")}
    assert told((words, "allow")) == {}
    assert told(({"categories": "bank"}, "allow"), (words, "block")) == {
        "rule-1": why.format("health")
    }
    assert told(({"hosts": "a.test", **words}, "block")) == {}
    assert told(({"categories": "health", **words}, "block")) == {"rule-0": why.format("health")}
    assert told(({"clients": "10.0.0.0/8", "user_agent": "curl"}, "block")) == {}
    assert told(({"time": {"within": "day"}, **words}, "block")) == {
        "rule-0": why.format("bank, health")
    }


def test_pages_of_hosts_that_are_not_decrypted():
    rules = [rule_of(0, {"url": "bank.test/x"}), rule_of(1, {"url": "a.bank.test/x"}, "allow")]
    rules += [rule_of(2, {"url": ["bank.test", "other.test/x"]}), rule_of(3, None)]
    policy, _ = read(rules)
    assert policy is not None
    hidden = type(policy)(**{
        name: getattr(policy, name)
        for name in policy.__dataclass_fields__ if not name.startswith("_")
    } | {"never_inspect_hosts": frozenset({"bank.test"})})  # fmt: skip
    found = {f.name: f.message for f in findings(hidden, ("staff",)) if "decrypted" in f.message}
    what = "looks at pages of {}, which is not decrypted, so {}"
    assert found == {
        "rule-0": what.format("bank.test", "all of it may be refused"),
        "rule-1": what.format("a.bank.test", "it never matches there"),
    }


# --- against all requests -------------------------------------------------------------------------

_KEYS = [
    UrlKey("https", host, port, path)
    for host in [
        "a.test",
        "www.a.test",
        "x.a.test",
        "x.www.a.test",
        "b.test",
        "c.test",
        "d.example",
    ]
    for port in (50, 90, 200, 443, 500)
    for path in ("/", "/x", "/x/y", "/z")
]
_FAMILIES: dict[str, tuple[list[dict[str, Any]], str, list[Any]]] = {
    "address": (
        [
            *({"url": each} for each in ("a.test/x", "a.test", ["a.test/z", "b.test/x/"])),
            *({"hosts": each} for each in ("a.test", "www.a.test", "test", ["b.test", "x.a.test"])),
            *({"ports": each} for each in (443, ["1-100"], "80-443")),
        ],
        "key", _KEYS,
    ),
    "client": (
        [{"clients": each} for each in ("10.0.0.0/31", "10.0.0.0/32", ["10.0.0.1/32", "::/1"])],
        "client", ["10.0.0.0", "10.0.0.1", "10.0.0.2", "::1", "ff::"],
    ),
    "person": (
        [*({"persons": each} for each in ("ann", ["bob", "ann"])), *({"groups": g} for g in "gh")],
        "person", [
            (None, None),
            *product(("ann", "bob", "eve"), (None, *map(frozenset, ("", "g", "h", "gh")))),
        ],
    ),
    "categories": (
        [{"categories": each} for each in ("fun", "shop", ["news", "sport"])],
        "categories", [frozenset(each) for each in ((), ("shop",), ("news",), ("sport",),
         ("shop", "news"), ("shop", "sport"), ("news", "sport"), ("shop", "news", "sport"))],
    ),
    "time": (
        [{"time": {how: each}} for how in ("within", "outside") for each in ("day", "weekend")],
        "at", ["2026-11-24T09", "2026-11-24T20", "2026-11-28T09", "2026-11-28T20"],
    ),
    "state": (
        [{"state": each} for each in ("on-break", ["on-duty", "on-break"])],
        "states", [frozenset(each) for each in ((), ("on-break",), ("on-duty",),
         ("on-break", "on-duty"))],
    ),
    "method": (
        [{"methods": each} for each in ("GET", ["GET", "POST"], "CONNECT")],
        "method", ["GET", "POST", "PUT", "CONNECT"],
    ),
}  # fmt: skip


def _trees(leaves: list[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        st.sampled_from(leaves),
        lambda deeper: st.one_of(
            st.lists(deeper, min_size=1, max_size=2).map(lambda parts: {"any": parts}),
            st.lists(deeper, min_size=1, max_size=2).map(lambda parts: {"all": parts}),
            deeper.map(lambda part: {"not": part}),
        ),
        max_leaves=3,
    )


@st.composite
def _policies(draw: st.DrawFn) -> tuple[list[str], list[tuple[dict[str, Any], str]]]:
    families = draw(
        st.lists(st.sampled_from(sorted(_FAMILIES)), min_size=1, max_size=2, unique=True)
    )
    leaves = [leaf for family in families for leaf in _FAMILIES[family][0]]
    leaves += [{"profiles": "staff"}, {"profiles": ["strict", "special"]}]
    rule = st.tuples(_trees(leaves), st.sampled_from(["allow", "block", "coach", "block"]))
    return families, draw(st.lists(rule, min_size=2, max_size=5))


def _asked(policy: Any, profile: str, world: dict[str, Any]) -> Any:
    name, groups = world.get("person", (None, None))
    person = Person(name, "", profile, states=world.get("states", frozenset()), groups=groups)
    about = policy.about(world.get("client", "192.0.2.1"), "")
    key = world.get("key", UrlKey("https", "c.test", 443, "/"))
    method = world.get("method", "PUT")
    resource = Resource(key, world.get("categories", frozenset()), method, about)
    at = datetime.fromisoformat(world.get("at", "2026-11-24T09")).replace(tzinfo=LONDON)
    return match_of(policy, policy.facts(person, resource), at)


@settings(max_examples=25, deadline=None)
@given(_policies())
def test_a_rule_is_unreachable_exactly_when_no_request_reaches_it(
    drawn: tuple[list[str], list[tuple[dict[str, Any], str]]],
):
    families, rules = drawn
    policy = policy_of([rule_of(n, *rule) for n, rule in enumerate(rules)])
    names = [_FAMILIES[family][1] for family in families]
    values = [_FAMILIES[family][2] for family in families]
    reached = set()
    for profile in policy.profiles:
        for chosen in product(*values):
            match = _asked(policy, profile, dict(zip(names, chosen, strict=True)))
            # Under a rule that coaches, the one that allows after it is of use too.
            reached.update(rule.id for rule in (match.decides, match.rests) if rule)
    unreachable = {f.name for f in findings(policy, ("staff",)) if "can never decide" in f.message}
    assert unreachable == {rule.id for rule in policy.rules} - reached


# --- search ---------------------------------------------------------------------------------------

_SIZES = (2, 2, 3, 4)


def _formulas() -> st.SearchStrategy[Formula]:
    single = st.integers(0, 3).flatmap(
        lambda variable: st.integers(0, (1 << _SIZES[variable]) - 1).map(
            lambda values: In(variable, values)
        )
    )
    return st.recursive(
        single,
        lambda deeper: st.one_of(
            st.lists(deeper, max_size=3).map(lambda parts: Every(tuple(parts))),
            st.lists(deeper, max_size=3).map(lambda parts: Some(tuple(parts))),
        ),
        max_leaves=6,
    )


def _holds(formula: Formula, world: tuple[int, ...]) -> bool:
    if isinstance(formula, In):
        return bool(formula.values >> world[formula.variable] & 1)
    each = [_holds(part, world) for part in formula.parts]
    return all(each) if isinstance(formula, Every) else any(each)


@given(st.lists(_formulas(), max_size=5))
def test_what_is_possible_is_what_there_is(formulas: list[Formula]):
    variables = Variables()
    for size in _SIZES:
        variables.new(size)
    worlds = list(product(*map(range, _SIZES)))
    there = any(all(_holds(each, world) for each in formulas) for world in worlds)
    assert variables.possible(formulas) is there
    for each in formulas:
        negated = variables.negated(each)
        assert all(_holds(each, world) is not _holds(negated, world) for world in worlds)


def test_what_takes_too_long_is_not_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search, "_MOST", 50)
    assert said((None, "block"), ({"hosts": "a.test"}, "block")) != {}
    monkeypatch.setattr(search, "_MOST", 0)
    assert said((None, "block"), ({"hosts": "a.test"}, "block")) == {}
