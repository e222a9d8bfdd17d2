from __future__ import annotations

from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.compiled import Facts, Policy, Rule, host_and_parents
from proxy_addons.policy.lint import findings
from proxy_addons.policy.matching import match_at
from proxy_addons.policy.model import STRICTNESS, Action
from proxy_addons.policy.timespaces import (
    BANK_HOLIDAY,
    Reading,
    TimeCondition,
    TimeRange,
    TimeSpace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def odd(policy: Policy, *people: str) -> list[tuple[str, str, str]]:
    return [(f.where, f.name, f.message) for f in findings(policy, people or ("staff",))]


def test_a_rule_behind_a_wider_one(make_policy: Any, make_rule: Any):
    policy = make_policy(
        make_rule("mail", categories=frozenset({"mail", "post"})),
        make_rule("post", profiles=frozenset({"staff"}), categories=frozenset({"post"})),
        make_rule("rest", Action.ALLOW),
        make_rule("late", hosts=frozenset({"x.test"})),
    )
    assert odd(policy) == [
        ("rules", "post", "can never decide: earlier rules always do (mail)"),
        ("rules", "late", "can never decide: earlier rules always do (rest)"),
    ]


def test_a_rule_behind_several_that_only_together_are_wider(
    make_policy: Any, make_rule: Any, within: Any
):
    day, night = (set(range(8)), 480, 1080), (set(range(8)), 1080, 1920)
    policy = make_policy(
        make_rule("staff", profiles=frozenset({"staff"})),
        make_rule("day", time=within(day, name="day")),
        make_rule("night", time=within(night, name="night")),
        make_rule("rest"),
    )
    assert odd(policy) == [
        ("rules", "rest", "can never decide: earlier rules always do (staff, day, night)")
    ]


def test_a_time_that_never_comes(make_policy: Any, make_rule: Any, within: Any):
    always = (set(range(8)), 0, 1440)
    policy = make_policy(
        make_rule("never", time=within(always, outside=True)), make_rule("rest", Action.ALLOW)
    )
    assert odd(policy) == [("rules", "never", "can never decide: its time never comes")]


def test_unused_names_and_missing_clauses(make_policy: Any, make_rule: Any):
    bare = Rule(id="bare", clause="", reason="So.", action=Action.ALLOW)
    policy = make_policy(
        make_rule("used", categories=frozenset({"a"}), category_names=("used-group",)),
        bare,
        profiles={"staff": "", "strict": "", "lost": ""},
        time_spaces={"idle": TimeSpace("idle", ())},
        category_groups={"used-group": frozenset({"a"}), "idle-group": frozenset({"b"})},
    )
    assert odd(policy) == [
        ("rules", "bare", "names no clause of the force's policy"),
        ("time_spaces", "idle", "is used by no rule"),
        ("category_groups", "idle-group", "is used by no rule"),
        ("profiles", "lost", "is given to nobody and named by no rule"),
    ]
    assert odd(policy, "staff", "lost")[-1][1] == "idle-group"


def test_a_rule_that_coaches_shadows_none(make_policy: Any, make_rule: Any):
    policy = make_policy(
        make_rule("coach", Action.COACH, categories=frozenset({"ai", "art"})),
        make_rule("again", Action.COACH, categories=frozenset({"ai"})),
        make_rule("ai", Action.ALLOW, categories=frozenset({"ai"})),
        make_rule("rest", Action.ALLOW),
    )
    assert odd(policy) == [("rules", "again", "can never decide: earlier rules always do (coach)")]


def test_minutes_that_are_never_counted(make_policy: Any, make_rule: Any):
    rules = (
        make_rule("used", states=frozenset({"social-low", "social-used", "allowance-used"})),
        make_rule("break", Action.ALLOW, states=frozenset({"on-break"})),
        make_rule("rest"),
    )
    personal = "looks at allowance-used, but personal_use.categories names nothing that counts"
    social = "looks at social-low, but personal_use.social names nothing that counts"
    assert odd(make_policy(*rules)) == [("rules", "used", personal), ("rules", "used", social)]
    some_counted = make_policy(*rules, personal=frozenset({"shop"}))
    assert odd(some_counted) == [("rules", "used", social)]
    shop = frozenset({"shop"})
    assert odd(make_policy(*rules, personal=shop, social=shop)) == []


def test_a_rule_that_coaches_takes_nothing_from_one_before_it(make_policy: Any, make_rule: Any):
    policy = make_policy(
        make_rule("ai", Action.COACH, categories=frozenset({"ai"})),
        make_rule("all", Action.COACH),
        make_rule("rest", Action.ALLOW),
    )
    assert odd(policy) == []


def test_a_rule_that_coaches_what_is_refused_anyway(make_policy: Any, make_rule: Any, within: Any):
    day, night = (set(range(8)), 480, 1080), (set(range(8)), 1080, 1920)
    policy = make_policy(
        make_rule("ai", Action.COACH, categories=frozenset({"ai"})),
        make_rule("by-day", Action.COACH, categories=frozenset({"shop"}), time=within(day)),
        make_rule("both", Action.COACH, categories=frozenset({"news"})),
        make_rule("uk", Action.COACH, hosts=frozenset({"uk"})),
        make_rule("shop", Action.ALLOW, categories=frozenset({"shop"}), time=within(night)),
        make_rule("press", Action.ALLOW, categories=frozenset({"press"})),
        make_rule("gov", Action.ALLOW, hosts=frozenset({"gov.uk"}), states=frozenset({"off-duty"})),
        make_rule("ai-too", categories=frozenset({"ai"})),
        make_rule("rest"),
    )
    # What is news and press, and not what is ai and press, as nothing is between: both can coach.
    assert odd(policy) == []
    narrow = make_policy(
        make_rule("ai", Action.COACH, categories=frozenset({"ai"})),
        make_rule("never", categories=frozenset({"ai"})),
        make_rule("rest", Action.ALLOW),
    )
    assert odd(narrow) == [
        ("rules", "ai", "can never decide: no rule after it allows what it would coach")
    ]


def test_what_counts_as_personal_use_is_used(make_policy: Any, make_rule: Any):
    groups = {"personal": frozenset({"shop"}), "idle": frozenset({"x"})}
    policy = make_policy(
        make_rule("rest"), category_groups=groups, personal=frozenset({"shop"}),
        personal_names=("personal",),
    )  # fmt: skip
    assert odd(policy) == [("category_groups", "idle", "is used by no rule")]


# --- against every request that there can be ---------------------------------------------------

PROFILES, CATEGORIES, METHODS = ("staff", "strict"), ("a", "b"), ("GET", "")
HOSTS = ("x.test", "y.x.test", "z.test", "other.test")
STANDING = ("on-break", "no-rota")
HOURS = range(0, 24, 6)  # ranges below begin and end at these hours


def some(names: tuple[str, ...]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names), min_size=1)


times = st.none() | st.tuples(
    st.sampled_from(({0, 1, 2, 3, 4}, {5, 6}, {BANK_HOLIDAY}, set(range(8)))),
    st.sampled_from(HOURS),
    st.sampled_from((6, 12, 18, 24)),
    st.booleans(),
)
rules = st.fixed_dictionaries(
    {
        "profiles": some(PROFILES),
        "categories": some(CATEGORIES),
        "hosts": some(HOSTS[:3]),
        "methods": some(("GET",)),
        "states": some(STANDING),
        "action": st.sampled_from(tuple(STRICTNESS)),
        "time": times,
    }
)


def all_facts(named_hosts: set[str]) -> Iterator[Facts]:
    sets = chain.from_iterable(combinations(CATEGORIES, size) for size in range(3))
    standing = [frozenset(c) for size in range(3) for c in combinations(STANDING, size)]
    for profile, categories, host, method, states in product(
        PROFILES, list(sets), HOSTS, METHODS, standing
    ):
        hosts = frozenset(host_and_parents(host)) & named_hosts
        yield Facts(profile, frozenset(categories), hosts, method, states=states)


def all_readings() -> Iterator[Reading]:
    for weekday in range(7):
        for today in (weekday, BANK_HOLIDAY):
            for yesterday in ((weekday - 1) % 7, BANK_HOLIDAY):
                for hour in HOURS:
                    yield Reading(today, yesterday, hour * 60)


@settings(max_examples=60, deadline=None)
@given(st.lists(rules, min_size=1, max_size=4))
def test_a_rule_is_unreachable_exactly_when_no_request_reaches_it(
    make_policy: Callable[..., Policy],
    make_rule: Callable[..., Rule],
    written: list[dict[str, Any]],
):
    compiled = []
    for number, fields in enumerate(written):
        time = None
        if fields["time"] is not None:
            days, start, length, outside = fields["time"]
            piece = TimeRange(frozenset(days), start * 60, (start + length) * 60)
            time = TimeCondition((TimeSpace(f"space-{number}", (piece,)),), outside=outside)
        compiled.append(make_rule(f"rule-{number}", **(fields | {"time": time})))
    policy = make_policy(*compiled)
    named = {host for rule in compiled for host in rule.hosts or ()}
    reached = set()
    readings = list(all_readings())
    for facts in set(all_facts(named)):
        concerned = [rule for rule in compiled if rule.concerns(facts)]
        for now in readings:
            match = match_at(concerned, facts, now)
            # Under a rule that coaches, the one that allows after it is of use too.
            reached.update(rule.id for rule in (match.decides, match.rests) if rule)
    unreachable = {f.name for f in findings(policy, ("staff",)) if "can never decide" in f.message}
    assert unreachable == {rule.id for rule in compiled} - reached
