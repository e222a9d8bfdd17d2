from __future__ import annotations

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
    st.frozensets(st.sampled_from(("shop", "bank"))),
    st.sampled_from(("a.example", "x.force.example", "clinic.example")),
    st.sampled_from(("GET", "POST", "PUT")),
    st.frozensets(st.sampled_from(("on-break", "no-rota"))),
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


@settings(max_examples=60, deadline=None)
@given(st.lists(questions, max_size=30), st.sampled_from((1, 3, 100)))
def test_the_same_answers_as_without_memory(policy: Any, asked: list[Any], remembered: int):
    decider = Decider(policy, remembered=remembered)
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)  # 01:00 to 02:00 local comes twice
    for profile, categories, host, method, states, step in asked:
        now += timedelta(seconds=step)
        person = Person("Sam", "address", profile, states=states)
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
            Moment(datetime(2026, 11, 24)),  # noqa: DTZ001
        )
