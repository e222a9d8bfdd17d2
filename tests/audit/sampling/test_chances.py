"""Sizes and bounds, against counting and against the beta distribution."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.audit.sampling.chances import (
    CONFIDENCE,
    in_words,
    misses,
    percent,
    sample_size,
    upper_bound,
)


@pytest.mark.parametrize(("prevalence", "size"), [(5, 59), (2, 147), (1, 291)])
def test_the_sizes_for_a_force_of_six_thousand(prevalence: int, size: int) -> None:
    share = Fraction(prevalence, 100)
    assert sample_size(6000, share) == size
    having = 6000 * prevalence // 100
    assert 1 - misses(6000, having, size) >= CONFIDENCE
    assert 1 - misses(6000, having, size - 1) < CONFIDENCE


@pytest.mark.parametrize(
    ("population", "share", "size"),
    [
        (1, Fraction(1), 1),
        (10, Fraction(1), 1),
        (10, Fraction(1, 1000), 10),
        (3, Fraction(1, 2), 2),
    ],
)
def test_sizes_at_the_edges(population: int, share: Fraction, size: int) -> None:
    assert sample_size(population, share) == size


@given(st.integers(1, 9), st.data())
def test_misses_are_counted(population: int, data: st.DataObject) -> None:
    having = data.draw(st.integers(0, population))
    sample = data.draw(st.integers(0, population))
    most = data.draw(st.integers(0, population))
    every = list(combinations(range(population), sample))
    few = sum(sum(one < having for one in each) <= most for each in every)
    assert misses(population, having, sample, most) == Fraction(few, len(every))


# One-sided 95 % limits of Clopper and Pearson by the other way round: the 95th percentile of the
# beta distribution with k + 1 and n - k, its density integrated by Simpson's rule.
@pytest.mark.parametrize(
    ("sample", "findings", "bound"),
    [
        (10, 0, 0.2588656),
        (59, 0, 0.0495076),
        (100, 0, 0.0295130),
        (10, 1, 0.3941633),
        (10, 5, 0.7775589),
        (10, 9, 0.9948838),
        (100, 3, 0.0757108),
        (10, 10, 1.0),
        (0, 0, 1.0),
    ],
)
def test_bounds_without_a_known_number(sample: int, findings: int, bound: float) -> None:
    found = float(upper_bound(sample, findings))
    assert isclose(found, bound, abs_tol=2e-6)


@given(st.integers(30, 400))
def test_no_findings_are_about_three_in_the_sample(sample: int) -> None:
    assert isclose(float(upper_bound(sample, 0)), 3 / sample, rel_tol=0.06)


@given(st.integers(1, 60), st.data())
def test_a_bound_is_the_largest_share_that_fits(population: int, data: st.DataObject) -> None:
    sample = data.draw(st.integers(0, population))
    findings = data.draw(st.integers(0, sample))
    bound = upper_bound(sample, findings, population)
    having = bound * population
    assert having.denominator == 1
    fits = [
        each
        for each in range(findings, population - sample + findings + 1)
        if misses(population, each, sample, findings) > 1 - CONFIDENCE
    ]
    assert int(having) == max(fits)
    assert bound <= upper_bound(sample, findings) + Fraction(1, 1 << 19)


@given(st.integers(2, 3000), st.integers(1, 99))
def test_size_and_bound_agree(population: int, share: int) -> None:
    """Whoever draws so many and finds nothing may say that it is less than that share."""
    prevalence = Fraction(share, 100)
    size = sample_size(population, prevalence)
    assert upper_bound(size, 0, population) < prevalence
    if size > 1:
        having = -(-population * share // 100)
        assert upper_bound(size - 1, 0, population) >= Fraction(having, population)


def test_words_never_say_that_there_was_nothing() -> None:
    said = in_words(147, 0, 6000)
    assert "at most 2.0 %" in said
    assert "does not show that there was nothing" in said
    assert "clean" not in said
    assert "3 had" in in_words(59, 3, 6000)
    assert in_words(0, 0, 6000) == "Nothing was reviewed, so nothing can be said."


def test_percentages_are_rounded_up() -> None:
    assert percent(Fraction(1, 10_000)) == "0.1 %"
    assert percent(Fraction(0)) == "0.0 %"
    assert percent(Fraction(1, 8)) == "12.5 %"


def test_a_chance_of_just_five_per_cent_is_spoken_against() -> None:
    """19 of 20 would be missed by one with a chance of exactly 1 in 20: as in `sample_size`."""
    assert upper_bound(1, 0, 20) == Fraction(18, 20)
    assert sample_size(20, Fraction(19, 20)) == 1


def test_of_nobody_nothing_is_known() -> None:
    """As in a coverage report before anything was drawn."""
    assert upper_bound(0, 0, 0) == 1
