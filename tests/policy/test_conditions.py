"""Conditions of rules: what they match, what ignorance makes of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import BASE, policy_of, rule_of

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.compiled import Policy, host_and_parents
from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import Action, Decision, Moment, Person, Resource
from proxy_addons.policy.retry import retry_ahead, spans
from proxy_addons.urlkey import UrlKey, authority_key, url_key

LONDON = ZoneInfo("Europe/London")
CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/conditions.yaml").read_text())
DAY = "2026-11-24"  # a Tuesday


def key_of(method: str, address: str) -> UrlKey:
    if method != "CONNECT":
        return url_key(address)
    host, port = authority_key(address, 443)
    return UrlKey("", host, port, is_address=host[-1].isdigit() or ":" in host)


def asked(policy: Policy, request: str) -> Decision:
    method, address, *more = request.split(" ")
    said = dict(each.split("=", 1) for each in more)
    groups = said.get("groups")
    person = Person(
        said.get("person"), "test", said.get("profile", "staff"),
        states=frozenset(said.get("state", "no-rota").split(",")),
        groups=None if groups is None else frozenset(groups.split(",")),
    )  # fmt: skip
    agent = said.get("agent")
    about = policy.about(said.get("client"), None if agent is None else agent.replace("+", " "))
    categories = frozenset(filter(None, said.get("categories", "").split(",")))
    moment = Moment(
        datetime.fromisoformat(f"{DAY}T{said.get('at', '12:00')}").replace(tzinfo=LONDON)
    )
    resource = Resource(key_of(method, address), categories, method, about)
    found = frozenset({said["found"]} if "found" in said else ())
    decision = decide(policy, person, resource, moment, findings=found, trace=True)
    if not found:
        unremembered = decide(policy, person, resource, moment)
        decider = Decider(policy)
        assert [decider.decide(person, resource, moment) for _ in "ab"] == [unremembered] * 2
    return decision


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["when"]))
@pytest.mark.parametrize("action", ["allow", "block"])
def test_what_a_condition_matches(case: dict[str, Any], action: str):
    policy = policy_of([rule_of(0, case["when"], action)])
    wanted = {"met": True, "unmet": False, "open": action != "allow"}
    for kind, matches in wanted.items():
        for request in case.get(kind, ()):
            decision = asked(policy, request)
            assert (decision.rule == "rule-0") is matches, (request, decision.trace)


# --- time in a tree, and cost ---------------------------------------------------------------------


def test_waiting_helps_where_a_condition_deeper_looks_at_the_time():
    policy = policy_of([
        rule_of(0, {"any": [{"not": {"time": {"outside": "day"}}}, {"hosts": "x.test"}]}, "allow"),
        rule_of(1, {"not": {"state": "off-duty"}}),
    ])  # fmt: skip
    moment = Moment(datetime(2026, 11, 24, 20, 30, tzinfo=LONDON))
    sam = Person("sam", "", "staff", states=frozenset({"on-duty"}))
    site = Resource(UrlKey("https", "y.test", 443, "/"), frozenset())
    refused = decide(policy, sam, site, moment)
    assert (refused.rule, str(refused.retry_at)) == ("rule-1", "2026-11-25 08:00:00+00:00")
    facts = policy.facts(sam, site)
    later = datetime(2026, 11, 24, 22, tzinfo=LONDON)
    ahead = spans(moment.local, sam.states, {later: frozenset({"off-duty"})})
    retry = retry_ahead(policy, facts, moment.local, ahead)
    assert retry is not None
    assert (str(retry.at), retry.ended) == ("2026-11-24 22:00:00+00:00", {"on-duty"})


def test_a_memory_knows_that_time_and_state_matter_deeper():
    tree = {"any": [{"time": {"within": "day"}}, {"not": {"state": "on-duty"}}]}
    policy = policy_of([rule_of(0, tree)])
    decider = Decider(policy)
    site = Resource(UrlKey("https", "y.test", 443, "/"), frozenset())
    for minute in ("17:59", "18:00", "17:58", "18:01"):
        moment = Moment(datetime.fromisoformat(f"{DAY}T{minute}").replace(tzinfo=LONDON))
        for states in (frozenset({"on-duty"}), frozenset({"off-duty"}), frozenset({"on-duty"})):
            person = Person("sam", "", "staff", states=states)
            decision = decider.decide(person, site, moment)
            assert decision == decide(policy, person, site, moment)
            assert (decision.rule == "rule-0") is (minute < "18" or "on-duty" not in states)


def test_an_expression_costs_nothing_where_its_rules_cannot_match():
    asked: list[str] = []

    def compiled(expression: str) -> Any:
        def search(text: str) -> bool:
            asked.append(f"{expression} {text}")
            return False

        return search

    written = policy_of([
        rule_of(0, {"hosts": "a.test", "url_matches": "one"}),
        rule_of(1, {"categories": "shop", "not": {"url_matches": "two"}}),
        rule_of(2, {"any": [{"url": "a.test/x"}, {"url_matches": "one"}], "categories": "news"}),
    ])  # fmt: skip
    policy = replace(written, compiled=compiled)
    sam, moment = Person("sam", "", "staff"), Moment(datetime(2026, 11, 24, tzinfo=LONDON))
    for host, categories, searched in (
        ("b.test", (), []),
        ("b.test", ("sport",), []),
        ("x.a.test", (), ["one x.a.test/p"]),
        ("b.test", ("shop",), ["two b.test/p"]),
        ("b.test", ("news", "shop"), ["one b.test/p", "two b.test/p"]),
    ):
        asked.clear()
        resource = Resource(UrlKey("https", host, 443, "/p"), frozenset(categories))
        decide(policy, sam, resource, moment)
        assert sorted(asked) == searched


# --- against a naive evaluator --------------------------------------------------------------------

_HOSTS = ("a.test", "www.a.test", "b.a.test", "c.test", "10.0.0.9")
_PATHS = ("/", "/x", "/x/y", "/z?q=x")
_AGENTS = ("", "curl/8", "Mozilla")
_LEAVES: list[dict[str, Any]] = [
    *({"url": each} for each in ("a.test/x", "a.test", "c.test/x/", ["c.test/z", "10.0.0.9/x"])),
    *({"url_matches": each} for each in ("/x", r"^a\.test/", r"q=x$")),
    *({"persons": each} for each in ("ann", ["bob", "ann"])),
    *({"groups": each} for each in ("reps", ["ict", "reps"])),
    *({"clients": each} for each in ("10.0.0.0/8", ["10.9.0.0/16", "2001:db8::/32"])),
    *({"ports": each} for each in (443, ["80-90", 8080])),
    *({"user_agent": each} for each in ("^curl", "o")),
    *({"hosts": each} for each in ("a.test", ["c.test", "10.0.0.9"])),
    *({"categories": each} for each in ("fun", ["news", "shop"])),
    *({"profiles": each} for each in ("staff", ["strict", "special"])),
    *({"state": each} for each in ("on-duty", ["off-duty", "on-break"])),
    *({"time": {how: space}} for how in ("within", "outside") for space in ("day", "weekend")),
]  # fmt: skip
_TREES = st.recursive(
    st.lists(st.sampled_from(_LEAVES), min_size=1, max_size=2).map(
        lambda leaves: {key: value for leaf in leaves for key, value in leaf.items()}
    ),
    lambda deeper: st.one_of(
        st.lists(deeper, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        st.lists(deeper, min_size=1, max_size=2).map(lambda parts: {"all": parts}),
        deeper.map(lambda part: {"not": part}),
        st.tuples(st.sampled_from(_LEAVES), deeper).map(lambda both: {**both[0], "not": both[1]}),
    ),
    max_leaves=4,
)
_RULES = st.lists(
    st.tuples(_TREES, st.sampled_from(["allow", "coach", "block"])), min_size=1, max_size=4
)
_WORLDS = st.fixed_dictionaries(
    {
        "host": st.sampled_from(_HOSTS),
        "path": st.sampled_from((None, *_PATHS)),
        "port": st.sampled_from((80, 443, 8080)),
        "name": st.sampled_from((None, "ann", "bob")),
        "groups": st.sampled_from(
            (None, frozenset(), frozenset({"reps"}), frozenset({"ict", "x"}))
        ),
        "client": st.sampled_from((None, "10.9.1.1", "10.0.0.1", "2001:db8::1", "192.0.2.1")),
        "agent": st.sampled_from((None, *_AGENTS)),
        "categories": st.sets(st.sampled_from(("shop", "sport", "news")), max_size=2),
        "exempted": st.sets(st.sampled_from(("shop", "sport", "news")), max_size=1),
        "profile": st.sampled_from(("staff", "special", "strict")),
        "states": st.sets(st.sampled_from(("on-duty", "off-duty", "on-break")), max_size=2),
        "at": st.sampled_from(("2026-11-24T12:00", "2026-11-24T20:00", "2026-11-28T09:00")),
    }
)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def in_ports(port: int, wanted: Any) -> bool:
    first, _, last = str(wanted).partition("-")
    return int(first) <= port <= int(last or first)


def stands(  # noqa: C901, PLR0912 - one branch for each condition
    key: str, value: Any, world: dict[str, Any], *, negated: bool, strict: bool
) -> bool:
    """Whether one condition holds, either way, for a rule of either kind."""
    names = listed(value)
    met: bool | None
    only_against = False
    if key == "url":
        met = False
        for each in names:
            host, slash, path = each.partition("/")
            if world["host"].removeprefix("www.") == host:
                if world["path"] is None and path:
                    met = None if met is False else met
                elif (world["path"] or "/").startswith(slash + path):
                    met = True
    elif key == "url_matches":
        text = None if world["path"] is None else world["host"] + world["path"]
        met = None if text is None else any(re.search(each, text, re.IGNORECASE) for each in names)
    elif key in {"persons", "groups"}:
        if key == "persons":
            known = None if world["name"] is None else {world["name"]}
        else:
            known = world["groups"]
        if known is None:
            return negated and strict
        met = any(each in known for each in names)
        only_against = world["profile"] == "strict"
    elif key == "clients":
        client = world["client"]
        met = None if client is None else any(ip_address(client) in ip_network(n) for n in names)
    elif key == "ports":
        met = any(in_ports(world["port"], each) for each in names)
    elif key == "user_agent":
        agent = world["agent"]
        met = None if agent is None else any(re.search(n, agent, re.IGNORECASE) for n in names)
    elif key == "hosts":
        met = not set(names).isdisjoint(
            [world["host"]] if world["host"][0] == "1" else host_and_parents(world["host"])
        )
    elif key == "categories":
        wanted = {c for n in names for c in BASE["category_groups"].get(n, [n])}
        seen = world["categories"] - (world["exempted"] if strict and not negated else set())
        met = not wanted.isdisjoint(seen)
    elif key == "profiles":
        met = world["profile"] in names
    elif key == "state":
        met = not world["states"].isdisjoint(names)
    else:
        ((how, space),) = value.items()
        at = datetime.fromisoformat(world["at"])
        within = 8 <= at.hour < 18 if space == "day" else at.weekday() >= 5
        met = within is (how == "within")
    if met is None:
        return strict
    return (met is not negated) and not (only_against and not strict)


def holds(when: dict[str, Any], world: dict[str, Any], *, negated: bool, strict: bool) -> bool:
    parts = []
    for key, value in when.items():
        if key == "not":
            parts.append(holds(value, world, negated=not negated, strict=strict))
        elif key in {"any", "all"}:
            each = [holds(part, world, negated=negated, strict=strict) for part in value]
            parts.append(any(each) if (key == "any") is not negated else all(each))
        else:
            parts.append(stands(key, value, world, negated=negated, strict=strict))
    return any(parts) if negated else all(parts)


def expected(rules: list[tuple[dict[str, Any], str]], world: dict[str, Any]) -> str:
    coach = None
    for number, (when, action) in enumerate(rules):
        if holds(when, world, negated=False, strict=action != "allow"):
            if action == "coach":
                coach = coach or f"rule-{number}"
            elif action == "allow":
                return coach or f"rule-{number}"
            else:
                return f"rule-{number}"
    return coach or f"rule-{len(rules)}"


def question(policy: Policy, world: dict[str, Any]) -> tuple[Person, Resource, Moment]:
    path, _, query = (world["path"] or "").partition("?")
    is_address = world["host"][0] == "1"
    scheme = "https" if path else ""
    key = UrlKey(scheme, world["host"], world["port"], path, query, is_address)
    person = Person(
        world["name"], "test", world["profile"], groups=world["groups"],
        exempted=frozenset(world["exempted"]), states=frozenset(world["states"]),
    )  # fmt: skip
    about = policy.about(world["client"], world["agent"])
    method = "GET" if path else "CONNECT"
    resource = Resource(key, frozenset(world["categories"]), method, about)
    return person, resource, Moment(datetime.fromisoformat(world["at"]).replace(tzinfo=LONDON))


@settings(max_examples=40, deadline=None)
@given(_RULES, st.lists(_WORLDS, min_size=4, max_size=12))
def test_the_compiled_policy_decides_as_a_naive_evaluator(
    rules: list[tuple[dict[str, Any], str]], worlds: list[dict[str, Any]]
):
    policy = policy_of([rule_of(n, when, action) for n, (when, action) in enumerate(rules)])
    decider = Decider(policy)
    for world in worlds:
        asks = question(policy, world)
        found = decide(policy, *asks)
        assert found.rule == expected(rules, world), world
        assert decider.decide(*asks) == found, world
        traced = decide(policy, *asks, trace=True)
        assert [step.rule for step in traced.trace if step.matched] == [found.rule]


@settings(max_examples=40, deadline=None)
@given(_RULES, st.lists(_WORLDS, min_size=2, max_size=6))
def test_what_is_let_through_by_what_is_not_known_is_let_through_when_it_is(
    rules: list[tuple[dict[str, Any], str]], worlds: list[dict[str, Any]]
):
    policy = policy_of([rule_of(n, when, action) for n, (when, action) in enumerate(rules)])
    for world in worlds:
        unknown = {**world, "path": None, "agent": None, "client": None}
        if decide(policy, *question(policy, unknown)).action is not Action.ALLOW:
            continue
        clients = ("10.9.1.1", "10.0.0.1", "192.0.2.1")
        for path, agent, client in product(_PATHS, _AGENTS, clients):
            known = {**world, "path": path, "agent": agent, "client": client}
            decision = decide(policy, *question(policy, known))
            assert decision.action is Action.ALLOW, (known, decision)
