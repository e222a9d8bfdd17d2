from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import Action, Moment, Person, Resource
from proxy_addons.urlkey import UrlKey

questions = st.tuples(
    st.sampled_from(("staff", "strict", "gone")),
    st.frozensets(st.sampled_from(("shop", "bank", "game"))),
    st.sampled_from(("a.example", "x.force.example", "clinic.example")),
    st.sampled_from(("GET", "POST", "PUT")),
    st.frozensets(st.sampled_from(("on-break", "no-rota"))),
    st.frozensets(st.sampled_from(("shop", "game")), max_size=1),  # exempted
    # Seconds since the question before: mostly within its minute, or nothing would be remembered.
    # The clocks change in the time that they make up.
    st.sampled_from((0, 0, 0, 0, 1, 61, 3600)),
)


@pytest.fixture(scope="module", params=["with-hosts", "without"])
def policy(request: Any, make_policy: Any, make_rule: Any, within: Any) -> Any:
    odd = within((set(range(8)), 75, 90), (set(range(8)), 0, 7))
    if request.param == "without":
        return make_policy(
            make_rule("strict", profiles=frozenset({"strict"})),
            make_rule("upload", methods=frozenset({"POST"})),
            make_rule("odd", Action.ALLOW, time=odd),
            make_rule("break", Action.COACH, states=frozenset({"on-break"})),
            make_rule("shop", categories=frozenset({"shop"})),
            make_rule("rest", Action.ALLOW),
        )
    return make_policy(
        make_rule("strict", profiles=frozenset({"strict"})),
        make_rule("upload", methods=frozenset({"POST"})),
        make_rule("ours", Action.ALLOW, hosts=frozenset({"force.example"})),
        make_rule("odd", Action.ALLOW, time=odd),
        make_rule("shop", categories=frozenset({"shop"})),
        make_rule("rest", Action.ALLOW),
        never_inspect_hosts=frozenset({"clinic.example"}),
    )


@pytest.fixture(scope="module")
def lasting(make_policy: Any, make_rule: Any, within: Any) -> Any:
    """Most questions turn on neither time nor states."""
    odd = within((set(range(8)), 75, 90), (set(range(8)), 0, 7))
    return make_policy(
        make_rule("game", categories=frozenset({"game"}), time=odd),
        make_rule(
            "break", Action.ALLOW, categories=frozenset({"game"}),
            states=frozenset({"on-break"}),
        ),
        make_rule("shop", categories=frozenset({"shop"})),
        make_rule("rest", Action.ALLOW, profiles=frozenset({"staff"})),
        make_rule("late", Action.ALLOW, time=odd, states=frozenset({"no-rota"})),
        make_rule("all"),
    )  # fmt: skip


@pytest.mark.parametrize("most", ["passes", "lasts"])
@settings(max_examples=60, deadline=None)
@given(st.lists(questions, max_size=30), st.sampled_from((1, 3, 100)))
def test_the_same_answers_as_without_memory(
    policy: Any, lasting: Any, most: str, asked: list[Any], remembered: int
):
    policy = lasting if most == "lasts" else policy
    decider = Decider(policy, remembered=remembered)
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # 01:00 to 02:00 local comes twice
    for profile, categories, host, method, states, exempted, step in asked:
        now += timedelta(seconds=step)
        person = Person("Sam", "address", profile, None, None, exempted, states)
        resource = Resource(UrlKey("https", host, 443, "/"), categories, method)
        moment = Moment(now.astimezone(policy.time_zone))
        assert decider.decide(person, resource, moment) == decide(policy, person, resource, moment)


def test_an_answer_is_remembered_for_its_minute_only(policy: Any, resource: Any, at: Any):
    decider = Decider(policy)
    sam = Person("Sam", "address", "staff")
    first = decider.decide(sam, resource("shop"), Moment(at("2026-11-24T10:30:01")))
    again = decider.decide(sam, resource("shop"), Moment(at("2026-11-24T10:30:59")))
    later = decider.decide(sam, resource("shop"), Moment(at("2026-11-24T10:31:00")))
    assert again is first
    assert later is not first
    assert later == first


def test_what_neither_time_nor_states_can_change_is_remembered(
    make_policy: Any, make_rule: Any, within: Any, resource: Any, at: Any
):
    policy = make_policy(
        make_rule("shop", categories=frozenset({"shop"}), time=within((set(range(8)), 0, 60))),
        make_rule(
            "break", Action.ALLOW, categories=frozenset({"game"}), states=frozenset({"on-break"})
        ),
        make_rule("rest", Action.ALLOW),
        make_rule("later", time=within((set(range(8)), 0, 60))),
    )
    decider = Decider(policy)
    sam = Person("Sam", "address", "staff")
    resting = replace(sam, states=frozenset({"on-break"}))
    early, late = Moment(at("2026-11-24T00:59:59")), Moment(at("2026-11-24T01:00:00"))

    def told(*categories: str) -> list[Any]:
        asked = resource(*categories)
        return [
            decider.decide(who, asked, when) for when in (early, late) for who in (sam, resting)
        ]

    # Nothing that comes before the rule which decides looks at either.
    assert len({id(each) for each in told("bank")}) == 1
    sam_early, resting_early, sam_late, resting_late = told("game")
    assert sam_early is sam_late
    assert resting_early is resting_late
    assert (sam_early.rule, resting_early.rule) == ("rest", "break")
    assert [each.rule for each in told("shop")] == ["shop", "shop", "rest", "rest"]
    assert [each.rule for each in told("shop", "game")] == ["shop", "shop", "rest", "break"]


def test_the_clock_makes_forget_only_those_to_whom_it_matters(
    make_policy: Any, make_rule: Any, within: Any, resource: Any, at: Any
):
    """Most people go by their rota; the office's times are for those who are on none."""
    times = {"states": frozenset({"no-rota"}), "time": within((set(range(8)), 0, 60))}
    duty = frozenset({"on-duty"})
    policy = make_policy(
        make_rule("office", Action.ALLOW, **times),
        make_rule("off", Action.ALLOW, states=frozenset({"off-duty"})),
        make_rule("on"),
    )
    decider = Decider(policy)
    sam = Person("Sam", "address", "staff", None, None, frozenset(), frozenset({"no-rota"}))
    kim = replace(sam, name="Kim", states=duty)
    early, late = Moment(at("2026-11-24T00:59:59")), Moment(at("2026-11-24T01:00:00"))
    first = [decider.decide(who, resource("shop"), early) for who in (sam, kim)]
    (known,) = decider._of_hosts.values()
    then = [decider.decide(who, resource("shop"), late) for who in (kim, sam)]
    assert [each.rule for each in (*first, *then)] == ["office", "on", "on", "on"]
    assert then[0] is first[1]
    assert set(known) == {kim.states, sam.states}
    # What is left without an answer is not kept.
    alone = Decider(policy)
    for each in (early, late, Moment(at("2026-11-24T01:01:00"))):
        alone.decide(sam, resource("bank"), each)
    alone.decide(sam, resource("shop"), Moment(at("2026-11-24T01:02:00")))
    assert (len(alone._of_hosts), alone._kept) == (1, 1)


def test_whether_it_rests_on_an_exemption_may_turn_on_the_time(
    make_policy: Any, make_rule: Any, within: Any, resource: Any, at: Any
):
    """Nothing that the exempt look at does; what they would be told without does."""
    policy = make_policy(
        make_rule("night", profiles=frozenset({"staff"}), time=within((set(range(8)), 0, 60))),
        make_rule("rest", Action.ALLOW),
        profiles={"free": "Exempt.", "staff": "Staff.", "strict": "Nobody known."},
        otherwise={"free": "staff"},
    )
    decider = Decider(policy)
    free = Person("Sam", "address", "free")
    told = [
        decider.decide(free, resource("shop"), Moment(at(f"2026-11-24T{time}")))
        for time in ("00:59:59", "01:00:00", "01:01:00")
    ]
    assert [(each.rule, each.exempted) for each in told] == [
        ("rest", True), ("rest", False), ("rest", False),
    ]  # fmt: skip


def test_a_full_memory_is_emptied_with_the_minute(policy: Any, at: Any):
    """Or what was asked first would keep out what is asked now, for ever."""
    decider = Decider(policy, remembered=3)
    sam = Person("Sam", "address", "staff")
    for minute in range(3):
        moment = Moment(at(f"2026-11-24T10:3{minute}"))
        for category in "abcdef":
            asked = Resource(UrlKey("https", "a.example", 443, "/"), frozenset({category}))
            decider.decide(sam, asked, moment)
        assert decider._kept == len(decider._of_hosts) == len(decider._answers) == 3
        again = Resource(UrlKey("https", "a.example", 443, "/"), frozenset({"a"}))
        assert decider.decide(sam, again, moment) is decider.decide(sam, again, moment)


def test_the_two_minutes_of_one_reading_are_two_questions(policy: Any, resource: Any, at: Any):
    """01:31 comes twice when the clocks go back; only before the second does 01:15 come again."""
    decider = Decider(policy)
    sam = Person("Sam", "address", "staff")
    first = decider.decide(sam, resource("shop"), Moment(at("2026-10-25T01:31", 0)))
    second = decider.decide(sam, resource("shop"), Moment(at("2026-10-25T01:31", 1)))
    assert (first.retry_at, second.retry_at) == (at("2026-10-25T01:15", 1), at("2026-10-26T00:00"))


def test_a_moment_without_a_zone_is_refused(policy: Any, resource: Any):
    with pytest.raises(ValueError, match="without a time zone"):
        Decider(policy).decide(
            Person("Sam", "address", "staff"),
            resource(),
            Moment(datetime(2026, 11, 24)),  # noqa: DTZ001 - a date and time on the wall
        )
