"""Counting for alerts: against a plain model, over restarts at any place, within bounds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.alerting import Model, alert, made

from proxy_addons.audit.alerts.counting import Counting
from proxy_addons.audit.alerts.windows import IDS, LATE, Episode
from proxy_addons.settings.alerts import AlertWhen, Hours
from proxy_addons.settings.load import load

if TYPE_CHECKING:
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.settings.alerts import Alert

ROOT = Path(__file__).parents[3]


@cache
def policy() -> Policy:
    return load(ROOT / "config", environ={}).policy


def run(
    alerts: list[Alert], records: list[dict[str, Any]], cuts: frozenset[int] = frozenset()
) -> list[Episode]:
    """All episodes as they end up; the state goes through JSON before the records of `cuts`."""
    counting = Counting(alerts, policy())
    found: dict[Any, Episode] = {}
    for place, record in enumerate(records):
        if place in cuts:
            kept = json.loads(json.dumps(counting.kept()))
            counting = Counting(alerts, policy())
            assert counting.restore(kept) == []
        for episode in counting.take(record):
            found[episode.key] = episode
    return list(found.values())


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Workers beside each other, none of which goes back; one may be far behind."""
    places = {worker: draw(st.integers(0, 400)) for worker in (1, 2)}
    found = []
    for seq in range(1, draw(st.integers(1, 60)) + 1):
        worker = draw(st.sampled_from([1, 1, 2]))
        places[worker] += draw(st.sampled_from([0, 0, 0, 1, 2, 5, 9, 40, 200]))
        found.append(
            made(
                seq,
                places[worker] + draw(st.sampled_from([0.0, 0.5])),
                worker,
                person=draw(st.sampled_from(["a", "b"])),
                host=draw(st.sampled_from(["x", "y", "z"])),
                action=draw(st.sampled_from(["block", "block", "block", "allow"])),
            )
        )
    return found


@settings(max_examples=150, deadline=None)
@given(
    streams(),
    st.sampled_from(["records", "hosts"]),
    st.integers(1, 4),
    st.sampled_from([1, 5, 10, 300]),
    st.sampled_from([1, 3, 30, 500]),
    st.frozensets(st.integers(0, 59), max_size=6),
)
def test_as_the_model_has_it_over_any_restarts(
    records: list[dict[str, Any]],
    measure: str,
    threshold: int,
    within: int,
    quiet: int,
    cuts: frozenset[int],
):
    wanted = alert(measure=measure, threshold=threshold, within=within, quiet=quiet)
    model = Model(wanted, LATE)
    for record in records:
        model.take(record)
    found = run([wanted], records, cuts)
    assert sorted((e.who, e.start, e.until, e.records, e.amount, e.late) for e in found) == sorted(
        (each.who, each.start, each.until, len(each.ids), each.amount, each.late)
        for each in model.raised
    )
    by_key = {(each.who, each.start): each for each in model.raised}
    for episode in found:
        ids = by_key[episode.who, episode.start].ids
        assert set(episode.ids) <= set(ids)
        assert len(episode.ids) == min(IDS, len(ids))


@pytest.mark.parametrize(
    ("minutes", "raised"),
    [
        ([0, 4, 9], 1),  # the tenth minute is the last one of the window
        ([0, 4, 10], 0),
        ([0, 4, 9, 10, 20], 1),  # all of it in one alert
        ([0, 1, 2, 33, 34, 35], 2),  # 30 minutes after the alert a new one is due
        ([0, 1, 2, 31, 32, 33], 2),  # of the second three, the first belongs to the first alert
    ],
)
def test_the_ends_of_a_window(minutes: list[int], raised: int):
    records = [made(seq, at) for seq, at in enumerate(minutes, 1)]
    if minutes[3:] == [31, 32, 33]:
        records.append(made(9, 34))
    assert len(run([alert(threshold=3, within=10, quiet=30)], records)) == raised


def when(**given: Any) -> AlertWhen:
    return AlertWhen(**given)


ONE = frozenset[str]


@pytest.mark.parametrize(
    ("condition", "record", "counts"),
    [
        (when(rules=ONE({"hiding"})), {}, True),
        (when(rules=ONE({"games"})), {}, False),
        (when(profiles=ONE({"unrestricted"})), {"profile": "unrestricted"}, True),
        (when(profiles=ONE({"unrestricted"})), {}, False),
        (when(categories=ONE({"adult"})), {"categories": ["news", "adult"]}, True),
        (when(categories=ONE({"adult"})), {"categories": ["news"]}, False),
        (when(findings=ONE({"marking"})), {"findings": ["marking=secret"]}, True),
        (when(findings=ONE({"marking=secret"})), {"findings": ["marking=caveat"]}, False),
        (when(virus=True), {"virus": "EICAR"}, True),
        (when(virus=True), {}, False),
        (when(opened_only=True), {"opened": False}, False),
        (when(opened_only=True), {"opened": None}, True),
        (when(), {"event": "open"}, False),
        (when(outside=("working-hours",)), {}, True),  # a Saturday
        (when(outside=("working-hours",)), {"start": "2026-11-23T09:00:00.000000Z"}, False),
        (when(outside=("working-hours",)), {"start": "2026-11-23T07:59:59.000000Z"}, True),
        # In summer the clocks of the force are an hour ahead.
        (when(outside=("working-hours",)), {"start": "2026-07-20T07:00:00.000000Z"}, False),
        (when(hours=Hours(22 * 60, 6 * 60)), {"start": "2026-11-23T22:00:00.000000Z"}, True),
        (when(hours=Hours(22 * 60, 6 * 60)), {"start": "2026-11-23T06:00:00.000000Z"}, False),
    ],
)
def test_which_records_count(condition: AlertWhen, record: dict[str, Any], *, counts: bool):
    assert bool(run([alert(when=condition)], [made(1, 0, **record)])) is counts


def test_who_is_not_known_is_counted_by_address():
    found = run([alert(threshold=2)], [made(1, 0, person=None), made(2, 0, person=None)])
    assert [(each.kind, each.who) for each in found] == [("client", "192.0.2.7")]
    (named,) = run([alert(per="client")], [made(1, 0)])
    assert (named.kind, named.who) == ("client", "192.0.2.7")


def test_octets_are_counted():
    records = [made(seq, seq, bytes_up=400, action="allow") for seq in range(1, 4)]
    wanted = alert(measure="up", threshold=1000, when=when())
    assert run([wanted], records[:2]) == []
    (found,) = run([wanted], records)
    assert (found.amount, found.records) == (1200, 3)


def test_more_people_than_places_are_never_lost():
    counting = Counting([alert(threshold=5)], policy(), most=3)
    found = {}
    for seq in range(1, 11):
        for episode in counting.take(made(seq, 0, person=f"p{seq}")):
            found[episode.key] = episode
    (of_all,) = found.values()
    assert (of_all.kind, of_all.who, of_all.records) == ("everybody", "", 7)
    assert len(counting) == 4
    # Those who had a place before are still told apart.
    own = [each for seq in range(11, 15) for each in counting.take(made(seq, 1, person="p1"))]
    assert [(each.who, each.records) for each in own] == [("p1", 5)]


def test_what_nobody_can_reach_any_more_is_forgotten():
    counting = Counting([alert(threshold=2, within=10, quiet=30)], policy())
    for seq in range(1, 500):
        counting.take(made(seq, seq * 10, person=f"p{seq}"))
    assert len(counting) < 30


def test_a_clock_that_ran_ahead_does_not_make_all_others_late():
    counting = Counting([alert(threshold=2, within=10)], policy())
    counting.take(made(1, 100_000))
    assert counting.take(made(2, 0)) == []
    (found,) = counting.take(made(3, 1))
    assert (found.records, found.late) == (2, 0)


def test_an_alert_that_counts_something_else_begins_anew():
    before = Counting([alert("a", threshold=2), alert("b", threshold=2)], policy())
    before.take(made(1, 0))
    now = Counting([alert("a", threshold=3), alert("b", threshold=2)], policy())
    assert now.restore(before.kept()) == ["a"]
    assert [each.alert for each in now.take(made(2, 0))] == ["b"]


def test_words_and_severity_change_nothing_of_the_count():
    before = Counting([alert(threshold=2)], policy())
    before.take(made(1, 0))
    now = Counting([replace(alert(threshold=2), words="Other.", severity="high")], policy())
    assert now.restore(before.kept()) == []


def test_what_a_late_record_can_still_reach_is_not_forgotten():
    counting = Counting([alert(threshold=2, within=10)], policy())
    counting.take(made(1, 0, worker=2))
    counting.take(made(1, LATE + 15, worker=1, person="another"))  # five is the oldest minute now
    (found,) = counting.take(made(2, 5, worker=2))
    assert (found.records, found.late) == (2, 0)
