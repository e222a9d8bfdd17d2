"""What holds now and until when: the policy's own answers, at every moment that they can change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.compiled import Policy, Rule
from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import Action, Moment, Person, Resource
from proxy_addons.policy.states import ALLOWANCE_USED, NO_ROTA, OFF_DUTY, ON_BREAK
from proxy_addons.policy.timespaces import TimeCondition, TimeRange, TimeSpace
from proxy_addons.portal.own.outlook import AHEAD, Kind, Prospect, outlook
from proxy_addons.settings.load import load
from proxy_addons.urlkey import url_key

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
LONDON = ZoneInfo("Europe/London")
WORKDAYS = frozenset(range(5))
LUNCH = TimeSpace("lunch", (TimeRange(WORKDAYS, 720, 840),))
PERSONAL = frozenset({"shopping", "travel", "chat"})
MONDAY = datetime(2026, 11, 23, 10, 30, tzinfo=LONDON)
JANE = Person("jane", "address", "standard")


def rule(name: str, action: Action, **fields: object) -> Rule:
    return Rule(id=name, clause="Inf/27 2.9.1", reason=f"As {name} says.", action=action, **fields)  # type: ignore[arg-type]


POLICY = Policy(
    profiles={"standard": "Officers and staff.", "withdrawn": ""},
    strictest_profile="withdrawn",
    time_zone=LONDON,
    category_aliases={"boutiques": "shopping"},
    personal=PERSONAL | {"boutiques"},
    rules=(
        rule("hiding", Action.BLOCK, categories=frozenset({"vpn", "web-proxies"})),
        rule("used", Action.BLOCK, categories=PERSONAL, states=frozenset({ALLOWANCE_USED})),
        rule("care", Action.COACH, categories=frozenset({"ai-assistants", "travel"})),
        rule(
            "break", Action.ALLOW, categories=PERSONAL | {"boutiques"},
            states=frozenset({ON_BREAK, OFF_DUTY}),
        ),
        rule("lunch", Action.ALLOW, categories=PERSONAL, time=TimeCondition((LUNCH,))),
        rule("personal-use", Action.BLOCK, categories=PERSONAL),
        rule("everything-else", Action.ALLOW),
    ),
)  # fmt: skip


def steady(*states: str) -> Prospect:
    return Prospect(lambda _: frozenset(states), break_possible=True)


def until(ends: datetime, before: str, after: str = NO_ROTA, **more: bool) -> Prospect:
    return Prospect(lambda at: frozenset({before if at < ends else after}), (ends,), **more)


def found(kinds: tuple[Kind, ...], name: str) -> Kind:
    (one,) = [kind for kind in kinds if name in kind.categories]
    return one


def test_in_working_hours_it_says_when_it_opens_and_that_a_break_would():
    kinds = outlook(POLICY, JANE, MONDAY, steady(NO_ROTA), POLICY.personal)
    shopping = found(kinds, "shopping")
    assert shopping.categories == ("chat", "shopping", "travel"), "one line for what has one answer"
    assert shopping.action is Action.BLOCK
    assert shopping.rule == "personal-use"
    assert shopping.in_break
    assert shopping.changes == MONDAY.replace(hour=12, minute=0)
    assert shopping.then is Action.ALLOW
    assert found(kinds, "travel") is shopping, "it opens then as well, after a click"
    hiding = found(kinds, "VPN")
    assert hiding.categories == ("VPN", "web proxies")
    assert (hiding.changes, hiding.in_break, hiding.personal) == (None, False, False)


def test_personal_kinds_come_first_and_what_no_rule_names_has_its_line():
    kinds = outlook(POLICY, JANE, MONDAY, steady(NO_ROTA), POLICY.personal)
    assert [kind.personal for kind in kinds] == sorted((k.personal for k in kinds), reverse=True)
    (rest,) = [kind for kind in kinds if not kind.categories]
    assert rest.rule == "everything-else"
    assert not any("boutiques" in kind.categories for kind in kinds), "a list's name for shopping"


def test_a_break_opens_until_it_ends():
    ends = MONDAY + timedelta(minutes=20)
    shopping = found(
        outlook(POLICY, JANE, MONDAY, until(ends, ON_BREAK), POLICY.personal), "shopping"
    )
    assert (shopping.action, shopping.changes) == (Action.ALLOW, ends)
    assert shopping.then is Action.BLOCK


def test_a_break_that_ends_at_lunch_goes_on_into_it():
    ends = MONDAY.replace(hour=12, minute=15)
    shopping = found(
        outlook(POLICY, JANE, MONDAY, until(ends, ON_BREAK), POLICY.personal), "shopping"
    )
    assert shopping.changes == MONDAY.replace(hour=14, minute=0)


def test_coaching_says_so():
    kinds = outlook(POLICY, JANE, MONDAY, steady(OFF_DUTY), POLICY.personal)
    assert found(kinds, "AI assistants").action is Action.COACH
    assert found(kinds, "travel").action is Action.COACH
    assert found(kinds, "travel").changes is None


def test_a_used_allowance_opens_by_no_break_but_when_the_day_turns():
    turns = datetime(2026, 11, 24, 5, tzinfo=LONDON)
    prospect = until(turns, ALLOWANCE_USED, break_possible=True)
    shopping = found(outlook(POLICY, JANE, MONDAY, prospect, POLICY.personal), "shopping")
    assert shopping.rule == "used"
    assert not shopping.in_break
    assert shopping.changes == datetime(2026, 11, 24, 12, tzinfo=LONDON)


def test_where_no_break_can_be_started_none_is_promised():
    prospect = Prospect(lambda _: frozenset({NO_ROTA}), break_possible=False)
    kinds = outlook(POLICY, JANE, MONDAY, prospect, POLICY.personal)
    assert not any(kind.in_break for kind in kinds)


@pytest.fixture(scope="module")
def default() -> Policy:
    return load(ROOT / "config", overrides={}, environ={}).policy


@settings(max_examples=60, deadline=None)
@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001 - UTC below
    lasts=st.integers(1, 300),
    profile=st.sampled_from(["standard", "withdrawn", "unrestricted", "unheard-of"]),
    steps=st.lists(st.integers(0, int(AHEAD.total_seconds()) - 1), min_size=3, max_size=8),
)
def test_what_it_says_is_what_the_policy_decides_until_then(
    default: Policy, start: datetime, lasts: int, profile: str, steps: list[int]
):
    """At each moment before the change the answer is the present one; at the change another."""
    at = start.replace(tzinfo=UTC)
    ends = at + timedelta(minutes=lasts)
    person = Person("jane", "address", profile)

    def states_at(moment: datetime) -> frozenset[str]:
        return frozenset({NO_ROTA, ON_BREAK} if moment < ends else {NO_ROTA})

    def action(name: str) -> Callable[[datetime], Action]:
        resource = Resource(
            url_key("https://a.example/"), frozenset({name.lower().replace(" ", "-")})
        )

        def of(moment: datetime) -> Action:
            there = Person("jane", "address", profile, states=states_at(moment))
            return decide(default, there, resource, Moment(moment)).action

        return of

    kinds = outlook(default, person, at, Prospect(states_at, (ends,)), default.personal)
    assert kinds
    for kind in kinds:
        name = kind.categories[0] if kind.categories else "nothing-that-is-named"
        of = action(name)
        assert of(at) is kind.action
        last = kind.changes or at + AHEAD
        if kind.changes is not None:
            assert of(kind.changes) is kind.then is not kind.action
        for step in steps:
            moment = at + timedelta(seconds=step)
            if moment < last:
                assert of(moment) is kind.action, (name, moment)
