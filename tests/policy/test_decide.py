from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.compiled import Policy, Rule, host_and_parents
from proxy_addons.policy.decide import NO_RULE_MATCHED, decide
from proxy_addons.policy.explain import NOT_REACHED
from proxy_addons.policy.model import REFUSALS, STRICTNESS, Action, Moment, Person, Resource
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from proxy_addons.policy.timespaces import TimeCondition

ALLOW, COACH, BLOCK = Action.ALLOW, Action.COACH, Action.BLOCK


@pytest.fixture
def morning(at: Callable[..., datetime]) -> Moment:
    return Moment(at("2026-11-24T10:30"))  # a Tuesday


def test_the_first_rule_that_matches_decides(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment
):
    policy = make_policy(
        make_rule("mail", categories=frozenset({"mail"})),
        make_rule("news", ALLOW, categories=frozenset({"news", "mail"})),
        make_rule("rest", ALLOW),
    )
    both = decide(policy, staff, resource("news", "mail", "shop"), morning)
    assert (both.action, both.rule, both.categories) == (BLOCK, "mail", ("mail",))
    assert (both.clause, both.reason, both.profile) == ("Test 1", "Because mail.", "staff")
    assert decide(policy, staff, resource("news"), morning).rule == "news"
    rest = decide(policy, staff, resource("shop", "art"), morning)
    assert (rest.action, rest.rule, rest.categories) == (ALLOW, "rest", ("art", "shop"))


def test_nothing_matches_and_so_it_is_refused(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment
):
    policy = make_policy(make_rule("mail", ALLOW, categories=frozenset({"mail"})))
    decision = decide(policy, staff, resource("news"), morning, trace=True)
    assert (decision.action, decision.rule) == (BLOCK, NO_RULE_MATCHED)
    assert decision.reason
    assert [step.matched for step in decision.trace] == [False]


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("force.example", True),
        ("www.force.example", True),
        ("a.b.force.example", True),
        ("badforce.example", False),
        ("force.example.test", False),
        ("example", False),
    ],
)
def test_a_host_means_its_subdomains_and_nothing_beside(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment,
    host: str, matches: bool,
):  # fmt: skip
    policy = make_policy(
        make_rule("ours", ALLOW, hosts=frozenset({"force.example"})), make_rule("rest")
    )
    decision = decide(policy, staff, resource(host=host), morning)
    assert decision.rule == ("ours" if matches else "rest")


def test_an_address_has_no_parents(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment
):
    hosts = frozenset({"3.4", "192.0.2.1", "2001:db8::1"})
    policy = make_policy(make_rule("ours", ALLOW, hosts=hosts), make_rule("rest"))
    found = {
        host: decide(policy, staff, resource(host=host), morning).rule
        for host in ("192.0.2.1", "1.2.3.4", "2001:db8::1", "2001:db8::2")
    }
    assert found == {
        "192.0.2.1": "ours", "1.2.3.4": "rest", "2001:db8::1": "ours", "2001:db8::2": "rest"
    }  # fmt: skip


def test_methods_and_profiles_are_conditions(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment
):
    policy = make_policy(
        make_rule("strict", profiles=frozenset({"strict"})),
        make_rule("upload", methods=frozenset({"POST", "PUT"})),
        make_rule("rest", ALLOW),
    )
    assert decide(policy, staff, resource(method="PUT"), morning).rule == "upload"
    assert decide(policy, staff, resource(method="GET"), morning).rule == "rest"
    nobody = Person(None, "unidentified", "strict")
    assert decide(policy, nobody, resource(), morning).rule == "strict"


def test_a_profile_that_does_not_exist_is_judged_as_the_strictest(
    make_policy: Any, make_rule: Any, resource: Any, morning: Moment
):
    policy = make_policy(
        make_rule("strict", profiles=frozenset({"strict"})), make_rule("rest", ALLOW)
    )
    decision = decide(policy, Person("Sam", "address", "long-gone"), resource(), morning)
    assert (decision.action, decision.rule, decision.profile) == (BLOCK, "strict", "strict")


def test_time_is_read_in_the_policys_zone(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, within: Any
):
    noon = within((set(range(7)), 12 * 60, 13 * 60))
    policy = make_policy(make_rule("noon", ALLOW, time=noon), make_rule("rest"))
    summer = Moment(datetime(2026, 7, 1, 11, 30, tzinfo=UTC))  # 12:30 in London
    winter = Moment(datetime(2026, 12, 1, 11, 30, tzinfo=UTC))
    assert decide(policy, staff, resource(), summer).rule == "noon"
    assert decide(policy, staff, resource(), winter).rule == "rest"


def test_a_moment_without_a_zone_is_refused(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person
):
    moment = Moment(datetime(2026, 7, 1, 11, 30))  # noqa: DTZ001 - a date and time on the wall
    with pytest.raises(ValueError, match="without a time zone"):
        decide(make_policy(make_rule("rest", ALLOW)), staff, resource(), moment)


def test_what_must_stay_encrypted_is_said_by_category_and_by_host(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment
):
    policy = make_policy(
        make_rule("rest", ALLOW),
        never_inspect_categories=frozenset({"bank"}),
        never_inspect_hosts=frozenset({"clinic.example"}),
    )
    inspected = {
        (categories, host): decide(policy, staff, resource(*categories, host=host), morning).inspect
        for categories in ((), ("bank",), ("news", "bank"), ("news",))
        for host in ("a.example", "www.clinic.example")
    }
    assert {case for case, inspect in inspected.items() if inspect} == {
        ((), "a.example"),
        (("news",), "a.example"),
    }


def test_the_trace_says_of_every_rule_why(
    make_policy: Any, make_rule: Any, resource: Any, staff: Person, morning: Moment, within: Any
):
    lunch = within((set(range(5)), 720, 840), name="lunch")
    policy = make_policy(
        make_rule("strict", profiles=frozenset({"strict"})),
        make_rule("mail", categories=frozenset({"mail", "post"}), category_names=("post-group",)),
        make_rule("ours", hosts=frozenset({"force.example"})),
        make_rule("upload", methods=frozenset({"POST"})),
        make_rule("lunch", ALLOW, time=lunch),
        make_rule(
            "found",
            categories=frozenset({"shop"}),
            category_names=("shop",),
            profiles=frozenset({"staff"}),
            time=within((set(range(5)), 720, 840), name="lunch", outside=True),
        ),
        make_rule("rest", ALLOW),
    )
    decision = decide(policy, staff, resource("shop"), morning, trace=True)
    assert [(step.rule, step.matched, step.why) for step in decision.trace] == [
        ("strict", False, "profile is staff; the rule is for strict"),
        ("mail", False, "category shop is not in post-group"),
        ("ours", False, "host is not, and is not under, force.example"),
        ("upload", False, "method is not POST"),
        ("lunch", False, "Tue 10:30 is not within lunch"),
        ("found", True, "profile staff; category shop; Tue 10:30 is outside lunch"),
        ("rest", False, NOT_REACHED),
    ]
    unknown = decide(policy, staff, resource(), morning, trace=True)
    assert unknown.trace[1].why == "no category is known; the rule is for post-group"
    assert unknown.trace[-1].why == "matches everything"
    both = decide(policy, staff, resource("art", "news"), morning, trace=True)
    assert both.trace[1].why == "none of the categories art, news is in post-group"


def test_a_policy_needs_its_strictest_profile(make_policy: Any, make_rule: Any):
    with pytest.raises(ValueError, match="strictest"):
        make_policy(make_rule("rest"), strictest_profile="nobody")


# --- against a naive reading of the same rules ------------------------------------------------

PROFILES = ("staff", "strict")
CATEGORIES = ("a", "b", "c")
HOSTS = ("x.test", "y.x.test", "z.test")
METHODS = ("GET", "POST")
STANDING = ("on-break", "no-rota", "social-used")


def some(names: tuple[str, ...]) -> st.SearchStrategy[frozenset[str] | None]:
    return st.none() | st.frozensets(st.sampled_from(names), min_size=1)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    one = st.fixed_dictionaries(
        {
            "action": st.sampled_from(Action),
            "profiles": some(PROFILES),
            "categories": some(CATEGORIES),
            "hosts": some(HOSTS),
            "methods": some(METHODS),
            "states": some(STANDING),
            "hours": st.none() | st.tuples(st.integers(0, 23), st.integers(1, 23), st.booleans()),
        }
    )
    return draw(st.lists(one, max_size=6))


def naive(
    written: list[dict[str, Any]], person: Person, resource: Resource, local: datetime
) -> int | None:
    """The number of the rule that decides, by the words of docs/policy.md."""
    coach = None
    for number, rule in enumerate(written):
        host = resource.key.host
        met = [
            rule["profiles"] is None or person.profile in rule["profiles"],
            rule["categories"] is None or bool(rule["categories"] & resource.categories),
            rule["hosts"] is None
            or any(host == each or host.endswith(f".{each}") for each in rule["hosts"]),
            rule["methods"] is None or resource.method in rule["methods"],
            rule["states"] is None or bool(rule["states"] & person.states),
        ]
        if rule["hours"] is not None:
            start, length, outside = rule["hours"]
            met.append(((local.hour - start) % 24 < length) is not outside)
        if not all(met) or rule["action"] not in STRICTNESS:
            continue
        if rule["action"] is COACH:
            coach = number if coach is None else coach
        else:
            return number if coach is None or rule["action"] in REFUSALS else coach
    return None


@settings(deadline=None)
@given(
    rules(),
    st.sampled_from(PROFILES),
    st.frozensets(st.sampled_from(CATEGORIES)),
    st.sampled_from((*HOSTS, "other.test", "q.y.x.test", "notx.test")),
    st.sampled_from((*METHODS, "CONNECT")),
    st.frozensets(st.sampled_from((*STANDING, "on-duty"))),
    st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 10)),  # noqa: DTZ001 - a date and time on the wall
    st.booleans(),
)
def test_decisions_are_those_of_a_naive_reading(  # noqa: PLR0917 - hypothesis fills them
    make_policy: Callable[..., Policy],
    make_rule: Callable[..., Rule],
    within: Callable[..., TimeCondition],
    london: ZoneInfo,
    written: list[dict[str, Any]],
    profile: str,
    categories: frozenset[str],
    host: str,
    method: str,
    states: frozenset[str],
    wall: datetime,
    trace: bool,
):
    compiled = []
    for number, rule in enumerate(written):
        conditions = ("profiles", "categories", "hosts", "methods", "states")
        fields = {key: rule[key] for key in conditions}
        if rule["hours"] is not None:
            start, length, outside = rule["hours"]
            every_day = (set(range(8)), start * 60, (start + length) * 60)
            fields["time"] = within(every_day, outside=outside, name=f"space-{number}")
        compiled.append(make_rule(str(number), rule["action"], **fields))
    policy = make_policy(*compiled)
    asked = Resource(UrlKey("https", host, 443, "/"), categories, method)
    local = wall.replace(tzinfo=london).astimezone(UTC).astimezone(london)
    person = Person("Sam", "address", profile, states=states)
    decision = decide(policy, person, asked, Moment(local), trace=trace)
    assert Decider(policy).decide(person, asked, Moment(local)) == replace(decision, trace=())
    expected = naive(written, person, asked, local)
    if expected is None:
        assert (decision.action, decision.rule) == (BLOCK, NO_RULE_MATCHED)
    else:
        assert decision.rule == str(expected)
        assert decision.action == written[expected]["action"]
    if trace:
        matched = [step.rule for step in decision.trace if step.matched]
        assert matched == ([] if expected is None else [str(expected)])
        assert [step.rule for step in decision.trace] == [rule.id for rule in policy.rules]


def test_a_name_and_its_parents():
    assert list(host_and_parents("a.b.c")) == ["a.b.c", "b.c", "c"]
    assert list(host_and_parents("c")) == ["c"]
