from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import REFUSALS, STRICTNESS, Action, Moment, Person, Resource
from proxy_addons.policy.retry import HORIZON_DAYS, Ahead, Retry, retry_ahead
from proxy_addons.policy.states import NO_ROTA, OFF_DUTY, ON_BREAK, ON_DUTY
from proxy_addons.policy.timespaces import TimeCondition, TimeRange, TimeSpace
from proxy_addons.urlkey import UrlKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.policy.compiled import Policy, Rule

SAM = Person("Sam", "address", "staff")
ALLOW = Action.ALLOW
SHOP = Resource(UrlKey("https", "shop.example", 443, "/"), frozenset({"shop"}))
MINUTE = timedelta(minutes=1)
HOLIDAYS = frozenset({date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1)})


def test_a_break_that_comes_today(make_policy: Any, make_rule: Any, within: Any, at: Any):
    policy = make_policy(
        make_rule("breaks", Action.ALLOW, time=within((set(range(5)), 720, 840))),
        make_rule("rest"),
    )
    found = {
        text: decide(policy, SAM, SHOP, Moment(at(text))).retry_at
        for text in (
            "2026-11-24T10:30",  # Tuesday
            "2026-11-24T11:59:59",
            "2026-11-24T14:00",
            "2026-11-27T15:00",  # Friday
        )
    }
    assert found == {
        "2026-11-24T10:30": at("2026-11-24T12:00"),
        "2026-11-24T11:59:59": at("2026-11-24T12:00"),
        "2026-11-24T14:00": at("2026-11-25T12:00"),
        "2026-11-27T15:00": at("2026-11-30T12:00"),
    }
    assert decide(policy, SAM, SHOP, Moment(at("2026-11-24T12:30"))).retry_at is None


def test_waiting_does_not_help(make_policy: Any, make_rule: Any, within: Any, at: Any):
    now = Moment(at("2026-11-24T10:30"))
    noon = within((set(range(5)), 720, 840))
    never = [
        make_policy(make_rule("noon", Action.COACH, time=noon), make_rule("rest")),
        make_policy(make_rule("rest")),
        make_policy(make_rule("noon", time=noon), make_rule("rest")),  # blocks at all times
        make_policy(  # allowed at noon, but only another category
            make_rule("noon", Action.ALLOW, time=noon, categories=frozenset({"news"})),
            make_rule("rest"),
        ),
        make_policy(  # an untimed block comes first
            make_rule("shop", categories=frozenset({"shop"})),
            make_rule("noon", Action.ALLOW, time=noon),
            make_rule("rest"),
        ),
        make_policy(),
    ]
    assert [decide(policy, SAM, SHOP, now).retry_at for policy in never] == [None] * 6


def test_nothing_is_promised_beyond_the_horizon(
    make_policy: Any, make_rule: Any, within: Any, at: Any
):
    christmas = within(({7}, 0, 1440))
    policy = make_policy(
        make_rule("holiday", Action.ALLOW, time=christmas),
        make_rule("rest"),
        bank_holidays=HOLIDAYS,
    )
    assert decide(policy, SAM, SHOP, Moment(at("2026-12-10T23:59"))).retry_at is None
    soon = decide(policy, SAM, SHOP, Moment(at("2026-12-11T00:00"))).retry_at
    assert soon == at("2026-12-25T00:00")


@pytest.mark.parametrize(
    ("zone", "ranges", "refused", "allowed"),
    [
        # Clocks go forward at 01:00 GMT: 01:30 does not occur, the range is entered by the jump.
        ("Europe/London", (90, 240), "2027-03-28T00:10+00:00", "2027-03-28T01:00+00:00"),
        # Only readings that are skipped: next day.
        ("Europe/London", (60, 120), "2027-03-28T00:10+00:00", "2027-03-29T00:00+00:00"),
        # Clocks go back at 01:00 GMT from 02:00 BST: 01:00 to 01:10 comes a second time.
        ("Europe/London", (60, 70), "2026-10-25T00:20+00:00", "2026-10-25T01:00+00:00"),
        # The range that ends at 02:00 is left by the jump and entered again by the jump.
        ("Europe/London", (60, 75), "2026-10-25T00:59+00:00", "2026-10-25T01:00+00:00"),
        # A jump over midnight: at 00:00 the clocks of Asuncion went to 01:00.
        ("America/Asuncion", (0, 90), "2023-10-01T03:00+00:00", "2023-10-01T04:00+00:00"),
        # A jump back over midnight, from 00:01 to 23:01 of the day before.
        ("America/St_Johns", (1410, 1439), "2010-11-07T02:29+00:00", "2010-11-07T03:00+00:00"),
        ("America/St_Johns", (1410, 1439), "2010-11-07T02:30:30+00:00", "2010-11-07T03:00+00:00"),
    ],
)
def test_changes_of_the_clocks(
    make_policy: Any, make_rule: Any, within: Any,
    zone: str, ranges: tuple[int, int], refused: str, allowed: str,
):  # fmt: skip
    policy = make_policy(
        make_rule("night", Action.ALLOW, time=within((set(range(8)), *ranges))),
        make_rule("rest"),
        time_zone=ZoneInfo(zone),
    )
    local = datetime.fromisoformat(refused).astimezone(ZoneInfo(zone))
    retry_at = decide(policy, SAM, SHOP, Moment(local)).retry_at
    assert retry_at is not None
    assert retry_at.astimezone(UTC) == datetime.fromisoformat(allowed)


# --- against brute force, minute by minute ----------------------------------------------------

# A minute of the day, now and then one near a change of the clocks.
minutes = st.integers(0, 1439) | st.sampled_from((0, 30, 60, 90, 119, 120, 121, 180, 1439))
days = st.frozensets(st.integers(0, 7), min_size=1, max_size=8)
time_ranges = st.builds(
    lambda d, start, length: TimeRange(d, start, start + length),
    days,
    minutes,
    st.integers(1, 1440) | st.sampled_from((10, 30, 60)),
)
timed_rules = st.tuples(
    st.sampled_from(tuple(STRICTNESS)), st.lists(time_ranges, min_size=1, max_size=2), st.booleans()
)
starts = st.sampled_from(
    [
        datetime(2027, 3, 27, 20, tzinfo=UTC),  # the clocks go forward in the night to come
        datetime(2026, 10, 24, 20, tzinfo=UTC),  # and back
        datetime(2026, 12, 24, 12, tzinfo=UTC),  # Christmas and new year
        datetime(2028, 2, 28, 12, tzinfo=UTC),  # leap day
        datetime(2026, 6, 10, 12, tzinfo=UTC),
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(timed_rules, min_size=1, max_size=3),
    st.sampled_from(tuple(STRICTNESS)),
    starts,
    st.integers(0, 600),
    st.integers(0, 59),
)
@example(
    [(Action.ALLOW, [TimeRange(frozenset({6}), 90, 100)], False)],
    Action.BLOCK,
    datetime(2026, 10, 24, 20, tzinfo=UTC),
    280,
    59,
)
def test_the_same_as_brute_force(
    make_policy: Callable[..., Policy],
    make_rule: Callable[..., Rule],
    written: list[tuple[Action, list[TimeRange], bool]],
    last: Action,
    start: datetime,
    later: int,
    second: int,
):
    rules = [
        make_rule(
            f"rule-{n}",
            action,
            time=TimeCondition((TimeSpace(f"space-{n}", tuple(ranges)),), outside=outside),
        )
        for n, (action, ranges, outside) in enumerate(written)
    ]
    policy = make_policy(*rules, make_rule("rest", last), bank_holidays=HOLIDAYS)
    zone = policy.time_zone
    now = (start + later * MINUTE).replace(second=second)
    decision = decide(policy, SAM, SHOP, Moment(now.astimezone(zone)))
    if decision.action not in REFUSALS:
        assert decision.retry_at is None
        return
    expected = None
    end = now + timedelta(days=HORIZON_DAYS)
    then = now.replace(second=0) + MINUTE
    while then <= end:
        # The wall clock is read anew at each minute; nothing of retry.py is used.
        local = then.astimezone(zone)
        reading = policy.reading(local)
        holding = [each for each in policy.rules if each.time is None or each.time.holds(reading)]
        # What coaches lets the rules after it say whether it passes.
        if [each.action for each in holding if each.action is not Action.COACH][:1] == [ALLOW]:
            expected = local
            break
        then += MINUTE
    assert decision.retry_at == expected
    if expected is not None:
        assert decision.retry_at is not None
        assert decision.retry_at.utcoffset() == expected.utcoffset()
        assert decide(policy, SAM, SHOP, Moment(decision.retry_at)).action not in REFUSALS


# --- with what will stand for the person -------------------------------------------------------

STANDING = [frozenset({state}) for state in (ON_DUTY, OFF_DUTY, NO_ROTA)]
STANDING += [frozenset({ON_DUTY, ON_BREAK})]
stateful_rules = st.tuples(
    st.sampled_from(tuple(STRICTNESS)),
    st.none() | st.lists(time_ranges, min_size=1, max_size=1),
    st.none() | st.frozensets(st.sampled_from((ON_DUTY, OFF_DUTY, NO_ROTA, ON_BREAK)), min_size=1),
)
spans_ahead = st.lists(
    st.tuples(st.integers(1, 50_000), st.sampled_from(STANDING)), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(stateful_rules, min_size=1, max_size=4), starts, st.integers(0, 36_000), spans_ahead
)
def test_with_what_will_stand_the_same_as_brute_force(
    make_policy: Callable[..., Policy],
    make_rule: Callable[..., Rule],
    written: list[tuple[Action, list[TimeRange] | None, frozenset[str] | None]],
    start: datetime,
    later: int,
    lengths: list[tuple[int, frozenset[str]]],
):
    rules = [
        make_rule(
            f"rule-{n}",
            action,
            states=named,
            time=ranges and TimeCondition((TimeSpace(f"space-{n}", tuple(ranges)),), outside=False),
        )
        for n, (action, ranges, named) in enumerate(written)
    ]
    policy = make_policy(*rules, make_rule("rest"), bank_holidays=HOLIDAYS)
    zone = policy.time_zone
    now = start + timedelta(seconds=later)
    ahead, until = [], now
    for seconds, states in lengths:
        until += timedelta(seconds=seconds)
        ahead.append(Ahead(until, states))

    def decided(at: datetime, states: frozenset[str]) -> Action:
        person = replace(SAM, states=states)
        return decide(policy, person, SHOP, Moment(at.astimezone(zone))).action

    if decided(now, ahead[0].states) not in REFUSALS:
        return
    facts = policy.facts(replace(SAM, states=ahead[0].states), SHOP)
    found = retry_ahead(policy, facts, now.astimezone(zone), ahead)
    expected = None
    then = now.replace(second=0) + MINUTE
    while expected is None and then < until:
        states = next(each.states for each in ahead if then < each.until)
        if decided(then, states) not in REFUSALS:
            expected = then
        then += MINUTE
    assert (found and found.at) == expected
    if found is not None:
        assert found.at.tzinfo is zone


def test_what_ends_when_it_opens_is_said(make_policy: Any, make_rule: Any, within: Any, at: Any):
    noon = within((set(range(5)), 720, 840))
    policy = make_policy(
        make_rule("off", Action.ALLOW, states=frozenset({OFF_DUTY})),
        make_rule("noon", Action.ALLOW, states=frozenset({NO_ROTA}), time=noon),
        make_rule("rest"),
    )
    facts = policy.facts(replace(SAM, states=frozenset({ON_DUTY})), SHOP)
    now, ends, days = at("2026-11-24T10:30"), at("2026-11-24T11:00"), at("2026-11-26T00:00")

    def ask(then: str) -> Retry | None:
        ahead = [Ahead(ends, frozenset({ON_DUTY})), Ahead(days, frozenset({then}))]
        return retry_ahead(policy, facts, now, ahead)

    assert ask(OFF_DUTY) == Retry(ends, frozenset({ON_DUTY}))
    assert ask(NO_ROTA) == Retry(at("2026-11-24T12:00"))
    assert ask(ON_DUTY) is None
    # What is not known yet is not promised.
    assert retry_ahead(policy, facts, now, [Ahead(ends, frozenset({ON_DUTY}))]) is None
