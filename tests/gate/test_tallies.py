"""Tallies: the sums are those that Prometheus would have had one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, values

from proxy_addons.gate.tallies import OTHER, Spread, Tally

BOUNDS = (0.1, 0.5, 2.0)
SECONDS = st.one_of(st.sampled_from(BOUNDS), st.floats(0, 10))


def histogram() -> Histogram:
    values.ValueClass = values.MutexValue  # not what a worker's metrics set before
    return Histogram("x", "x", registry=CollectorRegistry(), buckets=BOUNDS)


def read(made: Histogram) -> dict[tuple[str, str], float]:
    (family,) = made.collect()
    return {
        (sample.name, sample.labels.get("le", "")): round(sample.value, 6)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(SECONDS, max_size=6), max_size=4))
def test_values_fall_where_prometheus_puts_them(seconds: list[list[float]]) -> None:
    ours, theirs, spread = histogram(), histogram(), Spread(BOUNDS)
    for some in seconds:
        for value in some:
            spread.add(value)
            theirs.observe(value)
        spread.pour(ours)
    assert read(ours) == read(theirs)


@given(st.lists(st.sampled_from("abcdef"), max_size=30))
def test_counts_by_key_are_bounded_and_none_is_lost(keys: list[str]) -> None:
    tally = Tally(3, OTHER)
    for key in keys:
        tally.add(key)
    counts = tally.take()
    assert sum(counts.values()) == len(keys)
    assert len(counts) <= 4
    assert all(counts[key] == keys.count(key) for key in set(counts) - {OTHER})
    assert tally.take() == {}
